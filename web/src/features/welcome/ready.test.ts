import { expect, test } from "vitest";
import type { Finding } from "@/api/types";
import { commandOf, greeting, modelPart, sandboxPart } from "./ready";

const finding = (check: string, level: Finding["level"], fix?: string): Finding => ({
  check,
  level,
  message: `${check} is ${level}`,
  fix: fix ?? null,
});

test("a sandbox is missing where one of its parts is, with the command that mends it", () => {
  expect(sandboxPart(undefined)).toEqual({ state: "looking" });
  expect(
    sandboxPart([
      finding("podman", "ok"),
      finding("image", "problem", "run `archestra image build`"),
      finding("space", "warning"),
    ]),
  ).toEqual({
    state: "missing",
    words: "image is problem",
    fix: "run `archestra image build`",
    command: "archestra image build",
    check: "image",
  });
  expect(sandboxPart([finding("podman", "ok"), finding("space", "warning")])).toEqual({
    state: "ready",
    words: "podman is ok",
    note: "space is warning",
  });
  expect(sandboxPart([finding("registries", "problem")])).toMatchObject({ state: "ready" });
  const elsewhere = [finding("models", "warning"), finding("servers", "warning")];
  expect(sandboxPart(elsewhere)).toEqual({
    state: "ready",
    words: "containers can run on this machine",
    note: undefined,
  });
});

test.each([
  ["run `archestra image build`", "archestra image build"],
  ["start it with `systemctl --user start podman.socket`", "systemctl --user start podman.socket"],
  ["lower `install_free_bytes_min`", null],
  [null, null],
])("the command in %j", (fix, command) => expect(commandOf(fix)).toBe(command));

const provider = {
  id: "p",
  kind: "ollama" as const,
  name: "Ollama",
  base_url: "http://127.0.0.1:11434",
  has_key: false,
  default_model: null,
  created_at_ms: 0,
  updated_at_ms: 0,
  enabled: true,
  found: true,
  demo: false,
  local: true,
  state: "ok" as const,
  error: null,
  models: 1,
  warnings: [],
};
const model = {
  provider: "p",
  name: "qwen",
  title: "Qwen",
  local: true,
  demo: false,
  tools: false,
  context_tokens: null,
  size_bytes: null,
};
const rest = { default_chosen: false, failed: [] };
const chosen = { provider: "p", model: "qwen" };

test("a model is ready where one is chosen, and says what it cannot", () => {
  expect(modelPart({ models: [model], default: chosen, ...rest }, [provider])).toEqual({
    state: "ready",
    words: "Qwen at Ollama, on this machine",
    note: "It cannot use tools. Choose another one for that",
  });
  expect(modelPart({ models: [], default: null, ...rest }, [])).toMatchObject({
    state: "missing",
    words: "none was found on this machine",
  });
  expect(modelPart({ models: [model], default: null, ...rest }, [provider])).toMatchObject({
    words: "models were found, and none is chosen",
  });
  expect(
    modelPart({ models: [], default: null, ...rest }, [
      {
        ...provider,
        state: "failed",
        error: { kind: "unreachable" as const, message: "it does not answer", fix: "start it" },
      },
    ]),
  ).toMatchObject({ words: "it does not answer", fix: "start it" });
});

test("the greeting fits the hour", () => {
  expect([3, 9, 13, 20].map(greeting)).toEqual([
    "Good night",
    "Good morning",
    "Good afternoon",
    "Good evening",
  ]);
});
