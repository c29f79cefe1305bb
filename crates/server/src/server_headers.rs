//! `/api/v1/servers/{server}/headers`: what goes with each request to a remote server.

use axum::{Extension, extract::State, http::StatusCode};
use domain::{Caller, HeaderName, Secret};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiError, App,
    extract::{ApiPath, JsonBody},
};

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(set_header, remove_header))
}

/// The value of a header. It is sealed, and in no answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HeaderBody {
    // Of any kind, since the error about another one would repeat it.
    #[schema(value_type = String, write_only)]
    value: serde_json::Value,
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
    let header = header_name(&header)?;
    let serde_json::Value::String(value) = body.value else {
        return Err(ApiError::invalid("`value` must be a text"));
    };
    let orchestrator = &app.orchestrator;
    orchestrator
        .set_header(&server, header, Secret::new(value), &by)
        .await?;
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
    let header = header_name(&header)?;
    app.orchestrator.remove_header(&server, header, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn header_name(text: &str) -> Result<HeaderName, ApiError> {
    text.parse()
        .map_err(|err: domain::HeaderNameError| ApiError::invalid(err.to_string()))
}
