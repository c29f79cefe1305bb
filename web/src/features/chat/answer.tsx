import { Cloud, Laptop, RefreshCw } from "lucide-react";
import { memo, type ReactNode, useMemo } from "react";
import type { Model } from "@/api/types";
import { Button, IconButton } from "@/components/button";
import { CopyButton } from "@/components/code";
import { BelowHeading } from "@/components/heading";
import { Icon } from "@/components/icon";
import { Markdown } from "@/components/markdown";
import { ErrorNote, Notice } from "@/components/notice";
import { keysOf } from "@/lib/keys";
import type { Message, Part } from "@/lib/message";
import { count, duration } from "@/lib/words";
import { type About, about, words } from "./answer-parts";
import { Elicitation } from "./elicitation";
import { type LiveAnswer, useReading } from "./live";
import { Reasoning } from "./reasoning";
import { ToolCall } from "./tool-call";

interface Props {
  chat: string;
  message: Message;
  models: readonly Model[];
  /** It is being written, or waits for somebody. */
  running: boolean;
  /** From the first to the last word, where it is known. */
  tookMs: number | null;
  isLast: boolean;
  /** The ways to its other versions. */
  versions?: ReactNode;
  onAgain: () => void;
  onResume: () => void;
  onEscape: () => void;
}

/**
 * An answer: what comes of it while it is written, and before and after that what is stored. It stays
 * the same in the page, with what somebody has opened and written in it; only it is drawn again while
 * pieces come.
 */
export function LiveMessage({
  live,
  stored,
  ...rest
}: Omit<Props, "message"> & { live: LiveAnswer | null; stored: Message }) {
  const reading = useReading(live);
  return <Answer {...rest} message={reading?.message ?? stored} />;
}

/** An answer: who gave it, what it thought, did and wrote, and how it ended. */
export const Answer = memo(function Answer(props: Props) {
  const { chat, message, models, running, onEscape } = props;
  const parts = message.parts;
  const facts = useMemo(() => about(parts), [parts]);
  const isEmpty = parts.every((it) => it.type === "step-start" || it.type.startsWith("data-"));
  const lastWritten = parts.findLastIndex(
    (it) => it.type !== "step-start" && !it.type.startsWith("data-"),
  );
  return (
    <article className="flex min-w-0 flex-col gap-3" aria-busy={running || undefined}>
      <Who message={message} models={models} />
      <BelowHeading>
        {parts.map((part, i) => (
          <AnswerPart
            key={partKey(part, i)}
            chat={chat}
            part={part}
            facts={facts}
            running={running}
            isLast={i === lastWritten}
            onEscape={onEscape}
          />
        ))}
        {facts.questions.map((it) => (
          <Elicitation
            key={it.id}
            chat={chat}
            question={it}
            toolName={toolNameOf(parts, it.callId)}
            running={running}
          />
        ))}
      </BelowHeading>
      {running && isEmpty && (
        <p role="status" className="text-md text-faint">
          <span className="caret" aria-hidden="true" />{" "}
          <span className="sr-only">The answer begins</span>
        </p>
      )}
      {!running && <HowItEnded facts={facts} {...props} />}
      {!running && <Foot facts={facts} {...props} />}
    </article>
  );
});

function partKey(part: Part, i: number): string {
  return part.type === "dynamic-tool" ? part.toolCallId : `${i}`;
}

function toolNameOf(parts: readonly Part[], callId: string): string {
  const part = parts.find((it) => it.type === "dynamic-tool" && it.toolCallId === callId);
  return part?.type === "dynamic-tool" ? part.toolName : "";
}

const AnswerPart = memo(function AnswerPart({
  chat,
  part,
  facts,
  running,
  isLast,
  onEscape,
}: {
  chat: string;
  part: Part;
  facts: About;
  running: boolean;
  isLast: boolean;
  onEscape: () => void;
}) {
  switch (part.type) {
    case "text":
      return (
        <Markdown text={part.text} streaming={running && part.state === "streaming" && isLast} />
      );
    case "reasoning":
      return <Reasoning text={part.text} streaming={running && part.state === "streaming"} />;
    case "dynamic-tool":
      return (
        <ToolCall
          chat={chat}
          part={part}
          outcome={facts.outcomes.get(part.toolCallId)}
          progress={facts.progress.get(part.toolCallId)}
          consent={facts.consents.get(part.toolCallId)}
          running={running}
          onEscape={onEscape}
        />
      );
    case "data-notice": {
      const { text } = "data" in part ? ((part.data ?? {}) as { text?: string }) : {};
      return text ? <Notice>{text}</Notice> : null;
    }
    default:
      return null;
  }
}, samePart);

type PartProps = { part: Part; running: boolean; isLast: boolean; facts: About };

/** A text is drawn again when it has changed, whatever has happened to calls. */
function samePart(a: PartProps, b: PartProps): boolean {
  if (a.part !== b.part || a.running !== b.running || a.isLast !== b.isLast) return false;
  return a.part.type !== "dynamic-tool" || a.facts === b.facts;
}

function Who({ message, models }: { message: Message; models: readonly Model[] }) {
  const provider = message.metadata?.provider;
  const name = message.metadata?.model;
  if (typeof name !== "string") return <h2 className="sr-only">An answer</h2>;
  // The answer has its provider's title, a model its identifier; where several have a model of this
  // name, it is on this machine only if all of them are.
  const same = models.filter((it) => it.name === name);
  const [model] = same;
  const isLocal = same.length > 0 && same.every((it) => it.local);
  return (
    <h2 className="flex items-center gap-[7px] text-xs font-normal text-faint">
      <Icon of={isLocal ? Laptop : Cloud} size="sm" />
      <b className="text-sm text-text">{model?.title ?? name}</b>
      {isLocal ? "on this machine" : `by ${typeof provider === "string" ? provider : "a provider"}`}
    </h2>
  );
}

function HowItEnded({ facts, message, isLast, onAgain, onResume }: Props & { facts: About }) {
  const { end } = facts;
  if (!end || end.reason === "complete") return null;
  const goOn = isLast ? { label: "Go on", run: onResume } : undefined;
  switch (end.reason) {
    case "stopped":
      return <p className="text-xs text-faint">You stopped it here.</p>;
    case "interrupted":
      return (
        <Notice
          tone="warning"
          title="The program stopped in the middle of this answer."
          actions={
            goOn && (
              <Button small onClick={goOn.run}>
                {goOn.label}
              </Button>
            )
          }
        >
          What had arrived is kept. No call is sent twice.
        </Notice>
      );
    case "steps_max":
      return (
        <Notice
          title={`It stopped after ${count(end.stepsMax ?? 0, "step")}, the most of one answer.`}
          actions={
            goOn && (
              <Button small onClick={goOn.run}>
                {goOn.label}
              </Button>
            )
          }
        />
      );
    default:
      return (
        <ErrorNote
          error={Object.assign(new Error(end.error?.message ?? "the model failed"), {
            hint: end.error?.fix,
            details: end.error?.details,
          })}
          fix={
            isLast
              ? {
                  label: words(message.parts) ? "Go on" : "Try again",
                  run: words(message.parts) ? onResume : onAgain,
                }
              : undefined
          }
        />
      );
  }
}

function Foot({ facts, message, tookMs, isLast, versions, onAgain }: Props & { facts: About }) {
  const text = words(message.parts);
  const numbers = [
    facts.outputTokens !== null && count(facts.outputTokens, "token"),
    tookMs !== null && duration(tookMs),
    facts.outputTokens !== null &&
      tookMs !== null &&
      tookMs > 500 &&
      `${Math.round(facts.outputTokens / (tookMs / 1000))} a second`,
  ].filter(Boolean);
  if (!text && !numbers.length && !versions) return null;
  return (
    <div className="-mt-1.5 -ms-1.5 flex min-h-7 items-center gap-0.5">
      {text && <CopyButton text={text} label="Copy the answer" />}
      {isLast && (
        <IconButton
          icon={RefreshCw}
          label="Answer again"
          keys={keysOf("regenerate")}
          size="sm"
          onClick={onAgain}
        />
      )}
      {versions}
      {numbers.length > 0 && (
        <span
          className="num ms-1.5 text-xs text-faint"
          title={
            facts.inputTokens === null
              ? undefined
              : `${count(facts.inputTokens, "token")} were read`
          }
        >
          {numbers.join(", ")}
        </span>
      )}
    </div>
  );
}
