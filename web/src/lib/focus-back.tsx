import { type RefObject, useEffect, useRef } from "react";

/**
 * Returns what gives the focus back, where a dialog was opened by something else than a button of its
 * own: to whatever had it before, if that is still there. `focus` is for the dialog's content,
 * `before` for the {@link FocusBack} inside it.
 */
export function useFocusBack(onOpen?: (event: Event) => void) {
  const before = useRef<Element | null>(null);
  const focus = {
    onOpenAutoFocus: (event: Event) => {
      before.current = document.activeElement;
      onOpen?.(event);
    },
    // Radix comes to it in a task of its own, and a key that is pressed before it would be lost.
    onCloseAutoFocus: (event: Event) => event.preventDefault(),
  };
  return { focus, before };
}

/**
 * Gives the focus back in the moment in which the dialog around it goes. What keeps the focus in the
 * dialog has ended by then: effects end from the outside in.
 */
export function FocusBack({ before }: { before: RefObject<Element | null> }) {
  useEffect(
    () => () => {
      const it = before.current;
      // Whatever has taken it meanwhile, for instance another dialog, keeps it.
      const isFree = document.activeElement === null || document.activeElement === document.body;
      if (isFree && it instanceof HTMLElement && it.isConnected) it.focus({ preventScroll: true });
    },
    [before],
  );
  return null;
}
