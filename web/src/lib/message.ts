// A message as the AI SDK has it ("UI messages"), put together from the chunks of a run's stream.
//
// It is a pure function of chunks: it knows no connection, no clock and no React. Chunks come many at a
// time, once for each picture that the browser draws; what they do not touch stays the same object, so
// that only what has changed is drawn again. The SDK's own reader is the oracle in the tests.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export interface TextPart {
  type: "text" | "reasoning";
  text: string;
  state?: "streaming" | "done";
}

export type ToolState =
  | "input-streaming"
  | "input-available"
  | "approval-requested"
  | "approval-responded"
  | "output-available"
  | "output-error"
  | "output-denied";

export interface ToolPart {
  type: "dynamic-tool";
  toolName: string;
  toolCallId: string;
  state: ToolState;
  title?: string;
  input?: Json;
  /** What the model has written of its input so far; ours, not the SDK's. */
  inputText?: string;
  output?: Json;
  errorText?: string;
  approval?: { id: string; approved?: boolean; reason?: string };
}

export interface DataPart {
  type: `data-${string}`;
  id?: string;
  data: Json;
}

export interface FilePart {
  type: "file";
  mediaType: string;
  url: string;
  filename?: string;
}

export type Part = TextPart | ToolPart | DataPart | FilePart | { type: "step-start" };

export interface Message {
  id: string;
  role: "user" | "assistant";
  metadata?: Record<string, unknown> | null;
  parts: readonly Part[];
}

/** A message that is being read. */
export interface Reading {
  message: Message;
  /** The texts that are being written, by their names in the stream. */
  open: Readonly<Record<string, number>>;
  /** How the stream says that it ended. */
  finish: string | null;
  /** What the stream says went wrong. */
  error: string | null;
  /** Chunks that made no sense where they came, or are not known. */
  ignored: number;
}

export function beginReading(message: Message): Reading {
  return { message, open: {}, finish: null, error: null, ignored: 0 };
}

/** A chunk is what a program sent: its type is looked at, the rest as far as it is needed. */
export type Chunk = { type: string } & Record<string, unknown>;

/** Returns the reading after these chunks. */
export function readChunks(before: Reading, chunks: readonly Chunk[]): Reading {
  if (!chunks.length) return before;
  const draft = new Draft(before);
  for (const chunk of chunks) draft.read(chunk);
  return draft.done();
}

/** Reads many chunks with one copy of what they change. */
class Draft {
  private parts: Part[];
  /** Which parts are this draft's own. */
  private readonly fresh = new Set<number>();
  private open: Record<string, number>;
  private message: Message;
  private finish: string | null;
  private error: string | null;
  private ignored: number;

  constructor({ message, open, finish, error, ignored }: Reading) {
    this.message = message;
    this.parts = [...message.parts];
    this.open = { ...open };
    this.finish = finish;
    this.error = error;
    this.ignored = ignored;
  }

  done(): Reading {
    return {
      message: { ...this.message, parts: this.parts },
      open: this.open,
      finish: this.finish,
      error: this.error,
      ignored: this.ignored,
    };
  }

  read(chunk: Chunk): void {
    switch (chunk.type) {
      case "start":
        this.start(chunk);
        break;
      case "message-metadata":
        this.metadata(chunk.messageMetadata);
        break;
      case "finish":
        this.finish = text(chunk.finishReason) || "stop";
        this.metadata(chunk.messageMetadata);
        break;
      case "abort":
        this.finish = "abort";
        break;
      case "error":
        this.error = text(chunk.errorText);
        break;
      case "start-step":
        this.parts.push({ type: "step-start" });
        break;
      case "finish-step":
        this.open = {};
        break;
      case "reset-step":
        this.resetStep();
        break;
      case "file":
        this.parts.push({ type: "file", mediaType: text(chunk.mediaType), url: text(chunk.url) });
        break;
      default:
        this.part(chunk);
    }
  }

  private part(chunk: Chunk): void {
    const { type } = chunk;
    if (type.startsWith("text-") || type.startsWith("reasoning-")) this.textChunk(chunk);
    else if (type.startsWith("tool-")) this.toolChunk(chunk);
    else if (type.startsWith("data-")) this.dataChunk(chunk);
    else this.ignored += 1;
  }

  private start(chunk: Chunk): void {
    if (typeof chunk.messageId === "string")
      this.message = { ...this.message, id: chunk.messageId };
    this.finish = null;
    this.error = null;
    this.metadata(chunk.messageMetadata);
  }

  private metadata(more: unknown): void {
    if (!isObject(more)) return;
    this.message = { ...this.message, metadata: { ...this.message.metadata, ...more } };
  }

  /** The step is tried again: what it has written is gone. */
  private resetStep(): void {
    const at = this.parts.findLastIndex((it) => it.type === "step-start");
    this.parts.length = at + 1;
    this.open = {};
  }

  private textChunk(chunk: Chunk): void {
    const [kind = "", what = ""] = chunk.type.split("-");
    const type = kind as TextPart["type"];
    const name = `${kind} ${text(chunk.id)}`;
    if (what === "start") {
      this.open[name] = this.parts.length;
      this.fresh.add(this.parts.length);
      this.parts.push({ type, text: "", state: "streaming" });
      return;
    }
    const at = this.open[name];
    const part = at === undefined ? null : this.own(at);
    if (part === null || (part.type !== "text" && part.type !== "reasoning")) {
      this.ignored += 1;
    } else if (what === "delta") {
      part.text += text(chunk.delta);
    } else {
      part.state = "done";
      delete this.open[name];
    }
  }

  private toolChunk(chunk: Chunk): void {
    const id = text(chunk.toolCallId);
    if (chunk.type === "tool-input-start") {
      this.put(
        id,
        { toolName: text(chunk.toolName), state: "input-streaming", inputText: "" },
        chunk,
      );
      return;
    }
    if (chunk.type === "tool-input-available") {
      const change = {
        toolName: text(chunk.toolName),
        state: "input-available",
        input: chunk.input,
      } as const;
      this.put(id, change, chunk);
      return;
    }
    if (chunk.type === "tool-input-error") {
      const { toolName, input, errorText } = chunk;
      const change = {
        toolName: text(toolName),
        state: "output-error",
        input,
        errorText: text(errorText),
      } as const;
      this.put(id, change, chunk);
      return;
    }
    const part =
      chunk.type === "tool-approval-response"
        ? this.approved(text(chunk.approvalId))
        : this.tool(id);
    if (!part) {
      this.ignored += 1;
      return;
    }
    this.changeTool(part, chunk);
  }

  private changeTool(part: ToolPart, chunk: Chunk): void {
    switch (chunk.type) {
      case "tool-input-delta":
        part.inputText = (part.inputText ?? "") + text(chunk.inputTextDelta);
        break;
      case "tool-approval-request":
        part.state = "approval-requested";
        part.approval = { id: text(chunk.approvalId) };
        break;
      case "tool-approval-response":
        part.state = "approval-responded";
        part.approval = {
          id: text(chunk.approvalId),
          approved: chunk.approved === true,
          ...(typeof chunk.reason === "string" ? { reason: chunk.reason } : {}),
        };
        break;
      case "tool-output-available":
        part.state = "output-available";
        part.output = chunk.output as Json;
        break;
      case "tool-output-error":
        part.state = "output-error";
        part.errorText = text(chunk.errorText);
        break;
      case "tool-output-denied":
        part.state = "output-denied";
        break;
      default:
        this.ignored += 1;
    }
  }

  /** Adds a call, or changes the one that is there. */
  private put(
    id: string,
    change: Partial<Omit<ToolPart, "input">> & { input?: unknown },
    chunk: Chunk,
  ): void {
    const { inputText, ...rest } = change;
    const title = typeof chunk.title === "string" ? { title: chunk.title } : {};
    const there = this.tool(id);
    if (there) {
      delete there.inputText;
      Object.assign(there, rest, title, inputText === undefined ? {} : { inputText });
      return;
    }
    this.fresh.add(this.parts.length);
    const part = { type: "dynamic-tool", toolCallId: id, ...rest, ...title } as ToolPart;
    if (inputText !== undefined) part.inputText = inputText;
    this.parts.push(part);
  }

  private dataChunk(chunk: Chunk): void {
    if (chunk.transient === true) return;
    const type = chunk.type as DataPart["type"];
    const id = typeof chunk.id === "string" ? chunk.id : undefined;
    const part: DataPart = { type, ...(id === undefined ? {} : { id }), data: chunk.data as Json };
    const at =
      id === undefined
        ? -1
        : this.parts.findIndex((it) => it.type === type && "id" in it && it.id === id);
    if (at < 0) this.parts.push(part);
    else this.parts[at] = part;
  }

  private tool(id: string): ToolPart | null {
    const at = this.parts.findIndex((it) => it.type === "dynamic-tool" && it.toolCallId === id);
    return at < 0 ? null : (this.own(at) as ToolPart);
  }

  private approved(id: string): ToolPart | null {
    const at = this.parts.findIndex((it) => it.type === "dynamic-tool" && it.approval?.id === id);
    return at < 0 ? null : (this.own(at) as ToolPart);
  }

  /** Returns a part that may be changed. */
  private own(at: number): Part | null {
    const part = this.parts[at];
    if (!part) return null;
    if (this.fresh.has(at)) return part;
    this.fresh.add(at);
    const copy = { ...part };
    this.parts[at] = copy;
    return copy;
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
