import type { Page } from "playwright-core";

export interface Screen {
  name: string;
  path: string;
  sizes?: ReadonlyArray<400 | 1280 | 2560>;
  themes?: ReadonlyArray<"light" | "dark">;
  /** What has to be there. */
  ready?: string;
  /** What is done before the picture is taken. */
  act?: (page: Page) => Promise<unknown>;
}

export const SCREENS: readonly Screen[] = [
  { name: "components", path: "/components", sizes: [400, 1280] },
  { name: "home", path: "/", sizes: [400, 1280] },
  { name: "home-empty", path: "/?demo=empty", sizes: [400, 1280] },
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
  { name: "away", path: "/?demo=away", sizes: [400, 1280], ready: "[role=alertdialog]" },
  { name: "signed-out", path: "/?demo=signed-out", sizes: [400, 1280] },
];
