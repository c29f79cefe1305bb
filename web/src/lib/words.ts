// Numbers, times and sizes in words, the same everywhere.

import { plainly } from "@/lib/hostile";

const number = new Intl.NumberFormat("en");

/** Returns `1 tool`, `2 tools`, `1,204 tools`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${number.format(n)} ${n === 1 ? one : many}`;
}

/** Returns a number with its thousands set apart. */
export function grouped(n: number): string {
  return number.format(n);
}

/** Returns `214 bytes`, `3.8 KB`, `1.2 GB`; thousands, as file managers have it. */
export function bytes(n: number): string {
  if (n < 1000) return count(n, "byte");
  const units = ["KB", "MB", "GB", "TB"];
  let value = n / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1).replace(/\.0$/, "") : Math.round(value)} ${units[unit]}`;
}

/** Returns a duration as `631 ms`, `2.4 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(ms: number): string {
  if (ms < 1) return "under 1 ms";
  if (ms < 950) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1).replace(/\.0$/, "")} s`;
  const seconds = Math.round(ms / 1000);
  const [minutes, rest] = [Math.floor(seconds / 60), seconds % 60];
  if (minutes < 60) return rest ? `${minutes} min ${rest} s` : `${minutes} min`;
  const [hours, left] = [Math.floor(minutes / 60), minutes % 60];
  if (hours < 48) return left ? `${hours} h ${left} min` : `${hours} h`;
  return count(Math.floor(hours / 24), "day");
}

/** Returns `9.4k` for 9400 tokens, `820` for 820. */
export function thousands(n: number): string {
  if (n < 1000) return `${n}`;
  if (n < 99_950) return `${(n / 1000).toFixed(1).replace(/\.0$/, "")}k`;
  if (n < 1_000_000) return `${Math.round(n / 1000)}k`;
  return `${(n / 1_000_000).toFixed(1).replace(/\.0$/, "")}M`;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const dayMonth = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const dayMonthYear = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
});
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** Returns `just now`, `4 min ago`, `14:06`, `yesterday`, `3 Nov`, `3 Nov 2024`. */
export function ago(atMs: number, nowMs: number): string {
  const past = nowMs - atMs;
  if (past < 45_000) return "just now";
  if (past < 3_570_000) return `${Math.max(1, Math.round(past / 60_000))} min ago`;
  const days = daysBetween(atMs, nowMs);
  if (days === 0) return clock.format(atMs);
  if (days === 1) return "yesterday";
  return date(atMs, nowMs);
}

/** Returns `3 Nov`, with the year where it is another one. */
export function date(atMs: number, nowMs: number): string {
  const sameYear = new Date(atMs).getFullYear() === new Date(nowMs).getFullYear();
  return (sameYear ? dayMonth : dayMonthYear).format(atMs);
}

/** Returns date and time to the second. */
export function moment(atMs: number): string {
  return full.format(atMs);
}

/** Returns the time of day as a log has it: `08:41:07.112`. */
export function logTime(atMs: number): string {
  const at = new Date(atMs);
  const two = (n: number) => String(n).padStart(2, "0");
  const ms = String(at.getMilliseconds()).padStart(3, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`;
}

/** Returns how many midnights lie between two times, in local time. */
export function daysBetween(fromMs: number, toMs: number): number {
  const midnight = (ms: number) => {
    const day = new Date(ms);
    return Date.UTC(day.getFullYear(), day.getMonth(), day.getDate());
  };
  return Math.round((midnight(toMs) - midnight(fromMs)) / 86_400_000);
}

/** Returns a message of the API as a sentence: a capital first. */
export function sentence(message: string): string {
  const text = message.trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Returns `a, b and c`. */
export function list(items: readonly string[]): string {
  if (items.length < 2) return items.join("");
  return `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}

/** Returns a name for people from one for programs: `list_deployments` as `List deployments`. */
export function humanName(name: string): string {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .split(/[_\-\s./]+/)
    .filter(Boolean)
    .join(" ")
    .toLowerCase();
  return plainly(words ? sentence(words) : name);
}

/** Returns up to two letters that stand for a name. */
export function initials(name: string): string {
  const words = name
    .replace(/(\p{Ll})(\p{Lu})/gu, "$1 $2")
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean);
  const letters =
    words.length > 1 ? words.slice(0, 2).map((it) => it.charAt(0)) : [words[0]?.slice(0, 2)];
  return letters.join("").toUpperCase() || "?";
}
