import { type ReactNode, useEffect, useId } from "react";
import { cx } from "@/lib/classes";

/** The bar at the top of the panel. `SidebarButton` of the shell is put in front by a slot. */
export function Topbar({ children, plain = false }: { children: ReactNode; plain?: boolean }) {
  return (
    <header
      className={cx(
        "flex h-12 flex-none items-center gap-2 border-b ps-5 pe-2.5 max-md:ps-14",
        plain ? "border-transparent" : "border-border",
        "in-data-[sidebar=hidden]:ps-14",
      )}
    >
      {children}
    </header>
  );
}

/** What a page holds: it scrolls, and has the page's width. */
export function PageBody({ children, className }: { children: ReactNode; className?: string }) {
  return (
    <div className="thin-scroll min-h-0 flex-1 overflow-y-auto">
      <div
        className={cx(
          "mx-auto max-w-page px-8 pt-6 pb-12 max-md:px-4 max-md:pt-4 max-md:pb-8",
          className,
        )}
      >
        {children}
      </div>
    </div>
  );
}

/** The title of a page, one for each. */
export function PageTitle({ children, className }: { children: ReactNode; className?: string }) {
  return (
    <h1
      className={cx(
        "text-xl font-semibold tracking-[-0.017em] [overflow-wrap:anywhere]",
        className,
      )}
    >
      {children}
    </h1>
  );
}

/** Says the page's name in the window's title. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · Archestra` : "Archestra";
  }, [title]);
}

/** Says something to those who hear the page. */
export function Announce({ children, now = false }: { children: ReactNode; now?: boolean }) {
  const id = useId();
  return (
    <div id={id} role="status" aria-live={now ? "assertive" : "polite"} className="sr-only">
      {children}
    </div>
  );
}
