// The chats in the list.

import type { ChatBody } from "@/api/types";
import { DAY, HOUR, MINUTE, NOW } from "./time";

const TITLES: Array<[string, string, number, ChatBody["status"]]> = [
  ["c1", "Slow checkout since Tuesday", 4 * MINUTE, "waiting"],
  ["c2", "Sort the October invoices", 9 * MINUTE, "running"],
  ["c3", "Reply to the airline claim", 3 * HOUR, "idle"],
  ["c4", "Explain the new lease contract", 26 * HOUR, "idle"],
  ["c5", "Query plan for orders_by_day", 29 * HOUR, "idle"],
  ["c6", "Translate release notes 4.12", 3 * DAY, "idle"],
  ["c7", "Which suppliers raised prices?", 4 * DAY, "idle"],
  ["c8", "Move notes out of Notion", 6 * DAY, "idle"],
  ["c9", "What others may send", 12 * DAY, "idle"],
];

export const chats: ChatBody[] = TITLES.map(([id, title, age, status]) => ({
  id,
  title,
  status,
  archived: false,
  model: { provider: "ollama", model: "qwen3:14b" },
  created_at_ms: NOW - age - HOUR,
  updated_at_ms: NOW - age,
}));
