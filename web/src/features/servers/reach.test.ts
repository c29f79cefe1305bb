import { expect, test } from "vitest";
import type { Usage } from "@/api/types";
import { busyCores } from "./reach";

const at = (at_ms: number, cpu_ns: number | null, sandboxes = 1): Usage => ({
  at_ms,
  sandboxes,
  cpu_ns,
  memory_bytes: 1,
  pids: 1,
});

test.each([
  ["half of one", at(0, 0), at(2000, 1_000_000_000), 0.5],
  ["two", at(0, 500), at(1000, 2_000_000_500), 2],
  ["nothing", at(0, 7), at(1000, 7), 0],
  ["the first answer", null, at(1000, 7), null],
  ["not measured here", at(0, null), at(1000, null), null],
  ["began anew", at(0, 900), at(1000, 7), null],
  ["one more", at(0, 7), at(1000, 900, 2), null],
  ["the same moment", at(5, 7), at(5, 9), null],
])("processors that are busy: %s", (_, before, now, cores) =>
  expect(busyCores(before, now)).toBe(cores),
);
