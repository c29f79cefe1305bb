use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::OllamaModel;
use crate::{
    codec::Target,
    conversation::{Answer, AnswerPart, AssistantPart, Conversation, Message, UserPart},
    event::NoticeKind,
    model::{ModelOptions, ModelRequest, ModelTool},
};

const NO_IMAGE: &str = "(an image, which this model cannot see)";

/// Returns the request without tools and images where the model has no use for them, and what people
/// should know about it.
pub(super) fn without_what_it_cannot(
    request: &ModelRequest,
    model: OllamaModel,
    target: &Target,
) -> (ModelRequest, Vec<(NoticeKind, String)>) {
    let mut request = request.clone();
    let mut notices = Vec::new();
    let name = &target.model;
    if !model.tools && !request.tools.is_empty() {
        request.tools.clear();
        let text = format!("`{name}` cannot call tools; choose a model that can");
        notices.push((NoticeKind::NoToolSupport, text));
    }
    if !model.vision {
        let (conversation, left_out) = without_images(&request.conversation);
        if left_out {
            request.conversation = Arc::new(conversation);
            let text = format!("`{name}` cannot see images; choose a model that can");
            notices.push((NoticeKind::ImagesLeftOut, text));
        }
    }
    (request, notices)
}

fn without_images(conversation: &Conversation) -> (Conversation, bool) {
    let mut out = conversation.clone();
    let mut left_out = false;
    for message in &mut out.messages {
        match message {
            Message::User { parts } => {
                for part in parts {
                    if matches!(part, UserPart::Image { .. }) {
                        left_out = true;
                        *part = UserPart::Text(NO_IMAGE.to_owned());
                    }
                }
            }
            Message::Answers { answers } => {
                for part in answers.iter_mut().flat_map(|it| &mut it.parts) {
                    if matches!(part, AnswerPart::Image { .. }) {
                        left_out = true;
                        *part = AnswerPart::Text(NO_IMAGE.to_owned());
                    }
                }
            }
            Message::Assistant { .. } => {}
        }
    }
    (out, left_out)
}

/// Makes the body of a request to `/api/chat`.
pub(super) fn body(
    name: &str,
    request: &ModelRequest,
    model: OllamaModel,
    context_tokens: u64,
) -> Value {
    let ModelRequest {
        conversation,
        tools,
        options,
    } = request;
    let mut messages = Vec::new();
    if !conversation.system.is_empty() {
        messages.push(json!({ "role": "system", "content": conversation.system }));
    }
    let is_user = |it: &Message| matches!(it, Message::User { .. });
    let last_user = conversation.messages.iter().rposition(is_user);
    for (place, message) in conversation.messages.iter().enumerate() {
        match message {
            Message::User { parts } => messages.push(user(parts)),
            Message::Assistant { parts } => {
                let with_thinking = last_user.is_none_or(|it| it < place);
                messages.push(assistant(parts, with_thinking));
            }
            Message::Answers { answers } => messages.extend(answers.iter().map(answer)),
        }
    }
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(name));
    body.insert("messages".to_owned(), Value::Array(messages));
    body.insert("stream".to_owned(), json!(true));
    if !tools.is_empty() {
        body.insert("tools".to_owned(), tools.iter().map(tool).collect());
    }
    add_options(options, model, context_tokens, &mut body);
    Value::Object(body)
}

fn add_options(
    options: &ModelOptions,
    model: OllamaModel,
    context_tokens: u64,
    body: &mut Map<String, Value>,
) {
    let ModelOptions {
        temperature,
        output_tokens_max,
        think,
        reasoning_effort,
        keep_alive,
    } = options;
    let mut inner = Map::new();
    inner.insert("num_ctx".to_owned(), json!(context_tokens));
    if let Some(temperature) = temperature {
        inner.insert("temperature".to_owned(), json!(temperature));
    }
    if let Some(most) = output_tokens_max {
        inner.insert("num_predict".to_owned(), json!(most));
    }
    body.insert("options".to_owned(), Value::Object(inner));
    // A model that cannot think refuses the request.
    if model.thinking {
        let think = match (think, reasoning_effort) {
            (Some(false), _) => Some(json!(false)),
            (_, Some(effort)) => Some(json!(effort)),
            (Some(true), None) => Some(json!(true)),
            (None, None) => None,
        };
        if let Some(think) = think {
            body.insert("think".to_owned(), think);
        }
    }
    if let Some(keep_alive) = keep_alive {
        body.insert("keep_alive".to_owned(), json!(keep_alive));
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

fn message(role: &str, content: &str, images: Vec<&str>) -> Value {
    let mut out = json!({ "role": role, "content": content });
    if !images.is_empty() {
        out["images"] = json!(images);
    }
    out
}

fn user(parts: &[UserPart]) -> Value {
    let mut texts = Vec::new();
    let mut images = Vec::new();
    for part in parts {
        match part {
            UserPart::Text(text) => texts.push(text.as_str()),
            UserPart::Image { data, .. } => images.push(data.as_str()),
        }
    }
    message("user", &texts.join("\n"), images)
}

fn assistant(parts: &[AssistantPart], with_thinking: bool) -> Value {
    let (mut text, mut thinking) = (String::new(), String::new());
    let mut calls = Vec::new();
    for part in parts {
        match part {
            AssistantPart::Text { text: it, .. } => text.push_str(it),
            AssistantPart::Reasoning { text: it, .. } if with_thinking => thinking.push_str(it),
            AssistantPart::Reasoning { .. } => {}
            AssistantPart::Call {
                name, arguments, ..
            } => calls.push(json!({ "function": { "name": name, "arguments": arguments } })),
        }
    }
    let mut out = message("assistant", &text, Vec::new());
    if !thinking.is_empty() {
        out["thinking"] = json!(thinking);
    }
    if !calls.is_empty() {
        out["tool_calls"] = Value::Array(calls);
    }
    out
}

fn answer(answer: &Answer) -> Value {
    let mut texts = Vec::new();
    let mut images = Vec::new();
    for part in &answer.parts {
        match part {
            AnswerPart::Text(text) => texts.push(text.as_str()),
            AnswerPart::Image { data, .. } => images.push(data.as_str()),
        }
    }
    let mut out = message("tool", &texts.join("\n"), images);
    out["tool_name"] = json!(answer.name);
    out
}
