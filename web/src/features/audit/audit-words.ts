import type { AuditEvent } from "@/api/types";
import { humanName, sentence } from "@/lib/words";

const KINDS: Record<string, string> = {
  "tool.call": "Called a tool",
  "tool.call_begin": "Began to call a tool",
  "tools.pin": "Tools were pinned",
  "tools.changed": "Tools have changed",
  "tools.follow": "Changed tools were taken over",
  "tools.look_at": "Looked at tools",
  "approval.ask": "Asked for approval",
  "approval.approve": "Allowed a call",
  "approval.deny": "Denied a call",
  "approval.expire": "A request ran out",
  "grant.give": "Gave a permission",
  "grant.revoke": "Took a permission back",
  "rule.add": "Added a rule",
  "rule.remove": "Removed a rule",
  "egress.connected": "Connected",
  "egress.closed": "Ended a connection",
  "egress.refused": "Refused a connection",
  "egress.failed": "Could not connect",
  "egress.allow": "Allowed a host",
  "egress.disallow": "Took a host off",
  "server.add": "Added a server",
  "server.remove": "Removed a server",
  "server.restart": "Restarted a server",
  "server.enable": "Started a server",
  "server.disable": "Stopped a server",
  "server.tool_changes": "Set what happens when tools change",
  "install.consent": "Decided about scripts of packages",
  "install.end": "An install ended",
  "install.retry": "Tried an install again",
  "token.create": "Let an app in",
  "token.revoke": "Shut an app out",
  "session.link": "Made a link to get in",
  "session.begin": "Got in",
  "session.end": "Got out",
  "provider.add": "Added a provider of models",
  "provider.change": "Changed a provider of models",
  "provider.remove": "Removed a provider of models",
  "provider.found": "Found a provider of models",
  "model.default": "Chose the model of new chats",
  "memory.set": "Remembered something",
  "memory.delete": "Forgot something",
  "audit.export": "Carried the audit out",
};

/** Returns what happened, in words. */
export function kindWords(kind: string): string {
  return KINDS[kind] ?? sentence(humanName(kind));
}

/** Parts of the program by which the audit is searched. */
export const PARTS = [
  ["", "Everything"],
  ["tool", "Calls of tools"],
  ["approval", "Approvals"],
  ["grant", "Permissions"],
  ["egress", "Connections"],
  ["server", "Servers"],
  ["install", "Installs"],
  ["tools", "Changes of tools"],
  ["rule", "Rules"],
  ["memory", "Memories"],
  ["provider", "Providers of models"],
  ["token", "Apps"],
  ["session", "Sessions"],
] as const;

export type Ending = { word: string; tone: "plain" | "success" | "warning" | "danger" };

/** Returns how something ended, or what was decided, for a badge; null where there is nothing to say. */
export function ending({ kind, decision, outcome }: AuditEvent): Ending | null {
  if (decision === "denied" || kind === "approval.deny") return { word: "Denied", tone: "danger" };
  if (kind === "egress.refused") return { word: "Refused", tone: "danger" };
  if (outcome === "ok") return { word: "Done", tone: "success" };
  if (outcome === "tool_error") return { word: "Tool failed", tone: "warning" };
  if (outcome) return { word: sentence(humanName(outcome)), tone: "warning" };
  if (decision === "asked") return { word: "Asked", tone: "warning" };
  if (decision === "allowed") return { word: "Allowed", tone: "plain" };
  return null;
}

/** Returns who did it: an app, a chat, a person, or the program itself. */
export function whoWords({ client, chat, principal }: AuditEvent): string {
  if (client) return client;
  if (chat) return "A chat";
  return principal ?? "Archestra";
}

/** Returns what it was about, in one line. */
export function aboutWords(event: AuditEvent): string {
  const detail = (event.detail ?? {}) as Record<string, unknown>;
  const about = [
    detail.target,
    detail.host,
    detail.name,
    detail.tool,
    detail.model,
    detail.address,
  ].find((it): it is string => typeof it === "string");
  const tool = event.tool ? ` ${event.tool}` : "";
  const server = event.server_slug ?? "";
  return [`${server}${tool}`.trim(), about].filter(Boolean).join(" · ");
}

const DAY_MS = 86_400_000;

/** Periods of the search, by their words in the address. */
export const PERIODS = { hour: DAY_MS / 24, day: DAY_MS, week: 7 * DAY_MS, month: 30 * DAY_MS };
export type Period = keyof typeof PERIODS;

export function isPeriod(text: string | undefined): text is Period {
  return text !== undefined && Object.hasOwn(PERIODS, text);
}
