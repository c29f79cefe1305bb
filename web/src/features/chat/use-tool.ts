import { useQuery } from "@tanstack/react-query";
import { serverQuery, serversQuery, toolsQuery } from "@/api/queries";
import { splitName, toolTitle } from "@/lib/tool-words";

/** What is known of a tool by the name that a model has for it. */
export function useTool(advertised: string, given?: string) {
  const { data: tools } = useQuery(toolsQuery);
  const { data: servers } = useQuery(serversQuery);
  const known = tools?.find((it) => it.advertised === advertised);
  const [prefix, rest] = splitName(advertised);
  const slug = known?.server ?? prefix;
  const server = servers?.find((it) => it.slug === slug);
  const name = known?.name ?? rest;
  const { data: details } = useQuery({ ...serverQuery(slug), enabled: server !== undefined });
  return {
    slug,
    server: server?.title ?? (slug || "Archestra"),
    name,
    title: known ? toolTitle(known.definition, name) : toolTitle({ title: given }, name),
    hosts: details
      ? details.source.kind === "remote"
        ? [hostOf(details.source.url)]
        : details.egress
      : null,
    details,
  };
}

function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}
