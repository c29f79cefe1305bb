import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";

/** The same key as in `public/theme.js`, which sets the theme before the page is drawn. */
const KEY = "archestra.theme";
const listeners = new Set<() => void>();

export function theme(): Theme {
  const it = document.documentElement.dataset.theme;
  return it === "light" || it === "dark" ? it : "system";
}

export function setTheme(next: Theme): void {
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  remember(KEY, next === "system" ? null : next);
  for (const listener of listeners) listener();
}

export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, theme);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Keeps a small thing in this browser; where nothing is kept, nothing happens. */
export function remember(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // Private windows and full disks: the setting lasts as long as the page.
  }
}

/** Returns what was kept in this browser. */
export function remembered(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
