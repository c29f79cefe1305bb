//! `/api/v1/chats`: the chats of a person, and which tools each has.

use axum::{Extension, Json, extract::State, http::StatusCode};
use domain::{Caller, ChatId};
use orchestrator::{
    BeginChat, ChatChange, ChatMessages, ChatToolView, MessageContent, StoredChat, ToolSelection,
    ToolsDefault, estimate_text, ui,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiError, App,
    extract::{ApiPath, ApiQuery, JsonBody, id_of, limit_of, place_of, place_text},
    message_bodies::MessagesBody,
    model_bodies::ModelRefBody,
};

const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 100;
/// Messages that come with a chat.
const MESSAGES: u32 = 50;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_chats, create_chat))
        .routes(routes!(get_chat, change_chat, delete_chat))
        .routes(routes!(get_chat_tools, set_chat_tools))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ChatsQuery {
    /// Only those in whose title or messages this stands.
    #[serde(default)]
    q: String,
    /// Those that were put away instead of the others.
    #[serde(default)]
    archived: bool,
    /// The `next` of the page before; not with `q`.
    before: Option<String>,
    /// At most 100.
    limit: Option<u32>,
}

/// Chats, those in which something was said last first.
#[derive(Serialize, ToSchema)]
struct ChatListBody {
    chats: Vec<ChatBody>,
    /// What to send as `before` for those that follow; none where there are no more.
    next: Option<String>,
}

/// A chat.
#[derive(Serialize, ToSchema)]
struct ChatBody {
    id: String,
    title: String,
    status: ChatStatusBody,
    archived: bool,
    /// What it asks; none where that is left to the program.
    model: Option<ModelRefBody>,
    created_at_ms: u64,
    /// When something was last said.
    updated_at_ms: u64,
    /// Where a search found something: what stands around it.
    excerpt: Option<String>,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ChatStatusBody {
    Idle,
    Running,
    /// A person has to decide or to answer.
    Waiting,
}

/// A chat with the last of its messages.
#[derive(Serialize, ToSchema)]
struct ChatDetailsBody {
    #[serde(flatten)]
    chat: ChatBody,
    #[serde(flatten)]
    messages: MessagesBody,
    /// None before the first answer.
    context: Option<ContextBody>,
}

/// How full the model's context is.
#[derive(Serialize, ToSchema)]
struct ContextBody {
    /// What the last step of the last answer has read and written.
    used_tokens: u64,
    /// What the definitions of the chat's tools cost in each request, about.
    tools_tokens: u64,
    /// None where nobody has said it.
    max_tokens: Option<u64>,
}

/// A chat that is begun.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BeginChatBody {
    /// Without it, it is made of what is said first.
    title: Option<String>,
    model: Option<ModelRefBody>,
    /// Without it, all if they are few.
    tools: Option<ToolsDefaultBody>,
}

/// What is to be different about a chat.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeChatBody {
    title: Option<String>,
    model: Option<ModelRefBody>,
    archived: Option<bool>,
}

/// What holds for tools of which nothing was said.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ToolsDefaultBody {
    All,
    /// Those of the built-in server.
    None,
}

/// The tools that there are, and which of them a chat has.
#[derive(Serialize, ToSchema)]
struct ChatToolsBody {
    default: ToolsDefaultBody,
    tools: Vec<ChatToolBody>,
}

#[derive(Serialize, ToSchema)]
struct ChatToolBody {
    /// The slug of its server.
    server: String,
    /// The server's own name for it.
    tool: String,
    /// The name that models have for it.
    name: String,
    enabled: bool,
    /// What its definition costs in each request, about.
    tokens: u64,
}

/// Which tools a chat is to have. All of it is done, or nothing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetChatToolsBody {
    /// Forgets what was said about single tools.
    default: Option<ToolsDefaultBody>,
    #[serde(default)]
    tools: Vec<SetChatToolBody>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetChatToolBody {
    server: String,
    tool: String,
    enabled: bool,
}

/// List chats
#[utoipa::path(
    get, path = "/api/v1/chats", operation_id = "list_chats", tag = "chats",
    params(ChatsQuery),
    responses((status = 200, body = ChatListBody), (status = "default", body = ApiError)),
)]
async fn list_chats(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiQuery(query): ApiQuery<ChatsQuery>,
) -> Result<Json<ChatListBody>, ApiError> {
    let limit = limit_of(query.limit, LIMIT_DEFAULT, LIMIT_MAX)?;
    let this = &app.orchestrator;
    if !query.q.trim().is_empty() {
        let mut chats = Vec::new();
        for hit in this.search_chats(&query.q, limit, &by).await? {
            let mut chat = ChatBody::from(this.chat(hit.chat, &by).await?);
            chat.excerpt = (!hit.excerpt.is_empty()).then_some(hit.excerpt);
            chats.push(chat);
        }
        return Ok(Json(ChatListBody { chats, next: None }));
    }
    let before = query.before.as_deref().map(place_of).transpose()?;
    let found = this.chats(&by, query.archived, before, limit).await?;
    let last = found.last().filter(|_| found.len() == limit as usize);
    Ok(Json(ChatListBody {
        next: last.map(|it| place_text(it.updated_at, it.id)),
        chats: found.into_iter().map(ChatBody::from).collect(),
    }))
}

/// Begin a chat
#[utoipa::path(
    post, path = "/api/v1/chats", operation_id = "create_chat", tag = "chats",
    request_body = BeginChatBody,
    responses((status = 201, body = ChatBody), (status = "default", body = ApiError)),
)]
async fn create_chat(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    JsonBody(body): JsonBody<BeginChatBody>,
) -> Result<(StatusCode, Json<ChatBody>), ApiError> {
    let begin = BeginChat {
        title: body.title,
        tools_default: body.tools.map(ToolsDefaultBody::into_default),
    };
    let this = &app.orchestrator;
    let mut chat = this.create_chat(begin, &by).await?;
    if body.model.is_some() {
        chat = this.change_chat(chat.id, model(body.model), &by).await?;
    }
    Ok((StatusCode::CREATED, Json(chat.into())))
}

/// Get a chat with the last of its messages
#[utoipa::path(
    get, path = "/api/v1/chats/{chat}", operation_id = "get_chat", tag = "chats",
    params(("chat" = String, Path, description = "Its identifier")),
    responses((status = 200, body = ChatDetailsBody), (status = "default", body = ApiError)),
)]
async fn get_chat(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(chat): ApiPath<String>,
) -> Result<Json<ChatDetailsBody>, ApiError> {
    let id: ChatId = id_of("chat", &chat)?;
    let this = &app.orchestrator;
    let messages = this.chat_messages(id, None, MESSAGES, &by).await?;
    let chat = this.chat(id, &by).await?;
    let context = match used_tokens(&messages) {
        Some(used_tokens) => {
            let tools = this.chat_tools(id, &by).await?;
            let tools = tools.iter().filter(|it| it.enabled);
            let known = match (chat.provider, &chat.model) {
                (Some(provider), Some(model)) => {
                    this.known_model(provider, model, &by.principal).await?
                }
                _ => None,
            };
            Some(ContextBody {
                used_tokens,
                tools_tokens: tools
                    .map(|it| estimate_text(it.tool.definition.get()))
                    .sum(),
                max_tokens: known.and_then(|it| it.context_tokens),
            })
        }
        None => None,
    };
    Ok(Json(ChatDetailsBody {
        chat: chat.into(),
        messages: messages.into(),
        context,
    }))
}

fn used_tokens(messages: &ChatMessages) -> Option<u64> {
    let used = |part: &ui::UiPart| match part {
        ui::UiPart::Data(ui::DataPart::Usage { data, .. }) => {
            let usage = data.usage;
            Some(usage.input_tokens? + usage.output_tokens.unwrap_or_default())
        }
        _ => None,
    };
    messages
        .messages
        .iter()
        .rev()
        .find_map(|it| match &it.content {
            MessageContent::Assistant(answer, _) => answer.parts.iter().rev().find_map(used),
            MessageContent::User(_) => None,
        })
}

/// Change a chat
#[utoipa::path(
    patch, path = "/api/v1/chats/{chat}", operation_id = "change_chat", tag = "chats",
    params(("chat" = String, Path, description = "Its identifier")),
    request_body = ChangeChatBody,
    responses((status = 200, body = ChatBody), (status = "default", body = ApiError)),
)]
async fn change_chat(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(chat): ApiPath<String>,
    JsonBody(body): JsonBody<ChangeChatBody>,
) -> Result<Json<ChatBody>, ApiError> {
    let change = ChatChange {
        title: body.title,
        archived: body.archived,
        ..model(body.model)
    };
    let id = id_of("chat", &chat)?;
    let changed = app.orchestrator.change_chat(id, change, &by).await?;
    Ok(Json(changed.into()))
}

/// Delete a chat with all that was said in it
#[utoipa::path(
    delete, path = "/api/v1/chats/{chat}", operation_id = "delete_chat", tag = "chats",
    params(("chat" = String, Path, description = "Its identifier")),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn delete_chat(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(chat): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let id = id_of("chat", &chat)?;
    app.orchestrator.delete_chat(id, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the tools that a chat may have
#[utoipa::path(
    get, path = "/api/v1/chats/{chat}/tools", operation_id = "get_chat_tools", tag = "chats",
    params(("chat" = String, Path, description = "Its identifier")),
    responses((status = 200, body = ChatToolsBody), (status = "default", body = ApiError)),
)]
async fn get_chat_tools(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(chat): ApiPath<String>,
) -> Result<Json<ChatToolsBody>, ApiError> {
    let id: ChatId = id_of("chat", &chat)?;
    let chat = app.orchestrator.chat(id, &by).await?;
    let tools = app.orchestrator.chat_tools(id, &by).await?;
    Ok(Json(ChatToolsBody::new(&chat, tools)))
}

/// Choose the tools of a chat
#[utoipa::path(
    put, path = "/api/v1/chats/{chat}/tools", operation_id = "set_chat_tools", tag = "chats",
    params(("chat" = String, Path, description = "Its identifier")),
    request_body = SetChatToolsBody,
    responses((status = 200, body = ChatToolsBody), (status = "default", body = ApiError)),
)]
async fn set_chat_tools(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(chat): ApiPath<String>,
    JsonBody(body): JsonBody<SetChatToolsBody>,
) -> Result<Json<ChatToolsBody>, ApiError> {
    let id: ChatId = id_of("chat", &chat)?;
    let this = &app.orchestrator;
    let selection = selection(body.tools, &this.chat_tools(id, &by).await?);
    let mut chat = this.chat(id, &by).await?;
    if let Some(default) = body.default {
        let change = ChatChange {
            tools_default: Some(default.into_default()),
            ..ChatChange::default()
        };
        chat = this.change_chat(id, change, &by).await?;
    }
    let tools = this.set_chat_tools(id, selection, &by).await?;
    Ok(Json(ChatToolsBody::new(&chat, tools)))
}

/// Returns what is chosen by the names that models have. One that is not there keeps the name that it
/// was given, and is refused with it.
fn selection(chosen: Vec<SetChatToolBody>, tools: &[ChatToolView]) -> ToolSelection {
    let mut selection = ToolSelection::default();
    for one in chosen {
        let is_it =
            |it: &&ChatToolView| it.tool.server.as_str() == one.server && it.tool.name == one.tool;
        let name = match tools.iter().find(is_it) {
            Some(found) => found.tool.advertised.clone(),
            None => format!("{}__{}", one.server, one.tool),
        };
        match one.enabled {
            true => selection.enable.push(name),
            false => selection.disable.push(name),
        }
    }
    selection
}

fn model(model: Option<ModelRefBody>) -> ChatChange {
    let (provider, model) = match model {
        Some(it) => (Some(Some(it.provider)), Some(Some(it.model))),
        None => (None, None),
    };
    ChatChange {
        provider,
        model,
        ..ChatChange::default()
    }
}

impl ChatToolsBody {
    fn new(chat: &StoredChat, tools: Vec<ChatToolView>) -> Self {
        let tool = |it: ChatToolView| ChatToolBody {
            tokens: estimate_text(it.tool.definition.get()),
            server: it.tool.server.to_string(),
            tool: it.tool.name,
            name: it.tool.advertised,
            enabled: it.enabled,
        };
        Self {
            default: match chat.tools_default {
                ToolsDefault::All => ToolsDefaultBody::All,
                ToolsDefault::None => ToolsDefaultBody::None,
            },
            tools: tools.into_iter().map(tool).collect(),
        }
    }
}

impl ToolsDefaultBody {
    const fn into_default(self) -> ToolsDefault {
        match self {
            Self::All => ToolsDefault::All,
            Self::None => ToolsDefault::None,
        }
    }
}

impl From<StoredChat> for ChatBody {
    fn from(chat: StoredChat) -> Self {
        let model = chat.provider.zip(chat.model);
        Self {
            id: chat.id.to_string(),
            title: chat.title,
            status: match chat.active {
                None => ChatStatusBody::Idle,
                Some((_, state)) if state.as_str() == "parked" => ChatStatusBody::Waiting,
                Some(_) => ChatStatusBody::Running,
            },
            archived: chat.archived,
            model: model.map(|(provider, model)| ModelRefBody { provider, model }),
            created_at_ms: chat.created_at.unix_ms,
            updated_at_ms: chat.updated_at.unix_ms,
            excerpt: None,
        }
    }
}
