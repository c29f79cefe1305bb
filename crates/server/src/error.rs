use std::error::Error as StdError;

use axum::{
    Json,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use gateway::CallError;
use orchestrator::{Error, ModelErrorKind};
use serde::Serialize;

/// What a client gets when a request fails.
///
/// `code` is for programs and never changes its meaning. `message` is for people and may change, as
/// may `hint`, which says what to do. What went wrong inside goes to the log, not over the wire.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ApiError {
    #[serde(skip)]
    status: StatusCode,
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    pub(crate) fn unauthorized() -> Self {
        let message = "a token or a session is needed";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
            .hint("send `Authorization: Bearer <token>`, or open the link of `archestra open`")
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the message and the hint, for where there is room for one text.
    pub(crate) fn whole(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}; {hint}", self.message),
            None => self.message.clone(),
        }
    }
}

impl From<Error> for ApiError {
    fn from(err: Error) -> Self {
        let message = err.to_string();
        let (status, code, hint) = match err {
            Error::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found", None),
            Error::Conflict { .. } => (StatusCode::CONFLICT, "conflict", None),
            Error::AlreadyDecided { .. } => (StatusCode::CONFLICT, "already_decided", None),
            Error::Expired { .. } => (StatusCode::CONFLICT, "expired", None),
            Error::Stale { .. } => (StatusCode::CONFLICT, "stale", None),
            Error::Withdrawn { .. } => (StatusCode::CONFLICT, "withdrawn", None),
            Error::Invalid { hint, .. } => (StatusCode::BAD_REQUEST, "invalid", hint),
            Error::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", None),
            Error::Call(err) => {
                let (status, code) = of_call(&err);
                (status, code, None)
            }
            Error::Model(err) => {
                let (status, code) = of_model(err.kind);
                (status, code, Some(err.fix))
            }
            Error::Internal(_) => {
                tracing::error!(error = &err as &dyn StdError, "A request failed");
                let hint = Some("the program's log says more".to_owned());
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", hint)
            }
        };
        Self {
            status,
            code,
            message,
            hint,
        }
    }
}

fn of_model(kind: ModelErrorKind) -> (StatusCode, &'static str) {
    match kind {
        ModelErrorKind::Key => (StatusCode::BAD_GATEWAY, "model_key"),
        ModelErrorKind::Credit => (StatusCode::BAD_GATEWAY, "model_credit"),
        ModelErrorKind::RateLimit => (StatusCode::SERVICE_UNAVAILABLE, "model_rate_limit"),
        ModelErrorKind::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "model_overloaded"),
        ModelErrorKind::ContextTooLong => (StatusCode::BAD_GATEWAY, "model_context_too_long"),
        ModelErrorKind::ModelMissing => (StatusCode::CONFLICT, "model_missing"),
        ModelErrorKind::NoToolSupport => (StatusCode::BAD_GATEWAY, "model_no_tool_support"),
        ModelErrorKind::OutOfMemory => (StatusCode::BAD_GATEWAY, "model_out_of_memory"),
        ModelErrorKind::Unreachable => (StatusCode::BAD_GATEWAY, "model_unreachable"),
        ModelErrorKind::Certificate => (StatusCode::BAD_GATEWAY, "model_certificate"),
        ModelErrorKind::Silent => (StatusCode::GATEWAY_TIMEOUT, "model_silent"),
        ModelErrorKind::Malformed => (StatusCode::BAD_GATEWAY, "model_malformed"),
        ModelErrorKind::Limit => (StatusCode::BAD_GATEWAY, "model_limit"),
        ModelErrorKind::Other => (StatusCode::BAD_GATEWAY, "model_other"),
    }
}

fn of_call(err: &CallError) -> (StatusCode, &'static str) {
    match err {
        CallError::Unknown { .. } => (StatusCode::NOT_FOUND, "not_found"),
        CallError::Denied { .. } => (StatusCode::FORBIDDEN, "denied"),
        CallError::Quarantined { .. } => (StatusCode::FORBIDDEN, "quarantined"),
        CallError::WaitingForApproval { .. } => (StatusCode::FORBIDDEN, "waiting_for_approval"),
        CallError::NotApproved { .. } => (StatusCode::FORBIDDEN, "not_approved"),
        CallError::Params { .. } => (StatusCode::BAD_REQUEST, "invalid"),
        CallError::Timeout { .. } => (StatusCode::GATEWAY_TIMEOUT, "server_timeout"),
        CallError::Busy { .. } => (StatusCode::SERVICE_UNAVAILABLE, "server_busy"),
        CallError::Cancelled => (StatusCode::SERVICE_UNAVAILABLE, "cancelled"),
        CallError::NotRecorded { .. } => (StatusCode::SERVICE_UNAVAILABLE, "not_recorded"),
        CallError::NotStarted { .. } => (StatusCode::BAD_GATEWAY, "server_not_started"),
        CallError::Ended { .. } | CallError::NotReached { .. } | CallError::Lost { .. } => {
            (StatusCode::BAD_GATEWAY, "server_ended")
        }
        CallError::Server { .. } => (StatusCode::BAD_GATEWAY, "server_error"),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let is_unauthorized = self.status == StatusCode::UNAUTHORIZED;
        let mut response = (self.status, Json(self)).into_response();
        if is_unauthorized {
            let bearer = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

pub(crate) async fn no_such_path(uri: Uri) -> ApiError {
    let message = format!("there is nothing at `{}`", uri.path());
    ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
        .hint("`/openapi.json` lists what there is")
}

/// The routes add `Allow` to it.
pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    let message = format!("`{}` does not take `{method}`", uri.path());
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
    )
}
