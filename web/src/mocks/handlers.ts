// Answers in place of the program, for the demo and for tests.

import { delay, HttpResponse, http, ws } from "msw";
import * as data from "./data";
import { streamOf } from "./stream";

/** `?demo=` of the page: which of its states the demo shows. */
export type DemoState = "full" | "empty" | "bare" | "away" | "signed-out" | "slow" | "failing";

const problem = (status: number, code: string, message: string, hint?: string) =>
  HttpResponse.json({ code, message, hint: hint ?? null }, { status });

export function handlers(state: DemoState) {
  let image = data.image;
  const empty = state === "empty" || state === "bare";
  const servers = empty ? [] : data.servers;
  const find = (slug: unknown) => servers.find((it) => it.slug === slug);
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
      HttpResponse.json({ findings: state === "bare" ? data.bareFindings : data.findings }),
    ),
    http.get("/api/v1/image", () => HttpResponse.json(image)),
    http.post("/api/v1/image", () => {
      image = { ...data.image, state: "making", began_at: Date.now(), step: "Unpack packages" };
      return HttpResponse.json(image, { status: 202 });
    }),
    http.get("/api/v1/servers", () => HttpResponse.json({ servers: servers.map(data.listed) })),
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
        lines: data.logLines.filter((it) => it.number > after),
        after: data.logLines.length,
      });
    }),
    http.get("/api/v1/servers/:server/tools", ({ params }) =>
      HttpResponse.json({
        tools: data.reviews(String(params.server)),
        counts: { looked_at: 8, not_looked_at: 0, changed: 1, added: 0, gone: 0 },
        tool_changes: "ask",
      }),
    ),
    http.post("/api/v1/servers/:server/tools/look", async ({ request }) => {
      type Looked = { tool: string; pin: string; setting?: "deny" | "ask" | "allow" };
      const body = (await request.json()) as { tools: Looked[] };
      for (const { tool, pin, setting } of body.tools) {
        const it = [...data.reviewed, ...data.gitTools].find((it) => it.name === tool);
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
    http.get("/api/v1/tools", () => HttpResponse.json({ tools: empty ? [] : data.told })),
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
    http.get("/api/v1/chats", ({ request }) => {
      const q = new URL(request.url).searchParams.get("q")?.toLowerCase() ?? "";
      const chats = empty ? [] : data.chats.filter((it) => it.title.toLowerCase().includes(q));
      return HttpResponse.json({ chats, next: null });
    }),
    http.post("/api/v1/chats", () => HttpResponse.json(data.chats[1], { status: 201 })),
    http.get("/api/v1/chats/:chat", ({ params }) => {
      const it = data.chatDetails(String(params.chat));
      return it ? HttpResponse.json(it) : problem(404, "not_found", "there is no such chat");
    }),
    http.patch("/api/v1/chats/:chat", async ({ params, request }) => {
      const it = data.chats.find((chat) => chat.id === params.chat);
      if (!it) return problem(404, "not_found", "there is no such chat");
      return HttpResponse.json(Object.assign(it, await request.json()));
    }),
    http.delete("/api/v1/chats/:chat", () => new HttpResponse(null, { status: 204 })),
    http.post("/api/v1/chats/:chat/messages", () =>
      HttpResponse.json({ message: "n1", run: "r2" }, { status: 202 }),
    ),
    http.post("/api/v1/chats/:chat/stop", () => new HttpResponse(null, { status: 204 })),
    http.get("/api/v1/chats/:chat/stream", ({ params }) =>
      params.chat === "c2"
        ? new HttpResponse(streamOf(), { headers: { "Content-Type": "text/event-stream" } })
        : new HttpResponse(null, { status: 204 }),
    ),
    http.get("/api/v1/chats/:chat/tools", () =>
      HttpResponse.json({
        default: "all",
        tools: data.told.map((it) => ({
          server: it.server,
          tool: it.name,
          enabled: it.setting !== "deny",
          tokens: 184,
        })),
      }),
    ),
    http.put("/api/v1/chats/:chat/tools", () => HttpResponse.json({ default: "all", tools: [] })),
    http.get("/api/v1/approvals", ({ request }) => {
      const open = new URL(request.url).searchParams.get("open");
      const all = empty ? [] : data.approvals;
      return HttpResponse.json({
        approvals: open ? all.filter((it) => it.state === "open") : all,
        next: null,
      });
    }),
    http.get("/api/v1/approvals/:approval", ({ params }) => {
      const it = data.approvals.find((approval) => approval.id === params.approval);
      return it ? HttpResponse.json(it) : problem(404, "not_found", "there is no such request");
    }),
    http.post("/api/v1/approvals/:approval/decide", async ({ params, request }) => {
      const body = (await request.json()) as { decision: string; scope?: string };
      const it = data.approvals.find((approval) => approval.id === params.approval);
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
      HttpResponse.json({ grants: empty ? [] : data.grants, next: null }),
    ),
    http.delete("/api/v1/grants/:grant", () => new HttpResponse(null, { status: 204 })),
    http.get("/api/v1/policy/rules", () => HttpResponse.json({ rules: empty ? [] : data.rules })),
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
    http.get("/api/v1/memories", () => HttpResponse.json({ memories: empty ? [] : data.memories })),
    http.put("/api/v1/memories/:name", async ({ params, request }) => {
      const { value } = (await request.json()) as { value: string };
      const body = {
        name: String(params.name),
        value,
        created_at_ms: Date.now(),
        updated_at_ms: Date.now(),
      };
      return HttpResponse.json(body);
    }),
    http.delete("/api/v1/memories/:name", () => new HttpResponse(null, { status: 204 })),
    http.get("/api/v1/providers", () =>
      HttpResponse.json({ providers: empty ? [] : data.providers }),
    ),
    http.post("/api/v1/providers", async ({ request }) =>
      HttpResponse.json(
        { ...data.providers[2], ...((await request.json()) as object), id: "prov_new" },
        { status: 201 },
      ),
    ),
    http.post("/api/v1/providers/discover", () =>
      HttpResponse.json({ providers: empty ? [] : data.providers }),
    ),
    http.patch("/api/v1/providers/:provider", async ({ params, request }) => {
      const it = data.providers.find((it) => it.id === params.provider);
      return HttpResponse.json({ ...it, ...((await request.json()) as object) });
    }),
    http.delete("/api/v1/models/default", () => new HttpResponse(null, { status: 204 })),
    http.delete("/api/v1/providers/:provider/key", () => new HttpResponse(null, { status: 204 })),
    http.post("/api/v1/login-links", () =>
      HttpResponse.json({ url: "http://127.0.0.1:3000/#login=arc_demo_8d1f4b7e" }, { status: 201 }),
    ),
    http.delete("/api/v1/session", () => new HttpResponse(null, { status: 204 })),
    http.put(
      "/api/v1/servers/:server/headers/:header",
      () => new HttpResponse(null, { status: 204 }),
    ),
    http.delete(
      "/api/v1/servers/:server/headers/:header",
      () => new HttpResponse(null, { status: 204 }),
    ),
    http.delete("/api/v1/providers/:provider", () => new HttpResponse(null, { status: 204 })),
    http.put("/api/v1/providers/:provider/key", () => new HttpResponse(null, { status: 204 })),
    http.post("/api/v1/providers/:provider/test", ({ params }) =>
      HttpResponse.json(data.providers.find((it) => it.id === params.provider)),
    ),
    http.get("/api/v1/models", () =>
      HttpResponse.json({
        models: empty ? [] : data.models,
        default: empty ? null : { provider: "ollama", model: "qwen3:14b" },
        default_chosen: !empty,
        failed: [],
      }),
    ),
    http.put("/api/v1/models/default", () => new HttpResponse(null, { status: 204 })),
    http.get("/api/v1/tokens", () =>
      HttpResponse.json({ tokens: empty ? data.tokens.slice(0, 1) : data.tokens }),
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
      return HttpResponse.json({ events: empty ? [] : data.searchedAudit(query) });
    }),
  ];
}
