// What people have at hand when they want a server: a package's name, a command of a README, an
// address, or the configuration of another program. All of it is read here, nothing is run.

import type { Source } from "@/api/types";
import {
  type Draft,
  emptyDraft,
  keyInText,
  looksSecret,
  type Pair,
  shortName,
  slugOf,
} from "./draft";

export type Read = { drafts: Draft[]; refused: Refused[] };

/** What cannot be added, and why. */
export interface Refused {
  name: string;
  reason: string;
}

const TEXT_MAX = 200_000;
const SERVERS_MAX = 100;

/** Returns the servers that a text describes. Empty text is no servers. */
export function read(text: string): Read {
  const trimmed = text.trim();
  if (!trimmed) return { drafts: [], refused: [] };
  if (trimmed.length > TEXT_MAX) return refuse("It", "It is too long for a configuration");
  if (/^[{[]/.test(trimmed) || /^"[^"]+"\s*:/.test(trimmed)) return readConfiguration(trimmed);
  return one(trimmed, () => readLine(trimmed));
}

function refuse(name: string, reason: string): Read {
  return { drafts: [], refused: [{ name, reason }] };
}

/** A reason for a person that a text is no server. */
class NotRead extends Error {}

function one(name: string, run: () => Draft): Read {
  try {
    return { drafts: [run()], refused: [] };
  } catch (error) {
    if (error instanceof NotRead) return refuse(name, error.message);
    throw error;
  }
}

function readLine(line: string): Draft {
  if (/^https?:\/\//i.test(line)) return remote(line);
  if (/\s/.test(line)) return command(words(line.replace(/\\\r?\n/g, " ").replace(/^\$\s+/, "")));
  return named(packageOf(line));
}

/** Returns a remote server at an address. */
function remote(url: string, headers: Pair[] = []): Draft {
  if (!URL.canParse(url) || !/^https?:/i.test(url)) {
    throw new NotRead(`“${url}” is no address that begins with https://`);
  }
  const draft = named({ kind: "remote", url });
  const notes = url.startsWith("http://") ? ["What goes there is not encrypted."] : [];
  return { ...draft, headers, notes };
}

function named(source: Source): Draft {
  const slug = slugOf(shortName(source));
  return { ...emptyDraft(source), slug, title: titleOf(slug) };
}

function titleOf(slug: string): string {
  const words = slug.replaceAll("-", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const NPM = /^(?:@[a-z0-9~_-][a-z0-9._~-]*\/)?[a-z0-9~_-][a-z0-9._~-]*$/i;
const PYPI = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/i;

/** Returns the package of a word: `npm:name@1.2`, `@scope/name`, `pypi:name==1.2`, `name`. */
export function packageOf(word: string, registry?: "npm" | "pypi"): Source & { kind: "package" } {
  const prefix = /^(npm|pypi):/i.exec(word)?.[1]?.toLowerCase() as "npm" | "pypi" | undefined;
  const rest = word.replace(/^(npm|pypi):/i, "");
  const guessed = prefix ?? registry ?? guess(rest);
  if (/^(git\+|file:|github:|\.{0,2}\/)/.test(rest)) {
    throw new NotRead("Only packages of npm and PyPI can be installed, not repositories or files");
  }
  const [name, version] = guessed === "npm" ? npmParts(rest) : pypiParts(rest);
  if (!(guessed === "npm" ? NPM : PYPI).test(name)) {
    throw new NotRead(`“${name}” is no name of a package on ${guessed === "npm" ? "npm" : "PyPI"}`);
  }
  return { kind: "package", registry: guessed, name, version: version || null };
}

function guess(word: string): "npm" | "pypi" {
  if (word.startsWith("@")) return "npm";
  return word.includes("==") || word.includes("[") || word.startsWith("mcp-server-")
    ? "pypi"
    : "npm";
}

function npmParts(text: string): [string, string] {
  const at = text.indexOf("@", 1);
  if (at < 0) return [text, ""];
  const version = text.slice(at + 1);
  return [text.slice(0, at), version === "latest" ? "" : version];
}

function pypiParts(text: string): [string, string] {
  const [name = "", version = ""] = text.split(/==|@/);
  return [name.replace(/\[.*\]$/, ""), version === "latest" ? "" : version];
}

/** Returns the words of a command as a shell would have them; variables are left as they are. */
export function words(line: string): string[] {
  const found: string[] = [];
  // On Windows a backslash stands between folders.
  const plain = /^[A-Za-z]:\\/.test(line) ? line.replaceAll("\\", "\\\\") : line;
  const pattern = /(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/gs;
  for (const [raw] of plain.matchAll(pattern)) {
    found.push(
      raw.replace(/"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)/gs, (_, double, single, escaped) =>
        double !== undefined ? double.replace(/\\(["\\$`])/g, "$1") : (single ?? escaped),
      ),
    );
  }
  return found;
}

/** Options of runners that take a value, which is no package. */
const TAKES_VALUE = new Set([
  "--python",
  "-p",
  "--index",
  "--index-url",
  "--extra-index-url",
  "--registry",
  "--cache",
  "--directory",
  "--project",
]);

/** Returns the server of a command, as README files have it. */
function command(all: readonly string[], env: Pair[] = []): Draft {
  const rest = [...all];
  const pairs = [...env];
  while (/^[A-Za-z_]\w*=/.test(rest[0] ?? "")) {
    const word = rest.shift() ?? "";
    const at = word.indexOf("=");
    pairs.push(pair(word.slice(0, at), word.slice(at + 1)));
  }
  const program =
    (rest.shift() ?? "")
      .split(/[\\/]/)
      .at(-1)
      ?.replace(/\.(exe|cmd)$/i, "") ?? "";
  switch (program) {
    case "env":
      return command(rest, pairs);
    case "cmd":
      return command(rest[0]?.toLowerCase() === "/c" ? rest.slice(1) : rest, pairs);
    case "npx":
    case "bunx":
    case "pnpx":
      return runner("npm", rest, pairs);
    case "npm":
      if (rest[0] === "exec" || rest[0] === "x") return runner("npm", rest.slice(1), pairs);
      break;
    case "pnpm":
    case "yarn":
      if (rest[0] === "dlx" || rest[0] === "exec") return runner("npm", rest.slice(1), pairs);
      break;
    case "bun":
      if (rest[0] === "x") return runner("npm", rest.slice(1), pairs);
      break;
    case "uvx":
      return runner("pypi", rest, pairs);
    case "pipx":
      if (rest[0] === "run") return runner("pypi", rest.slice(1), pairs);
      break;
    case "uv":
      if (rest[0] === "tool" && rest[1] === "run") return runner("pypi", rest.slice(2), pairs);
      break;
    case "claude":
    case "code":
    case "codex":
      return ofClient(rest, pairs);
    case "docker":
    case "podman":
      throw new NotRead("Images cannot be run here. Use the server’s package on npm or PyPI");
  }
  throw new NotRead(
    `“${program}” runs a program of this machine. Use the server’s package: npx …, uvx …, or its name`,
  );
}

/** Returns the server of `claude mcp add NAME -- command`. */
function ofClient(rest: readonly string[], env: Pair[]): Draft {
  const dashes = rest.indexOf("--");
  const url = rest.find((it) => /^https?:\/\//.test(it));
  if (dashes >= 0) return command(rest.slice(dashes + 1), env);
  if (url) return remote(url);
  throw new NotRead("There is no command or address in it");
}

function runner(registry: "npm" | "pypi", all: readonly string[], env: Pair[]): Draft {
  const rest = [...all];
  let given: string | null = null;
  while (rest[0]?.startsWith("-")) {
    const option = rest.shift() ?? "";
    if (option === "--") break;
    const [name, value] = option.split(/=(.*)/s);
    const isPackage =
      name === "--package" || name === "--from" || (registry === "npm" && name === "-p");
    if (isPackage) given = value ?? rest.shift() ?? "";
    else if (name === "--with") {
      throw new NotRead("Further packages (`--with`) cannot be installed beside the server");
    } else if (value === undefined && TAKES_VALUE.has(name ?? "")) rest.shift();
  }
  // `npm exec` has its double dash behind the package's option.
  if (rest[0] === "--") rest.shift();
  const first = rest.shift();
  if (!first) throw new NotRead("There is no package in this command");
  const source = packageOf(given ?? first, registry);
  const draft = named(given ? { ...source, command: first } : source);
  return withArguments(draft, rest, env);
}

function withArguments(draft: Draft, args: readonly string[], env: readonly Pair[]): Draft {
  const paths = [...args, ...env.map((it) => it.value)]
    .map((it) => it.replace(/^--?[\w-]+=/, ""))
    .filter(
      (it) => /^\/[^/]/.test(it) || /^[A-Za-z]:\\/.test(it) || /^(~|\$HOME|\$\{HOME\})\//.test(it),
    );
  const notes: string[] = [];
  if (args.some(keyInText)) {
    notes.push(
      "An argument looks like a key. Arguments are kept and shown as they are; give it as a secret instead.",
    );
  }
  return {
    ...draft,
    args: [...args],
    env: [...env],
    folders: [...new Set(paths)].map((host) => ({ host, inside: host, write: false, on: false })),
    notes,
  };
}

function pair(name: string, value: string): Pair {
  // `${input:key}`, `$KEY` and `<your key>` stand for what somebody has to fill in.
  const stands = /^\$\{?[\w:.-]+\}?$|^<[^>]*>$|^\{\{.*\}\}$|^(your|insert|paste|xxx)[-_ ]|^x{3,}$/i;
  const filled = stands.test(value.trim()) ? "" : value;
  return { name, value: filled, secret: looksSecret(name, value) };
}

// ----- Configurations

type Entry = Record<string, unknown>;

function readConfiguration(text: string): Read {
  const wrapped = text.startsWith('"') ? `{${text.replace(/,\s*$/, "")}}` : text;
  let parsed: unknown;
  try {
    parsed = JSON.parse(withoutComments(wrapped));
  } catch {
    return refuse("It", "This is not JSON. Check quotes, commas and brackets");
  }
  const servers = entriesOf(parsed);
  if (!servers)
    return refuse("It", 'There is no server in it. It looks like { "mcpServers": { … } }');
  const drafts: Draft[] = [];
  const refused: Refused[] = [];
  for (const [name, entry] of servers.slice(0, SERVERS_MAX)) {
    const { drafts: made, refused: not } = one(name || "It", () => entryDraft(name, entry));
    drafts.push(...made);
    refused.push(...not);
  }
  if (servers.length > SERVERS_MAX) {
    refused.push({ name: "The rest", reason: `More than ${SERVERS_MAX} at once are not read` });
  }
  return { drafts, refused };
}

const KEYS = ["mcpServers", "servers", "context_servers", "mcp_servers", "mcp"] as const;

/** Returns names and entries wherever a client keeps them. */
function entriesOf(parsed: unknown): Array<[string, Entry]> | null {
  const root = object(parsed);
  if (!root) return null;
  for (const key of KEYS) {
    const inner = object(root[key]);
    // VS Code's own settings have one key more.
    const servers = inner && (object(inner.servers) ?? inner);
    if (servers) return objects(servers);
  }
  if (isEntry(root)) return [["", root]];
  const all = objects(root);
  return all.length && all.every(([, it]) => isEntry(it)) ? all : null;
}

function isEntry(it: Entry): boolean {
  return ["command", "url", "serverUrl", "httpUrl", "uri"].some((key) => key in it);
}

function entryDraft(name: string, entry: Entry): Draft {
  const url = [entry.url, entry.serverUrl, entry.httpUrl, entry.uri].find(
    (it) => typeof it === "string",
  );
  if (entry.type === "sse") {
    throw new NotRead(
      "It speaks the old transport (SSE). Use the server’s newer address, often /mcp",
    );
  }
  const draft = url ? remote(String(url), pairs(entry.headers, true)) : entryCommand(entry);
  const slug = slugOf(name) || draft.slug;
  return { ...draft, slug, title: name ? titleOf(slug) : draft.title };
}

function entryCommand(entry: Entry): Draft {
  const args = [entry.args].flat().filter((it) => typeof it === "string" || typeof it === "number");
  const env = pairs(entry.env ?? entry.environment ?? entry.envs, false);
  const command_ = Array.isArray(entry.command) ? entry.command : [entry.command ?? entry.cmd];
  const nested = object(entry.command);
  // An older form of Zed's.
  if (nested) return entryCommand({ command: nested.path, args: nested.args, env: nested.env });
  const all = [...command_, ...args].map(String);
  if (!command_[0]) throw new NotRead("There is neither a command nor an address in it");
  return command(all, env);
}

function pairs(value: unknown, secret: boolean): Pair[] {
  const it = object(value);
  if (!it) return [];
  return Object.entries(it).map(([name, given]) => {
    const made = pair(name, typeof given === "string" ? given : JSON.stringify(given));
    // `Bearer ${TOKEN}` is as empty as `${TOKEN}`.
    const empty = secret && /\$\{?[\w:.-]+\}?|<[^>]+>/.test(made.value);
    return { ...made, secret: secret || made.secret, value: empty ? "" : made.value };
  });
}

function objects(it: Entry): Array<[string, Entry]> {
  return Object.entries(it).flatMap(([name, value]) => {
    const entry = object(value);
    return entry ? [[name, entry] as [string, Entry]] : [];
  });
}

function object(value: unknown): Entry | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Entry)
    : null;
}

/** Returns JSON of what editors allow in it: comments, and commas before a closing bracket. */
function withoutComments(text: string): string {
  const bare = text.replace(/"(?:[^"\\]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (it) =>
    it.startsWith('"') ? it : " ",
  );
  return bare.replace(/"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])/g, (it) => (it === "," ? "" : it));
}
