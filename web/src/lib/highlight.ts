// Colours for code. The highlighter and its grammars are loaded when the first code is seen.

import type { HighlighterCore, LanguageRegistration } from "shiki/core";

/** A piece of code, and the name of its colour. */
export interface Token {
  text: string;
  /** A CSS variable, or null where it has the colour of text. */
  color: string | null;
}

/** Longer code stays plain. */
const CODE_MAX = 60_000;
const KEPT_MAX = 200;

type Loader = () => Promise<{ default: LanguageRegistration[] }>;

const GRAMMARS: Record<string, Loader> = {
  bash: () => import("@shikijs/langs/bash"),
  c: () => import("@shikijs/langs/c"),
  cpp: () => import("@shikijs/langs/cpp"),
  css: () => import("@shikijs/langs/css"),
  diff: () => import("@shikijs/langs/diff"),
  docker: () => import("@shikijs/langs/docker"),
  go: () => import("@shikijs/langs/go"),
  html: () => import("@shikijs/langs/html"),
  java: () => import("@shikijs/langs/java"),
  json: () => import("@shikijs/langs/json"),
  php: () => import("@shikijs/langs/php"),
  python: () => import("@shikijs/langs/python"),
  ruby: () => import("@shikijs/langs/ruby"),
  rust: () => import("@shikijs/langs/rust"),
  sql: () => import("@shikijs/langs/sql"),
  toml: () => import("@shikijs/langs/toml"),
  tsx: () => import("@shikijs/langs/tsx"),
  typescript: () => import("@shikijs/langs/typescript"),
  xml: () => import("@shikijs/langs/xml"),
  yaml: () => import("@shikijs/langs/yaml"),
};

const ALIASES: Record<string, string> = {
  sh: "bash",
  shell: "bash",
  zsh: "bash",
  console: "bash",
  "c++": "cpp",
  dockerfile: "docker",
  golang: "go",
  htm: "html",
  js: "typescript",
  javascript: "typescript",
  mjs: "typescript",
  ts: "typescript",
  jsx: "tsx",
  jsonc: "json",
  py: "python",
  rb: "ruby",
  rs: "rust",
  svg: "xml",
  yml: "yaml",
  patch: "diff",
};

let highlighter: Promise<HighlighterCore> | null = null;
const kept = new Map<string, Token[][]>();

/** Returns whether code of this language can have colours. */
export function canHighlight(language: string | null, code: string): boolean {
  return language !== null && code.length <= CODE_MAX && grammar(language) !== undefined;
}

/** Returns code in coloured pieces, line by line; null where that is not possible. */
export async function highlight(language: string, code: string): Promise<Token[][] | null> {
  const name = grammar(language);
  if (!name || code.length > CODE_MAX) return null;
  const key = `${name}\n${code}`;
  const known = kept.get(key);
  if (known) return known;
  try {
    const core = await load();
    const loader = GRAMMARS[name];
    if (loader && !core.getLoadedLanguages().includes(name)) await core.loadLanguage(loader());
    const { tokens } = core.codeToTokens(code, { lang: name, theme: "ours" });
    const lines = tokens.map((line) =>
      line.map((it) => ({ text: it.content, color: colour(it.color) })),
    );
    if (kept.size >= KEPT_MAX) kept.delete(kept.keys().next().value ?? "");
    kept.set(key, lines);
    return lines;
  } catch {
    // Plain code is no harm.
    return null;
  }
}

/** Returns the pieces that were made before, at once. */
export function highlighted(language: string, code: string): Token[][] | null {
  return kept.get(`${grammar(language)}\n${code}`) ?? null;
}

function grammar(language: string): string | undefined {
  const name = language.toLowerCase();
  const known = ALIASES[name] ?? name;
  return Object.hasOwn(GRAMMARS, known) ? known : undefined;
}

function colour(value: string | undefined): string | null {
  return value && value !== "var(--code-foreground)" ? value : null;
}

function load(): Promise<HighlighterCore> {
  highlighter ??= (async () => {
    const [{ createHighlighterCore, createCssVariablesTheme }, { createJavaScriptRegexEngine }] =
      await Promise.all([import("shiki/core"), import("shiki/engine/javascript")]);
    const theme = createCssVariablesTheme({
      name: "ours",
      variablePrefix: "--code-",
      fontStyle: false,
    });
    return createHighlighterCore({
      themes: [theme],
      langs: [],
      engine: createJavaScriptRegexEngine({ forgiving: true }),
    });
  })();
  return highlighter;
}
