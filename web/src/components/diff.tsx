import type { ReactNode } from "react";
import { SeenText } from "@/components/wall";
import { cx } from "@/lib/classes";

/** A line of a comparison: what was there, what is there, or both. */
export interface DiffLine {
  kind: "same" | "gone" | "new" | "head";
  text: string;
}

const SIGNS = { same: " ", gone: "−", new: "+", head: " " } as const;
const WORDS = { same: null, gone: "before: ", new: "now: ", head: null } as const;

/** Signs stand in a column of their own, so that it reads without colour. */
export function Diff({ title, lines }: { title: ReactNode; lines: readonly DiffLine[] }) {
  return (
    <figure className="min-w-0 overflow-hidden rounded-card border border-border bg-sunken">
      <figcaption className="flex min-h-[34px] items-center gap-2 border-b border-border px-3 text-xs text-faint">
        {title}
      </figcaption>
      <div className="py-2 font-mono text-code leading-(--leading-code) [font-variant-ligatures:none]">
        {lines.map((line, i) => (
          <div
            key={i}
            className={cx(
              "grid grid-cols-[22px_1fr] pe-3 [overflow-wrap:anywhere] whitespace-pre-wrap",
              line.kind === "new" && "bg-success-soft",
              line.kind === "gone" && "bg-danger-soft",
              line.kind === "head" && "mt-1 text-faint first:mt-0",
            )}
          >
            <span
              aria-hidden="true"
              className={cx(
                "text-center text-faint select-none",
                line.kind === "new" && "text-success",
                line.kind === "gone" && "text-danger",
              )}
            >
              {SIGNS[line.kind]}
            </span>
            <span>
              {WORDS[line.kind] && <span className="sr-only">{WORDS[line.kind]}</span>}
              <SeenText text={line.text} />
            </span>
          </div>
        ))}
      </div>
    </figure>
  );
}
