// The answer that is being written, outside of React: pieces come as they come, and it is drawn once for
// each picture of the screen.

import { useSyncExternalStore } from "react";
import { beginReading, type Chunk, type Message, type Reading, readChunks } from "@/lib/message";

/** How long pieces may wait where nothing is drawn. */
const HIDDEN_MS = 500;

export class LiveAnswer {
  private reading: Reading | null = null;
  private waiting: Chunk[] = [];
  private fresh = false;
  private planned: (() => void) | null = null;
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
    this.planned ??= plan(this.flush);
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
    for (const listener of this.listeners) listener();
  };

  private begin(): Reading {
    const message: Message = { id: this.id, role: "assistant", parts: [] };
    return beginReading(message);
  }
}

/** Calls `run` with the next picture, or soon where there is none; what comes back takes it back. */
function plan(run: () => void): () => void {
  if (document.hidden) {
    const timer = setTimeout(run, HIDDEN_MS);
    return () => clearTimeout(timer);
  }
  const frame = requestAnimationFrame(run);
  // A window that is hidden in the meantime draws nothing more.
  const timer = setTimeout(run, HIDDEN_MS);
  return () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
}

export function useReading(live: LiveAnswer): Reading | null {
  return useSyncExternalStore(live.subscribe, live.get);
}
