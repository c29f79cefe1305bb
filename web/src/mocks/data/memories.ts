// What is remembered.

import type { MemoryBody } from "@/api/types";
import { DAY, MINUTE, NOW } from "./time";

export const memories: MemoryBody[] = [
  {
    name: "tone",
    value: "Write to me in short sentences. No greetings.",
    created_at_ms: NOW - 40 * DAY,
    updated_at_ms: NOW - 2 * DAY,
  },
  {
    name: "team",
    value: "Jonas Pfeil: cart and checkout\nLeila Haddad: database, reviews all migrations",
    created_at_ms: NOW - 12 * DAY,
    updated_at_ms: NOW - 12 * DAY,
  },
  {
    name: "checkout repository",
    value: "~/src/checkout, on GitHub as northwind/checkout",
    created_at_ms: NOW - 3 * DAY,
    updated_at_ms: NOW - 20 * MINUTE,
  },
];
