import { expect, test } from "vitest";
import { SseReader } from "./sse";

const STREAM =
  ': keep alive\n\nid: 1\ndata: {"a":1}\n\nid: 2\r\ndata: two\r\ndata: lines\r\n\r\nevent: x\n\ndata:[DONE]\n\n';
const EVENTS = [
  { id: "1", data: '{"a":1}' },
  { id: "2", data: "two\nlines" },
  { id: "2", data: "[DONE]" },
];

test("events are the same however the stream is cut", () => {
  for (let size = 1; size <= STREAM.length; size += 1) {
    const reader = new SseReader();
    const events = [];
    for (let at = 0; at < STREAM.length; at += size)
      events.push(...reader.read(STREAM.slice(at, at + size)));
    expect(events).toEqual(EVENTS);
  }
});
