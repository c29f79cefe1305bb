#!/usr/bin/env node
// The AI SDK as a reader of recorded runs: the same way as in a page that uses it.
//
//     ARCHESTRA_PEERS_MODULES=…/node_modules node ui_stream.mjs [FILE...]
//
// A file holds the bytes of one response. Without files, each line on stdin is a recording as JSON:
// {"name": "…", "sse": "the bytes as text", "message": the UIMessage so far, for a resumed one}.
// For each recording one line is printed:
//
//     {"name", "ok": true, "chunks", "finished", "done", "errors", "states", "message"}
//     {"name", "ok": false, "error"}
//
// `finished`: there was a `finish` or an `abort`. `done`: `[DONE]` was there. `errors`: the texts of
// `error` chunks, which a run may have. `states`: for each tool call the states that a page has shown,
// in their order. It is not ok when a chunk does not fit the SDK's schema, when the chunks do not fit
// each other (a delta without its start), or when the message that comes out is not valid. The exit
// code is 1 when one of them is not ok.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const ERROR_CHARS_MAX = 300;

const modules = process.env.ARCHESTRA_PEERS_MODULES;
if (!modules) {
  console.error("ui_stream: `ARCHESTRA_PEERS_MODULES` is not set; run the tests with `make test`");
  process.exit(64);
}
const ai = createRequire(join(modules, "here.js")).resolve("ai");
const { DefaultChatTransport, readUIMessageStream, safeValidateUIMessages } = await import(
  pathToFileURL(ai).href
);

/** The chunks, as the transport of a page takes them from a response. */
async function chunksOf(sse) {
  const response = new Response(sse, {
    headers: { "content-type": "text/event-stream", "x-vercel-ai-ui-message-stream": "v1" },
  });
  const transport = new DefaultChatTransport({ api: "/recorded", fetch: async () => response });
  const stream = await transport.sendMessages({
    chatId: "recorded",
    messages: [],
    trigger: "submit-message",
    abortSignal: undefined,
  });
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

/** The last message that a page shows, and the states that it has shown on the way. */
async function messageOf(chunks, message) {
  const said = chunks.filter((it) => it.type === "error").map((it) => it.errorText);
  const errors = [];
  const states = {};
  let last = message;
  const stream = readUIMessageStream({
    message,
    stream: ReadableStream.from(chunks),
    onError: (error) => errors.push(error),
  });
  for await (const snapshot of stream) {
    last = snapshot;
    for (const part of snapshot.parts) {
      if (!part.toolCallId) continue;
      const seen = (states[part.toolCallId] ??= []);
      if (seen.at(-1) !== part.state) seen.push(part.state);
    }
  }
  const broken = errors.find((it) => !said.includes(it?.message));
  if (broken) throw broken;
  return { last, states, errors: said };
}

async function read({ name, sse, message }) {
  try {
    const chunks = await chunksOf(sse);
    const { last, states, errors } = await messageOf(chunks, message);
    if (last !== undefined) {
      // A run that was cut before its first part has none, and the SDK wants one.
      const empty = last.parts.length === 0;
      const valid = empty ? { success: true } : await safeValidateUIMessages({ messages: [last] });
      if (!valid.success) throw valid.error;
    }
    const finished = chunks.some((it) => it.type === "finish" || it.type === "abort");
    const done = Buffer.from(sse).toString().includes("data: [DONE]");
    return { name, ok: true, chunks: chunks.length, finished, done, errors, states, message: last ?? null };
  } catch (error) {
    // Of a schema's failure, the list of all that it is not goes on for pages.
    const text = String(error?.message ?? error);
    return { name, ok: false, error: text.slice(0, ERROR_CHARS_MAX) };
  }
}

async function* recordings(files) {
  for (const file of files) yield { name: file, sse: await readFile(file) };
  if (files.length > 0) return;
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() !== "") yield JSON.parse(line);
  }
}

for await (const recording of recordings(process.argv.slice(2))) {
  const found = await read(recording);
  if (!found.ok) process.exitCode = 1;
  process.stdout.write(`${JSON.stringify(found)}\n`);
}
