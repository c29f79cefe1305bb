//! One conversation with one server.
//!
//! ```text
//! request() ──> pending ──> queue ──> writer ──> Outbox ──> server
//!     ^            ^                                           │
//!     └── answer ──┴──────────── reader <── Inbox <────────────┘
//! ```
//!
//! The reader never waits for anybody: an answer goes to the one who waits for it, a notification
//! into a bounded queue, a question to a task of its own.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use domain::{IsolationKey, ServerId, ServerSlug};
use mcp::{
    Message, Object, RpcError, code, message,
    object::raw,
    transport::{Inbox, Incoming, Outbox, Outgoing},
    version,
};
use serde_json::value::RawValue;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    CallError, Connection, Shared, lists, questions,
    session::{Route, Session},
    table::Entry,
};

/// Questions of one server that wait for a client's answer.
const QUESTIONS_MAX: usize = 64;

/// An open conversation.
pub(crate) struct Upstream {
    pub(crate) server: ServerId,
    pub(crate) slug: ServerSlug,
    pub(crate) isolation: IsolationKey,
    /// What the server answered to `initialize`.
    pub(crate) initialize: Box<RawValue>,
    pub(crate) began: Instant,
    calls_max: usize,
    keep_warm: bool,
    outgoing: mpsc::Sender<Outgoing>,
    pub(crate) over: CancellationToken,
    next_id: AtomicU64,
    state: Mutex<State>,
}

struct State {
    /// Questions of the server that a client is being asked, by the server's identifier.
    questions: HashMap<String, CancellationToken>,
    // Invariant: at most calls_max.
    pending: HashMap<u64, Pending>,
    last_used: Instant,
    /// Why the conversation is over, once it is.
    ended: Option<String>,
    /// Set by whoever ends it on purpose, before it ends.
    reason: Option<String>,
}

/// A request that waits for its answer.
struct Pending {
    answer: oneshot::Sender<Answer>,
    route: Option<Route>,
    progress_token: Option<Box<RawValue>>,
    activity: Arc<Activity>,
}

type Answer = Result<Result<Box<RawValue>, Box<RawValue>>, CallError>;

/// What keeps a request's deadline away.
struct Activity {
    began: Instant,
    last_ms: AtomicU64,
    questions: AtomicU32,
}

/// A request to a server.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) params: Option<&'a RawValue>,
    /// The client that it belongs to.
    pub(crate) route: Option<Route>,
    pub(crate) timeout: Duration,
    pub(crate) cancel: Option<&'a CancellationToken>,
}

/// Opens a conversation over `connection` and keeps it until it ends.
pub(crate) async fn begin(
    shared: &Arc<Shared>,
    entry: &Entry,
    isolation: IsolationKey,
    connection: Connection,
) -> Result<Arc<Upstream>, String> {
    let Connection {
        mut outbox,
        mut inbox,
        lease,
    } = connection;
    let limit = shared.settings.handshake_timeout;
    let shaken = timeout(limit, shake_hands(outbox.as_mut(), inbox.as_mut())).await;
    let initialize = match shaken {
        Ok(Ok(initialize)) => initialize,
        Ok(Err(reason)) => {
            outbox.close().await;
            return Err(reason);
        }
        Err(_elapsed) => {
            outbox.close().await;
            return Err(format!(
                "it did not answer `initialize` within {limit:?} (`handshake_timeout`)"
            ));
        }
    };
    let (outgoing, queue) = mpsc::channel(shared.settings.upstream_queue_max);
    let upstream = Arc::new(Upstream {
        server: entry.view.id,
        slug: entry.view.slug.clone(),
        isolation,
        initialize,
        began: Instant::now(),
        calls_max: entry.view.calls_max,
        keep_warm: entry.view.keep_warm,
        outgoing,
        over: shared.shutdown.child_token(),
        next_id: AtomicU64::new(1),
        state: Mutex::new(State {
            questions: HashMap::new(),
            pending: HashMap::new(),
            last_used: Instant::now(),
            ended: None,
            reason: None,
        }),
    });
    let writer = write(outbox, queue, upstream.clone());
    shared.tasks.spawn(writer);
    let reader = read(shared.clone(), upstream.clone(), inbox, lease);
    shared.tasks.spawn(reader);
    Ok(upstream)
}

/// Says hello and returns what the server answered.
async fn shake_hands(
    outbox: &mut dyn Outbox,
    inbox: &mut dyn Inbox,
) -> Result<Box<RawValue>, String> {
    const HELLO: u64 = 0;
    let params = serde_json::json!({
        "protocolVersion": version::LATEST,
        // All that a client of ours may have: a server that asks one that has not is told so.
        "capabilities": {
            "roots": { "listChanged": true },
            "sampling": { "tools": {}, "context": {} },
            "elicitation": { "form": {}, "url": {} },
        },
        "clientInfo": {
            "name": "archestra",
            "title": "Archestra",
            "version": env!("CARGO_PKG_VERSION"),
        },
    });
    let hello = message::request(HELLO, "initialize", Some(&raw(&params)));
    send(outbox, hello, Some(HELLO)).await?;
    let result = loop {
        match inbox.next().await {
            Incoming::Ended { reason } => return Err(reason),
            Incoming::Lost { reason, .. } => return Err(reason),
            Incoming::Message { bytes, .. } => match Message::parse(&bytes) {
                // What is no message is passed over: servers print to standard output.
                Err(err) => tracing::debug!(reason = %err, "Server wrote what is no message"),
                Ok(Message::Response {
                    id: Some(id),
                    outcome,
                }) if id.get() == "0" => {
                    break outcome.map(ToOwned::to_owned).map_err(|error| {
                        format!("it answered `initialize` with an error: {error}")
                    })?;
                }
                Ok(Message::Request { id, method, .. }) => {
                    let answer = answer_early(id, &method);
                    send(outbox, answer, None).await?;
                }
                Ok(Message::Response { .. } | Message::Notification { .. }) => {}
            },
        }
    };
    let object = Object::parse(&result)
        .map_err(|err| format!("its answer to `initialize` is not understood: {err}"))?;
    let agreed = object.text("protocolVersion").unwrap_or_default();
    if version::supported(&agreed).is_none() {
        return Err(format!(
            "it speaks protocol version `{agreed}`, this program speaks {}",
            version::INITIALIZE_ERA.join(", ")
        ));
    }
    let ready = message::notification("notifications/initialized", None);
    send(outbox, ready, None).await?;
    Ok(result)
}

async fn send(outbox: &mut dyn Outbox, bytes: Vec<u8>, request: Option<u64>) -> Result<(), String> {
    let outgoing = Outgoing {
        bytes: bytes.into(),
        request,
    };
    outbox.send(outgoing).await.map_err(|err| err.reason)
}

/// Answers what a server asks before the hello is over.
fn answer_early(id: &RawValue, method: &str) -> Vec<u8> {
    if method == "ping" {
        return message::response(id, Ok(&crate::empty_object()));
    }
    let reason = format!("`{method}` cannot be asked before `initialize` is answered");
    message::error_response(Some(id), &RpcError::new(code::INVALID_REQUEST, reason))
}

async fn write(
    mut outbox: Box<dyn Outbox>,
    mut queue: mpsc::Receiver<Outgoing>,
    upstream: Arc<Upstream>,
) {
    loop {
        let outgoing = tokio::select! {
            () = upstream.over.cancelled() => break,
            outgoing = queue.recv() => outgoing,
        };
        let Some(outgoing) = outgoing else { break };
        let request = outgoing.request;
        // A server that does not read is given up with the conversation.
        let sent = tokio::select! {
            () = upstream.over.cancelled() => break,
            sent = outbox.send(outgoing) => sent,
        };
        if let Err(err) = sent {
            match request {
                // Over HTTP a message can fail alone; over a pipe the reader sees the end as well.
                Some(id) => upstream.lose(Some(id), &err.reason),
                None => {
                    tracing::debug!(server.slug = %upstream.slug, reason = err.reason, "Message not taken")
                }
            }
        }
    }
    outbox.close().await;
}

async fn read(
    shared: Arc<Shared>,
    upstream: Arc<Upstream>,
    mut inbox: Box<dyn Inbox>,
    lease: Box<dyn Send + Sync>,
) {
    let idle_stop = shared.settings.idle_stop;
    let reason = loop {
        let idle_at = upstream.last_used() + idle_stop;
        tokio::select! {
            biased;
            () = upstream.over.cancelled() => break None,
            incoming = inbox.next() => match incoming {
                Incoming::Ended { reason } => break Some(reason),
                Incoming::Lost { related, reason } => upstream.lose(related, &reason),
                Incoming::Message { bytes, related } => {
                    take(&shared, &upstream, &bytes, related);
                }
            },
            () = sleep_until(idle_at) => {
                if upstream.is_idle(idle_stop) && !shared.is_subscribed(&upstream) {
                    break Some("nobody used it".to_owned());
                }
                upstream.touch_if_busy();
            }
        }
    };
    upstream.end(reason);
    upstream.over.cancel();
    shared.pool.ended(&shared.settings, &upstream);
    drop(lease);
}

/// Takes one message of the server.
fn take(shared: &Arc<Shared>, upstream: &Arc<Upstream>, bytes: &Bytes, related: Option<u64>) {
    let message = match Message::parse(bytes) {
        Ok(message) => message,
        Err(err) => {
            tracing::debug!(server.slug = %upstream.slug, reason = %err, "Server wrote what is no message");
            return;
        }
    };
    match message {
        Message::Response {
            id: Some(id),
            outcome,
        } => upstream.answer(id, outcome),
        Message::Response { id: None, outcome } => {
            tracing::debug!(server.slug = %upstream.slug, ?outcome, "Server answered nothing that was asked");
        }
        Message::Request { id, method, params } => {
            questions::take(shared, upstream, id, &method, params, related);
        }
        Message::Notification { method, params } => {
            lists::take_notification(shared, upstream, &method, params, related);
        }
    }
}

impl Upstream {
    /// Asks the server for something and waits for the answer.
    ///
    /// Cancel safe: when the future is dropped, the server is told that the answer is not wanted.
    pub(crate) async fn request(&self, request: Request<'_>) -> Answer {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (params, progress_token) = with_progress_token(request.params, id)?;
        let params = params.as_deref().or(request.params);
        let bytes = message::request(id, request.method, params);
        let activity = Arc::new(Activity {
            began: Instant::now(),
            last_ms: AtomicU64::new(0),
            questions: AtomicU32::new(0),
        });
        let mut answered = self.note(id, request.route, progress_token, activity.clone())?;
        let mut waiting = Waiting {
            upstream: self,
            id,
            reason: Some("the client is gone"),
        };
        self.send(Outgoing {
            bytes: bytes.into(),
            request: Some(id),
        })?;

        let never = CancellationToken::new();
        let cancel = request.cancel.unwrap_or(&never);
        let mut deadline = activity.began + request.timeout;
        loop {
            tokio::select! {
                biased;
                answer = &mut answered => {
                    waiting.reason = None;
                    return answer.unwrap_or_else(|_dropped| Err(self.ended_error()));
                }
                () = cancel.cancelled() => {
                    waiting.reason = Some("the client cancelled the request");
                    return Err(CallError::Cancelled);
                }
                () = sleep_until(deadline) => match activity.deadline(request.timeout) {
                    Some(later) => deadline = later,
                    None => {
                        waiting.reason = Some("it took too long");
                        return Err(CallError::Timeout {
                            server: self.slug.clone(),
                            limit: request.timeout,
                            name: "call_timeout_ms",
                        });
                    }
                },
            }
        }
    }

    /// Tells the server something. What does not fit into its queue is dropped.
    pub(crate) fn notify(&self, method: &str, params: Option<&RawValue>) {
        let bytes = message::notification(method, params).into();
        // A server that does not read its messages has ended, or will by its deadlines.
        let _sent = self.send(Outgoing {
            bytes,
            request: None,
        });
    }

    /// Answers a question of the server.
    pub(crate) fn respond(&self, id: &RawValue, outcome: Result<&RawValue, &RawValue>) {
        let bytes = message::response(id, outcome).into();
        // As in `notify`.
        let _sent = self.send(Outgoing {
            bytes,
            request: None,
        });
    }

    fn send(&self, outgoing: Outgoing) -> Result<(), CallError> {
        self.outgoing.try_send(outgoing).map_err(|err| match err {
            mpsc::error::TrySendError::Full(_) => CallError::Busy {
                server: self.slug.clone(),
                limit: self.outgoing.max_capacity(),
                name: "upstream_queue_max",
            },
            mpsc::error::TrySendError::Closed(_) => self.not_reached(),
        })
    }

    fn note(
        &self,
        id: u64,
        route: Option<Route>,
        progress_token: Option<Box<RawValue>>,
        activity: Arc<Activity>,
    ) -> Result<oneshot::Receiver<Answer>, CallError> {
        let (answer, answered) = oneshot::channel();
        let mut state = self.lock();
        if state.ended.is_some() {
            return Err(self.not_reached());
        }
        if state.pending.len() >= self.calls_max {
            return Err(CallError::Busy {
                server: self.slug.clone(),
                limit: self.calls_max,
                name: "calls_max",
            });
        }
        state.last_used = Instant::now();
        let pending = Pending {
            answer,
            route,
            progress_token,
            activity,
        };
        state.pending.insert(id, pending);
        Ok(answered)
    }

    fn answer(&self, id: &RawValue, outcome: Result<&RawValue, &RawValue>) {
        let id: Option<u64> = id.get().parse().ok();
        let pending = id.and_then(|id| self.lock().pending.remove(&id));
        let Some(pending) = pending else {
            // The answer to a request that was given up.
            return;
        };
        self.lock().last_used = Instant::now();
        let owned = outcome.map(ToOwned::to_owned).map_err(ToOwned::to_owned);
        // Whoever asked may have given up just now.
        let _answered = pending.answer.send(Ok(owned));
    }

    /// Tells whoever waits for the lost answer; all who wait, where it is not known whose it was.
    fn lose(&self, related: Option<u64>, reason: &str) {
        let lost: Vec<Pending> = {
            let mut state = self.lock();
            match related {
                Some(id) => state.pending.remove(&id).into_iter().collect(),
                None => state.pending.drain().map(|(_, it)| it).collect(),
            }
        };
        tracing::warn!(server.slug = %self.slug, reason, "Answer of a server lost");
        for pending in lost {
            // Whoever asked may have given up just now.
            let _answered = pending.answer.send(Err(CallError::Lost {
                server: self.slug.clone(),
                reason: reason.to_owned(),
            }));
        }
    }

    /// Ends the conversation on purpose.
    pub(crate) fn end_because(&self, reason: &str) {
        self.lock().reason.get_or_insert_with(|| reason.to_owned());
        self.over.cancel();
    }

    fn end(&self, reason: Option<String>) {
        let pending = {
            let mut state = self.lock();
            let on_purpose = state.reason.take();
            let reason = reason.or(on_purpose);
            let reason = reason.unwrap_or_else(|| "the program is shutting down".to_owned());
            state.ended = Some(reason);
            std::mem::take(&mut state.pending)
        };
        for pending in pending.into_values() {
            // Whoever asked may have given up just now.
            let _answered = pending.answer.send(Err(self.ended_error()));
        }
    }

    fn ended_error(&self) -> CallError {
        let reason = self.lock().ended.clone();
        self.ended_because(reason.as_deref().unwrap_or("its connection was closed"))
    }

    fn not_reached(&self) -> CallError {
        CallError::NotReached {
            server: self.slug.clone(),
        }
    }

    fn ended_because(&self, reason: &str) -> CallError {
        CallError::Ended {
            server: self.slug.clone(),
            reason: reason.to_owned(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.is_cancelled() || self.lock().ended.is_some()
    }

    pub(crate) fn ended_reason(&self) -> Option<String> {
        self.lock().ended.clone()
    }

    pub(crate) fn requests(&self) -> usize {
        self.lock().pending.len()
    }

    fn last_used(&self) -> Instant {
        self.lock().last_used
    }

    fn is_idle(&self, idle_stop: Duration) -> bool {
        let state = self.lock();
        !self.keep_warm && state.pending.is_empty() && idle_stop <= state.last_used.elapsed()
    }

    /// Puts the next look for idleness off.
    fn touch_if_busy(&self) {
        self.lock().last_used = Instant::now();
    }

    /// Returns the way to the client of a request, with the token under which that client wants to
    /// hear of progress, and counts the report as a sign of life.
    pub(crate) fn progress(&self, id: u64) -> Option<(Route, Box<RawValue>)> {
        let state = self.lock();
        let pending = state.pending.get(&id)?;
        pending.activity.note();
        Some((pending.route.clone()?, pending.progress_token.clone()?))
    }

    /// Returns the clients that have requests under way here, each once, with one of its routes.
    pub(crate) fn routes(&self, related: Option<u64>) -> Vec<Route> {
        let state = self.lock();
        let related = related.and_then(|it| state.pending.get(&it));
        let pending: Vec<&Pending> = match related {
            Some(pending) => vec![pending],
            None => state.pending.values().collect(),
        };
        let mut routes: Vec<Route> = Vec::new();
        for route in pending.into_iter().filter_map(|it| it.route.as_ref()) {
            let known = |it: &Route| Arc::ptr_eq(&it.session, &route.session);
            if !routes.iter().any(known) {
                routes.push(route.clone());
            }
        }
        routes
    }

    /// Notes that a client is being asked; the token tells when the server takes the question back.
    pub(crate) fn begin_question(&self, id: &RawValue) -> Option<CancellationToken> {
        let mut state = self.lock();
        if state.questions.len() >= QUESTIONS_MAX || state.questions.contains_key(id.get()) {
            return None;
        }
        let withdrawn = CancellationToken::new();
        state
            .questions
            .insert(id.get().to_owned(), withdrawn.clone());
        Some(withdrawn)
    }

    pub(crate) fn end_question(&self, id: &RawValue) {
        self.lock().questions.remove(id.get());
    }

    /// Takes back a question that the server does not want answered any more.
    pub(crate) fn withdraw_question(&self, id: &RawValue) {
        if let Some(withdrawn) = self.lock().questions.get(id.get()) {
            withdrawn.cancel();
        }
    }

    /// Holds the deadlines of the session's requests while its client is being asked.
    pub(crate) fn hold(&self, session: &Arc<Session>) -> impl Drop + use<> {
        let state = self.lock();
        let of_session = state.pending.values().filter(|it| {
            let route = it.route.as_ref();
            route.is_some_and(|it| Arc::ptr_eq(&it.session, session))
        });
        let held: Vec<Arc<Activity>> = of_session.map(|it| it.activity.clone()).collect();
        for activity in &held {
            activity.questions.fetch_add(1, Ordering::Relaxed);
        }
        Hold { held }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no code panics while it holds the lock")
    }
}

struct Hold {
    held: Vec<Arc<Activity>>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        for activity in &self.held {
            activity.note();
            activity.questions.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Activity {
    fn note(&self) {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(passed, Ordering::Relaxed);
    }

    /// Returns a later deadline, if there was life since the last one.
    fn deadline(&self, limit: Duration) -> Option<Instant> {
        let now = Instant::now();
        if 0 < self.questions.load(Ordering::Relaxed) {
            return Some(now + limit);
        }
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        let deadline = self.began + last + limit;
        (now < deadline).then_some(deadline)
    }
}

/// Forgets a request when whoever waits for it gives up, and tells the server.
struct Waiting<'a> {
    upstream: &'a Upstream,
    id: u64,
    /// `None` once the answer is there.
    reason: Option<&'static str>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(reason) = self.reason else { return };
        let was_pending = self.upstream.lock().pending.remove(&self.id).is_some();
        if was_pending {
            let params = raw(&serde_json::json!({ "requestId": self.id, "reason": reason }));
            self.upstream
                .notify("notifications/cancelled", Some(&params));
        }
    }
}

/// Puts our number in the place of the client's progress token, if there is one. Returns the new
/// parameters and the client's token.
fn with_progress_token(
    params: Option<&RawValue>,
    id: u64,
) -> Result<(Option<Box<RawValue>>, Option<Box<RawValue>>), CallError> {
    let Some(text) = params.filter(|it| it.get().contains("progressToken")) else {
        return Ok((None, None));
    };
    let mut object = Object::parse(text).map_err(|err| CallError::params(&err))?;
    let Some(meta) = object.read::<Box<RawValue>>("_meta") else {
        return Ok((None, None));
    };
    let mut meta = Object::parse(&meta).map_err(|err| CallError::params(&err))?;
    let Some(token) = meta.get("progressToken").map(ToOwned::to_owned) else {
        return Ok((None, None));
    };
    meta.set("progressToken", raw(&id));
    object.set("_meta", meta.to_raw());
    Ok((Some(object.to_raw()), Some(token)))
}
