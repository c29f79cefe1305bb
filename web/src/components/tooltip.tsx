import { Tooltip } from "radix-ui";
import type { ReactNode } from "react";

/** A name and its keys over a control. Never the only place of what it says. */
export function Tip({
  text,
  keys,
  children,
  side = "bottom",
}: {
  text: string;
  keys?: string | undefined;
  children: ReactNode;
  side?: "top" | "bottom" | "left" | "right";
}) {
  return (
    <Tooltip.Root>
      <Tooltip.Trigger asChild>{children}</Tooltip.Trigger>
      <Tooltip.Portal>
        <Tooltip.Content
          side={side}
          sideOffset={6}
          collisionPadding={8}
          className="z-50 inline-flex min-h-7 max-w-72 animate-appear items-center gap-2 rounded-[6px] bg-text px-2.5 py-1 text-xs font-medium text-surface select-none"
        >
          {text}
          {keys && (
            <kbd className="rounded-sm px-1.5 font-sans text-[0.6875rem] opacity-80 ring-1 ring-current/45 ring-inset">
              {keys}
            </kbd>
          )}
        </Tooltip.Content>
      </Tooltip.Portal>
    </Tooltip.Root>
  );
}

/** Around the whole page, so that a second tooltip comes at once. */
export function TipProvider({ children }: { children: ReactNode }) {
  return (
    <Tooltip.Provider delayDuration={500} skipDelayDuration={250}>
      {children}
    </Tooltip.Provider>
  );
}
