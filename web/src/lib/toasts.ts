import { useSyncExternalStore } from "react";

/** What happened elsewhere, in one line. */
export interface Toast {
  id: number;
  tone: "success" | "danger" | "plain";
  text: string;
  action?: { label: string; run: () => void } | undefined;
  /** Stays until somebody closes it. */
  sticky: boolean;
}

const TOASTS_MAX = 4;

let toasts: readonly Toast[] = [];
let last = 0;
const listeners = new Set<() => void>();

function change(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

function add(tone: Toast["tone"], text: string, action?: Toast["action"]): void {
  last += 1;
  // An equal one that is still there is enough.
  const others = toasts.filter((it) => it.text !== text);
  change(
    [...others, { id: last, tone, text, action, sticky: tone === "danger" }].slice(-TOASTS_MAX),
  );
}

export const toast = {
  done: (text: string, action?: Toast["action"]) => add("success", text, action),
  tell: (text: string, action?: Toast["action"]) => add("plain", text, action),
  failed: (text: string, action?: Toast["action"]) => add("danger", text, action),
  close: (id: number) => change(toasts.filter((it) => it.id !== id)),
};

export function useToasts(): readonly Toast[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
}
