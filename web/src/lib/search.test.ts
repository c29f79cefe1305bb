import { expect, test } from "vitest";
import { found, score } from "@/lib/search";

test.each([
  ["Slow checkout", "check", true],
  ["Slow checkout", "out slow", true],
  ["Slow checkout", "swct", true],
  ["Slow checkout", "zebra", false],
  ["Slow checkout", "", true],
  ["git_log", "log", true],
])("%j is found by %j: %s", (text, query, is) => {
  expect(score(text, query) > 0).toBe(is);
});

test("what begins with it comes first", () => {
  expect(found(["a big list", "list", "my-list", "elist"], "list", (it) => it)).toEqual([
    "list",
    "a big list",
    "my-list",
    "elist",
  ]);
});
