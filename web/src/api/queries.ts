// One description for each thing that is asked of the program, for routes and components alike.

import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { ApiFailure, api } from "@/api/client";

export const keys = {
  servers: ["servers"] as const,
  server: (slug: string) => ["server", slug] as const,
  serverTools: (slug: string) => ["server-tools", slug] as const,
  tools: ["tools"] as const,
  chats: ["chats"] as const,
  chat: (id: string) => ["chat", id] as const,
  chatTools: (id: string) => ["chat-tools", id] as const,
  approvals: ["approvals"] as const,
  approval: (id: string) => ["approval", id] as const,
  grants: ["grants"] as const,
  rules: ["rules"] as const,
  memories: ["memories"] as const,
  providers: ["providers"] as const,
  models: ["models"] as const,
  tokens: ["tokens"] as const,
  audit: ["audit"] as const,
  status: ["status"] as const,
  doctor: ["doctor"] as const,
  image: ["image"] as const,
  usage: (slug: string) => ["usage", slug] as const,
  whoami: ["whoami"] as const,
};

/** A part of the API that this program does not have is as if it were empty. */
async function orEmpty<T>(answer: Promise<T>, empty: T): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiFailure && error.status === 404) return empty;
    throw error;
  }
}

export const whoamiQuery = queryOptions({
  queryKey: keys.whoami,
  queryFn: ({ signal }) => api.get("/api/v1/whoami", { signal }),
  staleTime: Number.POSITIVE_INFINITY,
});

export const statusQuery = queryOptions({
  queryKey: keys.status,
  queryFn: ({ signal }) => api.get("/api/v1/status", { signal }),
});

/** What the machine has, without what takes seconds to look at. */
export const machineQuery = queryOptions({
  queryKey: [...keys.doctor, "machine"],
  queryFn: ({ signal }) => api.get("/api/v1/doctor", { query: { registries: false }, signal }),
  staleTime: 60_000,
  refetchOnWindowFocus: false,
});

export const doctorQuery = queryOptions({
  queryKey: keys.doctor,
  queryFn: ({ signal }) => api.get("/api/v1/doctor", { signal }),
  staleTime: 60_000,
  refetchOnWindowFocus: false,
});

const USAGE_MS = 2000;

/** What a server takes of this machine, again and again while somebody looks. */
export const usageQuery = (slug: string) =>
  queryOptions({
    queryKey: keys.usage(slug),
    queryFn: ({ signal }) =>
      api.get("/api/v1/servers/{server}/usage", { signal, path: { server: slug } }),
    refetchInterval: USAGE_MS,
  });

const IMAGE_LOOK_MS = 1000;

/** The image that servers run in; asked for again and again while it is being made. */
export const imageQuery = queryOptions({
  queryKey: keys.image,
  queryFn: ({ signal }) => api.get("/api/v1/image", { signal }),
  refetchInterval: ({ state }) => (state.data?.state === "making" ? IMAGE_LOOK_MS : false),
});

export const serversQuery = queryOptions({
  queryKey: keys.servers,
  queryFn: async ({ signal }) => (await api.get("/api/v1/servers", { signal })).servers,
});

export const serverQuery = (slug: string) =>
  queryOptions({
    queryKey: keys.server(slug),
    queryFn: ({ signal }) =>
      api.get("/api/v1/servers/{server}", { path: { server: slug }, signal }),
  });

export const toolsQuery = queryOptions({
  queryKey: keys.tools,
  queryFn: async ({ signal }) => (await api.get("/api/v1/tools", { signal })).tools,
});

export const serverToolsQuery = (slug: string) =>
  queryOptions({
    queryKey: keys.serverTools(slug),
    queryFn: ({ signal }) =>
      api.get("/api/v1/servers/{server}/tools", { path: { server: slug }, signal }),
  });

const CHATS_PAGE = 60;

export const chatsQuery = (search: string) =>
  infiniteQueryOptions({
    queryKey: [...keys.chats, search],
    queryFn: ({ signal, pageParam }) =>
      orEmpty(
        api.get("/api/v1/chats", {
          query: { q: search, limit: CHATS_PAGE, ...(pageParam ? { before: pageParam } : {}) },
          signal,
        }),
        { chats: [], next: null },
      ),
    initialPageParam: "",
    getNextPageParam: (last) => last.next,
  });

export const chatQuery = (id: string) =>
  queryOptions({
    queryKey: keys.chat(id),
    queryFn: ({ signal }) => api.get("/api/v1/chats/{chat}", { path: { chat: id }, signal }),
    // The open stream and the events keep it right; a second copy would overtake them.
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
  });

export const chatToolsQuery = (id: string) =>
  queryOptions({
    queryKey: keys.chatTools(id),
    queryFn: ({ signal }) => api.get("/api/v1/chats/{chat}/tools", { path: { chat: id }, signal }),
  });

export const openApprovalsQuery = queryOptions({
  queryKey: [...keys.approvals, "open"],
  queryFn: async ({ signal }) =>
    (
      await orEmpty(api.get("/api/v1/approvals", { query: { open: true, limit: 100 }, signal }), {
        approvals: [],
        next: null,
      })
    ).approvals,
});

export const pastApprovalsQuery = infiniteQueryOptions({
  queryKey: [...keys.approvals, "all"],
  queryFn: ({ signal, pageParam }) =>
    api.get("/api/v1/approvals", {
      query: { limit: 50, ...(pageParam ? { before: pageParam } : {}) },
      signal,
    }),
  initialPageParam: "",
  getNextPageParam: (last) => last.next,
});

export const approvalQuery = (id: string) =>
  queryOptions({
    queryKey: keys.approval(id),
    queryFn: ({ signal }) =>
      api.get("/api/v1/approvals/{approval}", { path: { approval: id }, signal }),
  });

export const grantsQuery = queryOptions({
  queryKey: keys.grants,
  queryFn: async ({ signal }) =>
    (await api.get("/api/v1/grants", { query: { active: true, limit: 1000 }, signal })).grants,
});

/** Permissions that hold, page by page. */
export const allGrantsQuery = infiniteQueryOptions({
  queryKey: [...keys.grants, "pages"],
  queryFn: ({ signal, pageParam }) =>
    api.get("/api/v1/grants", {
      query: { active: true, limit: 100, ...(pageParam ? { before: pageParam } : {}) },
      signal,
    }),
  initialPageParam: "",
  getNextPageParam: (last) => last.next ?? null,
});

export const rulesQuery = queryOptions({
  queryKey: keys.rules,
  queryFn: async ({ signal }) => (await api.get("/api/v1/policy/rules", { signal })).rules,
});

export const memoriesQuery = queryOptions({
  queryKey: keys.memories,
  queryFn: async ({ signal }) =>
    (await orEmpty(api.get("/api/v1/memories", { signal }), { memories: [] })).memories,
});

export const providersQuery = queryOptions({
  queryKey: keys.providers,
  queryFn: async ({ signal }) => (await api.get("/api/v1/providers", { signal })).providers,
});

export const modelsQuery = queryOptions({
  queryKey: keys.models,
  queryFn: ({ signal }) => api.get("/api/v1/models", { signal }),
});

export const tokensQuery = queryOptions({
  queryKey: keys.tokens,
  queryFn: async ({ signal }) => (await api.get("/api/v1/tokens", { signal })).tokens,
});

/** What is looked for in the audit. */
export interface AuditSearch {
  kind?: string;
  server?: string;
  tool?: string;
  client?: string;
  chat?: string;
  decision?: string;
  outcome?: string;
  since_ms?: number;
  until_ms?: number;
  q?: string;
}

const AUDIT_PAGE = 100;
const AUDIT_MAX = 1000;

/** What happened, page by page, the newest first. */
export const auditQuery = (search: AuditSearch) =>
  infiniteQueryOptions({
    queryKey: [...keys.audit, search],
    queryFn: async ({ signal, pageParam }) => {
      const query = { ...search, limit: AUDIT_PAGE, ...(pageParam ? { before: pageParam } : {}) };
      return (await api.get("/api/v1/audit", { query, signal })).events;
    },
    initialPageParam: 0,
    getNextPageParam: (last) => (last.length < AUDIT_PAGE ? null : (last.at(-1)?.id ?? null)),
  });

/** The newest events at once, to count them. */
export const auditOnceQuery = (search: AuditSearch & { limit?: number }) =>
  queryOptions({
    queryKey: [...keys.audit, "once", search],
    queryFn: async ({ signal }) => {
      const query = { limit: AUDIT_MAX, ...search };
      return (await api.get("/api/v1/audit", { query, signal })).events;
    },
  });
