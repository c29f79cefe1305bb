import { type ReactNode, useMemo, useState } from "react";
import { spans, type Tone } from "@/lib/ansi";
import { cx } from "@/lib/classes";
import { cut, seen } from "@/lib/hostile";
import { grouped } from "@/lib/words";

/** Whatever a sandboxed server said stands behind it, and nothing that Archestra says. */
export function Wall({
  label,
  children,
  className,
}: {
  /** Whose words these are. */
  label?: ReactNode;
  children: ReactNode;
  className?: string;
}) {
  return (
    <div className={cx("min-w-0", className)}>
      {label && <p className="mb-1.5 flex items-center gap-1.5 text-xs text-faint">{label}</p>}
      <div className="wall">{children}</div>
    </div>
  );
}

const CHARACTERS_MAX = 4000;
const LINES_MAX = 60;

/** Text of others: hidden characters are named, long ones are cut, nothing in it can be pressed. */
export function Quoted({
  text,
  mono = false,
  terminal = false,
  charactersMax = CHARACTERS_MAX,
  linesMax = LINES_MAX,
  className,
}: {
  text: string;
  mono?: boolean;
  /** Colours of a terminal are kept, its other commands are left out. */
  terminal?: boolean;
  charactersMax?: number;
  linesMax?: number;
  className?: string;
}) {
  const [all, setAll] = useState(false);
  const { shown, rest } = useMemo(
    () => (all ? { shown: text, rest: 0 } : cut(text, charactersMax, linesMax)),
    [text, all, charactersMax, linesMax],
  );
  return (
    <div className={cx("min-w-0", className)}>
      <div
        dir="auto"
        className={cx(
          "[overflow-wrap:anywhere] whitespace-pre-wrap [unicode-bidi:isolate]",
          mono && "font-mono text-xs leading-[1.2rem] [font-variant-ligatures:none]",
        )}
      >
        {terminal ? <TerminalText text={shown} /> : <SeenText text={shown} />}
        {rest > 0 && "…"}
      </div>
      {rest > 0 && (
        <button type="button" className="link mt-1 min-h-6 text-xs" onClick={() => setAll(true)}>
          Show all {grouped(text.length)} characters
        </button>
      )}
    </div>
  );
}

/** One line of text of others. */
export function QuotedLine({
  text,
  max = 300,
  className,
}: {
  text: string;
  max?: number;
  className?: string;
}) {
  const { shown, rest } = cut(text.replaceAll("\n", " "), max, 1);
  return (
    <bdi className={className}>
      <SeenText text={shown} />
      {rest > 0 && "…"}
    </bdi>
  );
}

/** Text with what hides in it named. */
export function SeenText({ text }: { text: string }) {
  const pieces = useMemo(() => seen(text), [text]);
  return pieces.map((it, i) =>
    "text" in it ? (
      it.text
    ) : (
      <mark
        key={i}
        title={it.name}
        className="mx-px rounded-[3px] bg-warning-soft px-1 font-mono text-[0.6875rem] text-warning"
      >
        {it.hidden}
      </mark>
    ),
  );
}

const INK: Record<Tone, string> = {
  plain: "",
  faint: "text-faint",
  danger: "text-danger",
  success: "text-success",
  warning: "text-warning",
  sandbox: "text-sandbox",
  accent: "text-accent-text",
};

/** A terminal's text with its colours as ours. */
export function TerminalText({ text }: { text: string }) {
  const parts = useMemo(() => spans(text), [text]);
  return parts.map((it, i) => (
    <span key={i} className={cx(INK[it.tone], it.bold && "font-semibold")}>
      <SeenText text={it.text} />
    </span>
  ));
}
