import { remember, remembered } from "@/lib/theme";

// What was typed and not sent, for each chat, so that nothing typed is lost.

const key = (chat: string) => `archestra.draft.${chat}`;
const DRAFT_MAX = 100_000;

export function draft(chat: string): string {
  return remembered(key(chat)) ?? "";
}

export function keepDraft(chat: string, text: string): void {
  remember(key(chat), text ? text.slice(0, DRAFT_MAX) : null);
}
