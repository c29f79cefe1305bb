import type { Page } from "playwright-core";

export interface Screen {
  name: string;
  path: string;
  sizes?: ReadonlyArray<400 | 1280 | 2560>;
  themes?: ReadonlyArray<"light" | "dark">;
  /** The program answers with errors here. */
  fails?: true;
  /** What has to be there. */
  ready?: string;
  /** What is done before the picture is taken. */
  act?: (page: Page) => Promise<unknown>;
}

const PASTED = `{
  "mcpServers": {
    "time": { "command": "uvx", "args": ["mcp-server-time"] },
    "notion": { "url": "https://mcp.notion.example/mcp", "headers": { "Authorization": "Bearer x" } },
    "mine": { "command": "node", "args": ["dist/index.js"] },
    "<b>bold</b>\u202e": { "command": "docker", "args": ["run", "mcp/time"] }
  }
}`;

export const SCREENS: readonly Screen[] = [
  { name: "components", path: "/components", sizes: [400, 1280] },
  { name: "home", path: "/", sizes: [400, 1280] },
  {
    name: "home-empty",
    path: "/?demo=empty",
    sizes: [400, 1280, 2560],
    ready: "text=Three to try",
  },
  { name: "home-bare", path: "/?demo=bare", sizes: [400, 1280], ready: "text=Make the base image" },
  {
    name: "nav",
    path: "/",
    sizes: [400],
    act: (page) => page.getByRole("button", { name: "Show the sidebar" }).click(),
  },
  {
    name: "palette",
    path: "/",
    sizes: [400, 1280],
    act: (page) => page.keyboard.press("Control+k"),
  },
  { name: "keyboard", path: "/", act: (page) => page.keyboard.press("?") },
  { name: "chat", path: "/chats/c1", sizes: [400, 1280, 2560], ready: "text=Allow once" },
  {
    name: "chat-top",
    path: "/chats/c1",
    ready: "text=Allow once",
    act: async (page) => {
      await page.getByRole("group", { name: "Messages" }).hover();
      await page.mouse.wheel(0, -3000);
      await page.getByRole("button", { name: /Read the history/ }).click();
    },
  },
  {
    name: "chat-panel",
    path: "/chats/c1",
    ready: "text=Allow once",
    act: (page) => page.getByRole("button", { name: "What this chat may do" }).click(),
  },
  { name: "chat-streaming", path: "/chats/c2", sizes: [400, 1280], ready: "text=all come from" },
  {
    name: "chat-versions",
    path: "/chats/c3",
    sizes: [400, 1280],
    ready: "text=250 euros of EU 261",
  },
  { name: "chat-failed", path: "/chats/c5", ready: "text=Ollama does not answer" },
  {
    name: "chat-hostile",
    path: "/chats/c9",
    ready: "text=A heading",
    act: async (page) => {
      await page.getByRole("button", { name: /Read a file/ }).click();
      await page.mouse.move(700, 300);
      await page.mouse.wheel(0, -9000);
    },
  },
  {
    name: "chat-tools",
    path: "/chats/c1",
    ready: "text=Allow once",
    act: (page) => page.getByRole("button", { name: /^Tools:/ }).click(),
  },
  {
    name: "chat-model",
    path: "/chats/c1",
    sizes: [400, 1280],
    ready: "text=Allow once",
    act: (page) => page.getByRole("button", { name: /^Model:/ }).click(),
  },
  { name: "servers", path: "/servers", sizes: [400, 1280, 2560], ready: "text=Not installed" },
  { name: "servers-empty", path: "/servers?demo=empty", ready: "text=There is no server yet" },
  { name: "servers-slow", path: "/servers?demo=slow" },
  { name: "servers-failing", fails: true, path: "/servers?demo=failing", ready: "text=Try again" },
  { name: "add", path: "/servers/add", sizes: [400, 1280, 2560] },
  {
    name: "add-review",
    path: "/servers/add",
    sizes: [400, 1280],
    act: async (page) => {
      const field = page.getByLabel("Package or command", { exact: true });
      await field.fill("GITHUB_TOKEN=x npx -y github-mcp-server@0.24.1 --read-only /home/mira/src");
      await page.keyboard.press("Enter");
      await page.getByLabel("Host and port").fill("api.github.com");
      await page.keyboard.press("Enter");
    },
  },
  { name: "add-address", path: "/servers/add?way=address" },
  {
    name: "add-paste",
    path: "/servers/add?way=paste",
    sizes: [400, 1280],
    act: (page) => page.getByLabel("Configuration").fill(PASTED),
  },
  { name: "add-again", path: "/servers/add?from=github", ready: "text=Install GitHub again?" },
  {
    name: "server",
    path: "/servers/github",
    sizes: [400, 1280, 2560],
    ready: "text=Update an issue",
  },
  {
    name: "server-tool",
    path: "/servers/github?tool=search_issues",
    sizes: [400, 1280],
    ready: "text=Query",
    act: async (page) => {
      await page.getByRole("textbox", { name: "Query" }).fill("is:open label:performance");
      await page.getByRole("button", { name: "Run", exact: true }).click();
      await page.waitForSelector("text=What GitHub answered");
    },
  },
  { name: "server-fresh", path: "/servers/postgresql", ready: "text=I have looked at them" },
  {
    name: "server-access",
    path: "/servers/github?tab=access",
    sizes: [400, 1280],
    ready: "text=Refused",
  },
  {
    name: "server-logs",
    path: "/servers/github?tab=logs",
    sizes: [400, 1280],
    ready: "text=telemetry",
  },
  { name: "server-limits", path: "/servers/github?tab=limits", sizes: [400, 1280] },
  { name: "server-settings", path: "/servers/github?tab=settings", sizes: [400, 1280] },
  { name: "server-consent", path: "/servers/calendar", sizes: [400, 1280], ready: "text=Run them" },
  { name: "server-failed", path: "/servers/obsidian", sizes: [400, 1280], ready: "text=Try again" },
  { name: "server-gone", fails: true, path: "/servers/nothing", ready: "text=There is no server" },
  {
    name: "server-remove",
    path: "/servers/github?tab=settings",
    act: (page) => page.getByRole("button", { name: "Remove…" }).click(),
  },
  { name: "approvals", path: "/approvals", sizes: [400, 1280, 2560], ready: "text=Allow once" },
  { name: "approvals-empty", path: "/approvals?demo=empty", ready: "text=Nothing waits" },
  {
    name: "approvals-failing",
    fails: true,
    path: "/approvals?demo=failing",
    ready: "text=could not be loaded",
  },
  { name: "approvals-past", path: "/approvals?tab=past", sizes: [400, 1280], ready: "text=Denied" },
  {
    name: "permissions",
    path: "/approvals?tab=permissions",
    sizes: [400, 1280],
    ready: "text=Revoke",
  },
  {
    name: "rules",
    path: "/approvals?tab=rules",
    sizes: [400, 1280],
    ready: "text=delete_*",
    act: async (page) => {
      await page.getByRole("button", { name: "Add a rule" }).click();
      await page.getByLabel("Which tools").fill("*_issue*");
    },
  },
  { name: "approval", path: "/approvals/apr_2", sizes: [400, 1280], ready: "text=Allow once" },
  { name: "approval-denied", path: "/approvals/apr_0", ready: "text=Leila reviews first" },
  {
    name: "approval-gone",
    fails: true,
    path: "/approvals/apr_x",
    ready: "text=could not be loaded",
  },
  { name: "memories", path: "/memories", sizes: [400, 1280], ready: "text=No greetings" },
  { name: "memories-empty", path: "/memories?demo=empty", ready: "text=Nothing is remembered" },
  {
    name: "memories-edit",
    path: "/memories",
    ready: "text=No greetings",
    act: (page) => page.getByRole("button", { name: "Change team" }).click(),
  },
  { name: "audit", path: "/audit", sizes: [400, 1280, 2560], ready: "text=Called a tool" },
  {
    name: "audit-open",
    path: "/audit?kind=tool",
    sizes: [400, 1280],
    ready: "text=Called a tool",
    act: (page) =>
      page
        .getByRole("button", { name: /Called a tool/ })
        .first()
        .click(),
  },
  { name: "audit-none", path: "/audit?q=xyz", ready: "text=Nothing like that" },
  { name: "settings", path: "/settings/general", sizes: [400, 1280] },
  {
    name: "settings-search",
    path: "/settings/general",
    act: (page) => page.getByLabel("Search settings").fill("token"),
  },
  { name: "models", path: "/settings/models", sizes: [400, 1280, 2560], ready: "text=Qwen3 14B" },
  {
    name: "models-add",
    path: "/settings/models?demo=empty",
    sizes: [400, 1280],
    act: async (page) => {
      await page.getByRole("button", { name: "Add a provider" }).click();
      await page.getByLabel("Provider", { exact: true }).selectOption("other");
    },
  },
  { name: "clients", path: "/settings/clients", sizes: [400, 1280], ready: "text=Shut out" },
  {
    name: "clients-connect",
    path: "/settings/clients",
    sizes: [400, 1280],
    ready: "text=Shut out",
    act: async (page) => {
      await page.getByRole("button", { name: "Connect an app" }).click();
      await page.getByLabel("App", { exact: true }).selectOption("cursor");
      await page.getByRole("button", { name: "Let it in" }).click();
      await page.waitForSelector("text=shown this once");
    },
  },
  { name: "about", path: "/settings/about", sizes: [400, 1280], ready: "text=Podman" },
  {
    name: "about-failing",
    fails: true,
    path: "/settings/about?demo=failing",
    ready: "text=could not be loaded",
  },
  {
    name: "crowd-chat",
    path: "/chats/c1?demo=crowded",
    sizes: [400, 1280],
    ready: "text=Allow once",
  },
  { name: "crowd-servers", path: "/servers?demo=crowded", sizes: [400, 1280], ready: "text=Short" },
  {
    name: "crowd-tools",
    path: "/servers/github?demo=crowded&tool=search_issues_0",
    sizes: [400, 1280],
    ready: "text=Query",
  },
  {
    name: "crowd-approvals",
    path: "/approvals?demo=crowded",
    sizes: [400, 1280],
    ready: "text=Allow once",
  },
  {
    name: "crowd-memories",
    path: "/memories?demo=crowded",
    sizes: [400, 1280],
    ready: "text=Short",
  },
  {
    name: "crowd-nav",
    path: "/?demo=crowded",
    sizes: [400],
    act: (page) => page.getByRole("button", { name: "Show the sidebar" }).click(),
  },
  {
    name: "crowd-palette",
    path: "/?demo=crowded",
    sizes: [400, 1280],
    act: async (page) => {
      await page.keyboard.press("Control+k");
      await page.getByRole("combobox").fill("short");
    },
  },
  {
    name: "away",
    fails: true,
    path: "/?demo=away",
    sizes: [400, 1280],
    ready: "[role=alertdialog]",
  },
  { name: "signed-out", fails: true, path: "/?demo=signed-out", sizes: [400, 1280] },
];
