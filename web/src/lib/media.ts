import { useSyncExternalStore } from "react";

/** Returns whether a media query holds, and again whenever that changes. */
export function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (listener) => {
      const list = window.matchMedia(query);
      list.addEventListener("change", listener);
      return () => list.removeEventListener("change", listener);
    },
    () => window.matchMedia(query).matches,
  );
}

/** One column, the sidebar as a drawer. */
export const useIsNarrow = () => useMedia("(max-width: 767px)");
/** Room for a panel that stays beside the thread. */
export const useIsWide = () => useMedia("(min-width: 1600px)");
