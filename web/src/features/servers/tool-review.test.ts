import { expect, test } from "vitest";
import type { ToolReview } from "@/api/types";
import { compared, diffLines, grouped, lookAt, privateFiles, proposal } from "./tool-review";

function review(given: Partial<ToolReview> & { reads?: boolean; looked?: boolean }): ToolReview {
  const { reads = false, looked = true, ...rest } = given;
  const definition = { name: "t", annotations: { readOnlyHint: reads } };
  return {
    name: "t",
    state: "pinned",
    changes: [],
    hidden: [],
    told: { advertised: "s__t", pin: "p", definition, is_read_only: reads },
    pinned: { pin: "p", definition, looked_at_ms: looked ? 1 : null, setting: null },
    ...rest,
  };
}

test("what is quarantined and what nobody has looked at comes first", () => {
  const all = [
    review({ name: "reads", reads: true }),
    review({ name: "writes" }),
    review({ name: "new", looked: false, reads: true }),
    review({ name: "changed", state: "changed" }),
    review({ name: "gone", state: "gone", told: null }),
  ];
  const { look, reads, changes } = grouped(all);
  expect(look.map((it) => [it.name, lookAt(it)])).toEqual([
    ["new", "new"],
    ["changed", "changed"],
    ["gone", "gone"],
  ]);
  expect(reads.map((it) => it.name)).toEqual(["reads"]);
  expect(changes.map((it) => it.name)).toEqual(["writes"]);
});

test("only what claims to read is proposed to run unasked, and what was set stays", () => {
  expect(proposal(review({ reads: true }))).toBe("allow");
  expect(proposal(review({}))).toBe("ask");
  const set = review({ reads: true });
  if (set.pinned) set.pinned.setting = "deny";
  expect(proposal(set)).toBe("deny");
});

test.each([
  ["read ~/.ssh/config first", ["~/.ssh/config"]],
  ["/home/mira/.aws/credentials", ["/home/mira/.aws/credentials"]],
  ["pass .env and id_rsa, id_rsa", [".env", "id_rsa"]],
  ["/etc/passwd", ["/etc/passwd"]],
  ["an environment, e.g. node.environment or foo.envelope", []],
  ["Searches issues in ~/src", []],
])("private files in %j", (text, found) => expect(privateFiles(text)).toEqual(found));

const show = (all: ReturnType<typeof compared>) =>
  all.map((it) => `${{ same: " ", gone: "-", new: "+", head: "#" }[it.kind]}${it.text}`);

test("a comparison keeps what is equal and shows what is not", () => {
  expect(show(compared(["a", "b", "c"], ["a", "x", "c", "d"]))).toEqual([
    " a",
    "-b",
    "+x",
    " c",
    "+d",
  ]);
  expect(show(compared([], ["a"]))).toEqual(["+a"]);
  expect(show(compared(["a"], []))).toEqual(["-a"]);
});

test("changes stand under their fields, and long equal parts are left out", () => {
  const before = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`k${i}`, i]));
  const changes = [
    { field: "description", before: "old" as never, after: "new" as never },
    { field: "inputSchema", before: before as never, after: { ...before, k11: 0 } as never },
  ];
  expect(show(diffLines(changes))).toEqual([
    "#description",
    "-old",
    "+new",
    "#inputSchema",
    " …",
    '   "k9": 9,',
    '   "k10": 10,',
    '-  "k11": 11',
    '+  "k11": 0',
    " }",
  ]);
});

test("very long texts are not compared line by line", () => {
  const many = Array.from({ length: 500 }, (_, i) => `${i}`);
  expect(compared(many, many)).toHaveLength(1000);
});
