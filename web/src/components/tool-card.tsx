import {
  Ban,
  Check,
  ChevronRight,
  CircleQuestionMark,
  Clock,
  Globe,
  GlobeOff,
  Hand,
  TriangleAlert,
} from "lucide-react";
import { type ReactNode, useState } from "react";
import { Arguments, argumentSummary } from "@/components/arguments";
import { Badge } from "@/components/badge";
import { Icon } from "@/components/icon";
import { Dot } from "@/components/status";
import { Tile } from "@/components/tile";
import { QuotedLine, Wall } from "@/components/wall";
import { cx } from "@/lib/classes";
import { plainly } from "@/lib/hostile";
import type { Json } from "@/lib/schema-form";
import { duration } from "@/lib/words";

/** How a call stands. `unknown`: the program stopped while it was under way. */
export type CallState =
  | "writing"
  | "asking"
  | "waiting"
  | "running"
  | "done"
  | "failed"
  | "denied"
  | "stopped"
  | "unknown";

const STATES: Record<CallState, { word: string; show: boolean }> = {
  writing: { word: "Being written", show: false },
  asking: { word: "Asks you", show: true },
  waiting: { word: "Next", show: true },
  running: { word: "Running", show: false },
  done: { word: "Done", show: false },
  failed: { word: "Failed", show: true },
  denied: { word: "Denied", show: true },
  stopped: { word: "Stopped", show: true },
  unknown: { word: "Outcome unknown", show: true },
};

export interface ToolCardProps {
  state: CallState;
  server: string;
  tool: string;
  /** The tool's own name, shown when the card is open. */
  toolName: string;
  args: Json | undefined;
  /** Hosts that the server may reach; an empty list is no network; null where it is not known. */
  hosts: readonly string[] | null;
  durationMs: number | null;
  /** What the server answered; it is put behind the wall. */
  result?: ReactNode;
  /** What Archestra has to say, for instance why it failed and the button that mends it. */
  note?: ReactNode;
  /** Sizes and the rule that allowed it, in one line. */
  footer?: ReactNode;
  children?: ReactNode;
}

/** One call of a tool: a line that opens, and never opens by itself. */
export function ToolCard(props: ToolCardProps) {
  const { state, server, tool, toolName, args, hosts, durationMs, result, note, footer } = props;
  const [open, setOpen] = useState(false);
  const { word, show } = STATES[state];
  return (
    <div className="min-w-0 overflow-hidden rounded-card border border-border bg-surface">
      <button
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="flex min-h-[38px] w-full items-center gap-[9px] px-2.5 text-start -outline-offset-2 hover:bg-hover max-md:min-h-11"
      >
        <StateShape state={state} />
        <Tile name={server} size="sm" />
        <span className="min-w-0 truncate max-md:flex-1">
          <b>{server}</b>&ensp;{tool}
        </span>
        <span className="min-w-0 flex-1 truncate font-mono text-xs text-faint max-md:hidden">
          <QuotedLine text={argumentSummary(args)} max={160} />
        </span>
        {show && (
          <span
            className={cx(
              "text-xs font-medium whitespace-nowrap",
              state === "failed"
                ? "text-danger"
                : state === "asking" || state === "unknown"
                  ? "text-warning"
                  : "text-faint",
            )}
          >
            {word}
          </span>
        )}
        {!show && <span className="sr-only">{word}</span>}
        <span className="max-sm:hidden">
          <Reach hosts={hosts} />
        </span>
        {durationMs !== null && (
          <span className="num text-xs whitespace-nowrap text-faint">{duration(durationMs)}</span>
        )}
        <Icon
          of={ChevronRight}
          className={cx(
            "text-faint transition-[rotate] duration-(--duration-base)",
            open && "rotate-90",
          )}
        />
      </button>
      {note && <div className="border-t border-border px-3.5 py-3">{note}</div>}
      {open && (
        <div className="divide-y divide-border border-t border-border">
          <div className="px-3.5 py-3">
            <p className="mb-1.5 text-xs text-faint">
              Sent to <code className="text-xs">{plainly(toolName)}</code>
            </p>
            <Arguments value={args} />
          </div>
          {result && (
            <div className="px-3.5 py-3">
              <Wall label={`What ${server} answered`}>{result}</Wall>
            </div>
          )}
          {footer && (
            <div className="flex min-h-9 items-center gap-3 ps-3.5 pe-1.5 text-xs text-faint">
              {footer}
            </div>
          )}
        </div>
      )}
    </div>
  );
}

function StateShape({ state }: { state: CallState }) {
  switch (state) {
    case "done":
      return <Icon of={Check} className="text-success" />;
    case "failed":
      return <Icon of={TriangleAlert} className="text-danger" />;
    case "denied":
      return <Icon of={Ban} className="text-muted" />;
    case "stopped":
      return <Icon of={Ban} className="text-faint" />;
    case "unknown":
      return <Icon of={CircleQuestionMark} className="text-warning" />;
    case "asking":
      return <Icon of={Hand} className="text-warning" />;
    case "waiting":
      return <Icon of={Clock} className="text-faint" />;
    default:
      return (
        <span className="grid size-4 place-items-center">
          <Dot shape="busy" />
        </span>
      );
  }
}

/** What a server may reach, as a badge. */
export function Reach({ hosts }: { hosts: readonly string[] | null }) {
  if (hosts === null) return null;
  if (hosts.length === 0) {
    return (
      <Badge tone="sandbox" icon={GlobeOff}>
        No network
      </Badge>
    );
  }
  return (
    <Badge tone="outline" icon={Globe}>
      {hosts.length === 1 ? hostName(hosts[0] ?? "") : `${hosts.length} hosts`}
    </Badge>
  );
}

/** Returns a host without the port that everybody expects. */
export function hostName(hostPort: string): string {
  return hostPort.replace(/:443$/, "");
}
