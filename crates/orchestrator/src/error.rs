use agent::ModelError;
use gateway::CallError;
use store::StoreError;

/// Why a use case could not be carried out.
///
/// The variants are the ones that a caller can act on; `server` gives each a status code and the
/// CLI an exit code. A failure that only a developer can act on is [`Internal`](Self::Internal).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{what} not found")]
    NotFound { what: String },
    #[error("{reason}")]
    Conflict { reason: String },
    /// Somebody has decided about it before.
    #[error("{reason}")]
    AlreadyDecided { reason: String },
    /// It can be decided about no longer.
    #[error("{reason}")]
    Expired { reason: String },
    /// What was looked at is not what is there now.
    #[error("{reason}")]
    Stale { reason: String },
    /// What asked is gone.
    #[error("{reason}")]
    Withdrawn { reason: String },
    /// What was asked for makes no sense or is not allowed.
    #[error("{reason}")]
    Invalid {
        reason: String,
        hint: Option<String>,
    },
    /// The backend that runs sandboxes cannot do it now.
    #[error("{reason}")]
    Unavailable { reason: String },
    #[error("{0}")]
    Call(CallError),
    /// There is no model, or its provider says why not. It has its own fix.
    #[error("{0}")]
    Model(ModelError),
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid {
            reason: reason.into(),
            hint: None,
        }
    }

    pub(crate) fn invalid_with(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Invalid {
            reason: reason.into(),
            hint: Some(hint.into()),
        }
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    pub(crate) fn internal(err: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(err.into())
    }

    /// Tells what a person can act on from the rest.
    pub(crate) fn of_store(err: StoreError) -> Self {
        match err {
            StoreError::SlugTaken { .. }
            | StoreError::NameTaken { .. }
            | StoreError::TooMany { .. } => Self::Conflict {
                reason: err.to_string(),
            },
            StoreError::TooLarge { .. } | StoreError::NotStorable { .. } => {
                Self::invalid(err.to_string())
            }
            other => Self::internal(other),
        }
    }
}
