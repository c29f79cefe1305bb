// Whether the program answers, and whether it knows who we are. One value for the whole page.

import { useSyncExternalStore } from "react";

export type Connection =
  | "online"
  /** It does not answer. */
  | "away"
  /** It answers, and the session is over. */
  | "signed-out";

const PROBE_MS = 1500;

let now: Connection = "online";
let probing: ReturnType<typeof setTimeout> | null = null;
const listeners = new Set<() => void>();
const comebacks = new Set<() => void>();

export function connection(): Connection {
  return now;
}

export function useConnection(): Connection {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, connection);
}

/** Calls `run` each time the program is back. */
export function onComeback(run: () => void): () => void {
  comebacks.add(run);
  return () => comebacks.delete(run);
}

/** A request had no answer. */
export function lost(): void {
  become("away");
}

/** A request was refused for want of a session. */
export function signedOut(): void {
  become("signed-out");
}

/** Looks at once, for instance when somebody asks. */
export async function probe(): Promise<void> {
  if (probing) clearTimeout(probing);
  probing = null;
  try {
    const answer = await fetch("/api/v1/whoami", { cache: "no-store" });
    if (answer.ok) become("online");
    else if (answer.status === 401) become("signed-out");
    // Something else answers in its place, or it is about to end.
    else become("away");
  } catch {
    become("away");
  }
  if (now !== "online") later();
}

function become(next: Connection): void {
  const before = now;
  now = next;
  if (next !== "online" && !probing) later();
  if (before === next) return;
  for (const listener of listeners) listener();
  if (next === "online") for (const run of comebacks) run();
}

function later(): void {
  if (probing) clearTimeout(probing);
  probing = setTimeout(() => {
    probing = null;
    if (document.hidden) later();
    else void probe();
  }, PROBE_MS);
}
