import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import tailwind from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url));

/** The policy that the program sends with the page; the demo is held to it, too. */
const CONTENT_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; worker-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'";

/** The worker that answers for the program in the demo. */
function demoWorker(): Plugin {
  const file = new URL("./node_modules/msw/lib/mockServiceWorker.js", import.meta.url);
  return {
    name: "demo-worker",
    generateBundle() {
      const source = readFileSync(file, "utf8");
      this.emitFile({ type: "asset", fileName: "mockServiceWorker.js", source });
    },
  };
}

export default defineConfig(({ mode }) => ({
  plugins: [react(), tailwind(), ...(mode === "demo" ? [demoWorker()] : [])],
  publicDir: "public",
  resolve: {
    alias: {
      "@": source("."),
      // It writes a style element, which the page's policy forbids, to stop a page from scrolling
      // that never scrolls.
      "react-remove-scroll": source("lib/remove-scroll.tsx"),
    },
  },
  build: {
    target: ["chrome123", "firefox121", "safari17.5"],
    // Everything stands in a file of its own: the policy knows no `data:` scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
    sourcemap: mode === "demo",
  },
  server: {
    proxy: {
      "/api": { target: process.env.ARCHESTRA_ADDRESS ?? "http://127.0.0.1:3000", ws: true },
    },
  },
  preview: { headers: { "Content-Security-Policy": CONTENT_POLICY } },
  test: {
    environment: "node",
    include: ["src/**/*.test.{ts,tsx}"],
    setupFiles: ["src/test/setup.ts"],
    restoreMocks: true,
    // The machine may be busy with other things.
    testTimeout: 30_000,
    expect: { poll: { timeout: 10_000 } },
  },
}));
