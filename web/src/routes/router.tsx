import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from "@tanstack/react-router";
import { Failed, NotThere, Root } from "./root";

interface Context {
  client: QueryClient;
}

const root = createRootRouteWithContext<Context>()({
  component: Root,
  notFoundComponent: NotThere,
});

const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: lazyRouteComponent(() => import("./home")),
});

const chat = createRoute({
  getParentRoute: () => root,
  path: "/chats/$chat",
  component: lazyRouteComponent(() => import("./chat")),
});

const servers = createRoute({
  getParentRoute: () => root,
  path: "/servers",
  component: lazyRouteComponent(() => import("./servers")),
});

interface AddSearch {
  way?: string;
  package?: string;
  /** The server that is to be changed. */
  from?: string;
}

const addServer = createRoute({
  getParentRoute: () => root,
  path: "/servers/add",
  validateSearch: (search: Record<string, unknown>): AddSearch => {
    const [way, name, from] = [text(search.way), text(search.package), text(search.from)];
    return {
      ...(way ? { way } : {}),
      ...(name ? { package: name } : {}),
      ...(from ? { from } : {}),
    };
  },
  component: lazyRouteComponent(() => import("./add-server")),
});

const server = createRoute({
  getParentRoute: () => root,
  path: "/servers/$server",
  validateSearch: (search: Record<string, unknown>): { tab?: string; tool?: string } => {
    const [tab, tool] = [text(search.tab), text(search.tool)];
    return { ...(tab ? { tab } : {}), ...(tool ? { tool } : {}) };
  },
  component: lazyRouteComponent(() => import("./server")),
});

const approvals = createRoute({
  getParentRoute: () => root,
  path: "/approvals",
  validateSearch: (search: Record<string, unknown>): { tab?: string } => {
    const tab = text(search.tab);
    return tab ? { tab } : {};
  },
  component: lazyRouteComponent(() => import("./approvals")),
});

/** The address that a client gets with a call that waits. */
const approval = createRoute({
  getParentRoute: () => root,
  path: "/approvals/$approval",
  component: lazyRouteComponent(() => import("./approval")),
});

const memories = createRoute({
  getParentRoute: () => root,
  path: "/memories",
  component: lazyRouteComponent(() => import("./memories")),
});

const audit = createRoute({
  getParentRoute: () => root,
  path: "/audit",
  validateSearch: (search: Record<string, unknown>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(search).flatMap(([name, value]) => {
        const it = text(value);
        return it ? [[name, it]] : [];
      }),
    ),
  component: lazyRouteComponent(() => import("./audit")),
});

const settings = createRoute({
  getParentRoute: () => root,
  path: "/settings",
  beforeLoad: () => {
    throw redirect({ to: "/settings/$section", params: { section: "general" }, replace: true });
  },
});

const section = createRoute({
  getParentRoute: () => root,
  path: "/settings/$section",
  component: lazyRouteComponent(() => import("./settings")),
});

const hasComponents = import.meta.env.DEV || import.meta.env.MODE === "demo";
const components = createRoute({
  getParentRoute: () => root,
  path: "/components",
  component: hasComponents ? lazyRouteComponent(() => import("./components-page")) : NotThere,
});

const routes = root.addChildren([
  home,
  chat,
  servers,
  addServer,
  server,
  approvals,
  approval,
  memories,
  audit,
  settings,
  section,
  components,
]);

export function makeRouter(client: QueryClient) {
  return createRouter({
    routeTree: routes,
    context: { client },
    defaultPreload: "intent",
    defaultPreloadStaleTime: 0,
    defaultErrorComponent: Failed,
    scrollRestoration: false,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
