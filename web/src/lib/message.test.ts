import { readUIMessageStream, type UIMessage, type UIMessageChunk } from "ai";
import { expect, test } from "vitest";
import { beginReading, type Chunk, type Message, readChunks } from "./message";

const START: Chunk[] = [
  { type: "start", messageId: "m", messageMetadata: { provider: "ollama", model: "qwen3" } },
  { type: "start-step" },
];

const call = (id: string): Chunk[] => [
  {
    type: "tool-input-start",
    toolCallId: id,
    toolName: "git__git_log",
    dynamic: true,
    title: "Read the history",
  },
  { type: "tool-input-delta", toolCallId: id, inputTextDelta: '{"path":' },
  { type: "tool-input-delta", toolCallId: id, inputTextDelta: '"src"}' },
  {
    type: "tool-input-available",
    toolCallId: id,
    toolName: "git__git_log",
    input: { path: "src" },
    dynamic: true,
  },
];

const RUNS: Record<string, Chunk[]> = {
  "text and reasoning": [
    ...START,
    { type: "reasoning-start", id: "0" },
    { type: "reasoning-delta", id: "0", delta: "I should " },
    { type: "reasoning-delta", id: "0", delta: "look." },
    { type: "reasoning-end", id: "0" },
    { type: "text-start", id: "1" },
    { type: "text-delta", id: "1", delta: "Hello " },
    { type: "text-delta", id: "1", delta: "there" },
    { type: "text-end", id: "1" },
    { type: "finish-step" },
    {
      type: "data-usage",
      id: "usage-1",
      data: { step: 1, finish: "stop", usage: { output_tokens: 3 } },
    },
    { type: "data-end", id: "end", data: { reason: "complete" } },
    { type: "finish", finishReason: "stop" },
  ],
  "two calls at once, and a second step": [
    ...START,
    ...call("a"),
    ...call("b"),
    { type: "finish-step" },
    {
      type: "data-progress",
      id: "progress-a",
      data: { call_id: "a", progress: 1, total: 2, message: null },
    },
    {
      type: "data-progress",
      id: "progress-a",
      data: { call_id: "a", progress: 2, total: 2, message: "done" },
    },
    {
      type: "tool-output-available",
      toolCallId: "a",
      output: { content: [{ type: "text", text: "x" }] },
      dynamic: true,
    },
    {
      type: "data-outcome",
      id: "outcome-a",
      data: { outcome: "done", duration_ms: 3, cut_bytes: 0, facts: null },
    },
    { type: "tool-output-error", toolCallId: "b", errorText: "no such file", dynamic: true },
    { type: "start-step" },
    { type: "text-start", id: "2" },
    { type: "text-delta", id: "2", delta: "One of two." },
    { type: "text-end", id: "2" },
    { type: "finish-step" },
    { type: "finish", finishReason: "stop" },
  ],
  "an approval that is given": [
    ...START,
    ...call("a"),
    { type: "finish-step" },
    {
      type: "tool-approval-request",
      approvalId: "p",
      toolCallId: "a",
      reason: "nobody has looked",
    },
    { type: "tool-approval-response", approvalId: "p", approved: true },
    {
      type: "data-approval",
      id: "approval-p",
      data: { call_id: "a", by: "mira", scope: "once", arguments: null },
    },
    { type: "tool-output-available", toolCallId: "a", output: 3, dynamic: true },
    { type: "finish", finishReason: "stop" },
  ],
  "an approval that is denied": [
    ...START,
    ...call("a"),
    { type: "finish-step" },
    { type: "tool-approval-request", approvalId: "p", toolCallId: "a" },
    { type: "tool-approval-response", approvalId: "p", approved: false, reason: "not today" },
    { type: "tool-output-denied", toolCallId: "a" },
    { type: "finish", finishReason: "stop" },
  ],
  "a call that is not JSON": [
    ...START,
    { type: "tool-input-start", toolCallId: "a", toolName: "x", dynamic: true },
    {
      type: "tool-input-error",
      toolCallId: "a",
      toolName: "x",
      input: "{",
      errorText: "not JSON",
      dynamic: true,
    },
    { type: "finish-step" },
    { type: "finish", finishReason: "stop" },
  ],
  "a text that is cut": [
    ...START,
    { type: "text-start", id: "1" },
    { type: "text-delta", id: "1", delta: "Half" },
    { type: "abort", reason: "stopped" },
  ],
  "names of texts that come again in the next step": [
    ...START,
    { type: "text-start", id: "1" },
    { type: "text-delta", id: "1", delta: "first" },
    { type: "text-end", id: "1" },
    { type: "finish-step" },
    { type: "start-step" },
    { type: "text-start", id: "1" },
    { type: "text-delta", id: "1", delta: "second" },
    { type: "text-end", id: "1" },
    { type: "finish-step" },
    { type: "finish", finishReason: "stop" },
  ],
};

const EMPTY: Message = { id: "m", role: "assistant", parts: [] };
const ours = (chunks: Chunk[], size = chunks.length) => {
  let reading = beginReading(EMPTY);
  for (let at = 0; at < chunks.length; at += size)
    reading = readChunks(reading, chunks.slice(at, at + size));
  return reading;
};

/** What both have: the SDK keeps fields of its own, and we keep the written input. */
function common(message: Message | UIMessage | undefined) {
  const text = JSON.stringify(message, (key, value) =>
    ["inputText", "rawInput", "id", "isAutomatic", "preliminary", "requestReason"].includes(key)
      ? undefined
      : value,
  );
  return JSON.parse(text);
}

test.each(Object.entries(RUNS))("the SDK's reader makes the same of %s", async (_, chunks) => {
  let last: UIMessage | undefined;
  const stream = new ReadableStream<UIMessageChunk>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk as UIMessageChunk);
      controller.close();
    },
  });
  for await (const message of readUIMessageStream({ stream })) last = message;
  expect(common(ours(chunks).message)).toEqual(common(last));
});

test.each(Object.entries(RUNS))("pieces of any size make the same of %s", (_, chunks) => {
  const whole = ours(chunks);
  for (let size = 1; size < chunks.length; size += 1) expect(ours(chunks, size)).toEqual(whole);
});

test("what chunks do not touch stays the same object", () => {
  const run = RUNS["text and reasoning"] ?? [];
  const before = ours(run.slice(0, 8));
  const after = readChunks(before, run.slice(8, 9));
  expect(after.message.parts[1]).toBe(before.message.parts[1]);
  expect(after.message.parts[2]).not.toBe(before.message.parts[2]);
  expect(before.message.parts[2]).toMatchObject({ text: "Hello " });
});

test("a run that goes on after its end goes on with its message", () => {
  const run = RUNS["a text that is cut"] ?? [];
  const resumed = readChunks(ours(run), [
    { type: "start", messageId: "m" },
    { type: "data-end", id: "end", data: { resumed: true } },
    { type: "start-step" },
  ]);
  expect(resumed).toMatchObject({ finish: null, message: { metadata: { model: "qwen3" } } });
  expect(resumed.message.parts).toHaveLength(4);
});

test("nonsense is counted and does no harm", () => {
  const nonsense: Chunk[] = [
    { type: "text-delta", id: "9", delta: "lost" },
    { type: "tool-output-available", toolCallId: "nobody" },
    { type: "from-the-future" },
    { type: "text-start" },
    { type: "tool-input-start" },
  ];
  expect(ours(nonsense)).toMatchObject({
    ignored: 3,
    message: { parts: [{ text: "" }, { toolName: "" }] },
  });
});
