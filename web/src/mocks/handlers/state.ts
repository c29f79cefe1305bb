// What all handlers know.

import { HttpResponse } from "msw";

/** `?demo=` of the page: which of its states the demo shows. */
export const DEMO_STATES = [
  "full",
  "empty",
  "crowded",
  "bare",
  "away",
  "signed-out",
  "slow",
  "failing",
] as const;

export type DemoState = (typeof DEMO_STATES)[number];

/** Nothing was added yet. */
export function isEmpty(state: DemoState): boolean {
  return state === "empty" || state === "bare";
}

/** The program's answer where something is wrong. */
export function problem(status: number, code: string, message: string, hint?: string) {
  return HttpResponse.json({ code, message, hint: hint ?? null }, { status });
}
