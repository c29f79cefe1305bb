// The result of a tool (MCP, "Tool Result") taken apart without trust: whatever has not the shape that it
// should is shown as JSON.

import type { Json } from "@/lib/message";

export type ResultPart =
  | { kind: "text"; text: string }
  | { kind: "image"; base64: string; mediaType: string }
  | { kind: "audio"; base64: string; mediaType: string }
  | { kind: "link"; uri: string; name: string; description: string }
  | { kind: "file"; uri: string; mediaType: string; text: string | null; base64: string | null };

export interface Result {
  parts: ResultPart[];
  /** What is for programs, or all of it where it is no result. */
  json: Json | null;
  isError: boolean;
}

const PARTS_MAX = 200;

/** Returns what is in a result. */
export function readResult(output: Json | undefined): Result {
  const it = object(output);
  if (!it)
    return {
      parts: typeof output === "string" ? [{ kind: "text", text: output }] : [],
      json: typeof output === "string" ? null : (output ?? null),
      isError: false,
    };
  const content = Array.isArray(it.content) ? it.content.slice(0, PARTS_MAX) : [];
  const parts = content.map(part);
  const known = parts.filter((it) => it !== null);
  const isWhole = Array.isArray(it.content) && known.length === it.content.length;
  return {
    parts: known,
    json: (it.structuredContent as Json | undefined) ?? (isWhole ? null : (output ?? null)),
    isError: it.isError === true,
  };
}

/** Returns the text of a result, to be copied. */
export function resultText(output: Json | undefined): string {
  const { parts, json } = readResult(output);
  const texts = parts
    .map((it) => ("text" in it && it.text) || ("uri" in it && it.uri) || "")
    .filter(Boolean);
  return texts.length ? texts.join("\n") : JSON.stringify(json ?? output, null, 2);
}

function part(raw: Json): ResultPart | null {
  const it = object(raw);
  if (!it) return null;
  switch (it.type) {
    case "text":
      return typeof it.text === "string" ? { kind: "text", text: it.text } : null;
    case "image":
    case "audio":
      return typeof it.data === "string"
        ? { kind: it.type, base64: it.data, mediaType: string(it.mimeType) }
        : null;
    case "resource_link":
      return typeof it.uri === "string"
        ? {
            kind: "link",
            uri: it.uri,
            name: string(it.title) || string(it.name),
            description: string(it.description),
          }
        : null;
    case "resource": {
      const file = object(it.resource);
      if (!file) return null;
      return {
        kind: "file",
        uri: string(file.uri),
        mediaType: string(file.mimeType),
        text: typeof file.text === "string" ? file.text : null,
        base64: typeof file.blob === "string" ? file.blob : null,
      };
    }
    default:
      return null;
  }
}

function object(value: unknown): Record<string, Json> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, Json>)
    : null;
}

function string(value: unknown): string {
  return typeof value === "string" ? value : "";
}
