//! Runs as the AI SDK's UI message stream, in server-sent events.
//!
//! The last chunk of an event has the event's place as its `id`. Who has read only a part of an
//! event's chunks gets all of them again, which changes nothing: those that stand with others replace
//! what they are about.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{Extension, Json};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use domain::{Caller, ChatId, RunId};
use futures_util::stream;
use orchestrator::{NumberedEvent, RunReader, StoredRun, ui};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiError, App, Shared, events,
    extract::{ApiPath, ApiQuery, id_of, stored_json},
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(stream_chat))
        .routes(routes!(get_run))
        .routes(routes!(stream_run))
}

/// A place in the log of a run, as readers are given it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    run: RunId,
    seq: u64,
}

/// A run of a chat: how far it is.
#[derive(Serialize, ToSchema)]
struct RunBody {
    id: String,
    chat: String,
    /// The person's message that it answers.
    question: String,
    /// The message that it writes.
    message: String,
    /// `running`, `parked` (a person has to decide or to answer), `complete`, `stopped`, `failed` or
    /// `interrupted`.
    state: &'static str,
    /// Empty where the chat's default was asked for and is not known yet.
    model: String,
    provider: Option<String>,
    /// The number of its last event.
    seq: u64,
    /// Why it failed.
    #[schema(value_type = Option<Object>)]
    error: Option<Box<serde_json::value::RawValue>>,
    created_at_ms: u64,
    updated_at_ms: u64,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StreamQuery {
    /// Only what comes after this event.
    #[serde(default)]
    after: u64,
}

/// Follow the run of a chat
///
/// The AI SDK's UI message stream of the run that is under way or waits, from its beginning; 204 where
/// there is none. With `Last-Event-ID` it is the rest of the run that the identifier is of.
#[utoipa::path(
    get, path = "/api/v1/chats/{chat}/stream", operation_id = "stream_chat", tag = "chats",
    params(
        ("chat" = String, Path, description = "Its identifier"),
        ("Last-Event-ID" = Option<String>, Header, description = "The last identifier that was read"),
    ),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = 204, description = "No run is under way"),
        (status = "default", body = ApiError),
    ),
)]
async fn stream_chat(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(chat): ApiPath<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let chat: ChatId = id_of("chat", &chat)?;
    if let Some(place) = last_event_id(&headers) {
        let reader = app.orchestrator.read_run(place.run, place.seq, &by).await?;
        if reader.run().chat == chat {
            return Ok(response(&app, reader));
        }
    }
    let reader = app.orchestrator.read_active_run(chat, 0, &by).await?;
    Ok(match reader {
        Some(reader) => response(&app, reader),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// Get a run
#[utoipa::path(
    get, path = "/api/v1/runs/{run}", operation_id = "get_run", tag = "chats",
    params(("run" = String, Path, description = "Its identifier")),
    responses((status = 200, body = RunBody), (status = "default", body = ApiError)),
)]
async fn get_run(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(run): ApiPath<String>,
) -> Result<Json<RunBody>, ApiError> {
    let reader = app
        .orchestrator
        .read_run(id_of("run", &run)?, 0, &by)
        .await?;
    Ok(Json(reader.run().into()))
}

/// Follow a run
///
/// The AI SDK's UI message stream of a run, of one that is over as well.
#[utoipa::path(
    get, path = "/api/v1/runs/{run}/stream", operation_id = "stream_run", tag = "chats",
    params(
        ("run" = String, Path, description = "Its identifier"),
        StreamQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The last identifier that was read"),
    ),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = "default", body = ApiError),
    ),
)]
async fn stream_run(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiPath(run): ApiPath<String>,
    ApiQuery(query): ApiQuery<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let run: RunId = id_of("run", &run)?;
    let place = last_event_id(&headers).filter(|it| it.run == run);
    let after = place.map_or(query.after, |it| it.seq);
    let reader = app.orchestrator.read_run(run, after, &by).await?;
    Ok(response(&app, reader))
}

/// Returns the answer that streams a run from the reader's place on, at the pace of whoever reads it.
pub(crate) fn response(app: &Shared, reader: RunReader) -> Response {
    let chunks = Chunks {
        run: reader.run().id,
        message: reader.run().answer.to_string(),
        reader,
        waiting: VecDeque::new(),
        is_over: false,
        shutdown: app.shutdown.clone(),
        keep_alive: app.settings.keep_alive,
    };
    let stream = stream::unfold(chunks, async |mut chunks| {
        let bytes = chunks.next().await?;
        Some((Ok::<_, Infallible>(bytes), chunks))
    });
    let mut response = events::of_stream(stream);
    let (name, version) = ui::STREAM_HEADER;
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static(name),
        HeaderValue::from_static(version),
    );
    response
}

struct Chunks {
    reader: RunReader,
    run: RunId,
    /// The message that the run is.
    message: String,
    waiting: VecDeque<Bytes>,
    is_over: bool,
    shutdown: CancellationToken,
    keep_alive: Duration,
}

impl Chunks {
    /// Cancel safe.
    async fn next(&mut self) -> Option<Bytes> {
        while self.waiting.is_empty() {
            if self.is_over {
                return None;
            }
            let next = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return None,
                next = self.reader.next() => next,
                () = tokio::time::sleep(self.keep_alive) => {
                    return Some(Bytes::from_static(mcp::sse::KEEP_ALIVE));
                }
            };
            match next {
                Ok(Some(event)) => self
                    .waiting
                    .extend(bytes_of(self.run, &self.message, &event)),
                Ok(None) => {
                    self.is_over = true;
                    let end = format!("data: {}\n\n", ui::STREAM_END);
                    self.waiting.push_back(end.into());
                }
                Err(err) => {
                    // Without an end, whoever reads comes back.
                    tracing::error!(
                        error = &err as &dyn std::error::Error,
                        run.id = %self.run,
                        "A run cannot be read"
                    );
                    return None;
                }
            }
        }
        self.waiting.pop_front()
    }
}

fn bytes_of(run: RunId, message: &str, event: &NumberedEvent) -> Option<Bytes> {
    let chunks = ui::chunks(message, &event.event);
    let mut text = String::new();
    for (at, chunk) in chunks.iter().enumerate() {
        if at + 1 == chunks.len() {
            let place = Place {
                run,
                seq: event.seq,
            };
            text.push_str(&format!("id: {}\n", place.to_text()));
        }
        let json = serde_json::to_string(chunk).expect("a chunk has a JSON form");
        text.push_str(&format!("data: {json}\n\n"));
    }
    (!text.is_empty()).then(|| text.into())
}

impl Place {
    fn to_text(self) -> String {
        format!("{}.{}", self.run, self.seq)
    }

    fn of_text(text: &str) -> Option<Self> {
        let (run, seq) = text.split_once('.')?;
        Some(Self {
            run: run.parse().ok()?,
            seq: seq.parse().ok()?,
        })
    }
}

/// What is no place of ours is taken for none.
fn last_event_id(headers: &HeaderMap) -> Option<Place> {
    Place::of_text(headers.get(LAST_EVENT_ID)?.to_str().ok()?)
}

impl From<&StoredRun> for RunBody {
    fn from(run: &StoredRun) -> Self {
        Self {
            id: run.id.to_string(),
            chat: run.chat.to_string(),
            question: run.message.to_string(),
            message: run.answer.to_string(),
            state: run.state.as_str(),
            model: run.model.clone(),
            provider: run.provider.map(|it| it.to_string()),
            seq: run.last_seq,
            error: run.error.clone().map(stored_json),
            created_at_ms: run.created_at.unix_ms,
            updated_at_ms: run.updated_at.unix_ms,
        }
    }
}
