// What a person has to know about a tool before saying what may be done with it.

import type { Effect, ToolReview } from "@/api/types";
import type { DiffLine } from "@/components/diff";
import { toolClaims, toolDescription } from "@/lib/tool-words";

export type Look = "changed" | "added" | "new" | "gone" | null;

/** Returns why somebody should look at a tool; null where that is done. */
export function lookAt(review: ToolReview): Look {
  if (review.state !== "pinned") return review.state;
  return review.pinned?.looked_at_ms ? null : "new";
}

/** Returns what the server says now of a tool or, where it is gone, what it said. */
export function definitionOf(review: ToolReview): Record<string, unknown> {
  return (review.told?.definition ?? review.pinned?.definition ?? {}) as Record<string, unknown>;
}

/** Returns what is proposed for a tool: what it claims is a hint, and only reading runs unasked. */
export function proposal(review: ToolReview): Effect {
  return review.pinned?.setting ?? (review.told?.is_read_only ? "allow" : "ask");
}

export interface Groups {
  look: ToolReview[];
  reads: ToolReview[];
  changes: ToolReview[];
}

/** Returns tools by what a person wants to know first. */
export function grouped(reviews: readonly ToolReview[]): Groups {
  const groups: Groups = { look: [], reads: [], changes: [] };
  for (const it of reviews) {
    if (lookAt(it) !== null) groups.look.push(it);
    else if (toolClaims(definitionOf(it)).readOnly) groups.reads.push(it);
    else groups.changes.push(it);
  }
  return groups;
}

const PRIVATE =
  /(?:~|\$HOME|\/home\/[\w.-]+|\/Users\/[\w.-]+|\/root)\/\.[\w.-]+(?:\/[\w.-]+)*|\b(?:id_(?:rsa|ed25519|ecdsa)|authorized_keys|known_hosts)\b|\/etc\/(?:passwd|shadow)\b|(?:^|[\s"'`(/])\.(?:env|netrc|npmrc|pgpass)\b|\.aws\/credentials|\.kube\/config/gi;

/** Returns the private files of this machine that a text names, each once. */
export function privateFiles(text: string): string[] {
  const found = [...text.matchAll(PRIVATE)].map(([it]) => it.replace(/^[\s"'`(/](?=\.)/, ""));
  return [...new Set(found)];
}

/** Returns all text of a definition, wherever it stands in it. */
export function allText(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) return "";
  return Object.values(value).map(allText).join("\n");
}

/** Returns about how many tokens a definition costs in each request. */
export function tokens(definition: unknown): number {
  return Math.ceil(JSON.stringify(definition).length / 4);
}

/** Returns what a model reads first of a tool. */
export function describes(review: ToolReview): string {
  return toolDescription(definitionOf(review));
}

/** Lines over which two texts are not compared line by line. */
const LINES_MAX = 400;
/** Equal lines that are shown around a change. */
const AROUND = 2;

/** Returns the changes of a definition as lines, each field under its name. */
export function diffLines(changes: ToolReview["changes"]): DiffLine[] {
  return changes.flatMap(({ field, before, after }) => [
    { kind: "head" as const, text: field },
    ...folded(compared(lines(before), lines(after))),
  ]);
}

function lines(value: unknown): string[] {
  if (value === null || value === undefined) return [];
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return text.split("\n");
}

/** Returns two texts as one, by the longest lines that they have in common. */
export function compared(before: readonly string[], after: readonly string[]): DiffLine[] {
  const gone = before.map((text): DiffLine => ({ kind: "gone", text }));
  const now = after.map((text): DiffLine => ({ kind: "new", text }));
  if (before.length > LINES_MAX || after.length > LINES_MAX) return [...gone, ...now];
  const width = after.length + 1;
  const longest = new Uint16Array((before.length + 1) * width);
  const at = (i: number, j: number) => longest[i * width + j] ?? 0;
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      longest[i * width + j] =
        before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const found: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    const [old, fresh] = [before[i], after[j]];
    if (old !== undefined && old === fresh) {
      found.push({ kind: "same", text: old });
      i += 1;
      j += 1;
    } else if (fresh === undefined || (old !== undefined && at(i + 1, j) >= at(i, j + 1))) {
      found.push({ kind: "gone", text: old ?? "" });
      i += 1;
    } else {
      found.push({ kind: "new", text: fresh });
      j += 1;
    }
  }
  return found;
}

/** Leaves out long runs of equal lines. */
function folded(all: readonly DiffLine[]): DiffLine[] {
  const near = all.map((_, i) =>
    all.slice(Math.max(0, i - AROUND), i + AROUND + 1).some((it) => it.kind !== "same"),
  );
  return all.flatMap((it, i) => {
    if (near[i]) return [it];
    return near[i - 1] || (i === 0 && near.some(Boolean))
      ? [{ kind: "same" as const, text: "…" }]
      : [];
  });
}
