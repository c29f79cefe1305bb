import { cx } from "@/lib/classes";
import type { Shape } from "@/lib/shapes";

/** The shape alone; a word stands beside it, or `label` says it. */
export function Dot({ shape, label }: { shape: Shape; label?: string }) {
  return (
    <span
      className={cx("dot", shape !== "run" && `dot-${shape}`)}
      {...(label ? { role: "img", "aria-label": label } : { "aria-hidden": true })}
    />
  );
}
