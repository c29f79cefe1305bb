// Chats and what is remembered.

import { HttpResponse, http } from "msw";
import { chats } from "../data/chats";
import { chatPage, manyMemories } from "../data/crowd";
import { memories } from "../data/memories";
import { chatDetails } from "../data/threads";
import { told } from "../data/tools";
import { Versions } from "../data/versions";
import { streamOf } from "../stream";
import { type DemoState, isEmpty, problem } from "./state";

export function chatHandlers(state: DemoState) {
  const empty = isEmpty(state);
  const versions = new Versions();
  return [
    http.get("/api/v1/chats", ({ request }) => {
      const query = new URL(request.url).searchParams;
      if (state === "crowded")
        return HttpResponse.json(chatPage(query.get("before") ?? "", Number(query.get("limit"))));
      const q = query.get("q")?.toLowerCase() ?? "";
      const found = empty ? [] : chats.filter((it) => it.title.toLowerCase().includes(q));
      return HttpResponse.json({ chats: found, next: null });
    }),
    http.post("/api/v1/chats", () => HttpResponse.json(chats[1], { status: 201 })),
    http.get("/api/v1/chats/:chat", ({ params }) => {
      const it = chatDetails(String(params.chat));
      if (!it) return problem(404, "not_found", "there is no such chat");
      return HttpResponse.json(it.id === "c3" ? { ...it, messages: versions.path() } : it);
    }),
    http.post("/api/v1/chats/c3/messages/:message/show", ({ params }) =>
      versions.show(String(params.message))
        ? new HttpResponse(null, { status: 204 })
        : problem(404, "not_found", "there is no such message"),
    ),
    http.patch("/api/v1/chats/:chat", async ({ params, request }) => {
      const it = chats.find((chat) => chat.id === params.chat);
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
        tools: told.map((it) => ({
          server: it.server,
          tool: it.name,
          enabled: it.setting !== "deny",
          tokens: 184,
        })),
      }),
    ),
    http.put("/api/v1/chats/:chat/tools", () => HttpResponse.json({ default: "all", tools: [] })),
    http.get("/api/v1/memories", () =>
      HttpResponse.json({ memories: empty ? [] : state === "crowded" ? manyMemories : memories }),
    ),
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
  ];
}
