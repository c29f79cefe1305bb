//! `/api/v1/servers`: the MCP servers.

use std::time::Duration;

use axum::{Extension, Json, extract::State, http::StatusCode};
use domain::{Caller, HostPort};
use orchestrator::{LogLine, LogStream, ServerChange};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiError, App,
    extract::{ApiPath, ApiQuery, JsonBody},
    server_bodies::{AddServerBody, AddedServerBody, ServerBody, ServerDetailsBody},
};

const LINES_DEFAULT: usize = 200;
const LINES_MAX: usize = 2_000;
/// The longest that a request for lines waits for one.
const WAIT_S_MAX: u64 = 25;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_servers, add_server))
        .routes(routes!(get_server, remove_server))
        .routes(routes!(restart_server))
        .routes(routes!(retry_install))
        .routes(routes!(decide_build_scripts))
        .routes(routes!(enable_server))
        .routes(routes!(disable_server))
        .routes(routes!(allow_host, disallow_host))
        .routes(routes!(get_server_logs))
        .routes(routes!(get_server_usage))
}

/// All servers, in the order of their slugs.
#[derive(Serialize, ToSchema)]
struct ServerListBody {
    servers: Vec<ServerBody>,
}

/// A decision about scripts that packages want to run while they are installed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ConsentBody {
    /// Whether they run, without any way out, or are left out.
    run: bool,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LogsQuery {
    /// Only lines with a greater number than this.
    #[serde(default)]
    after: u64,
    /// At most so many, and the last of them; at most 2,000.
    lines: Option<usize>,
    /// Where there are none, waits for one so long; at most 25.
    #[serde(default)]
    wait_s: u64,
}

/// Lines that a server has written, the oldest first.
#[derive(Serialize, ToSchema)]
struct LogsBody {
    lines: Vec<LogLineBody>,
    /// What to send as `after` for the lines that follow.
    after: u64,
}

#[derive(Serialize, ToSchema)]
struct LogLineBody {
    /// Grows by one with each line; a gap means lines that are not kept any more.
    number: u64,
    at_ms: u64,
    stream: LogStreamBody,
    text: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum LogStreamBody {
    Stdout,
    Stderr,
    /// From the program itself, about the server.
    Archestra,
}

/// List the servers
#[utoipa::path(
    get, path = "/api/v1/servers", operation_id = "list_servers", tag = "servers",
    responses((status = 200, body = ServerListBody), (status = "default", body = ApiError)),
)]
async fn list_servers(State(app): State<App>) -> Result<Json<ServerListBody>, ApiError> {
    let servers = app.orchestrator.servers().await?;
    Ok(Json(ServerListBody {
        servers: servers.iter().map(ServerBody::from).collect(),
    }))
}

/// Add a server
///
/// A package is installed in the background; the server's own address tells how far that is.
#[utoipa::path(
    post, path = "/api/v1/servers", operation_id = "add_server", tag = "servers",
    request_body = AddServerBody,
    responses((status = 201, body = AddedServerBody), (status = "default", body = ApiError)),
)]
async fn add_server(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    JsonBody(body): JsonBody<AddServerBody>,
) -> Result<(StatusCode, Json<AddedServerBody>), ApiError> {
    let id = app
        .orchestrator
        .add_server(body.into_domain()?, &by)
        .await?;
    let details = app.orchestrator.server(&id.to_string()).await?;
    Ok((
        StatusCode::CREATED,
        Json(AddedServerBody::new(&details.summary)),
    ))
}

/// Get all about a server
#[utoipa::path(
    get, path = "/api/v1/servers/{server}", operation_id = "get_server", tag = "servers",
    params(("server" = String, Path, description = "Its slug or identifier")),
    responses((status = 200, body = ServerDetailsBody), (status = "default", body = ApiError)),
)]
async fn get_server(
    State(app): State<App>,
    ApiPath(server): ApiPath<String>,
) -> Result<Json<ServerDetailsBody>, ApiError> {
    let details = app.orchestrator.server(&server).await?;
    Ok(Json(ServerDetailsBody::from(&details)))
}

/// Remove a server with all that was made for it
#[utoipa::path(
    delete, path = "/api/v1/servers/{server}", operation_id = "remove_server", tag = "servers",
    params(("server" = String, Path, description = "Its slug or identifier")),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn remove_server(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(server): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    app.orchestrator.remove_server(&server, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End a server's processes and sandboxes, and begin anew
#[utoipa::path(
    post, path = "/api/v1/servers/{server}/restart", operation_id = "restart_server",
    tag = "servers",
    params(("server" = String, Path, description = "Its slug or identifier")),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn restart_server(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(server): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    app.orchestrator.restart_server(&server, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Begin a failed install again
#[utoipa::path(
    post, path = "/api/v1/servers/{server}/retry", operation_id = "retry_install", tag = "servers",
    params(("server" = String, Path, description = "Its slug or identifier")),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn retry_install(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(server): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    app.orchestrator.retry_install(&server, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Decide whether packages run scripts of their own
#[utoipa::path(
    post, path = "/api/v1/servers/{server}/consent", operation_id = "decide_build_scripts",
    tag = "servers",
    params(("server" = String, Path, description = "Its slug or identifier")),
    request_body = ConsentBody,
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn decide_build_scripts(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(server): ApiPath<String>,
    JsonBody(body): JsonBody<ConsentBody>,
) -> Result<StatusCode, ApiError> {
    app.orchestrator
        .decide_build_scripts(&server, body.run, &by)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Switch a server on
#[utoipa::path(
    post, path = "/api/v1/servers/{server}/enable", operation_id = "enable_server",
    tag = "servers",
    params(("server" = String, Path, description = "Its slug or identifier")),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn enable_server(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(server): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let change = ServerChange::Enable(true);
    app.orchestrator.change_server(&server, change, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Switch a server off
#[utoipa::path(
    post, path = "/api/v1/servers/{server}/disable", operation_id = "disable_server",
    tag = "servers",
    params(("server" = String, Path, description = "Its slug or identifier")),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn disable_server(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(server): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let change = ServerChange::Enable(false);
    app.orchestrator.change_server(&server, change, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let a server reach a host
#[utoipa::path(
    put, path = "/api/v1/servers/{server}/egress/{host_port}", operation_id = "allow_host",
    tag = "servers",
    params(
        ("server" = String, Path, description = "Its slug or identifier"),
        ("host_port" = String, Path, description = "For instance `api.example.com:443`"),
    ),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn allow_host(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath((server, host)): ApiPath<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let change = ServerChange::Allow(host_port(&host)?);
    app.orchestrator.change_server(&server, change, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let a server no longer reach a host
#[utoipa::path(
    delete, path = "/api/v1/servers/{server}/egress/{host_port}", operation_id = "disallow_host",
    tag = "servers",
    params(
        ("server" = String, Path, description = "Its slug or identifier"),
        ("host_port" = String, Path, description = "For instance `api.example.com:443`"),
    ),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn disallow_host(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath((server, host)): ApiPath<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let change = ServerChange::Disallow(host_port(&host)?);
    app.orchestrator.change_server(&server, change, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Get the last lines that a server has written
///
/// To follow them, send the `after` of each answer with the next request, and a `wait_s`.
#[utoipa::path(
    get, path = "/api/v1/servers/{server}/logs", operation_id = "get_server_logs",
    tag = "servers",
    params(("server" = String, Path, description = "Its slug or identifier"), LogsQuery),
    responses((status = 200, body = LogsBody), (status = "default", body = ApiError)),
)]
async fn get_server_logs(
    State(app): State<App>,
    ApiPath(server): ApiPath<String>,
    ApiQuery(query): ApiQuery<LogsQuery>,
) -> Result<Json<LogsBody>, ApiError> {
    let lines_max = query.lines.unwrap_or(LINES_DEFAULT);
    if LINES_MAX < lines_max {
        return Err(ApiError::invalid(format!(
            "`lines` is {lines_max}, the most is {LINES_MAX}"
        )));
    }
    if WAIT_S_MAX < query.wait_s {
        let wait_s = query.wait_s;
        return Err(ApiError::invalid(format!(
            "`wait_s` is {wait_s}, the most is {WAIT_S_MAX}"
        )));
    }
    let orchestrator = &app.orchestrator;
    let mut lines = orchestrator.server_logs(&server, query.after, lines_max)?;
    if lines.is_empty() && 0 < query.wait_s {
        tokio::select! {
            waited = orchestrator.wait_for_logs(&server, query.after) => waited?,
            () = tokio::time::sleep(Duration::from_secs(query.wait_s)) => {}
            () = app.shutdown.cancelled() => {}
        }
        lines = orchestrator.server_logs(&server, query.after, lines_max)?;
    }
    Ok(Json(LogsBody {
        after: lines.last().map_or(query.after, |it| it.number),
        lines: lines.into_iter().map(LogLineBody::from).collect(),
    }))
}

/// What a server takes of this machine, with all of its sandboxes together.
#[derive(Serialize, ToSchema)]
struct UsageBody {
    /// In milliseconds since 1970.
    at_ms: u64,
    /// How many sandboxes of it run; each has the limits for itself.
    sandboxes: usize,
    /// Null where the host does not measure it.
    memory_bytes: Option<u64>,
    /// Processor time since their start in nanoseconds. Two answers say how much it is now.
    cpu_ns: Option<u64>,
    /// Processes and threads.
    pids: Option<u64>,
}

/// Get what a server takes of this machine now
#[utoipa::path(
    get, path = "/api/v1/servers/{server}/usage", operation_id = "get_server_usage",
    tag = "servers",
    params(("server" = String, Path, description = "Its slug or identifier")),
    responses((status = 200, body = UsageBody), (status = "default", body = ApiError)),
)]
async fn get_server_usage(
    State(app): State<App>,
    ApiPath(server): ApiPath<String>,
) -> Result<Json<UsageBody>, ApiError> {
    let taken = app.orchestrator.server_usage(&server).await?;
    Ok(Json(UsageBody {
        at_ms: taken.at.unix_ms,
        sandboxes: taken.sandboxes,
        memory_bytes: taken.usage.memory_bytes,
        cpu_ns: taken.usage.cpu_ns,
        pids: taken.usage.pids,
    }))
}

fn host_port(text: &str) -> Result<HostPort, ApiError> {
    text.parse()
        .map_err(|err: domain::HostPortError| ApiError::invalid(err.to_string()))
}

impl From<LogLine> for LogLineBody {
    fn from(line: LogLine) -> Self {
        Self {
            number: line.number,
            at_ms: line.at.unix_ms,
            stream: match line.stream {
                LogStream::Stdout => LogStreamBody::Stdout,
                LogStream::Stderr => LogStreamBody::Stderr,
                LogStream::Archestra => LogStreamBody::Archestra,
            },
            text: line.text,
        }
    }
}
