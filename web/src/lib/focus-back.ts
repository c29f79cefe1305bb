import { useRef } from "react";

/**
 * Returns what gives the focus back, where a dialog was opened by something else than a button of its
 * own: to whatever had it before, if that is still there.
 */
export function useFocusBack(onOpen?: (event: Event) => void) {
  const before = useRef<Element | null>(null);
  return {
    onOpenAutoFocus: (event: Event) => {
      before.current = document.activeElement;
      onOpen?.(event);
    },
    onCloseAutoFocus: (event: Event) => {
      const it = before.current;
      if (!(it instanceof HTMLElement) || !it.isConnected || it === document.body) return;
      event.preventDefault();
      it.focus({ preventScroll: true });
    },
  };
}
