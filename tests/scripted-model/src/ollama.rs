//! Ollama's native API, as its documentation (`docs/api.md`) describes it.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::{
    conversation::{Call, Conversation, Message},
    openai::{flag, tools},
    turn::{Refusal, Step, ToolCall},
    wire::{Act, Reply, Trouble},
};

/// Of the program that this one passes for.
pub(crate) const VERSION: &str = "0.21.0";
/// What a model is loaded with when nobody asks for more, in tokens.
pub(crate) const CONTEXT_TOKENS: u64 = 4_096;
/// What a model could be loaded with, in tokens.
const CONTEXT_TOKENS_MAX: u64 = 32_768;
const CREATED_AT: &str = "2025-10-09T08:53:20Z";

/// Takes a request apart, and is stricter than Ollama.
pub(crate) fn parse(body: &Value) -> Result<Conversation, String> {
    let model = body["model"].as_str().ok_or("`model` is not a string")?;
    let messages = body["messages"].as_array();
    let messages = messages.ok_or("`messages` is not an array")?;
    let think = match &body["think"] {
        Value::Null => None,
        Value::String(_) => Some(true),
        other => Some(flag(other, true)?),
    };
    let context = &body["options"]["num_ctx"];
    if !context.is_null() && context.as_u64().is_none_or(|it| it == 0) {
        return Err(format!("`num_ctx` is `{context}`, which is no size"));
    }
    Ok(Conversation {
        model: model.to_owned(),
        messages: with_ids(messages)?,
        tools: match &body["tools"] {
            // Ollama takes an empty list for none.
            Value::Array(tools) if tools.is_empty() => Vec::new(),
            other => tools(other)?,
        },
        stream: flag(&body["stream"], true)?,
        include_usage: true,
        context_tokens: context.as_u64(),
        think,
    })
}

/// Results stand in the order of the calls, and may name the tool; there are no ids.
fn with_ids(messages: &[Value]) -> Result<Vec<Message>, String> {
    let mut found = Vec::with_capacity(messages.len());
    let mut open: Vec<(String, String)> = Vec::new();
    let mut count = 0;
    for message in messages {
        let text = match &message["content"] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => return Err(format!("the content `{other}` is not a string")),
        };
        match message["role"].as_str() {
            Some("tool") => {
                let name = message["tool_name"].as_str();
                let fits = |(_, it): &(String, String)| name.is_none_or(|name| name == it);
                let at = open.iter().position(fits);
                let at = at.ok_or("no call is waiting for this result")?;
                let (id, _) = open.remove(at);
                found.push(Message::Tool { id, text });
                continue;
            }
            _ if !open.is_empty() => return Err(format!("`{}` has no result", open[0].1)),
            Some("system") => found.push(Message::System(text)),
            Some("user") => found.push(Message::User {
                text,
                images: images(&message["images"])?,
            }),
            Some("assistant") => {
                let calls = message["tool_calls"].as_array();
                let mut named = Vec::new();
                for call in calls.map(Vec::as_slice).unwrap_or_default() {
                    count += 1;
                    named.push(self::call(call, count)?);
                }
                open.extend(named.iter().map(|it| (it.id.clone(), it.name.clone())));
                found.push(Message::Assistant { text, calls: named });
            }
            _ => return Err(format!("there is no role `{}`", message["role"])),
        }
    }
    match open.first() {
        Some((_, name)) => Err(format!("`{name}` has no result")),
        None => Ok(found),
    }
}

fn call(call: &Value, number: usize) -> Result<Call, String> {
    let function = &call["function"];
    let name = function["name"].as_str().ok_or("a call has no name")?;
    if !function["arguments"].is_object() {
        return Err(format!("the arguments of `{name}` are not an object"));
    }
    Ok(Call {
        id: format!("earlier_{number}"),
        name: name.to_owned(),
        arguments: function["arguments"].clone(),
    })
}

fn images(images: &Value) -> Result<usize, String> {
    let images = match images {
        Value::Null => return Ok(0),
        Value::Array(images) => images,
        _ => return Err("`images` is not an array".to_owned()),
    };
    let base64 = |it: char| it.is_ascii_alphanumeric() || "+/=".contains(it);
    let is_image = |it: &Value| it.as_str().is_some_and(|it| it.chars().all(base64));
    if images.iter().all(is_image) {
        Ok(images.len())
    } else {
        Err("an image is not Base64".to_owned())
    }
}

/// Returns what is done for an answer in pieces: lines of JSON.
pub(crate) fn stream(reply: &Reply<'_>) -> Vec<Act> {
    let mut writer = Writer {
        reply,
        acts: Vec::new(),
        calls: 0,
    };
    for step in reply.steps {
        match step {
            Step::Text(text) => writer.pieces("content", text),
            Step::Reasoning(_) if reply.conversation.think == Some(false) => {}
            Step::Reasoning(text) => writer.pieces("thinking", text),
            Step::Calls(calls) => writer.calls(calls),
            Step::Usage(_) | Step::Finish(_) => {}
            Step::Pause(pause) => writer.acts.push(Act::Wait(*pause)),
            Step::Hold(name) => writer.acts.push(Act::Hold(name.clone())),
            Step::Malformed => writer.write("{\"message\":{\"content\":\n"),
            Step::Raw(text) => writer.write(text),
            Step::Stall => {
                writer.acts.push(Act::Stall);
                return writer.acts;
            }
            Step::Cut => {
                writer.write("{\"model\":\"cut\",\"mess");
                writer.acts.push(Act::Cut);
                return writer.acts;
            }
            Step::Error(text) => {
                writer.line(&json!({ "error": text }));
                return writer.acts;
            }
        }
    }
    writer.line(&last(reply, &json!({ "role": "assistant", "content": "" })));
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
            let mut message = json!({ "role": "assistant", "content": "" });
            message[field] = piece.into();
            self.message(&message);
        }
    }

    /// Each call is whole, in a line of its own.
    fn calls(&mut self, calls: &[ToolCall]) {
        for call in calls {
            let call = call_value(self.reply, call, self.calls);
            self.calls += 1;
            let calls = json!({ "role": "assistant", "content": "", "tool_calls": [call] });
            self.message(&calls);
        }
    }

    fn message(&mut self, message: &Value) {
        self.line(&json!({
            "model": self.reply.conversation.model,
            "created_at": CREATED_AT,
            "message": message,
            "done": false,
        }));
    }

    fn line(&mut self, line: &Value) {
        self.write(&format!("{line}\n"));
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
        return (500, reply.whole_acts(&json!({ "error": text }).to_string()));
    }
    let mut message = Map::new();
    message.insert("role".to_owned(), "assistant".into());
    message.insert("content".to_owned(), whole.text.into());
    if !whole.reasoning.is_empty() && reply.conversation.think != Some(false) {
        message.insert("thinking".to_owned(), whole.reasoning.into());
    }
    if !whole.calls.is_empty() {
        let calls = whole.calls.iter().enumerate();
        let calls: Vec<Value> = calls.map(|(at, it)| call_value(reply, it, at)).collect();
        message.insert("tool_calls".to_owned(), calls.into());
    }
    let body = last(reply, &Value::Object(message)).to_string();
    (200, reply.whole_acts(&body))
}

fn last(reply: &Reply<'_>, message: &Value) -> Value {
    let usage = reply.usage();
    let context = reply.conversation.context_tokens.unwrap_or(CONTEXT_TOKENS);
    json!({
        "model": reply.conversation.model,
        "created_at": CREATED_AT,
        "message": message,
        "done": true,
        "done_reason": reply.whole().finish.unwrap_or_else(|| "stop".to_owned()),
        "total_duration": 5_000_000,
        "load_duration": 1_000_000,
        // What does not fit is dropped, and nothing says so but this number.
        "prompt_eval_count": usage.prompt.min(context),
        "prompt_eval_duration": 2_000_000,
        "eval_count": usage.completion,
        "eval_duration": 2_000_000,
    })
}

fn call_value(reply: &Reply<'_>, call: &ToolCall, index: usize) -> Value {
    // What is not JSON arrives as the text that the model wrote.
    let arguments = serde_json::from_str(&call.arguments);
    let arguments = arguments.unwrap_or_else(|_| Value::String(call.arguments.clone()));
    let function = json!({ "index": index, "name": call.name, "arguments": arguments });
    match reply.dialect.no_ids {
        true => json!({ "function": function }),
        false => json!({ "id": reply.call_id(call, index), "function": function }),
    }
}

/// Returns the status and the body of a refusal.
pub(crate) fn refusal(refusal: &Refusal, model: &str) -> (u16, Value) {
    let (status, text) = match refusal {
        Refusal::Key => (401, "unauthorized".to_owned()),
        Refusal::ModelMissing => (404, format!("model '{model}' not found")),
        Refusal::RateLimited(_) => (429, "too many requests".to_owned()),
        Refusal::ContextTooLong => {
            let text = "the input length exceeds the context length";
            (400, text.to_owned())
        }
        Refusal::NoTools => (400, format!("{model} does not support tools")),
        Refusal::Invalid(text) => (400, text.clone()),
        Refusal::Failed(status, text) => (*status, text.clone()),
    };
    (status, json!({ "error": text }))
}

/// Returns the list of models.
pub(crate) fn tags(names: &[String]) -> Value {
    let model = |it: &String| {
        json!({
            "name": it,
            "model": it,
            "modified_at": CREATED_AT,
            "size": 0,
            "digest": format!("{:064x}", it.len()),
            "details": details(),
        })
    };
    let models: Vec<Value> = names.iter().map(model).collect();
    json!({ "models": models })
}

/// Returns what is known about a model.
pub(crate) fn show(can_call: bool) -> Value {
    let mut can = vec!["completion", "thinking", "vision"];
    if can_call {
        can.push("tools");
    }
    json!({
        "license": "",
        "modelfile": "",
        "template": "",
        "details": details(),
        "model_info": {
            "general.architecture": "scripted",
            "general.parameter_count": 0,
            "scripted.context_length": CONTEXT_TOKENS_MAX,
        },
        "capabilities": can,
        "modified_at": CREATED_AT,
    })
}

fn details() -> Value {
    json!({
        "parent_model": "",
        "format": "script",
        "family": "scripted",
        "families": ["scripted"],
        "parameter_size": "0",
        "quantization_level": "none",
    })
}
