// How the messages of the demo are made.

import type { ChatDetailsBody, MessageBody } from "@/api/types";
import type { JsonObject } from "@/lib/message";
import { NOW } from "./time";

type Parts = MessageBody["parts"];

/** A message of the person, `age` ago. */
export function wrote(id: string, age: number, text: string, ...more: Parts): MessageBody {
  return {
    id,
    siblings: [id],
    role: "user",
    created_at_ms: NOW - age,
    parts: [{ type: "text", text }, ...more],
  };
}

/** An answer of a model, begun `age` ago. */
export function answered(
  id: string,
  age: number,
  parts: Parts,
  by = { provider: "ollama", model: "qwen3:14b" },
): MessageBody {
  return {
    id,
    siblings: [id],
    role: "assistant",
    created_at_ms: NOW - age,
    metadata: by,
    parts: [{ type: "step-start" }, ...parts],
  };
}

/** A call and what came back. */
export function called(
  id: string,
  toolName: string,
  title: string,
  input: JsonObject,
  text: string,
  ms: number,
): JsonObject[] {
  return [
    {
      type: "dynamic-tool",
      toolName,
      toolCallId: id,
      title,
      state: "output-available",
      input,
      output: { content: [{ type: "text", text }] },
    },
    {
      type: "data-outcome",
      id: `outcome-${id}`,
      data: { outcome: "done", duration_ms: ms, cut_bytes: 0, facts: null },
    },
  ];
}

/** What a chat is besides its messages, where nothing goes on in it. */
export const QUIET = {
  has_older: false,
  queued: [],
  run: null,
  context: null,
} satisfies Partial<ChatDetailsBody>;
