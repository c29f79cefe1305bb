import { expect, test } from "vitest";
import { type Following, follow, type Sign, START } from "./follow";

const at = (top: number, height = 1000): Sign => ({
  type: "scroll",
  measure: { top, height, seen: 400 },
});
const after = (...signs: Sign[]): Following => signs.reduce(follow, START);

test.each<[string, Sign[], boolean]>([
  ["it begins at the end", [], true],
  ["our own scrolling keeps it", [at(600), at(700, 1100)], true],
  ["growth below the window does not let it go", [at(600), at(600, 1400)], true],
  ["the wheel lets it go", [at(600), { type: "back" }], false],
  [
    "it stays away while the answer grows",
    [at(600), { type: "back" }, at(500), at(500, 1400)],
    false,
  ],
  [
    "near the end, on the way up, it is not taken up again",
    [at(600), { type: "back" }, at(570)],
    false,
  ],
  [
    "scrolled down to the end it is taken up again",
    [at(600), { type: "back" }, at(300), at(600)],
    true,
  ],
  [
    "scrolled down, but not to the end, it is not",
    [at(600), { type: "back" }, at(300), at(400)],
    false,
  ],
  ["upwards is the reader, by whatever means", [at(600), at(200)], false],
  ["a content that becomes shorter does not let it go", [at(600), at(500, 900)], true],
  ["the button takes it up", [{ type: "back" }, { type: "end" }], true],
])("%s", (_, signs, on) => {
  expect(after(...signs).on).toBe(on);
});
