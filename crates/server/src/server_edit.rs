//! `PATCH /api/v1/servers/{server}`: what of a server is changed while it stays the same server.

use std::collections::BTreeMap;

use axum::{Extension, Json, extract::State};
use domain::{Caller, EnvName};
use orchestrator::{LimitsEdit, ServerEdit};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiError, App,
    extract::{ApiPath, JsonBody},
    server_bodies::{FolderBody, IsolationBody, ServerDetailsBody},
};

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(edit_server))
}

/// What of a server is to be different; what is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EditServerBody {
    /// Up to 80 characters.
    title: Option<String>,
    /// All arguments of its process, in the place of the former ones.
    args: Option<Vec<String>>,
    /// Variables in clear that get another value, or, with null, are there no longer. The others stay.
    #[serde(default)]
    #[schema(value_type = HashMap<String, Option<String>>)]
    env: BTreeMap<EnvName, Option<String>>,
    /// All folders, in the place of the former ones.
    folders: Option<Vec<FolderBody>>,
    #[serde(default)]
    limits: EditLimitsBody,
    isolation: Option<IsolationBody>,
    /// Keeps the server running while nobody uses it.
    keep_warm: Option<bool>,
}

/// The limits that are to be different.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EditLimitsBody {
    memory_bytes_max: Option<u64>,
    /// Thousandths of a processor.
    cpu_millis_max: Option<u32>,
    /// Processes and threads.
    pids_max: Option<u32>,
    /// Size of `/tmp`.
    tmp_bytes_max: Option<u64>,
    start_timeout_ms: Option<u64>,
    call_timeout_ms: Option<u64>,
    /// Calls under way at a time.
    calls_max: Option<u32>,
}

/// Change what a server is called, gets and may take
///
/// All of it or, where something of it cannot be, nothing. Processes that run with what was before are
/// ended. What it comes from does not change; its secrets, headers and hosts have addresses of their
/// own.
#[utoipa::path(
    patch, path = "/api/v1/servers/{server}", operation_id = "edit_server", tag = "servers",
    params(("server" = String, Path, description = "Its slug or identifier")),
    request_body = EditServerBody,
    responses((status = 200, body = ServerDetailsBody), (status = "default", body = ApiError)),
)]
async fn edit_server(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(server): ApiPath<String>,
    JsonBody(body): JsonBody<EditServerBody>,
) -> Result<Json<ServerDetailsBody>, ApiError> {
    let orchestrator = &app.orchestrator;
    orchestrator.edit_server(&server, body.into(), &by).await?;
    let details = orchestrator.server(&server).await?;
    Ok(Json(ServerDetailsBody::from(&details)))
}

impl From<EditServerBody> for ServerEdit {
    fn from(body: EditServerBody) -> Self {
        let EditServerBody {
            title,
            args,
            env,
            folders,
            limits,
            isolation,
            keep_warm,
        } = body;
        Self {
            title,
            args,
            env,
            folders: folders.map(|it| it.into_iter().map(Into::into).collect()),
            limits: limits.into(),
            isolation: isolation.map(Into::into),
            keep_warm,
        }
    }
}

impl From<EditLimitsBody> for LimitsEdit {
    fn from(body: EditLimitsBody) -> Self {
        let EditLimitsBody {
            memory_bytes_max,
            cpu_millis_max,
            pids_max,
            tmp_bytes_max,
            start_timeout_ms,
            call_timeout_ms,
            calls_max,
        } = body;
        Self {
            memory_bytes_max,
            cpu_millis_max,
            pids_max,
            tmp_bytes_max,
            start_timeout_ms,
            call_timeout_ms,
            calls_max,
        }
    }
}
