// A document in blocks, of which each is parsed once: while a text grows, only its last block is looked
// at again.

import type { Code, RootContent } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmFromMarkdown } from "mdast-util-gfm";
import { gfm } from "micromark-extension-gfm";
import { repair } from "./repair";

/** One block. While nothing of it changes, it is the same object. */
export interface Block {
  /** Its place among the blocks. */
  key: number;
  node: RootContent;
  /** It may still grow. */
  open: boolean;
}

export interface Document {
  blocks: readonly Block[];
  /** What was parsed. */
  text: string;
  /** How much of it will not change any more, and how many blocks that makes. */
  settled: number;
  settledBlocks: number;
  /** Nothing is to come. */
  whole: boolean;
}

export const EMPTY: Document = { blocks: [], text: "", settled: 0, settledBlocks: 0, whole: false };

/** The longest text that is parsed; more of it is shown as it is. */
const TEXT_MAX = 1_000_000;

/** Returns the document of `text`, taking over from `before` what is the same. */
export function parse(before: Document, text: string, whole: boolean): Document {
  if (before.text === text && before.whole === whole) return before;
  const grown = text.startsWith(before.text.slice(0, before.settled)) ? before : EMPTY;
  if (whole && hasDefinitions(text)) return allAtOnce(text);
  const blocks = grown.blocks.slice(0, grown.settledBlocks);
  let settled = grown.settled;
  // Each round settles what stands before the last block.
  for (;;) {
    const tail = text.slice(settled);
    if (!tail.trim()) break;
    const fence = fenced(tail);
    if (fence) {
      const isOpen = fence.length === tail.length && !fence.closed;
      blocks.push({ key: blocks.length, node: fence.node, open: isOpen && !whole });
      if (isOpen || fence.length === tail.length) {
        const before = fence.closed ? 1 : 0;
        const done = fence.closed ? settled + fence.length : settled;
        return { blocks, text, settled: done, settledBlocks: blocks.length - 1 + before, whole };
      }
      settled += fence.length;
      continue;
    }
    const nodes = parseNodes(tail.slice(0, TEXT_MAX));
    const last = nodes.at(-1);
    if (!last) break;
    // A fence in the middle is better read by itself, since it may be long and unfinished.
    const stop = nodes.findIndex((it, i) => i > 0 && it.type === "code");
    const end = stop > 0 ? stop : nodes.length - 1;
    for (const node of nodes.slice(0, end)) blocks.push({ key: blocks.length, node, open: false });
    if (stop > 0) {
      settled += lineStart(tail, nodes[stop]);
      continue;
    }
    const from = lineStart(tail, last);
    const settledBlocks = blocks.length;
    const shown = whole ? [last] : parseNodes(repair(tail.slice(from, TEXT_MAX)));
    for (const node of shown) blocks.push({ key: blocks.length, node, open: !whole });
    return { blocks, text, settled: settled + from, settledBlocks, whole };
  }
  return { blocks, text, settled, settledBlocks: blocks.length, whole };
}

function allAtOnce(text: string): Document {
  const nodes = parseNodes(text.slice(0, TEXT_MAX));
  const blocks = nodes.map((node, key) => ({ key, node, open: false }));
  return { blocks, text, settled: 0, settledBlocks: 0, whole: true };
}

function parseNodes(text: string): RootContent[] {
  return fromMarkdown(text, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] }).children;
}

/** Links may name an address that stands further down; that needs the whole text. */
function hasDefinitions(text: string): boolean {
  return /^ {0,3}\[[^\]\n]+\]:/m.test(text);
}

/** The place of the line in which a node begins. */
function lineStart(text: string, node: RootContent | undefined): number {
  const at = node?.position?.start.offset ?? 0;
  return text.lastIndexOf("\n", at - 1) + 1;
}

interface Fence {
  node: Code;
  length: number;
  closed: boolean;
}

/** Reads a fenced code at the beginning of `text`, blank lines before it left out. */
function fenced(text: string): Fence | null {
  const opening = /^(?:[ \t]*\n)*( {0,3})(`{3,}|~{3,})([^\n]*)(?:\n|$)/.exec(text);
  if (!opening) return null;
  const [head, indent = "", marks = "", info = ""] = opening;
  if (marks.startsWith("`") && info.includes("`")) return null;
  const sign = marks.charAt(0);
  const end = new RegExp(`^ {0,3}${sign}{${marks.length},}[ \\t]*$`);
  const strip = new RegExp(`^ {0,${indent.length}}`);
  const lines: string[] = [];
  let at = head.length;
  let closed = false;
  while (at < text.length) {
    const stop = text.indexOf("\n", at);
    const line = text.slice(at, stop < 0 ? text.length : stop);
    at = stop < 0 ? text.length : stop + 1;
    if (end.test(line)) {
      closed = true;
      break;
    }
    lines.push(indent ? line.replace(strip, "") : line);
  }
  const value = (closed ? lines : withoutMarks(lines, sign)).join("\n");
  const [lang = "", ...meta] = info.trim().split(/\s+/);
  const node: Code = { type: "code", lang: lang || null, meta: meta.join(" ") || null, value };
  return { node, length: at, closed };
}

/** The closing fence may be half there. */
function withoutMarks(lines: string[], sign: string): string[] {
  const last = lines.at(-1);
  const isPart = last !== undefined && last !== "" && [...last.trim()].every((it) => it === sign);
  return isPart ? lines.slice(0, -1) : lines;
}
