//! The gateway's end of `connect`: one session there, over kept connections.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use mcp::{Message, Object, RpcError, code, message, sse};
use serde_json::value::RawValue;
use tokio::{
    task::AbortHandle,
    time::{sleep, timeout},
};

use crate::{
    api::said,
    connect::stdio::Output,
    http1::{Body, Connection, Head},
    target::{Finder, Target, unreachable},
};

/// Connections that are kept while nobody uses them.
const KEPT_MAX: usize = 16;
/// The longest message of the gateway, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// What is read of an answer that reports an error.
const ERROR_BYTES_MAX: usize = 64 << 10;
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
const INITIALIZE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a message is sent: anew after the session is made again, or the token has changed.
const ATTEMPTS_MAX: usize = 3;
const LISTEN_AGAIN_MIN: Duration = Duration::from_millis(500);
const LISTEN_AGAIN_MAX: Duration = Duration::from_secs(30);

pub(super) struct Upstream {
    finder: Finder,
    path: String,
    output: Arc<Output>,
    state: Mutex<State>,
    /// Held by the one who makes the session again.
    renewing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    target: Option<Target>,
    // Invariant: at most KEPT_MAX, none with an answer under way.
    kept: Vec<Connection>,
    session: Session,
    listener: Option<AbortHandle>,
}

/// What the client and the gateway have agreed on.
#[derive(Default)]
struct Session {
    id: Option<String>,
    version: Option<String>,
    /// Grows with each one.
    number: u64,
    /// The client's own message, for making the session again.
    initialize: Option<Vec<u8>>,
    /// The lines of a POST that are always the same; `None` when they have to be made.
    post_head: Option<Arc<str>>,
}

/// Why a message has no answer.
enum Failure {
    /// The gateway does not know the session with this number any more.
    SessionGone(u64),
    /// The token is not good, or nobody answers.
    Refused(String),
    Answer(Box<RawValue>),
    Other(String),
}

impl Upstream {
    pub(super) fn new(finder: Finder, path: String, output: Arc<Output>) -> Self {
        Self {
            finder,
            path,
            output,
            state: Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
        }
    }

    /// Sends a request, or a batch, and writes what comes back.
    pub(super) async fn request(self: &Arc<Self>, line: &[u8], id: Option<&RawValue>) {
        if let Err(failure) = self.send_again(line, id).await {
            self.fail(id, failure).await;
        }
    }

    /// Sends what has no answer.
    pub(super) async fn tell(self: &Arc<Self>, line: &[u8]) {
        // Whoever sends a notification is told of nothing.
        let _lost = self.send_again(line, None).await;
    }

    /// Begins a session with the client's own message, in the place of any former one.
    pub(super) async fn initialize(self: &Arc<Self>, line: &[u8], id: &RawValue) {
        {
            let mut state = self.state();
            if let Some(former) = state.listener.take() {
                former.abort();
            }
            state.session = Session {
                number: state.session.number + 1,
                initialize: Some(line.to_vec()),
                ..Session::default()
            };
        }
        let began = timeout(INITIALIZE_TIMEOUT, self.begin_session(line)).await;
        match began {
            Ok(Ok(answer)) => self.output.write(&answer).await,
            Ok(Err(failure)) => self.fail(Some(id), failure).await,
            Err(_elapsed) => {
                let failure = Failure::Other(format!(
                    "no answer within {} s",
                    INITIALIZE_TIMEOUT.as_secs()
                ));
                self.fail(Some(id), failure).await;
            }
        }
    }

    /// Opens the stream for what the gateway says by itself.
    pub(super) fn listen(self: &Arc<Self>) {
        let this = self.clone();
        let mut state = self.state();
        let number = state.session.number;
        #[expect(
            clippy::disallowed_methods,
            reason = "its handle is kept, and it is aborted with the session and the runtime"
        )]
        let listener = tokio::spawn(async move { this.listen_to(number).await });
        if let Some(former) = state.listener.replace(listener.abort_handle()) {
            former.abort();
        }
    }

    /// Ends the session.
    pub(super) async fn close(&self) {
        let head = {
            let mut state = self.state();
            if let Some(listener) = state.listener.take() {
                listener.abort();
            }
            let Some(target) = state.target.clone().filter(|_| state.session.id.is_some()) else {
                return;
            };
            self.head("DELETE", &target, &state.session)
        };
        if let Ok(mut connection) = self.connection().await
            && connection.send(&head, b"").await.is_ok()
        {
            // It is gone or it is not; nobody is left to be told.
            let _answer = connection.read_head().await;
        }
    }

    /// Sends a message, with a new session or a new token where the gateway asks for one.
    async fn send_again(
        self: &Arc<Self>,
        line: &[u8],
        id: Option<&RawValue>,
    ) -> Result<(), Failure> {
        let mut attempt = 1;
        loop {
            let failure = match self.post(line, id).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            let may_help = match &failure {
                Failure::SessionGone(number) => self.renew(*number).await?,
                Failure::Refused(_) => self.look_for_target(),
                Failure::Answer(_) | Failure::Other(_) => false,
            };
            if !may_help || attempt == ATTEMPTS_MAX {
                return Err(failure);
            }
            attempt += 1;
        }
    }

    /// Sends a message once and writes what comes back.
    async fn post(&self, line: &[u8], id: Option<&RawValue>) -> Result<(), Failure> {
        let (mut connection, mut head, number) = self.exchange(line).await?;
        match (head.status, head.content_type.as_str()) {
            (200, "application/json") => {
                let read = connection.read_all(&mut head.body, MESSAGE_BYTES_MAX).await;
                let body = read.map_err(|err| Failure::Other(err.to_string()))?;
                self.keep(connection, &head);
                self.output.write(&body).await;
                Ok(())
            }
            (200, "text/event-stream") => {
                let is_answered = self
                    .carry_events(&mut connection, &mut head.body, id)
                    .await?;
                self.keep(connection, &head);
                match id {
                    Some(_) if !is_answered => Err(Failure::Other(
                        "the stream of the answer ended before the answer".to_owned(),
                    )),
                    _ => Ok(()),
                }
            }
            (200..300, _) if id.is_none() => {
                if connection
                    .read_all(&mut head.body, ERROR_BYTES_MAX)
                    .await
                    .is_ok()
                {
                    self.keep(connection, &head);
                }
                Ok(())
            }
            _ => Err(self.refusal(connection, head, number).await),
        }
    }

    /// Sends a message once and returns the answer's head, and the session's number it was sent in.
    async fn exchange(&self, line: &[u8]) -> Result<(Connection, Head, u64), Failure> {
        let mut connection = self.connection().await?;
        let (head, number) = {
            let mut state = self.state();
            let number = state.session.number;
            let head = match &state.session.post_head {
                Some(head) => head.clone(),
                None => {
                    let target = state.target.as_ref().ok_or_else(no_target)?;
                    let mut head = self.head("POST", target, &state.session);
                    head.push_str("Content-Type: application/json\r\n");
                    let head: Arc<str> = head.into();
                    state.session.post_head = Some(head.clone());
                    head
                }
            };
            (head, number)
        };
        let broken = |err: io::Error| {
            Failure::Other(format!(
                "the connection to the program broke, and what became of the request is not known: {err}"
            ))
        };
        connection.send(&head, line).await.map_err(broken)?;
        let head = connection.read_head().await.map_err(broken)?;
        Ok((connection, head, number))
    }

    /// Makes an error of an answer that is none.
    async fn refusal(&self, mut connection: Connection, mut head: Head, number: u64) -> Failure {
        let body = connection.read_all(&mut head.body, ERROR_BYTES_MAX).await;
        let body = body.unwrap_or_default();
        self.keep(connection, &head);
        let has_session = self.state().session.id.is_some();
        let error = match Message::parse(&body) {
            Ok(Message::Response {
                outcome: Err(error),
                ..
            }) => Some(error),
            _ => None,
        };
        match (head.status, error) {
            (404, _) if has_session => Failure::SessionGone(number),
            (401, _) => Failure::Refused(
                "the program does not take this token; make one with `archestra token create`"
                    .to_owned(),
            ),
            (_, Some(error)) => Failure::Answer(error.to_owned()),
            (status, None) => Failure::Other(
                said(&body).unwrap_or_else(|| format!("the program answered with status {status}")),
            ),
        }
    }

    /// Writes the messages of a stream. Returns whether the answer to `id` was among them.
    async fn carry_events(
        &self,
        connection: &mut Connection,
        body: &mut Body,
        id: Option<&RawValue>,
    ) -> Result<bool, Failure> {
        let mut reader = sse::Reader::new(MESSAGE_BYTES_MAX);
        let mut is_answered = false;
        loop {
            let piece = match connection.read_piece(body).await {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok(is_answered),
                // The answer is there; how its stream ends does not matter.
                Err(_) if is_answered => return Ok(true),
                Err(err) => return Err(Failure::Other(err.to_string())),
            };
            let events = reader
                .push(piece)
                .map_err(|err| Failure::Other(err.to_string()))?;
            for event in events {
                if let Some(id) = id
                    && let Ok(Message::Response {
                        id: Some(answered), ..
                    }) = Message::parse(&event)
                {
                    is_answered |= answered.get() == id.get();
                }
                self.output.write(&event).await;
            }
        }
    }

    /// Sends `initialize` and takes on what comes back. Returns the answer.
    async fn begin_session(&self, line: &[u8]) -> Result<Vec<u8>, Failure> {
        let exchanged = match self.exchange(line).await {
            Err(Failure::Refused(reason)) => match self.look_for_target() {
                true => self.exchange(line).await?,
                false => return Err(Failure::Refused(reason)),
            },
            other => other?,
        };
        let (mut connection, mut head, number) = match exchanged {
            (connection, head, number) if head.status == 401 => {
                match self.refusal(connection, head, number).await {
                    Failure::Refused(_) if self.look_for_target() => self.exchange(line).await?,
                    failure => return Err(failure),
                }
            }
            other => other,
        };
        if head.status != 200 {
            return Err(self.refusal(connection, head, number).await);
        }
        let is_stream = head.content_type == "text/event-stream";
        let broken = |err: io::Error| Failure::Other(err.to_string());
        let answer = if is_stream {
            first_response(&mut connection, &mut head.body).await?
        } else {
            let read = connection.read_all(&mut head.body, MESSAGE_BYTES_MAX).await;
            let body = read.map_err(broken)?;
            self.keep(connection, &head);
            body
        };
        let mut state = self.state();
        state.session.id = head.session;
        state.session.version = agreed_version(&answer);
        state.session.post_head = None;
        Ok(answer)
    }

    /// Makes a session again that the gateway has forgotten. Returns whether there is another one.
    async fn renew(self: &Arc<Self>, gone: u64) -> Result<bool, Failure> {
        let _one_at_a_time = self.renewing.lock().await;
        let initialize = {
            let mut state = self.state();
            if state.session.number != gone {
                return Ok(true);
            }
            let Some(initialize) = state.session.initialize.clone() else {
                return Ok(false);
            };
            state.session = Session {
                number: gone + 1,
                initialize: Some(initialize.clone()),
                ..Session::default()
            };
            initialize
        };
        let began = timeout(INITIALIZE_TIMEOUT, self.begin_session(&initialize)).await;
        began.map_err(|_| Failure::Other("no new session in time".to_owned()))??;
        let initialized = message::notification("notifications/initialized", None);
        self.post(&initialized, None).await?;
        self.listen();
        Ok(true)
    }

    /// Holds the stream open for as long as the session is this one.
    async fn listen_to(self: Arc<Self>, number: u64) {
        let mut again = LISTEN_AGAIN_MIN;
        loop {
            let head = {
                let state = self.state();
                let is_current = state.session.number == number && state.session.id.is_some();
                let Some(target) = state.target.as_ref().filter(|_| is_current) else {
                    return;
                };
                self.head("GET", target, &state.session)
            };
            match self.listen_once(&head).await {
                Ok(true) => again = LISTEN_AGAIN_MIN,
                Ok(false) => return,
                Err(_) => again = (again * 2).min(LISTEN_AGAIN_MAX),
            }
            sleep(again).await;
        }
    }

    /// Returns whether the gateway has such a stream.
    async fn listen_once(&self, head: &str) -> Result<bool, Failure> {
        let broken = |err: io::Error| Failure::Other(err.to_string());
        let mut connection = self.connection().await?;
        connection.send(head, b"").await.map_err(broken)?;
        let mut answer = connection.read_head().await.map_err(broken)?;
        if answer.status != 200 {
            return Ok(false);
        }
        self.carry_events(&mut connection, &mut answer.body, None)
            .await?;
        Ok(true)
    }

    fn head(&self, method: &str, target: &Target, session: &Session) -> String {
        let mut head = target.head(method, &self.path);
        head.push_str(match method {
            "POST" => "Accept: application/json, text/event-stream\r\n",
            _ => "Accept: text/event-stream\r\n",
        });
        if let Some(id) = &session.id {
            head.push_str(&format!("Mcp-Session-Id: {id}\r\n"));
        }
        if let Some(version) = &session.version {
            head.push_str(&format!("MCP-Protocol-Version: {version}\r\n"));
        }
        head
    }

    /// Returns a kept connection, or a new one.
    async fn connection(&self) -> Result<Connection, Failure> {
        loop {
            let kept = self.state().kept.pop();
            match kept {
                Some(kept) if kept.is_open() => return Ok(kept),
                Some(_closed) => {}
                None => break,
            }
        }
        if self.state().target.is_none() {
            let found = self.finder.find();
            let found = found.map_err(|err| Failure::Other(format!("{err:#}")))?;
            self.state().target = Some(found);
        }
        let target = self.state().target.clone().ok_or_else(no_target)?;
        let dialled = timeout(DIAL_TIMEOUT, Connection::dial(&target.address)).await;
        let dialled = dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        dialled.map_err(|err| Failure::Refused(unreachable(&target, &err)))
    }

    fn keep(&self, connection: Connection, head: &Head) {
        let mut state = self.state();
        if head.is_kept && head.body == Body::Done && state.kept.len() < KEPT_MAX {
            state.kept.push(connection);
        }
    }

    /// Looks whether the program is somewhere else now, or has another token.
    fn look_for_target(&self) -> bool {
        let Ok(found) = self.finder.find() else {
            return false;
        };
        let mut state = self.state();
        let is_another = state.target.as_ref() != Some(&found);
        if is_another {
            state.target = Some(found);
            state.kept.clear();
            state.session.post_head = None;
        }
        is_another
    }

    async fn fail(&self, id: Option<&RawValue>, failure: Failure) {
        let answer = match failure {
            Failure::Answer(error) => match id {
                Some(id) => message::response(id, Err(&error)),
                None => return,
            },
            Failure::Refused(reason) | Failure::Other(reason) => {
                message::error_response(id, &RpcError::new(code::SERVER, reason))
            }
            Failure::SessionGone(_) => {
                let reason = "the program does not know this session any more";
                message::error_response(id, &RpcError::new(code::SERVER, reason))
            }
        };
        self.output.write(&answer).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no code panics while it holds the lock")
    }
}

fn no_target() -> Failure {
    Failure::Other("no program was found".to_owned())
}

/// Reads a stream up to the first answer in it.
async fn first_response(connection: &mut Connection, body: &mut Body) -> Result<Vec<u8>, Failure> {
    let mut reader = sse::Reader::new(MESSAGE_BYTES_MAX);
    loop {
        let piece = connection.read_piece(body).await;
        let piece = piece.map_err(|err| Failure::Other(err.to_string()))?;
        let piece = piece.ok_or_else(|| Failure::Other("no answer in the stream".to_owned()))?;
        let events = reader
            .push(piece)
            .map_err(|err| Failure::Other(err.to_string()))?;
        for event in events {
            if let Ok(Message::Response { .. }) = Message::parse(&event) {
                return Ok(event.to_vec());
            }
        }
    }
}

fn agreed_version(answer: &[u8]) -> Option<String> {
    let Ok(Message::Response {
        outcome: Ok(result),
        ..
    }) = Message::parse(answer)
    else {
        return None;
    };
    let version = Object::parse(result).ok()?.text("protocolVersion")?;
    version
        .bytes()
        .all(|it| it.is_ascii_graphic())
        .then_some(version)
}
