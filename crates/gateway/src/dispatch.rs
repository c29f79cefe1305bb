//! What clients of the `initialize` era ask, and who answers.

use std::sync::Arc;

use bytes::Bytes;
use domain::{Caller, ServerSlug};
use mcp::{
    Message, Object, RpcError, code, message,
    object::{elements, raw},
    version,
};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    CallError, CallTarget, Gateway, ListKind, Shared,
    call::{Call, Forward, call_tool, request},
    policy, pool,
    session::{Out, Route, Session},
    table::{Entry, Table},
    upstream::{Request, Upstream},
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
        let body = post.body.clone();
        let message = match Message::parse(&body) {
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
        if is_there && policy::may_use(caller, slug) {
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
        let capabilities = object.get("capabilities").map(ToOwned::to_owned);
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
                let isolation = entry.isolation_key(&caller.principal);
                let upstream = pool::get(&self.shared, entry, &isolation).await?;
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
            Some(Out::Message(first)) => {
                PostReply::Stream(self.stream(Some(first), messages, 1, &session))
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
        let requests_max = self.shared.settings.session_requests_max;
        let cancel = session.begin_request(id, requests_max)?;
        let shared = self.shared.clone();
        let (caller, session) = (caller.clone(), session.clone());
        let (id, method) = (id.to_owned(), method.to_owned());
        let params = params.map(ToOwned::to_owned);
        self.shared.tasks.spawn(async move {
            let asked = Asked {
                shared: &shared,
                caller: &caller,
                session: &session,
                route: Route {
                    session: session.clone(),
                    out: out.clone(),
                },
                cancel: &cancel,
            };
            let outcome = asked.answer(&method, params.as_deref()).await;
            session.end_request(&id);
            let bytes = match &outcome {
                Err(CallError::Cancelled) => return,
                Ok(result) => message::response(&id, Ok(result)),
                Err(err) => message::response(&id, Err(&err.to_raw())),
            };
            // The client may have hung up.
            let _sent = out.send(Out::Answer(bytes.into())).await;
        });
        Ok(())
    }

    /// Passes messages on until `answers` answers were among them.
    fn stream(
        &self,
        first: Option<Bytes>,
        mut messages: mpsc::Receiver<Out>,
        mut answers: usize,
        session: &Arc<Session>,
    ) -> mpsc::Receiver<Bytes> {
        let (sender, receiver) = mpsc::channel(1);
        let over = session.over.clone();
        self.shared.tasks.spawn(async move {
            let pass = async {
                if let Some(first) = first {
                    sender.send(first).await.ok()?;
                }
                while 0 < answers {
                    let bytes = match messages.recv().await? {
                        Out::Message(bytes) => bytes,
                        Out::Answer(bytes) => {
                            answers -= 1;
                            bytes
                        }
                    };
                    sender.send(bytes).await.ok()?;
                }
                Some(())
            };
            // Ends with the last answer, when the client hangs up, or with the session.
            let _passed = over.run_until_cancelled(pass).await;
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
        let Ok(array) = serde_json::from_slice::<&RawValue>(&post.body) else {
            return malformed("the batch is not valid JSON".to_owned());
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
        let mut answers = 0;
        for message in parsed {
            match message {
                Message::Request { id, method, params } => {
                    answers += 1;
                    let (caller, out) = (&post.caller, out.clone());
                    let begun =
                        self.spawn_request(caller, &session, id, &method, params, out.clone());
                    if let Err(reason) = begun {
                        let error = RpcError::new(code::INVALID_REQUEST, reason);
                        let bytes = message::error_response(Some(id), &error);
                        // There is room for all answers of a batch.
                        let _sent = out.try_send(Out::Answer(bytes.into()));
                    }
                }
                other => self.take_silent(&session, &post.caller, &other),
            }
        }
        if answers == 0 {
            return PostReply::Accepted;
        }
        PostReply::Stream(self.stream(None, messages, answers, &session))
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
                "notifications/progress" => self.client_progress(session, caller, *params),
                "notifications/roots/list_changed" => {
                    self.each_upstream(&session.scope, caller, |it| it.notify(method, *params));
                }
                _ => {}
            },
            Message::Response { id: None, .. } | Message::Request { .. } => {}
        }
    }

    /// Passes on what a client says of its progress with a server's question.
    fn client_progress(&self, session: &Session, caller: &Caller, params: Option<&RawValue>) {
        let object = params.and_then(|it| Object::parse(it).ok());
        let token = object.as_ref().and_then(|it| it.get("progressToken"));
        let server = token.and_then(|it| session.question_of(it.get()));
        if let Some(server) = server {
            let scope = Scope::One(server);
            self.each_upstream(&scope, caller, |it| {
                it.notify("notifications/progress", params)
            });
        }
    }

    /// Does something with each open conversation that `caller` has a part in.
    fn each_upstream(&self, scope: &Scope, caller: &Caller, act: impl Fn(&Arc<Upstream>)) {
        for entry in self.shared.table.load().servers() {
            if !scope.includes(&entry.view.slug) || !policy::may_use(caller, &entry.view.slug) {
                continue;
            }
            let isolation = entry.isolation_key(&caller.principal);
            for upstream in self.shared.pool.open(entry.view.id) {
                if upstream.isolation == isolation {
                    act(&upstream);
                }
            }
        }
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
        Scope::One(slug) => table.server(slug)?.list(kind, caller),
    };
    let mut out = Vec::with_capacity(list.len() + id.get().len() + 32);
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id.get().as_bytes());
    out.extend_from_slice(br#","result":"#);
    out.extend_from_slice(&list);
    out.push(b'}');
    Some(out.into())
}

/// A request that a server has to answer.
struct Asked<'a> {
    shared: &'a Arc<Shared>,
    caller: &'a Caller,
    session: &'a Arc<Session>,
    route: Route,
    cancel: &'a CancellationToken,
}

impl Asked<'_> {
    async fn answer(
        &self,
        method: &str,
        params: Option<&RawValue>,
    ) -> Result<Box<RawValue>, CallError> {
        let object = Object::parse_or_empty(params).map_err(|err| CallError::params(&err))?;
        match method {
            "tools/call" => self.call(object).await,
            "prompts/get" => self.prompt(object).await,
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
                self.resource(method, &object, params).await
            }
            "completion/complete" => self.complete(object).await,
            "logging/setLevel" => self.set_level(&object, params),
            _ => match &self.session.scope {
                // One server alone may know more methods than we do.
                Scope::One(slug) => {
                    let table = self.shared.table.load_full();
                    let entry = table.server(slug);
                    let entry = entry.ok_or_else(|| CallError::unknown_server(slug))?;
                    self.forward(entry, method, params).await
                }
                Scope::All => Err(CallError::Server {
                    error: RpcError::new(
                        code::METHOD_NOT_FOUND,
                        format!("`{method}` is not known here; a server of its own has it at `/mcp/<server>`"),
                    )
                    .to_raw(),
                }),
            },
        }
    }

    async fn forward(
        &self,
        entry: &Arc<Entry>,
        method: &str,
        params: Option<&RawValue>,
    ) -> Result<Box<RawValue>, CallError> {
        let forward = Forward {
            method,
            params,
            route: Some(self.route.clone()),
            cancel: Some(self.cancel),
        };
        request(self.shared, entry, self.caller, &forward).await
    }

    async fn call(&self, params: Object<'_>) -> Result<Box<RawValue>, CallError> {
        let name = required(&params, "name")?;
        let target = match &self.session.scope {
            Scope::All => CallTarget::Advertised(&name),
            Scope::One(server) => CallTarget::Own {
                server,
                tool: &name,
            },
        };
        let call = Call {
            caller: self.caller,
            target,
            params,
            route: Some(self.route.clone()),
            cancel: Some(self.cancel),
        };
        call_tool(self.shared, call).await
    }

    async fn prompt(&self, mut params: Object<'_>) -> Result<Box<RawValue>, CallError> {
        let name = required(&params, "name")?;
        let table = self.shared.table.load_full();
        let (entry, own) = self.find_prompt(&table, &name)?;
        params.set_text("name", &own);
        self.forward(entry, "prompts/get", Some(&params.to_raw()))
            .await
    }

    fn find_prompt<'t>(
        &self,
        table: &'t Table,
        name: &str,
    ) -> Result<(&'t Arc<Entry>, String), CallError> {
        let found = match &self.session.scope {
            Scope::All => table
                .prompt(name)
                .map(|(entry, it)| (entry, it.name.clone())),
            // A server may have prompts that it does not list.
            Scope::One(slug) => table.server(slug).map(|entry| (entry, name.to_owned())),
        };
        let found = found.filter(|(entry, _)| policy::may_use(self.caller, &entry.view.slug));
        found.ok_or_else(|| CallError::Unknown {
            what: format!("there is no prompt `{name}`"),
        })
    }

    async fn resource(
        &self,
        method: &str,
        object: &Object<'_>,
        params: Option<&RawValue>,
    ) -> Result<Box<RawValue>, CallError> {
        let uri = required(object, "uri")?;
        let table = self.shared.table.load_full();
        let candidates = table.servers_of_resource(&uri, self.caller);
        let entry = self.only(&table, candidates, &format!("resource `{uri}`"))?;
        match method {
            "resources/subscribe" => self.session.subscribe(entry.view.id, &uri),
            "resources/unsubscribe" => self.session.unsubscribe(entry.view.id, &uri),
            _ => {}
        }
        let answer = self.forward(entry, method, params).await;
        if answer.is_err() && method == "resources/subscribe" {
            self.session.unsubscribe(entry.view.id, &uri);
        }
        answer
    }

    async fn complete(&self, mut params: Object<'_>) -> Result<Box<RawValue>, CallError> {
        let reference: Box<RawValue> = params.read("ref").ok_or_else(|| missing("ref"))?;
        let mut reference = Object::parse(&reference).map_err(|err| CallError::params(&err))?;
        let table = self.shared.table.load_full();
        let entry = match reference.text("type").as_deref() {
            Some("ref/prompt") => {
                let name = required(&reference, "name")?;
                let (entry, own) = self.find_prompt(&table, &name)?;
                reference.set_text("name", &own);
                params.set("ref", reference.to_raw());
                entry
            }
            _ => {
                let uri = required(&reference, "uri")?;
                let mut candidates = table.servers_of_template(&uri, self.caller);
                if candidates.is_empty() {
                    candidates = table.servers_of_resource(&uri, self.caller);
                }
                self.only(&table, candidates, &format!("resource template `{uri}`"))?
            }
        };
        let params = params.to_raw();
        self.forward(entry, "completion/complete", Some(&params))
            .await
    }

    /// Notes which log lines the client wants, and tells the servers that run.
    fn set_level(
        &self,
        object: &Object<'_>,
        params: Option<&RawValue>,
    ) -> Result<Box<RawValue>, CallError> {
        let level = required(object, "level")?;
        if !self.session.set_log_level(&level) {
            return Err(CallError::Params {
                reason: format!("`{level}` is no log level"),
            });
        }
        let gateway = Gateway {
            shared: self.shared.clone(),
        };
        let (scope, shared) = (&self.session.scope, self.shared);
        let params = params.map(ToOwned::to_owned);
        gateway.each_upstream(scope, self.caller, |upstream| {
            let upstream = upstream.clone();
            let (params, timeout) = (params.clone(), shared.settings.list_timeout);
            shared.tasks.spawn(async move {
                let request = Request {
                    method: "logging/setLevel",
                    params: params.as_deref(),
                    route: None,
                    timeout,
                    cancel: None,
                };
                // A server that has no levels says so, and the client's own filter holds.
                let _answer = upstream.request(request).await;
            });
        });
        Ok(crate::empty_object())
    }

    /// Returns the one server that is meant, or says which it could be.
    fn only<'t>(
        &self,
        table: &'t Table,
        candidates: Vec<&'t Arc<Entry>>,
        what: &str,
    ) -> Result<&'t Arc<Entry>, CallError> {
        if let Scope::One(slug) = &self.session.scope {
            return table
                .server(slug)
                .ok_or_else(|| CallError::unknown_server(slug));
        }
        match candidates.as_slice() {
            [entry] => Ok(entry),
            [] => Err(CallError::Unknown {
                what: format!("there is no {what}"),
            }),
            several => {
                let names: Vec<&str> = several.iter().map(|it| it.view.slug.as_str()).collect();
                Err(CallError::Unknown {
                    what: format!(
                        "{what} could be of the servers {}; use `/mcp/<server>` to say which",
                        names.join(", ")
                    ),
                })
            }
        }
    }
}

fn required(object: &Object<'_>, key: &str) -> Result<String, CallError> {
    object.text(key).ok_or_else(|| missing(key))
}

fn missing(key: &str) -> CallError {
    CallError::Params {
        reason: format!("`{key}` is missing"),
    }
}
