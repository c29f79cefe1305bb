import type { LucideIcon } from "lucide-react";
import { Icon } from "@/components/icon";
import { cx } from "@/lib/classes";
import { initials } from "@/lib/words";

const SIZES = {
  sm: "size-[22px] rounded-[6px] text-[0.625rem]",
  md: "size-9 rounded-[9px] text-md",
  lg: "size-12 rounded-[12px] text-lg",
} as const;

/** The neutral tile of a server or a program: an icon or its initials, never a picture from elsewhere. */
export function Tile({
  name,
  icon,
  size = "md",
}: {
  name?: string;
  icon?: LucideIcon | undefined;
  size?: keyof typeof SIZES;
}) {
  return (
    <span
      aria-hidden="true"
      className={cx(
        "inline-grid flex-none place-items-center bg-sunken font-semibold text-text ring-1 ring-border ring-inset",
        SIZES[size],
      )}
    >
      {icon ? (
        <Icon of={icon} size={size === "sm" ? "xs" : size === "lg" ? "lg" : "md"} />
      ) : (
        initials(name ?? "")
      )}
    </span>
  );
}
