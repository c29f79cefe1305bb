import type { LucideIcon } from "lucide-react";
import { Slot } from "radix-ui";
import type { ComponentProps, ReactNode } from "react";
import { Icon } from "@/components/icon";
import { Tip } from "@/components/tooltip";
import { cx } from "@/lib/classes";

type Look = "default" | "primary" | "ghost" | "danger" | "danger-solid";

const LOOKS: Record<Look, string> = {
  default: "border-border bg-raised shadow-control text-text hover:over-hover",
  primary: "border-transparent bg-accent text-on-accent hover:bg-accent-hover",
  ghost: "border-transparent text-muted hover:bg-hover hover:text-text",
  danger: "border-border bg-raised shadow-control text-danger hover:over-hover",
  "danger-solid": "border-transparent bg-danger text-on-danger hover:brightness-110",
};

/** The classes of a button, for links that look like one. */
export function buttonClass(look: Look = "default", small = false): string {
  return cx(
    "inline-flex items-center justify-center gap-1.5 rounded-control border font-medium whitespace-nowrap no-underline select-none",
    "transition-colors duration-(--duration-fast) disabled:opacity-50 aria-disabled:opacity-50 disabled:pointer-events-none",
    small ? "h-(--control-sm) px-2.5" : "h-(--control) px-3",
    LOOKS[look],
  );
}

interface Props extends ComponentProps<"button"> {
  look?: Look;
  small?: boolean;
  icon?: LucideIcon | undefined;
  /** What it does at the moment, for instance `Connecting`; it takes no second press meanwhile. */
  busy?: string | false | null | undefined;
  /** The child is the element, for instance a link. */
  asChild?: boolean;
}

export function Button({
  look = "default",
  small = false,
  icon,
  busy,
  asChild = false,
  className,
  children,
  disabled,
  ...rest
}: Props) {
  const classes = cx(buttonClass(look, small), className);
  if (asChild) {
    return (
      <Slot.Root className={classes} {...rest}>
        {children}
      </Slot.Root>
    );
  }
  return (
    <button
      type="button"
      className={classes}
      disabled={disabled || Boolean(busy)}
      aria-busy={Boolean(busy) || undefined}
      {...rest}
    >
      {busy ? (
        <>
          <span className="dot dot-busy" />
          {busy}
        </>
      ) : (
        <>
          {icon && (
            <Icon
              of={icon}
              className={cx("-ms-0.5", (look === "default" || look === "ghost") && "text-muted")}
            />
          )}
          {children}
        </>
      )}
    </button>
  );
}

interface IconProps extends Omit<ComponentProps<"button">, "children"> {
  icon: LucideIcon;
  /** Its name, for those who do not see it and in the tooltip of those who do. */
  label: string;
  /** The keys that do the same, shown in the tooltip. */
  keys?: string | undefined;
  size?: "sm" | "md" | "lg";
  tip?: boolean;
}

/** A button that is an icon; it always has a name. */
export function IconButton({
  icon,
  label,
  keys,
  size = "md",
  tip = true,
  className,
  ...rest
}: IconProps) {
  const button = (
    <button
      type="button"
      aria-label={label}
      className={cx(
        "inline-grid place-items-center size-(--control-sm) flex-none rounded-control text-muted transition-colors duration-(--duration-fast)",
        "hover:bg-hover hover:text-text disabled:opacity-45 disabled:pointer-events-none aria-pressed:bg-press aria-pressed:text-text",
        className,
      )}
      {...rest}
    >
      <Icon of={icon} size={size} />
    </button>
  );
  if (!tip) return button;
  return (
    <Tip text={label} keys={keys}>
      {button}
    </Tip>
  );
}

/** Actions beside each other that go into a second line where there is no room. */
export function Actions({ children, className }: { children: ReactNode; className?: string }) {
  return <div className={cx("flex flex-wrap items-center gap-2", className)}>{children}</div>;
}
