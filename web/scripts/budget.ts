// Fails the build when the page loads more JavaScript at first than it may.

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const INITIAL_GZIP_BYTES_MAX = 250_000;

interface Chunk {
  file: string;
  isEntry?: boolean;
  imports?: string[];
}

const dist = new URL("../dist/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", dist), "utf8")) as Record<
  string,
  Chunk
>;

/** The entry, and what it imports before anything runs. */
const initial = new Set<string>();
function add(key: string): void {
  const chunk = manifest[key];
  if (!chunk || initial.has(chunk.file)) return;
  initial.add(chunk.file);
  for (const imported of chunk.imports ?? []) add(imported);
}
for (const [key, chunk] of Object.entries(manifest)) if (chunk.isEntry) add(key);

let total = 0;
for (const file of initial) {
  const size = gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length;
  total += size;
  console.log(`${(size / 1000).toFixed(1).padStart(7)} KB gzip  ${file}`);
}
console.log(
  `${(total / 1000).toFixed(1).padStart(7)} KB gzip  at first, of ${INITIAL_GZIP_BYTES_MAX / 1000}`,
);

const page = readFileSync(new URL("index.html", dist), "utf8");
const inline = /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=/i.exec(page);
if (inline) {
  console.error(`index.html has something inline, which its policy forbids: ${inline[0]}`);
  process.exit(1);
}
if (total > INITIAL_GZIP_BYTES_MAX) {
  console.error("that is over the budget: load it when it is needed, by a route or by import()");
  process.exit(1);
}
