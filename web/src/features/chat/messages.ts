// The messages of a chat that the page knows: the program tells of the last ones, and of older ones
// when they are asked for.

import type { MessageBody } from "@/api/types";
import type { Message } from "@/lib/message";
import { storedParts } from "@/lib/stored-parts";

/**
 * Returns what is known, and behind it the last messages as they are now. What is known and does not
 * lead to them is left out: another version of a message is shown, or too much has happened since.
 */
export function joined(
  known: readonly MessageBody[],
  last: readonly MessageBody[],
): readonly MessageBody[] {
  const [first] = last;
  if (!first) return last;
  const same = known.findIndex((it) => it.id === first.id);
  const before = same >= 0 ? same : known.findIndex((it) => it.id === first.parent) + 1;
  return before > 0 ? [...known.slice(0, before), ...last] : last;
}

/** What a message is called in the page: its versions stand in one place. */
export function placeOf({ id, siblings }: MessageBody): string {
  return siblings[0] ?? id;
}

const shown = new WeakMap<MessageBody, Message>();

/** Returns the message that is shown, always the same one for the same body. */
export function asMessage(body: MessageBody): Message {
  const before = shown.get(body);
  if (before) return before;
  const message: Message = {
    id: body.id,
    role: body.role,
    metadata: body.metadata ?? null,
    parts: storedParts(body.parts),
  };
  shown.set(body, message);
  return message;
}
