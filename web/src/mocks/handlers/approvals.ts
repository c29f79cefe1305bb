// What waits for a decision, and what was decided for good.

import { HttpResponse, http } from "msw";
import { approvals, grants, rules } from "../data/approvals";
import { manyApprovals } from "../data/crowd";
import { type DemoState, isEmpty, problem } from "./state";

export function approvalHandlers(state: DemoState) {
  const empty = isEmpty(state);
  return [
    http.get("/api/v1/approvals", ({ request }) => {
      const open = new URL(request.url).searchParams.get("open");
      const all = empty ? [] : state === "crowded" ? manyApprovals : approvals;
      return HttpResponse.json({
        approvals: open ? all.filter((it) => it.state === "open") : all,
        next: null,
      });
    }),
    http.get("/api/v1/approvals/:approval", ({ params }) => {
      const it = [...approvals, ...manyApprovals].find(({ id }) => id === params.approval);
      return it ? HttpResponse.json(it) : problem(404, "not_found", "there is no such request");
    }),
    http.post("/api/v1/approvals/:approval/decide", async ({ params, request }) => {
      const body = (await request.json()) as { decision: string; scope?: string };
      const it = approvals.find((approval) => approval.id === params.approval);
      if (!it) return problem(404, "not_found", "there is no such request");
      Object.assign(it, {
        state: body.decision === "approve" ? "approved" : "denied",
        decided_at_ms: Date.now(),
        decided_by: "mira",
        scope: body.decision === "approve" ? (body.scope ?? "once") : null,
      });
      return HttpResponse.json(it);
    }),
    http.get("/api/v1/grants", () =>
      HttpResponse.json({ grants: empty ? [] : grants, next: null }),
    ),
    http.delete("/api/v1/grants/:grant", () => new HttpResponse(null, { status: 204 })),
    http.get("/api/v1/policy/rules", () => HttpResponse.json({ rules: empty ? [] : rules })),
    http.post("/api/v1/policy/rules", async ({ request }) =>
      HttpResponse.json(
        {
          server: null,
          ...((await request.json()) as object),
          id: "p3",
          server_id: null,
          created_by: "mira",
          created_at_ms: Date.now(),
        },
        { status: 201 },
      ),
    ),
    http.delete("/api/v1/policy/rules/:rule", () => new HttpResponse(null, { status: 204 })),
  ];
}
