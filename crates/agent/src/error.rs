use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a model gave no answer, as data: it is part of a run's log and is shown to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    pub kind: ModelErrorKind,
    /// What happened, for people.
    pub message: String,
    /// The one thing to do about it, for people.
    pub fix: String,
    /// How long the provider wants to be left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The beginning of what the provider said, for whoever wants to know exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
}

/// What somebody acts differently on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelErrorKind {
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
    /// The model wrote more than it may.
    Limit,
    Other,
}

impl ModelError {
    pub fn new(kind: ModelErrorKind, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            fix: fix.into(),
            retry_after_ms: None,
            details: None,
        }
    }

    /// Returns whether the same request may succeed in a while.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            ModelErrorKind::RateLimit | ModelErrorKind::Overloaded
        )
    }

    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after_ms.map(Duration::from_millis)
    }
}
