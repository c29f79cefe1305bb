// The parts of a message as the program has kept it: a program of another version may have kept what
// this page does not know.

import type { Part, ToolState } from "./message";

const TOOL_STATES: ReadonlySet<unknown> = new Set<ToolState>([
  "input-streaming",
  "input-available",
  "approval-requested",
  "approval-responded",
  "output-available",
  "output-error",
  "output-denied",
]);

/** Returns the parts that can be shown; others are left out. */
export function storedParts(stored: readonly unknown[]): Part[] {
  return stored.filter(isPart);
}

function isPart(it: unknown): it is Part {
  if (typeof it !== "object" || it === null) return false;
  const part: Record<string, unknown> = { ...it };
  const isText = (name: string) => typeof part[name] === "string";
  switch (part.type) {
    case "step-start":
      return true;
    case "text":
    case "reasoning":
      return isText("text");
    case "file":
      return isText("mediaType") && isText("url");
    case "dynamic-tool":
      return isText("toolName") && isText("toolCallId") && TOOL_STATES.has(part.state);
    default:
      return typeof part.type === "string" && part.type.startsWith("data-") && "data" in part;
  }
}
