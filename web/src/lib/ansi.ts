// What programs write for a terminal: colours are kept as names, everything else that a terminal would
// obey is left out.

export type Tone = "plain" | "faint" | "danger" | "success" | "warning" | "sandbox" | "accent";

export interface Span {
  text: string;
  tone: Tone;
  bold: boolean;
}

/** CSI, OSC and other strings with their ends, and single escapes; an unfinished one goes to the end. */
const ESCAPE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escapes are made of these
  /\u001b\[([0-?]*)([ -/]*)([@-~])|(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c|$)|\u009b[0-?]*[ -/]*[@-~]|\u001b[ -/]*[0-~]?/g;

const TONES: readonly Tone[] = [
  "plain",
  "danger",
  "success",
  "warning",
  "sandbox",
  "accent",
  "accent",
  "plain",
];

/** Returns a line in spans; joined, their text is the line without escapes. */
export function spans(line: string): Span[] {
  const found: Span[] = [];
  let style: Omit<Span, "text"> = { tone: "plain", bold: false };
  let from = 0;
  const push = (text: string) => {
    if (text) found.push({ text, ...style });
  };
  for (const match of line.matchAll(ESCAPE)) {
    push(line.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[3] === "m" && !match[2]) style = styled(style, match[1] ?? "");
  }
  push(line.slice(from));
  return found;
}

/** Returns a line without escapes. */
export function withoutEscapes(line: string): string {
  return line.replace(ESCAPE, "");
}

function styled(before: Omit<Span, "text">, parameters: string): Omit<Span, "text"> {
  let { tone, bold } = before;
  const codes = parameters.split(/[;:]/).map((it) => Number(it) || 0);
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i] ?? 0;
    if (code === 0) [tone, bold] = ["plain", false];
    else if (code === 1) bold = true;
    else if (code === 2 || code === 90) tone = "faint";
    else if (code === 22) bold = false;
    else if (code === 39) tone = "plain";
    else if (code >= 30 && code <= 37) tone = TONES[code - 30] ?? "plain";
    else if (code >= 91 && code <= 97) tone = TONES[code - 90] ?? "plain";
    // A colour by number or by its parts: not one of ours.
    else if (code === 38 || code === 48) i += codes[i + 1] === 5 ? 2 : 4;
  }
  return { tone, bold };
}
