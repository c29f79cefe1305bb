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
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{IsolationKey, ServerId, ServerSlug};
use mcp::{Object, message, object::raw, transport::Outgoing};
use serde_json::value::RawValue;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    CallError,
    activity::{Activity, Hold},
    lists::Reading,
    session::{Route, Session},
    table::ServerView,
    turn::TurnRoute,
};

/// Questions of one server that wait for a client's answer.
const QUESTIONS_MAX: usize = 64;

/// An open conversation.
pub(crate) struct Upstream {
    pub(crate) server: ServerId,
    pub(crate) slug: ServerSlug,
    pub(crate) generation: u64,
    pub(crate) isolation: IsolationKey,
    /// What the server answered to `initialize`.
    pub(crate) initialize: Box<RawValue>,
    pub(crate) began: Instant,
    calls_max: usize,
    keep_warm: bool,
    outgoing: mpsc::Sender<Queued>,
    pub(crate) over: CancellationToken,
    /// How far the reading of its lists is.
    pub(crate) reading: Reading,
    /// Tells that another log level may be wanted.
    pub(crate) level_changed: Notify,
    next_id: AtomicU64,
    state: Mutex<State>,
}

struct State {
    /// Questions of the server that a client is being asked, by the server's identifier.
    // Invariant: at most QUESTIONS_MAX.
    questions: HashMap<String, CancellationToken>,
    // Invariant: at most calls_max that are not our own.
    pending: HashMap<u64, Pending>,
    /// How many of them are not our own.
    calls: usize,
    last_used: Instant,
    /// Why the conversation is over, once it is.
    ended: Option<Ended>,
    /// Set by whoever ends it on purpose, before it ends.
    reason: Option<String>,
}

/// How a conversation ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) reason: String,
    /// Nobody used it: nothing went wrong.
    pub(crate) was_idle: bool,
}

/// A request that waits for its answer.
pub(crate) struct Pending {
    answer: oneshot::Sender<Answer>,
    origin: Origin,
    progress_token: Option<Box<RawValue>>,
    activity: Arc<Activity>,
}

/// Whose request it is.
#[derive(Clone)]
pub(crate) enum Origin {
    Client(Route),
    /// A person's, who sees the result and cannot be asked anything.
    Person,
    /// A model's, in a chat.
    Turn(TurnRoute),
    /// Ours.
    Own,
}

/// Who it is that a server asks something.
pub(crate) enum Asked {
    Nobody,
    Client(Route),
    /// The person in whose chat a model made the call.
    Turn(TurnRoute),
    /// A person who is not at a client, so that there is no way to ask.
    Person,
    /// It cannot be told which of several.
    Several,
}

/// A message for the writer.
pub(crate) struct Queued {
    outgoing: Outgoing,
    /// That of the request that it is.
    activity: Option<Arc<Activity>>,
}

pub(crate) type Answer = Result<Result<Box<RawValue>, Box<RawValue>>, CallError>;

/// A request to a server.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) params: Option<&'a Object<'a>>,
    pub(crate) origin: Origin,
    pub(crate) timeout: Duration,
    pub(crate) cancel: Option<&'a CancellationToken>,
}

impl Upstream {
    pub(crate) fn new(
        view: &ServerView,
        isolation: IsolationKey,
        initialize: Box<RawValue>,
        outgoing: mpsc::Sender<Queued>,
        over: CancellationToken,
    ) -> Self {
        Self {
            server: view.id,
            slug: view.slug.clone(),
            generation: view.generation,
            isolation,
            initialize,
            began: Instant::now(),
            calls_max: view.calls_max,
            keep_warm: view.keep_warm,
            outgoing,
            over,
            reading: Reading::default(),
            level_changed: Notify::new(),
            next_id: AtomicU64::new(1),
            state: Mutex::new(State {
                questions: HashMap::new(),
                pending: HashMap::new(),
                calls: 0,
                last_used: Instant::now(),
                ended: None,
                reason: None,
            }),
        }
    }

    /// Asks the server for something and waits for the answer.
    ///
    /// Cancel safe: when the future is dropped, the server is told that the answer is not wanted.
    pub(crate) async fn request(&self, request: Request<'_>) -> Answer {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let patched = with_progress_token(request.params, id)?;
        let (params, progress_token) = match &patched {
            Some((params, token)) => (Some(params), Some(token.clone())),
            None => (request.params, None),
        };
        let bytes = message::request_with(id, request.method, params);
        let limit_name = match request.origin {
            Origin::Own => "list_timeout",
            Origin::Client(_) | Origin::Person | Origin::Turn(_) => "call_timeout_ms",
        };
        let activity = Arc::new(Activity::new());
        let mut answered = self.note(id, request.origin, progress_token, activity.clone())?;
        let mut waiting = Waiting {
            upstream: self,
            id,
            activity: &activity,
            reason: "the request was given up",
        };
        self.send(Queued {
            outgoing: Outgoing {
                bytes: bytes.into(),
                request: Some(id),
                cancels: None,
            },
            activity: Some(activity.clone()),
        })?;

        let never = CancellationToken::new();
        let cancel = request.cancel.unwrap_or(&never);
        let mut deadline = activity.began + request.timeout;
        loop {
            tokio::select! {
                biased;
                answer = &mut answered => {
                    return answer.unwrap_or_else(|_dropped| Err(self.ended_error()));
                }
                () = cancel.cancelled() => {
                    waiting.reason = "the client cancelled the request";
                    return Err(CallError::Cancelled);
                }
                () = sleep_until(deadline) => match activity.deadline(request.timeout) {
                    Some(later) => deadline = later,
                    None => {
                        waiting.reason = "it took too long";
                        return Err(CallError::Timeout {
                            server: self.slug.clone(),
                            limit: request.timeout,
                            name: limit_name,
                        });
                    }
                },
            }
        }
    }

    /// Tells the server something. What does not fit into its queue is dropped.
    pub(crate) fn notify(&self, method: &str, params: Option<&RawValue>) {
        self.say(message::notification(method, params), None);
    }

    /// Answers a question of the server.
    pub(crate) fn respond(&self, id: &RawValue, outcome: Result<&RawValue, &RawValue>) {
        self.say(message::response(id, outcome), None);
    }

    fn say(&self, bytes: Vec<u8>, cancels: Option<u64>) {
        let outgoing = Outgoing {
            bytes: bytes.into(),
            request: None,
            cancels,
        };
        // A server that does not read its messages has ended, or will by its deadlines.
        let _sent = self.send(Queued {
            outgoing,
            activity: None,
        });
    }

    fn send(&self, queued: Queued) -> Result<(), CallError> {
        self.outgoing.try_send(queued).map_err(|err| match err {
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
        origin: Origin,
        progress_token: Option<Box<RawValue>>,
        activity: Arc<Activity>,
    ) -> Result<oneshot::Receiver<Answer>, CallError> {
        let (answer, answered) = oneshot::channel();
        let is_own = matches!(origin, Origin::Own);
        let mut state = self.lock();
        if state.ended.is_some() {
            return Err(self.not_reached());
        }
        if !is_own {
            if state.calls >= self.calls_max {
                return Err(CallError::Busy {
                    server: self.slug.clone(),
                    limit: self.calls_max,
                    name: "calls_max",
                });
            }
            state.calls += 1;
            state.last_used = Instant::now();
        }
        let pending = Pending {
            answer,
            origin,
            progress_token,
            activity,
        };
        state.pending.insert(id, pending);
        Ok(answered)
    }

    /// Hands an answer to the one who waits for it.
    pub(crate) fn answer(&self, id: &RawValue, outcome: Result<&RawValue, &RawValue>) {
        let pending = {
            let id: Option<u64> = id.get().parse().ok();
            let mut state = self.lock();
            id.and_then(|id| state.remove(id))
        };
        // There is none where the request was given up.
        let Some(pending) = pending else { return };
        let owned = outcome.map(ToOwned::to_owned).map_err(ToOwned::to_owned);
        // Whoever asked may have given up just now.
        let _answered = pending.answer.send(Ok(owned));
    }

    /// Tells whoever waits for the lost answer; all whose request has gone out, where it is not
    /// known whose it was.
    pub(crate) fn lose(&self, related: Option<u64>, reason: &str) {
        let lost: Vec<Pending> = {
            let mut state = self.lock();
            match related {
                Some(id) => state.remove(id).into_iter().collect(),
                None => {
                    let all = state.pending.iter();
                    let sent = all.filter(|(_, it)| it.activity.is_sent());
                    let sent: Vec<u64> = sent.map(|(id, _)| *id).collect();
                    sent.into_iter().filter_map(|it| state.remove(it)).collect()
                }
            }
        };
        tracing::warn!(server.slug = %self.slug, reason, "Answer of a server lost");
        for pending in lost {
            let error = if pending.activity.give_up() {
                self.not_reached()
            } else {
                CallError::Lost {
                    server: self.slug.clone(),
                    reason: reason.to_owned(),
                }
            };
            // Whoever asked may have given up just now.
            let _answered = pending.answer.send(Err(error));
        }
    }

    /// Ends the conversation on purpose.
    pub(crate) fn end_because(&self, reason: &str) {
        self.lock().reason.get_or_insert_with(|| reason.to_owned());
        self.over.cancel();
    }

    /// Notes that the conversation is over, and returns who waits for an answer.
    pub(crate) fn end(&self, reason: Option<String>) -> HashMap<u64, Pending> {
        let mut state = self.lock();
        if state.ended.is_none() {
            let reason = state.reason.take().or(reason);
            let reason = reason.unwrap_or_else(|| "the program is shutting down".to_owned());
            let was_idle = false;
            state.ended = Some(Ended { reason, was_idle });
        }
        state.calls = 0;
        std::mem::take(&mut state.pending)
    }

    /// Ends the conversation if nobody has used it for `idle_stop`. Whoever comes later finds it
    /// over.
    pub(crate) fn end_if_idle(&self, idle_stop: Duration) -> bool {
        let mut state = self.lock();
        let is_idle = !self.keep_warm
            && state.pending.is_empty()
            && state.questions.is_empty()
            && idle_stop <= state.last_used.elapsed();
        if is_idle {
            state.ended = Some(Ended {
                reason: "nobody used it".to_owned(),
                was_idle: true,
            });
        }
        is_idle
    }

    /// Tells those who waited that it is over. What has not gone out, or what the server has not
    /// taken, may be asked of another conversation.
    pub(crate) fn tell_ended(&self, pending: HashMap<u64, Pending>, refused: Option<u64>) {
        for (id, pending) in pending {
            let was_not_taken = pending.activity.give_up() || refused == Some(id);
            let error = if was_not_taken {
                self.not_reached()
            } else {
                self.ended_error()
            };
            // Whoever asked may have given up just now.
            let _answered = pending.answer.send(Err(error));
        }
    }

    fn ended_error(&self) -> CallError {
        let reason = self.ended().map(|it| it.reason);
        CallError::Ended {
            server: self.slug.clone(),
            reason: reason.unwrap_or_else(|| "its connection was closed".to_owned()),
        }
    }

    fn not_reached(&self) -> CallError {
        CallError::NotReached {
            server: self.slug.clone(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.is_cancelled() || self.lock().ended.is_some()
    }

    /// Returns how the conversation ended, once it has.
    pub(crate) fn ended(&self) -> Option<Ended> {
        self.lock().ended.clone()
    }

    pub(crate) fn requests(&self) -> usize {
        self.lock().calls
    }

    pub(crate) fn last_used(&self) -> Instant {
        self.lock().last_used
    }

    /// Returns whose a request is, with the token under which they want to hear of progress, and
    /// counts the report as a sign of life.
    pub(crate) fn progress(&self, id: u64) -> Option<(Origin, Box<RawValue>)> {
        let state = self.lock();
        let pending = state.pending.get(&id)?;
        let token = pending.progress_token.clone()?;
        pending.activity.note();
        Some((pending.origin.clone(), token))
    }

    /// Returns whom a question is for that came with the request `related`, or with none that the
    /// transport can tell.
    pub(crate) fn asked(&self, related: Option<u64>) -> Asked {
        let state = self.lock();
        if let Some(id) = related {
            return match state.pending.get(&id).map(|it| &it.origin) {
                Some(Origin::Client(route)) => Asked::Client(route.clone()),
                Some(Origin::Turn(route)) => Asked::Turn(route.clone()),
                Some(Origin::Person) => Asked::Person,
                // Whoever asked has given up; it is nobody else's affair.
                Some(Origin::Own) | None => Asked::Nobody,
            };
        }
        let mut asked = Asked::Nobody;
        for pending in state.pending.values() {
            asked = match (asked, &pending.origin) {
                (asked, Origin::Own) => asked,
                (Asked::Nobody, Origin::Client(route)) => Asked::Client(route.clone()),
                (Asked::Nobody, Origin::Turn(route)) => Asked::Turn(route.clone()),
                (Asked::Nobody | Asked::Person, Origin::Person) => Asked::Person,
                (Asked::Turn(one), Origin::Turn(other)) if one.is_of_same_chat(other) => {
                    Asked::Turn(one)
                }
                (Asked::Client(one), Origin::Client(other))
                    if Arc::ptr_eq(&one.session, &other.session) =>
                {
                    Asked::Client(one)
                }
                _ => return Asked::Several,
            };
        }
        asked
    }

    /// Returns a way to the client `session` with one of its requests that are under way here.
    pub(crate) fn route_of(&self, session: &Arc<Session>) -> Option<Route> {
        let state = self.lock();
        let mut routes = state.pending.values().filter_map(|it| match &it.origin {
            Origin::Client(route) => Some(route),
            Origin::Person | Origin::Turn(_) | Origin::Own => None,
        });
        let found = routes.find(|it| Arc::ptr_eq(&it.session, session));
        found.cloned()
    }

    /// Returns a way to the chat of `route` with one of its calls that are under way here.
    pub(crate) fn turn_like(&self, route: &TurnRoute) -> Option<TurnRoute> {
        let state = self.lock();
        let mut routes = state.pending.values().filter_map(|it| match &it.origin {
            Origin::Turn(route) => Some(route),
            Origin::Client(_) | Origin::Person | Origin::Own => None,
        });
        routes.find(|it| it.is_of_same_chat(route)).cloned()
    }

    /// Notes that a client is being asked; the token tells when the server takes the question back.
    pub(crate) fn begin_question(&self, id: &RawValue) -> Result<CancellationToken, String> {
        let mut state = self.lock();
        if state.questions.contains_key(id.get()) {
            return Err(format!("a question with the id {id} is already open"));
        }
        if state.questions.len() >= QUESTIONS_MAX {
            return Err(format!(
                "this server has {QUESTIONS_MAX} questions open, the most it may have"
            ));
        }
        let withdrawn = CancellationToken::new();
        state
            .questions
            .insert(id.get().to_owned(), withdrawn.clone());
        Ok(withdrawn)
    }

    pub(crate) fn end_question(&self, id: &RawValue) {
        let mut state = self.lock();
        state.questions.remove(id.get());
        state.last_used = Instant::now();
    }

    /// Takes back a question that the server does not want answered any more.
    pub(crate) fn withdraw_question(&self, id: &RawValue) {
        if let Some(withdrawn) = self.lock().questions.get(id.get()) {
            withdrawn.cancel();
        }
    }

    /// Holds the deadlines of the session's requests while its client is being asked.
    pub(crate) fn hold(&self, session: &Arc<Session>) -> impl Drop + use<> {
        self.hold_where(|origin| match origin {
            Origin::Client(route) => Arc::ptr_eq(&route.session, session),
            Origin::Person | Origin::Turn(_) | Origin::Own => false,
        })
    }

    /// Holds the deadlines of the chat's calls while its person is being asked.
    pub(crate) fn hold_turn(&self, of: &TurnRoute) -> impl Drop + use<> {
        self.hold_where(|origin| match origin {
            Origin::Turn(route) => route.news.same_channel(&of.news) || route.is_of_same_chat(of),
            Origin::Client(_) | Origin::Person | Origin::Own => false,
        })
    }

    fn hold_where(&self, is_held: impl Fn(&Origin) -> bool) -> Hold {
        let state = self.lock();
        let held = state.pending.values().filter(|it| is_held(&it.origin));
        Hold::new(held.map(|it| it.activity.clone()).collect())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no code panics while it holds the lock")
    }
}

impl State {
    fn remove(&mut self, id: u64) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        if !matches!(pending.origin, Origin::Own) {
            self.calls -= 1;
            self.last_used = Instant::now();
        }
        Some(pending)
    }
}

impl Queued {
    /// Returns what is to be sent; `None` where whoever asked has given up. From here on the server
    /// may have heard of it.
    pub(crate) fn take(self) -> Option<Outgoing> {
        let is_wanted = self.activity.is_none_or(|it| it.send());
        is_wanted.then_some(self.outgoing)
    }
}

/// Forgets a request when whoever waits for it gives up, and tells the server.
struct Waiting<'a> {
    upstream: &'a Upstream,
    id: u64,
    activity: &'a Activity,
    reason: &'static str,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // There is none once it was answered.
        let pending = self.upstream.lock().remove(self.id);
        if pending.is_none() || self.activity.give_up() {
            return;
        }
        let params = raw(&serde_json::json!({ "requestId": self.id, "reason": self.reason }));
        let message = message::notification("notifications/cancelled", Some(&params));
        self.upstream.say(message, Some(self.id));
    }
}

/// Puts our number in the place of the client's progress token, if there is one. Returns the new
/// parameters and the client's token.
fn with_progress_token<'a>(
    params: Option<&Object<'a>>,
    id: u64,
) -> Result<Option<(Object<'a>, Box<RawValue>)>, CallError> {
    let Some((params, meta)) = params.and_then(|it| Some((it, it.get("_meta")?))) else {
        return Ok(None);
    };
    // What is no object has no token in it, and the server may say so.
    if !meta.get().starts_with('{') {
        return Ok(None);
    }
    let mut meta = Object::parse(meta).map_err(|err| CallError::params(&err))?;
    let Some(token) = meta.get("progressToken").map(ToOwned::to_owned) else {
        return Ok(None);
    };
    meta.set("progressToken", raw(&id));
    let mut patched = params.clone();
    patched.set("_meta", meta.to_raw());
    Ok(Some((patched, token)))
}
