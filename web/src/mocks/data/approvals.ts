// What was asked, and what is allowed and denied for good.

import type { Approval, Grant, Rule } from "@/api/types";
import { DAY, HOUR, MINUTE, NOW } from "./time";
import { gitTools, reviewed } from "./tools";

export const ISSUE = {
  repository: "northwind/checkout",
  title: "Checkout slow for carts over 3 lines since a41f9c2",
  body: `Stock is read once per cart line. p95 went from 137 ms to 1,286 ms for carts with more than ten lines.\n\n${"The cart page asks the stock table for each line by itself. ".repeat(13)}`,
};

function asked(
  given: Pick<Approval, "id" | "server" | "tool" | "why" | "arguments" | "created_at_ms"> &
    Partial<Approval>,
): Approval {
  return {
    server_id: `srv_${given.server}`,
    pin: "9f".repeat(32),
    principal: "mira",
    token: null,
    client: null,
    chat: null,
    state: "open",
    scopes: given.client ? ["once", "client", "everywhere"] : ["once", "chat", "everywhere"],
    expires_at_ms: null,
    decided_at_ms: null,
    decided_by: null,
    scope: null,
    reason: null,
    edited_arguments: null,
    definition:
      [...reviewed, ...gitTools].find((it) => it.name === given.tool)?.told?.definition ?? {},
    ...given,
  };
}

export const approvals: Approval[] = [
  asked({
    id: "apr_2",
    server: "git",
    tool: "git_show",
    why: "nobody has looked at this tool yet",
    arguments: { revision: "a41f9c2" },
    client: "Cursor",
    created_at_ms: NOW - 40_000,
    expires_at_ms: NOW + 9 * MINUTE,
  }),
  asked({
    id: "apr_1",
    server: "github",
    tool: "create_issue",
    why: "you have it ask each time",
    arguments: ISSUE,
    chat: "c1",
    created_at_ms: NOW - 4 * MINUTE,
  }),
  asked({
    id: "apr_0",
    server: "github",
    tool: "merge",
    why: "you have it ask each time",
    arguments: { number: 811 },
    state: "denied",
    chat: "c3",
    created_at_ms: NOW - 3 * HOUR,
    decided_at_ms: NOW - 3 * HOUR + 20_000,
    decided_by: "mira",
    reason: "Leila reviews first",
  }),
  asked({
    id: "apr_00",
    server: "github",
    tool: "comment",
    why: "you have it ask each time",
    arguments: { number: 812, body: "Fixed in a41f9c2" },
    state: "expired",
    client: "build server",
    created_at_ms: NOW - 26 * HOUR,
    decided_at_ms: NOW - 25 * HOUR,
  }),
];

function grant(
  given: Pick<Grant, "id" | "scope" | "server" | "tool" | "created_at_ms"> & Partial<Grant>,
): Grant {
  return {
    is_active: true,
    server_id: `srv_${given.server}`,
    pin: "9f".repeat(32),
    principal: "mira",
    token: null,
    client: null,
    chat: null,
    approval: null,
    created_by: "mira",
    expires_at_ms: null,
    used_at_ms: null,
    revoked_at_ms: null,
    ...given,
  };
}

export const grants: Grant[] = [
  grant({
    id: "g1",
    scope: "everywhere",
    server: "git",
    tool: "git_log",
    created_at_ms: NOW - 18 * DAY,
  }),
  grant({
    id: "g2",
    scope: "chat",
    server: "github",
    tool: "comment",
    chat: "c3",
    created_at_ms: NOW - 3 * HOUR,
  }),
  grant({
    id: "g3",
    scope: "client",
    server: "postgresql",
    tool: "query",
    client: "Cursor",
    created_at_ms: NOW - 6 * DAY,
  }),
];

const rule = { server_id: null, created_by: "mira", created_at_ms: NOW - 18 * DAY };
export const rules: Rule[] = [
  { ...rule, id: "p1", server: null, tool: "delete_*", effect: "deny" },
  { ...rule, id: "p2", server_id: "srv_git", server: "git", tool: "git_*", effect: "allow" },
];
