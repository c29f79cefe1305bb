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

export type ApprovalStateBody = "open" | "approved" | "denied" | "expired" | "stale" | "withdrawn";

export interface ApprovalBody {
  id: string;
  state: ApprovalStateBody;
  server: string;
  server_id: string;
  tool: string;
  pin: string;
  principal: string;
  token: string | null;
  /** The name of the client that called. */
  client: string | null;
  chat: string | null;
  /** Why it is asked, in words. */
  why: string;
  arguments: JsonObject;
  /** For what it can be approved. */
  scopes: ScopeBody[];
  created_at_ms: number;
  expires_at_ms: number | null;
  decided_at_ms: number | null;
  decided_by: string | null;
  scope: ScopeBody | null;
  /** Why it was denied. */
  reason: string | null;
  /** What the call is made with instead. */
  edited_arguments: JsonObject | null;
  /** Only where one request is asked for. */
  definition?: JsonObject | null;
}

export interface DecisionBody {
  /** The pin of the tool that was shown. */
  pin: string;
  decision: "approve" | "deny";
  scope?: ScopeBody;
  arguments?: JsonObject;
  reason?: string;
}

export interface GrantBody {
  id: string;
  is_active: boolean;
  scope: ScopeBody;
  /** The slug of its server; null where that is gone. */
  server: string | null;
  server_id: string;
  tool: string;
  pin: string;
  principal: string;
  token: string | null;
  client: string | null;
  chat: string | null;
  approval: string | null;
  created_by: string;
  created_at_ms: number;
  expires_at_ms: number | null;
  used_at_ms: number | null;
  revoked_at_ms: number | null;
}

export type EffectBody = "deny" | "ask" | "allow";

export interface RuleBody {
  id: string;
  /** A slug; null is all servers. */
  server: string | null;
  server_id: string | null;
  /** With `*` and `?`. */
  tool: string;
  effect: EffectBody;
  created_by: string;
  created_at_ms: number;
}

// ----- Tools as people look at them

export type ToolChangesBody = "ask" | "follow" | "block";

export interface ToolReviewBody {
  name: string;
  state: "pinned" | "changed" | "added" | "gone";
  /** As the server tells it now; null where it is gone. */
  told: { advertised: string; pin: string; definition: JsonObject; is_read_only: boolean } | null;
  /** As it is pinned; null where it is new. */
  pinned: {
    pin: string;
    definition: JsonObject;
    looked_at_ms: number | null;
    looked_by: string | null;
    setting: EffectBody | null;
  } | null;
  /** The tool that is gone and was the same in all but its name. */
  renamed_from: string | null;
  changes: Array<{ field: string; before: Json; after: Json }>;
  hidden: Array<{ field: string; at: number; character: string }>;
}

export interface ToolReviewsBody {
  tool_changes: ToolChangesBody;
  tools: ToolReviewBody[];
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
  name: string;
  base_url: string;
  has_key: boolean;
  default_model: string | null;
  enabled: boolean;
  /** It was found, nobody set it up. */
  found: boolean;
  /** It only plays a model. */
  demo: boolean;
  /** On this machine: nothing leaves it. */
  local: boolean;
  /** How it was when it was asked last. */
  state: "unknown" | "ok" | "failed";
  error: ModelErrorBody | null;
  models: number;
  /** What a person should know about it, in words. */
  warnings: string[];
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
  name?: string;
  base_url: string;
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
  "/api/v1/approvals/{approval}/decide": {
    post: { path: { approval: string }; body: DecisionBody; answer: ApprovalBody };
  };
  "/api/v1/grants": {
    get: {
      query: { active?: boolean; before?: string; limit?: number };
      answer: { grants: GrantBody[]; next: string | null };
    };
  };
  "/api/v1/grants/{grant}": { delete: { path: { grant: string }; answer: undefined } };
  "/api/v1/policy/rules": {
    get: { answer: { rules: RuleBody[] } };
    post: {
      body: { server?: string | null; tool: string; effect: EffectBody };
      answer: RuleBody;
    };
  };
  "/api/v1/policy/rules/{rule}": { delete: { path: { rule: string }; answer: undefined } };
  "/api/v1/servers/{server}/tools": {
    get: { path: { server: string }; answer: ToolReviewsBody };
  };
  "/api/v1/servers/{server}/tools/look": {
    /** Agrees with definitions, and says what happens when a model wants the tools. */
    post: {
      path: { server: string };
      body: { tools: Array<{ tool: string; pin: string; setting?: EffectBody }> };
      answer: undefined;
    };
  };
  "/api/v1/servers/{server}/tool-changes": {
    put: { path: { server: string }; body: { changes: ToolChangesBody }; answer: undefined };
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
  "/api/v1/providers/discover": { post: { answer: { providers: ProviderBody[] } } };
  "/api/v1/providers/{provider}": {
    patch: {
      path: { provider: string };
      body: { name?: string; base_url?: string; enabled?: boolean };
      answer: ProviderBody;
    };
    delete: { path: { provider: string }; answer: undefined };
  };
  "/api/v1/providers/{provider}/key": {
    put: { path: { provider: string }; body: { key: string }; answer: undefined };
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
