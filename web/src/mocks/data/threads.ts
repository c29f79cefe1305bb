// What was said in the chats.

import type { ChatBody, ChatDetailsBody } from "@/api/types";
import { chats } from "./chats";
import { checkout } from "./checkout";
import { hostile } from "./hostile";
import { answered, QUIET, wrote } from "./messages";
import { HOUR, MINUTE, NOW } from "./time";

type Thread = Omit<ChatDetailsBody, keyof ChatBody>;

const threads: Record<string, Thread> = {
  c1: {
    messages: checkout,
    has_older: false,
    queued: [],
    run: { id: "r1", state: "parked", message: "m2" },
    context: { used_tokens: 9400, tools_tokens: 2100, max_tokens: 32_000 },
  },
  c2: {
    messages: [wrote("n1", 9 * MINUTE, "Why is the cart slow? Answer at length.")],
    has_older: false,
    queued: [
      {
        id: "q1",
        text: "Also check whether the mobile app calls it twice",
        attachments: 0,
        created_at_ms: NOW,
      },
    ],
    run: { id: "r2", state: "running", message: "n2" },
    context: { used_tokens: 4100, tools_tokens: 2100, max_tokens: 32_000 },
  },
  c5: {
    ...QUIET,
    messages: [
      wrote("f1", 29 * HOUR, "Explain the plan of orders_by_day"),
      answered("f2", 29 * HOUR, [
        { type: "text", text: "The plan begins with a sequential scan of", state: "done" },
        {
          type: "data-end",
          id: "end",
          data: {
            reason: "failed",
            error: {
              kind: "unreachable",
              message: "Ollama does not answer at `127.0.0.1:11434`",
              fix: "start it with `ollama serve`, then try again",
              details: "connect ECONNREFUSED 127.0.0.1:11434",
            },
          },
        },
      ]),
    ],
    context: { used_tokens: 800, tools_tokens: 400, max_tokens: 32_000 },
  },
  c9: { ...QUIET, messages: hostile },
};

/** Returns a chat with what was said in it. */
export function chatDetails(id: string): ChatDetailsBody | undefined {
  const chat = chats.find((it) => it.id === id);
  return chat && { ...chat, ...(threads[id] ?? { ...QUIET, messages: [] }) };
}
