import { expect, test } from "vitest";
import { cut, openable, plainly } from "@/lib/hostile";

test.each([
  ["plain text\nin two lines\twith a tab", "plain text\nin two lines\twith a tab"],
  ["", ""],
  ["windows\r\nline", "windows\nline"],
  ["a carriage\rreturn hides what was before", "a carriage‹U+000D›return hides what was before"],
  ["invoice\u202egnp.exe", "invoice‹U+202E›gnp.exe"],
  ["zero\u200bwidth and \u2066isolate\u2069", "zero‹U+200B›width and ‹U+2066›isolate‹U+2069›"],
  ["\u001b[31mred", "‹U+001B›[31mred"],
  ["tags \u{e0041}\u{e0042}", "tags ‹U+E0041›‹U+E0042›"],
  ["selectors a\ufe01\u{e0100}", "selectors a‹U+FE01›‹U+E0100›"],
  ["a family 👩‍👩‍👧, a heart ❤️, a key 1️⃣", "a family 👩‍👩‍👧, a heart ❤️, a key 1️⃣"],
  ["a joiner\u200dbetween letters", "a joiner‹U+200D›between letters"],
  ["שלום and 漢字 stay", "שלום and 漢字 stay"],
  ["filler \u3164\u2800", "filler ‹U+3164›‹U+2800›"],
  ["nul \u0000 and next line \u0085", "nul ‹U+0000› and next line ‹U+0085›"],
])("hidden characters are named: %j", (text, shown) => {
  expect(plainly(text)).toBe(shown);
});

test.each([
  ["short", 10, 3, "short", 0],
  ["0123456789", 4, 3, "0123", 6],
  ["a\nb\nc\nd", 100, 2, "a\nb", 4],
  ["a\nb", 100, 2, "a\nb", 0],
  ["ab😀", 3, 3, "ab", 2],
])("%j is cut at %d characters and %d lines", (text, characters, lines, shown, rest) => {
  expect(cut(text, characters, lines)).toEqual({ shown, rest });
});

test.each([
  ["https://example.com/a", "example.com"],
  ["mailto:a@example.com", ""],
  ["javascript:alert(1)", null],
  ["JAVASCRIPT:alert(1)", null],
  ["data:text/html,hi", null],
  ["file:///etc/passwd", null],
  ["vbscript:x", null],
  ["/relative", null],
  ["blob:http://127.0.0.1/x", null],
  ["https://user@evil.example/", "evil.example"],
])("only addresses of the web and of mail open: %s", (href, host) => {
  expect(openable(href)?.host ?? null).toBe(host);
});
