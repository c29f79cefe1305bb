#!/usr/bin/env node
// A person in front of a browser, who does what each line on stdin says, one after the other.
//
//     ARCHESTRA_PEERS_MODULES=…/node_modules node browser.mjs ORIGIN [ARGUMENT OF CHROMIUM…]
//
// A line is {"do": "…", …} and is answered by one line: {"ok": true, "value": …} or
// {"ok": false, "error": "what was not so", "page": "what there is instead"}. With the end of stdin the
// browser ends. `ORIGIN` is the program's; what the page asks of anybody else is in `complaints`.
//
// `at` says what is meant, as a person would: {"role": "button", "name": "Deny"}, {"label": "Name"},
// {"text": "…"}; {"css": "…"} where there is no other way. `within` is another one around it, `exact`
// takes the name as it stands, `nth` one of several.

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";

const WAIT_MS = 10_000;
const PAGE_CHARS_MAX = 6_000;
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--font-render-hinting=none",
];
/** What a browser says of an answer with an error or of none, which the page itself shows to the person. */
const EXPECTED = /^Failed to load resource: |net::ERR_|WebSocket connection to .* failed/;

const modules = process.env.ARCHESTRA_PEERS_MODULES;
if (!modules) {
  console.error("browser: `ARCHESTRA_PEERS_MODULES` is not set; run the tests with `make test`");
  process.exit(64);
}
const require = createRequire(join(modules, "here.js"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [origin, ...more] = process.argv.slice(2);
const args = [...ARGS, ...more];
const browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args });
let context = null;
let page = null;
let complaints = [];

async function open({ width = 1280, height = 800, theme = "light", touch = false }) {
  await context?.close();
  context = await browser.newContext({
    baseURL: origin,
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion: "reduce",
    hasTouch: touch,
    locale: "en-GB",
    timezoneId: "UTC",
    permissions: ["clipboard-read", "clipboard-write"],
  });
  context.setDefaultTimeout(WAIT_MS);
  await newTab();
}

async function newTab() {
  page = await context.newPage();
  page.on("console", (it) => {
    const text = it.text();
    if (["error", "warning"].includes(it.type()) && !EXPECTED.test(text)) complaints.push(text);
  });
  page.on("pageerror", (it) => complaints.push(`${it.stack ?? it}`));
  page.on("request", (it) => {
    const url = it.url();
    const isOurs = url.startsWith(`${origin}/`) || /^(blob|data|about):/.test(url);
    if (!isOurs) complaints.push(`asked of somebody else: ${url.slice(0, 200)}`);
  });
}

function locate(at) {
  const around = at.within ? locate(at.within) : page;
  const exact = at.exact ?? false;
  let found = around;
  if (at.role) found = around.getByRole(at.role, at.name === undefined ? {} : { name: at.name, exact });
  else if (at.label) found = around.getByLabel(at.label, { exact });
  else if (at.text) found = around.getByText(at.text, { exact });
  else if (at.css) found = around.locator(at.css);
  if (at.has) found = found.filter({ hasText: at.has });
  return at.nth === undefined ? found : found.nth(at.nth);
}

const VERBS = {
  open,
  "new tab": newTab,
  goto: ({ path }) => page.goto(path).then(() => null),
  reload: () => page.reload().then(() => null),
  back: () => page.goBack().then(() => null),
  resize: async ({ width, height, theme }) => {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: theme });
    await settle();
  },
  click: ({ at }) => locate(at).click(),
  hover: ({ at }) => locate(at).hover(),
  scroll: ({ at }) => locate(at).first().evaluate((it) => it.scrollIntoView({ block: "start" })),
  focus: ({ at }) => locate(at).focus(),
  fill: ({ at, text }) => locate(at).fill(text),
  choose: ({ at, option }) => locate(at).selectOption(option),
  press: ({ keys }) => page.keyboard.press(keys),
  type: ({ text, each_ms }) => page.keyboard.type(text, { delay: each_ms ?? 0 }),
  wheel: ({ by }) => page.mouse.wheel(0, by),
  see: ({ at, wait_ms }) => locate(at).first().waitFor({ state: "visible", timeout: wait_ms ?? WAIT_MS }),
  gone: ({ at, wait_ms }) => waitForNone(locate(at), wait_ms ?? WAIT_MS),
  count: ({ at }) => locate(at).count(),
  read: ({ at }) => locate(at).first().innerText(),
  value: ({ at }) => locate(at).inputValue(),
  is_enabled: ({ at }) => locate(at).isEnabled(),
  address: () => page.url(),
  focused: () => page.evaluate(nameOfFocus),
  eval: ({ script }) => page.evaluate(script),
  wait: ({ script, wait_ms }) =>
    page.waitForFunction(script, null, { timeout: wait_ms ?? WAIT_MS }).then(() => null),
  picture: async ({ path }) => {
    mkdirSync(dirname(path), { recursive: true });
    await page.screenshot({ path });
  },
  look,
  complaints: () => {
    const all = complaints;
    complaints = [];
    return all;
  },
};

async function waitForNone(locator, timeout) {
  const end = Date.now() + timeout;
  while ((await locator.filter({ visible: true }).count()) > 0) {
    if (Date.now() > end) throw new Error(`it is still there after ${timeout} ms`);
    await page.waitForTimeout(50);
  }
}

/** Fonts are there, and nothing moves any more. */
async function settle() {
  await page.evaluate(async () => {
    await document.fonts.ready;
    const finite = document.getAnimations().filter((it) => it.effect?.getTiming().iterations !== Infinity);
    await Promise.allSettled(finite.map((it) => it.finished));
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  });
}

/** What is wrong with how the page is now: what axe finds, and what sticks out at the side. */
async function look({ axe: withAxe }) {
  await settle();
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  return page.evaluate(async (withAxe) => {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const options = { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] };
    const { violations } = withAxe ? await window.axe.run(document, options) : { violations: [] };
    const wrong = violations
      .filter((it) => it.impact === "serious" || it.impact === "critical")
      .flatMap((it) =>
        it.nodes.slice(0, 5).map((node) => `${it.id}: ${node.target.join(" ")}: ${node.html.slice(0, 160)}: ${node.failureSummary.slice(0, 300)}`),
      );
    const { scrollWidth, clientWidth } = document.scrollingElement;
    if (scrollWidth > clientWidth) wrong.push(`the page is ${scrollWidth} wide in a window of ${clientWidth}`);
    const main = document.querySelector("main");
    for (const it of main ? [main, ...main.querySelectorAll(":scope > *")] : []) {
      const { right } = it.getBoundingClientRect();
      if (right > innerWidth + 1) wrong.push(`${it.tagName}.${it.className} ends at ${Math.round(right)} of ${innerWidth}`);
    }
    return wrong;
  }, withAxe);
}

function nameOfFocus() {
  const it = document.activeElement;
  if (!it || it === document.body) return null;
  const name = it.getAttribute("aria-label") ?? it.labels?.[0]?.innerText ?? it.innerText ?? "";
  // A field's ring is around what stands beside it in its box, too.
  const around = [it, it.parentElement, it.parentElement?.parentElement].filter(Boolean);
  const shows =
    around.some((box) => getComputedStyle(box).outlineStyle !== "none") ||
    around.slice(0, 2).some((box) => getComputedStyle(box).boxShadow !== "none");
  const role = it.getAttribute("role") ?? it.tagName.toLowerCase();
  return { role, name: name.trim().split("\n")[0].slice(0, 120), shows };
}

/** What a person would see, for the message about what went wrong. */
async function seen() {
  try {
    const tree = await page.locator("body").ariaSnapshot({ timeout: 2_000 });
    return `${page.url()}\n${tree.slice(0, PAGE_CHARS_MAX)}`;
  } catch {
    return page?.url() ?? "there is no page";
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { do: verb, ...args } = JSON.parse(line);
  let answer;
  try {
    const run = VERBS[verb];
    if (!run) throw new Error(`there is no verb \`${verb}\``);
    answer = { ok: true, value: (await run(args)) ?? null };
  } catch (error) {
    answer = { ok: false, error: String(error?.message ?? error), page: await seen() };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
