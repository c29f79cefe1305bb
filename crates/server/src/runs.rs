//! `/api/v1/chats/{chat}/messages` and what else is said in a chat: send, stop, go on, answer.

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use domain::{Caller, ChatId, MessageId};
use orchestrator::{ElicitationAction, SendMessage, Sent};
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiError, App, Shared,
    events::accepts_events,
    extract::{ApiPath, ApiQuery, JsonBody, id_of, limit_of},
    message_bodies::{MessagesBody, RerunBody, SendBody, SentBody, parts},
    run_stream,
};

const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 200;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_messages, send_message))
        .routes(routes!(rerun_message))
        .routes(routes!(show_message))
        .routes(routes!(remove_queued))
        .routes(routes!(stop_chat))
        .routes(routes!(resume_chat))
        .routes(routes!(answer_elicitation))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MessagesQuery {
    /// Only those before this message.
    before: Option<String>,
    /// At most 200.
    limit: Option<u32>,
}

/// A person's answer to what a server has asked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ElicitationAnswerBody {
    action: ElicitationActionBody,
    /// What was filled in; only with `accept`.
    #[schema(value_type = Option<Object>)]
    content: Option<Value>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ElicitationActionBody {
    Accept,
    Decline,
    Cancel,
}

/// List the messages of a chat
///
/// The last ones that are shown, or those before one. The answer of a run that is under way is among
/// them as far as it was written.
#[utoipa::path(
    get, path = "/api/v1/chats/{chat}/messages", operation_id = "list_messages", tag = "chats",
    params(("chat" = String, Path, description = "Its identifier"), MessagesQuery),
    responses((status = 200, body = MessagesBody), (status = "default", body = ApiError)),
)]
async fn list_messages(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(chat): ApiPath<String>,
    ApiQuery(query): ApiQuery<MessagesQuery>,
) -> Result<Json<MessagesBody>, ApiError> {
    let chat: ChatId = id_of("chat", &chat)?;
    let limit = limit_of(query.limit, LIMIT_DEFAULT, LIMIT_MAX)?;
    let before = query.before.as_deref();
    let before = before.map(|it| id_of("message", it)).transpose()?;
    let messages = app
        .orchestrator
        .chat_messages(chat, before, limit, &by)
        .await?;
    Ok(Json(messages.into()))
}

/// Send a message
///
/// It is kept when this answers, and a run has begun, or the message waits for the one under way to
/// end. With `Accept: text/event-stream` the answer is the run's UI message stream, if one has begun.
/// Closing it stops nothing.
#[utoipa::path(
    post, path = "/api/v1/chats/{chat}/messages", operation_id = "send_message", tag = "chats",
    params(("chat" = String, Path, description = "Its identifier")),
    request_body = SendBody,
    responses(
        (status = 200, content((SentBody = "application/json"), (String = "text/event-stream"))),
        (status = "default", body = ApiError),
    ),
)]
async fn send_message(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(chat): ApiPath<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SendBody>,
) -> Result<Response, ApiError> {
    let chat: ChatId = id_of("chat", &chat)?;
    let send = SendMessage {
        parts: parts(body.text, body.attachments),
        model: body.model.map(|it| (it.provider, it.model)),
    };
    let sent = app.orchestrator.send_message(chat, send, &by).await?;
    answer(&app, &sent, &headers, &by).await
}

/// Have a message answered once more
///
/// Of a person's message, with another text if there is one; of an answer, the message that it is to.
/// What was there stays beside the new one. A message that waits is changed in its place.
#[utoipa::path(
    post, path = "/api/v1/chats/{chat}/messages/{message}/rerun", operation_id = "rerun_message",
    tag = "chats",
    params(
        ("chat" = String, Path, description = "Its identifier"),
        ("message" = String, Path, description = "The message's identifier"),
    ),
    request_body = RerunBody,
    responses(
        (status = 200, content((SentBody = "application/json"), (String = "text/event-stream"))),
        (status = "default", body = ApiError),
    ),
)]
async fn rerun_message(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath((chat, message)): ApiPath<(String, String)>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<RerunBody>,
) -> Result<Response, ApiError> {
    let (chat, message) = ids(&chat, &message)?;
    let model = body.model.map(|it| (it.provider, it.model));
    let this = &app.orchestrator;
    let sent = match body.text {
        Some(text) => {
            let parts = parts(text, body.attachments);
            let send = SendMessage { parts, model };
            this.edit_message(chat, message, send, &by).await?
        }
        None => this.regenerate(chat, message, model, &by).await?,
    };
    answer(&app, &sent, &headers, &by).await
}

/// Show a message in the place of those beside it
///
/// With it comes what was said after it last.
#[utoipa::path(
    post, path = "/api/v1/chats/{chat}/messages/{message}/show", operation_id = "show_message",
    tag = "chats",
    params(
        ("chat" = String, Path, description = "Its identifier"),
        ("message" = String, Path, description = "The message's identifier"),
    ),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn show_message(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath((chat, message)): ApiPath<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (chat, message) = ids(&chat, &message)?;
    app.orchestrator.show_message(chat, message, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a message that waits out of the line
#[utoipa::path(
    delete, path = "/api/v1/chats/{chat}/queue/{message}", operation_id = "remove_queued",
    tag = "chats",
    params(
        ("chat" = String, Path, description = "Its identifier"),
        ("message" = String, Path, description = "The message's identifier"),
    ),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn remove_queued(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath((chat, message)): ApiPath<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (chat, message) = ids(&chat, &message)?;
    app.orchestrator.remove_queued(chat, message, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stop the run of a chat
///
/// What had arrived is kept. Where no run is under way or waits, nothing is to be done.
#[utoipa::path(
    post, path = "/api/v1/chats/{chat}/stop", operation_id = "stop_chat", tag = "chats",
    params(("chat" = String, Path, description = "Its identifier")),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn stop_chat(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(chat): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let chat: ChatId = id_of("chat", &chat)?;
    app.orchestrator.stop_run(chat, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let the last run of a chat go on
///
/// One that was stopped, was interrupted, has failed or has reached its bound goes on where it was, in
/// the same message.
#[utoipa::path(
    post, path = "/api/v1/chats/{chat}/resume", operation_id = "resume_chat", tag = "chats",
    params(("chat" = String, Path, description = "Its identifier")),
    responses(
        (status = 200, content((SentBody = "application/json"), (String = "text/event-stream"))),
        (status = "default", body = ApiError),
    ),
)]
async fn resume_chat(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(chat): ApiPath<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let chat: ChatId = id_of("chat", &chat)?;
    let sent = app.orchestrator.resume_run(chat, &by).await?;
    answer(&app, &sent, &headers, &by).await
}

/// Answer what a server has asked
///
/// What the server has asked for is checked; it goes on with its call then.
#[utoipa::path(
    post, path = "/api/v1/chats/{chat}/elicitations/{elicitation}",
    operation_id = "answer_elicitation", tag = "chats",
    params(
        ("chat" = String, Path, description = "Its identifier"),
        ("elicitation" = String, Path, description = "The question's identifier"),
    ),
    request_body = ElicitationAnswerBody,
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn answer_elicitation(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath((chat, elicitation)): ApiPath<(String, String)>,
    JsonBody(body): JsonBody<ElicitationAnswerBody>,
) -> Result<StatusCode, ApiError> {
    let chat: ChatId = id_of("chat", &chat)?;
    let action = body.action.into();
    app.orchestrator
        .answer_question(chat, &elicitation, action, body.content, &by)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn ids(chat: &str, message: &str) -> Result<(ChatId, MessageId), ApiError> {
    Ok((id_of("chat", chat)?, id_of("message", message)?))
}

async fn answer(
    app: &Shared,
    sent: &Sent,
    headers: &HeaderMap,
    by: &Caller,
) -> Result<Response, ApiError> {
    match &sent.run {
        Some(run) if accepts_events(headers) => {
            let after = sent.after;
            let reader = app.orchestrator.read_run(run.id, after, by).await?;
            Ok(run_stream::response(app, reader))
        }
        _ => Ok(Json(SentBody::from(sent)).into_response()),
    }
}

impl From<ElicitationActionBody> for ElicitationAction {
    fn from(it: ElicitationActionBody) -> Self {
        match it {
            ElicitationActionBody::Accept => Self::Accept,
            ElicitationActionBody::Decline => Self::Decline,
            ElicitationActionBody::Cancel => Self::Cancel,
        }
    }
}
