//! The streamable HTTP transport, client side (2025-11-25, Transports, "Streamable HTTP").
//!
//! Each message is a POST. A request's answer is its response's body, as JSON or as a stream of
//! events that ends after the answer; a task of its own reads it. After `initialize` a GET opens a
//! stream for what the server says unasked; a server that has none answers 405.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
};

use super::{Inbox, Incoming, Outbox, Outgoing, TransportError};
use crate::{sse, version};

/// Messages that were read and that nobody has taken yet.
const INCOMING_MAX: usize = 64;
const SESSION_LEN_MAX: usize = 1024;
const ERROR_BODY_BYTES_MAX: usize = 4 << 10;
/// Waits between attempts to open the stream for what the server says unasked.
const LISTEN_RETRY: Duration = Duration::from_secs(5);
/// How long a server may take to end a stream after the answer, so that the connection is kept.
const AFTER_ANSWER: Duration = Duration::from_secs(1);
/// For what nobody depends on: the farewell, and the body of a refusal.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);

const REDACTED: &str = "[redacted]";
/// A part of a header's value that is shorter is a word like any other.
const SECRET_LEN_MIN: usize = 6;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Where a server is.
#[derive(Debug, Clone)]
pub struct HttpEndpoint {
    pub client: reqwest::Client,
    pub url: reqwest::Url,
    /// Sent with each request. A value that is marked as sensitive is in no error.
    pub headers: HeaderMap,
    /// What to tell a person when the server says that it does not let us in.
    pub unauthorized_hint: String,
}

/// The most that is taken from a server.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    pub message_bytes_max: usize,
    /// From a request to the head of its response.
    pub head_timeout: Duration,
}

/// Makes a transport to `endpoint`. Its tasks end when both halves are dropped.
pub fn http(endpoint: HttpEndpoint, limits: HttpLimits) -> (Box<dyn Outbox>, Box<dyn Inbox>) {
    let (incoming, inbox) = mpsc::channel(INCOMING_MAX);
    let shared = Arc::new(Shared {
        endpoint,
        limits,
        incoming,
        session: Mutex::default(),
        ready: watch::Sender::new(false),
    });
    let mut tasks = JoinSet::new();
    let listener = shared.clone();
    tasks.spawn(async move {
        listen(listener).await;
        None
    });
    let posts = HashMap::new();
    (
        Box::new(HttpOutbox {
            shared,
            tasks,
            posts,
        }),
        Box::new(HttpInbox { inbox }),
    )
}

struct HttpOutbox {
    shared: Arc<Shared>,
    /// Dropped with this, which ends them. One that is of a request returns its number.
    tasks: JoinSet<Option<u64>>,
    // Invariant: one for each request whose task is in `tasks`.
    posts: HashMap<u64, AbortHandle>,
}

struct HttpInbox {
    inbox: mpsc::Receiver<Incoming>,
}

struct Shared {
    endpoint: HttpEndpoint,
    limits: HttpLimits,
    incoming: mpsc::Sender<Incoming>,
    session: Mutex<Session>,
    /// Whether `notifications/initialized` was taken.
    ready: watch::Sender<bool>,
}

#[derive(Debug, Default, Clone)]
struct Session {
    id: Option<HeaderValue>,
    version: Option<HeaderValue>,
}

#[async_trait]
impl Outbox for HttpOutbox {
    async fn send(&mut self, outgoing: Outgoing) -> Result<(), TransportError> {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Ok(Some(request)) = ended {
                self.posts.remove(&request);
            }
        }
        if let Some(request) = outgoing.request {
            let shared = self.shared.clone();
            let post = async move {
                post_request(&shared, outgoing.bytes, request).await;
                Some(request)
            };
            self.posts.insert(request, self.tasks.spawn(post));
            return Ok(());
        }
        if let Some(post) = outgoing.cancels.and_then(|it| self.posts.remove(&it)) {
            // Nobody waits for it any more, and a server may keep a stream open for ever.
            post.abort();
        }
        // What is not a request is waited for, so that the order is kept.
        let response = self.shared.post(outgoing.bytes.clone()).await?;
        if !response.status().is_success() {
            return Err(self.shared.refused(response).await);
        }
        if !*self.shared.ready.borrow() && is_initialized(&outgoing.bytes) {
            self.shared.ready.send_replace(true);
        }
        Ok(())
    }

    async fn close(&mut self) {
        self.tasks.abort_all();
        self.posts.clear();
        let session = self.shared.session();
        if session.id.is_some() {
            let delete = self
                .shared
                .request(reqwest::Method::DELETE, &session)
                .send();
            // The server may not offer this, and forgets the session by itself then.
            let limit = self.shared.limits.head_timeout.min(FAREWELL_TIMEOUT);
            let _ended = tokio::time::timeout(limit, delete).await;
        }
    }
}

#[async_trait]
impl Inbox for HttpInbox {
    async fn next(&mut self) -> Incoming {
        self.inbox.recv().await.unwrap_or_else(|| Incoming::Ended {
            reason: "the connection was closed".to_owned(),
            refused: None,
        })
    }
}

impl Shared {
    fn session(&self) -> Session {
        let session = self.session.lock();
        session
            .expect("no code panics while it holds the lock")
            .clone()
    }

    fn request(&self, method: reqwest::Method, session: &Session) -> reqwest::RequestBuilder {
        let mut headers = self.endpoint.headers.clone();
        if let Some(id) = &session.id {
            headers.insert(SESSION, id.clone());
        }
        if let Some(version) = &session.version {
            headers.insert(VERSION, version.clone());
        }
        let url = self.endpoint.url.clone();
        self.endpoint.client.request(method, url).headers(headers)
    }

    async fn post(&self, body: Bytes) -> Result<reqwest::Response, TransportError> {
        let request = self
            .request(reqwest::Method::POST, &self.session())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .body(body);
        send(request, self.limits.head_timeout).await
    }

    async fn give(&self, incoming: Incoming) {
        // Nobody listens any more; the tasks are about to be dropped.
        let _given = self.incoming.send(incoming).await;
    }

    /// Notes the session and the version that the answer to `initialize` brings.
    fn note_session(&self, headers: &HeaderMap, message: &[u8]) {
        let id = headers
            .get(&SESSION)
            .filter(|it| it.len() <= SESSION_LEN_MAX);
        let mut session = self
            .session
            .lock()
            .expect("no code panics while it holds the lock");
        if session.version.is_some() {
            return;
        }
        if let Some(version) = agreed_version(message) {
            session.version = Some(HeaderValue::from_static(version));
            session.id = id.cloned();
        }
    }

    /// Reads events until the stream ends, and returns whether the answer to `request` was there.
    async fn read_events(
        &self,
        response: reqwest::Response,
        request: Option<u64>,
    ) -> Result<bool, TransportError> {
        let headers = response.headers().clone();
        let mut reader = sse::Reader::new(self.limits.message_bytes_max);
        let mut body = response.bytes_stream();
        let mut answered = false;
        loop {
            let piece = if answered {
                let rest = tokio::time::timeout(AFTER_ANSWER, body.next()).await;
                rest.ok().flatten().and_then(Result::ok)
            } else {
                body.next().await.transpose().map_err(|err| broken(&err))?
            };
            let Some(piece) = piece else { break };
            let messages = reader
                .push(&piece)
                .map_err(|err| failed(format!("the server sent {err} (`message_bytes_max`)")))?;
            for bytes in messages {
                answered |= request.is_some_and(|it| answers(&bytes, it));
                if request.is_some() {
                    self.note_session(&headers, &bytes);
                }
                self.give(Incoming::Message {
                    bytes,
                    related: request,
                })
                .await;
            }
        }
        Ok(answered)
    }

    async fn read_json(
        &self,
        response: reqwest::Response,
        request: u64,
    ) -> Result<(), TransportError> {
        let headers = response.headers().clone();
        let status = response.status();
        let bytes = read_body(response, self.limits.message_bytes_max).await?;
        if !answers(&bytes, request) {
            // Passed on it would be nobody's answer, and whoever asked would wait in vain.
            return Err(failed(self.without_secrets(no_answer(status, &bytes))));
        }
        self.note_session(&headers, &bytes);
        self.give(Incoming::Message {
            bytes,
            related: Some(request),
        })
        .await;
        Ok(())
    }
}

impl Shared {
    async fn refused(&self, response: reqwest::Response) -> TransportError {
        let status = response.status();
        let mut reason = format!("the server answered with status {status}");
        let hint = &self.endpoint.unauthorized_hint;
        let is_unauthorized = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if is_unauthorized && !hint.is_empty() {
            reason.push_str("; ");
            reason.push_str(hint);
        }
        let said = said(response).await;
        if !said.is_empty() {
            reason.push_str(": ");
            reason.push_str(&self.without_secrets(said));
        }
        failed(reason)
    }

    /// Takes what we have sent out of what a server says: some repeat what they refuse.
    fn without_secrets(&self, text: String) -> String {
        let values = self.endpoint.headers.values();
        let values = values
            .filter(|it| it.is_sensitive())
            .filter_map(|it| it.to_str().ok());
        values.fold(text, |text, value| {
            let text = text.replace(value, REDACTED);
            // `Bearer TOKEN`: the token alone is as secret.
            match value.rsplit_once(' ') {
                Some((_, last)) if SECRET_LEN_MIN <= last.len() => text.replace(last, REDACTED),
                _ => text,
            }
        })
    }
}

async fn post_request(shared: &Shared, body: Bytes, request: u64) {
    let reason = match answer(shared, body, request).await {
        Ok(true) => return,
        Ok(false) => "the server ended the stream without an answer".to_owned(),
        Err(Answer::SessionGone) => {
            let ended = Incoming::Ended {
                reason: "the server has forgotten the session".to_owned(),
                refused: Some(request),
            };
            shared.give(ended).await;
            return;
        }
        Err(Answer::Failed(err)) => err.reason,
    };
    let related = Some(request);
    shared.give(Incoming::Lost { related, reason }).await;
}

enum Answer {
    SessionGone,
    Failed(TransportError),
}

async fn answer(shared: &Shared, body: Bytes, request: u64) -> Result<bool, Answer> {
    let response = shared.post(body).await.map_err(Answer::Failed)?;
    if response.status() == StatusCode::NOT_FOUND && shared.session().id.is_some() {
        return Err(Answer::SessionGone);
    }
    if is_event_stream(&response) && response.status().is_success() {
        let read = shared.read_events(response, Some(request)).await;
        return read.map_err(Answer::Failed);
    }
    let has_json = content_type(&response).starts_with("application/json");
    if !has_json
        || (!response.status().is_success() && response.status() != StatusCode::BAD_REQUEST)
    {
        return Err(Answer::Failed(shared.refused(response).await));
    }
    let read = shared.read_json(response, request).await;
    read.map(|()| true).map_err(Answer::Failed)
}

/// Reads what the server says unasked, for as long as it has a stream for it.
async fn listen(shared: Arc<Shared>) {
    let mut ready = shared.ready.subscribe();
    if ready.wait_for(|it| *it).await.is_err() {
        return;
    }
    loop {
        let request = shared
            .request(reqwest::Method::GET, &shared.session())
            .header(header::ACCEPT, "text/event-stream");
        match send(request, shared.limits.head_timeout).await {
            Ok(response) if response.status().is_client_error() => return,
            Ok(response) if response.status().is_success() && is_event_stream(&response) => {
                // The stream is opened again whatever it was that ended it.
                let _ended = shared.read_events(response, None).await;
            }
            Ok(_) | Err(_) => {}
        }
        tokio::time::sleep(LISTEN_RETRY).await;
    }
}

async fn send(
    request: reqwest::RequestBuilder,
    limit: Duration,
) -> Result<reqwest::Response, TransportError> {
    let sent = tokio::time::timeout(limit, request.send()).await;
    let response =
        sent.map_err(|_elapsed| failed(format!("the server did not answer within {limit:?}")))?;
    response.map_err(|err| broken(&err))
}

/// Reads a body of at most `bytes_max` bytes.
async fn read_body(response: reqwest::Response, bytes_max: usize) -> Result<Bytes, TransportError> {
    let mut all = BytesMut::new();
    let mut body = response.bytes_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|err| broken(&err))?;
        if bytes_max < all.len() + piece.len() {
            return Err(failed(format!(
                "the server sent a message of more than {bytes_max} bytes (`message_bytes_max`)"
            )));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}

/// Returns what a server says in the place of an answer.
async fn said(response: reqwest::Response) -> String {
    let mut body = response.bytes_stream();
    let mut start = Vec::new();
    let read = async {
        while start.len() < ERROR_BODY_BYTES_MAX
            && let Some(Ok(piece)) = body.next().await
        {
            let room = ERROR_BODY_BYTES_MAX - start.len();
            start.extend_from_slice(&piece[..piece.len().min(room)]);
        }
    };
    // What has come by then is told.
    let _read = tokio::time::timeout(FAREWELL_TIMEOUT, read).await;
    String::from_utf8_lossy(&start).trim().to_owned()
}

/// A message that failed alone: over HTTP each has a request of its own.
fn failed(reason: String) -> TransportError {
    TransportError {
        reason,
        is_over: false,
    }
}

/// Says what came in the place of an answer.
fn no_answer(status: StatusCode, body: &[u8]) -> String {
    if let Ok(crate::Message::Response {
        outcome: Err(error),
        ..
    }) = crate::Message::parse(body)
    {
        return format!("the server answered with status {status} and the error {error}");
    }
    format!("the server answered with status {status} and what is no answer to the request")
}

/// The address may hold what nobody should read in a log, and is known to whoever asks.
fn broken(err: &reqwest::Error) -> TransportError {
    let mut reason = if err.is_connect() {
        "the server cannot be reached".to_owned()
    } else {
        "the connection to the server broke".to_owned()
    };
    let mut source = std::error::Error::source(err);
    while let Some(err) = source {
        reason.push_str(": ");
        reason.push_str(&err.to_string());
        source = err.source();
    }
    failed(reason)
}

fn is_event_stream(response: &reqwest::Response) -> bool {
    content_type(response).starts_with("text/event-stream")
}

fn content_type(response: &reqwest::Response) -> &str {
    let value = response.headers().get(header::CONTENT_TYPE);
    value.and_then(|it| it.to_str().ok()).unwrap_or("")
}

/// Whether `message` is the answer to `request`.
fn answers(message: &[u8], request: u64) -> bool {
    match crate::Message::parse(message) {
        Ok(crate::Message::Response { id: Some(id), .. }) => id.get().parse() == Ok(request),
        _ => false,
    }
}

/// Whether `message` ends the hello, after which the server may be listened to.
fn is_initialized(message: &[u8]) -> bool {
    let message = crate::Message::parse(message);
    message.is_ok_and(|it| it.method() == Some("notifications/initialized"))
}

fn agreed_version(message: &[u8]) -> Option<&'static str> {
    let Ok(crate::Message::Response {
        outcome: Ok(result),
        ..
    }) = crate::Message::parse(message)
    else {
        return None;
    };
    let result = crate::Object::parse(result).ok()?;
    version::supported(&result.text("protocolVersion")?)
}

#[cfg(test)]
mod tests;
