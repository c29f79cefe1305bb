// Servers and their tools.

import { delay, HttpResponse, http } from "msw";
import { manyServers, manyTools } from "../data/crowd";
import { logLines } from "../data/logs";
import { servers as all, listed } from "../data/servers";
import { gitTools, reviewed, reviews, told } from "../data/tools";
import { type DemoState, isEmpty, problem } from "./state";

export function serverHandlers(state: DemoState) {
  const empty = isEmpty(state);
  const servers = empty ? [] : all;
  const find = (slug: unknown) => servers.find((it) => it.slug === slug);
  return [
    http.get("/api/v1/servers", () =>
      HttpResponse.json({ servers: state === "crowded" ? manyServers : servers.map(listed) }),
    ),
    http.post("/api/v1/servers", async ({ request }) => {
      const body = (await request.json()) as { slug?: string; source: { name?: string } };
      return HttpResponse.json(
        {
          id: "srv_new",
          slug: body.slug ?? "obsidian",
          status: { state: "installing", requests: 0 },
        },
        { status: 201 },
      );
    }),
    http.get("/api/v1/servers/:server", ({ params }) => {
      const it = find(params.server);
      return it
        ? HttpResponse.json(it)
        : problem(404, "not_found", `there is no server \`${params.server}\``);
    }),
    http.delete("/api/v1/servers/:server", () => new HttpResponse(null, { status: 204 })),
    http.post("/api/v1/servers/:server/:verb", ({ params }) =>
      HttpResponse.json(find(params.server)?.status ?? {}),
    ),
    http.patch("/api/v1/servers/:server", ({ params }) =>
      HttpResponse.json(find(params.server) ?? null),
    ),
    http.put(
      "/api/v1/servers/:server/secrets/:secret",
      () => new HttpResponse(null, { status: 204 }),
    ),
    http.delete(
      "/api/v1/servers/:server/secrets/:secret",
      () => new HttpResponse(null, { status: 204 }),
    ),
    http.put("/api/v1/servers/:server/egress/:host", () => new HttpResponse(null, { status: 204 })),
    http.delete(
      "/api/v1/servers/:server/egress/:host",
      () => new HttpResponse(null, { status: 204 }),
    ),
    http.get("/api/v1/servers/:server/usage", ({ params }) => {
      const runs = find(params.server)?.status.state === "running";
      const at_ms = Date.now();
      return HttpResponse.json({
        at_ms,
        sandboxes: runs ? 1 : 0,
        memory_bytes: runs ? 94_371_840 : null,
        cpu_ns: runs ? at_ms * 120_000 : null,
        pids: runs ? 11 : null,
      });
    }),
    http.get("/api/v1/servers/:server/logs", async ({ request }) => {
      const query = new URL(request.url).searchParams;
      const after = Number(query.get("after") ?? 0);
      if (query.has("wait_s")) await delay("infinite");
      return HttpResponse.json({
        lines: logLines.filter((it) => it.number > after),
        after: logLines.length,
      });
    }),
    http.get("/api/v1/servers/:server/tools", ({ params }) =>
      HttpResponse.json({
        tools: state === "crowded" ? manyTools : reviews(String(params.server)),
        counts: { looked_at: 8, not_looked_at: 0, changed: 1, added: 0, gone: 0 },
        tool_changes: "ask",
      }),
    ),
    http.post("/api/v1/servers/:server/tools/look", async ({ request }) => {
      type Looked = { tool: string; pin: string; setting?: "deny" | "ask" | "allow" };
      const body = (await request.json()) as { tools: Looked[] };
      for (const { tool, pin, setting } of body.tools) {
        const it = [...reviewed, ...gitTools].find((it) => it.name === tool);
        if (!it?.told) return problem(404, "not_found", `there is no tool \`${tool}\``);
        if (it.told.pin !== pin) return problem(409, "stale", `\`${tool}\` is another one by now`);
        it.state = "pinned";
        it.changes = [];
        it.pinned = {
          pin,
          definition: it.told.definition,
          looked_at_ms: Date.now(),
          looked_by: "mira",
          setting: setting ?? (it.told.is_read_only ? "allow" : "ask"),
        };
      }
      return new HttpResponse(null, { status: 204 });
    }),
    http.put("/api/v1/servers/:server/tool-changes", () => new HttpResponse(null, { status: 204 })),
    http.get("/api/v1/tools", () => HttpResponse.json({ tools: empty ? [] : told })),
    http.post("/api/v1/tools/call", async () => {
      await delay(300);
      return HttpResponse.json({
        is_error: false,
        result: {
          content: [
            {
              type: "text",
              text: "#812  Cart page asks for prices twice        leila-h   12 Nov\n#774  Image proxy blocks first paint         jpfeil    29 Oct",
            },
          ],
        },
      });
    }),
    http.put(
      "/api/v1/servers/:server/headers/:header",
      () => new HttpResponse(null, { status: 204 }),
    ),
    http.delete(
      "/api/v1/servers/:server/headers/:header",
      () => new HttpResponse(null, { status: 204 }),
    ),
  ];
}
