//! What is stored of messages: a person's parts, and of an answer what its run came to.
//!
//! An answer's content is the run's log without what only mattered while it was written. Its fold is
//! the run's, so a model and a person read the same, and the log itself need not be kept.

use agent::{Conversation, HistoryItem, Message, RunEvent, RunState, UserPart};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{AnswerContent, MESSAGE_BYTES_MAX, NewMessage, Role, StoredMessage};

use crate::Error;

/// The longest title that is made of a message, in characters.
const TITLE_CHARS_MAX: usize = 60;
/// What models can look at.
const IMAGE_TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// A part of a person's message, as the AI SDK's UI messages have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum MessagePart {
    Text {
        text: String,
    },
    /// An image or a text.
    File {
        /// For instance `image/png`.
        media_type: String,
        /// A `data:` URL in base64.
        url: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filename: Option<String>,
    },
}

/// Checks what a person wants to send.
pub(crate) fn check_parts(parts: &[MessagePart], bytes_max: usize) -> Result<(), Error> {
    let bytes: usize = parts.iter().map(MessagePart::bytes).sum();
    if bytes_max < bytes {
        return Err(Error::invalid_with(
            format!(
                "the message has {bytes} bytes, more than {bytes_max} (`chat_message_bytes_max`)"
            ),
            "send it in pieces, or smaller images",
        ));
    }
    for part in parts {
        if let MessagePart::File {
            media_type, url, ..
        } = part
        {
            check_file(media_type, url)?;
        }
    }
    let is_blank = |it: &MessagePart| match it {
        MessagePart::Text { text } => text.trim().is_empty(),
        MessagePart::File { .. } => false,
    };
    if parts.iter().all(is_blank) {
        return Err(Error::invalid("the message is empty"));
    }
    Ok(())
}

fn check_file(media_type: &str, url: &str) -> Result<(), Error> {
    let is_text = is_text(media_type);
    if !is_text && !IMAGE_TYPES.contains(&media_type) {
        return Err(Error::invalid_with(
            format!("a file of type `{media_type}` cannot be shown to a model"),
            "send an image (PNG, JPEG, GIF, WebP) or a text",
        ));
    }
    if base64_of(media_type, url).is_none() {
        return Err(Error::invalid(format!(
            "the address of a file has to begin with `data:{media_type};base64,`, and base64 has to follow"
        )));
    }
    if is_text && text_file(media_type, url).is_none() {
        return Err(Error::invalid_with(
            format!("a file says that it is `{media_type}`, and is no text in UTF-8"),
            "save it as UTF-8",
        ));
    }
    Ok(())
}

/// Whether a model reads a file of this type as text.
fn is_text(media_type: &str) -> bool {
    media_type.starts_with("text/") || media_type == "application/json"
}

fn text_file(media_type: &str, url: &str) -> Option<String> {
    let bytes = STANDARD.decode(base64_of(media_type, url)?).ok()?;
    String::from_utf8(bytes).ok()
}

impl MessagePart {
    fn bytes(&self) -> usize {
        match self {
            Self::Text { text } => text.len(),
            Self::File {
                media_type,
                url,
                filename,
            } => media_type.len() + url.len() + filename.as_ref().map_or(0, String::len),
        }
    }
}

fn base64_of<'a>(media_type: &str, url: &'a str) -> Option<&'a str> {
    let data = url.strip_prefix("data:")?.strip_prefix(media_type)?;
    let data = data.strip_prefix(";base64,")?;
    let is_base64 = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'+' | b'/' | b'=');
    (!data.is_empty() && data.len().is_multiple_of(4) && data.bytes().all(is_base64))
        .then_some(data)
}

/// Returns the message as it is stored.
pub(crate) fn new_message(
    id: domain::MessageId,
    parts: &[MessagePart],
) -> Result<NewMessage, Error> {
    let content = serde_json::to_string(parts).map_err(Error::internal)?;
    Ok(NewMessage {
        id,
        content: content.into(),
        text: text_of(parts),
    })
}

fn text_of(parts: &[MessagePart]) -> String {
    let texts = parts.iter().filter_map(|it| match it {
        MessagePart::Text { text } => Some(text.as_str()),
        MessagePart::File { .. } => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// Makes a title of the first words of a message, if it has any.
pub(crate) fn title_of(parts: &[MessagePart]) -> Option<String> {
    let text = text_of(parts);
    let mut title = String::new();
    for word in text.split_whitespace() {
        let chars = title.chars().count();
        if TITLE_CHARS_MAX < chars + 1 + word.chars().count() {
            if title.is_empty() {
                title.extend(word.chars().take(TITLE_CHARS_MAX - 1));
            }
            title.push('…');
            break;
        }
        if !title.is_empty() {
            title.push(' ');
        }
        title.push_str(word);
    }
    let is_shown = |it: char| !it.is_control();
    title.retain(is_shown);
    (!title.is_empty()).then_some(title)
}

/// A run's log, as far as it has to be kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    events: Vec<RunEvent>,
}

impl Kept {
    pub(crate) fn push(&mut self, event: RunEvent) {
        // Whole arguments and results come after these.
        if matches!(
            event,
            RunEvent::ToolProgress { .. } | RunEvent::ToolInputDelta { .. }
        ) {
            return;
        }
        match self.events.pop() {
            Some(last) => self.events.extend(agent::joined(vec![last, event])),
            None => self.events.push(event),
        }
    }

    /// Returns what the run has come to.
    pub(crate) fn state(&self) -> RunState {
        RunState::of(&self.events)
    }

    /// Returns the answer as it is stored.
    pub(crate) fn answer(&self) -> AnswerContent {
        let state = self.state();
        let texts = state.parts.iter().filter_map(|it| match it {
            agent::Part::Text(text) => Some(text.text.as_str()),
            _ => None,
        });
        AnswerContent {
            content: bounded(&self.events, MESSAGE_BYTES_MAX).into(),
            text: texts.collect::<Vec<_>>().join("\n"),
        }
    }
}

/// Returns events as JSON. Where that would be too long, images of tools' results go first, and then
/// whole results, the oldest first.
fn bounded(events: &[RunEvent], bytes_max: usize) -> String {
    let content = to_json(events);
    if content.len() <= bytes_max {
        return content;
    }
    let mut bytes = content.len();
    let mut events = events.to_vec();
    for shorten in [without_images, without_content] {
        for event in &mut events {
            let RunEvent::ToolResult { content, .. } = event else {
                continue;
            };
            if bytes_max < bytes {
                let before = to_json(&*content).len();
                shorten(content);
                bytes = (bytes + to_json(&*content).len()).saturating_sub(before);
            }
        }
    }
    to_json(&events)
}

fn without_images(content: &mut Value) {
    let blocks = content.get_mut("content").and_then(Value::as_array_mut);
    for block in blocks.into_iter().flatten() {
        if block["type"] == "image" {
            *block = json!({ "type": "text", "text": "[an image was not kept]" });
        }
    }
}

fn without_content(content: &mut Value) {
    *content = json!({ "content": [{ "type": "text", "text": "[this result was not kept]" }] });
}

fn to_json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("events have a JSON form")
}

/// Reads the parts of a person's message.
pub(crate) fn parts_of(message: &StoredMessage) -> Result<Vec<MessagePart>, Error> {
    serde_json::from_str(&message.content).map_err(Error::internal)
}

/// Reads what an answer's run has come to.
pub(crate) fn events_of(message: &StoredMessage) -> Result<Vec<RunEvent>, Error> {
    serde_json::from_str(&message.content).map_err(Error::internal)
}

/// Returns messages as a model gets them.
pub(crate) fn history(messages: &[StoredMessage]) -> Result<Vec<HistoryItem>, Error> {
    let item = |it: &StoredMessage| {
        Ok(match it.node.role {
            Role::User => {
                let parts = parts_of(it)?;
                HistoryItem::User(parts.into_iter().filter_map(user_part).collect())
            }
            Role::Assistant => HistoryItem::Run(Box::new(RunState::of(&events_of(it)?))),
        })
    };
    messages.iter().map(item).collect()
}

fn user_part(part: MessagePart) -> Option<UserPart> {
    match part {
        MessagePart::Text { text } if text.is_empty() => None,
        MessagePart::Text { text } => Some(UserPart::Text(text)),
        MessagePart::File {
            media_type,
            url,
            filename,
        } if is_text(&media_type) => {
            let text = text_file(&media_type, &url)?;
            let name = filename.as_deref().unwrap_or("unnamed");
            Some(UserPart::Text(format!("The file `{name}`:\n\n{text}")))
        }
        MessagePart::File {
            media_type, url, ..
        } => {
            let data = base64_of(&media_type, &url)?.to_owned();
            Some(UserPart::Image { media_type, data })
        }
    }
}

/// Takes the oldest messages away until the rest has at most so many tokens, about. What is left
/// begins with a person's message, and the last one is always there. Returns how many went.
pub(crate) fn fit(conversation: &mut Conversation, tokens_max: u64) -> usize {
    let is_users = |it: &Message| matches!(it, Message::User { .. });
    let mut gone = 0;
    while tokens_max < agent::estimate_conversation(conversation) {
        let later = conversation.messages.iter().skip(1).position(is_users);
        let Some(place) = later else { break };
        conversation.messages.drain(..=place);
        gone += place + 1;
    }
    gone
}

#[cfg(test)]
mod tests;
