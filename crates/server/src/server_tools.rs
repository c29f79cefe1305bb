//! `/api/v1/servers/{server}/tools`: the tools of one server, as a person looks at them.

use axum::{Extension, Json, extract::State, http::StatusCode};
use domain::{Caller, ToolChanges, ToolPin};
use orchestrator::{
    FieldChange, HiddenInField, LookedAt, PinnedDefinition, ToldDefinition, ToolReview, ToolState,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiError, App,
    extract::{ApiPath, JsonBody, stored_json},
    rules::EffectBody,
};

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(review_tools))
        .routes(routes!(look_at_tools))
        .routes(routes!(set_tool_changes))
}

/// The tools of a server, and what people have agreed to of them.
#[derive(Serialize, ToSchema)]
struct ToolReviewsBody {
    tool_changes: ToolChangesBody,
    counts: ToolCountsBody,
    /// In the order in which the server tells them; those that are gone come last.
    tools: Vec<ToolReviewBody>,
}

/// What happens when a server's tools are others than those that people have agreed to.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToolChangesBody {
    /// What is new or different is kept away until somebody agrees to it.
    Ask,
    /// It is taken for what it was, and settings stay.
    Follow,
    /// It is kept away, and nobody is bothered with it.
    Block,
}

/// How many tools stand how.
#[derive(Default, Serialize, ToSchema)]
struct ToolCountsBody {
    /// They are what is pinned, and somebody has looked at them.
    looked_at: usize,
    /// They are what is pinned, and nobody has looked at them yet.
    not_looked_at: usize,
    changed: usize,
    added: usize,
    gone: usize,
}

#[derive(Serialize, ToSchema)]
struct ToolReviewBody {
    /// The server's own name for it.
    name: String,
    state: ToolStateBody,
    /// As the server tells it now; none where it is gone.
    told: Option<ToldBody>,
    /// As it is pinned; none where it is new.
    pinned: Option<PinnedBody>,
    /// The name of the tool that is gone and was the same in all but its name.
    renamed_from: Option<String>,
    /// What of its definition is not as it was pinned.
    changes: Vec<FieldChangeBody>,
    /// Characters that do not show in what the server tells now, the first 100.
    hidden: Vec<HiddenBody>,
}

/// How a tool that a server tells stands to what is pinned.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ToolStateBody {
    /// It is what is pinned.
    Pinned,
    /// It is kept away until somebody agrees to it.
    Changed,
    /// The server has told its tools before, and this was not among them. It is kept away, too.
    Added,
    /// It is pinned, and the server does not tell it any more.
    Gone,
}

#[derive(Serialize, ToSchema)]
struct ToldBody {
    /// The name under which `/mcp` has it.
    advertised: String,
    /// What stands for the whole definition; to be sent with what is decided about it.
    pin: String,
    /// As the server sent it.
    #[schema(value_type = Object)]
    definition: Box<RawValue>,
    /// Whether the server claims that it only reads. Nothing is decided by that.
    is_read_only: bool,
}

#[derive(Serialize, ToSchema)]
struct PinnedBody {
    pin: String,
    #[schema(value_type = Object)]
    definition: Box<RawValue>,
    /// When somebody looked at it; none where nobody has.
    looked_at_ms: Option<u64>,
    looked_by: Option<String>,
    /// What that person has set for it.
    setting: Option<EffectBody>,
}

/// A field of the definition, with its values before and after; none where it was or is not there.
#[derive(Serialize, ToSchema)]
struct FieldChangeBody {
    field: String,
    #[schema(value_type = Option<Object>)]
    before: Option<Box<RawValue>>,
    #[schema(value_type = Option<Object>)]
    after: Option<Box<RawValue>>,
}

/// A character that people do not see and models read.
#[derive(Serialize, ToSchema)]
struct HiddenBody {
    /// The way to the text, for instance `inputSchema.properties.path.description`.
    field: String,
    /// How many characters stand before it in that text.
    at: usize,
    /// For instance `U+200B`.
    character: String,
}

/// What a person says of tools after having looked at them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LookBody {
    tools: Vec<LookedAtBody>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LookedAtBody {
    /// The server's own name for it.
    tool: String,
    /// The pin of what the person has seen.
    #[schema(value_type = String)]
    pin: ToolPin,
    /// Without it: allow for what the server claims to only read, else ask.
    setting: Option<EffectBody>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetToolChangesBody {
    changes: ToolChangesBody,
}

/// List a server's tools, to look at them
///
/// With what is pinned of each, what has changed since, and what does not show.
#[utoipa::path(
    get, path = "/api/v1/servers/{server}/tools", operation_id = "review_tools", tag = "tools",
    params(("server" = String, Path, description = "Its slug or identifier")),
    responses((status = 200, body = ToolReviewsBody), (status = "default", body = ApiError)),
)]
async fn review_tools(
    State(app): State<App>,
    ApiPath(server): ApiPath<String>,
) -> Result<Json<ToolReviewsBody>, ApiError> {
    let reviews = app.orchestrator.tool_reviews(&server).await?;
    let changes = app.orchestrator.tool_changes(&server)?;
    Ok(Json(ToolReviewsBody {
        tool_changes: changes.into(),
        counts: ToolCountsBody::new(&reviews),
        tools: reviews.into_iter().map(ToolReviewBody::from).collect(),
    }))
}

/// Say that tools were looked at, and set what may be done with them
///
/// All of them, or none where one is not what was looked at (`stale`).
#[utoipa::path(
    post, path = "/api/v1/servers/{server}/tools/look", operation_id = "look_at_tools",
    tag = "tools",
    params(("server" = String, Path, description = "Its slug or identifier")),
    request_body = LookBody,
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn look_at_tools(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(server): ApiPath<String>,
    JsonBody(body): JsonBody<LookBody>,
) -> Result<StatusCode, ApiError> {
    if body.tools.is_empty() {
        return Err(ApiError::invalid("`tools` names no tool"));
    }
    let looked_at = body.tools.into_iter().map(|it| LookedAt {
        tool: it.tool,
        pin: it.pin,
        setting: it.setting.map(Into::into),
    });
    let looked_at = looked_at.collect();
    app.orchestrator
        .look_at_tools(&server, looked_at, &by)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Set what happens when a server's tools change
#[utoipa::path(
    put, path = "/api/v1/servers/{server}/tool-changes", operation_id = "set_tool_changes",
    tag = "tools",
    params(("server" = String, Path, description = "Its slug or identifier")),
    request_body = SetToolChangesBody,
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn set_tool_changes(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(server): ApiPath<String>,
    JsonBody(body): JsonBody<SetToolChangesBody>,
) -> Result<StatusCode, ApiError> {
    let changes = body.changes.into();
    app.orchestrator
        .set_tool_changes(&server, changes, &by)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

impl ToolCountsBody {
    fn new(reviews: &[ToolReview]) -> Self {
        let mut counts = Self::default();
        for review in reviews {
            let pinned = review.pinned.as_ref();
            let is_looked_at = pinned.is_some_and(|it| it.looked_at.is_some());
            let count = match review.state {
                ToolState::Pinned if is_looked_at => &mut counts.looked_at,
                ToolState::Pinned => &mut counts.not_looked_at,
                ToolState::Changed => &mut counts.changed,
                ToolState::Added => &mut counts.added,
                ToolState::Gone => &mut counts.gone,
            };
            *count += 1;
        }
        counts
    }
}

impl From<ToolReview> for ToolReviewBody {
    fn from(review: ToolReview) -> Self {
        let changes = review.changes().into_iter();
        let hidden = review.hidden().into_iter();
        Self {
            state: match review.state {
                ToolState::Pinned => ToolStateBody::Pinned,
                ToolState::Changed => ToolStateBody::Changed,
                ToolState::Added => ToolStateBody::Added,
                ToolState::Gone => ToolStateBody::Gone,
            },
            changes: changes.map(FieldChangeBody::from).collect(),
            hidden: hidden.map(HiddenBody::from).collect(),
            name: review.name,
            told: review.told.map(ToldBody::from),
            pinned: review.pinned.map(PinnedBody::from),
            renamed_from: review.renamed_from,
        }
    }
}

impl From<ToldDefinition> for ToldBody {
    fn from(told: ToldDefinition) -> Self {
        Self {
            advertised: told.advertised,
            pin: told.pin.to_string(),
            definition: stored_json(told.definition),
            is_read_only: told.is_read_only,
        }
    }
}

impl From<PinnedDefinition> for PinnedBody {
    fn from(pinned: PinnedDefinition) -> Self {
        Self {
            pin: pinned.pin.to_string(),
            definition: stored_json(pinned.definition),
            looked_at_ms: pinned.looked_at.map(|it| it.unix_ms),
            looked_by: pinned.looked_by.map(|it| it.to_string()),
            setting: pinned.setting.map(Into::into),
        }
    }
}

impl From<FieldChange> for FieldChangeBody {
    fn from(change: FieldChange) -> Self {
        Self {
            field: change.field,
            before: change.before,
            after: change.after,
        }
    }
}

impl From<HiddenInField> for HiddenBody {
    fn from(hidden: HiddenInField) -> Self {
        Self {
            field: hidden.field,
            at: hidden.character.at,
            character: format!("U+{:04X}", u32::from(hidden.character.character)),
        }
    }
}

impl From<ToolChangesBody> for ToolChanges {
    fn from(body: ToolChangesBody) -> Self {
        match body {
            ToolChangesBody::Ask => Self::Ask,
            ToolChangesBody::Follow => Self::Follow,
            ToolChangesBody::Block => Self::Block,
        }
    }
}

impl From<ToolChanges> for ToolChangesBody {
    fn from(changes: ToolChanges) -> Self {
        match changes {
            ToolChanges::Ask => Self::Ask,
            ToolChanges::Follow => Self::Follow,
            ToolChanges::Block => Self::Block,
        }
    }
}
