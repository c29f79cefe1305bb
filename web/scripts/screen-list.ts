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
];
