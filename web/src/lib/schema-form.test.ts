import { expect, test } from "vitest";
import { fieldsOf, filled, initialValues, parseObject } from "@/lib/schema-form";

const SCHEMA = {
  type: "object",
  required: ["q", "count"],
  properties: {
    sort: { type: "string", enum: ["newest", "oldest"], default: "newest" },
    q: { type: "string", title: "Query", minLength: 2 },
    count: { type: "integer", minimum: 1, maximum: 100 },
    draft: { type: ["boolean", "null"] },
    labels: { type: "array", items: { type: "string" } },
    kinds: { type: "array", items: { enum: ["a", "b", 3] }, minItems: 2, maxItems: 2 },
    size: {
      oneOf: [
        { const: 1, title: "Small" },
        { const: 2, title: "Big" },
      ],
    },
    filter: { type: "object" },
    mail: { type: "string", format: "email" },
  },
};

test("a schema becomes fields, the required ones first", () => {
  const fields = fieldsOf(SCHEMA) ?? [];
  expect(fields.map((it) => `${it.name}:${it.kind}`)).toEqual([
    "q:long",
    "count:integer",
    "sort:choice",
    "draft:boolean",
    "labels:lines",
    "kinds:choices",
    "size:choice",
    "filter:json",
    "mail:text",
  ]);
  expect(initialValues(fields, { q: "x", kinds: [3, "zzz"], filter: { a: 1 } })).toMatchObject({
    q: "x",
    sort: "0",
    draft: null,
    kinds: [2],
    filter: '{\n  "a": 1\n}',
  });
});

test("answers become arguments, and what is empty is left out", () => {
  const fields = fieldsOf(SCHEMA) ?? [];
  const answers = {
    q: "is:open",
    count: "30",
    sort: "1",
    draft: false,
    labels: "a\n\nb",
    kinds: [0, 2],
    size: "1",
    filter: "",
    mail: "",
  };
  expect(filled(fields, answers)).toEqual({
    value: {
      q: "is:open",
      count: 30,
      sort: "oldest",
      draft: false,
      labels: ["a", "b"],
      kinds: ["a", 3],
      size: 2,
    },
    errors: {},
  });
});

test.each([
  ["kinds", [0], "Choose at least 2"],
  ["kinds", [0, 1, 2], "Choose at most 2"],
  ["q", "", "This is needed"],
  ["q", "x", "At least 2 characters"],
  ["count", "1.5", "A whole number is needed"],
  ["count", "0", "At least 1"],
  ["count", "101", "At most 100"],
  ["count", "many", "A number is needed"],
  ["filter", "{", "This is not JSON. Check quotes, commas and brackets"],
  ["mail", "nobody", "An address such as name@example.com is needed"],
])("%s = %j is told to be wrong", (name, value, error) => {
  const fields = fieldsOf(SCHEMA) ?? [];
  const answers = { ...initialValues(fields, { q: "ok", count: 1 }), [name]: value };
  expect(filled(fields, answers).errors).toEqual({ [name]: error });
});

test.each([null, 3, "x", [], { type: "string" }, { properties: 3, type: "array" }])(
  "what is no object's schema has no form: %j",
  (schema) => {
    expect(fieldsOf(schema)).toBe(null);
  },
);

test("nonsense inside of a schema does no harm", () => {
  const fields = fieldsOf({
    properties: { a: null, b: { type: 7, title: 9, enum: "x", minimum: "y" }, c: { oneOf: [3] } },
  });
  expect(fields?.map((it) => it.kind)).toEqual(["json", "json", "json"]);
});

test("a text has to be an object", () => {
  expect(parseObject('{"a":1}')).toEqual({ value: { a: 1 } });
  expect(parseObject("[1]")).toEqual({ error: "An object in curly brackets is needed" });
  expect(parseObject("{a}")).toHaveProperty("error");
});
