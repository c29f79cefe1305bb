import type { LucideIcon } from "lucide-react";
import { cx } from "@/lib/classes";

const SIZES = {
  xs: ["size-3", 2],
  sm: ["size-3.5", 1.9],
  md: ["size-4", 1.7],
  lg: ["size-5", 1.5],
} as const;

/** An icon beside a word, or alone with a `label`. */
export function Icon({
  of: Of,
  size = "md",
  label,
  className,
}: {
  of: LucideIcon;
  size?: keyof typeof SIZES;
  label?: string;
  className?: string | undefined;
}) {
  const [box, stroke] = SIZES[size];
  return (
    <Of
      className={cx("flex-none", box, className)}
      strokeWidth={stroke}
      {...(label ? { role: "img", "aria-label": label } : { "aria-hidden": true })}
    />
  );
}
