//! Ollama's own API (`/api/chat`, lines of JSON).
//!
//! Its OpenAI endpoint has no way to say how long the context may be: it takes the server's default
//! and drops what is over it without a word. Here the length is part of the request, so it is made
//! as long as the conversation needs. A model is loaded anew for each other length, so it grows in
//! steps.

mod request;

use serde_json::Value;

use super::{Codec, Encoded, Target, cut_off, lines::Lines, malformed};
use crate::{
    error::{ModelError, ModelErrorKind},
    event::{FinishReason, NoticeKind, Usage},
    model::{ModelEvent, ModelRequest},
    refusal,
};

/// What `/api/show` says of a model. What it does not say is taken to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OllamaModel {
    pub context_tokens: Option<u64>,
    pub tools: bool,
    pub vision: bool,
    pub thinking: bool,
}

/// How long a context is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContextSettings {
    /// The shortest, and the difference to the next longer one, in tokens.
    pub step_tokens: u64,
    /// Kept free for the answer.
    pub reserve_tokens: u64,
    /// What a person allows, since a context costs memory.
    pub tokens_max: Option<u64>,
}

impl Default for ContextSettings {
    fn default() -> Self {
        Self {
            step_tokens: 8_192,
            reserve_tokens: 4_096,
            tokens_max: None,
        }
    }
}

/// The codec of one request.
#[derive(Debug)]
pub struct Ollama {
    target: Target,
    model: OllamaModel,
    settings: ContextSettings,
    lines: Lines,
    line_bytes_max: usize,
    /// What the request asked for.
    context: Context,
    calls: u32,
    done: bool,
}

/// The length of a context, and whether all that is to be read fits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Context {
    tokens: u64,
    /// The most that the request may have; it has about a third less.
    need_tokens: u64,
    fits: bool,
}

impl Ollama {
    pub const fn new(
        target: Target,
        model: OllamaModel,
        settings: ContextSettings,
        line_bytes_max: usize,
    ) -> Self {
        Self {
            target,
            model,
            settings,
            lines: Lines::new(line_bytes_max),
            line_bytes_max,
            context: Context {
                tokens: 0,
                need_tokens: 0,
                fits: true,
            },
            calls: 0,
            done: false,
        }
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        if self.done || line.trim_ascii().is_empty() {
            return Ok(());
        }
        let Ok(chunk) = serde_json::from_slice::<Value>(line) else {
            return Err(malformed(&self.target, "a line that is not JSON", line));
        };
        if let Some(error) = chunk.get("error").filter(|it| !it.is_null()) {
            return Err(refusal::in_stream(&self.target, error));
        }
        let message = &chunk["message"];
        if let Some(text) = message["thinking"].as_str().filter(|it| !it.is_empty()) {
            let text = text.to_owned();
            out.push(ModelEvent::Reasoning { text });
        }
        if let Some(text) = message["content"].as_str().filter(|it| !it.is_empty()) {
            let text = text.to_owned();
            out.push(ModelEvent::Text { text });
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            self.call(&call["function"], out);
        }
        if chunk["done"] == true {
            self.end(&chunk, out);
        }
        Ok(())
    }

    /// Calls come whole.
    fn call(&mut self, function: &Value, out: &mut Vec<ModelEvent>) {
        let index = self.calls;
        self.calls += 1;
        let name = function["name"].as_str().unwrap_or_default().to_owned();
        out.push(ModelEvent::CallStarted { index, name });
        let text = match &function["arguments"] {
            Value::Null => return,
            Value::String(text) => text.clone(),
            whole => whole.to_string(),
        };
        out.push(ModelEvent::CallArguments { index, text });
    }

    fn end(&mut self, chunk: &Value, out: &mut Vec<ModelEvent>) {
        let read = chunk["prompt_eval_count"].as_u64();
        let written = chunk["eval_count"].as_u64();
        let Context { tokens, fits, .. } = self.context;
        // What was said before the request needs no saying again.
        if let Some(read) = read.filter(|it| fits && self.context.was_cut(*it)) {
            out.push(ModelEvent::Notice {
                kind: NoticeKind::ContextCut,
                text: format!(
                    "the model read only {read} tokens, with room for {tokens}, so the beginning \
                     of this chat was left out; disable tools that it does not need, or begin a \
                     new one"
                ),
            });
        }
        let reason = match chunk["done_reason"].as_str() {
            _ if self.calls != 0 => FinishReason::ToolCalls,
            Some("stop") | None => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            Some(_) => FinishReason::Other,
        };
        self.done = true;
        out.push(ModelEvent::Finished {
            reason,
            usage: Usage {
                input_tokens: read,
                output_tokens: written,
                reasoning_tokens: None,
                cached_tokens: None,
            },
        });
    }
}

impl Context {
    /// Returns the length for a request of about `need_tokens`.
    fn new(need_tokens: u64, model: OllamaModel, settings: ContextSettings) -> Self {
        let most = [model.context_tokens, settings.tokens_max];
        let most = most.into_iter().flatten().min().unwrap_or(u64::MAX);
        let step = settings.step_tokens.max(1);
        let whole = need_tokens.saturating_add(settings.reserve_tokens);
        Self {
            tokens: whole.div_ceil(step).saturating_mul(step).min(most),
            need_tokens,
            fits: need_tokens < most,
        }
    }

    /// Tells it from what the server has read. A server that had the beginning in its memory may
    /// count only the rest, so a low number alone says nothing, but one that is near the room is
    /// what is left of more.
    const fn was_cut(&self, read: u64) -> bool {
        let is_full = self.tokens <= read;
        let is_far_below_need = read < self.need_tokens / 3 && self.tokens / 2 <= read;
        is_full || is_far_below_need
    }
}

impl Codec for Ollama {
    fn request(&mut self, request: &ModelRequest) -> Encoded {
        let (request, mut notices) =
            request::without_what_it_cannot(request, self.model, &self.target);
        let need = crate::tokens::estimate_request(&request);
        self.context = Context::new(need, self.model, self.settings);
        let Context { tokens, fits, .. } = self.context;
        if !fits {
            notices.push((
                NoticeKind::ContextCut,
                format!(
                    "this chat has about {need} tokens with its tools, and `{}` reads {tokens}, so \
                     its beginning may be left out; disable tools that it does not need, or begin \
                     a new one",
                    self.target.model
                ),
            ));
        }
        Encoded {
            path: "api/chat",
            body: request::body(&self.target.model, &request, self.model, tokens),
            notices,
        }
    }

    fn feed(&mut self, piece: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        let mut rest = piece;
        while !rest.is_empty() && !self.done {
            match self.lines.next(&mut rest) {
                Ok(Some(line)) => self.line(&line, out)?,
                Ok(None) => {}
                Err(_) => {
                    let (provider, limit) = (&self.target.provider, self.line_bytes_max);
                    return Err(ModelError::new(
                        ModelErrorKind::Limit,
                        format!("`{provider}` sent more than {limit} bytes in one piece"),
                        "ask the model for less at a time, or choose another model",
                    ));
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        let last = self.lines.last();
        self.line(&last, out)?;
        if self.done {
            Ok(())
        } else {
            Err(cut_off(&self.target))
        }
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

#[cfg(test)]
mod tests;
