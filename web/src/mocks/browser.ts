import { setupWorker } from "msw/browser";
import { handlers } from "./handlers";
import { DEMO_STATES } from "./handlers/state";

/** Answers for the program in the demo. */
export async function startMocks(): Promise<void> {
  const wanted = new URLSearchParams(location.search).get("demo");
  const state = DEMO_STATES.find((it) => it === wanted) ?? "full";
  await setupWorker(...handlers(state)).start({ quiet: true, onUnhandledRequest: "bypass" });
}
