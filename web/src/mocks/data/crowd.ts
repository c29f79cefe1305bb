// More of everything than fits: many servers, chats and tools, long names, and words that are written
// from right to left.

import type { Approval, ChatBody, MemoryBody, Server, ToolReview } from "@/api/types";
import { approvals } from "./approvals";
import { chats } from "./chats";
import { memories } from "./memories";
import { listed, servers } from "./servers";
import { HOUR, NOW } from "./time";
import { reviewed } from "./tools";

const SERVERS = 300;
const CHATS = 5000;
const TOOLS = 2000;

const NAMES = [
  "Short",
  "A name that goes on for so long that it fits in no sidebar and in no table of this world",
  "خادم الملفات والتقويم",
  "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverwaltung",
  "שרת היומן",
];
const REASON = "It waits for a lock that another process holds, and nobody knows which. ".repeat(
  12,
);

function nameOf(i: number): string {
  return `${NAMES[i % NAMES.length]} ${i + 1}`;
}

function many<T>(from: readonly T[], n: number, make: (it: T, i: number) => T): T[] {
  return Array.from({ length: n }, (_, i) => from[i % from.length]).flatMap((it, i) =>
    it === undefined ? [] : [make(it, i)],
  );
}

export const manyServers: Server[] = [
  ...servers.map(listed),
  ...many(servers.map(listed), SERVERS, (it, i) => ({
    ...it,
    id: `srv_many_${i}`,
    slug: `many-${i}`,
    title: nameOf(i),
    status: { ...it.status, ...(it.status.reason ? { reason: REASON } : {}) },
  })),
];

const manyChats: ChatBody[] = [
  ...chats.map((it) => (it.id === "c1" ? { ...it, title: nameOf(1) } : it)),
  ...many(chats, CHATS, (it, i) => ({
    ...it,
    id: `many-${i}`,
    title: nameOf(i),
    updated_at_ms: NOW - (i + 1) * HOUR,
  })),
];

/** Returns a page of the chats, and from where the next one goes on. */
export function chatPage(before: string, limit: number) {
  const from = before ? manyChats.findIndex((it) => it.id === before) + 1 : 0;
  const page = manyChats.slice(from, from + limit);
  return { chats: page, next: from + limit < manyChats.length ? (page.at(-1)?.id ?? null) : null };
}

export const manyTools: ToolReview[] = many(reviewed, TOOLS, (it, i) => {
  const name = `${it.name}_${i}`;
  const title = nameOf(i);
  return {
    ...it,
    name,
    told: it.told
      ? {
          ...it.told,
          advertised: `github__${name}`,
          definition: { ...it.told.definition, name, title, description: REASON },
        }
      : null,
  };
});

export const manyApprovals: Approval[] = many(approvals, 120, (it, i) => ({
  ...it,
  id: `apr_many_${i}`,
  client: it.client ? nameOf(i) : null,
  why: REASON.trim().slice(0, -1),
  reason: it.reason ? REASON : null,
}));

export const manyMemories: MemoryBody[] = many(memories, 400, (it, i) => ({
  ...it,
  name: nameOf(i),
  value: i % 3 ? it.value : REASON,
}));
