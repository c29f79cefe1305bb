//! Requests taken apart, with errors that name what is wrong.

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use bytes::Bytes;
use domain::{Id, Secret, Timestamp};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{ApiError, App, ServerSettings};

/// A body of JSON.
pub(crate) struct JsonBody<T>(pub(crate) T);

/// Parts of the path.
pub(crate) struct ApiPath<T>(pub(crate) T);

/// The query.
pub(crate) struct ApiQuery<T>(pub(crate) T);

/// Why a body cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyError {
    TooLong { bytes_max: usize },
    TooSlow,
    Broken,
}

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "the body must be JSON",
            )
            .hint("send `Content-Type: application/json`"));
        }
        let body = read_body(request.into_body(), &app.settings).await;
        let body = body.map_err(|err| ApiError::new(err.status(), err.code(), err.message()))?;
        parse(&body).map(Self).map_err(ApiError::invalid)
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<App> for ApiPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let path = Path::from_request_parts(parts, app).await;
        let Path(path) = path.map_err(|err| ApiError::invalid(err.body_text()))?;
        Ok(Self(path))
    }
}

impl<T: DeserializeOwned> FromRequestParts<App> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let query = Query::from_request_parts(parts, app).await;
        let Query(query) = query.map_err(|err| {
            let text = err.body_text();
            let reason = text
                .split_once(": ")
                .map_or(text.as_str(), |(_, reason)| reason);
            ApiError::invalid(format!("the query is not understood: {reason}"))
        })?;
        Ok(Self(query))
    }
}

/// Understands an identifier of a path. What is none is the identifier of nothing.
pub(crate) fn id_of<K>(what: &str, text: &str) -> Result<Id<K>, ApiError> {
    text.parse().map_err(|_| {
        let message = format!("{what} `{text}` not found");
        ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
    })
}

/// Understands a field that can be left out (`None`), or be null (`Some(None)`).
///
/// # Errors
///
/// Those of what it is otherwise.
pub(crate) fn null_or<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// Understands a secret, or nothing for null. It is read of any kind, since the error about another
/// one would repeat it.
pub(crate) fn secret_of(
    what: &str,
    value: serde_json::Value,
) -> Result<Option<Secret<String>>, ApiError> {
    match value {
        serde_json::Value::Null => Ok(None),
        serde_json::Value::String(text) => Ok(Some(Secret::new(text))),
        _ => Err(ApiError::invalid(format!("`{what}` must be a text"))),
    }
}

pub(crate) fn limit_of(limit: Option<u32>, default: u32, max: u32) -> Result<u32, ApiError> {
    let limit = limit.unwrap_or(default);
    if !(1..=max).contains(&limit) {
        return Err(ApiError::invalid(format!(
            "`limit` is {limit}, and has to be between 1 and {max}"
        )));
    }
    Ok(limit)
}

/// Returns a place in a list of which the newest come first, for [`place_of`].
pub(crate) fn place_text<K>(at: Timestamp, id: Id<K>) -> String {
    format!("{}.{id}", at.unix_ms)
}

pub(crate) fn place_of<K>(text: &str) -> Result<(Timestamp, Id<K>), ApiError> {
    let parts = text.split_once('.');
    let place = parts.and_then(|(unix_ms, id)| {
        let unix_ms = unix_ms.parse().ok()?;
        Some((Timestamp { unix_ms }, id.parse().ok()?))
    });
    place.ok_or_else(|| ApiError::invalid("`before` is not the `next` of an answer"))
}

/// Returns JSON that is kept as a text.
pub(crate) fn stored_json(text: Box<str>) -> Box<RawValue> {
    let text = String::from(text);
    // What is not JSON any more is shown as it is.
    RawValue::from_string(text.clone()).unwrap_or_else(|_| mcp::object::raw(&text))
}

/// Whether the body is said to be JSON. A parameter such as `charset` changes nothing.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|it| it.to_str().ok());
    content_type.is_some_and(|it| {
        let essence = it.split(';').next().unwrap_or(it);
        essence.trim().eq_ignore_ascii_case("application/json")
    })
}

/// Reads a body whole, within the bounds that are set.
pub(crate) async fn read_body(body: Body, settings: &ServerSettings) -> Result<Bytes, BodyError> {
    let bytes_max = settings.request_bytes_max;
    let read = Limited::new(body, bytes_max).collect();
    match tokio::time::timeout(settings.request_timeout, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(err)) if err.is::<LengthLimitError>() => Err(BodyError::TooLong { bytes_max }),
        Ok(Err(_)) => Err(BodyError::Broken),
        Err(_) => Err(BodyError::TooSlow),
    }
}

/// Parses a JSON object; the error names the field.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    // An array would be taken for the fields in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err("the body is not understood: it must be a JSON object".to_owned());
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|err| {
        let path = err.path().to_string();
        match path.as_str() {
            "." => format!("the body is not understood: {}", err.inner()),
            _ => format!("`{path}`: {}", err.inner()),
        }
    })?;
    let end = json.end();
    end.map_err(|err| format!("the body is not understood: {err}"))?;
    Ok(value)
}

impl BodyError {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }

    const fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "too_large",
            Self::TooSlow => "too_slow",
            Self::Broken => "invalid",
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::TooLong { bytes_max } => {
                format!("the body has more than {bytes_max} bytes (`request_bytes_max`)")
            }
            Self::TooSlow => "the body did not arrive in time (`request_timeout`)".to_owned(),
            Self::Broken => "the body broke off".to_owned(),
        }
    }
}
