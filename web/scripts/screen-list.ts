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
  { name: "away", path: "/?demo=away", sizes: [400, 1280], ready: "[role=alertdialog]" },
  { name: "signed-out", path: "/?demo=signed-out", sizes: [400, 1280] },
];
