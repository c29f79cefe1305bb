// The machine, who is let in, and what was done.

import { HttpResponse, http } from "msw";
import { searchedAudit } from "../data/audit";
import { bareFindings, findings, image as missing } from "../data/machine";
import { tokens } from "../data/tokens";
import { type DemoState, isEmpty } from "./state";

export function machineHandlers(state: DemoState) {
  const empty = isEmpty(state);
  let image = missing;
  return [
    http.get("/api/v1/whoami", () =>
      HttpResponse.json({
        kind: "person",
        principal: "mira",
        token: null,
        servers: null,
        tools: null,
      }),
    ),
    http.get("/api/v1/status", () =>
      HttpResponse.json({
        version: "0.1.0",
        uptime_s: 5400,
        addresses: ["http://127.0.0.1:3000", "http://127.0.0.1:9000"],
        servers: { total: 5, running: 2, installing: 0, waiting: 1, failed: 1, disabled: 0 },
        tools: 16,
        sessions: 1,
      }),
    ),
    http.get("/api/v1/doctor", () =>
      HttpResponse.json({ findings: state === "bare" ? bareFindings : findings }),
    ),
    http.get("/api/v1/image", () => HttpResponse.json(image)),
    http.post("/api/v1/image", () => {
      image = { ...missing, state: "making", began_at: Date.now(), step: "Unpack packages" };
      return HttpResponse.json(image, { status: 202 });
    }),
    http.post("/api/v1/login-links", () =>
      HttpResponse.json({ url: "http://127.0.0.1:3000/#login=arc_demo_8d1f4b7e" }, { status: 201 }),
    ),
    http.delete("/api/v1/session", () => new HttpResponse(null, { status: 204 })),
    http.get("/api/v1/tokens", () =>
      HttpResponse.json({ tokens: empty ? tokens.slice(0, 1) : tokens }),
    ),
    http.post("/api/v1/tokens", () =>
      HttpResponse.json(
        { id: "tok_new", name: "Zed", token: "arc_demo_4f9c1e7b2a6d8f03c5b1" },
        { status: 201 },
      ),
    ),
    http.delete("/api/v1/tokens/:token", () => new HttpResponse(null, { status: 204 })),
    http.get("/api/v1/audit", ({ request }) => {
      const query = new URL(request.url).searchParams;
      return HttpResponse.json({ events: empty ? [] : searchedAudit(query) });
    }),
  ];
}
