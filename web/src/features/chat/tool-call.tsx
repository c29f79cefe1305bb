import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api } from "@/api/client";
import { approvalQuery, keys } from "@/api/queries";
import { ApprovalCard, type Decision } from "@/components/approval-card";
import { CopyButton } from "@/components/code";
import { ErrorNote, Notice } from "@/components/notice";
import { Bar } from "@/components/progress";
import { type CallState, ToolCard } from "@/components/tool-card";
import { ToolResult } from "@/components/tool-result";
import { Quoted, QuotedLine } from "@/components/wall";
import type { ToolPart } from "@/lib/message";
import type { JsonObject } from "@/lib/schema-form";
import { resultText } from "@/lib/tool-result";
import { toolClaims } from "@/lib/tool-words";
import { bytes } from "@/lib/words";
import type { CallProgress, Consent, Outcome } from "./answer-parts";
import { useTool } from "./use-tool";

interface Props {
  chat: string;
  part: ToolPart;
  outcome: Outcome | undefined;
  progress: CallProgress | undefined;
  consent: Consent | undefined;
  /** The run goes on, so what has no end may still get one. */
  running: boolean;
  onEscape: () => void;
}

/** One call in the thread: a card, and below it the question, where there is one. */
export function ToolCall({ chat, part, outcome, progress, consent, running, onEscape }: Props) {
  const tool = useTool(part.toolName, part.title);
  const state = stateOf(part, outcome, running);
  const args = consent?.arguments ?? part.input ?? writtenArguments(part);
  const isOwn = outcome?.outcome === "refused" || outcome?.outcome === "unknown";
  if (part.state === "approval-requested" && part.approval) {
    return (
      <Question chat={chat} id={part.approval.id} advertised={part.toolName} onEscape={onEscape} />
    );
  }
  return (
    <ToolCard
      state={state}
      server={tool.server}
      tool={tool.title}
      toolName={tool.name}
      args={args}
      hosts={tool.hosts}
      durationMs={outcome?.durationMs ?? null}
      result={result(part, isOwn)}
      note={note(part, outcome, state, progress, tool)}
      footer={footer(part, outcome, consent)}
    />
  );
}

function stateOf(part: ToolPart, outcome: Outcome | undefined, running: boolean): CallState {
  switch (part.state) {
    case "output-available":
      return "done";
    case "output-denied":
      return "denied";
    case "output-error":
      return outcome?.outcome === "unknown" ? "unknown" : "failed";
    case "approval-requested":
      return "asking";
    case "approval-responded":
      return part.approval?.approved === false ? "denied" : running ? "running" : "stopped";
    case "input-streaming":
      return running ? "writing" : "stopped";
    default:
      return running ? "running" : "stopped";
  }
}

/** What the model has written so far is not JSON yet. */
function writtenArguments(part: ToolPart): string | undefined {
  return part.state === "input-streaming" ? part.inputText : undefined;
}

function result(part: ToolPart, isOwn: boolean) {
  if (part.state === "output-available") return <ToolResult output={part.output} />;
  if (part.state === "output-error" && !isOwn)
    return <Quoted text={part.errorText ?? ""} mono terminal />;
  return null;
}

function note(
  part: ToolPart,
  outcome: Outcome | undefined,
  state: CallState,
  progress: CallProgress | undefined,
  tool: ReturnType<typeof useTool>,
) {
  if (outcome?.outcome === "unknown") {
    return (
      <Notice tone="warning" title="Nobody knows whether this happened.">
        The program or the server stopped while the call was under way. It is not sent again by
        itself. Look at {tool.server} before you ask for it once more.
      </Notice>
    );
  }
  if (outcome?.outcome === "refused") return <Notice>{part.errorText}</Notice>;
  const failed =
    tool.details?.status.state === "failed" || tool.details?.status.state === "install_failed";
  if (state === "failed" && failed) {
    return (
      <ErrorNote
        title={`${tool.server} is not running.`}
        error={new Error(tool.details?.status.reason ?? "it has stopped")}
      ></ErrorNote>
    );
  }
  if (part.state === "output-denied" && part.approval?.reason)
    return <p className="text-muted">You said: {part.approval.reason}</p>;
  if (state === "running" && progress) {
    const { message, total } = progress;
    const value = progress.progress !== null && total ? progress.progress / total : null;
    return (
      <div className="flex flex-col gap-1.5">
        {message && <QuotedLine text={message} className="text-xs text-faint" />}
        <Bar
          label="Progress of the call"
          percent={value === null ? null : Math.round(Math.min(1, value) * 100)}
        />
      </div>
    );
  }
  return null;
}

const SCOPES: Record<string, string> = {
  once: "You allowed it once",
  chat: "You allowed it in this chat",
  client: "You allowed it for an app",
  everywhere: "You allowed it always",
};

function footer(part: ToolPart, outcome: Outcome | undefined, consent: Consent | undefined) {
  if (part.state !== "output-available" && part.state !== "output-error") return null;
  const text = part.state === "output-available" ? resultText(part.output) : (part.errorText ?? "");
  const rule = outcome?.facts?.rule;
  const allowed = consent?.scope
    ? SCOPES[consent.scope]
    : typeof rule === "string"
      ? `Allowed by ${rule}`
      : null;
  return (
    <>
      <span className="num">{bytes(new Blob([text]).size)}</span>
      {outcome && outcome.cutBytes > 0 && (
        <span className="num">{bytes(outcome.cutBytes)} were cut before the model read it</span>
      )}
      {allowed && <span className="truncate max-sm:hidden">{allowed}</span>}
      {consent?.arguments && <span className="truncate">You changed the arguments</span>}
      <span className="flex-1" />
      <CopyButton text={text} label="Copy the result" />
    </>
  );
}

/** The question whether a call may be made. */
function Question({
  chat,
  id,
  advertised,
  onEscape,
}: {
  chat: string;
  id: string;
  advertised: string;
  onEscape: () => void;
}) {
  const client = useQueryClient();
  const { data: approval, error, refetch } = useQuery(approvalQuery(id));
  const tool = useTool(advertised);
  if (error && !approval) {
    return (
      <ErrorNote
        title="What is asked could not be loaded."
        error={error}
        fix={{ label: "Try again", run: () => void refetch() }}
      />
    );
  }
  if (!approval)
    return <div className="skeleton h-40 rounded-card" role="status" aria-label="Loading" />;
  if (approval.state !== "open") return <Closed state={approval.state} server={tool.slug} />;
  const decide = async (decision: Decision) => {
    const path = { approval: id };
    const { pin } = approval;
    const body =
      decision.kind === "deny"
        ? {
            decision: "deny" as const,
            pin,
            ...(decision.reason ? { reason: decision.reason } : {}),
          }
        : {
            decision: "approve" as const,
            pin,
            scope: decision.scope,
            ...(decision.args ? { arguments: decision.args } : {}),
          };
    try {
      await api.post("/api/v1/approvals/{approval}/decide", { path, body });
    } finally {
      void client.invalidateQueries({ queryKey: keys.approval(id) });
      void client.invalidateQueries({ queryKey: keys.approvals });
      void client.invalidateQueries({ queryKey: keys.chat(chat) });
    }
  };
  return (
    <ApprovalCard
      server={tool.server}
      tool={tool.title}
      toolName={approval.tool}
      args={approval.arguments as JsonObject}
      hosts={tool.hosts}
      secrets={tool.details?.secrets ?? []}
      folders={(tool.details?.folders ?? []).map((it) => ({
        path: it.host,
        write: it.access === "read_write",
      }))}
      claims={toolClaims(approval.definition)}
      scopes={approval.scopes}
      takesFocus
      editable
      onDecide={decide}
      onEscape={onEscape}
    />
  );
}

const CLOSED: Record<string, string> = {
  approved: "It was allowed. The call follows.",
  denied: "It was denied.",
  expired: "Nobody answered in time, so the call was not made.",
  withdrawn: "What asked is gone, so there is nothing to answer.",
};

function Closed({ state, server }: { state: string; server: string }) {
  if (state === "stale") {
    return (
      <Notice
        tone="warning"
        title="The tool has changed since it was asked for."
        actions={
          <Link
            to="/servers/$server"
            params={{ server }}
            search={{ tab: "tools" }}
            className="link"
          >
            Look at what has changed
          </Link>
        }
      >
        The call was not made.
      </Notice>
    );
  }
  return <Notice title="This question is no longer open.">{CLOSED[state]}</Notice>;
}
