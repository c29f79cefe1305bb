import { expect, test } from "vitest";
import { matching, printed, SHORTCUTS } from "@/lib/keys";

const press = (keys: string, key: string, code = "") => ({
  key,
  code,
  ctrlKey: keys.includes("c"),
  metaKey: keys.includes("m"),
  shiftKey: keys.includes("s"),
  altKey: keys.includes("a"),
});

test.each([
  ["Ctrl K", press("c", "k"), false, "palette"],
  ["Command K on a Mac", press("m", "k"), true, "palette"],
  ["Control K on a Mac", press("c", "k"), true, null],
  ["Ctrl Shift K", press("cs", "K"), false, null],
  ["Ctrl Shift O", press("cs", "O"), false, "newChat"],
  ["a question mark", press("s", "?"), false, "help"],
  ["Escape", press("", "Escape"), false, "stop"],
  ["Shift Escape", press("s", "Escape"), false, "composer"],
  ["Alt Y, which writes another letter on a Mac", press("a", "¥", "KeyY"), true, "allow"],
  ["K on a keyboard of another script", press("c", "л", "KeyK"), false, "palette"],
  ["a plain letter", press("", "k"), false, null],
])("%s", (_, pressed, mac, id) => {
  expect(matching(pressed, mac)).toBe(id);
});

test("no two shortcuts have the same keys", () => {
  const keys = Object.values(SHORTCUTS).map((it) => it.keys);
  expect(new Set(keys).size).toBe(keys.length);
});

test("keys are named as they are printed", () => {
  expect([
    printed("Mod+Shift+O", false),
    printed("Mod+Shift+O", true),
    printed("Shift+Escape", false),
  ]).toEqual(["Ctrl Shift O", "⌘ ⇧ O", "Shift Esc"]);
});
