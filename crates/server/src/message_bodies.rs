//! Messages of chats, as the AI SDK has them and with what only we know.

use domain::Timestamp;
use orchestrator::{ChatMessages, MessageContent, MessagePart, MessageView, RunView, Sent};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::model_bodies::ModelRefBody;

/// A page of a chat's messages, the oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessagesBody {
    pub(crate) messages: Vec<MessageBody>,
    /// Whether older ones come before them.
    pub(crate) has_older: bool,
    /// Messages that are sent when the run ends.
    pub(crate) queued: Vec<QueuedBody>,
    /// The run that is under way or waits.
    pub(crate) run: Option<ActiveRunBody>,
}

/// A message.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageBody {
    id: String,
    role: MessageRoleBody,
    /// Its parts, as those of the AI SDK's UI messages.
    #[schema(value_type = Vec<Object>)]
    parts: Vec<Value>,
    /// Of an answer: by which provider and model it was written.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    /// The message that it follows.
    parent: Option<String>,
    /// The messages that stand in each other's place here, this one included, in the order in which
    /// they were made.
    siblings: Vec<String>,
    /// Of an answer: how its run stands.
    state: Option<&'static str>,
    run: Option<String>,
    created_at_ms: u64,
    /// When its run came to its end.
    ended_at_ms: Option<u64>,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum MessageRoleBody {
    User,
    Assistant,
}

/// A message that waits for the run to end.
#[derive(Serialize, ToSchema)]
pub(crate) struct QueuedBody {
    id: String,
    /// Its text, without what is attached to it.
    text: String,
    /// How many files are attached to it.
    attachments: usize,
    created_at_ms: u64,
}

/// The run that is under way or waits.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActiveRunBody {
    id: String,
    /// `running`, or `parked`: a person has to decide or to answer.
    state: &'static str,
    /// The message that it writes.
    message: String,
}

/// What a person says.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendBody {
    #[serde(default)]
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) attachments: Vec<AttachmentBody>,
    /// What the chat asks from now on.
    pub(crate) model: Option<ModelRefBody>,
}

/// A file that is shown to the model: an image, or a text.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttachmentBody {
    filename: String,
    /// For instance `image/png`.
    media_type: String,
    /// Base64.
    data: String,
}

/// Another text in the place of a message.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RerunBody {
    /// Without it the message is answered once more as it is.
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) attachments: Vec<AttachmentBody>,
    pub(crate) model: Option<ModelRefBody>,
}

/// What became of a message.
#[derive(Serialize, ToSchema)]
pub(crate) struct SentBody {
    message: String,
    /// The run that answers it; none where it waits for another to end.
    run: Option<String>,
    /// The message that the run writes.
    answer: Option<String>,
}

/// Returns a message's parts.
pub(crate) fn parts(text: String, attachments: Vec<AttachmentBody>) -> Vec<MessagePart> {
    let files = attachments.into_iter().map(|it| MessagePart::File {
        url: format!("data:{};base64,{}", it.media_type, it.data),
        media_type: it.media_type,
        filename: Some(it.filename),
    });
    let text = (!text.is_empty()).then_some(MessagePart::Text { text });
    files.chain(text).collect()
}

impl From<ChatMessages> for MessagesBody {
    fn from(it: ChatMessages) -> Self {
        Self {
            messages: it.messages.into_iter().map(MessageBody::from).collect(),
            has_older: it.has_older,
            queued: it.queue.into_iter().map(QueuedBody::from).collect(),
            run: it.active.map(ActiveRunBody::from),
        }
    }
}

impl From<MessageView> for MessageBody {
    fn from(view: MessageView) -> Self {
        let (role, parts, metadata, run) = match view.content {
            MessageContent::User(parts) => (MessageRoleBody::User, values(&parts), None, None),
            MessageContent::Assistant(answer, run) => {
                let parts = values(&answer.parts);
                (MessageRoleBody::Assistant, parts, answer.metadata, run)
            }
        };
        Self {
            id: view.id.to_string(),
            role,
            parts,
            metadata,
            parent: view.parent.map(|it| it.to_string()),
            siblings: view.siblings.iter().map(ToString::to_string).collect(),
            state: run.as_ref().map(|it| it.state.as_str()),
            ended_at_ms: run.as_ref().and_then(|it| it.ended_at).map(ms),
            run: run.map(|it| it.id.to_string()),
            created_at_ms: view.created_at.unix_ms,
        }
    }
}

impl From<MessageView> for QueuedBody {
    fn from(view: MessageView) -> Self {
        let parts = match view.content {
            MessageContent::User(parts) => parts,
            MessageContent::Assistant(..) => Vec::new(),
        };
        let texts = parts.iter().filter_map(|it| match it {
            MessagePart::Text { text } => Some(text.as_str()),
            MessagePart::File { .. } => None,
        });
        let texts: Vec<&str> = texts.collect();
        Self {
            id: view.id.to_string(),
            attachments: parts.len() - texts.len(),
            text: texts.join("\n"),
            created_at_ms: view.created_at.unix_ms,
        }
    }
}

impl From<RunView> for ActiveRunBody {
    fn from(run: RunView) -> Self {
        Self {
            id: run.id.to_string(),
            state: run.state.as_str(),
            message: run.answer.to_string(),
        }
    }
}

impl From<&Sent> for SentBody {
    fn from(sent: &Sent) -> Self {
        Self {
            message: sent.message.to_string(),
            run: sent.run.as_ref().map(|it| it.id.to_string()),
            answer: sent.run.as_ref().map(|it| it.answer.to_string()),
        }
    }
}

fn values<T: Serialize>(parts: &[T]) -> Vec<Value> {
    let value = |it: &T| serde_json::to_value(it).expect("a part has a JSON form");
    parts.iter().map(value).collect()
}

const fn ms(at: Timestamp) -> u64 {
    at.unix_ms
}
