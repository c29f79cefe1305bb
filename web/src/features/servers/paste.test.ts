import { expect, test } from "vitest";
import { bodyOf, type Draft } from "./draft";
import { read, words } from "./paste";

/** One line for a draft, so that a table can be read. */
function line(it: Draft): string {
  const source =
    it.source.kind === "remote"
      ? it.source.url
      : `${it.source.registry} ${it.source.name} ${it.source.version ?? "newest"}${it.source.command ? ` runs ${it.source.command}` : ""}`;
  const pairs = [...it.env, ...it.headers].map(
    (pair) => `${pair.name}=${pair.secret ? (pair.value ? "***" : "?") : pair.value}`,
  );
  const folders = it.folders.map((folder) => `folder ${folder.host}`);
  return [it.slug, source, it.args.join(" "), ...pairs, ...folders].filter(Boolean).join(" | ");
}

function told(text: string): string[] {
  const { drafts, refused } = read(text);
  return [...drafts.map(line), ...refused.map((it) => `no: ${it.reason}`)];
}

test.each([
  [
    "@modelcontextprotocol/server-memory",
    ["memory | npm @modelcontextprotocol/server-memory newest"],
  ],
  ["@a/b@1.2.3", ["b | npm @a/b 1.2.3"]],
  ["npm:time@latest", ["time | npm time newest"]],
  ["mcp-server-time", ["time | pypi mcp-server-time newest"]],
  ["pypi:some_thing==2026.1", ["some-thing | pypi some_thing 2026.1"]],
  [
    "npx -y @a/server-files@2 /home/me/notes",
    ["files | npm @a/server-files 2 | /home/me/notes | folder /home/me/notes"],
  ],
  [
    "$ npx --yes --package=@a/kit kit-server --port 1",
    ["kit | npm @a/kit newest runs kit-server | --port 1"],
  ],
  ["npm exec --package @a/kit -- kit-server x", ["kit | npm @a/kit newest runs kit-server | x"]],
  ["pnpm dlx thing", ["thing | npm thing newest"]],
  ["bunx thing@3", ["thing | npm thing 3"]],
  [
    "uvx mcp-server-git --repository '/home/me/a b'",
    ["git | pypi mcp-server-git newest | --repository /home/me/a b | folder /home/me/a b"],
  ],
  ["uvx --python 3.12 --from mcp-kit==1.0 kit", ["kit | pypi mcp-kit 1.0 runs kit"]],
  ["uv tool run mcp-server-time", ["time | pypi mcp-server-time newest"]],
  ["pipx run thing==1", ["thing | pypi thing 1"]],
  [
    "GITHUB_TOKEN=ghp_x LEVEL=debug npx github-mcp",
    ["github | npm github-mcp newest | GITHUB_TOKEN=*** | LEVEL=debug"],
  ],
  ["cmd /c npx -y thing", ["thing | npm thing newest"]],
  ["C:\\tools\\npx.cmd thing", ["thing | npm thing newest"]],
  ["claude mcp add time -- uvx mcp-server-time", ["time | pypi mcp-server-time newest"]],
  ["claude mcp add --transport http x https://x.example/mcp", ["x | https://x.example/mcp"]],
  ["https://mcp.linear.app/mcp", ["linear | https://mcp.linear.app/mcp"]],
  [
    "docker run -i --rm mcp/time",
    ["no: Images cannot be run here. Use the server’s package on npm or PyPI"],
  ],
  [
    "node dist/index.js",
    [
      "no: “node” runs a program of this machine. Use the server’s package: npx …, uvx …, or its name",
    ],
  ],
  ["npx -y", ["no: There is no package in this command"]],
  [
    "uvx --with extra thing",
    ["no: Further packages (`--with`) cannot be installed beside the server"],
  ],
  [
    "git+https://x.example/a.git",
    ["no: Only packages of npm and PyPI can be installed, not repositories or files"],
  ],
  [
    "bad name!",
    [
      "no: “bad” runs a program of this machine. Use the server’s package: npx …, uvx …, or its name",
    ],
  ],
  ["", []],
  ["   ", []],
] as Array<[string, string[]]>)("%j is read", (text, expected) =>
  expect(told(text)).toEqual(expected),
);

test("a pasted configuration is read wherever a client keeps its servers", () => {
  const entry = '{ "command": "npx", "args": ["-y", "thing"] }';
  for (const text of [
    `{ "mcpServers": { "thing": ${entry} } }`,
    `{ "servers": { "thing": ${entry} }, "inputs": [] }`,
    `{ "mcp": { "servers": { "thing": ${entry} } } }`,
    `{ "context_servers": { "thing": { "source": "custom", "command": { "path": "npx", "args": ["thing"] } } } }`,
    `{ "thing": ${entry} }`,
    `"thing": ${entry},`,
    entry,
    `{ // mine\n "mcpServers": { "thing": ${entry}, /* that is all */ }, }`,
  ]) {
    expect(told(text), text).toEqual(["thing | npm thing newest"]);
  }
});

test("what cannot be added is told apart, by its name", () => {
  const { drafts, refused } = read(
    JSON.stringify({
      mcpServers: {
        "My GitHub": {
          type: "http",
          url: "https://api.example/mcp",
          // biome-ignore lint/suspicious/noTemplateCurlyInString: as editors have it
          headers: { Authorization: "Bearer ${input:token}" },
        },
        Slack: {
          command: "uvx",
          args: ["slack-mcp", 7],
          env: { SLACK_KEY: "<your key>", TEAM: "T1" },
        },
        local: { command: "python", args: ["server.py"] },
        old: { type: "sse", url: "https://x.example/sse" },
        windsurf: { serverUrl: "https://y.example/mcp", headers: { "X-Key": "abc" } },
        empty: {},
      },
    }),
  );
  expect(drafts.map(line)).toEqual([
    "my-github | https://api.example/mcp | Authorization=?",
    "slack | pypi slack-mcp newest | 7 | SLACK_KEY=? | TEAM=T1",
    "windsurf | https://y.example/mcp | X-Key=***",
  ]);
  expect(refused.map((it) => it.name)).toEqual(["local", "old", "empty"]);
});

test.each([
  ["{", "This is not JSON. Check quotes, commas and brackets"],
  ["[1, 2]", 'There is no server in it. It looks like { "mcpServers": { … } }'],
  ['{"a": 1}', 'There is no server in it. It looks like { "mcpServers": { … } }'],
])("%j is refused", (text, reason) => expect(told(text)).toEqual([`no: ${reason}`]));

test("a key among the arguments is noticed", () => {
  const [draft] = read(`npx thing --token sk-${"a".repeat(24)}`).drafts;
  expect(draft?.notes).toHaveLength(1);
});

test("words are those of a shell, and nothing is run", () => {
  expect(words(`a "b c" 'd "e"' f\\ g "h\\"i" $(rm -rf x)`)).toEqual([
    "a",
    "b c",
    'd "e"',
    "f g",
    'h"i',
    "$(rm",
    "-rf",
    "x)",
  ]);
});

test("what is sent has secrets apart, and only folders that are shared", () => {
  const [draft] = read("API_KEY=k LEVEL=1 npx thing /a /b").drafts;
  if (!draft) throw new Error("nothing was read");
  const folders = draft.folders.map((it, i) => ({ ...it, on: i === 1, write: true }));
  expect(bodyOf({ ...draft, folders, egress: ["a.example:443"] })).toEqual({
    slug: "thing",
    title: "Thing",
    source: { kind: "package", registry: "npm", name: "thing", version: null },
    args: ["/a", "/b"],
    env: { LEVEL: "1" },
    secrets: { API_KEY: "k" },
    give_secrets_in_clear: true,
    folders: [{ host: "/b", inside: "/b", access: "read_write" }],
    egress: ["a.example:443"],
    build_scripts: "ask",
    keep_warm: false,
  });
  const [away] = read('{"url": "https://a.example/mcp", "headers": {"K": "v"}}').drafts;
  expect(away && bodyOf(away)).toEqual({
    slug: "a",
    title: "A",
    source: { kind: "remote", url: "https://a.example/mcp" },
    headers: { K: "v" },
  });
});
