// What the API is going to have and its description does not have yet, in the description's own form.
// What has come goes from here; the compiler then holds the rest of the interface to the real shapes.

import type { components } from "@/api/schema";

type Schemas = components["schemas"];

/** One operation: what goes in, and what comes back. */
interface Operation {
  path?: Record<string, string>;
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  answer: unknown;
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

// ----- Chats and runs

/** `waiting`: its run is parked, since a person has to decide or to answer. */
export type ChatStatus = "idle" | "running" | "waiting" | "failed";

export interface ModelRef {
  provider: string;
  model: string;
}

export interface ChatBody {
  id: string;
  title: string;
  status: ChatStatus;
  pinned: boolean;
  model: ModelRef | null;
  created_at_ms: number;
  updated_at_ms: number;
  /** Where a search found something: the beginning of what was found. */
  excerpt?: string | null;
}

export interface ChatListBody {
  chats: ChatBody[];
  /** What to send as `before` for those that follow. */
  next: string | null;
}

/** A message as the AI SDK has it, with what only we know. */
export interface MessageBody {
  id: string;
  role: "user" | "assistant";
  parts: JsonObject[];
  metadata?: JsonObject | null;
  created_at_ms: number;
  /** When the run that it is came to its end. */
  ended_at_ms?: number | null;
}

export interface QueuedBody {
  id: string;
  text: string;
  created_at_ms: number;
}

export interface ChatDetailsBody extends ChatBody {
  messages: MessageBody[];
  /** There are older messages than these. */
  has_older: boolean;
  /** Messages that are sent when the run ends. */
  queued: QueuedBody[];
  /** The run that is going on or parked. */
  run: { id: string; state: string; message: string } | null;
  context: { used_tokens: number; tools_tokens: number; max_tokens: number | null } | null;
}

export interface AttachmentBody {
  filename: string;
  media_type: string;
  /** Base64. */
  data: string;
}

export interface SendBody {
  text: string;
  attachments?: AttachmentBody[];
}

export interface SentBody {
  message: string;
  /** Null where it is queued. */
  run: string | null;
}

export interface ChatToolBody {
  server: string;
  tool: string;
  enabled: boolean;
  /** What its definition costs in each request, more or less. */
  tokens: number;
}

export interface ChatToolsBody {
  tools: ChatToolBody[];
  /** What holds for tools that were not set in this chat. */
  default: "all" | "none";
}

// ----- Approvals, grants, rules

export type ScopeBody = "once" | "chat" | "client" | "everywhere";

export interface ApprovalBody {
  id: string;
  server: string;
  tool: string;
  pin: string;
  why: string;
  arguments: JsonObject;
  definition: JsonObject;
  state: "open" | "approved" | "denied" | "expired" | "stale" | "withdrawn";
  chat: string | null;
  /** The name of the client that called. */
  client: string | null;
  created_at_ms: number;
  expires_at_ms: number | null;
  decided_at_ms: number | null;
  decided_by: string | null;
  scope: ScopeBody | null;
  reason: string | null;
}

export interface DecisionBody {
  verdict: "approve" | "deny";
  /** The pin of the tool that was shown. */
  pin: string;
  scope?: ScopeBody;
  arguments?: JsonObject;
  reason?: string;
}

export interface GrantBody {
  id: string;
  scope: ScopeBody;
  server: string;
  tool: string;
  chat: string | null;
  client: string | null;
  created_at_ms: number;
  expires_at_ms: number | null;
}

export type EffectBody = "deny" | "ask" | "allow";

export interface RuleBody {
  id: string;
  /** A slug; null is all servers. */
  server: string | null;
  /** With `*` and `?`. */
  tool: string;
  effect: EffectBody;
  created_at_ms: number;
}

// ----- Tools as people look at them

export interface ReviewedToolBody {
  name: string;
  advertised: string;
  standing: "pinned" | "changed" | "added" | "removed";
  /** Of the definition that is shown. */
  pin: string;
  definition: JsonObject;
  /** What was pinned before, where it differs. */
  pinned: { pin: string; definition: JsonObject; pinned_at_ms: number } | null;
  looked_at_ms: number | null;
  looked_by: string | null;
  setting: EffectBody | null;
  /** What happens when a model wants it, after all rules. */
  effect: EffectBody;
  tokens: number;
}

// ----- Memories

export interface MemoryBody {
  name: string;
  value: string;
  created_at_ms: number;
  updated_at_ms: number;
}

// ----- Providers and models

export interface ModelErrorBody {
  kind: string;
  message: string;
  fix: string;
  details?: string | null;
}

export interface ProviderBody {
  id: string;
  kind: "openai" | "ollama";
  title: string;
  url: string;
  has_key: boolean;
  /** On this machine: nothing leaves it. */
  local: boolean;
  /** It was found, nobody set it up. */
  found: boolean;
  state: "ok" | "failed" | "unknown";
  error: ModelErrorBody | null;
  models: number;
  tested_at_ms: number | null;
  latency_ms: number | null;
}

export interface ModelBody {
  provider: string;
  name: string;
  title: string;
  local: boolean;
  tools: boolean | null;
  context_tokens: number | null;
  size_bytes: number | null;
}

export interface ModelListBody {
  models: ModelBody[];
  default: ModelRef | null;
}

export interface NewProviderBody {
  kind: "openai" | "ollama";
  title: string;
  url: string;
  key?: string;
}

type Chat = { chat: string };

/** Paths, methods and what they take and give. */
export interface PendingPaths {
  "/api/v1/chats": {
    get: { query: { q?: string; before?: string; limit?: number }; answer: ChatListBody };
    post: { body: { model?: ModelRef; title?: string }; answer: ChatBody };
  };
  "/api/v1/chats/{chat}": {
    get: { path: Chat; answer: ChatDetailsBody };
    patch: {
      path: Chat;
      body: { title?: string; pinned?: boolean; model?: ModelRef };
      answer: ChatBody;
    };
    delete: { path: Chat; answer: undefined };
  };
  "/api/v1/chats/{chat}/messages": {
    get: {
      path: Chat;
      query: { before?: string; limit?: number };
      answer: { messages: MessageBody[]; has_older: boolean };
    };
    post: { path: Chat; body: SendBody; answer: SentBody };
  };
  "/api/v1/chats/{chat}/messages/{message}/rerun": {
    /** Of a person's message, with another text where there is one; of an answer, again. */
    post: { path: Chat & { message: string }; body: { text?: string }; answer: SentBody };
  };
  "/api/v1/chats/{chat}/queue/{message}": {
    delete: { path: Chat & { message: string }; answer: undefined };
  };
  "/api/v1/chats/{chat}/stop": { post: { path: Chat; answer: undefined } };
  "/api/v1/chats/{chat}/resume": { post: { path: Chat; answer: SentBody } };
  "/api/v1/chats/{chat}/tools": {
    get: { path: Chat; answer: ChatToolsBody };
    put: {
      path: Chat;
      body: {
        default?: "all" | "none";
        tools?: Array<{ server: string; tool: string; enabled: boolean }>;
      };
      answer: ChatToolsBody;
    };
  };
  "/api/v1/chats/{chat}/elicitations/{elicitation}": {
    post: {
      path: Chat & { elicitation: string };
      body: { action: "accept" | "decline" | "cancel"; content?: JsonObject };
      answer: undefined;
    };
  };
  "/api/v1/approvals": {
    get: {
      query: { open?: boolean; chat?: string; before?: string; limit?: number };
      answer: { approvals: ApprovalBody[]; next: string | null };
    };
  };
  "/api/v1/approvals/{approval}": {
    get: { path: { approval: string }; answer: ApprovalBody };
  };
  "/api/v1/approvals/{approval}/decision": {
    post: { path: { approval: string }; body: DecisionBody; answer: ApprovalBody };
  };
  "/api/v1/grants": { get: { answer: { grants: GrantBody[] } } };
  "/api/v1/grants/{grant}": { delete: { path: { grant: string }; answer: undefined } };
  "/api/v1/rules": {
    get: { answer: { rules: RuleBody[] } };
    post: {
      body: { server?: string | null; tool: string; effect: EffectBody };
      answer: RuleBody;
    };
  };
  "/api/v1/rules/{rule}": { delete: { path: { rule: string }; answer: undefined } };
  "/api/v1/servers/{server}/tools": {
    get: {
      path: { server: string };
      answer: { tools: ReviewedToolBody[]; changes: "ask" | "follow" | "block" };
    };
  };
  "/api/v1/servers/{server}/tools/{tool}": {
    /** Looks at a tool: agrees with its definition, and says what happens when a model wants it. */
    put: {
      path: { server: string; tool: string };
      body: { pin: string; setting: EffectBody | null };
      answer: ReviewedToolBody;
    };
  };
  "/api/v1/memories": { get: { answer: { memories: MemoryBody[] } } };
  "/api/v1/memories/{name}": {
    put: { path: { name: string }; body: { value: string }; answer: MemoryBody };
    delete: { path: { name: string }; answer: undefined };
  };
  "/api/v1/providers": {
    get: { answer: { providers: ProviderBody[] } };
    post: { body: NewProviderBody; answer: ProviderBody };
  };
  "/api/v1/providers/{provider}": {
    patch: {
      path: { provider: string };
      body: { title?: string; url?: string; key?: string };
      answer: ProviderBody;
    };
    delete: { path: { provider: string }; answer: undefined };
  };
  "/api/v1/providers/{provider}/test": {
    post: { path: { provider: string }; answer: ProviderBody };
  };
  "/api/v1/models": { get: { answer: ModelListBody } };
  "/api/v1/models/default": { put: { body: ModelRef; answer: undefined } };
}

/** Holds every operation above to the form. */
type Checked<T extends { [P in keyof T]: { [M in keyof T[P]]: Operation } }> = T;
export type CheckedPaths = Checked<PendingPaths>;

export type Finding = Schemas["FindingBody"];
