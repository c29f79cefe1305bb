import { QueryClientProvider } from "@tanstack/react-query";
import { createMemoryHistory, RouterProvider } from "@tanstack/react-router";
import { render } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { setupServer } from "msw/node";
import { afterAll, afterEach, beforeAll } from "vitest";
import { makeQueryClient } from "@/api/query-client";
import { TipProvider } from "@/components/tooltip";
import { handlers } from "@/mocks/handlers";
import type { DemoState } from "@/mocks/handlers/state";
import { makeRouter } from "@/routes/router";

/** What was asked of the program, for instance `DELETE /api/v1/grants/g1`, with the body behind it. */
export const asked: string[] = [];

/** Answers for the program in all tests of a file; what changes something is kept in {@link asked}. */
export function standIn() {
  const server = setupServer();
  beforeAll(() => {
    lacking();
    server.listen({ onUnhandledRequest: "error" });
    server.events.on("request:start", async ({ request }) => {
      if (request.method === "GET") return;
      const at = asked.push(`${request.method} ${new URL(request.url).pathname}`) - 1;
      const body = await request.clone().text();
      if (body) asked[at] += ` ${body}`;
    });
  });
  afterEach(() => {
    server.resetHandlers();
    asked.length = 0;
  });
  afterAll(() => server.close());
  return server;
}

/** From now on the program is in another state. */
export function become(server: ReturnType<typeof setupServer>, state: DemoState): void {
  server.use(...handlers(state));
}

/** Shows the page at `path`, as it is in one of the demo's states. */
export function open(
  server: ReturnType<typeof setupServer>,
  path: string,
  state: DemoState = "full",
) {
  become(server, state);
  const client = makeQueryClient();
  client.setDefaultOptions({ queries: { ...client.getDefaultOptions().queries, retry: false } });
  const router = makeRouter(client);
  router.update({ ...router.options, history: createMemoryHistory({ initialEntries: [path] }) });
  const user = userEvent.setup();
  render(
    <QueryClientProvider client={client}>
      <TipProvider>
        <RouterProvider router={router} />
      </TipProvider>
    </QueryClientProvider>,
  );
  return { user, router, client };
}

/** The page has no size and no pointer, so no question about them is answered with yes. */
class NoMedia extends EventTarget implements MediaQueryList {
  readonly matches = false;
  readonly onchange = null;
  readonly media: string;
  constructor(media: string) {
    super();
    this.media = media;
  }
  addListener(): void {}
  removeListener(): void {}
}

/** What a browser has and the tests' stand-in for one has not. */
function lacking(): void {
  const nothing = () => {};
  class Observer {
    observe = nothing;
    unobserve = nothing;
    disconnect = nothing;
  }
  Object.assign(globalThis, { ResizeObserver: Observer, IntersectionObserver: Observer });
  window.matchMedia = (media) => new NoMedia(media);
  Element.prototype.scrollIntoView = nothing;
  Element.prototype.scrollTo = nothing;
  Element.prototype.hasPointerCapture = () => false;
  window.scrollTo = nothing;
}
