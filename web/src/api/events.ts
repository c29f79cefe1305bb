// What happens in the program, as it happens: `/api/v1/events`. An event makes what it is about be
// asked again; where the whole news is in it, it is put where it belongs.

import type { Query, QueryClient } from "@tanstack/react-query";
import { lost, onComeback, probe } from "@/api/connection";
import { keys } from "@/api/queries";
import type { EventsFrame, Server, ServerEvent } from "@/api/types";

const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 8000;

/** Hears those events that a part of the page follows itself. */
type Hearer = (event: ServerEvent) => void;
const hearers = new Set<Hearer>();

export function hearEvents(hear: Hearer): () => void {
  hearers.add(hear);
  return () => hearers.delete(hear);
}

/** Keeps a socket open until it is told to end. */
export function followEvents(client: QueryClient): () => void {
  let socket: WebSocket | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;
  let place: { epoch: string; seq: number } | null = null;
  let wait = RETRY_MIN_MS;
  let ended = false;

  const open = () => {
    timer = null;
    const url = new URL("/api/v1/events", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    if (place) {
      url.searchParams.set("epoch", place.epoch);
      url.searchParams.set("after", String(place.seq));
    }
    socket = new WebSocket(url);
    socket.onmessage = (message) => {
      wait = RETRY_MIN_MS;
      const frame = parse(message.data);
      if (!frame) return;
      if (frame.type === "event") {
        if (place) place.seq = frame.seq;
        tell(client, frame.event);
        return;
      }
      // What was loaded before the first `hello` may have changed before it; a later one follows
      // without a gap.
      const isFirst = place === null;
      place = { epoch: frame.epoch, seq: frame.seq };
      if (frame.type === "reload" || isFirst) {
        void client.invalidateQueries({ predicate: (it) => it.state.dataUpdatedAt > 0 });
      }
    };
    socket.onclose = () => {
      socket = null;
      if (ended) return;
      // Only the program itself can say why: it ended, or the session did.
      void probe();
      timer = setTimeout(open, wait);
      wait = Math.min(RETRY_MAX_MS, wait * 2);
    };
  };

  const again = () => {
    void client.invalidateQueries();
    if (socket || ended) return;
    if (timer) clearTimeout(timer);
    wait = RETRY_MIN_MS;
    open();
  };
  const forget = onComeback(again);
  const offline = () => lost();
  window.addEventListener("offline", offline);
  open();
  return () => {
    ended = true;
    forget();
    window.removeEventListener("offline", offline);
    if (timer) clearTimeout(timer);
    socket?.close();
  };
}

function parse(data: unknown): EventsFrame | null {
  try {
    return typeof data === "string" ? (JSON.parse(data) as EventsFrame) : null;
  } catch {
    return null;
  }
}

/** Brings what is known in line with an event. */
export function tell(client: QueryClient, event: ServerEvent): void {
  const again = (...all: Array<readonly unknown[]>) => {
    for (const queryKey of all) {
      onceMore(client, queryKey);
      void client.invalidateQueries({ queryKey });
    }
  };
  switch (event.type) {
    case "server_changed":
      client.setQueryData<Server[]>(keys.servers, (servers) => serverChanged(servers, event));
      again(keys.servers, keys.server(event.slug), keys.status);
      break;
    case "server_removed":
      client.setQueryData<Server[]>(keys.servers, (servers) =>
        servers?.filter((it) => it.id !== event.id),
      );
      again(keys.servers, keys.tools, keys.status);
      break;
    case "tools_changed":
      again(keys.servers, keys.tools, keys.server(event.slug), keys.serverTools(event.slug), [
        "chat-tools",
      ]);
      break;
    case "install_changed":
      again(["server"]);
      break;
    case "memory_changed":
    case "memory_removed":
      again(keys.memories);
      break;
    case "approval_opened":
      again(keys.approvals, keys.chats);
      break;
    case "approval_closed":
      again(keys.approvals, keys.approval(event.id), keys.chats, keys.grants);
      break;
    case "grant_changed":
      again(keys.grants);
      break;
    case "policy_changed":
      again(keys.rules, ["server-tools"]);
      break;
    case "providers_changed":
      again(keys.providers, keys.models);
      break;
    case "chat_changed":
    case "chat_removed":
    case "run_changed":
      again(keys.chats);
      break;
    default:
      // A newer program tells of what this page does not know.
      event satisfies never;
  }
  for (const hear of hearers) hear(event);
}

/** Queries whose first answer is on its way, and may be from before what has happened. */
const awaited = new WeakSet<Query>();

/**
 * Has what is loaded for the first time be asked for once more when it is there: until then, asking again
 * is waiting for the same answer.
 */
function onceMore(client: QueryClient, queryKey: readonly unknown[]): void {
  const isFirst = (it: Query) => it.state.data === undefined && !awaited.has(it);
  const all = client.getQueryCache().findAll({ queryKey, fetchStatus: "fetching" });
  for (const query of all.filter(isFirst)) {
    awaited.add(query);
    const then = () => {
      awaited.delete(query);
      void client.invalidateQueries({ queryKey: query.queryKey, exact: true });
    };
    query.promise?.then(then, then);
  }
}

function serverChanged(
  servers: Server[] | undefined,
  event: Extract<ServerEvent, { type: "server_changed" }>,
): Server[] | undefined {
  return servers?.map((it) =>
    it.id === event.id
      ? {
          ...it,
          title: event.title,
          enabled: event.enabled,
          tools: event.tools,
          status: { ...it.status, state: event.status, reason: event.reason ?? null },
        }
      : it,
  );
}
