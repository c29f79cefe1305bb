import { expect, test } from "vitest";
import { ago, bytes, count, duration, humanName, initials, list, thousands } from "@/lib/words";

test.each([
  [0, "0 bytes"],
  [1, "1 byte"],
  [999, "999 bytes"],
  [3800, "3.8 KB"],
  [96_000, "96 KB"],
  [999_600, "1 MB"],
  [14_300_000_000, "14 GB"],
])("%d bytes are %s", (n, words) => expect(bytes(n)).toBe(words));

test.each([
  [0.2, "under 1 ms"],
  [631, "631 ms"],
  [999, "1 s"],
  [2400, "2.4 s"],
  [59_970, "1 min"],
  [200_000, "3 min 20 s"],
  [7_500_000, "2 h 5 min"],
  [300_000_000, "3 days"],
])("%d ms are %s", (ms, words) => expect(duration(ms)).toBe(words));

test("a time is told by how long ago it was", () => {
  const now = new Date(2026, 10, 21, 14, 0).getTime();
  const minutes = (n: number) => ago(now - n * 60_000, now);
  expect([0, 0.5, 1, 59, 61, 60 * 15, 60 * 24 * 18, 60 * 24 * 400].map(minutes)).toEqual([
    "just now",
    "just now",
    "1 min ago",
    "59 min ago",
    "12:59",
    "yesterday",
    "3 Nov",
    "17 Oct 2025",
  ]);
});

test("counts, lists and names", () => {
  expect([count(1, "tool"), count(1204, "tool"), count(0, "key")]).toEqual([
    "1 tool",
    "1,204 tools",
    "0 keys",
  ]);
  expect([thousands(820), thousands(9400), thousands(128_000), thousands(1_500_000)]).toEqual([
    "820",
    "9.4k",
    "128k",
    "1.5M",
  ]);
  expect([list([]), list(["a"]), list(["a", "b", "c"])]).toEqual(["", "a", "a, b and c"]);
  expect(["git_log", "createIssue", "API-get-user", "…"].map(humanName)).toEqual([
    "Git log",
    "Create issue",
    "Api get user",
    "…",
  ]);
  expect(["Claude Desktop", "cursor", "", "漢字", "GitHub"].map(initials)).toEqual([
    "CD",
    "CU",
    "?",
    "漢字",
    "GH",
  ]);
});

test("what hides in a name is named", () => {
  expect(humanName("read\u202e_file")).toBe("Read‹U+202E› file");
});
