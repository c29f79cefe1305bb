// A chat in which a message was asked again with other words, and was answered more than once.

import type { MessageBody } from "@/api/types";
import { answered, wrote } from "./messages";
import { HOUR } from "./time";

const said = (text: string) => [{ type: "text", text, state: "done" }];

const ALL: ReadonlyArray<readonly [string | null, MessageBody]> = [
  [null, wrote("v1", 4 * HOUR, "Write to the airline: they owe me 250 euros")],
  ["v1", answered("v2", 4 * HOUR, said("Dear airline, you owe me 250 euros."))],
  [null, wrote("v3", 3 * HOUR, "Write to the airline, politely: they owe me 250 euros")],
  ["v3", answered("v4", 3 * HOUR, said("Dear Sir or Madam, my flight was four hours late."))],
  ["v3", answered("v5", 3 * HOUR, said("Dear team, thank you for getting me home, if late."))],
  ["v3", answered("v6", 3 * HOUR, said("Good morning, I ask for the 250 euros of EU 261."))],
  ["v6", wrote("v7", 3 * HOUR, "Shorter, please")],
  ["v7", answered("v8", 3 * HOUR, said("I ask for 250 euros."))],
];

/** The messages of the chat, of which some stand in each other's place. */
export class Versions {
  private readonly shown = new Map<string | null, string>();

  /** Returns what is shown, the oldest first. */
  path(): MessageBody[] {
    const path: MessageBody[] = [];
    for (let parent: string | null = null; ; ) {
      const beside = ALL.filter(([it]) => it === parent).map(([, message]) => message);
      const chosen = beside.find((it) => it.id === this.shown.get(parent)) ?? beside.at(-1);
      if (!chosen) return path;
      path.push({ ...chosen, parent, siblings: beside.map((it) => it.id) });
      parent = chosen.id;
    }
  }

  /** Shows a message in the place of those beside it. */
  show(id: string): boolean {
    const found = ALL.find(([, message]) => message.id === id);
    if (found) this.shown.set(found[0], id);
    return found !== undefined;
  }
}
