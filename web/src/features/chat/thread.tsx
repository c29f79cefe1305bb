import { ArrowDown } from "lucide-react";
import { type ReactNode, type RefObject, useImperativeHandle, useRef } from "react";
import { Virtualizer } from "virtua";
import { Button } from "@/components/button";
import { Icon } from "@/components/icon";
import { useFollow } from "./use-follow";

export interface ThreadHandle {
  toEnd: () => void;
}

const MARGIN = 24;

/** The messages of a chat: only those in sight are in the page, and its end is followed. */
export function Thread({
  items,
  older,
  shift,
  handle,
}: {
  items: readonly ReactNode[];
  /** The way to older messages, where there are any. */
  older: ReactNode;
  /** Items were just put in front. */
  shift: boolean;
  handle: RefObject<ThreadHandle | null>;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const { away, toEnd } = useFollow(scroller, content);
  useImperativeHandle(handle, () => ({ toEnd }), [toEnd]);
  return (
    <div className="relative flex min-h-0 flex-1 flex-col">
      <div
        ref={scroller}
        // It scrolls, so keys have to reach it.
        tabIndex={0}
        role="group"
        aria-label="Messages"
        className="thin-scroll min-h-0 flex-1 overflow-y-auto overscroll-contain -outline-offset-2 [overflow-anchor:none]"
      >
        <div
          ref={content}
          className="mx-auto max-w-[calc(var(--thread)+3rem)] px-6 pt-6 max-md:px-4"
        >
          {older}
          <Virtualizer scrollRef={scroller} startMargin={MARGIN} shift={shift} bufferSize={600}>
            {items.map((it) => it)}
          </Virtualizer>
        </div>
      </div>
      {away && (
        <div className="pointer-events-none absolute inset-x-0 bottom-3 flex justify-center">
          <Button
            small
            className="pointer-events-auto animate-rise rounded-full shadow-popover"
            onClick={toEnd}
          >
            <Icon of={ArrowDown} size="sm" className="text-muted" /> To the end
          </Button>
        </div>
      )}
    </div>
  );
}
