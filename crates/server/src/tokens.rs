//! `/api/v1/tokens`: what MCP clients get in with.

use std::collections::BTreeSet;

use axum::{Extension, Json, extract::State, http::StatusCode};
use domain::{Access, Caller, PrincipalName, ServerSlug, ToolRule};
use orchestrator::{NewClient, StoredToken};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiError, App,
    extract::{ApiPath, JsonBody},
};

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_tokens, create_token))
        .routes(routes!(revoke_token))
}

#[derive(Serialize, ToSchema)]
struct TokenListBody {
    tokens: Vec<TokenBody>,
}

/// A token, without its text.
#[derive(Serialize, ToSchema)]
struct TokenBody {
    id: String,
    name: String,
    /// `owner` for the command line's own, `client` for those of MCP clients.
    kind: String,
    /// On whose behalf it acts.
    principal: String,
    #[serde(flatten)]
    access: AccessBody,
    created_at_ms: u64,
    last_used_at_ms: Option<u64>,
    revoked_at_ms: Option<u64>,
}

/// What a caller may see and call.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct AccessBody {
    /// Slugs of servers; null is all of them.
    servers: Option<Vec<String>>,
    /// Tools of those servers; null is all of them.
    tools: Option<Vec<ToolRuleBody>>,
}

/// One tool of one server.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolRuleBody {
    #[schema(value_type = String)]
    server: ServerSlug,
    /// The server's own name for it; `*` is all tools of that server.
    tool: String,
}

/// A client that is to get in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateTokenBody {
    /// Up to 64 characters; no other token has it.
    name: String,
    /// On whose behalf it acts; without it, the owner's.
    #[schema(value_type = Option<String>)]
    principal: Option<PrincipalName>,
    /// Slugs of the servers that it may use; without it, all of them.
    #[schema(value_type = Option<Vec<String>>)]
    servers: Option<BTreeSet<ServerSlug>>,
    /// Tools of those servers that it may use; without it, all of them.
    tools: Option<Vec<ToolRuleBody>>,
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
struct CreatedTokenBody {
    id: String,
    name: String,
    /// What the client sends as `Authorization: Bearer`. It is shown this once.
    token: String,
}

/// List the tokens, the revoked ones included
#[utoipa::path(
    get, path = "/api/v1/tokens", operation_id = "list_tokens", tag = "tokens",
    responses((status = 200, body = TokenListBody), (status = "default", body = ApiError)),
)]
async fn list_tokens(State(app): State<App>) -> Result<Json<TokenListBody>, ApiError> {
    let tokens = app.orchestrator.tokens().await?;
    Ok(Json(TokenListBody {
        tokens: tokens.into_iter().map(TokenBody::from).collect(),
    }))
}

/// Make a token for a client
#[utoipa::path(
    post, path = "/api/v1/tokens", operation_id = "create_token", tag = "tokens",
    request_body = CreateTokenBody,
    responses((status = 201, body = CreatedTokenBody), (status = "default", body = ApiError)),
)]
async fn create_token(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    JsonBody(body): JsonBody<CreateTokenBody>,
) -> Result<(StatusCode, Json<CreatedTokenBody>), ApiError> {
    let name = body.name.trim().to_owned();
    let rule = |it: ToolRuleBody| ToolRule {
        server: it.server,
        tool: it.tool,
    };
    let client = NewClient {
        name: name.clone(),
        principal: body.principal.unwrap_or_else(PrincipalName::owner),
        access: Access {
            servers: body.servers,
            tools: body.tools.map(|it| it.into_iter().map(rule).collect()),
        },
    };
    let created = app.orchestrator.create_token(client, &by).await?;
    let body = CreatedTokenBody {
        id: created.id.to_string(),
        name,
        token: created.text.into_exposed(),
    };
    Ok((StatusCode::CREATED, Json(body)))
}

/// Revoke a token, and end its sessions
#[utoipa::path(
    delete, path = "/api/v1/tokens/{token}", operation_id = "revoke_token", tag = "tokens",
    params(("token" = String, Path, description = "Its name or identifier")),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn revoke_token(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(token): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    app.orchestrator.revoke_token(&token, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<StoredToken> for TokenBody {
    fn from(token: StoredToken) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name,
            kind: token.kind.as_str().to_owned(),
            principal: token.principal.to_string(),
            access: AccessBody::from(&token.access),
            created_at_ms: token.created_at.unix_ms,
            last_used_at_ms: token.last_used_at.map(|it| it.unix_ms),
            revoked_at_ms: token.revoked_at.map(|it| it.unix_ms),
        }
    }
}

impl From<&Access> for AccessBody {
    fn from(access: &Access) -> Self {
        let servers = access.servers.as_ref();
        let tools = access.tools.as_ref();
        let rule = |it: &ToolRule| ToolRuleBody {
            server: it.server.clone(),
            tool: it.tool.clone(),
        };
        Self {
            servers: servers.map(|it| it.iter().map(ToString::to_string).collect()),
            tools: tools.map(|it| it.iter().map(rule).collect()),
        }
    }
}
