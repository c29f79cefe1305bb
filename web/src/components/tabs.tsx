import type { ReactNode } from "react";

/** Parts of one thing, below its header. Each child is a link that carries `tabClass`. */
export function TabBar({ label, children }: { label: string; children: ReactNode }) {
  return (
    <nav
      aria-label={label}
      className="flex gap-5 overflow-x-auto border-b border-border [scrollbar-width:none] max-md:-mx-4 max-md:px-4"
    >
      {children}
    </nav>
  );
}

/** For links of a {@link TabBar}; the one with `aria-current` is where one is. */
export const tabClass =
  "-mb-px inline-flex h-[38px] flex-none items-center gap-1.5 border-b-2 border-transparent font-medium whitespace-nowrap text-muted no-underline hover:text-text aria-[current]:border-accent aria-[current]:text-text max-md:h-11 -outline-offset-2";

/** How many there are, behind a tab's or a title's word. */
export function Count({ children }: { children: ReactNode }) {
  return <span className="num text-xs font-normal text-faint">{children}</span>;
}
