// Which hosts a server may reach, and which it has asked for, from the audit.

import type { AuditEvent, Usage } from "@/api/types";

export interface Reached {
  host: string;
  allowed: boolean;
  /** How often it was reached, and how often refused, since the audit was asked from. */
  connected: number;
  refused: number;
  /** The reason of the last refusal. */
  reason: string | null;
  lastAtMs: number | null;
}

/** Returns the allowed hosts in their order, then those that were refused, the most wanted first. */
export function reached(allowed: readonly string[], events: readonly AuditEvent[]): Reached[] {
  const hosts = new Map<string, Reached>();
  const of = (host: string) => {
    const known = hosts.get(host);
    if (known) return known;
    const made: Reached = {
      host,
      allowed: allowed.includes(host),
      connected: 0,
      refused: 0,
      reason: null,
      lastAtMs: null,
    };
    hosts.set(host, made);
    return made;
  };
  for (const host of allowed) of(host);
  // The newest first.
  for (const event of events) {
    const detail = (event.detail ?? {}) as Record<string, unknown>;
    if (typeof detail.target !== "string") continue;
    const it = of(detail.target);
    it.lastAtMs ??= event.at_ms;
    if (event.kind === "egress.connected") it.connected += 1;
    if (event.kind === "egress.refused") {
      // Equal ones that came too fast were only counted.
      it.refused += 1 + (typeof detail.equal_before === "number" ? detail.equal_before : 0);
      it.reason ??= typeof detail.reason === "string" ? detail.reason : null;
    }
  }
  const all = [...hosts.values()];
  const others = all.filter((it) => !it.allowed && it.refused > 0);
  return [...all.filter((it) => it.allowed), ...others.sort((a, b) => b.refused - a.refused)];
}

export interface CallFigures {
  calls: number;
  failed: number;
  medianMs: number;
  slowestMs: number;
  largestBytes: number;
}

/** Returns what the last calls took; null where there were none. */
export function callFigures(events: readonly AuditEvent[]): CallFigures | null {
  const calls = events.filter((it) => it.kind === "tool.call" && it.outcome);
  if (!calls.length) return null;
  const times = calls.map((it) => it.duration_ms ?? 0).sort((a, b) => a - b);
  return {
    calls: calls.length,
    failed: calls.filter((it) => it.outcome !== "ok").length,
    medianMs: times[Math.floor(times.length / 2)] ?? 0,
    slowestMs: times.at(-1) ?? 0,
    largestBytes: Math.max(...calls.map((it) => it.response_bytes ?? 0)),
  };
}

/** Returns how many processors were busy between two answers; null where that is not known. */
export function busyCores(before: Usage | null, now: Usage | undefined): number | null {
  if (!before || !now || before.cpu_ns === null || now.cpu_ns === null) return null;
  if (before.cpu_ns === undefined || now.cpu_ns === undefined) return null;
  const [took, passed] = [now.cpu_ns - before.cpu_ns, now.at_ms - before.at_ms];
  // A sandbox that began anew begins at nothing.
  return passed > 0 && took >= 0 && before.sandboxes === now.sandboxes ? took / 1e6 / passed : null;
}
