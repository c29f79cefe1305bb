import { Menu as MenuIcon, PanelLeft } from "lucide-react";
import { Dialog } from "radix-ui";
import { type CSSProperties, type ReactNode, useCallback } from "react";
import { Button, IconButton } from "@/components/button";
import { keysOf, useShortcut } from "@/lib/keys";
import { useIsNarrow } from "@/lib/media";
import { setLayout, toggleSidebar, useLayout, WIDTH_MAX, WIDTH_MIN } from "./layout";

/** The sidebar on the window's ground, and the page as a panel on it. */
export function Shell({ sidebar, children }: { sidebar: ReactNode; children: ReactNode }) {
  const narrow = useIsNarrow();
  const { width, hidden, drawer } = useLayout();
  const beside = !narrow && !hidden;
  useShortcut(
    "sidebar",
    useCallback(() => toggleSidebar(narrow), [narrow]),
  );
  const style = (width === null ? {} : { "--sidebar": `${width}px` }) as CSSProperties;
  return (
    <div
      style={style}
      data-sidebar={beside ? "shown" : "hidden"}
      className={
        beside
          ? "grid h-dvh grid-cols-[var(--sidebar)_minmax(0,1fr)]"
          : "grid h-dvh grid-cols-[minmax(0,1fr)]"
      }
    >
      <Button asChild className="fixed -top-16 left-3 z-50 focus:top-3">
        <a href="#content">Skip to the content</a>
      </Button>
      {beside && (
        <nav aria-label="Main" className="relative min-h-0">
          {sidebar}
          <Handle />
        </nav>
      )}
      {narrow && (
        <Dialog.Root open={drawer} onOpenChange={(open) => setLayout({ drawer: open })}>
          <Dialog.Portal>
            <Dialog.Overlay className="fixed inset-0 z-20 animate-appear bg-scrim" />
            <Dialog.Content
              aria-describedby={undefined}
              // Not its first button, whose tooltip would cover the rest.
              onOpenAutoFocus={(event) => {
                event.preventDefault();
                if (event.currentTarget instanceof HTMLElement) event.currentTarget.focus();
              }}
              className="fixed inset-y-0 left-0 z-30 w-[min(19rem,85vw)] animate-from-left bg-background shadow-dialog outline-none"
            >
              <Dialog.Title className="sr-only">Navigation</Dialog.Title>
              <nav aria-label="Main" className="h-full">
                {sidebar}
              </nav>
            </Dialog.Content>
          </Dialog.Portal>
        </Dialog.Root>
      )}
      <main
        id="content"
        tabIndex={-1}
        className={
          narrow
            ? "relative flex min-h-0 min-w-0 flex-col overflow-hidden bg-surface"
            : `relative my-2 me-2 flex min-h-0 min-w-0 flex-col overflow-hidden rounded-dialog border border-border bg-surface ${beside ? "" : "ms-2"}`
        }
      >
        {!beside && (
          <IconButton
            icon={narrow ? MenuIcon : PanelLeft}
            label="Show the sidebar"
            keys={keysOf("sidebar")}
            className="absolute top-2 left-3 z-10"
            onClick={() => toggleSidebar(narrow)}
          />
        )}
        {children}
      </main>
    </div>
  );
}

const STEP = 16;

/** The edge of the sidebar: drawn by the pointer or moved by keys. */
function Handle() {
  const { width } = useLayout();
  const shown = () => document.querySelector("[data-sidebar] > nav")?.clientWidth ?? WIDTH_MIN;
  const move = (to: number) => setLayout({ width: Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, to)) });
  return (
    <div
      role="separator"
      aria-orientation="vertical"
      aria-label="Width of the sidebar"
      aria-valuemin={WIDTH_MIN}
      aria-valuemax={WIDTH_MAX}
      aria-valuenow={width ?? 264}
      tabIndex={0}
      className="absolute inset-y-2 -right-1 z-10 w-2 cursor-col-resize rounded-full outline-offset-0 hover:bg-hover"
      onPointerDown={(event) => {
        event.preventDefault();
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) move(event.clientX);
      }}
      onDoubleClick={() => setLayout({ width: null })}
      onKeyDown={(event) => {
        if (event.key === "ArrowLeft") move(shown() - STEP);
        else if (event.key === "ArrowRight") move(shown() + STEP);
        else if (event.key === "Home") setLayout({ width: null });
      }}
    />
  );
}
