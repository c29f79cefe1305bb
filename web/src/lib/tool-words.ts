import { cut, plainly } from "@/lib/hostile";
import { humanName } from "@/lib/words";

/** What a tool says of itself; hints for a person, never for a decision. */
export interface Claims {
  readOnly: boolean | null;
  destructive: boolean | null;
  openWorld: boolean | null;
}

const TITLE_MAX = 80;

/** Returns a tool's title for people, by what its server says or by its name. */
export function toolTitle(definition: unknown, name: string): string {
  const it = object(definition);
  const said = it?.title ?? object(it?.annotations)?.title;
  const title = typeof said === "string" && said.trim() ? said : humanName(name);
  const { shown, rest } = cut(plainly(title).replaceAll("\n", " "), TITLE_MAX, 1);
  return rest ? `${shown}…` : shown;
}

export function toolDescription(definition: unknown): string {
  const it = object(definition)?.description;
  return typeof it === "string" ? it : "";
}

export function toolClaims(definition: unknown): Claims {
  const it = object(object(definition)?.annotations);
  return {
    readOnly: bool(it?.readOnlyHint),
    destructive: bool(it?.destructiveHint),
    openWorld: bool(it?.openWorldHint),
  };
}

/** Returns the name of the server and the tool's own name from the one under which all servers have it. */
export function splitName(advertised: string): [server: string, tool: string] {
  const at = advertised.indexOf("__");
  return at < 0 ? ["", advertised] : [advertised.slice(0, at), advertised.slice(at + 2)];
}

function object(value: unknown): Record<string, unknown> | null {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
}

function bool(value: unknown): boolean | null {
  return typeof value === "boolean" ? value : null;
}
