// Providers and their models.

import type { Model, Provider } from "@/api/types";
import { DAY, NOW } from "./time";

const provider = {
  has_key: false,
  default_model: null,
  enabled: true,
  found: false,
  demo: false,
  local: false,
  state: "ok",
  error: null,
  warnings: [],
  created_at_ms: NOW - 40 * DAY,
  updated_at_ms: NOW - 9 * DAY,
} satisfies Partial<Provider>;

export const providers: Provider[] = [
  {
    ...provider,
    id: "ollama",
    kind: "ollama",
    name: "Ollama",
    base_url: "http://127.0.0.1:11434",
    local: true,
    found: true,
    models: 2,
  },
  {
    ...provider,
    id: "openai",
    kind: "openai",
    name: "OpenAI",
    base_url: "https://api.openai.com/v1",
    has_key: true,
    state: "failed",
    error: {
      kind: "key",
      message: "OpenAI refused the key: it was revoked on 18 Nov",
      fix: "make a new one and paste it here",
      details: '{"error":{"code":"invalid_api_key"}}',
    },
    models: 0,
  },
  {
    ...provider,
    id: "vllm",
    kind: "openai",
    name: "Lab machine",
    base_url: "http://192.168.1.20:8000/v1",
    models: 1,
    warnings: ["what you write goes there unencrypted"],
  },
];

const model = { demo: false, vision: false, thinking: null, parameters: null };

export const models: Model[] = [
  {
    ...model,
    provider: "ollama",
    name: "qwen3:14b",
    title: "Qwen3 14B",
    local: true,
    tools: true,
    context_tokens: 32_000,
    size_bytes: 9_300_000_000,
  },
  {
    ...model,
    provider: "ollama",
    name: "gemma3:4b",
    title: "Gemma 3 4B",
    local: true,
    tools: false,
    context_tokens: 8192,
    size_bytes: 3_300_000_000,
  },
  {
    ...model,
    provider: "vllm",
    name: "mistral-small-24b",
    title: "Mistral Small 24B",
    local: false,
    tools: true,
    context_tokens: 128_000,
    size_bytes: null,
  },
];
