// The keyboard map, in one place, so that the list under `?` is what really happens.

import { useEffect, useRef } from "react";
import { remember, remembered } from "@/lib/theme";

interface Shortcut {
  group: "Anywhere" | "In a chat" | "While you are asked";
  words: string;
  /** `Mod` is the command key on a Mac, else Control. Letters are places on the keyboard. */
  keys: string;
  /** Also while somebody writes. */
  whileTyping: boolean;
}

export const SHORTCUTS = {
  palette: { group: "Anywhere", words: "Search and go to", keys: "Mod+K", whileTyping: true },
  newChat: { group: "Anywhere", words: "New chat", keys: "Mod+Shift+O", whileTyping: true },
  sidebar: {
    group: "Anywhere",
    words: "Show or hide the sidebar",
    keys: "Mod+B",
    whileTyping: true,
  },
  settings: { group: "Anywhere", words: "Settings", keys: "Mod+,", whileTyping: true },
  approvals: {
    group: "Anywhere",
    words: "What waits for you",
    keys: "Mod+Shift+U",
    whileTyping: true,
  },
  help: { group: "Anywhere", words: "This list", keys: "?", whileTyping: false },
  composer: {
    group: "In a chat",
    words: "Go to the message field",
    keys: "Shift+Escape",
    whileTyping: true,
  },
  stop: { group: "In a chat", words: "Stop the answer", keys: "Escape", whileTyping: true },
  model: { group: "In a chat", words: "Choose the model", keys: "Mod+Shift+M", whileTyping: true },
  tools: {
    group: "In a chat",
    words: "Tools of this chat",
    keys: "Mod+Shift+E",
    whileTyping: true,
  },
  copyAnswer: {
    group: "In a chat",
    words: "Copy the last answer",
    keys: "Mod+Shift+C",
    whileTyping: true,
  },
  regenerate: { group: "In a chat", words: "Answer again", keys: "Mod+Shift+G", whileTyping: true },
  allow: { group: "While you are asked", words: "Allow once", keys: "Alt+Y", whileTyping: true },
  deny: { group: "While you are asked", words: "Deny", keys: "Alt+N", whileTyping: true },
} as const satisfies Record<string, Shortcut>;

export type ShortcutId = keyof typeof SHORTCUTS;

/** What is pressed in fields, so nobody has to guess it. */
export const FIELD_KEYS: ReadonlyArray<[string, string]> = [
  ["Send the message", "Enter"],
  ["A new line", "Shift+Enter"],
  ["The message before", "ArrowUp"],
];

const OFF_KEY = "archestra.shortcuts";
const handlers = new Map<ShortcutId, () => unknown>();
let listening = false;

export function shortcutsAreOn(): boolean {
  return remembered(OFF_KEY) !== "off";
}

export function setShortcutsOn(on: boolean): void {
  remember(OFF_KEY, on ? null : "off");
}

/** Does something on a shortcut while the component is there; `false` says that it was not for it. */
export function useShortcut(id: ShortcutId, run: (() => unknown) | null): void {
  const latest = useRef(run);
  useEffect(() => {
    latest.current = run;
  });
  const isOn = run !== null;
  useEffect(() => {
    if (!isOn) return;
    listen();
    const before = handlers.get(id);
    const handler = () => latest.current?.();
    handlers.set(id, handler);
    return () => {
      if (handlers.get(id) !== handler) return;
      if (before) handlers.set(id, before);
      else handlers.delete(id);
    };
  }, [id, isOn]);
}

function listen(): void {
  if (listening) return;
  listening = true;
  window.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || !shortcutsAreOn()) return;
    const id = matching(event);
    if (!id || (isTyping(event.target) && !SHORTCUTS[id].whileTyping)) return;
    const handler = handlers.get(id);
    if (handler && handler() !== false) event.preventDefault();
  });
}

/** What is needed of a key press to tell what it is. */
type Press = Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "metaKey" | "shiftKey" | "altKey">;

/** Returns the shortcut that was pressed. */
export function matching(press: Press, mac = isMac()): ShortcutId | null {
  const ids = Object.keys(SHORTCUTS) as ShortcutId[];
  return ids.find((id) => isPressed(SHORTCUTS[id].keys, press, mac)) ?? null;
}

function isPressed(keys: string, press: Press, mac: boolean): boolean {
  const parts = keys.split("+");
  const key = parts.at(-1) ?? "";
  // Where a sign needs Shift depends on the keyboard.
  if (key === "?") return press.key === "?" && !press.ctrlKey && !press.metaKey && !press.altKey;
  const mod = parts.includes("Mod");
  if (press.shiftKey !== parts.includes("Shift") || press.altKey !== parts.includes("Alt"))
    return false;
  if ((mac ? press.metaKey : press.ctrlKey) !== mod) return false;
  if (mac ? press.ctrlKey : press.metaKey) return false;
  if (/^[A-Z]$/.test(key)) return press.key.toUpperCase() === key || press.code === `Key${key}`;
  return press.key === key;
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}

export function isMac(): boolean {
  return typeof navigator !== "undefined" && /mac|iphone|ipad/i.test(navigator.platform);
}

const SIGNS: Record<string, [string, string]> = {
  Mod: ["⌘", "Ctrl"],
  Shift: ["⇧", "Shift"],
  Alt: ["⌥", "Alt"],
  Escape: ["Esc", "Esc"],
  ArrowUp: ["↑", "↑"],
};

/** Returns keys as they are printed on them: `Ctrl Shift O`, `⌘ ⇧ O`. */
export function printed(keys: string, mac = isMac()): string {
  return keys
    .split("+")
    .map((it) => SIGNS[it]?.[mac ? 0 : 1] ?? it)
    .join(" ");
}

/** Returns the printed keys of a shortcut. */
export function keysOf(id: ShortcutId): string {
  return printed(SHORTCUTS[id].keys);
}
