// What was done, and by whom.

import type { AuditEvent } from "@/api/types";
import { HOUR, MINUTE, NOW } from "./time";

export const auditEvents: AuditEvent[] = [
  event(40, 2 * MINUTE, {
    kind: "tool.call",
    server_slug: "github",
    tool: "list_deployments",
    decision: "allowed",
    basis: "the tool's setting",
    chat: "c1",
    outcome: "ok",
    duration_ms: 803,
    request_bytes: 61,
    response_bytes: 11_200,
  }),
  event(39, 4 * MINUTE, {
    kind: "approval.ask",
    server_slug: "github",
    tool: "create_issue",
    decision: "asked",
    basis: "the tool's setting",
    chat: "c1",
  }),
  event(38, 12 * MINUTE, {
    kind: "egress.refused",
    server_slug: "github",
    outcome: "refused",
    detail: {
      target: "telemetry.example-metrics.io:443",
      reason: "`telemetry.example-metrics.io:443` is not on the list of hosts",
      equal_before: 2,
    },
  }),
  ...Array.from({ length: 12 }, (_, i) =>
    event(100 + i, (3 + i) * 7 * MINUTE, {
      kind: "egress.connected",
      server_slug: "github",
      detail: { target: "api.github.com:443", address: "140.82.112.6:443", by_proxy: true },
    }),
  ),
  event(37, 20 * MINUTE, { kind: "memory.set", detail: { name: "checkout repository" } }),
  event(36, HOUR, {
    kind: "tool.call",
    server_slug: "git",
    tool: "git_log",
    token: "tok_1",
    client: "Cursor",
    decision: "allowed",
    basis: "grant g1",
    outcome: "ok",
    duration_ms: 212,
    request_bytes: 80,
    response_bytes: 214,
  }),
  event(35, 3 * HOUR, {
    kind: "approval.deny",
    server_slug: "github",
    tool: "merge",
    decision: "denied",
    basis: "mira",
    detail: { reason: "Leila reviews first" },
  }),
  event(34, 26 * HOUR, { kind: "server.add", server_slug: "obsidian" }),
];

function event(id: number, age: number, given: Partial<AuditEvent> & { kind: string }): AuditEvent {
  return { id, at_ms: NOW - age, principal: "mira", ...given };
}

/** Returns the events that answer a search, the newest first. */
export function searchedAudit(query: URLSearchParams): AuditEvent[] {
  const kind = query.get("kind") ?? "";
  const is = (name: string, value: unknown) => !query.get(name) || query.get(name) === value;
  return auditEvents
    .filter((it) => it.kind === kind || it.kind.startsWith(`${kind}.`) || !kind)
    .filter((it) => is("server", it.server_slug) && is("tool", it.tool) && is("client", it.client))
    .filter((it) => is("decision", it.decision) && is("outcome", it.outcome))
    .filter((it) => it.at_ms >= Number(query.get("since_ms") ?? 0))
    .filter((it) =>
      JSON.stringify(it)
        .toLowerCase()
        .includes((query.get("q") ?? "").toLowerCase()),
    )
    .filter((it) => !query.get("before") || it.id < Number(query.get("before")))
    .sort((a, b) => b.at_ms - a.at_ms)
    .slice(0, Number(query.get("limit") ?? 100));
}
