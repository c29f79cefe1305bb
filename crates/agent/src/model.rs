use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use serde_json::Value;

use crate::{
    conversation::Conversation,
    error::ModelError,
    event::{FinishReason, NoticeKind, Usage},
};

/// A model at a provider.
#[async_trait]
pub trait Model: Send + Sync {
    /// Returns the provider's name, as people gave it.
    fn provider(&self) -> &str;

    fn name(&self) -> &str;

    /// Asks the model. An error that comes from here, or as the stream's first item, means that
    /// nothing was written yet, and the request may be made again.
    ///
    /// Cancel safe: dropping the future or the stream ends the request.
    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError>;
}

/// Ends after [`ModelEvent::Finished`] or an error.
pub type ModelStream = BoxStream<'static, Result<ModelEvent, ModelError>>;

#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    pub conversation: Arc<Conversation>,
    /// Fit for any provider: names and schemas have passed through `fit`.
    pub tools: Vec<ModelTool>,
    pub options: ModelOptions,
}

/// A tool as the model sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelTool {
    pub name: String,
    pub description: String,
    /// A schema of an object.
    pub parameters: Value,
}

/// What a person may set for a chat. `None` leaves it to the provider.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelOptions {
    pub temperature: Option<f64>,
    pub output_tokens_max: Option<u32>,
    /// Whether the model thinks before it answers, where it can.
    pub think: Option<bool>,
    /// `low`, `medium`, `high` or what the provider knows.
    pub reasoning_effort: Option<String>,
    /// How long a local server keeps the model in memory, in its own words (`10m`).
    pub keep_alive: Option<String>,
}

/// What comes from a model while it writes.
///
/// The pieces of calls bear an index of their own, counted from zero in the order in which they
/// began. A piece never comes before its call's start.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelEvent {
    Text {
        text: String,
    },
    Reasoning {
        text: String,
    },
    /// What the provider wants back with the reasoning that came last.
    ReasoningMetadata {
        metadata: Value,
    },
    CallStarted {
        index: u32,
        name: String,
    },
    CallArguments {
        index: u32,
        text: String,
    },
    /// What the provider wants back with the call.
    CallMetadata {
        index: u32,
        metadata: Value,
    },
    Notice {
        kind: NoticeKind,
        text: String,
    },
    /// The last event.
    Finished {
        reason: FinishReason,
        usage: Usage,
    },
}
