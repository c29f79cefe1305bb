import { expect, test } from "vitest";
import type { AuditEvent, LogLine } from "@/api/types";
import { asText, filtered, joined, ROWS_MAX, rowOf } from "./log-rows";
import { callFigures, reached } from "./reach";

const line = (number: number, stream: LogLine["stream"], text: string): LogLine => ({
  number,
  stream,
  text,
  at_ms: 0,
});

test.each([
  ["stderr", "listening", "server", "stderr"],
  ["stderr", "\u001b[31mError\u001b[0m: no", "problem", "stderr"],
  ["stderr", "DeprecationWarning: deprecated", "warning", "stderr"],
  ["stdout", "hello", "server", "stdout"],
  ["archestra", "process 7 started for shared", "archestra", "archestra"],
  ["archestra", "the way out: `x.io:443` is not allowed", "refused", "refused"],
] as const)("%s: %s", (stream, text, kind, source) => {
  expect(rowOf(line(1, stream, text))).toMatchObject({ kind, source });
});

test("lines are told apart by who wrote them and by what is looked for", () => {
  const rows = [
    line(1, "stderr", "Listening"),
    line(2, "archestra", "the way out: no"),
    line(3, "stderr", "Error: x"),
  ].map(rowOf);
  const numbers = (...of: Parameters<typeof filtered> extends [unknown, ...infer R] ? R : never) =>
    filtered(rows, ...of).map((it) => it.number);
  expect(numbers("all", "")).toEqual([1, 2, 3]);
  expect(numbers("server", "")).toEqual([1, 3]);
  expect(numbers("archestra", "")).toEqual([2]);
  expect(numbers("problems", "")).toEqual([2, 3]);
  expect(numbers("all", " LISTEN ")).toEqual([1]);
});

test("a line that is told twice is there once, and not more than fit are kept", () => {
  const rows = joined(joined([], [line(1, "stderr", "a")]), [
    line(1, "stderr", "a"),
    line(2, "stderr", "b"),
  ]);
  expect(rows.map((it) => it.text)).toEqual(["a", "b"]);
  const many = Array.from({ length: ROWS_MAX + 5 }, (_, i) => line(i + 3, "stderr", "x"));
  expect(joined(rows, many)).toHaveLength(ROWS_MAX);
});

test("the text of a file has no terminal's commands", () => {
  expect(asText([rowOf(line(1, "stderr", "\u001b[31mred\u001b[0m"))])).toBe(
    "1970-01-01T00:00:00.000Z stderr red\n",
  );
});

const event = (kind: string, detail: object, rest: Partial<AuditEvent> = {}): AuditEvent => ({
  id: 1,
  at_ms: 5,
  kind,
  detail: detail as Record<string, unknown>,
  ...rest,
});

test("hosts that were refused follow the allowed ones, the most wanted first", () => {
  const all = reached(
    ["a:443"],
    [
      event("egress.refused", { target: "c:443", reason: "not on the list", equal_before: 4 }),
      event("egress.connected", { target: "a:443" }),
      event("egress.refused", { target: "b:443" }),
      event("egress.connected", { target: "taken-off:443" }),
      event("egress.refused", { other: 1 }),
    ],
  );
  expect(all.map((it) => [it.host, it.allowed, it.connected, it.refused])).toEqual([
    ["a:443", true, 1, 0],
    ["c:443", false, 0, 5],
    ["b:443", false, 0, 1],
  ]);
});

test("figures of calls are of those that have ended", () => {
  const call = (duration_ms: number, outcome: string | null) =>
    event("tool.call", {}, { duration_ms, outcome, response_bytes: duration_ms * 10 });
  expect(callFigures([call(1, "ok"), call(9, "tool_error"), call(3, "ok"), call(7, null)])).toEqual(
    {
      calls: 3,
      failed: 1,
      medianMs: 3,
      slowestMs: 9,
      largestBytes: 90,
    },
  );
  expect(callFigures([])).toBeNull();
});
