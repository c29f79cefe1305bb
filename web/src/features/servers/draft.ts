// A server that is about to be added: what a person sees and changes before anything runs.

import type { AddServer, Limits, ServerDetails, Source } from "@/api/types";

export interface Pair {
  name: string;
  value: string;
  secret: boolean;
}

export interface SharedFolder {
  host: string;
  inside: string;
  write: boolean;
  /** Somebody agreed to share it. */
  on: boolean;
}

export interface Draft {
  /** Empty: the program makes one of the package's name. */
  slug: string;
  title: string;
  source: Source;
  args: string[];
  env: Pair[];
  /** Of a remote server; all of them are kept secret. */
  headers: Pair[];
  egress: string[];
  folders: SharedFolder[];
  buildScripts: "ask" | "run" | "skip";
  /** Null is what the program proposes. */
  isolation: "shared" | "principal" | null;
  keepWarm: boolean;
  /** In megabytes and thousandths of a core; null is what the program proposes. */
  memoryMb: number | null;
  cpuMillis: number | null;
  callTimeoutS: number | null;
  /** What somebody should know, found while it was read. */
  notes: string[];
}

export type Change = (change: Partial<Draft>) => void;

const SLUG_MAX = 24;
const TITLE_MAX = 80;

export function emptyDraft(source: Source): Draft {
  return {
    slug: "",
    title: "",
    source,
    args: [],
    env: [],
    headers: [],
    egress: [],
    folders: [],
    buildScripts: "ask",
    isolation: null,
    keepWarm: false,
    memoryMb: null,
    cpuMillis: null,
    callTimeoutS: null,
    notes: [],
  };
}

/** Returns a name that may be in an address, of any text; empty where nothing is left. */
export function slugOf(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, SLUG_MAX)
    .replace(/-+$/, "");
}

/** Returns a short name for people: `@scope/server-memory` as `memory`. */
export function shortName(source: Source): string {
  if (source.kind === "remote") {
    const labels = hostOf(source.url).split(".");
    return labels.find((it) => !["mcp", "www", "api"].includes(it)) ?? hostOf(source.url);
  }
  const name = source.name.split("/").at(-1) ?? source.name;
  const bare = name.replace(/(^|-)(mcp|server)(?=-|$)/g, "").replace(/^-+|-+$/g, "");
  return bare || name;
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname : url;
}

const SECRET =
  /(token|secret|passw|api_?key|apikey|credential|private|auth|dsn|_pat$|_key$|^key$)/i;

/** Returns whether a value of this name is likely one to keep secret. */
export function looksSecret(name: string, value = ""): boolean {
  return SECRET.test(name) || /\/\/[^/\s:@]+:[^/\s@]+@/.test(value) || keyInText(value);
}

/** Returns whether a text has the form of a well-known kind of key. */
export function keyInText(text: string): boolean {
  return /\b(sk-[\w-]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|xox[abp]-[\w-]{10,}|AKIA[0-9A-Z]{16}|glpat-[\w-]{16,})/.test(
    text,
  );
}

/** Returns what is wrong with a draft, by the part where it stands. */
export function problems(draft: Draft): Partial<Record<DraftPart, string>> {
  const found: Partial<Record<DraftPart, string>> = {};
  if (draft.slug && slugOf(draft.slug) !== draft.slug) {
    found.slug = "Up to 24 small letters, digits and dashes";
  }
  if (draft.title.length > TITLE_MAX) found.title = `At most ${TITLE_MAX} characters`;
  const pairs = [...draft.env, ...draft.headers];
  const unnamed = pairs.find((it) => it.value && !it.name.trim());
  const bad = draft.env.find((it) => it.name && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(it.name));
  if (unnamed) found.values = "One value has no name";
  else if (bad) found.values = `“${bad.name}” is no name of a variable: letters, digits and _`;
  const twice = pairs.find((it, i) => pairs.findIndex((other) => other.name === it.name) !== i);
  if (!found.values && twice?.name) found.values = `“${twice.name}” is there twice`;
  const host = draft.egress.find((it) => !isHostPort(it));
  if (host !== undefined) found.egress = `“${host}” is no host and port, such as example.com:443`;
  for (const it of draft.folders.filter((it) => it.on)) {
    if (!isAbsolute(it.host)) found.folders = "A whole path is needed, such as /home/me/notes";
    else if (!it.inside.startsWith("/")) found.folders = "The path inside begins with /";
  }
  return found;
}

export type DraftPart = "slug" | "title" | "values" | "egress" | "folders";

export function isHostPort(text: string): boolean {
  const match = /^(?:\[[0-9a-f:.]+\]|[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[2]);
  return match !== null && port > 0 && port < 65_536;
}

export function isAbsolute(path: string): boolean {
  return path.startsWith("/") || /^[A-Za-z]:[\\/]/.test(path);
}

/** Returns `text` as host and port; an address on the web is taken, too. */
export function asHostPort(text: string): string {
  const trimmed = text.trim().toLowerCase();
  if (/^[a-z]+:\/\//.test(trimmed) && URL.canParse(trimmed)) {
    const url = new URL(trimmed);
    return `${url.hostname}:${url.port || (url.protocol === "http:" ? 80 : 443)}`;
  }
  return /:\d+$/.test(trimmed) || !trimmed ? trimmed : `${trimmed}:443`;
}

/** Returns the secrets of a draft that still have no value. */
export function missing(draft: Draft): string[] {
  const secret = draft.source.kind === "remote" ? draft.headers : draft.env;
  return secret.filter((it) => it.name && it.value === "").map((it) => it.name);
}

export function secretNames(draft: Draft): string[] {
  return draft.env.filter((it) => it.secret && it.name && it.value).map((it) => it.name);
}

/** Returns what is sent to the program. Values without a name or without a value are left out. */
export function bodyOf(draft: Draft): AddServer {
  const remote = draft.source.kind === "remote";
  const given = draft.env.filter((it) => it.name && it.value !== "");
  const object = (pairs: Pair[]) => Object.fromEntries(pairs.map((it) => [it.name, it.value]));
  const secrets = object(given.filter((it) => it.secret));
  const body: AddServer = { source: draft.source };
  if (draft.slug) body.slug = draft.slug;
  if (draft.title.trim()) body.title = draft.title.trim();
  if (remote) {
    const headers = draft.headers.filter((it) => it.name && it.value !== "");
    if (headers.length) body.headers = object(headers);
    return body;
  }
  const limits = limitsOf(draft);
  return {
    ...body,
    ...(limits ? { limits } : {}),
    args: draft.args,
    env: object(given.filter((it) => !it.secret)),
    secrets,
    give_secrets_in_clear: Object.keys(secrets).length > 0,
    folders: draft.folders
      .filter((it) => it.on)
      .map((it) => ({
        host: it.host,
        inside: it.inside || it.host,
        access: it.write ? "read_write" : "read_only",
      })),
    egress: draft.egress,
    build_scripts: draft.buildScripts,
    keep_warm: draft.keepWarm,
    ...(draft.isolation ? { isolation: draft.isolation } : {}),
  };
}

/** Returns the limits that somebody has set; the program fills in the others. */
function limitsOf({ memoryMb, cpuMillis, callTimeoutS }: Draft): AddServer["limits"] | null {
  const limits: Partial<Limits> = {
    ...(memoryMb === null ? {} : { memory_bytes_max: memoryMb * 1024 * 1024 }),
    ...(cpuMillis === null ? {} : { cpu_millis_max: cpuMillis }),
    ...(callTimeoutS === null ? {} : { call_timeout_ms: callTimeoutS * 1000 }),
  };
  return Object.keys(limits).length ? (limits as Limits) : null;
}

/** Returns a draft of what a server is now, to be changed and installed again. Secrets are not known. */
export function draftOf(server: ServerDetails): Draft {
  return {
    ...emptyDraft(server.source),
    slug: server.slug,
    title: server.title,
    args: server.args,
    env: [
      ...Object.entries(server.env).map(([name, value]) => ({ name, value, secret: false })),
      ...server.secrets.map((name) => ({ name, value: "", secret: true })),
    ],
    headers: (server.headers ?? []).map((name) => ({ name, value: "", secret: true })),
    egress: server.egress,
    folders: server.folders.map((it) => ({
      host: it.host,
      inside: it.inside,
      write: it.access === "read_write",
      on: true,
    })),
    buildScripts: server.build_scripts,
    isolation: server.isolation,
    keepWarm: server.keep_warm,
    memoryMb: mega(server.limits.memory_bytes_max),
    cpuMillis: server.limits.cpu_millis_max ?? null,
    callTimeoutS: server.limits.call_timeout_ms ? server.limits.call_timeout_ms / 1000 : null,
  };
}

function mega(bytes: number | undefined): number | null {
  return bytes === undefined ? null : Math.round(bytes / 1024 / 1024);
}
