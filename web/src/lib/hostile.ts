// Text that somebody else wrote, taken apart so that a person sees what a program would see: characters
// that are not drawn or that turn the order of the text are named instead of obeyed.

/** A piece of text, or one character that a person would not have seen. */
export type Seen = { text: string } | { hidden: string; name: string };

const NAMES: ReadonlyArray<[number, number, string]> = [
  [0x00ad, 0x00ad, "soft hyphen"],
  [0x034f, 0x034f, "grapheme joiner"],
  [0x061c, 0x061c, "arabic letter mark"],
  [0x115f, 0x1160, "hangul filler"],
  [0x17b4, 0x17b5, "invisible vowel"],
  [0x180b, 0x180f, "mongolian selector"],
  [0x200b, 0x200b, "zero width space"],
  [0x200c, 0x200c, "zero width non-joiner"],
  [0x200d, 0x200d, "zero width joiner"],
  [0x200e, 0x200e, "left-to-right mark"],
  [0x200f, 0x200f, "right-to-left mark"],
  [0x2028, 0x2028, "line separator"],
  [0x2029, 0x2029, "paragraph separator"],
  [0x202a, 0x202a, "left-to-right embedding"],
  [0x202b, 0x202b, "right-to-left embedding"],
  [0x202c, 0x202c, "end of direction"],
  [0x202d, 0x202d, "left-to-right override"],
  [0x202e, 0x202e, "right-to-left override"],
  [0x2060, 0x2064, "invisible operator"],
  [0x2066, 0x2069, "direction isolate"],
  [0x206a, 0x206f, "format control"],
  [0x2800, 0x2800, "blank braille"],
  [0x3164, 0x3164, "hangul filler"],
  [0xfe00, 0xfe0f, "variation selector"],
  [0xfeff, 0xfeff, "byte order mark"],
  [0xffa0, 0xffa0, "hangul filler"],
  [0xfff9, 0xfffb, "annotation mark"],
  [0x1d173, 0x1d17a, "musical control"],
  [0xe0000, 0xe007f, "tag character"],
  [0xe0100, 0xe01ef, "variation selector"],
];

/** Nothing hides in a text without these. */
const SUSPECT = /[^\t\n -~]/;

/** Returns `text` in pieces, each hidden character apart. Line feeds and tabs are text. */
export function seen(text: string): Seen[] {
  const clean = text.replaceAll("\r\n", "\n");
  if (!SUSPECT.test(clean)) return clean ? [{ text: clean }] : [];
  const pieces: Seen[] = [];
  let plain = "";
  const points = [...clean];
  for (const [i, point] of points.entries()) {
    const name = hiddenName(point, points[i - 1], points[i + 1]);
    if (name === null) {
      plain += point;
      continue;
    }
    if (plain) pieces.push({ text: plain });
    plain = "";
    pieces.push({ hidden: codePoint(point), name });
  }
  if (plain) pieces.push({ text: plain });
  return pieces;
}

/** Returns whether a person would not see all that is in `text`. */
export function hides(text: string): boolean {
  return seen(text).some((it) => "hidden" in it);
}

/** Returns `text` in one string, hidden characters named in angle brackets. */
export function plainly(text: string): string {
  return seen(text)
    .map((it) => ("text" in it ? it.text : `‹${it.hidden}›`))
    .join("");
}

function hiddenName(point: string, before?: string, after?: string): string | null {
  const code = point.codePointAt(0) ?? 0;
  if (code < 0x20) return code === 0x09 || code === 0x0a ? null : "control character";
  if (code >= 0x7f && code <= 0x9f) return "control character";
  // What makes one emoji of several is seen, as that emoji.
  if (code === 0x200d && isEmoji(before) && isEmoji(after)) return null;
  if (code === 0xfe0f && isEmoji(before)) return null;
  const range = NAMES.find(([first, last]) => code >= first && code <= last);
  return range ? range[2] : null;
}

function isEmoji(point: string | undefined): boolean {
  return (
    point !== undefined && /[\p{Extended_Pictographic}\p{Emoji_Modifier}#*0-9]|\ufe0f/u.test(point)
  );
}

function codePoint(point: string): string {
  return `U+${(point.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** What is shown of a long text at first, and what is kept back. */
export interface Cut {
  shown: string;
  /** How many characters are kept back. */
  rest: number;
}

/** Returns the beginning of `text`: at most so many characters and lines. */
export function cut(text: string, charactersMax: number, linesMax: number): Cut {
  let end = Math.min(text.length, charactersMax);
  let at = -1;
  for (let lines = 0; lines < linesMax; lines += 1) {
    at = text.indexOf("\n", at + 1);
    if (at < 0 || at >= end) break;
    if (lines === linesMax - 1) end = at;
  }
  // Not through the middle of a pair.
  if (end < text.length && /[\ud800-\udbff]/.test(text.charAt(end - 1))) end -= 1;
  return { shown: text.slice(0, end), rest: text.length - end };
}

const SCHEMES = new Set(["http:", "https:", "mailto:"]);

/** Returns the address that a link may open after a question, or null where it may not. */
export function openable(href: string): URL | null {
  try {
    const url = new URL(href);
    return SCHEMES.has(url.protocol) ? url : null;
  } catch {
    return null;
  }
}
