// Answers in place of the program, for the demo and for tests.

import { delay, HttpResponse, http, ws } from "msw";
import { approvalHandlers } from "./handlers/approvals";
import { chatHandlers } from "./handlers/chats";
import { machineHandlers } from "./handlers/machine";
import { modelHandlers } from "./handlers/models";
import { serverHandlers } from "./handlers/servers";
import { type DemoState, problem } from "./handlers/state";

export function handlers(state: DemoState) {
  const events = ws.link("*/api/v1/events*");
  return [
    http.all("/api/v1/*", async () => {
      if (state === "away") return HttpResponse.error();
      if (state === "signed-out") return problem(401, "unauthorized", "there is no session");
      if (state === "failing")
        return problem(500, "internal", "the store does not answer", "look into the log");
      if (state === "slow") await delay("infinite");
      return undefined;
    }),
    events.addEventListener("connection", ({ client }) => {
      if (state === "away" || state === "signed-out") client.close();
      else client.send(JSON.stringify({ type: "hello", epoch: "demo", seq: 0 }));
    }),
    ...machineHandlers(state),
    ...serverHandlers(state),
    ...chatHandlers(state),
    ...approvalHandlers(state),
    ...modelHandlers(state),
  ];
}
