//! What a server is given sealed: secrets of a package's process, headers for a remote server.

use axum::{Extension, extract::State, http::StatusCode};
use domain::{Caller, EnvName, HeaderName, Secret};
use orchestrator::Sealed;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiError, App,
    extract::{ApiPath, JsonBody},
    server_bodies::refuse_unconfirmed,
};

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(set_header, remove_header))
        .routes(routes!(set_secret, remove_secret))
}

/// The value of a header. It is sealed, and in no answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HeaderBody {
    // Of any kind, since the error about another one would repeat it.
    #[schema(value_type = String, write_only)]
    value: serde_json::Value,
}

/// The value of a secret. It is sealed, and in no answer. The server itself gets it in clear.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SecretBody {
    // As above.
    #[schema(value_type = String, write_only)]
    value: serde_json::Value,
    /// Says that this server may see the value; it has to be true.
    #[serde(default)]
    give_secrets_in_clear: bool,
}

/// Set a header that goes with each request to a remote server
#[utoipa::path(
    put, path = "/api/v1/servers/{server}/headers/{header}", operation_id = "set_header",
    tag = "servers",
    params(
        ("server" = String, Path, description = "Its slug or identifier"),
        ("header" = String, Path, description = "For instance `Authorization`"),
    ),
    request_body = HeaderBody,
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn set_header(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath((server, header)): ApiPath<(String, String)>,
    JsonBody(body): JsonBody<HeaderBody>,
) -> Result<StatusCode, ApiError> {
    let (what, value) = (header_name(&header)?, secret_text(body.value)?);
    let set = app.orchestrator.set_secret(&server, what, value, &by);
    set.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a header of a remote server
#[utoipa::path(
    delete, path = "/api/v1/servers/{server}/headers/{header}", operation_id = "remove_header",
    tag = "servers",
    params(
        ("server" = String, Path, description = "Its slug or identifier"),
        ("header" = String, Path, description = "For instance `Authorization`"),
    ),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn remove_header(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath((server, header)): ApiPath<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let what = header_name(&header)?;
    app.orchestrator.remove_secret(&server, what, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a secret to a server, which sees it in clear
///
/// Its processes that run are ended, and the next ones have it.
#[utoipa::path(
    put, path = "/api/v1/servers/{server}/secrets/{secret}", operation_id = "set_secret",
    tag = "servers",
    params(
        ("server" = String, Path, description = "Its slug or identifier"),
        ("secret" = String, Path, description = "The variable that has it, for instance `API_KEY`"),
    ),
    request_body = SecretBody,
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn set_secret(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath((server, secret)): ApiPath<(String, String)>,
    JsonBody(body): JsonBody<SecretBody>,
) -> Result<StatusCode, ApiError> {
    let name = variable(&secret)?;
    refuse_unconfirmed([&name], body.give_secrets_in_clear)?;
    let value = secret_text(body.value)?;
    let what = Sealed::Variable(name);
    let set = app.orchestrator.set_secret(&server, what, value, &by);
    set.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a secret from a server
#[utoipa::path(
    delete, path = "/api/v1/servers/{server}/secrets/{secret}", operation_id = "remove_secret",
    tag = "servers",
    params(
        ("server" = String, Path, description = "Its slug or identifier"),
        ("secret" = String, Path, description = "The variable that has it, for instance `API_KEY`"),
    ),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn remove_secret(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath((server, secret)): ApiPath<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let what = Sealed::Variable(variable(&secret)?);
    app.orchestrator.remove_secret(&server, what, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn header_name(text: &str) -> Result<Sealed, ApiError> {
    let name: Result<HeaderName, _> = text.parse();
    name.map(Sealed::Header)
        .map_err(|err| ApiError::invalid(err.to_string()))
}

fn variable(text: &str) -> Result<EnvName, ApiError> {
    let name: Result<EnvName, domain::EnvNameError> = text.parse();
    name.map_err(|err| ApiError::invalid(err.to_string()))
}

/// The error does not repeat what was sent.
fn secret_text(value: serde_json::Value) -> Result<Secret<String>, ApiError> {
    match value {
        serde_json::Value::String(value) => Ok(Secret::new(value)),
        _ => Err(ApiError::invalid("`value` must be a text")),
    }
}
