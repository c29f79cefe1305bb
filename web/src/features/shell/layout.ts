// How wide the sidebar is and whether it is there, kept in this browser.

import { useSyncExternalStore } from "react";
import { remember, remembered } from "@/lib/theme";

const WIDTH_KEY = "archestra.sidebar.width";
const HIDDEN_KEY = "archestra.sidebar.hidden";
export const WIDTH_MIN = 200;
export const WIDTH_MAX = 420;

export interface Layout {
  /** In pixels; null is the width of the design, which grows with the window. */
  width: number | null;
  hidden: boolean;
  /** On phones. */
  drawer: boolean;
}

let layout: Layout = { width: read(), hidden: remembered(HIDDEN_KEY) === "yes", drawer: false };
const listeners = new Set<() => void>();

function read(): number | null {
  const width = Number(remembered(WIDTH_KEY));
  return width ? Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, width)) : null;
}

export function setLayout(change: Partial<Layout>): void {
  layout = { ...layout, ...change };
  if (change.width !== undefined) {
    remember(WIDTH_KEY, change.width === null ? null : String(Math.round(change.width)));
  }
  if (change.hidden !== undefined) remember(HIDDEN_KEY, change.hidden ? "yes" : null);
  for (const listener of listeners) listener();
}

export function useLayout(): Layout {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => layout,
  );
}

/** Shows or hides it, as the window has it. */
export function toggleSidebar(narrow: boolean): void {
  if (narrow) setLayout({ drawer: !layout.drawer });
  else setLayout({ hidden: !layout.hidden });
}
