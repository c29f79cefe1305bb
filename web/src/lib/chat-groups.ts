import { daysBetween } from "@/lib/words";

/** Returns things in groups by their day: Today, Yesterday, Last 7 days, Last 30 days, then by month. */
export function byDay<T extends { updated_at_ms: number }>(
  items: readonly T[],
  nowMs: number,
): Array<{ title: string; items: T[] }> {
  const groups = new Map<string, T[]>();
  for (const it of items) {
    const title = dayTitle(it.updated_at_ms, nowMs);
    groups.set(title, [...(groups.get(title) ?? []), it]);
  }
  return [...groups].map(([title, items]) => ({ title, items }));
}

const month = new Intl.DateTimeFormat("en", { month: "long", year: "numeric" });

function dayTitle(atMs: number, nowMs: number): string {
  const days = daysBetween(atMs, nowMs);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  if (days < 7) return "Last 7 days";
  return days < 30 ? "Last 30 days" : month.format(atMs);
}
