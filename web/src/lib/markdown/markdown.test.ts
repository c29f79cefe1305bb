import type { Node } from "mdast";
import { toString as plain } from "mdast-util-to-string";
import { expect, test } from "vitest";
import { type Document, EMPTY, parse } from "./blocks";
import { repair } from "./repair";

test.each([
  ["plain text", "plain text"],
  ["some **bold", "some **bold**"],
  ["some **", "some "],
  ["some **bold** and *em", "some **bold** and *em*"],
  ["***both", "***both***"],
  ["a `code", "a `code`"],
  ["a `", "a "],
  ["a ``code with ` tick`", "a ``code with ` tick``"],
  ["**bold with `code", "**bold with `code`**"],
  ["2 * 3 * 4", "2 * 3 * 4"],
  ["snake_case_name", "snake_case_name"],
  ["a \\*star", "a \\*star"],
  ["~~gone", "~~gone~~"],
  ["see [the words", "see the words"],
  ["see [the words]", "see the words"],
  ["see [the words](https://exa", "see the words"],
  ["see [the words](https://example.com)", "see [the words](https://example.com)"],
  ["[a](b) and [c](", "[a](b) and c"],
  ["look ![alt](https://x", "look "],
  ["a title\n--", "a title"],
  ["a title\n=", "a title"],
  ["before\n\n| a | b |", "before\n\n"],
  ["before\n\n| a | b |\n| --", "before\n\n"],
  ["| a | b |\n| --- | --- |\n| 1", "| a | b |\n| --- | --- |\n| 1"],
  ["* an item", "* an item"],
  ["- [ ] a task", "- [ ] a task"],
  ["first **a\n\nsecond", "first **a\n\nsecond"],
])("the unfinished %j is shown as %j", (text, shown) => {
  expect(repair(text)).toBe(shown);
});

const TEXT = `# A title

Some *words* with \`code\` and [a link](https://example.com).
A second line.

- one
- two

  still two
  1. nested

> a quote
> of two lines

| a | b |
| - | -: |
| 1 | 2 |

\`\`\`ts src/a.ts
const a = 1;

const b = 2;
\`\`\`

After the code.

~~~
plain
~~~
***
The end with **bold**.`;

/** Type and words of each block. */
const show = (document: Document) =>
  document.blocks.map(({ node }) => `${node.type}: ${plain(node)}`);

/** Without the places in the source, which depend on where the parsing began. */
const bare = (node: Node) =>
  JSON.parse(JSON.stringify(node, (key, value) => (key === "position" ? undefined : value)));

test("a text in blocks is the same as the text at once", () => {
  expect(show(parse(EMPTY, TEXT, true))).toMatchInlineSnapshot(`
    [
      "heading: A title",
      "paragraph: Some words with code and a link.
    A second line.",
      "list: onetwostill twonested",
      "blockquote: a quote
    of two lines",
      "table: ab12",
      "code: const a = 1;

    const b = 2;",
      "paragraph: After the code.",
      "code: plain",
      "thematicBreak: ",
      "paragraph: The end with bold.",
    ]
  `);
});

test("however a text is cut into pieces, its end is the same", () => {
  const expected = parse(EMPTY, TEXT, true).blocks.map((it) => bare(it.node));
  for (let size = 1; size < 40; size += 3) {
    let document = EMPTY;
    for (let at = 0; at < TEXT.length; at += size)
      document = parse(document, TEXT.slice(0, at + size), false);
    document = parse(document, TEXT, true);
    expect(document.blocks.map((it) => bare(it.node))).toEqual(expected);
  }
});

test("what is settled is the same object, and only the end is parsed again", () => {
  const half = parse(EMPTY, TEXT.slice(0, 200), false);
  const more = parse(half, TEXT.slice(0, 260), false);
  expect(more.settledBlocks).toBeGreaterThan(2);
  for (let i = 0; i < half.settledBlocks; i += 1) expect(more.blocks[i]).toBe(half.blocks[i]);
});

test("a code that is not closed is a code, without the beginning of its end", () => {
  const document = parse(EMPTY, "Look:\n\n```ts a.ts\nconst a = 1;\n``", false);
  expect(document.blocks.at(-1)).toMatchObject({
    open: true,
    node: { type: "code", lang: "ts", meta: "a.ts", value: "const a = 1;" },
  });
});

test("a link whose address stands further down is found once the text is whole", () => {
  const text = "See [it][1].\n\nMore.\n\n[1]: https://example.com\n";
  const types = parse(EMPTY, text, true).blocks.map((it) => it.node.type);
  expect(types).toEqual(["paragraph", "paragraph", "definition"]);
});

test("a text that becomes another one is parsed anew", () => {
  const document = parse(parse(EMPTY, "one\n\ntwo\n\nthree", false), "other", true);
  expect(show(document)).toEqual(["paragraph: other"]);
});
