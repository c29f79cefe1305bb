// What belongs together in an answer: a call with its progress, its outcome and what a person said to it.

import type { DataPart, Json, JsonObject, Part } from "@/lib/message";

export interface Outcome {
  outcome: "done" | "error" | "refused" | "unknown";
  durationMs: number | null;
  cutBytes: number;
  facts: JsonObject | null;
}

export interface CallProgress {
  progress: number | null;
  total: number | null;
  message: string | null;
}

export interface Consent {
  by: string | null;
  scope: string | null;
  /** What was sent in place of the model's arguments. */
  arguments: Json;
}

export interface Question {
  id: string;
  callId: string;
  message: string;
  schema: Json;
  url: string | null;
  /** What became of it, where somebody has answered. */
  action: "accept" | "decline" | "cancel" | null;
}

export interface End {
  reason: "complete" | "stopped" | "steps_max" | "failed" | "interrupted";
  stepsMax: number | null;
  error: { kind: string; message: string; fix: string; details: string | null } | null;
}

export interface About {
  outcomes: Map<string, Outcome>;
  progress: Map<string, CallProgress>;
  consents: Map<string, Consent>;
  questions: Question[];
  end: End | null;
  inputTokens: number | null;
  outputTokens: number | null;
}

/** Returns what the data parts of an answer say. */
export function about(parts: readonly Part[]): About {
  const it: About = {
    outcomes: new Map(),
    progress: new Map(),
    consents: new Map(),
    questions: [],
    end: null,
    inputTokens: null,
    outputTokens: null,
  };
  for (const part of parts) {
    if (part.type.startsWith("data-")) add(it, part as DataPart);
  }
  return it;
}

function add(it: About, part: DataPart): void {
  const data = object(part.data);
  if (!data) return;
  const callId = text(data.call_id) ?? "";
  switch (part.type) {
    case "data-outcome":
      it.outcomes.set(part.id?.replace(/^outcome-/, "") ?? "", {
        outcome: (text(data.outcome) ?? "done") as Outcome["outcome"],
        durationMs: number(data.duration_ms),
        cutBytes: number(data.cut_bytes) ?? 0,
        facts: object(data.facts),
      });
      break;
    case "data-progress":
      it.progress.set(callId, {
        progress: number(data.progress),
        total: number(data.total),
        message: text(data.message),
      });
      break;
    case "data-approval":
      it.consents.set(callId, {
        by: text(data.by),
        scope: text(data.scope),
        arguments: data.arguments ?? null,
      });
      break;
    case "data-elicitation":
      it.questions.push({
        id: part.id ?? "",
        callId,
        message: text(data.message) ?? "",
        schema: data.schema ?? null,
        url: text(data.url),
        action: null,
      });
      break;
    case "data-elicitation-answer": {
      const question = it.questions.find((it) => it.id === part.id);
      if (question) question.action = (text(data.action) ?? "cancel") as Question["action"];
      break;
    }
    case "data-usage": {
      const usage = object(data.usage);
      it.inputTokens = number(usage?.input_tokens) ?? it.inputTokens;
      const output = number(usage?.output_tokens);
      if (output !== null) it.outputTokens = (it.outputTokens ?? 0) + output;
      break;
    }
    case "data-end":
      it.end = endOf(data);
      break;
  }
}

function endOf(data: JsonObject): End | null {
  const reason = text(data.reason);
  if (!reason) return null;
  const error = object(data.error);
  return {
    reason: reason as End["reason"],
    stepsMax: number(data.steps_max),
    error: error && {
      kind: text(error.kind) ?? "other",
      message: text(error.message) ?? "the model failed without saying why",
      fix: text(error.fix) ?? "",
      details: text(error.details),
    },
  };
}

/** Returns the words of an answer, as they are copied. */
export function words(parts: readonly Part[]): string {
  return parts
    .flatMap((it) => (it.type === "text" && "text" in it ? [it.text] : []))
    .join("\n\n")
    .trim();
}

function object(value: unknown): JsonObject | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : null;
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function number(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
