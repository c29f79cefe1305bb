//! `/api/v1/tools`: the tools of all servers, and calling one.

use axum::{Extension, Json, extract::State};
use domain::{Caller, ServerSlug, Standing};
use orchestrator::ToolTarget;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{ApiError, App, extract::JsonBody, rules::EffectBody};

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_tools))
        .routes(routes!(call_tool))
}

#[derive(Serialize, ToSchema)]
struct ToolListBody {
    tools: Vec<ToolBody>,
}

#[derive(Serialize, ToSchema)]
struct ToolBody {
    /// The slug of its server.
    server: String,
    /// The server's own name for it.
    name: String,
    /// The name under which `/mcp` has it.
    advertised: String,
    /// What the server says about it, as it was sent: description, schemas, annotations.
    #[schema(value_type = Object)]
    definition: Box<RawValue>,
    /// What stands for the whole definition.
    pin: String,
    standing: StandingBody,
    /// What a person has set for it.
    setting: Option<EffectBody>,
}

/// How a tool stands to what people have agreed to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StandingBody {
    /// It is what a person has looked at.
    LookedAt,
    /// It is what it was when the server's tools were first told, and nobody has looked at it yet.
    NotLookedAt,
    /// It is kept away, since it is not what it was.
    Changed,
    /// It is kept away, since it was not there before.
    Added,
}

/// A call. The tool is named by `server` and `tool`, or by `name`, as `/mcp` has it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CallBody {
    #[schema(value_type = Option<String>)]
    server: Option<ServerSlug>,
    tool: Option<String>,
    name: Option<String>,
    #[schema(value_type = Option<Object>)]
    arguments: Option<Box<RawValue>>,
}

#[derive(Serialize, ToSchema)]
struct CalledBody {
    /// Whether the tool says that it failed.
    is_error: bool,
    /// The result as the server sent it.
    #[schema(value_type = Object)]
    result: Box<RawValue>,
}

/// List the tools of all servers
///
/// They are known while a server is stopped, too.
#[utoipa::path(
    get, path = "/api/v1/tools", operation_id = "list_tools", tag = "tools",
    responses((status = 200, body = ToolListBody), (status = "default", body = ApiError)),
)]
async fn list_tools(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
) -> Json<ToolListBody> {
    let tools = app.orchestrator.gateway().tools(&by);
    let bodies = tools.into_iter().map(|it| ToolBody {
        server: it.server.to_string(),
        name: it.name,
        advertised: it.advertised,
        definition: (*it.definition).to_owned(),
        pin: it.pin.to_string(),
        standing: it.standing.into(),
        setting: it.setting.map(Into::into),
    });
    Json(ToolListBody {
        tools: bodies.collect(),
    })
}

/// Call a tool
///
/// To ask for it here is the consent to it. A tool that says that it failed is an answer with
/// `is_error`, not an error.
#[utoipa::path(
    post, path = "/api/v1/tools/call", operation_id = "call_tool", tag = "tools",
    request_body = CallBody,
    responses((status = 200, body = CalledBody), (status = "default", body = ApiError)),
)]
async fn call_tool(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    JsonBody(body): JsonBody<CallBody>,
) -> Result<Json<CalledBody>, ApiError> {
    let target = match (body.server, body.tool, body.name) {
        (Some(server), Some(tool), None) => ToolTarget::Own { server, tool },
        (None, None, Some(name)) => ToolTarget::Advertised(name),
        _ => {
            return Err(ApiError::invalid(
                "a tool is named by `server` and `tool`, or by `name` alone",
            ));
        }
    };
    if body
        .arguments
        .as_ref()
        .is_some_and(|it| !it.get().starts_with('{'))
    {
        return Err(ApiError::invalid("`arguments` must be an object"));
    }
    let outcome = app
        .orchestrator
        .call_tool(&by, target, body.arguments)
        .await?;
    Ok(Json(CalledBody {
        is_error: outcome.is_error,
        result: outcome.result,
    }))
}

impl From<Standing> for StandingBody {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Pinned { looked_at: true } => Self::LookedAt,
            Standing::Pinned { looked_at: false } => Self::NotLookedAt,
            Standing::Changed => Self::Changed,
            Standing::Added => Self::Added,
        }
    }
}
