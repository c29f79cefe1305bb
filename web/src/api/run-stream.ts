// The stream of a chat's run, followed over gaps of the connection until it is over.

import { failure } from "@/api/client";
import { connection, lost, onComeback } from "@/api/connection";
import type { Chunk } from "@/lib/message";
import { SseReader } from "@/lib/sse";

const RETRY_MIN_MS = 300;
const RETRY_MAX_MS = 5000;
const END = "[DONE]";

export interface RunHearer {
  /** `fresh`: the run is told from its beginning, whatever was heard before. */
  onChunks: (chunks: Chunk[], fresh: boolean) => void;
  /** The connection is gone and is being made again, or is back. */
  onGap: (gap: boolean) => void;
}

/** Hears a run to its end. Returns false where there is none. Throws what the program answers. */
export async function followRun(
  chat: string,
  hearer: RunHearer,
  signal: AbortSignal,
): Promise<boolean> {
  let lastId: string | null = null;
  let wait = RETRY_MIN_MS;
  const url = `/api/v1/chats/${encodeURIComponent(chat)}/stream`;
  while (!signal.aborted) {
    let response: Response;
    try {
      const headers: Record<string, string> = lastId === null ? {} : { "Last-Event-ID": lastId };
      response = await fetch(url, { headers, signal, cache: "no-store" });
    } catch {
      if (signal.aborted) return true;
      hearer.onGap(true);
      lost();
      await back(signal);
      continue;
    }
    if (response.status === 204) return lastId !== null;
    if (!response.ok || !response.body) {
      const error = await failure(response);
      if (error.status < 500) throw error;
      hearer.onGap(true);
      wait = await pause(wait, signal);
      continue;
    }
    hearer.onGap(false);
    const heard = await hear(response.body, lastId, hearer.onChunks);
    if (heard.isOver) return true;
    if (heard.id !== null) {
      lastId = heard.id;
      wait = RETRY_MIN_MS;
    }
    if (!signal.aborted) hearer.onGap(true);
    wait = await pause(wait, signal);
  }
  return true;
}

async function hear(
  body: ReadableStream<Uint8Array>,
  lastId: string | null,
  onChunks: RunHearer["onChunks"],
): Promise<{ isOver: boolean; id: string | null }> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const events = new SseReader();
  let id = lastId;
  let fresh = lastId === null;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { isOver: false, id };
      const chunks: Chunk[] = [];
      let isOver = false;
      for (const event of events.read(decoder.decode(value, { stream: true }))) {
        if (event.data === END) {
          isOver = true;
          break;
        }
        const chunk = parse(event.data);
        if (chunk) chunks.push(chunk);
        id = event.id ?? id;
      }
      if (chunks.length) {
        onChunks(chunks, fresh);
        fresh = false;
      }
      if (isOver) return { isOver, id };
    }
  } catch {
    // Cut: what was heard stays, and the rest is asked for.
    return { isOver: false, id };
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function parse(data: string): Chunk | null {
  try {
    const chunk: unknown = JSON.parse(data);
    const isChunk =
      typeof chunk === "object" && chunk !== null && typeof (chunk as Chunk).type === "string";
    return isChunk ? (chunk as Chunk) : null;
  } catch {
    return null;
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<number> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
  return Math.min(RETRY_MAX_MS, ms * 2);
}

/** Waits until the program answers again. */
async function back(signal: AbortSignal): Promise<void> {
  if (connection() === "online") return;
  await new Promise<void>((resolve) => {
    const forget = onComeback(() => {
      forget();
      resolve();
    });
    signal.addEventListener(
      "abort",
      () => {
        forget();
        resolve();
      },
      { once: true },
    );
  });
}
