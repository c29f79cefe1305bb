// @vitest-environment jsdom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LiveAnswer } from "./live";

/** From one picture of the pretended screen to the next. */
const PICTURE_MS = 16;

let answer: LiveAnswer;
let drawings: string[];

beforeEach(() => {
  vi.useFakeTimers();
  answer = new LiveAnswer("m1");
  drawings = [];
  answer.subscribe(() => {
    const [part] = answer.get()?.message.parts ?? [];
    drawings.push(part?.type === "text" ? part.text : "");
  });
  answer.push([{ type: "text-start", id: "t" }], true);
  answer.flush();
  drawings = [];
});

afterEach(() => {
  vi.useRealTimers();
});

const piece = (delta: string) => answer.push([{ type: "text-delta", id: "t", delta }], false);
const pass = (ms: number) => vi.advanceTimersByTime(ms);

/** A piece each 5 ms, and where it is asked for a key each `keyMs`. */
function stream(forMs: number, keyMs = Number.POSITIVE_INFINITY) {
  for (let at = 0; at < forMs; at += 5) {
    if (at % keyMs === 0) answer.typed();
    piece("x");
    pass(5);
  }
}

test("pieces that come faster than pictures are drawn together", () => {
  stream(1000);
  expect(drawings.length).toBeGreaterThan(15);
  expect(drawings.length).toBeLessThanOrEqual(1000 / 30);
  pass(100);
  expect(drawings.at(-1)).toBe("x".repeat(200));
});

test("a piece after a rest is in the next picture", () => {
  pass(1000);
  piece("now");
  pass(PICTURE_MS);
  expect(drawings).toEqual(["now"]);
});

test("the picture after a key is the key's, and the one after it has the pieces", () => {
  pass(1000);
  answer.typed();
  piece("later");
  pass(PICTURE_MS);
  expect(drawings).toEqual([]);
  pass(PICTURE_MS);
  expect(drawings).toEqual(["later"]);
});

test("keys without an end hold pieces back for a moment only", () => {
  stream(2000, 10);
  expect(drawings.length).toBeGreaterThanOrEqual(12);
});

test("a window that draws nothing still hears", () => {
  vi.spyOn(document, "hidden", "get").mockReturnValue(true);
  pass(1000);
  piece("one");
  pass(499);
  expect(drawings).toEqual([]);
  piece(" two");
  pass(1);
  expect(drawings).toEqual(["one two"]);
});

test("what is brought in at once is not brought in again", () => {
  pass(1000);
  piece("end");
  answer.flush();
  pass(1000);
  expect(drawings).toEqual(["end"]);
  expect(vi.getTimerCount()).toBe(0);
});

test("a run that is told anew replaces what was heard", () => {
  pass(1000);
  piece("gone");
  answer.push([{ type: "text-start", id: "t" }], true);
  piece("anew");
  pass(PICTURE_MS);
  expect(drawings).toEqual(["anew"]);
});
