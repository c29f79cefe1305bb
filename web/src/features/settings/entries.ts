// What can be set, and where, so that it is found by its words.

export interface Entry {
  title: string;
  /** Other words for it. */
  words: string;
  to: string;
}

export const ENTRIES: readonly Entry[] = [
  { title: "Theme", words: "dark light system colours appearance", to: "/settings/general" },
  { title: "Keyboard shortcuts", words: "keys off hotkeys", to: "/settings/general" },
  { title: "Open on another browser", words: "link sign in login device", to: "/settings/general" },
  { title: "Sign out of this browser", words: "log out session end", to: "/settings/general" },
  { title: "Providers of models", words: "ollama openai llm api key add", to: "/settings/models" },
  { title: "Model of new chats", words: "default choose", to: "/settings/models" },
  { title: "Keys of providers", words: "api key secret change", to: "/settings/models" },
  {
    title: "Connect an app",
    words: "claude desktop cursor vs code token mcp client zed windsurf codex",
    to: "/settings/clients",
  },
  { title: "Shut an app out", words: "token revoke remove", to: "/settings/clients" },
  { title: "Address for apps", words: "url endpoint mcp connect", to: "/settings/clients" },
  { title: "Permissions", words: "grants allowed revoke always", to: "/approvals?tab=permissions" },
  { title: "Rules about tools", words: "policy deny ask allow glob", to: "/approvals?tab=rules" },
  { title: "What is remembered", words: "memory memories forget", to: "/memories" },
  { title: "Audit", words: "log history export what happened", to: "/audit" },
  { title: "Servers", words: "mcp add remove restart", to: "/servers" },
  { title: "Diagnostics", words: "doctor podman image problem disk", to: "/settings/about" },
  { title: "Version", words: "about licence", to: "/settings/about" },
];
