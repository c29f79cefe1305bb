//! `/api/v1/grants`: the permissions that people have given.

use axum::{Extension, Json, extract::State, http::StatusCode};
use domain::{Caller, GrantId};
use orchestrator::GrantDetails;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiError, App,
    approvals::ScopeBody,
    extract::{ApiPath, ApiQuery, id_of, limit_of, place_of, place_text},
};

const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 1_000;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_grants))
        .routes(routes!(revoke_grant))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct GrantsQuery {
    /// Only those that still let calls pass.
    #[serde(default)]
    active: bool,
    /// The `next` of the page before.
    before: Option<String>,
    /// At most 1,000.
    limit: Option<u32>,
}

/// Permissions, the newest first.
#[derive(Serialize, ToSchema)]
struct GrantListBody {
    grants: Vec<GrantBody>,
    /// What to send as `before` for those that follow; none where there are no more.
    next: Option<String>,
}

/// A permission for one tool, as it was pinned when it was given: where the tool changes, it lets
/// nothing pass.
#[derive(Serialize, ToSchema)]
struct GrantBody {
    id: String,
    is_active: bool,
    scope: ScopeBody,
    /// The slug of its server; none where that is gone.
    server: Option<String>,
    server_id: String,
    /// The server's own name for it.
    tool: String,
    pin: String,
    /// On whose behalf calls may be made.
    principal: String,
    token: Option<String>,
    /// The name of the client that it is for, or that asked.
    client: Option<String>,
    chat: Option<String>,
    /// The request that it was the answer to.
    approval: Option<String>,
    created_by: String,
    created_at_ms: u64,
    expires_at_ms: Option<u64>,
    used_at_ms: Option<u64>,
    revoked_at_ms: Option<u64>,
}

/// List the permissions that people have given
#[utoipa::path(
    get, path = "/api/v1/grants", operation_id = "list_grants", tag = "approvals",
    params(GrantsQuery),
    responses((status = 200, body = GrantListBody), (status = "default", body = ApiError)),
)]
async fn list_grants(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiQuery(query): ApiQuery<GrantsQuery>,
) -> Result<Json<GrantListBody>, ApiError> {
    let limit = limit_of(query.limit, LIMIT_DEFAULT, LIMIT_MAX)?;
    let before = query.before.as_deref().map(place_of).transpose()?;
    let orchestrator = &app.orchestrator;
    let found = orchestrator
        .grants(&by, query.active, before, limit)
        .await?;
    let last = found.last().filter(|_| found.len() == limit as usize);
    Ok(Json(GrantListBody {
        next: last.map(|it| place_text(it.grant.created_at, it.grant.id)),
        grants: found.into_iter().map(GrantBody::from).collect(),
    }))
}

/// Take a permission back
///
/// Calls that it has let pass go on.
#[utoipa::path(
    delete, path = "/api/v1/grants/{grant}", operation_id = "revoke_grant", tag = "approvals",
    params(("grant" = String, Path, description = "Its identifier")),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn revoke_grant(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(grant): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let id: GrantId = id_of("permission", &grant)?;
    app.orchestrator.revoke_grant(id, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<GrantDetails> for GrantBody {
    fn from(details: GrantDetails) -> Self {
        let grant = details.grant;
        Self {
            id: grant.id.to_string(),
            is_active: details.is_active,
            scope: grant.scope.into(),
            server: details.server_slug,
            server_id: grant.server.to_string(),
            tool: grant.tool,
            pin: grant.pin.to_string(),
            principal: grant.principal.to_string(),
            token: grant.token.map(|it| it.to_string()),
            client: details.client,
            chat: grant.chat.map(|it| it.to_string()),
            approval: grant.approval.map(|it| it.to_string()),
            created_by: grant.created_by.to_string(),
            created_at_ms: grant.created_at.unix_ms,
            expires_at_ms: grant.expires_at.map(|it| it.unix_ms),
            used_at_ms: grant.used_at.map(|it| it.unix_ms),
            revoked_at_ms: grant.revoked_at.map(|it| it.unix_ms),
        }
    }
}
