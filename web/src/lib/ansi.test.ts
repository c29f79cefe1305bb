import { expect, test } from "vitest";
import { spans, withoutEscapes } from "@/lib/ansi";

test.each([
  ["plain", "plain"],
  ["\u001b[31mred\u001b[0m back", "red back"],
  ["\u001b]0;a title\u0007text", "text"],
  ["\u001b]8;;https://evil.example\u001b\\link\u001b]8;;\u001b\\", "link"],
  ["\u001b[2J\u001b[1;1Hcleared", "cleared"],
  ["\u001bPdevice\u001b\\after", "after"],
  ["\u001b]unfinished goes to the end", ""],
  ["\u009b31mc1", "c1"],
  ["\u001b(Bcharset", "charset"],
])("commands of a terminal are left out: %j", (line, text) => {
  expect(withoutEscapes(line)).toBe(text);
  expect(
    spans(line)
      .map((it) => it.text)
      .join(""),
  ).toBe(text);
});

test("colours are kept as tones", () => {
  expect(
    spans("a\u001b[1;32mb\u001b[22mc\u001b[38;5;196md\u001b[39me\u001b[91mf\u001b[mg"),
  ).toEqual([
    { text: "a", tone: "plain", bold: false },
    { text: "b", tone: "success", bold: true },
    { text: "c", tone: "success", bold: false },
    { text: "d", tone: "success", bold: false },
    { text: "e", tone: "plain", bold: false },
    { text: "f", tone: "danger", bold: false },
    { text: "g", tone: "plain", bold: false },
  ]);
});
