import { useState } from "react";
import { TerminalText } from "@/components/wall";
import { cx } from "@/lib/classes";
import { grouped, logTime } from "@/lib/words";

export type LogKind = "server" | "archestra" | "refused" | "problem" | "warning" | "network";

export interface LogRow {
  number: number;
  atMs: number;
  kind: LogKind;
  /** The word of the second column. */
  source: string;
  text: string;
}

const LINE_MAX = 600;

/** One line of a log: time, source, text. */
export function LogLine({ row, mark }: { row: LogRow; mark?: string }) {
  const [all, setAll] = useState(false);
  const isLong = row.text.length > LINE_MAX && !all;
  const bad = row.kind === "refused" || row.kind === "problem";
  return (
    <div
      className={cx(
        "grid grid-cols-[62px_1fr] gap-2.5 px-4 py-px font-mono text-xs leading-5 [font-variant-ligatures:none] md:grid-cols-[92px_70px_1fr]",
        bad && "bg-danger-soft",
      )}
    >
      <span className="num text-faint max-md:hidden">{logTime(row.atMs)}</span>
      <span
        className={cx(
          "truncate",
          bad
            ? "text-danger"
            : row.kind === "warning"
              ? "text-warning"
              : row.kind === "network"
                ? "text-sandbox"
                : "text-faint",
        )}
      >
        {row.source}
      </span>
      <span className="min-w-0 [overflow-wrap:anywhere] whitespace-pre-wrap [unicode-bidi:isolate]">
        <Marked text={isLong ? row.text.slice(0, LINE_MAX) : row.text} mark={mark} />
        {isLong && (
          <>
            …{" "}
            <button type="button" className="link" onClick={() => setAll(true)}>
              Show all {grouped(row.text.length)} characters
            </button>
          </>
        )}
      </span>
    </div>
  );
}

function Marked({ text, mark }: { text: string; mark: string | undefined }) {
  const at = mark ? text.toLowerCase().indexOf(mark.toLowerCase()) : -1;
  if (at < 0 || !mark) return <TerminalText text={text} />;
  const end = at + mark.length;
  return (
    <>
      <TerminalText text={text.slice(0, at)} />
      <mark className="rounded-[2px] bg-warning-soft text-text">{text.slice(at, end)}</mark>
      <TerminalText text={text.slice(end)} />
    </>
  );
}
