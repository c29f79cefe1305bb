// Who is let in.

import type { Token } from "@/api/types";
import { DAY, HOUR, MINUTE, NOW } from "./time";

export const tokens: Token[] = [
  {
    id: "tok_cli",
    name: "command line",
    kind: "owner",
    principal: "mira",
    created_at_ms: NOW - 40 * DAY,
    last_used_at_ms: NOW - HOUR,
    revoked_at_ms: null,
    servers: null,
    tools: null,
  },
  {
    id: "tok_1",
    name: "Cursor",
    kind: "client",
    principal: "mira",
    created_at_ms: NOW - 9 * DAY,
    last_used_at_ms: NOW - 12 * MINUTE,
    revoked_at_ms: null,
    servers: null,
    tools: null,
  },
  {
    id: "tok_2",
    name: "build server",
    kind: "client",
    principal: "mira",
    created_at_ms: NOW - 30 * DAY,
    last_used_at_ms: NOW - 3 * DAY,
    revoked_at_ms: null,
    servers: ["git", "github"],
    tools: null,
  },
];
