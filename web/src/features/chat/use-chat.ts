import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { hearEvents } from "@/api/events";
import { chatQuery, keys } from "@/api/queries";
import { followRun } from "@/api/run-stream";
import type { ChatDetailsBody } from "@/api/types";
import { LiveAnswer } from "./live";

export interface ChatView {
  details: ChatDetailsBody | undefined;
  error: unknown;
  /** Asks for it anew, whatever is on its way. */
  refresh: () => Promise<void>;
  /** The answer that is being written. */
  live: LiveAnswer | null;
  /** The connection of the answer is being made again. */
  gap: boolean;
  running: boolean;
  waiting: boolean;
}

/** A chat as it is shown: what is stored, and the answer that is being written. */
export function useChat(id: string): ChatView {
  const client = useQueryClient();
  const query = useQuery(chatQuery(id));
  const [live, setLive] = useState<LiveAnswer | null>(null);
  const [gap, setGap] = useState(false);
  // Grows when a run begins or goes on, so that its stream is opened again.
  const [turn, setTurn] = useState(0);
  const isOpen = useRef(false);
  const run = query.data?.run ?? null;
  const runId = run?.id;
  const message = run?.message;

  const refresh = useCallback(async () => {
    // An answer that is on its way may be from before what has happened, and a first one would be
    // waited for instead of asking again.
    await client.cancelQueries({ queryKey: keys.chat(id) });
    await client.invalidateQueries({ queryKey: keys.chat(id) });
  }, [client, id]);

  useEffect(
    () =>
      hearEvents((event) => {
        if (event.type === "run_changed" && event.chat === id) {
          if (!isOpen.current) setTurn((it) => it + 1);
          void refresh();
        }
        if (event.type === "chat_changed" && event.id === id && !isOpen.current) void refresh();
      }),
    [id, refresh],
  );

  // biome-ignore lint/correctness/useExhaustiveDependencies: another turn opens the stream again
  useEffect(() => {
    if (!runId || !message) return;
    const stop = new AbortController();
    const answer = new LiveAnswer(message);
    isOpen.current = true;
    const hearer = {
      onChunks: (chunks: Parameters<typeof answer.push>[0], fresh: boolean) => {
        answer.push(chunks, fresh);
        setLive(answer);
      },
      onGap: setGap,
    };
    document.addEventListener("keydown", answer.typed, { capture: true, signal: stop.signal });
    followRun(id, hearer, stop.signal)
      .catch(() => false)
      .then(async () => {
        if (stop.signal.aborted) return;
        answer.flush();
        isOpen.current = false;
        setGap(false);
        await refresh();
        // What is stored is the whole answer now.
        setLive((it) => (it === answer ? null : it));
      });
    return () => {
      stop.abort();
      isOpen.current = false;
    };
  }, [id, runId, message, turn, refresh]);

  // Another chat has another answer.
  const shown = live && run && live.id === run.message ? live : null;
  return {
    details: query.data,
    error: query.data ? null : query.error,
    refresh,
    live: shown,
    gap,
    running: run !== null && run.state === "running",
    waiting: run !== null && run.state === "parked",
  };
}
