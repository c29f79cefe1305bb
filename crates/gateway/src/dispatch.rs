//! What clients of the `initialize` era ask, and who answers.

use std::sync::Arc;

use bytes::Bytes;
use domain::{Caller, IsolationKey, ServerSlug};
use mcp::{
    Message, Object, RpcError, code, message,
    object::{elements, raw},
    version,
};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    CallError, Gateway, ListKind, Shared, policy, pool,
    reply::{UnderWay, give_back, is_over, pass},
    requests::Asked,
    session::{Capabilities, Out, Route, Session},
    upstream::Upstream,
};

/// Messages in one batch (2025-03-26).
const BATCH_MAX: usize = 64;
/// What comes before one answer and was not read yet.
const OUT_MAX: usize = 256;

/// Which servers an address stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them, with prefixed names.
    All,
    /// One, with names as they are.
    One(ServerSlug),
}

/// The body of a POST, and who sent it.
#[derive(Debug)]
pub struct Post {
    pub scope: Scope,
    pub caller: Caller,
    /// The `Mcp-Session-Id` header.
    pub session: Option<String>,
    /// The `MCP-Protocol-Version` header.
    pub version: Option<String>,
    pub body: Bytes,
}

/// What a POST is answered with.
#[derive(Debug)]
pub enum PostReply {
    /// Nothing is answered to notifications and responses.
    Accepted,
    /// One message.
    Message {
        /// The session that has just begun.
        session: Option<String>,
        bytes: Bytes,
    },
    /// Messages, the last of which is the answer.
    Stream(mpsc::Receiver<Bytes>),
    Refused(Refusal, Bytes),
}

/// Why a POST is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The body is no message, or the headers do not fit.
    Malformed,
    /// There is no such session of this caller's; the client has to begin a new one.
    UnknownSession,
    /// There is no such server for this caller.
    UnknownServer,
    /// There are as many sessions as there may be.
    TooManySessions,
}

impl Scope {
    pub(crate) fn includes(&self, server: &ServerSlug) -> bool {
        match self {
            Self::All => true,
            Self::One(slug) => slug == server,
        }
    }
}

impl Gateway {
    /// Takes what a client has sent.
    ///
    /// A request goes on when the future is dropped: a client that has hung up has not cancelled
    /// (2025-11-25, Transports, "Sending Messages to the Server").
    pub async fn post(&self, post: Post) -> PostReply {
        if let Err(reason) = self.check_scope(&post.scope, &post.caller) {
            return refused(Refusal::UnknownServer, None, code::INVALID_REQUEST, reason);
        }
        let is_batch = post.body.trim_ascii_start().starts_with(b"[");
        if is_batch {
            return self.batch(&post).await;
        }
        let message = match Message::parse(&post.body) {
            Ok(message) => message,
            Err(err) => return refused(Refusal::Malformed, None, err.code(), err.to_string()),
        };
        if let Message::Request { id, method, params } = &message
            && method == "initialize"
        {
            return self.initialize(&post, id, *params).await;
        }
        let session = match self.session(&post) {
            Ok(session) => session,
            Err(reply) => return reply,
        };
        match message {
            Message::Request { id, method, params } => {
                self.request(&post.caller, session, id, &method, params)
                    .await
            }
            other => {
                self.take_silent(&session, &post.caller, &other);
                PostReply::Accepted
            }
        }
    }

    /// Opens the stream for what belongs to no request of a session.
    pub fn listen(
        &self,
        scope: &Scope,
        caller: &Caller,
        session: Option<&str>,
    ) -> Result<(mpsc::Receiver<Bytes>, CancellationToken), Refusal> {
        let id = session.ok_or(Refusal::Malformed)?;
        let session = self.shared.sessions.find(id, caller, scope);
        let session = session.ok_or(Refusal::UnknownSession)?;
        Ok((session.listen(), session.over.clone()))
    }

    /// Ends a session and what is under way in it.
    pub fn end_session(
        &self,
        scope: &Scope,
        caller: &Caller,
        session: Option<&str>,
    ) -> Result<(), Refusal> {
        let id = session.ok_or(Refusal::Malformed)?;
        let session = self.shared.sessions.find(id, caller, scope);
        let session = session.ok_or(Refusal::UnknownSession)?;
        self.shared.sessions.end(&session);
        Ok(())
    }

    /// Ends the sessions that came in with a token, which was revoked.
    pub fn end_sessions_of(&self, token: domain::TokenId) {
        self.shared.sessions.end_token(token);
    }

    fn check_scope(&self, scope: &Scope, caller: &Caller) -> Result<(), String> {
        let Scope::One(slug) = scope else {
            return Ok(());
        };
        let is_there = self.shared.table.load().server(slug).is_some();
        if is_there && policy::may_use(&caller.access, slug) {
            return Ok(());
        }
        Err(format!("there is no server `{slug}`"))
    }

    fn session(&self, post: &Post) -> Result<Arc<Session>, PostReply> {
        let malformed =
            |reason: String| refused(Refusal::Malformed, None, code::INVALID_REQUEST, reason);
        if let Some(version) = &post.version
            && version::supported(version).is_none()
        {
            return Err(malformed(format!(
                "protocol version `{version}` is not spoken here; the versions are {}",
                version::INITIALIZE_ERA.join(", ")
            )));
        }
        let Some(id) = &post.session else {
            return Err(malformed(
                "the `Mcp-Session-Id` header is missing; begin with `initialize`".to_owned(),
            ));
        };
        let session = self.shared.sessions.find(id, &post.caller, &post.scope);
        session.ok_or_else(|| {
            refused(
                Refusal::UnknownSession,
                None,
                code::INVALID_REQUEST,
                "there is no such session; begin a new one with `initialize`".to_owned(),
            )
        })
    }

    /// Answers `initialize`, which begins a session.
    async fn initialize(&self, post: &Post, id: &RawValue, params: Option<&RawValue>) -> PostReply {
        let Ok(object) = Object::parse_or_empty(params) else {
            let reason = "the parameters of `initialize` are not understood".to_owned();
            return refused(Refusal::Malformed, Some(id), code::INVALID_PARAMS, reason);
        };
        let Some(requested) = object.text("protocolVersion") else {
            let reason = "`initialize` names no `protocolVersion`".to_owned();
            return refused(Refusal::Malformed, Some(id), code::INVALID_PARAMS, reason);
        };
        let version = version::negotiate(&requested);
        let result = match &post.scope {
            Scope::All => self.own_hello(version),
            Scope::One(slug) => match self.hello_of(slug, &post.caller, version).await {
                Ok(result) => result,
                Err(err) => {
                    return PostReply::Message {
                        session: None,
                        bytes: message::response(id, Err(&err.to_raw())).into(),
                    };
                }
            },
        };
        let capabilities = Capabilities::read(object.get("capabilities"));
        let sessions = &self.shared.sessions;
        let scope = post.scope.clone();
        let Some(session) = sessions.begin(&post.caller, scope, version, capabilities) else {
            let reason = format!(
                "there are {} sessions, the most there may be (`sessions_max`)",
                self.shared.settings.sessions_max
            );
            return refused(Refusal::TooManySessions, Some(id), code::SERVER, reason);
        };
        PostReply::Message {
            session: Some(session.id.clone()),
            bytes: message::response(id, Ok(&result)).into(),
        }
    }

    fn own_hello(&self, version: &str) -> Box<RawValue> {
        raw(&serde_json::json!({
            "protocolVersion": version,
            "capabilities": {
                "tools": { "listChanged": true },
                "resources": { "listChanged": true, "subscribe": true },
                "prompts": { "listChanged": true },
                "completions": {},
                "logging": {},
            },
            "serverInfo": {
                "name": "archestra",
                "title": "Archestra",
                "version": env!("CARGO_PKG_VERSION"),
            },
            "instructions": "The tools of several MCP servers. A tool's name begins with the name of its server and two underscores.",
        }))
    }

    /// Returns what the server itself says, from the store where it was ever asked.
    async fn hello_of(
        &self,
        slug: &ServerSlug,
        caller: &Caller,
        version: &str,
    ) -> Result<Box<RawValue>, CallError> {
        let table = self.shared.table.load_full();
        let entry = table
            .server(slug)
            .ok_or_else(|| CallError::unknown_server(slug))?;
        let stored = entry.initialize().map(ToOwned::to_owned);
        let hello = match stored {
            Some(hello) => hello,
            None => {
                let (_, upstream) = pool::get(&self.shared, entry, &caller.principal).await?;
                upstream.initialize.clone()
            }
        };
        let mut object = Object::parse(&hello).map_err(|err| CallError::params(&err))?;
        object.set_text("protocolVersion", version);
        Ok(object.to_raw())
    }

    /// Begins a request and returns as soon as there is something to send.
    async fn request(
        &self,
        caller: &Caller,
        session: Arc<Session>,
        id: &RawValue,
        method: &str,
        params: Option<&RawValue>,
    ) -> PostReply {
        // What is answered from the table needs no task.
        if let Some(bytes) = answer_at_once(&self.shared, caller, &session, id, method, params) {
            return PostReply::Message {
                session: None,
                bytes,
            };
        }
        let (out, mut messages) = mpsc::channel(OUT_MAX);
        let begun = self.spawn_request(caller, &session, id, method, params, out);
        if let Err(reason) = begun {
            let error = RpcError::new(code::INVALID_REQUEST, reason);
            return PostReply::Message {
                session: None,
                bytes: message::error_response(Some(id), &error).into(),
            };
        }
        match messages.recv().await {
            Some(Out::Answer(bytes)) => PostReply::Message {
                session: None,
                bytes,
            },
            Some(Out::Message(first, _)) => {
                PostReply::Stream(self.stream(vec![first], messages, 1, &session))
            }
            // It was cancelled: nothing is answered (2025-11-25, Cancellation).
            None => PostReply::Accepted,
        }
    }

    /// Runs a request on a task of its own, so that it goes on when the client hangs up.
    fn spawn_request(
        &self,
        caller: &Caller,
        session: &Arc<Session>,
        id: &RawValue,
        method: &str,
        params: Option<&RawValue>,
        out: mpsc::Sender<Out>,
    ) -> Result<(), String> {
        let cancel = session.begin_request(id)?;
        let under_way = UnderWay {
            session: session.clone(),
            id: id.to_owned(),
            over: CancellationToken::new(),
        };
        let (shared, caller, method) = (self.shared.clone(), caller.clone(), method.to_owned());
        let params = params.map(ToOwned::to_owned);
        self.shared.tasks.spawn(async move {
            let session = &under_way.session;
            let asked = Asked {
                shared: &shared,
                caller: &caller,
                session,
                route: Route {
                    session: session.clone(),
                    out: out.clone(),
                    over: under_way.over.clone(),
                },
                cancel: &cancel,
            };
            let outcome = asked.answer(&method, params.as_deref()).await;
            let is_cancelled = cancel.is_cancelled();
            drop(asked);
            let bytes = match &outcome {
                Err(CallError::Cancelled) => return,
                // It came too late, and the client expects none.
                _ if is_cancelled => return,
                Ok(result) => message::response(&under_way.id, Ok(result)),
                Err(err) => message::response(&under_way.id, Err(&err.to_raw())),
            };
            let session = session.clone();
            drop((outcome, under_way));
            let over = is_over(&shared, &session);
            // The client may have hung up, or read nothing until the end.
            tokio::select! {
                _sent = out.send(Out::Answer(bytes.into())) => {}
                () = over => {}
            }
        });
        Ok(())
    }

    /// Passes messages on until `answers` answers were among them, the client hangs up, or its
    /// session is over.
    fn stream(
        &self,
        first: Vec<Bytes>,
        mut messages: mpsc::Receiver<Out>,
        answers: usize,
        session: &Arc<Session>,
    ) -> mpsc::Receiver<Bytes> {
        let (sender, receiver) = mpsc::channel(1);
        let (shared, session) = (self.shared.clone(), session.clone());
        self.shared.tasks.spawn(async move {
            tokio::select! {
                () = pass(first, &mut messages, answers, &sender, &session) => {}
                () = is_over(&shared, &session) => return,
            }
            // What belongs to the client and not to its request may reach it elsewhere.
            messages.close();
            while let Ok(out) = messages.try_recv() {
                give_back(&session, out);
            }
        });
        receiver
    }

    /// Takes a batch, which only one version of the protocol has.
    async fn batch(&self, post: &Post) -> PostReply {
        let malformed =
            |reason: String| refused(Refusal::Malformed, None, code::INVALID_REQUEST, reason);
        let session = match self.session(post) {
            Ok(session) => session,
            Err(reply) => return reply,
        };
        if session.version != version::WITH_BATCHES {
            return malformed(format!(
                "protocol version {} has no batches; send one message at a time",
                session.version
            ));
        }
        let array = match serde_json::from_slice::<&RawValue>(&post.body) {
            Ok(array) => array,
            Err(err) => {
                let reason = format!("the batch is not valid JSON: {err}");
                return refused(Refusal::Malformed, None, code::PARSE, reason);
            }
        };
        let bodies = elements(array).unwrap_or_default();
        if bodies.is_empty() || BATCH_MAX < bodies.len() {
            return malformed(format!("a batch has 1 to {BATCH_MAX} messages"));
        }
        let mut parsed = Vec::new();
        for body in &bodies {
            match Message::parse(body.get().as_bytes()) {
                Ok(message) => parsed.push(message),
                Err(err) => return refused(Refusal::Malformed, None, err.code(), err.to_string()),
            }
        }
        let (out, messages) = mpsc::channel(OUT_MAX);
        let (mut at_once, mut answers) = (Vec::new(), 0);
        for message in parsed {
            let Message::Request { id, method, params } = message else {
                self.take_silent(&session, &post.caller, &message);
                continue;
            };
            let caller = &post.caller;
            let answer = answer_at_once(&self.shared, caller, &session, id, &method, params);
            if let Some(bytes) = answer {
                at_once.push(bytes);
                continue;
            }
            match self.spawn_request(caller, &session, id, &method, params, out.clone()) {
                Ok(()) => answers += 1,
                Err(reason) => {
                    let error = RpcError::new(code::INVALID_REQUEST, reason);
                    at_once.push(message::error_response(Some(id), &error).into());
                }
            }
        }
        if at_once.is_empty() && answers == 0 {
            return PostReply::Accepted;
        }
        PostReply::Stream(self.stream(at_once, messages, answers, &session))
    }

    /// Takes a notification or an answer of a client.
    fn take_silent(&self, session: &Arc<Session>, caller: &Caller, message: &Message<'_>) {
        match message {
            Message::Response {
                id: Some(id),
                outcome,
            } => session.answer(id, *outcome),
            Message::Notification { method, params } => match method.as_ref() {
                "notifications/cancelled" => {
                    let object = params.and_then(|it| Object::parse(it).ok());
                    if let Some(id) = object.as_ref().and_then(|it| it.get("requestId")) {
                        session.cancel_request(id);
                    }
                }
                "notifications/progress" => client_progress(session, *params),
                "notifications/roots/list_changed" => {
                    self.each_upstream(&session.scope, caller, |it| it.notify(method, *params));
                }
                _ => {}
            },
            Message::Response { id: None, .. } | Message::Request { .. } => {}
        }
    }

    /// Does something with each open conversation that `caller` has a part in.
    fn each_upstream(&self, scope: &Scope, caller: &Caller, act: impl FnMut(&Arc<Upstream>)) {
        self.shared.each_upstream(scope, caller, act);
    }
}

impl Shared {
    /// Does something with each open conversation that `caller` has a part in.
    pub(crate) fn each_upstream(
        &self,
        scope: &Scope,
        caller: &Caller,
        mut act: impl FnMut(&Arc<Upstream>),
    ) {
        for upstream in self.pool.all_open() {
            let slug = &upstream.slug;
            let is_theirs = match &upstream.isolation {
                IsolationKey::Shared => true,
                IsolationKey::Principal(name) => *name == caller.principal,
            };
            if is_theirs && scope.includes(slug) && policy::may_use(&caller.access, slug) {
                act(&upstream);
            }
        }
    }
}

/// Passes on what a client says of its progress with a server's question.
fn client_progress(session: &Session, params: Option<&RawValue>) {
    let Some(mut object) = params.and_then(|it| Object::parse(it).ok()) else {
        return;
    };
    let question = object.get("progressToken");
    if let Some((upstream, token)) = question.and_then(|it| session.question(it)) {
        object.set("progressToken", token);
        upstream.notify("notifications/progress", Some(&object.to_raw()));
    }
}

fn refused(refusal: Refusal, id: Option<&RawValue>, code: i64, reason: String) -> PostReply {
    let error = RpcError::new(code, reason);
    PostReply::Refused(refusal, message::error_response(id, &error).into())
}

/// Answers what needs no server.
fn answer_at_once(
    shared: &Shared,
    caller: &Caller,
    session: &Session,
    id: &RawValue,
    method: &str,
    params: Option<&RawValue>,
) -> Option<Bytes> {
    let kind = match method {
        "ping" => return Some(message::response(id, Ok(&crate::empty_object())).into()),
        "tools/list" => ListKind::Tools,
        "prompts/list" => ListKind::Prompts,
        "resources/list" => ListKind::Resources,
        "resources/templates/list" => ListKind::ResourceTemplates,
        _ => return None,
    };
    let has_cursor = params.is_some_and(|it| {
        Object::parse(it).is_ok_and(|it| it.get("cursor").is_some_and(|it| it.get() != "null"))
    });
    if has_cursor {
        let error = RpcError::new(
            code::INVALID_PARAMS,
            "lists have one page: there is no cursor",
        );
        return Some(message::error_response(Some(id), &error).into());
    }
    let table = shared.table.load();
    let list = match &session.scope {
        Scope::All => table.list(kind, caller),
        Scope::One(slug) => table.list_of(table.server(slug)?, kind, caller),
    };
    let mut out = Vec::with_capacity(list.len() + id.get().len() + 32);
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id.get().as_bytes());
    out.extend_from_slice(br#","result":"#);
    out.extend_from_slice(&list);
    out.push(b'}');
    Some(out.into())
}
