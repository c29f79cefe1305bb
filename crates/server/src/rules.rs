//! `/api/v1/policy/rules`: what people have decided about many tools at once.

use axum::{Extension, Json, extract::State, http::StatusCode};
use domain::{Caller, Effect, PolicyRule, RuleId, ToolGlob};
use orchestrator::{NewRule, Orchestrator};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiError, App,
    extract::{ApiPath, JsonBody, id_of},
};

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_rules, add_rule))
        .routes(routes!(remove_rule))
}

/// What is done with a call.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EffectBody {
    /// It is made.
    Allow,
    /// A person is asked first.
    Ask,
    /// It is refused.
    Deny,
}

/// All rules, in the order in which they were made. Of those about one tool, deny counts more than
/// ask, and ask more than allow.
#[derive(Serialize, ToSchema)]
struct RuleListBody {
    rules: Vec<RuleBody>,
}

#[derive(Serialize, ToSchema)]
struct RuleBody {
    id: String,
    /// The slug of its server; none where it is about all servers.
    server: Option<String>,
    server_id: Option<String>,
    /// A pattern for servers' own names of tools.
    tool: String,
    effect: EffectBody,
    created_by: String,
    created_at_ms: u64,
}

/// A rule about tools.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRuleBody {
    /// A server's slug or identifier; without it, all servers.
    server: Option<String>,
    /// A pattern for servers' own names of tools: `*` is any text, `?` any character.
    #[schema(value_type = String)]
    tool: ToolGlob,
    effect: EffectBody,
}

/// List the rules about tools
#[utoipa::path(
    get, path = "/api/v1/policy/rules", operation_id = "list_rules", tag = "policy",
    responses((status = 200, body = RuleListBody), (status = "default", body = ApiError)),
)]
async fn list_rules(State(app): State<App>) -> Result<Json<RuleListBody>, ApiError> {
    let rules = app.orchestrator.rules().await?;
    let bodies = rules.iter().map(|it| RuleBody::new(&app.orchestrator, it));
    Ok(Json(RuleListBody {
        rules: bodies.collect(),
    }))
}

/// Make a rule about tools
///
/// It holds for the next call.
#[utoipa::path(
    post, path = "/api/v1/policy/rules", operation_id = "add_rule", tag = "policy",
    request_body = NewRuleBody,
    responses((status = 201, body = RuleBody), (status = "default", body = ApiError)),
)]
async fn add_rule(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    JsonBody(body): JsonBody<NewRuleBody>,
) -> Result<(StatusCode, Json<RuleBody>), ApiError> {
    let rule = NewRule {
        server: body.server,
        tool: body.tool,
        effect: body.effect.into(),
    };
    let rule = app.orchestrator.add_rule(rule, &by).await?;
    let body = RuleBody::new(&app.orchestrator, &rule);
    Ok((StatusCode::CREATED, Json(body)))
}

/// Remove a rule
#[utoipa::path(
    delete, path = "/api/v1/policy/rules/{rule}", operation_id = "remove_rule", tag = "policy",
    params(("rule" = String, Path, description = "Its identifier")),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn remove_rule(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(rule): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let id: RuleId = id_of("rule", &rule)?;
    app.orchestrator.remove_rule(id, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl RuleBody {
    fn new(orchestrator: &Orchestrator, rule: &PolicyRule) -> Self {
        Self {
            id: rule.id.to_string(),
            server: rule.server.and_then(|it| orchestrator.slug_of(it)),
            server_id: rule.server.map(|it| it.to_string()),
            tool: rule.tool.as_str().to_owned(),
            effect: rule.effect.into(),
            created_by: rule.created_by.to_string(),
            created_at_ms: rule.created_at.unix_ms,
        }
    }
}

impl From<EffectBody> for Effect {
    fn from(body: EffectBody) -> Self {
        match body {
            EffectBody::Allow => Self::Allow,
            EffectBody::Ask => Self::Ask,
            EffectBody::Deny => Self::Deny,
        }
    }
}

impl From<Effect> for EffectBody {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::Allow => Self::Allow,
            Effect::Ask => Self::Ask,
            Effect::Deny => Self::Deny,
        }
    }
}
