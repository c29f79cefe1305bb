import { cx } from "@/lib/classes";

/** The caps of keys, for instance `Ctrl K`. */
export function Kbd({ children, className }: { children: string; className?: string }) {
  return (
    <kbd
      className={cx(
        "inline-flex h-[18px] items-center rounded-sm px-1.5 font-sans text-[0.6875rem] whitespace-nowrap text-muted ring-1 ring-border ring-inset",
        className,
      )}
    >
      {children}
    </kbd>
  );
}
