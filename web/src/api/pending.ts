import type { ModelRef } from "@/api/types";

// What the API is going to have and its description does not have yet, in the description's own form.
// What has come goes from here; the compiler then holds the rest of the interface to the real shapes.

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

// ----- Memories

export interface MemoryBody {
  name: string;
  value: string;
  created_at_ms: number;
  updated_at_ms: number;
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
  "/api/v1/memories": { get: { answer: { memories: MemoryBody[] } } };
  "/api/v1/memories/{name}": {
    put: { path: { name: string }; body: { value: string }; answer: MemoryBody };
    delete: { path: { name: string }; answer: undefined };
  };
}

/** Holds every operation above to the form. */
type Checked<T extends { [P in keyof T]: { [M in keyof T[P]]: Operation } }> = T;
export type CheckedPaths = Checked<PendingPaths>;
