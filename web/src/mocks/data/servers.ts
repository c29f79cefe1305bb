// The servers of the demo, one for each state.

import type { Server, ServerDetails } from "@/api/types";
import { DAY, MINUTE, NOW } from "./time";

const LIMITS = {
  call_timeout_ms: 60_000,
  calls_max: 64,
  cpu_millis_max: 1000,
  memory_bytes_max: 268_435_456,
  pids_max: 128,
  start_timeout_ms: 60_000,
  tmp_bytes_max: 268_435_456,
};

function server(
  given: Partial<ServerDetails> & Pick<ServerDetails, "slug" | "title">,
): ServerDetails {
  return {
    id: `srv_${given.slug}`,
    enabled: true,
    path: `/mcp/${given.slug}`,
    tools: 0,
    tools_waiting: 0,
    tool_changes: "ask",
    headers: [],
    status: { state: "running", requests: 0 },
    source: { kind: "package", registry: "npm", name: `@example/${given.slug}`, version: null },
    args: [],
    env: {},
    secrets: [],
    folders: [],
    egress: [],
    isolation: "principal",
    limits: LIMITS,
    keep_warm: false,
    build_scripts: "ask",
    warnings: [],
    created_at_ms: NOW - 20 * DAY,
    updated_at_ms: NOW - 20 * DAY,
    install: install("ready", "0.24.1"),
    ...given,
  } as ServerDetails;
}

const BUILD_LOG = `scripts of better-sqlite3 12.4.1
prebuild-install warn install No prebuilt binaries found
node-gyp rebuild
\u001b[31mgyp ERR! stack Error: not found: make\u001b[0m
npm error code 1`;

type Install = NonNullable<ServerDetails["install"]>;

function install(state: string, version: string, failing = -1, how = "failed"): Install {
  const names = ["prepare", "resolve", "fetch", "build", "check"];
  return {
    id: "ins_1",
    state,
    attempt: 1,
    argv: ["node", "/app/node_modules/.bin/server"],
    build_scripts: [],
    consent: "none",
    created_at_ms: NOW - 4 * MINUTE,
    updated_at_ms: NOW - 3 * MINUTE,
    integrity: "sha512-Q8mZr1vXkD0s5pTnA7yq2bWc4Kf9eHjU6gLx3oVtRzPiNsMdYhCaBwEuJ1e3Jw==",
    lock_sha256: "4be1c07d92f6a85e3d7c1b0f8a296e4455d1c3b7",
    resolved_version: version,
    size_bytes: 6_800_000,
    failure: failing >= 0 ? "the step `build` failed: `npm rebuild` ended with code 1" : null,
    steps: names.map((name, i) => {
      const done = failing < 0 || i < failing;
      return {
        name,
        state: done ? "done" : i === failing ? how : "pending",
        log: done ? `${name} went well` : i === failing && how === "failed" ? BUILD_LOG : "",
        reason: i === failing && how === "failed" ? "`npm rebuild` ended with code 1" : null,
        started_at_ms: done || i === failing ? NOW - 4 * MINUTE + i * 2000 : null,
        ended_at_ms: done
          ? NOW - 4 * MINUTE + i * 2000 + ([200, 1200, 4900, 300, 800][i] ?? 0)
          : null,
      };
    }),
  };
}

export const servers: ServerDetails[] = [
  server({
    slug: "github",
    title: "GitHub",
    tools: 9,
    tools_waiting: 1,
    source: { kind: "package", registry: "npm", name: "github-mcp-server", version: "0.24.1" },
    egress: ["api.github.com:443", "uploads.github.com:443"],
    secrets: ["GITHUB_TOKEN"],
  }),
  server({
    slug: "git",
    title: "Git",
    tools: 3,
    tools_waiting: 1,
    source: { kind: "package", registry: "pypi", name: "mcp-server-git", version: "2026.7.1" },
    folders: [{ host: "/home/mira/src/checkout", inside: "/repo", access: "read_only" }],
    isolation: "shared",
  }),
  server({
    slug: "postgresql",
    title: "PostgreSQL",
    tools: 4,
    status: { state: "ready", requests: 0 },
    egress: ["db.northwind.example:5432"],
    secrets: ["DATABASE_URL"],
  }),
  server({
    slug: "calendar",
    title: "Calendar",
    status: {
      state: "waiting_for_consent",
      requests: 0,
      reason: "a package wants to run scripts of its own",
      packages: ["better-sqlite3 12.4.1", "esbuild 0.28.0"],
    },
    install: {
      ...install("waiting_for_consent", "1.2.0", 2, "pending"),
      consent: "none",
      failure: null,
      build_scripts: ["better-sqlite3 12.4.1", "esbuild 0.28.0"],
    },
  }),
  server({
    slug: "obsidian",
    title: "Obsidian notes",
    status: {
      state: "install_failed",
      requests: 0,
      reason: "the step `build` failed: `npm rebuild` ended with code 1",
    },
    source: { kind: "package", registry: "npm", name: "obsidian-notes-mcp", version: "1.6.2" },
    install: install("failed", "1.6.2", 3),
  }),
];

export function listed(it: ServerDetails): Server {
  const { id, slug, title, enabled, status, source, tools, tools_waiting, tool_changes, path } = it;
  return { id, slug, title, enabled, status, source, tools, tools_waiting, tool_changes, path };
}
