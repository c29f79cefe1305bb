//! Models, and why there is none, as the API shows them.

use domain::ProviderId;
use orchestrator::{ModelError, ModelErrorKind, ModelInfo, ProviderDetails};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A model at a provider.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelRefBody {
    /// The identifier of its provider.
    #[schema(value_type = String)]
    pub(crate) provider: ProviderId,
    /// As its provider calls it.
    pub(crate) model: String,
}

/// A model as its provider describes it. What it does not say is null.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelBody {
    /// The identifier of its provider.
    provider: String,
    /// What requests name it by.
    name: String,
    /// What people call it.
    title: String,
    /// On this machine: nothing of a chat leaves it.
    local: bool,
    /// It only plays a model.
    demo: bool,
    /// Whether it can call tools.
    tools: Option<bool>,
    /// Whether it understands images.
    vision: Option<bool>,
    /// Whether it can think before it answers.
    thinking: Option<bool>,
    context_tokens: Option<u64>,
    /// On disk, for a local model.
    size_bytes: Option<u64>,
    /// For instance `8.2B`.
    parameters: Option<String>,
}

/// Why a model gave no answer, with the one thing to do about it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelErrorBody {
    kind: ModelErrorKindBody,
    /// What happened, for people.
    message: String,
    /// What to do about it, for people.
    fix: String,
    /// How long the provider wants to be left alone.
    retry_after_ms: Option<u64>,
    /// The beginning of what the provider said.
    details: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ModelErrorKindBody {
    /// The key is missing, wrong or may not do this.
    Key,
    /// The account is empty.
    Credit,
    RateLimit,
    /// The provider has too much to do at the moment.
    Overloaded,
    ContextTooLong,
    ModelMissing,
    NoToolSupport,
    /// The machine that the model is on has not enough memory for it.
    OutOfMemory,
    Unreachable,
    Certificate,
    /// It went silent for longer than it may.
    Silent,
    /// What came was cut, or is not what the provider documents.
    Malformed,
    /// It sent more than it may.
    Limit,
    Other,
}

impl ModelBody {
    pub(crate) fn new(provider: &ProviderDetails, model: &ModelInfo) -> Self {
        Self {
            provider: provider.id.to_string(),
            name: model.name.clone(),
            title: model.title.clone().unwrap_or_else(|| model.name.clone()),
            local: provider.local,
            demo: provider.demo,
            tools: model.tools,
            vision: model.vision,
            thinking: model.thinking,
            context_tokens: model.context_tokens,
            size_bytes: model.size_bytes,
            parameters: model.parameters.clone(),
        }
    }
}

impl From<ModelError> for ModelErrorBody {
    fn from(error: ModelError) -> Self {
        Self {
            kind: error.kind.into(),
            message: error.message,
            fix: error.fix,
            retry_after_ms: error.retry_after_ms,
            details: error.details,
        }
    }
}

impl From<ModelErrorKind> for ModelErrorKindBody {
    fn from(kind: ModelErrorKind) -> Self {
        match kind {
            ModelErrorKind::Key => Self::Key,
            ModelErrorKind::Credit => Self::Credit,
            ModelErrorKind::RateLimit => Self::RateLimit,
            ModelErrorKind::Overloaded => Self::Overloaded,
            ModelErrorKind::ContextTooLong => Self::ContextTooLong,
            ModelErrorKind::ModelMissing => Self::ModelMissing,
            ModelErrorKind::NoToolSupport => Self::NoToolSupport,
            ModelErrorKind::OutOfMemory => Self::OutOfMemory,
            ModelErrorKind::Unreachable => Self::Unreachable,
            ModelErrorKind::Certificate => Self::Certificate,
            ModelErrorKind::Silent => Self::Silent,
            ModelErrorKind::Malformed => Self::Malformed,
            ModelErrorKind::Limit => Self::Limit,
            ModelErrorKind::Other => Self::Other,
        }
    }
}
