// The answer that is being written, outside of React: pieces come as they come. They are drawn together,
// and what is typed meanwhile is drawn before them.

import { useSyncExternalStore } from "react";
import { beginReading, type Chunk, type Message, type Reading, readChunks } from "@/lib/message";

/** From one drawing to the next: every second picture of a usual screen, which reads as flowing. */
const DRAWING_MS = 30;
/** After a key, the next picture is of what it does, and of nothing else. */
const KEY_MS = 17;
/** How long keys may keep pieces from being drawn. */
const KEYS_FIRST_MS = 100;
/** How long pieces may wait where nothing is drawn. */
const HIDDEN_MS = 500;

export class LiveAnswer {
  private reading: Reading | null = null;
  private waiting: Chunk[] = [];
  private fresh = false;
  private planned: (() => void) | null = null;
  private drawnAt = Number.NEGATIVE_INFINITY;
  private typedAt = Number.NEGATIVE_INFINITY;
  private readonly listeners = new Set<() => void>();
  /** The message that it will be, before its first piece. */
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }

  get = (): Reading | null => this.reading;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  push = (chunks: readonly Chunk[], fresh: boolean): void => {
    if (fresh) {
      this.fresh = true;
      this.waiting = [];
    }
    this.waiting.push(...chunks);
    this.planned ??= this.plan();
  };

  /** A key was pressed. */
  typed = (): void => {
    this.typedAt = performance.now();
  };

  /** Brings what waits in at once. */
  flush = (): void => {
    this.planned?.();
    this.planned = null;
    if (!this.waiting.length) return;
    const before = this.fresh || !this.reading ? this.begin() : this.reading;
    this.fresh = false;
    this.reading = readChunks(before, this.waiting);
    this.waiting = [];
    this.drawnAt = performance.now();
    for (const listener of this.listeners) listener();
  };

  /** Plans the next drawing; what comes back takes it back. */
  private plan(): () => void {
    // Pictures are not made in a window that is hidden, or will be.
    const late = setTimeout(this.flush, HIDDEN_MS);
    if (document.hidden) return () => clearTimeout(late);
    const since = performance.now();
    let frame = 0;
    const look = () => {
      const now = performance.now();
      if (now - this.typedAt < KEY_MS && now - since < KEYS_FIRST_MS) ask();
      else this.flush();
    };
    const ask = () => {
      frame = requestAnimationFrame(look);
    };
    const rest = this.drawnAt + DRAWING_MS - since;
    const soon = rest > 0 ? setTimeout(ask, rest) : undefined;
    if (soon === undefined) ask();
    return () => {
      clearTimeout(late);
      clearTimeout(soon);
      cancelAnimationFrame(frame);
    };
  }

  private begin(): Reading {
    const message: Message = { id: this.id, role: "assistant", parts: [] };
    return beginReading(message);
  }
}

const NOTHING = { subscribe: () => () => {}, get: () => null };

/** Returns what has come of an answer; null where nothing comes. */
export function useReading(live: LiveAnswer | null): Reading | null {
  const { subscribe, get } = live ?? NOTHING;
  return useSyncExternalStore<Reading | null>(subscribe, get);
}
