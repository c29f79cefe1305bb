// What of this machine is ready for a first chat, and what is missing.

import type { Finding, ModelList, Provider, Server } from "@/api/types";

export type Part =
  | { state: "looking" }
  | { state: "ready"; words: string; note?: string | undefined }
  /** `command`: what mends it, to be run in a terminal. `check`: what was looked at. */
  | {
      state: "missing";
      words: string;
      fix: string | null;
      command: string | null;
      check?: string;
    };

/** What has to be well before a server can run in a sandbox. */
const NEEDED = ["podman", "image", "bridge"];
/** What has a place of its own on the page. */
const SAID_ELSEWHERE = ["servers", "models"];

/** Returns how it stands with the sandbox. */
export function sandboxPart(findings: readonly Finding[] | undefined): Part {
  if (!findings) return { state: "looking" };
  const bad = findings.find((it) => NEEDED.includes(it.check) && it.level === "problem");
  if (bad) {
    const fix = bad.fix ?? null;
    return { state: "missing", words: bad.message, fix, command: commandOf(fix), check: bad.check };
  }
  const podman = findings.find((it) => it.check === "podman" && it.level === "ok");
  const warning = findings.find(
    (it) => it.level === "warning" && !SAID_ELSEWHERE.includes(it.check),
  );
  return {
    state: "ready",
    words: podman?.message ?? "containers can run on this machine",
    note: warning?.message,
  };
}

/** Returns the command in the words of a fix. */
export function commandOf(fix: string | null): string | null {
  return (
    /`((?:archestra|podman|systemctl|sudo|make|apt|brew|dnf) [^`]+)`/.exec(fix ?? "")?.[1] ?? null
  );
}

/** Returns how it stands with models. */
export function modelPart(
  models: ModelList | undefined,
  providers: readonly Provider[] | undefined,
): Part {
  if (!models || !providers) return { state: "looking" };
  const { default: chosen, models: all } = models;
  const model = all.find((it) => it.provider === chosen?.provider && it.name === chosen.model);
  const provider = providers.find((it) => it.id === chosen?.provider);
  if (chosen) {
    const where = provider ? ` at ${provider.name}` : "";
    return {
      state: "ready",
      words: provider?.demo
        ? "The demo model plays one, so that you can look around"
        : `${model?.title ?? chosen.model}${where}${provider?.local ? ", on this machine" : ""}`,
      note: model?.tools === false ? "It cannot use tools. Choose another one for that" : undefined,
    };
  }
  const failed = providers.find((it) => it.state === "failed" && it.error);
  if (failed?.error) {
    const { message, fix } = failed.error;
    return { state: "missing", words: message, fix, command: commandOf(fix) };
  }
  const found = all.length > 0;
  return {
    state: "missing",
    words: found ? "models were found, and none is chosen" : "none was found on this machine",
    fix: found ? null : "start Ollama or LM Studio, or give the key of a provider",
    command: null,
  };
}

/** Returns whether a server is one of a package. */
export function isOf(server: Server, packageName: string): boolean {
  const { source } = server;
  return (
    source.kind === "package" && `${source.registry}:${source.name}` === packageName.toLowerCase()
  );
}

/** Returns what one says at this hour. */
export function greeting(hour: number): string {
  if (hour < 5) return "Good night";
  if (hour < 12) return "Good morning";
  return hour < 18 ? "Good afternoon" : "Good evening";
}

/** Questions that need no server. */
export const QUESTIONS = [
  {
    title: "Compare two offers",
    note: "Attach both, or paste them",
    text: "Compare these two offers. Say what each costs in a year, and what is missing in which:\n\n",
  },
  {
    title: "Explain this error",
    note: "Paste a log or a stack trace",
    text: "Explain this error and what I should try first:\n\n",
  },
  {
    title: "Remember how I write",
    note: "Kept in memory, yours to edit",
    text: "Remember this for all chats: ",
  },
] as const;
