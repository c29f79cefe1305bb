// Providers and models.

import { HttpResponse, http } from "msw";
import { models, providers } from "../data/models";
import { type DemoState, isEmpty } from "./state";

export function modelHandlers(state: DemoState) {
  const empty = isEmpty(state);
  return [
    http.get("/api/v1/providers", () => HttpResponse.json({ providers: empty ? [] : providers })),
    http.post("/api/v1/providers", async ({ request }) =>
      HttpResponse.json(
        { ...providers[2], ...((await request.json()) as object), id: "prov_new" },
        { status: 201 },
      ),
    ),
    http.post("/api/v1/providers/discover", () =>
      HttpResponse.json({ providers: empty ? [] : providers }),
    ),
    http.patch("/api/v1/providers/:provider", async ({ params, request }) => {
      const it = providers.find((it) => it.id === params.provider);
      return HttpResponse.json({ ...it, ...((await request.json()) as object) });
    }),
    http.delete("/api/v1/models/default", () => new HttpResponse(null, { status: 204 })),
    http.delete("/api/v1/providers/:provider/key", () => new HttpResponse(null, { status: 204 })),
    http.delete("/api/v1/providers/:provider", () => new HttpResponse(null, { status: 204 })),
    http.put("/api/v1/providers/:provider/key", () => new HttpResponse(null, { status: 204 })),
    http.post("/api/v1/providers/:provider/test", ({ params }) =>
      HttpResponse.json(providers.find((it) => it.id === params.provider)),
    ),
    http.get("/api/v1/models", () =>
      HttpResponse.json({
        models: empty ? [] : models,
        default: empty ? null : { provider: "ollama", model: "qwen3:14b" },
        default_chosen: !empty,
        failed: [],
      }),
    ),
    http.put("/api/v1/models/default", () => new HttpResponse(null, { status: 204 })),
  ];
}
