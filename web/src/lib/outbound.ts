import { useSyncExternalStore } from "react";
import { openable } from "@/lib/hostile";

/** A link that somebody pressed and that waits for a yes. */
export interface Outbound {
  url: URL;
  /** What the link said, where that looks like another address. */
  said: string | null;
}

let pending: Outbound | null = null;
const listeners = new Set<() => void>();

function change(next: Outbound | null): void {
  pending = next;
  for (const listener of listeners) listener();
}

/** Asks before a link of others is opened. Nothing happens for what is no address of the web. */
export function askToOpen(href: string, words = ""): void {
  const url = openable(href);
  if (url) change({ url, said: otherHost(url, words) });
}

export function closeOutbound(): void {
  change(null);
}

export function useOutbound(): Outbound | null {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => pending,
  );
}

/** Returns the host that words pretend to lead to, where it is not where they lead. */
export function otherHost(url: URL, words: string): string | null {
  const said = /^\s*(?:https?:\/\/)?([\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+)/u.exec(words)?.[1];
  if (!said || !/[a-z]{2,}$/i.test(said)) return null;
  const [a, b] = [said.toLowerCase(), url.hostname].map((it) => it.replace(/^www\./, ""));
  return a === b ? null : said;
}
