use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    conversation::{Answer, AnswerPart, AssistantPart, Message, UserPart},
    model::{ModelOptions, ModelRequest, ModelTool},
};

/// Under which our metadata stand among those of other codecs.
pub(super) const METADATA: &str = "openai_chat";

/// Makes the body of a request to `/chat/completions`.
pub(super) fn body(model: &str, is_openai: bool, request: &ModelRequest) -> Value {
    let ModelRequest {
        conversation,
        tools,
        options,
    } = request;
    let mut messages = Vec::new();
    if !conversation.system.is_empty() {
        messages.push(json!({ "role": "system", "content": conversation.system }));
    }
    let mut ids = CallIds::default();
    let is_user = |it: &Message| matches!(it, Message::User { .. });
    let last_user = conversation.messages.iter().rposition(is_user);
    for (place, message) in conversation.messages.iter().enumerate() {
        match message {
            Message::User { parts } => messages.push(user(parts)),
            Message::Assistant { parts } => {
                // Reasoning is wanted back while the answer it led to is being made, and refused or
                // thrown away after that (DeepSeek, "Thinking mode").
                let with_reasoning = last_user.is_none_or(|it| it < place);
                messages.extend(assistant(parts, with_reasoning, &mut ids));
            }
            Message::Answers { answers } => messages.extend(tool_answers(answers, &mut ids)),
        }
    }
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    body.insert("messages".to_owned(), Value::Array(messages));
    body.insert("stream".to_owned(), json!(true));
    body.insert(
        "stream_options".to_owned(),
        json!({ "include_usage": true }),
    );
    if !tools.is_empty() {
        body.insert("tools".to_owned(), tools.iter().map(tool).collect());
    }
    add_options(options, is_openai, &mut body);
    Value::Object(body)
}

fn add_options(options: &ModelOptions, is_openai: bool, body: &mut Map<String, Value>) {
    let ModelOptions {
        temperature,
        output_tokens_max,
        reasoning_effort,
        // There is no name for these that all servers know.
        think: _,
        keep_alive: _,
    } = options;
    if let Some(temperature) = temperature {
        body.insert("temperature".to_owned(), json!(temperature));
    }
    if let Some(most) = output_tokens_max {
        let key = if is_openai {
            "max_completion_tokens"
        } else {
            "max_tokens"
        };
        body.insert(key.to_owned(), json!(most));
    }
    if let Some(effort) = reasoning_effort {
        body.insert("reasoning_effort".to_owned(), json!(effort));
    }
}

fn tool(tool: &ModelTool) -> Value {
    let ModelTool {
        name,
        description,
        parameters,
    } = tool;
    json!({
        "type": "function",
        "function": { "name": name, "description": description, "parameters": parameters },
    })
}

fn image(media_type: &str, data: &str) -> Value {
    json!({
        "type": "image_url",
        "image_url": { "url": format!("data:{media_type};base64,{data}") },
    })
}

fn user(parts: &[UserPart]) -> Value {
    let texts: Vec<&str> = parts
        .iter()
        .filter_map(|it| match it {
            UserPart::Text(text) => Some(text.as_str()),
            UserPart::Image { .. } => None,
        })
        .collect();
    // Servers without eyes know only text.
    if texts.len() == parts.len() {
        return json!({ "role": "user", "content": texts.join("\n") });
    }
    let content: Vec<Value> = parts
        .iter()
        .map(|it| match it {
            UserPart::Text(text) => json!({ "type": "text", "text": text }),
            UserPart::Image { media_type, data } => image(media_type, data),
        })
        .collect();
    json!({ "role": "user", "content": content })
}

fn assistant(parts: &[AssistantPart], with_reasoning: bool, ids: &mut CallIds) -> Option<Value> {
    let mut text = String::new();
    let mut calls = Vec::new();
    let mut out = Map::new();
    out.insert("role".to_owned(), json!("assistant"));
    for part in parts {
        match part {
            AssistantPart::Text { text: it, .. } => text.push_str(it),
            AssistantPart::Reasoning { text, metadata } => {
                let field = metadata
                    .as_ref()
                    .and_then(|it| it[METADATA]["field"].as_str());
                if let Some(field) = field.filter(|_| with_reasoning) {
                    let before = out.get(field).and_then(Value::as_str).unwrap_or_default();
                    let whole = format!("{before}{text}");
                    out.insert(field.to_owned(), json!(whole));
                }
            }
            AssistantPart::Call {
                call_id,
                name,
                arguments,
                metadata,
            } => {
                let ours = metadata.as_ref().map(|it| &it[METADATA]);
                let id = ids.start(call_id, ours.and_then(|it| it["id"].as_str()));
                // The server's own form is a text of JSON in JSON.
                let arguments = Value::Object(arguments.clone()).to_string();
                let mut call = json!({
                    "id": id,
                    "type": "function",
                    "function": { "name": name, "arguments": arguments },
                });
                if let Some(extra) = ours.and_then(|it| it.get("extra_content")) {
                    call["extra_content"] = extra.clone();
                }
                calls.push(call);
            }
        }
    }
    if text.is_empty() && calls.is_empty() {
        return None;
    }
    let content = if text.is_empty() {
        Value::Null
    } else {
        json!(text)
    };
    out.insert("content".to_owned(), content);
    if !calls.is_empty() {
        out.insert("tool_calls".to_owned(), Value::Array(calls));
    }
    Some(Value::Object(out))
}

/// Results are text in this protocol, so their images come from a person.
fn tool_answers(answers: &[Answer], ids: &mut CallIds) -> Vec<Value> {
    let mut messages = Vec::new();
    let mut images = Vec::new();
    for answer in answers {
        let mut texts = Vec::new();
        for part in &answer.parts {
            match part {
                AnswerPart::Text(text) => texts.push(text.as_str()),
                AnswerPart::Image { media_type, data } => images.push(image(media_type, data)),
            }
        }
        if texts.is_empty() {
            texts.push("(an image, which follows)");
        }
        messages.push(json!({
            "role": "tool",
            "tool_call_id": ids.of(&answer.call_id),
            "content": texts.join("\n"),
        }));
    }
    if !images.is_empty() {
        let mut content = vec![json!({ "type": "text", "text": "The images of these results:" })];
        content.extend(images);
        messages.push(json!({ "role": "user", "content": content }));
    }
    messages
}

/// Identifiers of calls in one request. Those that the server made are kept where they are there and
/// unique, the others are counted; nine letters and digits are what the narrowest of them takes
/// (Mistral).
#[derive(Default)]
struct CallIds {
    taken: BTreeMap<String, ()>,
    /// By our own, which are unique in a run only, so the last one counts.
    current: BTreeMap<String, String>,
    count: usize,
}

impl CallIds {
    fn start(&mut self, call_id: &str, theirs: Option<&str>) -> String {
        self.count += 1;
        let counted = format!("call{:05}", self.count);
        let id = match theirs {
            Some(theirs) if !self.taken.contains_key(theirs) => theirs.to_owned(),
            _ => counted,
        };
        self.taken.insert(id.clone(), ());
        self.current.insert(call_id.to_owned(), id.clone());
        id
    }

    fn of(&self, call_id: &str) -> String {
        let found = self.current.get(call_id);
        found.cloned().unwrap_or_else(|| call_id.to_owned())
    }
}
