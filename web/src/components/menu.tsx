import type { LucideIcon } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";
import { Icon } from "@/components/icon";
import { cx } from "@/lib/classes";

/** A button's menu. Its entries are {@link MenuItem} and {@link MenuLine}. */
export function Menu({
  trigger,
  children,
  align = "end",
  side = "bottom",
}: {
  trigger: ReactNode;
  children: ReactNode;
  align?: "start" | "end";
  side?: "top" | "bottom";
}) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          align={align}
          side={side}
          sideOffset={4}
          collisionPadding={8}
          className="thin-scroll z-40 max-h-(--radix-dropdown-menu-content-available-height) min-w-48 animate-rise overflow-y-auto rounded-card border border-border bg-raised p-1 shadow-popover"
        >
          {children}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

const ITEM =
  "flex h-[30px] max-sm:h-10 items-center gap-2 rounded-[6px] px-2 outline-none select-none data-[highlighted]:bg-hover data-[disabled]:opacity-50";

export function MenuItem({
  icon,
  keys,
  danger,
  disabled,
  onSelect,
  children,
}: {
  icon?: LucideIcon;
  keys?: string;
  danger?: boolean;
  disabled?: boolean;
  onSelect: () => void;
  children: ReactNode;
}) {
  return (
    <DropdownMenu.Item
      className={cx(ITEM, danger ? "text-danger" : "text-text")}
      disabled={disabled ?? false}
      onSelect={onSelect}
    >
      {icon && <Icon of={icon} className={danger ? "" : "text-muted"} />}
      <span className="flex-1">{children}</span>
      {keys && <kbd className="ms-4 font-sans text-[0.6875rem] text-faint">{keys}</kbd>}
    </DropdownMenu.Item>
  );
}

/** One of several that exclude each other. */
export function MenuChoice<T extends string>({
  value,
  onChange,
  options,
}: {
  value: T;
  onChange: (value: T) => void;
  options: ReadonlyArray<{ value: T; label: ReactNode; icon?: LucideIcon }>;
}) {
  return (
    <DropdownMenu.RadioGroup
      value={value}
      onValueChange={(next) => {
        const option = options.find((it) => it.value === next);
        if (option) onChange(option.value);
      }}
    >
      {options.map((it) => (
        <DropdownMenu.RadioItem key={it.value} value={it.value} className={ITEM}>
          {it.icon && <Icon of={it.icon} className="text-muted" />}
          <span className="flex-1">{it.label}</span>
          <DropdownMenu.ItemIndicator className="ms-4 text-accent-text">
            <svg
              viewBox="0 0 12 12"
              className="size-3 fill-none stroke-current stroke-[1.8]"
              aria-hidden="true"
            >
              <path d="M2.5 6.4 5 8.8l4.6-5.2" strokeLinecap="round" strokeLinejoin="round" />
            </svg>
          </DropdownMenu.ItemIndicator>
        </DropdownMenu.RadioItem>
      ))}
    </DropdownMenu.RadioGroup>
  );
}

/** Before what destroys something. */
export function MenuLine() {
  return <DropdownMenu.Separator className="-mx-1 my-1 border-t border-border" />;
}

export function MenuLabel({ children }: { children: ReactNode }) {
  return (
    <DropdownMenu.Label className="px-2 py-1 text-xs text-faint">{children}</DropdownMenu.Label>
  );
}
