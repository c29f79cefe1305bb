import { expect, test } from "vitest";
import { endWords, globMatches, scopeWords } from "./approval-words";

test.each([
  ["*", "anything", true],
  ["*", "", true],
  ["", "", true],
  ["", "a", false],
  ["git_*", "git_log", true],
  ["git_*", "Git_log", false],
  ["*_log", "git_log", true],
  ["*_log", "git_logs", false],
  ["g?t_*g", "git_log", true],
  ["g?t", "gt", false],
  ["a*b*c", "aXXbYbc", true],
  ["a*b*c", "acb", false],
  ["a.c", "abc", false],
  ["[a]", "a", false],
  ["??", "ä€", true],
  [`${"*a".repeat(30)}b`, "a".repeat(60), false],
])("the pattern %j means %j: %j", (glob, name, means) => {
  expect(globMatches(glob, name)).toBe(means);
});

test("a request that is over says how it ended", () => {
  expect(endWords({ state: "open" })).toBe("Waits for you");
  expect(endWords({ state: "approved", scope: "chat" })).toBe("Allowed in its chat");
  expect(endWords({ state: "expired" })).toBe("Nobody answered in time");
  expect(scopeWords({ scope: "client", client: "Cursor" })).toBe("For Cursor");
});
