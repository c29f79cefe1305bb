import { useSyncExternalStore } from "react";
import { failure } from "@/api/client";
import { probe } from "@/api/connection";

/** What became of the link that opened the page. */
let refusal: string | null = null;
const listeners = new Set<() => void>();

/** Returns why the link was not taken, or null. */
export function useLinkRefusal(): string | null {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => refusal,
  );
}

/** Takes a link that is opened where the page is open already: of that, only the fragment is new. */
export function followLinks(): void {
  window.addEventListener("hashchange", () => void signIn().then(probe));
}

/**
 * Exchanges the token of a link, `#login=…`, for a session, and takes it out of the address at once, so
 * that it is in no history.
 */
export async function signIn(): Promise<void> {
  const token = new URLSearchParams(location.hash.slice(1)).get("login");
  if (!token) return;
  history.replaceState(null, "", location.pathname + location.search);
  try {
    const answer = await fetch("/api/v1/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
    });
    refusal = answer.ok ? null : (await failure(answer)).message;
    for (const listener of listeners) listener();
  } catch {
    // The program does not answer; the page says so by itself.
  }
}
