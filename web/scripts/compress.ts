// Writes what is text a second time, compressed, beside itself: the program sends that to browsers.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

/** Of less than this, a compressed form saves no packet. */
const BYTES_MIN = 1024;
const TEXT = /\.(css|html|js|json|svg|txt)$/;

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !TEXT.test(entry.name) || entry.parentPath.includes(".vite")) continue;
  const path = `${entry.parentPath}/${entry.name}`;
  const bytes = readFileSync(path);
  if (bytes.length < BYTES_MIN) continue;
  const gzip = gzipSync(bytes, { level: 9 });
  if (gzip.length < bytes.length * 0.9) writeFileSync(`${path}.gz`, gzip);
}
