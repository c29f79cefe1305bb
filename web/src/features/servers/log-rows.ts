// Lines of a server's log as people read them: who said it, and whether something is wrong.

import type { LogLine } from "@/api/types";
import type { LogKind, LogRow } from "@/components/log";
import { withoutEscapes } from "@/lib/ansi";
import { logTime } from "@/lib/words";

const PROBLEM =
  /\b(error|exception|fatal|panic(ked)?|traceback|failed|unhandled|denied|segfault|econn\w+|enoent|eacces)\b/i;
const WARNING = /\b(warn|warning|deprecated)\b/i;

export function rowOf(line: LogLine): LogRow {
  const kind = kindOf(line);
  return {
    number: line.number,
    atMs: line.at_ms,
    kind,
    source: kind === "refused" ? "refused" : line.stream,
    text: line.text,
  };
}

function kindOf({ stream, text }: LogLine): LogKind {
  if (stream === "archestra") {
    if (/^the way out:|^refused\b/.test(text)) return "refused";
    return PROBLEM.test(text) ? "problem" : "archestra";
  }
  const plain = withoutEscapes(text);
  if (PROBLEM.test(plain)) return "problem";
  return WARNING.test(plain) ? "warning" : "server";
}

export type LogFilter = "all" | "server" | "archestra" | "problems";

export function isProblem(row: LogRow): boolean {
  return row.kind === "problem" || row.kind === "refused";
}

/** Returns the lines that are looked for. */
export function filtered(rows: readonly LogRow[], filter: LogFilter, search: string): LogRow[] {
  const wanted = search.trim().toLowerCase();
  return rows.filter((it) => {
    if (filter === "problems" && !isProblem(it)) return false;
    if (filter === "server" && it.source !== "stdout" && it.source !== "stderr") return false;
    if (filter === "archestra" && it.source !== "archestra" && it.kind !== "refused") return false;
    return !wanted || it.text.toLowerCase().includes(wanted);
  });
}

/** Lines that are kept on the page; older ones are in the download of the program. */
export const ROWS_MAX = 5000;

/** Returns the lines with new ones behind them, each once, the last {@link ROWS_MAX}. */
export function joined(rows: readonly LogRow[], lines: readonly LogLine[]): LogRow[] {
  const last = rows.at(-1)?.number ?? -1;
  const fresh = lines.filter((it) => it.number > last).map(rowOf);
  return fresh.length ? [...rows, ...fresh].slice(-ROWS_MAX) : [...rows];
}

/** Returns lines as the text of a file. */
export function asText(rows: readonly LogRow[]): string {
  return rows
    .map((it) => `${new Date(it.atMs).toISOString()} ${it.source} ${withoutEscapes(it.text)}\n`)
    .join("");
}

/** Returns when the first and the last line were written. */
export function span(rows: readonly LogRow[]): string {
  const [first, last] = [rows[0], rows.at(-1)];
  if (!first || !last) return "";
  return `${logTime(first.atMs).slice(0, 8)} to ${logTime(last.atMs).slice(0, 8)}`;
}
