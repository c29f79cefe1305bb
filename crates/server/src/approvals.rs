//! `/api/v1/approvals`: calls that wait for a person.

use axum::{Extension, Json, extract::State};
use domain::{ApprovalId, Caller, ChatId, ToolPin};
use orchestrator::{ApprovalDecision, ApprovalDetails, ApprovalState, ApprovalVerdict, GrantScope};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiError, App,
    extract::{ApiPath, ApiQuery, JsonBody, id_of, limit_of, place_of, place_text, stored_json},
};

const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 100;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_approvals))
        .routes(routes!(get_approval))
        .routes(routes!(decide_approval))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ApprovalsQuery {
    /// Only those that can be decided.
    #[serde(default)]
    open: bool,
    /// Only those of one chat.
    #[param(value_type = Option<String>)]
    chat: Option<ChatId>,
    /// The `next` of the page before.
    before: Option<String>,
    /// At most 100.
    limit: Option<u32>,
}

/// Requests for approval, the newest first.
#[derive(Serialize, ToSchema)]
struct ApprovalListBody {
    approvals: Vec<ApprovalBody>,
    /// What to send as `before` for those that follow; none where there are no more.
    next: Option<String>,
}

/// A call that a person is asked about.
#[derive(Serialize, ToSchema)]
struct ApprovalBody {
    id: String,
    state: ApprovalStateBody,
    /// The slug of its server.
    server: String,
    server_id: String,
    /// The server's own name for it.
    tool: String,
    /// What stands for the tool's whole definition; to be sent with the decision.
    pin: String,
    /// On whose behalf the call is made.
    principal: String,
    token: Option<String>,
    /// The name of the client that calls.
    client: Option<String>,
    /// The chat that the call is made in.
    chat: Option<String>,
    /// Why it is asked, in words.
    why: String,
    /// All of them, as they were sent.
    #[schema(value_type = Object)]
    arguments: Box<RawValue>,
    /// For what it can be approved.
    scopes: Vec<ScopeBody>,
    created_at_ms: u64,
    /// None where it waits for as long as it takes.
    expires_at_ms: Option<u64>,
    /// When it was decided, or closed otherwise.
    decided_at_ms: Option<u64>,
    decided_by: Option<String>,
    /// For what it was approved.
    scope: Option<ScopeBody>,
    /// Why it was denied.
    reason: Option<String>,
    /// What the call is made with instead.
    #[schema(value_type = Option<Object>)]
    edited_arguments: Option<Box<RawValue>>,
    /// The tool as its server told it when it was called; only where one request is asked for.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<Box<RawValue>>,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ApprovalStateBody {
    Open,
    Approved,
    Denied,
    /// Nobody decided in time.
    Expired,
    /// The tool is not what it was when it was asked.
    Stale,
    /// What asked is gone.
    Withdrawn,
}

/// For what a permission holds.
#[derive(Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ScopeBody {
    /// One call with equal arguments.
    #[default]
    Once,
    /// All calls of the tool in this chat.
    Chat,
    /// All calls of the tool by this client.
    Client,
    /// All calls of the tool on behalf of this person, whoever makes them.
    Everywhere,
}

/// What a person says to a request.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DecisionBody {
    /// The `pin` of the request that the person has seen.
    #[schema(value_type = String)]
    pin: ToolPin,
    decision: DecisionWordBody,
    /// For what it is approved; without it, once.
    scope: Option<ScopeBody>,
    /// What the call is to be made with instead; only for one call, and only in a chat.
    #[schema(value_type = Option<Object>)]
    arguments: Option<Box<RawValue>>,
    /// Why it is denied: who called is told.
    reason: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DecisionWordBody {
    Approve,
    Deny,
}

/// List requests for approval
#[utoipa::path(
    get, path = "/api/v1/approvals", operation_id = "list_approvals", tag = "approvals",
    params(ApprovalsQuery),
    responses((status = 200, body = ApprovalListBody), (status = "default", body = ApiError)),
)]
async fn list_approvals(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiQuery(query): ApiQuery<ApprovalsQuery>,
) -> Result<Json<ApprovalListBody>, ApiError> {
    let limit = limit_of(query.limit, LIMIT_DEFAULT, LIMIT_MAX)?;
    let before = query.before.as_deref().map(place_of).transpose()?;
    let orchestrator = &app.orchestrator;
    let found = orchestrator
        .approvals(&by, query.open, query.chat, before, limit)
        .await?;
    let last = found.last().filter(|_| found.len() == limit as usize);
    Ok(Json(ApprovalListBody {
        next: last.map(|it| place_text(it.approval.created_at, it.approval.id)),
        approvals: found.into_iter().map(ApprovalBody::from).collect(),
    }))
}

/// Get a request for approval
#[utoipa::path(
    get, path = "/api/v1/approvals/{approval}", operation_id = "get_approval", tag = "approvals",
    params(("approval" = String, Path, description = "Its identifier")),
    responses((status = 200, body = ApprovalBody), (status = "default", body = ApiError)),
)]
async fn get_approval(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(approval): ApiPath<String>,
) -> Result<Json<ApprovalBody>, ApiError> {
    let id: ApprovalId = id_of("request for approval", &approval)?;
    let details = app.orchestrator.approval(id, &by).await?;
    Ok(Json(details.into()))
}

/// Approve or deny a call
///
/// What was decided holds: `already_decided`. What nobody has decided in time, what is not what was
/// looked at any more, and what nobody asks any more is `expired`, `stale` and `withdrawn`.
#[utoipa::path(
    post, path = "/api/v1/approvals/{approval}/decide", operation_id = "decide_approval",
    tag = "approvals",
    params(("approval" = String, Path, description = "Its identifier")),
    request_body = DecisionBody,
    responses((status = 200, body = ApprovalBody), (status = "default", body = ApiError)),
)]
async fn decide_approval(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(approval): ApiPath<String>,
    JsonBody(body): JsonBody<DecisionBody>,
) -> Result<Json<ApprovalBody>, ApiError> {
    let id: ApprovalId = id_of("request for approval", &approval)?;
    let decision = body.into_decision()?;
    app.orchestrator.decide_approval(id, decision, &by).await?;
    let details = app.orchestrator.approval(id, &by).await?;
    Ok(Json(details.into()))
}

impl DecisionBody {
    fn into_decision(self) -> Result<ApprovalDecision, ApiError> {
        let verdict = match self.decision {
            DecisionWordBody::Approve if self.reason.is_some() => {
                return Err(ApiError::invalid("`reason` is for calls that are denied"));
            }
            DecisionWordBody::Approve => ApprovalVerdict::Approve {
                scope: self.scope.unwrap_or_default().into(),
                arguments: self.arguments,
            },
            DecisionWordBody::Deny if self.scope.is_some() || self.arguments.is_some() => {
                let message = "`scope` and `arguments` are for calls that are approved";
                return Err(ApiError::invalid(message).hint("a rule denies all calls of a tool"));
            }
            DecisionWordBody::Deny => ApprovalVerdict::Deny {
                reason: self.reason,
            },
        };
        Ok(ApprovalDecision {
            pin: self.pin,
            verdict,
        })
    }
}

impl From<ApprovalDetails> for ApprovalBody {
    fn from(details: ApprovalDetails) -> Self {
        let approval = details.approval;
        let mut scopes = vec![ScopeBody::Once];
        scopes.extend(approval.chat.map(|_| ScopeBody::Chat));
        scopes.extend(approval.token.map(|_| ScopeBody::Client));
        scopes.push(ScopeBody::Everywhere);
        Self {
            id: approval.id.to_string(),
            state: approval.state.into(),
            server: approval.server_slug,
            server_id: approval.server.to_string(),
            tool: approval.tool,
            pin: approval.pin.to_string(),
            principal: approval.principal.to_string(),
            token: approval.token.map(|it| it.to_string()),
            client: details.client,
            chat: approval.chat.map(|it| it.to_string()),
            why: approval.why,
            arguments: stored_json(approval.arguments),
            scopes,
            created_at_ms: approval.created_at.unix_ms,
            expires_at_ms: approval.expires_at.map(|it| it.unix_ms),
            decided_at_ms: approval.decided_at.map(|it| it.unix_ms),
            decided_by: approval.decided_by.map(|it| it.to_string()),
            scope: approval.scope.map(Into::into),
            reason: approval.reason,
            edited_arguments: approval.edited_arguments.map(stored_json),
            definition: details.definition.map(stored_json),
        }
    }
}

impl From<ApprovalState> for ApprovalStateBody {
    fn from(state: ApprovalState) -> Self {
        match state {
            ApprovalState::Open => Self::Open,
            ApprovalState::Approved => Self::Approved,
            ApprovalState::Denied => Self::Denied,
            ApprovalState::Expired => Self::Expired,
            ApprovalState::Stale => Self::Stale,
            ApprovalState::Withdrawn => Self::Withdrawn,
        }
    }
}

impl From<ScopeBody> for GrantScope {
    fn from(body: ScopeBody) -> Self {
        match body {
            ScopeBody::Once => Self::Once,
            ScopeBody::Chat => Self::Chat,
            ScopeBody::Client => Self::Client,
            ScopeBody::Everywhere => Self::Everywhere,
        }
    }
}

impl From<GrantScope> for ScopeBody {
    fn from(scope: GrantScope) -> Self {
        match scope {
            GrantScope::Once => Self::Once,
            GrantScope::Chat => Self::Chat,
            GrantScope::Client => Self::Client,
            GrantScope::Everywhere => Self::Everywhere,
        }
    }
}
