// Takes pictures of the demo: `npm run build:demo && npm run screens -- chat server`. Words choose
// the pictures whose names contain one of them.

import { mkdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium, type Page } from "playwright-core";
import { preview } from "vite";
import { SCREENS, type Screen } from "./screen-list.ts";

declare global {
  var axe: typeof import("axe-core");
}

const SIZES = {
  400: { width: 400, height: 860 },
  1280: { width: 1280, height: 800 },
  2560: { width: 2560, height: 1300 },
} as const;

const AXE = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const words = process.argv.slice(2);
const server = await preview({
  mode: "demo",
  build: { outDir: "dist-demo" },
  preview: { port: 0 },
});
const base = server.resolvedUrls?.local[0];
if (!base) throw new Error("the demo has no address");
mkdirSync("screens", { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
let wrong = 0;
for (const screen of SCREENS) {
  for (const size of screen.sizes ?? [1280]) {
    for (const theme of screen.themes ?? (["light", "dark"] as const)) {
      const name = `${screen.name}${size === 1280 ? "" : `-${size}`}-${theme}`;
      if (words.length && !words.some((it) => name.includes(it))) continue;
      wrong += await take(screen, name, size, theme);
    }
  }
}
await browser.close();
await new Promise((done) => server.httpServer.close(done));
process.exit(wrong ? 1 : 0);

async function take(
  screen: Screen,
  name: string,
  size: keyof typeof SIZES,
  theme: "light" | "dark",
): Promise<number> {
  const context = await browser.newContext({
    viewport: SIZES[size],
    colorScheme: theme,
    reducedMotion: "reduce",
    hasTouch: size === 400,
    locale: "en-GB",
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (it) => {
    if (screen.fails && it.text().startsWith("Failed to load resource")) return;
    if (it.type() === "error" || it.type() === "warning") complaints.push(it.text());
  });
  page.on("pageerror", (it) => complaints.push(String(it)));
  try {
    await page.goto(new URL(screen.path, base).href);
    await page.waitForSelector(screen.ready ?? "h1", { timeout: 15_000 });
    await screen.act?.(page);
    await settle(page);
  } catch (error) {
    complaints.push(String(error));
  }
  complaints.push(...(await barriers(page)));
  await page.screenshot({ path: `screens/${name}.png` });
  await context.close();
  console.log(name, ...complaints.map((it) => `\n  ${it}`));
  return complaints.length;
}

/** What keeps people out who see, hear or move otherwise, by axe. */
async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    const { violations } = await axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
    return violations.map(({ id, impact, nodes }) => ({
      id,
      impact,
      nodes: nodes.slice(0, 3).map((it) => `${it.html.slice(0, 200)} ${it.failureSummary ?? ""}`),
    }));
  });
  return found.map((it) => `${it.impact} ${it.id}: ${it.nodes.join("\n    ")}`);
}

/** Fonts are there, and nothing is drawn any more. */
async function settle(page: Page): Promise<void> {
  await page.evaluate(() => document.fonts.ready);
  await page.waitForTimeout(400);
}
