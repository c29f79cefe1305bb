import { expect, test } from "vitest";
import { readResult, resultText } from "./tool-result";

test("the parts of a result are told apart", () => {
  const result = readResult({
    isError: true,
    content: [
      { type: "text", text: "a" },
      { type: "image", data: "AAAA", mimeType: "image/png" },
      { type: "resource_link", uri: "https://a.example", name: "A" },
      { type: "resource", resource: { uri: "file:///b", mimeType: "text/plain", text: "b" } },
    ],
  });
  expect(result.isError).toBe(true);
  expect(result.json).toBe(null);
  expect(result.parts.map((it) => it.kind)).toEqual(["text", "image", "link", "file"]);
});

test.each([
  [null, null, 0],
  [undefined, null, 0],
  ["just a text", null, 1],
  [[1, 2], [1, 2], 0],
  [{ content: "no list" }, { content: "no list" }, 0],
  [{ content: [{ type: "text", text: 3 }] }, { content: [{ type: "text", text: 3 }] }, 0],
  [{ content: [], structuredContent: { a: 1 } }, { a: 1 }, 0],
  [
    { content: [{ type: "text", text: "x" }, { type: "new" }] },
    { content: [{ type: "text", text: "x" }, { type: "new" }] },
    1,
  ],
])("%j is no whole result and is shown as JSON", (output, json, parts) => {
  const result = readResult(output);
  expect(result.json).toEqual(json);
  expect(result.parts).toHaveLength(parts);
});

test("what is copied is the text, else the JSON", () => {
  expect(
    resultText({
      content: [
        { type: "text", text: "a" },
        { type: "text", text: "b" },
      ],
    }),
  ).toBe("a\nb");
  expect(resultText({ content: [], structuredContent: { a: 1 } })).toBe('{\n  "a": 1\n}');
});
