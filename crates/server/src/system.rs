//! The program itself: whether it lives, how it stands, what is wrong with the machine.

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
};
use domain::Caller;
use orchestrator::{Finding, FindingLevel, ServerStatus};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{ApiError, App, extract::ApiQuery};

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_status))
        .routes(routes!(run_doctor))
}

pub(crate) fn open_router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
}

/// How the program stands.
#[derive(Serialize, ToSchema)]
struct SystemStatusBody {
    version: &'static str,
    uptime_s: u64,
    /// Where it answers; the first one has the UI.
    addresses: Vec<String>,
    servers: ServerCountsBody,
    tools: usize,
    /// Sessions of MCP clients.
    sessions: usize,
}

#[derive(Default, Serialize, ToSchema)]
struct ServerCountsBody {
    total: usize,
    running: usize,
    installing: usize,
    /// Those that wait for a decision of a person.
    waiting: usize,
    failed: usize,
    disabled: usize,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DoctorQuery {
    /// With `false`, the registries are not tried, which takes seconds; the rest is there at once.
    #[serde(default = "yes")]
    #[param(default = true)]
    registries: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Serialize, ToSchema)]
struct DoctorBody {
    findings: Vec<FindingBody>,
}

/// One thing that was looked at.
#[derive(Serialize, ToSchema)]
struct FindingBody {
    /// A word for programs: `podman`, `image`, `bridge`, `space`, `registries`, `servers`, `models`.
    check: &'static str,
    level: FindingLevelBody,
    message: String,
    /// What to do about it.
    fix: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum FindingLevelBody {
    Ok,
    Warning,
    Problem,
}

/// Get how the program stands
#[utoipa::path(
    get, path = "/api/v1/status", operation_id = "get_status", tag = "system",
    responses((status = 200, body = SystemStatusBody), (status = "default", body = ApiError)),
)]
async fn get_status(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
) -> Result<Json<SystemStatusBody>, ApiError> {
    let mut servers = ServerCountsBody::default();
    for server in app.orchestrator.servers().await? {
        servers.total += 1;
        match server.status {
            ServerStatus::Disabled => servers.disabled += 1,
            ServerStatus::Installing { .. } => servers.installing += 1,
            ServerStatus::WaitingForConsent { .. } => servers.waiting += 1,
            ServerStatus::InstallFailed { .. } | ServerStatus::Failed { .. } => servers.failed += 1,
            ServerStatus::Running { .. } => servers.running += 1,
            ServerStatus::Ready | ServerStatus::Starting => {}
        }
    }
    Ok(Json(SystemStatusBody {
        version: app.settings.version,
        uptime_s: app.started.elapsed().as_secs(),
        addresses: app.settings.addresses.clone(),
        servers,
        tools: app.orchestrator.gateway().tools(&by).len(),
        sessions: app.orchestrator.gateway().sessions(),
    }))
}

/// Look for what is wrong with this machine
#[utoipa::path(
    get, path = "/api/v1/doctor", operation_id = "run_doctor", tag = "system",
    params(DoctorQuery),
    responses((status = 200, body = DoctorBody), (status = "default", body = ApiError)),
)]
async fn run_doctor(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiQuery(query): ApiQuery<DoctorQuery>,
) -> Result<Json<DoctorBody>, ApiError> {
    let findings = app.orchestrator.doctor(&by.principal, query.registries);
    let findings = findings.await?;
    Ok(Json(DoctorBody {
        findings: findings.into_iter().map(FindingBody::from).collect(),
    }))
}

/// Whether the program lives
#[utoipa::path(
    get, path = "/healthz", operation_id = "healthz", tag = "system", security(()),
    responses((status = 200, body = String, content_type = "text/plain")),
)]
async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the program takes requests
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "system", security(()),
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 503, body = String, content_type = "text/plain", description = "It is ending"),
    ),
)]
async fn readyz(State(app): State<App>) -> (StatusCode, &'static str) {
    if app.shutdown.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}

pub(crate) async fn description() -> ([(HeaderName, &'static str); 1], &'static str) {
    (
        [(header::CONTENT_TYPE, "application/json")],
        include_str!("../openapi.json"),
    )
}

impl From<Finding> for FindingBody {
    fn from(finding: Finding) -> Self {
        Self {
            check: finding.check,
            level: match finding.level {
                FindingLevel::Ok => FindingLevelBody::Ok,
                FindingLevel::Warning => FindingLevelBody::Warning,
                FindingLevel::Problem => FindingLevelBody::Problem,
            },
            message: finding.message,
            fix: finding.fix,
        }
    }
}
