// A text that is still being written, mended so that its end is not shown in the wrong shape for a
// moment: marks that are open are closed, what cannot be anything yet is held back.

/** Returns the unfinished end of a document as it may be shown. It begins at a block's beginning. */
export function repair(source: string): string {
  const at = lastParagraph(source);
  const before = source.slice(0, at);
  const held = holdBack(source.slice(at));
  return before + closeMarks(held);
}

/** The place where the last paragraph begins: after the last blank line. */
function lastParagraph(source: string): number {
  const match = /\n[ \t]*\n(?![\s\S]*\n[ \t]*\n)/.exec(source);
  return match ? match.index + match[0].length : 0;
}

/** Leaves out of a paragraph's end what would be taken for something else. */
function holdBack(text: string): string {
  const lines = text.split("\n");
  const last = lines.at(-1) ?? "";
  // The first line of a table, until its second one is whole.
  const first = lines.findIndex((line) => line.trim() !== "");
  if (
    /^\s*\|/.test(lines[first] ?? "") &&
    !lines.slice(first + 1, -1).some((it) => /^\s*\|?[\s:|-]*-[\s:|-]*$/.test(it))
  ) {
    if (lines.length - first <= 2) return lines.slice(0, first).join("\n");
  }
  // A row of a table that is not whole has too few cells for a moment, which is no harm. But a line of
  // dashes or equals signs below a text makes a title of it.
  if (lines.length > 1 && /^\s{0,3}(-+|=+)\s*$/.test(last) && (lines.at(-2) ?? "").trim() !== "") {
    return lines.slice(0, -1).join("\n");
  }
  return text;
}

const MARKS = ["***", "**", "*", "___", "__", "_", "~~", "~"];

function closeMarks(text: string): string {
  const open: string[] = [];
  let link: number | null = null;
  let i = 0;
  while (i < text.length) {
    const rest = text.slice(i);
    if (rest.startsWith("\\")) {
      i += 2;
      continue;
    }
    const ticks = /^`+/.exec(rest)?.[0];
    if (ticks) {
      const end = closing(text, i + ticks.length, ticks.length);
      if (end === null) return unfinishedCode(text, i, ticks, open);
      i = end;
      continue;
    }
    const linked = /^!?\[/.exec(rest)?.[0];
    if (linked) {
      const end = linkEnd(text, i + linked.length);
      if (end === null) link ??= i;
      i += linked.length;
      continue;
    }
    const mark = MARKS.find((it) => rest.startsWith(it));
    if (mark) {
      track(open, mark, text, i);
      i += mark.length;
      continue;
    }
    i += 1;
  }
  const shown = link === null ? text : unfinishedLink(text, link);
  return closed(shown, open);
}

/** Marks may stand inside of words and between spaces, where they mean nothing. */
function track(open: string[], mark: string, text: string, at: number): void {
  const before = text.charAt(at - 1);
  const after = text.charAt(at + mark.length);
  const same = open.lastIndexOf(mark);
  if (same >= 0 && before.trim() !== "") {
    open.length = same;
    return;
  }
  const isWordsMiddle = mark.startsWith("_") && /\w/.test(before);
  const isListItem = mark === "*" && /(^|\n)\s*$/.test(text.slice(0, at));
  if (after.trim() === "" && after !== "") return;
  if (isWordsMiddle || (isListItem && (after === "" || after === " "))) return;
  open.push(mark);
}

/** Returns the place after the run of so many ticks that closes a code. */
function closing(text: string, from: number, ticks: number): number | null {
  for (const match of text.slice(from).matchAll(/`+/g)) {
    if (match[0].length === ticks) return from + match.index + ticks;
  }
  return null;
}

function unfinishedCode(text: string, at: number, ticks: string, open: string[]): string {
  const inside = text.slice(at + ticks.length);
  if (inside.trim() === "") return closed(text.slice(0, at), open);
  // Some of the closing ticks may be there.
  return closed(text.replace(/`+$/, "") + ticks, open);
}

/** Returns the place after a link's address, or null where it is not whole. */
function linkEnd(text: string, from: number): number | null {
  let depth = 1;
  for (let i = from; i < text.length; i += 1) {
    const sign = text.charAt(i);
    if (sign === "\\") i += 1;
    else if (sign === "[") depth += 1;
    else if (sign === "]") {
      depth -= 1;
      if (depth > 0) continue;
      // What follows says what it is, and nothing follows yet.
      if (i + 1 >= text.length) return null;
      if (text.charAt(i + 1) !== "(") return i + 1;
      const end = text.indexOf(")", i + 2);
      return end < 0 ? null : end + 1;
    }
  }
  return null;
}

/** Of a link its words are shown; a picture is not there yet. */
function unfinishedLink(text: string, at: number): string {
  const isImage = text.charAt(at) === "!";
  if (isImage) return text.slice(0, at);
  const words = text.slice(at + 1).replace(/\](\([^)]*)?$/, "");
  return text.slice(0, at) + words;
}

function closed(text: string, open: readonly string[]): string {
  let shown = text;
  for (const mark of [...open].reverse()) {
    // Nothing stands behind it yet.
    if (shown.trimEnd().endsWith(mark)) shown = shown.trimEnd().slice(0, -mark.length);
    else shown = shown.trimEnd() + mark;
  }
  return shown;
}
