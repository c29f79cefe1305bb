import { setupWorker } from "msw/browser";
import { type DemoState, handlers } from "./handlers";

const STATES: readonly DemoState[] = [
  "full",
  "empty",
  "bare",
  "away",
  "signed-out",
  "slow",
  "failing",
];

/** Answers for the program in the demo. */
export async function startMocks(): Promise<void> {
  const wanted = new URLSearchParams(location.search).get("demo");
  const state = STATES.find((it) => it === wanted) ?? "full";
  await setupWorker(...handlers(state)).start({ quiet: true, onUnhandledRequest: "bypass" });
}
