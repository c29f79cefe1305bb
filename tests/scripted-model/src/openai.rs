//! OpenAI's chat completions API, as its reference describes it, with what compatible servers do
//! otherwise where a [`Dialect`](crate::Dialect) says so.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::{
    conversation::{Call, Conversation, Message, Tool},
    turn::{Refusal, Step, ToolCall},
    wire::{Act, Reply, Trouble},
};

/// Answers are made at this second, so that recordings of them can be compared.
const CREATED: u64 = 1_760_000_000;
/// Of a tool's name.
const NAME_CHARS_MAX: usize = 64;

/// Takes a request apart. It is stricter than any real server, so that a client that passes here
/// passes everywhere.
pub(crate) fn parse(body: &Value) -> Result<Conversation, String> {
    let model = body["model"].as_str().ok_or("`model` is not a string")?;
    let messages = body["messages"].as_array();
    let messages = messages.ok_or("`messages` is not an array")?;
    let messages: Vec<Message> = messages.iter().map(message).collect::<Result<_, _>>()?;
    let tools = tools(&body["tools"])?;
    check_results(&messages)?;
    Ok(Conversation {
        model: model.to_owned(),
        messages,
        tools,
        stream: flag(&body["stream"], false)?,
        include_usage: flag(&body["stream_options"]["include_usage"], false)?,
        context_tokens: None,
        think: None,
    })
}

/// Returns what is offered in `tools`, in both APIs' form.
pub(crate) fn tools(tools: &Value) -> Result<Vec<Tool>, String> {
    let tools = match tools {
        Value::Null => return Ok(Vec::new()),
        Value::Array(tools) if !tools.is_empty() => tools,
        _ => return Err("`tools` is not an array with something in it".to_owned()),
    };
    let mut found: Vec<Tool> = Vec::with_capacity(tools.len());
    let mut names = std::collections::HashSet::new();
    for tool in tools {
        let function = &tool["function"];
        let name = function["name"].as_str().unwrap_or_default();
        let plain = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(plain) {
            return Err(format!(
                "the tool name `{name}` does not match `^[a-zA-Z0-9_-]{{1,64}}$`"
            ));
        }
        let schema = &function["parameters"];
        if tool["type"] != "function" || schema["type"] != "object" {
            return Err(format!("the schema of `{name}` is not that of an object"));
        }
        if !names.insert(name) {
            return Err(format!("the tool `{name}` is there twice"));
        }
        found.push(Tool {
            name: name.to_owned(),
            description: text(&function["description"])?,
            schema: schema.clone(),
        });
    }
    Ok(found)
}

pub(crate) fn flag(value: &Value, otherwise: bool) -> Result<bool, String> {
    match value {
        Value::Null => Ok(otherwise),
        Value::Bool(it) => Ok(*it),
        other => Err(format!("`{other}` is not a boolean")),
    }
}

fn message(message: &Value) -> Result<Message, String> {
    let content = &message["content"];
    match message["role"].as_str() {
        Some("system" | "developer") => Ok(Message::System(text(content)?)),
        Some("user") => Ok(Message::User {
            text: text(content)?,
            images: images(content),
        }),
        Some("assistant") => {
            let calls = match &message["tool_calls"] {
                Value::Null => Vec::new(),
                Value::Array(calls) if !calls.is_empty() => {
                    calls.iter().map(call).collect::<Result<_, _>>()?
                }
                _ => return Err("`tool_calls` is not an array with something in it".to_owned()),
            };
            if content.is_null() && calls.is_empty() {
                return Err("an assistant's message has neither content nor calls".to_owned());
            }
            let text = text(content)?;
            Ok(Message::Assistant { text, calls })
        }
        Some("tool") => Ok(Message::Tool {
            id: string(&message["tool_call_id"], "tool_call_id")?,
            text: text(content)?,
        }),
        _ => Err(format!("there is no role `{}`", message["role"])),
    }
}

fn call(call: &Value) -> Result<Call, String> {
    let function = &call["function"];
    let name = string(&function["name"], "name of a call")?;
    let arguments = string(&function["arguments"], "arguments of a call")?;
    let arguments = serde_json::from_str(&arguments)
        .map_err(|_| format!("the arguments of the call of `{name}` are not JSON"))?;
    let id = string(&call["id"], "id of a call")?;
    if call["type"] != "function" {
        return Err(format!("the call `{id}` is not one of a function"));
    }
    Ok(Call {
        id,
        name,
        arguments,
    })
}

/// Each call has one result, before anything else is said.
fn check_results(messages: &[Message]) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    for message in messages {
        match message {
            Message::Tool { id, .. } => match open.iter().position(|it| it == id) {
                Some(at) => drop(open.remove(at)),
                None => return Err(format!("no call `{id}` is waiting for this result")),
            },
            _ if !open.is_empty() => return Err(unanswered(&open)),
            Message::Assistant { calls, .. } => open = calls.iter().map(|it| &*it.id).collect(),
            Message::System(_) | Message::User { .. } => {}
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(unanswered(&open))
    }
}

fn unanswered(open: &[&str]) -> String {
    format!("the call `{}` has no result", open[0])
}

fn string(value: &Value, what: &str) -> Result<String, String> {
    let text = value.as_str().filter(|it| !it.is_empty());
    text.map(str::to_owned)
        .ok_or_else(|| format!("the {what} is missing"))
}

/// Returns the text of a content, which is text or an array of parts.
fn text(content: &Value) -> Result<String, String> {
    match content {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => {
            let mut all = String::new();
            for part in parts {
                match part["type"].as_str() {
                    Some("text") => all.push_str(&string(&part["text"], "text of a part")?),
                    Some("image_url") => drop(string(&part["image_url"]["url"], "image's URL")?),
                    _ => return Err(format!("there is no part of type `{}`", part["type"])),
                }
            }
            Ok(all)
        }
        other => Err(format!("`{other}` is not a content")),
    }
}

fn images(content: &Value) -> usize {
    let parts = content.as_array().map(Vec::as_slice).unwrap_or_default();
    let images = parts.iter().filter(|it| it["type"] == "image_url");
    images.count()
}

/// Returns what is done for an answer in pieces.
pub(crate) fn stream(reply: &Reply<'_>) -> Vec<Act> {
    let mut writer = Writer {
        reply,
        acts: Vec::new(),
        calls: 0,
    };
    writer.delta(&json!({ "role": "assistant", "content": "" }));
    for step in reply.steps {
        match step {
            Step::Text(text) => writer.pieces("content", text),
            Step::Reasoning(text) => writer.pieces(reasoning_field(reply), text),
            Step::Calls(calls) => writer.calls(calls),
            Step::Usage(_) | Step::Finish(_) => {}
            Step::Pause(pause) => writer.acts.push(Act::Wait(*pause)),
            Step::Hold(name) => writer.acts.push(Act::Hold(name.clone())),
            Step::Malformed => writer.event("{\"choices\":[{\"delta\":{\"content\":"),
            Step::Raw(text) => writer.write(text),
            Step::Stall => {
                writer.acts.push(Act::Stall);
                return writer.acts;
            }
            Step::Cut => {
                writer.write("data: {\"id\":\"chatcmpl-cut\",\"choices\":[{\"del");
                writer.acts.push(Act::Cut);
                return writer.acts;
            }
            Step::Error(text) => {
                writer.event(&error(text, "server_error", Value::Null).to_string());
                return writer.acts;
            }
        }
    }
    writer.end();
    writer.acts
}

struct Writer<'a> {
    reply: &'a Reply<'a>,
    acts: Vec<Act>,
    /// Calls so far.
    calls: usize,
}

impl Writer<'_> {
    fn pieces(&mut self, field: &str, text: &str) {
        for piece in self.reply.pace.pieces(text) {
            self.delta(&json!({ field: piece }));
        }
    }

    fn calls(&mut self, calls: &[ToolCall]) {
        let dialect = self.reply.dialect;
        let first = self.calls;
        self.calls += calls.len();
        let pieces: Vec<Vec<&str>> = calls
            .iter()
            .map(|it| match dialect.whole_calls {
                true => Vec::new(),
                false => self.reply.pace.pieces(&it.arguments),
            })
            .collect();
        let most = pieces.iter().map(Vec::len).max().unwrap_or_default();
        if dialect.interleaved_calls {
            for (at, call) in calls.iter().enumerate() {
                self.call_head(call, first + at);
            }
            for round in 0..most {
                for (at, pieces) in pieces.iter().enumerate() {
                    if let Some(piece) = pieces.get(round) {
                        self.arguments(first + at, piece);
                    }
                }
            }
            return;
        }
        for (at, call) in calls.iter().enumerate() {
            self.call_head(call, first + at);
            for piece in &pieces[at] {
                self.arguments(first + at, piece);
            }
        }
    }

    fn call_head(&mut self, call: &ToolCall, index: usize) {
        let dialect = self.reply.dialect;
        let arguments = match dialect.whole_calls {
            true => call.arguments.as_str(),
            false => "",
        };
        let function = json!({ "name": call.name, "arguments": arguments });
        let mut head = json!({ "index": index, "type": "function", "function": function });
        if !dialect.no_ids {
            head["id"] = self.reply.call_id(call, index).into();
        }
        self.delta(&json!({ "tool_calls": [head] }));
    }

    fn arguments(&mut self, index: usize, piece: &str) {
        let part = json!({ "index": index, "function": { "arguments": piece } });
        self.delta(&json!({ "tool_calls": [part] }));
    }

    fn end(&mut self) {
        let dialect = self.reply.dialect;
        let usage = usage(self.reply);
        let mut last = self.chunk(&json!({}), finish(self.reply).into());
        if dialect.usage_with_finish {
            last["usage"] = usage.clone();
        }
        self.event(&last.to_string());
        if self.reply.conversation.include_usage && !dialect.usage_with_finish {
            let mut tail = self.chunk(&json!({}), Value::Null);
            tail["choices"] = json!([]);
            tail["usage"] = usage;
            self.event(&tail.to_string());
        }
        if !dialect.no_done {
            self.event("[DONE]");
        }
    }

    fn delta(&mut self, delta: &Value) {
        let chunk = self.chunk(delta, Value::Null).to_string();
        self.event(&chunk);
    }

    fn chunk(&self, delta: &Value, finish: Value) -> Value {
        json!({
            "id": completion_id(self.reply),
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": self.reply.conversation.model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        })
    }

    fn event(&mut self, data: &str) {
        let event = match self.reply.dialect.crlf {
            true => format!(": keep-alive\r\n\r\ndata: {data}\r\n\r\n"),
            false => format!("data: {data}\n\n"),
        };
        self.write(&event);
    }

    fn write(&mut self, text: &str) {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        self.acts.push(Act::Write(bytes));
    }
}

/// Returns the status and what is done for an answer in one piece.
pub(crate) fn whole(reply: &Reply<'_>) -> (u16, Vec<Act>) {
    let whole = reply.whole();
    if let Some(Trouble::Error(text)) = &whole.trouble {
        let body = error(text, "server_error", Value::Null).to_string();
        return (500, reply.whole_acts(&body));
    }
    let call = |(index, call): (usize, &ToolCall)| {
        json!({
            "id": reply.call_id(call, index),
            "type": "function",
            "function": { "name": call.name, "arguments": call.arguments },
        })
    };
    let mut message = Map::new();
    message.insert("role".to_owned(), "assistant".into());
    let content = match whole.text.as_str() {
        "" => Value::Null,
        text => text.into(),
    };
    message.insert("content".to_owned(), content);
    if !whole.reasoning.is_empty() {
        let field = reasoning_field(reply).to_owned();
        message.insert(field, whole.reasoning.as_str().into());
    }
    if !whole.calls.is_empty() {
        let calls: Vec<Value> = whole.calls.iter().enumerate().map(call).collect();
        message.insert("tool_calls".to_owned(), calls.into());
    }
    let body = json!({
        "id": completion_id(reply),
        "object": "chat.completion",
        "created": CREATED,
        "model": reply.conversation.model,
        "choices": [{ "index": 0, "message": message, "finish_reason": finish(reply) }],
        "usage": usage(reply),
    });
    (200, reply.whole_acts(&body.to_string()))
}

/// Returns the status and the body of a refusal.
pub(crate) fn refusal(refusal: &Refusal, model: &str) -> (u16, Value) {
    let request = "invalid_request_error";
    match refusal {
        Refusal::Key => {
            let text = "Incorrect API key provided: scr********ted.";
            (401, error(text, request, "invalid_api_key".into()))
        }
        Refusal::ModelMissing => {
            let text =
                format!("The model `{model}` does not exist or you do not have access to it.");
            (404, error(&text, request, "model_not_found".into()))
        }
        Refusal::RateLimited(_) => {
            let text = "Rate limit reached for requests. Please try again later.";
            (429, error(text, "requests", "rate_limit_exceeded".into()))
        }
        Refusal::ContextTooLong => {
            let text = "This model's maximum context length is 8192 tokens. However, your \
                messages resulted in 9001 tokens. Please reduce the length of the messages.";
            (400, error(text, request, "context_length_exceeded".into()))
        }
        Refusal::NoTools => {
            let text = format!("`{model}` does not support tools");
            (400, error(&text, request, Value::Null))
        }
        Refusal::Invalid(text) => (400, error(text, request, Value::Null)),
        Refusal::Failed(status, text) => (*status, error(text, "server_error", Value::Null)),
    }
}

/// Returns the list of models.
pub(crate) fn models(names: &[String]) -> Value {
    let model = |it: &String| json!({ "id": it, "object": "model", "created": CREATED, "owned_by": "scripted" });
    let models: Vec<Value> = names.iter().map(model).collect();
    json!({ "object": "list", "data": models })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a code is made for this call, from a string or null"
)]
fn error(message: &str, kind: &str, code: Value) -> Value {
    json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
}

fn finish(reply: &Reply<'_>) -> String {
    let whole = reply.whole();
    let fits = match whole.calls.is_empty() || reply.dialect.stop_after_calls {
        true => "stop",
        false => "tool_calls",
    };
    whole.finish.unwrap_or_else(|| fits.to_owned())
}

fn usage(reply: &Reply<'_>) -> Value {
    let usage = reply.usage();
    json!({
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
    })
}

fn reasoning_field(reply: &Reply<'_>) -> &'static str {
    match reply.dialect.reasoning_field {
        true => "reasoning",
        false => "reasoning_content",
    }
}

fn completion_id(reply: &Reply<'_>) -> String {
    format!("chatcmpl-scripted-{}", reply.number)
}
