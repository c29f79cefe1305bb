//! `/api/v1/audit`: what happened, and who did it.

use axum::{Json, extract::State};
use domain::ServerId;
use orchestrator::{AuditFilter, AuditFrom, AuditRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{ApiError, App, extract::ApiQuery};

const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 1_000;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_audit))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// One kind of event only, for instance `tool.call`.
    kind: Option<String>,
    /// One server only, by its slug or identifier; one that is removed by its identifier.
    server: Option<String>,
    /// Only events after this one, the oldest first.
    after: Option<i64>,
    /// Only events before this one, the newest first, as without either.
    before: Option<i64>,
    /// At most 1,000.
    limit: Option<u32>,
}

#[derive(Serialize, ToSchema)]
struct AuditListBody {
    events: Vec<AuditEventBody>,
}

#[derive(Serialize, ToSchema)]
struct AuditEventBody {
    /// Grows in the order in which events were written down.
    id: i64,
    at_ms: u64,
    /// What it was: `tool.call`, `server.add`, `egress.refused` and so on.
    kind: String,
    principal: Option<String>,
    token: Option<String>,
    server: Option<String>,
    server_slug: Option<String>,
    tool: Option<String>,
    decision: Option<String>,
    outcome: Option<String>,
    duration_ms: Option<u64>,
    request_bytes: Option<u64>,
    response_bytes: Option<u64>,
    #[schema(value_type = Option<Object>)]
    detail: Option<serde_json::Value>,
}

/// List what happened
#[utoipa::path(
    get, path = "/api/v1/audit", operation_id = "list_audit", tag = "audit",
    params(AuditQuery),
    responses((status = 200, body = AuditListBody), (status = "default", body = ApiError)),
)]
async fn list_audit(
    State(app): State<App>,
    ApiQuery(query): ApiQuery<AuditQuery>,
) -> Result<Json<AuditListBody>, ApiError> {
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if LIMIT_MAX < limit {
        return Err(ApiError::invalid(format!(
            "`limit` is {limit}, the most is {LIMIT_MAX}"
        )));
    }
    let from = match (query.after, query.before) {
        (None, None) => AuditFrom::Newest,
        (Some(after), None) => AuditFrom::After(after),
        (None, Some(before)) => AuditFrom::Before(before),
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid(
                "`after` and `before` cannot be given together",
            ));
        }
    };
    let server = match &query.server {
        Some(server) => Some(server_id(&app, server).await?),
        None => None,
    };
    let filter = AuditFilter {
        kind: query.kind,
        server,
        from,
        limit,
        ..AuditFilter::default()
    };
    let rows = app.orchestrator.audit(&filter).await?;
    Ok(Json(AuditListBody {
        events: rows.into_iter().map(AuditEventBody::from).collect(),
    }))
}

async fn server_id(app: &App, name_or_id: &str) -> Result<ServerId, ApiError> {
    if let Ok(id) = name_or_id.parse() {
        return Ok(id);
    }
    let details = app.orchestrator.server(name_or_id).await?;
    Ok(details.summary.row.stored.id)
}

impl From<AuditRow> for AuditEventBody {
    fn from(row: AuditRow) -> Self {
        let event = row.event;
        Self {
            id: row.id,
            at_ms: event.at.unix_ms,
            kind: event.kind.into_owned(),
            principal: event.principal.map(|it| it.to_string()),
            token: event.token.map(|it| it.to_string()),
            server: event.server.map(|it| it.to_string()),
            server_slug: event.server_slug,
            tool: event.tool,
            decision: event.decision.map(|it| it.into_owned()),
            outcome: event.outcome.map(|it| it.into_owned()),
            duration_ms: event.duration_ms,
            request_bytes: event.request_bytes,
            response_bytes: event.response_bytes,
            detail: event.detail,
        }
    }
}
