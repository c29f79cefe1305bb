// The text that each program wants, so that it finds Archestra, and where it wants it.

export type Os = "linux" | "mac" | "windows";

export interface Access {
  /** Of the MCP endpoint. */
  url: string;
  token: string;
}

export interface Setup {
  /** Where the text goes: a file, or words. */
  where: string;
  text: string;
  /** What it is run or pasted as. */
  kind: "file" | "command" | "paste";
  note?: string;
}

export interface Client {
  id: string;
  name: string;
  setup: (access: Access, os: Os) => Setup;
}

const json = (value: unknown) => JSON.stringify(value, null, 2);
const bearer = ({ token }: Access) => ({ Authorization: `Bearer ${token}` });
const base = ({ url }: Access) => new URL(url).origin;

const INTO = "Where the file has servers already, put only “archestra” beside them.";

/** For programs that start a program and speak with it over its standard input and output. */
function stdio(access: Access) {
  return {
    command: "archestra",
    args: ["connect"],
    env: { ARCHESTRA_URL: base(access), ARCHESTRA_TOKEN: access.token },
  };
}

function file(paths: Record<Os, string> | string, text: string, note = INTO) {
  return (os: Os): Setup => ({
    where: typeof paths === "string" ? paths : paths[os],
    text,
    kind: "file",
    note,
  });
}

function inDirectory(name: string): Record<Os, string> {
  return {
    linux: `~/.config/${name}`,
    mac: `~/Library/Application Support/${name}`,
    windows: `%APPDATA%\\${name.replaceAll("/", "\\")}`,
  };
}

/** The programs that people have, the most common first. */
export const CLIENTS: readonly Client[] = [
  {
    id: "claude-desktop",
    name: "Claude Desktop",
    setup: (access, os) =>
      file(
        inDirectory("Claude/claude_desktop_config.json"),
        json({ mcpServers: { archestra: stdio(access) } }),
        `${INTO} Then end Claude Desktop and start it again. If it does not find “archestra”, write its whole path.`,
      )(os),
  },
  {
    id: "claude-code",
    name: "Claude Code",
    setup: (access) => ({
      where: "In a terminal",
      text: `claude mcp add --transport http --scope user archestra ${access.url} --header "Authorization: Bearer ${access.token}"`,
      kind: "command",
    }),
  },
  {
    id: "cursor",
    name: "Cursor",
    setup: (access, os) =>
      file(
        {
          linux: "~/.cursor/mcp.json",
          mac: "~/.cursor/mcp.json",
          windows: "%USERPROFILE%\\.cursor\\mcp.json",
        },
        json({ mcpServers: { archestra: { url: access.url, headers: bearer(access) } } }),
      )(os),
  },
  {
    id: "vscode",
    name: "VS Code",
    setup: (access, os) =>
      file(
        inDirectory("Code/User/mcp.json"),
        json({
          servers: { archestra: { type: "http", url: access.url, headers: bearer(access) } },
        }),
      )(os),
  },
  {
    id: "windsurf",
    name: "Windsurf",
    setup: (access, os) =>
      file(
        {
          linux: "~/.codeium/windsurf/mcp_config.json",
          mac: "~/.codeium/windsurf/mcp_config.json",
          windows: "%USERPROFILE%\\.codeium\\windsurf\\mcp_config.json",
        },
        json({ mcpServers: { archestra: { serverUrl: access.url, headers: bearer(access) } } }),
      )(os),
  },
  {
    id: "zed",
    name: "Zed",
    setup: (access, os) =>
      file(
        {
          linux: "~/.config/zed/settings.json",
          mac: "~/.config/zed/settings.json",
          windows: "%APPDATA%\\Zed\\settings.json",
        },
        json({ context_servers: { archestra: { url: access.url, headers: bearer(access) } } }),
      )(os),
  },
  {
    id: "cline",
    name: "Cline",
    setup: (access, os) =>
      file(
        inDirectory(
          "Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
        ),
        json({
          mcpServers: {
            archestra: { type: "streamableHttp", url: access.url, headers: bearer(access) },
          },
        }),
      )(os),
  },
  {
    id: "codex",
    name: "Codex",
    setup: (access, os) =>
      file(
        {
          linux: "~/.codex/config.toml",
          mac: "~/.codex/config.toml",
          windows: "%USERPROFILE%\\.codex\\config.toml",
        },
        `[mcp_servers.archestra]\nurl = ${JSON.stringify(access.url)}\nhttp_headers = { Authorization = ${JSON.stringify(`Bearer ${access.token}`)} }\n`,
        "Put it at the end of the file.",
      )(os),
  },
  {
    id: "gemini",
    name: "Gemini CLI",
    setup: (access, os) =>
      file(
        {
          linux: "~/.gemini/settings.json",
          mac: "~/.gemini/settings.json",
          windows: "%USERPROFILE%\\.gemini\\settings.json",
        },
        json({ mcpServers: { archestra: { httpUrl: access.url, headers: bearer(access) } } }),
      )(os),
  },
  {
    id: "copilot",
    name: "Copilot CLI",
    setup: (access, os) =>
      file(
        {
          linux: "~/.copilot/mcp-config.json",
          mac: "~/.copilot/mcp-config.json",
          windows: "%USERPROFILE%\\.copilot\\mcp-config.json",
        },
        json({
          mcpServers: {
            archestra: { type: "http", url: access.url, headers: bearer(access), tools: ["*"] },
          },
        }),
      )(os),
  },
  {
    id: "goose",
    name: "Goose",
    setup: (access, os) =>
      file(
        {
          linux: "~/.config/goose/config.yaml",
          mac: "~/.config/goose/config.yaml",
          windows: "%APPDATA%\\Block\\goose\\config\\config.yaml",
        },
        [
          "extensions:",
          "  archestra:",
          "    name: archestra",
          "    type: streamable_http",
          `    uri: ${JSON.stringify(access.url)}`,
          "    headers:",
          `      Authorization: ${JSON.stringify(`Bearer ${access.token}`)}`,
          "    timeout: 300",
          "    enabled: true",
          "",
        ].join("\n"),
        "Where the file has “extensions” already, put only the lines below it there.",
      )(os),
  },
  {
    id: "lmstudio",
    name: "LM Studio",
    setup: (access, os) =>
      file(
        {
          linux: "~/.lmstudio/mcp.json",
          mac: "~/.lmstudio/mcp.json",
          windows: "%USERPROFILE%\\.lmstudio\\mcp.json",
        },
        json({ mcpServers: { archestra: { url: access.url, headers: bearer(access) } } }),
      )(os),
  },
  {
    id: "jetbrains",
    name: "JetBrains AI Assistant",
    setup: (access) => ({
      where: "Settings, Tools, AI Assistant, Model Context Protocol: add, as JSON",
      text: json({ mcpServers: { archestra: stdio(access) } }),
      kind: "paste",
    }),
  },
  {
    id: "http",
    name: "Another app, over HTTP",
    setup: (access) => ({
      where: "The address, and a header that goes with each request",
      text: `${access.url}\nAuthorization: Bearer ${access.token}\n`,
      kind: "paste",
    }),
  },
  {
    id: "stdio",
    name: "Another app, that starts a program",
    setup: (access) => ({
      where: "The command, with two variables",
      text: `ARCHESTRA_URL=${base(access)} ARCHESTRA_TOKEN=${access.token} archestra connect`,
      kind: "paste",
    }),
  },
];

/** Returns the system that this browser runs on, as far as it says. */
export function osOf(agent: string): Os {
  if (/windows/i.test(agent)) return "windows";
  return /mac|iphone|ipad/i.test(agent) ? "mac" : "linux";
}

/** Returns where clients find all servers: the last address is for programs alone, where there is one. */
export function endpoint(addresses: readonly string[] | undefined, origin: string): string {
  return new URL("/mcp", addresses?.at(-1) ?? origin).href;
}

/** Returns a name for a token that no other one has. */
export function freeName(wanted: string, taken: readonly string[]): string {
  if (!taken.includes(wanted)) return wanted;
  for (let i = 2; ; i += 1) if (!taken.includes(`${wanted} ${i}`)) return `${wanted} ${i}`;
}
