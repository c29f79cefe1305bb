import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { Icon } from "@/components/icon";
import { Dot } from "@/components/status";
import { cx } from "@/lib/classes";
import type { Shape } from "@/lib/shapes";

export type Tone = "plain" | "outline" | "sandbox" | "success" | "warning" | "danger" | "accent";

const TONES: Record<Tone, string> = {
  plain: "text-muted bg-press",
  outline: "text-muted ring-1 ring-inset ring-border",
  sandbox: "text-sandbox bg-sandbox-soft",
  success: "text-success bg-success-soft",
  warning: "text-warning bg-warning-soft",
  danger: "text-danger bg-danger-soft",
  accent: "text-accent-text bg-accent-soft",
};

/** A state in at most two words; it is not pressed. */
export function Badge({
  tone = "plain",
  icon,
  dot,
  children,
  className,
}: {
  tone?: Tone;
  icon?: LucideIcon;
  dot?: Shape;
  children: ReactNode;
  className?: string;
}) {
  return (
    <span
      className={cx(
        "inline-flex h-5 flex-none items-center gap-1 rounded-sm px-[7px] text-xs leading-none font-medium tracking-normal whitespace-nowrap",
        TONES[tone],
        className,
      )}
    >
      {icon && <Icon of={icon} size="xs" />}
      {dot && <Dot shape={dot} />}
      {children}
    </span>
  );
}
