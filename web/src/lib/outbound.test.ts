import { expect, test } from "vitest";
import { otherHost } from "./outbound";

test.each([
  ["https://evil.example/", "https://bank.example/login", "bank.example"],
  ["https://evil.example/", "bank.example", "bank.example"],
  ["https://www.bank.example/", "bank.example/login", null],
  ["https://evil.example/", "click here", null],
  ["https://evil.example/", "version 2.4.1", null],
  ["https://xn--pple-43d.example/", "аpple.example", "аpple.example"],
])("a link to %s that says %j pretends %j", (href, words, said) => {
  expect(otherHost(new URL(href), words)).toBe(said);
});
