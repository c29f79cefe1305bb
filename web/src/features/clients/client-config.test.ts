import { expect, test } from "vitest";
import { CLIENTS, endpoint, freeName, type Os, osOf } from "./client-config";

const access = { url: "http://127.0.0.1:9000/mcp", token: 'arc_"x' };
const of = (id: string, os: Os = "linux") => {
  const client = CLIENTS.find((it) => it.id === id);
  if (!client) throw new Error(id);
  return client.setup(access, os);
};

test("every text carries the address and the token", () => {
  for (const { id, setup } of CLIENTS) {
    const { text } = setup({ ...access, token: "arc_0123" }, "linux");
    expect(text, id).toContain("arc_0123");
    expect(text, id).toContain("http://127.0.0.1:9000");
  }
});

test("each client gets the keys that it reads", () => {
  const headers = { Authorization: `Bearer ${access.token}` };
  const { url } = access;
  const parsed = (id: string) => JSON.parse(of(id).text);
  expect(parsed("cursor")).toEqual({ mcpServers: { archestra: { url, headers } } });
  expect(parsed("vscode")).toEqual({ servers: { archestra: { type: "http", url, headers } } });
  expect(parsed("windsurf")).toEqual({ mcpServers: { archestra: { serverUrl: url, headers } } });
  expect(parsed("zed")).toEqual({ context_servers: { archestra: { url, headers } } });
  expect(parsed("gemini")).toEqual({ mcpServers: { archestra: { httpUrl: url, headers } } });
  expect(parsed("claude-desktop").mcpServers.archestra).toEqual({
    command: "archestra",
    args: ["connect"],
    env: { ARCHESTRA_URL: "http://127.0.0.1:9000", ARCHESTRA_TOKEN: access.token },
  });
});

test("what is not JSON is quoted, too", () => {
  expect(of("codex").text).toContain('Authorization = "Bearer arc_\\"x"');
  expect(of("goose").text).toContain('Authorization: "Bearer arc_\\"x"');
});

test("files are where the system has them", () => {
  expect(of("claude-desktop", "mac").where).toBe(
    "~/Library/Application Support/Claude/claude_desktop_config.json",
  );
  expect(of("claude-desktop", "windows").where).toBe(
    "%APPDATA%\\Claude\\claude_desktop_config.json",
  );
  expect(of("vscode").where).toBe("~/.config/Code/User/mcp.json");
  expect(osOf("Mozilla/5.0 (Windows NT 10.0)")).toBe("windows");
  expect(osOf("Mozilla/5.0 (Macintosh)")).toBe("mac");
  expect(osOf("Mozilla/5.0 (X11; Linux)")).toBe("linux");
});

test("the address for programs is the one that has no page, where there is one", () => {
  expect(endpoint(["http://127.0.0.1:3000", "http://127.0.0.1:9000"], "http://x")).toBe(
    "http://127.0.0.1:9000/mcp",
  );
  expect(endpoint(undefined, "http://127.0.0.1:3000")).toBe("http://127.0.0.1:3000/mcp");
});

test("a name is free", () => {
  expect(freeName("Cursor", [])).toBe("Cursor");
  expect(freeName("Cursor", ["Cursor", "Cursor 2"])).toBe("Cursor 3");
});
