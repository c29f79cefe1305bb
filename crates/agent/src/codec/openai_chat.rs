//! Chat completions as OpenAI defined them and everybody else understood them.
//!
//! Known differences, each with its recording in the tests: reasoning comes as `reasoning_content`
//! (DeepSeek, llama.cpp), as `reasoning` (vLLM, OpenRouter) or as a part of the content (Mistral);
//! calls come in pieces by `index`, without an index, without an identifier, whole in one chunk, or
//! several with index 0; usage comes with the end or in a chunk of its own after it; errors come as
//! an object in a stream that began well, as a line `error: …`, or the answer is not a stream at all.

mod request;

use serde_json::{Value, json};

use super::{Codec, Encoded, Target, cut_off, lines::Lines, malformed};
use crate::{
    error::{ModelError, ModelErrorKind},
    event::{FinishReason, Usage},
    model::{ModelEvent, ModelRequest},
    refusal,
};

/// The codec of one request.
#[derive(Debug)]
pub struct OpenAiChat {
    target: Target,
    /// The server is OpenAI's own, which has given some settings other names since.
    is_openai: bool,
    lines: Lines,
    line_bytes_max: usize,
    /// An answer that is no stream, as far as it has come.
    plain: Vec<u8>,
    calls: Vec<Call>,
    /// The call that a piece without any name for it belongs to.
    current: Option<usize>,
    has_reasoning: bool,
    reason: Option<FinishReason>,
    usage: Usage,
    done: bool,
}

#[derive(Debug, Default)]
struct Call {
    /// What the server numbers it by; several may have the same.
    server_index: Option<u64>,
    id: String,
    started: bool,
    /// Arguments that came before the name.
    early: String,
    extra: Option<Value>,
}

impl OpenAiChat {
    pub const fn new(target: Target, is_openai: bool, line_bytes_max: usize) -> Self {
        Self {
            target,
            is_openai,
            lines: Lines::new(line_bytes_max),
            line_bytes_max,
            plain: Vec::new(),
            calls: Vec::new(),
            current: None,
            has_reasoning: false,
            reason: None,
            usage: Usage {
                input_tokens: None,
                output_tokens: None,
                reasoning_tokens: None,
                cached_tokens: None,
            },
            done: false,
        }
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        if self.done || line.is_empty() || line.starts_with(b":") {
            return Ok(());
        }
        if !self.plain.is_empty() {
            return self.plain_line(line);
        }
        if let Some(data) = line.strip_prefix(b"data:") {
            return self.data(data.trim_ascii(), out);
        }
        if let Some(error) = line.strip_prefix(b"error:") {
            return Err(self.error_line(error.trim_ascii()));
        }
        let is_field = [&b"event:"[..], b"id:", b"retry:"]
            .iter()
            .any(|it| line.starts_with(it));
        if is_field {
            return Ok(());
        }
        self.plain_line(line)
    }

    fn plain_line(&mut self, line: &[u8]) -> Result<(), ModelError> {
        if self.line_bytes_max < self.plain.len() + line.len() {
            return Err(self.too_long());
        }
        self.plain.extend_from_slice(line);
        self.plain.push(b'\n');
        Ok(())
    }

    fn data(&mut self, data: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        if data == b"[DONE]" {
            self.end(FinishReason::Other, out);
            return Ok(());
        }
        if data.is_empty() {
            return Ok(());
        }
        match serde_json::from_slice(data) {
            Ok(chunk) => self.chunk(&chunk, out),
            Err(_) => Err(malformed(&self.target, "a piece that is not JSON", data)),
        }
    }

    fn error_line(&self, data: &[u8]) -> ModelError {
        match serde_json::from_slice::<Value>(data) {
            Ok(error) => refusal::in_stream(&self.target, error.get("error").unwrap_or(&error)),
            Err(_) => malformed(&self.target, "an error that is not JSON", data),
        }
    }

    fn chunk(&mut self, chunk: &Value, out: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        if let Some(error) = chunk.get("error").filter(|it| !it.is_null()) {
            return Err(refusal::in_stream(&self.target, error));
        }
        if chunk["object"] == "error" {
            return Err(refusal::in_stream(&self.target, chunk));
        }
        for usage in [&chunk["usage"], &chunk["x_groq"]["usage"]] {
            self.usage(usage);
        }
        let choice = &chunk["choices"][0];
        // An answer that is no stream has a whole message instead.
        for delta in [&choice["delta"], &choice["message"]] {
            self.delta(delta, out);
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.reason = Some(finish_reason(reason));
        }
        Ok(())
    }

    fn usage(&mut self, usage: &Value) {
        let number = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64);
        if !usage.is_object() {
            return;
        }
        self.usage = Usage {
            input_tokens: number("/prompt_tokens"),
            output_tokens: number("/completion_tokens"),
            reasoning_tokens: number("/completion_tokens_details/reasoning_tokens"),
            cached_tokens: number("/prompt_tokens_details/cached_tokens")
                .or_else(|| number("/prompt_cache_hit_tokens")),
        };
    }

    fn delta(&mut self, delta: &Value, out: &mut Vec<ModelEvent>) {
        for field in ["reasoning_content", "reasoning"] {
            if let Some(text) = delta[field].as_str().filter(|it| !it.is_empty()) {
                self.reasoning(text, field, out);
                // Some say it twice.
                break;
            }
        }
        match &delta["content"] {
            Value::String(text) => push_text(text, out),
            Value::Array(parts) => {
                for part in parts {
                    self.content_part(part, out);
                }
            }
            _ => {}
        }
        if let Some(refusal) = delta["refusal"].as_str() {
            push_text(refusal, out);
        }
        if let Some(calls) = delta["tool_calls"].as_array() {
            for call in calls {
                self.call_piece(call, out);
            }
        }
    }

    fn content_part(&mut self, part: &Value, out: &mut Vec<ModelEvent>) {
        if let Some(text) = part["text"].as_str() {
            push_text(text, out);
        }
        for thought in part["thinking"].as_array().into_iter().flatten() {
            if let Some(text) = thought["text"].as_str() {
                self.reasoning(text, "", out);
            }
        }
    }

    /// `field` is what the server calls it, and wants it back by.
    fn reasoning(&mut self, text: &str, field: &str, out: &mut Vec<ModelEvent>) {
        out.push(ModelEvent::Reasoning {
            text: text.to_owned(),
        });
        if !self.has_reasoning && !field.is_empty() {
            self.has_reasoning = true;
            out.push(ModelEvent::ReasoningMetadata {
                metadata: json!({ request::METADATA: { "field": field } }),
            });
        }
    }

    fn call_piece(&mut self, piece: &Value, out: &mut Vec<ModelEvent>) {
        let at = self.find_call(piece);
        self.current = Some(at);
        let index = u32::try_from(at).unwrap_or(u32::MAX);
        let call = &mut self.calls[at];
        let mut has_news = false;
        if let Some(id) = piece["id"].as_str().filter(|it| !it.is_empty()) {
            has_news = call.id != id;
            id.clone_into(&mut call.id);
        }
        if let Some(extra) = piece.get("extra_content") {
            has_news = true;
            call.extra = Some(extra.clone());
        }
        let function = &piece["function"];
        let name = function["name"].as_str().filter(|it| !it.is_empty());
        if let Some(name) = name.filter(|_| !call.started) {
            call.started = true;
            let name = name.to_owned();
            out.push(ModelEvent::CallStarted { index, name });
            push_arguments(index, std::mem::take(&mut call.early), out);
            has_news |= !call.id.is_empty() || call.extra.is_some();
        }
        if has_news && call.started {
            out.push(ModelEvent::CallMetadata {
                index,
                metadata: call.metadata(),
            });
        }
        let arguments = match &function["arguments"] {
            Value::Null => return,
            Value::String(text) => text.clone(),
            whole => whole.to_string(),
        };
        if call.started {
            push_arguments(index, arguments, out);
        } else {
            call.early.push_str(&arguments);
        }
    }

    /// Returns the place of the call that a piece is of; a new one where it is of none.
    fn find_call(&mut self, piece: &Value) -> usize {
        let index = piece["index"].as_u64();
        let id = piece["id"].as_str().filter(|it| !it.is_empty());
        let has_name = piece["function"]["name"]
            .as_str()
            .is_some_and(|it| !it.is_empty());
        let is_other = |call: &Call| {
            // Another identifier is another call, whatever its index.
            id.is_some_and(|id| !call.id.is_empty() && call.id != id)
        };
        let found = match (index, id) {
            (Some(_), _) => self.calls.iter().rposition(|it| it.server_index == index),
            (None, Some(id)) => self.calls.iter().rposition(|it| it.id == id),
            (None, None) if has_name => None,
            (None, None) => self.current,
        };
        match found {
            Some(at) if !is_other(&self.calls[at]) => at,
            _ => {
                self.calls.push(Call {
                    server_index: index,
                    ..Call::default()
                });
                self.calls.len() - 1
            }
        }
    }

    /// Ends the answer. `otherwise` is why where the server has not said.
    fn end(&mut self, otherwise: FinishReason, out: &mut Vec<ModelEvent>) {
        for (index, call) in (0..).zip(&mut self.calls) {
            if !std::mem::replace(&mut call.started, true) {
                let name = String::new();
                out.push(ModelEvent::CallStarted { index, name });
                push_arguments(index, std::mem::take(&mut call.early), out);
            }
        }
        self.done = true;
        out.push(ModelEvent::Finished {
            reason: self.reason.unwrap_or(otherwise),
            usage: self.usage,
        });
    }

    fn too_long(&self) -> ModelError {
        let limit = self.line_bytes_max;
        ModelError::new(
            ModelErrorKind::Limit,
            format!(
                "`{}` sent more than {limit} bytes in one piece",
                self.target.provider
            ),
            "ask the model for less at a time, or choose another model",
        )
    }
}

impl Call {
    fn metadata(&self) -> Value {
        let mut kept = serde_json::Map::new();
        if !self.id.is_empty() {
            kept.insert("id".to_owned(), json!(self.id));
        }
        if let Some(extra) = &self.extra {
            kept.insert("extra_content".to_owned(), extra.clone());
        }
        json!({ request::METADATA: kept })
    }
}

impl Codec for OpenAiChat {
    fn request(&mut self, request: &ModelRequest) -> Encoded {
        Encoded {
            path: "chat/completions",
            body: request::body(&self.target.model, self.is_openai, request),
            notices: Vec::new(),
        }
    }

    fn feed(&mut self, piece: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        let mut rest = piece;
        while !rest.is_empty() && !self.done {
            match self.lines.next(&mut rest) {
                Ok(Some(line)) => self.line(&line, out)?,
                Ok(None) => {}
                Err(_) => return Err(self.too_long()),
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        let last = self.lines.last();
        self.line(&last, out)?;
        if !self.plain.is_empty() {
            let plain = std::mem::take(&mut self.plain);
            let Ok(whole) = serde_json::from_slice(&plain) else {
                return Err(malformed(&self.target, "no answer of a model", &plain));
            };
            self.chunk(&whole, out)?;
        }
        if self.done {
            return Ok(());
        }
        match self.reason {
            // Not everybody says that it is the end.
            Some(reason) => {
                self.end(reason, out);
                Ok(())
            }
            None => Err(cut_off(&self.target)),
        }
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

fn push_text(text: &str, out: &mut Vec<ModelEvent>) {
    if !text.is_empty() {
        let text = text.to_owned();
        out.push(ModelEvent::Text { text });
    }
}

fn push_arguments(index: u32, text: String, out: &mut Vec<ModelEvent>) {
    if !text.is_empty() {
        out.push(ModelEvent::CallArguments { index, text });
    }
}

fn finish_reason(text: &str) -> FinishReason {
    match text {
        "stop" | "eos" | "end_turn" => FinishReason::Stop,
        "length" | "max_tokens" => FinishReason::Length,
        "content_filter" => FinishReason::ContentFilter,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        _ => FinishReason::Other,
    }
}

#[cfg(test)]
mod tests;
