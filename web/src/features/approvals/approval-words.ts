import type { Approval, Grant } from "@/api/types";

/** Returns what a server is called that is in no list: the built-in one, or one that is gone. */
export function serverName(slug: string | null | undefined): string {
  if (!slug) return "A server that is gone";
  return slug === "archestra" ? "Archestra" : slug;
}

const CLOSED: Record<Exclude<Approval["state"], "open">, string> = {
  approved: "Allowed",
  denied: "Denied",
  expired: "Nobody answered in time",
  stale: "The tool changed meanwhile",
  withdrawn: "No longer asked",
};

/** Returns how a request ended, in a few words. */
export function endWords({ state, scope }: Pick<Approval, "state" | "scope">): string {
  if (state === "open") return "Waits for you";
  if (state === "approved" && scope) return `Allowed ${SCOPES[scope]}`;
  return CLOSED[state];
}

const SCOPES: Record<Grant["scope"], string> = {
  once: "once",
  chat: "in its chat",
  client: "for its app",
  everywhere: "always",
};

/** Returns where a permission holds, in words that begin a line. */
export function scopeWords({ scope, client }: Pick<Grant, "scope" | "client">): string {
  switch (scope) {
    case "once":
      return "Once, for the arguments that were asked for";
    case "chat":
      return "In one chat";
    case "client":
      return client ? `For ${client}` : "For one app";
    case "everywhere":
      return "Always, for everybody who acts for you";
  }
}

/** Returns whether a pattern of a rule means a name: `*` is any text, `?` any character. */
export function globMatches(glob: string, name: string): boolean {
  const [pattern, text] = [[...glob], [...name]];
  let [at, from, star, mark] = [0, 0, -1, 0];
  while (from < text.length) {
    if (pattern[at] === "*") {
      star = at;
      mark = from;
      at += 1;
    } else if (pattern[at] === "?" || pattern[at] === text[from]) {
      at += 1;
      from += 1;
    } else if (star >= 0) {
      at = star + 1;
      mark += 1;
      from = mark;
    } else return false;
  }
  while (pattern[at] === "*") at += 1;
  return at === pattern.length;
}
