import type { ServerDetails, Source } from "@/api/types";

/** Returns where a server comes from, in a few words. */
export function sourceWords(source: Source): string {
  if (source.kind === "remote") return "Runs elsewhere";
  return source.registry === "npm" ? "npm package" : "PyPI package";
}

/** Returns what a server is called where it comes from. */
export function sourceName(source: Source): string {
  if (source.kind === "remote") return source.url;
  return source.version ? `${source.name} ${source.version}` : source.name;
}

/** Returns the hosts that a server can reach: its own, where it runs elsewhere. */
export function hostsOf(server: Pick<ServerDetails, "source" | "egress">): string[] {
  if (server.source.kind !== "remote") return server.egress;
  return [URL.canParse(server.source.url) ? new URL(server.source.url).host : server.source.url];
}
