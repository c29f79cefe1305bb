use std::time::Duration;

use domain::{ApprovalId, ServerSlug};
use mcp::{RpcError, code};
use serde_json::value::RawValue;

/// Why a request did not get an answer from its server.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// There is no such thing, or the caller may not see it: the two are not told apart.
    #[error("{what}")]
    Unknown { what: String },
    #[error("{reason}")]
    Denied { reason: String },
    /// The tool is not what somebody has agreed to.
    #[error("{reason}; a person can look at it at {address}")]
    Quarantined { reason: String, address: String },
    /// The request stays open; the same call made again finds what was decided.
    #[error(
        "the call of {what} is waiting for approval: a person can allow or deny it at {address}; make the same call again after that"
    )]
    WaitingForApproval {
        what: String,
        approval: ApprovalId,
        address: String,
    },
    #[error("the call of {what} was not approved{}", because(reason.as_deref()))]
    NotApproved {
        what: String,
        reason: Option<String>,
    },
    #[error("server `{server}` cannot be started: {reason}")]
    NotStarted { server: ServerSlug, reason: String },
    #[error("server `{server}` ended while the request was under way: {reason}")]
    Ended { server: ServerSlug, reason: String },
    /// Nothing was sent, so the request may be made again.
    #[error("server `{server}` ended before the request reached it")]
    NotReached { server: ServerSlug },
    #[error("the answer of server `{server}` was lost: {reason}")]
    Lost { server: ServerSlug, reason: String },
    #[error("server `{server}` did not answer within {limit:?} (`{name}`)")]
    Timeout {
        server: ServerSlug,
        limit: Duration,
        name: &'static str,
    },
    #[error("server `{server}` is busy: it may have {limit} at a time (`{name}`)")]
    Busy {
        server: ServerSlug,
        limit: usize,
        name: &'static str,
    },
    #[error("the request was cancelled")]
    Cancelled,
    #[error("the parameters are not understood: {reason}")]
    Params { reason: String },
    #[error("the call cannot be written down, so it was not made: {reason}")]
    NotRecorded { reason: String },
    /// The server's own error, as it sent it.
    #[error("the server answered with an error: {error}")]
    Server { error: Box<RawValue> },
}

impl CallError {
    pub(crate) fn unknown_server(slug: &ServerSlug) -> Self {
        Self::Unknown {
            what: format!("there is no server `{slug}`"),
        }
    }

    pub(crate) fn params(err: &serde_json::Error) -> Self {
        Self::Params {
            reason: err.to_string(),
        }
    }

    /// Returns the error that a client gets; a server's own as the server sent it.
    pub fn to_raw(&self) -> Box<RawValue> {
        let code = match self {
            Self::Server { error } => return error.clone(),
            Self::Unknown { .. } | Self::Params { .. } => code::INVALID_PARAMS,
            Self::Denied { .. }
            | Self::Quarantined { .. }
            | Self::WaitingForApproval { .. }
            | Self::NotApproved { .. } => code::FORBIDDEN,
            Self::NotRecorded { .. } => code::INTERNAL,
            Self::NotStarted { .. }
            | Self::Ended { .. }
            | Self::NotReached { .. }
            | Self::Lost { .. }
            | Self::Timeout { .. }
            | Self::Busy { .. }
            | Self::Cancelled => code::SERVER,
        };
        RpcError::new(code, self.to_string()).to_raw()
    }

    /// Returns the result that a client's model gets, where it can do something about it: what a
    /// person has to do, or has done.
    pub(crate) fn to_tool_result(&self) -> Option<Box<RawValue>> {
        match self {
            Self::Quarantined { .. }
            | Self::WaitingForApproval { .. }
            | Self::NotApproved { .. } => Some(mcp::object::raw(&serde_json::json!({
                "content": [{ "type": "text", "text": self.to_string() }],
                "isError": true,
            }))),
            _ => None,
        }
    }

    /// Returns a word for the audit.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown",
            Self::Denied { .. } => "denied",
            Self::Quarantined { .. } => "quarantined",
            Self::WaitingForApproval { .. } => "waiting_for_approval",
            Self::NotApproved { .. } => "not_approved",
            Self::NotStarted { .. } => "not_started",
            Self::Ended { .. } => "ended",
            Self::NotReached { .. } => "not_reached",
            Self::Lost { .. } => "lost",
            Self::Timeout { .. } => "timeout",
            Self::Busy { .. } => "busy",
            Self::Cancelled => "cancelled",
            Self::Params { .. } => "invalid_params",
            Self::NotRecorded { .. } => "not_recorded",
            Self::Server { .. } => "error",
        }
    }
}

fn because(reason: Option<&str>) -> String {
    reason.map(|it| format!(": {it}")).unwrap_or_default()
}
