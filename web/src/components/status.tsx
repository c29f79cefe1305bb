import { cx } from "@/lib/classes";

/** The shapes of a state: a disc runs, a ring sleeps, a thick ring waits for you, a diamond failed, an arc works. */
export type Shape = "run" | "idle" | "wait" | "fail" | "busy";

/** The shape alone; a word stands beside it, or `label` says it. */
export function Dot({ shape, label }: { shape: Shape; label?: string }) {
  return (
    <span
      className={cx("dot", shape !== "run" && `dot-${shape}`)}
      {...(label ? { role: "img", "aria-label": label } : { "aria-hidden": true })}
    />
  );
}
