import { expect, test } from "vitest";
import type { MessageBody } from "@/api/types";
import { asMessage, joined, placeOf } from "./messages";

/** Messages that follow each other, for instance `a>b>c`; the first follows what is before a dot. */
function path(words: string): MessageBody[] {
  const [before, after] = words.includes(".") ? words.split(".") : [null, words];
  return (after ?? "")
    .split(">")
    .filter(Boolean)
    .map((id, i, ids) => ({
      id,
      parent: ids[i - 1] ?? before ?? null,
      siblings: [id],
      role: "user",
      created_at_ms: 0,
      parts: [],
    }));
}

test.each([
  ["nothing is known yet", "", "a>b", "a>b"],
  ["a page before them", "a>b", "b.c>d", "a>b>c>d"],
  ["one more was said", "a>b>c", "a.b>c>d", "a>b>c>d"],
  ["the first has left the last page", "a>b>c", "b.c>d", "a>b>c>d"],
  ["the last one is another version", "a>b>c", "a.b>x", "a>b>x"],
  ["another version at the beginning", "a>b>c", "x>y", "x>y"],
  ["too much was said meanwhile", "a>b", "m.n>o", "n>o"],
  ["all are gone", "a>b", "", ""],
])("%s", (_, known, last, shown) => {
  const ids = joined(path(known), path(last)).map((it) => it.id);
  expect(ids.join(">")).toBe(shown);
});

test("versions of a message have one place, and a message stays the same object", () => {
  const [first] = path("a");
  if (!first) throw new Error("there is one");
  const body = { ...first, id: "b", siblings: ["a", "b"] };
  expect(placeOf(body)).toBe(placeOf({ ...first, siblings: ["a", "b"] }));
  expect(asMessage(body)).toBe(asMessage(body));
  expect(asMessage({ ...body, parts: [{ type: "hologram" }] }).parts).toEqual([]);
});
