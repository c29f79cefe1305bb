import { expect, test } from "vitest";
import type { Limits } from "@/api/types";
import { changedLimits, limitProblem, limitText } from "./limit-fields";

const LIMITS: Limits = {
  memory_bytes_max: 1024 * 1024 * 1024,
  cpu_millis_max: 1000,
  pids_max: 256,
  tmp_bytes_max: 256 * 1024 * 1024,
  start_timeout_ms: 60_000,
  call_timeout_ms: 1_500,
  calls_max: 64,
};

test("limits stand in their fields in units that people use", () => {
  const names = Object.keys(LIMITS) as Array<keyof Limits>;
  expect(names.map((it) => limitText(it, LIMITS))).toEqual([
    "1024",
    "1",
    "256",
    "256",
    "60",
    "1.5",
    "64",
  ]);
});

test("what is no limit is told, and what is one is not", () => {
  const told = (name: keyof Limits, text: string) => limitProblem(name, text);
  expect(told("memory_bytes_max", "512")).toBe(null);
  expect(told("memory_bytes_max", "31")).toBe("At least 32 MB");
  expect(told("memory_bytes_max", "64.5")).toBe("A whole number");
  expect(told("memory_bytes_max", "99999999")).toBe("At most 16,777,216 MB");
  expect(told("cpu_millis_max", "0.5")).toBe(null);
  expect(told("cpu_millis_max", "0")).toBe("At least 0.01 cores");
  for (const text of ["", "much", "-1", "1e3", "0x10"]) {
    expect(told("call_timeout_ms", text), text).toBe("A number");
  }
});

test("only what is other than before is sent, in the units of the program", () => {
  const texts = { memory_bytes_max: "1024", cpu_millis_max: " 0.5", call_timeout_ms: "2.25" };
  expect(changedLimits(texts, LIMITS)).toEqual({ cpu_millis_max: 500, call_timeout_ms: 2250 });
  expect(changedLimits({}, LIMITS)).toEqual({});
});
