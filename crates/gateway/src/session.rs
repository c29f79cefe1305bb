//! Sessions of clients of the `initialize` era.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use domain::{Access, Caller, PrincipalName, ServerId, ServerSlug, TokenId};
use mcp::{Object, message};
use serde_json::value::RawValue;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{Scope, Settings, Shared, policy, random_id, upstream::Upstream};

/// How often sessions that nobody uses are looked for.
const EXPIRY_PERIOD: Duration = Duration::from_secs(60);
/// The longest address of a resource that may be subscribed to.
const SUBSCRIPTION_BYTES_MAX: usize = 4 << 10;

/// The order of severities (RFC 5424), least severe first.
pub(crate) const LOG_LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

/// All sessions.
pub(crate) struct Sessions {
    settings: Settings,
    // Invariant: at most sessions_max.
    by_id: RwLock<HashMap<String, Arc<Session>>>,
}

/// One client's session.
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) principal: PrincipalName,
    token: Option<TokenId>,
    pub(crate) scope: Scope,
    pub(crate) version: &'static str,
    capabilities: Capabilities,
    settings: Settings,
    /// Ends what goes on for the session when it is over.
    pub(crate) over: CancellationToken,
    next_question: AtomicU64,
    /// Bytes of messages that the client has not read yet.
    unread_bytes: Arc<AtomicUsize>,
    state: Mutex<State>,
}

/// What the client can be asked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Capabilities {
    elicitation: bool,
    sampling: bool,
    roots: bool,
}

struct State {
    access: Access,
    last_used: Instant,
    /// Requests under way, by the client's identifier as it was sent.
    // Invariant: at most session_requests_max.
    requests: HashMap<String, CancellationToken>,
    // Invariant: at most session_questions_max.
    questions: HashMap<String, Question>,
    listener: Option<mpsc::Sender<Bytes>>,
    // Invariant: at most session_queue_max messages and session_backlog_bytes_max bytes. What came
    // while nobody listened.
    backlog: VecDeque<Bytes>,
    backlog_bytes: usize,
    /// Lists of which the client does not know yet that they changed, by the notification's name.
    changed: BTreeSet<&'static str>,
    /// Whether the server has agreed to tell of each resource.
    // Invariant: at most session_subscriptions_max.
    subscriptions: BTreeMap<(ServerId, String), bool>,
    /// Where in [`LOG_LEVELS`] the least severe line is that the client wants.
    log_level: Option<usize>,
}

/// A question of a server that the client has to answer.
struct Question {
    answer: oneshot::Sender<Result<Box<RawValue>, Box<RawValue>>>,
    upstream: Arc<Upstream>,
    /// The server's token under which it wants to hear of progress.
    progress_token: Option<Box<RawValue>>,
}

/// What goes to a client as the answer to one POST.
#[derive(Debug)]
pub(crate) enum Out {
    /// Comes before the answer.
    Message(Bytes, Unread),
    /// The answer to one request.
    Answer(Bytes),
}

/// What happens to a message while the client has no stream open for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    Keep,
    Drop,
}

/// The way to the client that a request belongs to.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) session: Arc<Session>,
    pub(crate) out: mpsc::Sender<Out>,
    /// Cancelled when the request is over.
    pub(crate) over: CancellationToken,
}

impl Route {
    /// Sends a message with the request's answer, or says that it does not fit.
    pub(crate) fn send(&self, message: Bytes, unread: Unread) -> bool {
        let Some(message) = self.session.count(message) else {
            return false;
        };
        match self.out.try_send(Out::Message(message, unread)) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => false,
            // The client has hung up and may listen elsewhere.
            Err(mpsc::error::TrySendError::Closed(
                Out::Message(message, _) | Out::Answer(message),
            )) => self.session.send_counted(message, unread),
        }
    }
}

impl Sessions {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            by_id: RwLock::default(),
        }
    }

    /// Begins a session; `None` when there are as many as there may be and all are in use.
    pub(crate) fn begin(
        &self,
        caller: &Caller,
        scope: Scope,
        version: &'static str,
        capabilities: Capabilities,
    ) -> Option<Arc<Session>> {
        let session = Arc::new(Session {
            id: random_id(),
            principal: caller.principal.clone(),
            token: caller.token,
            scope,
            version,
            capabilities,
            settings: self.settings,
            over: CancellationToken::new(),
            next_question: AtomicU64::new(1),
            unread_bytes: Arc::default(),
            state: Mutex::new(State::new(caller.access.clone())),
        });
        let mut by_id = self.write();
        if by_id.len() >= self.settings.sessions_max {
            let unused = by_id.values().filter(|it| !it.lock().is_in_use());
            // One's own go first, so that a client that never ends its sessions hurts itself.
            let oldest = unused.min_by_key(|it| {
                let is_others = it.principal != session.principal || it.token != session.token;
                (is_others, it.lock().last_used)
            })?;
            let oldest = oldest.id.clone();
            if let Some(oldest) = by_id.remove(&oldest) {
                oldest.over.cancel();
            }
        }
        by_id.insert(session.id.clone(), session.clone());
        Some(session)
    }

    /// Finds a session of `caller` at `scope`. Somebody else's is not found.
    pub(crate) fn find(&self, id: &str, caller: &Caller, scope: &Scope) -> Option<Arc<Session>> {
        let session = self.read().get(id).cloned()?;
        let is_theirs = session.principal == caller.principal
            && session.token == caller.token
            && session.scope == *scope;
        if !is_theirs {
            return None;
        }
        let mut state = session.lock();
        state.last_used = Instant::now();
        if state.access != caller.access {
            state.access = caller.access.clone();
        }
        drop(state);
        Some(session)
    }

    pub(crate) fn end(&self, session: &Session) {
        self.write().remove(&session.id);
        session.over.cancel();
    }

    /// Ends the sessions that came in with `token`.
    pub(crate) fn end_token(&self, token: TokenId) {
        self.write().retain(|_, it| {
            let stays = it.token != Some(token);
            if !stays {
                it.over.cancel();
            }
            stays
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.read().len()
    }

    /// Does something with each session. `act` is quick: no session can begin meanwhile.
    pub(crate) fn each(&self, mut act: impl FnMut(&Arc<Session>)) {
        for session in self.read().values() {
            act(session);
        }
    }

    fn forget_idle(&self, now: Instant) {
        self.write().retain(|_, it| {
            let state = it.lock();
            let idle = now.duration_since(state.last_used);
            let stays = state.is_in_use() || idle < self.settings.session_idle;
            if !stays {
                it.over.cancel();
            }
            stays
        });
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<String, Arc<Session>>> {
        let read = self.by_id.read();
        read.expect("no code panics while it holds the lock")
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<String, Arc<Session>>> {
        let write = self.by_id.write();
        write.expect("no code panics while it holds the lock")
    }
}

/// Forgets sessions that nobody uses, until the program ends.
pub(crate) async fn expire(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = shared.shutdown.cancelled() => return,
            () = tokio::time::sleep(EXPIRY_PERIOD) => {}
        }
        shared.sessions.forget_idle(Instant::now());
    }
}

impl Capabilities {
    /// Reads what a client says of itself in `initialize`. The rest of it is not kept, since the
    /// client decides how long it is.
    pub(crate) fn read(capabilities: Option<&RawValue>) -> Self {
        let object = capabilities.and_then(|it| Object::parse(it).ok());
        let has = |key: &str| {
            let value = object.as_ref().and_then(|it| it.get(key));
            value.is_some_and(|it| it.get().starts_with('{'))
        };
        Self {
            elicitation: has("elicitation"),
            sampling: has("sampling"),
            roots: has("roots"),
        }
    }
}

impl State {
    fn new(access: Access) -> Self {
        Self {
            access,
            last_used: Instant::now(),
            requests: HashMap::new(),
            questions: HashMap::new(),
            listener: None,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            changed: BTreeSet::new(),
            subscriptions: BTreeMap::new(),
            log_level: None,
        }
    }

    fn is_in_use(&self) -> bool {
        let is_listened = self.listener.as_ref().is_some_and(|it| !it.is_closed());
        is_listened || !self.requests.is_empty()
    }

    /// Tells a client that listens which lists changed.
    fn tell_changed(&mut self) {
        while let Some(listener) = &self.listener
            && let Some(method) = self.changed.first().copied()
        {
            let message = message::notification(method, None);
            if listener.try_send(message.into()).is_err() {
                return;
            }
            self.changed.remove(method);
        }
    }
}

impl Session {
    /// Whether the client has said that it can do `capability`, for instance `elicitation`.
    pub(crate) fn can(&self, capability: &str) -> bool {
        match capability {
            "elicitation" => self.capabilities.elicitation,
            "sampling" => self.capabilities.sampling,
            "roots" => self.capabilities.roots,
            _ => false,
        }
    }

    /// Whether what comes from `server` may be shown to the client.
    pub(crate) fn may_hear(&self, server: &ServerSlug) -> bool {
        self.scope.includes(server) && policy::may_use(&self.lock().access, server)
    }

    /// Notes that a request is under way. `Err` says why it may not be.
    pub(crate) fn begin_request(&self, id: &RawValue) -> Result<CancellationToken, String> {
        let requests_max = self.settings.session_requests_max;
        let mut state = self.lock();
        if state.requests.contains_key(id.get()) {
            return Err(format!("a request with the id {id} is already under way"));
        }
        if state.requests.len() >= requests_max {
            return Err(format!(
                "this session has {requests_max} requests under way, the most it may have (`session_requests_max`)"
            ));
        }
        let cancel = self.over.child_token();
        state.requests.insert(id.get().to_owned(), cancel.clone());
        Ok(cancel)
    }

    pub(crate) fn end_request(&self, id: &RawValue) {
        let mut state = self.lock();
        state.requests.remove(id.get());
        state.last_used = Instant::now();
    }

    /// Cancels the request with the client's identifier `id`; unknown ones are passed over.
    pub(crate) fn cancel_request(&self, id: &RawValue) {
        if let Some(cancel) = self.lock().requests.get(id.get()) {
            cancel.cancel();
        }
    }

    /// Returns the identifier of the next question to the client.
    pub(crate) fn next_question(&self) -> Box<RawValue> {
        let number = self.next_question.fetch_add(1, Ordering::Relaxed);
        mcp::object::raw(&format!("archestra-{number}"))
    }

    /// Begins to wait for the client's answer to the question `id`; `None` when it has as many
    /// questions open as it may have.
    pub(crate) fn begin_question(
        &self,
        id: &RawValue,
        upstream: Arc<Upstream>,
        progress_token: Option<Box<RawValue>>,
    ) -> Option<oneshot::Receiver<Result<Box<RawValue>, Box<RawValue>>>> {
        let (answer, answered) = oneshot::channel();
        let question = Question {
            answer,
            upstream,
            progress_token,
        };
        let mut state = self.lock();
        if state.questions.len() >= self.settings.session_questions_max {
            return None;
        }
        state.questions.insert(id.get().to_owned(), question);
        Some(answered)
    }

    pub(crate) fn end_question(&self, id: &RawValue) {
        self.lock().questions.remove(id.get());
    }

    /// Hands in the client's answer; one that was not asked for is passed over.
    pub(crate) fn answer(&self, id: &RawValue, outcome: Result<&RawValue, &RawValue>) {
        let question = self.lock().questions.remove(id.get());
        if let Some(question) = question {
            let owned = outcome.map(ToOwned::to_owned).map_err(ToOwned::to_owned);
            // Whoever asked may have given up.
            let _answered = question.answer.send(owned);
        }
    }

    /// Returns whose question has the identifier `id`, and the server's own token for its progress.
    pub(crate) fn question(&self, id: &RawValue) -> Option<(Arc<Upstream>, Box<RawValue>)> {
        let state = self.lock();
        let question = state.questions.get(id.get())?;
        Some((question.upstream.clone(), question.progress_token.clone()?))
    }

    /// Opens the stream for what belongs to no request. A former one ends.
    pub(crate) fn listen(&self) -> mpsc::Receiver<Bytes> {
        let (sender, receiver) = mpsc::channel(self.settings.session_queue_max.max(1));
        let mut state = self.lock();
        for message in std::mem::take(&mut state.backlog) {
            // The backlog is no longer than the queue.
            let _fits = sender.try_send(message);
        }
        state.backlog_bytes = 0;
        state.listener = Some(sender);
        state.tell_changed();
        receiver
    }

    /// Sends what belongs to no request. Returns whether it is on its way or kept for later.
    pub(crate) fn send(&self, message: Bytes, unread: Unread) -> bool {
        let counted = self.count(message);
        counted.is_some_and(|it| self.send_counted(it, unread))
    }

    /// Tells that a list changed: at once, or as soon as the client listens, and then once.
    pub(crate) fn send_changed(&self, methods: &[&'static str]) {
        let mut state = self.lock();
        state.changed.extend(methods);
        state.tell_changed();
    }

    fn send_counted(&self, message: Bytes, unread: Unread) -> bool {
        let mut state = self.lock();
        state.tell_changed();
        let message = match &state.listener {
            None => message,
            Some(listener) => match listener.try_send(message) {
                Ok(()) => return true,
                Err(mpsc::error::TrySendError::Full(_)) => return false,
                Err(mpsc::error::TrySendError::Closed(message)) => message,
            },
        };
        state.listener = None;
        let bytes = state.backlog_bytes + message.len();
        let has_room = state.backlog.len() < self.settings.session_queue_max
            && bytes <= self.settings.session_backlog_bytes_max;
        if unread == Unread::Drop || !has_room {
            return false;
        }
        state.backlog_bytes = bytes;
        state.backlog.push_back(message);
        true
    }

    /// Counts a message among those that the client has not read, until it is dropped; `None` when
    /// they are too many bytes.
    fn count(&self, message: Bytes) -> Option<Bytes> {
        struct Counted {
            message: Bytes,
            unread_bytes: Arc<AtomicUsize>,
        }
        impl AsRef<[u8]> for Counted {
            fn as_ref(&self) -> &[u8] {
                &self.message
            }
        }
        impl Drop for Counted {
            fn drop(&mut self) {
                self.unread_bytes
                    .fetch_sub(self.message.len(), Ordering::Relaxed);
            }
        }
        let before = self
            .unread_bytes
            .fetch_add(message.len(), Ordering::Relaxed);
        let is_too_much =
            before != 0 && self.settings.session_queue_bytes_max < before + message.len();
        // From here on it is counted down when it is dropped, here or by whoever reads it.
        let counted = Counted {
            message,
            unread_bytes: self.unread_bytes.clone(),
        };
        (!is_too_much).then(|| Bytes::from_owner(counted))
    }

    /// Returns whether there is such a level.
    pub(crate) fn set_log_level(&self, level: &str) -> bool {
        let found = LOG_LEVELS.iter().position(|it| *it == level);
        if found.is_some() {
            self.lock().log_level = found;
        }
        found.is_some()
    }

    /// Returns where in [`LOG_LEVELS`] the least severe line is that the client has asked for.
    pub(crate) fn log_level(&self) -> Option<usize> {
        self.lock().log_level
    }

    /// Whether the client wants log lines of this level. Unknown ones are wanted.
    pub(crate) fn wants_log(&self, level: &str) -> bool {
        let level = LOG_LEVELS.iter().position(|it| *it == level);
        let least = self.log_level().unwrap_or(0);
        level.is_none_or(|it| least <= it)
    }

    /// Notes that the client wants to hear of a resource. `Err` says why it may not.
    pub(crate) fn subscribe(&self, server: ServerId, uri: &str) -> Result<(), String> {
        if SUBSCRIPTION_BYTES_MAX < uri.len() {
            return Err(format!(
                "the address of the resource has {} bytes, the most is {SUBSCRIPTION_BYTES_MAX}",
                uri.len()
            ));
        }
        let subscriptions_max = self.settings.session_subscriptions_max;
        let mut state = self.lock();
        let subscription = (server, uri.to_owned());
        let is_new = !state.subscriptions.contains_key(&subscription);
        if is_new && state.subscriptions.len() >= subscriptions_max {
            return Err(format!(
                "this session is subscribed to {subscriptions_max} resources, the most it may be (`session_subscriptions_max`)"
            ));
        }
        state.subscriptions.entry(subscription).or_insert(false);
        Ok(())
    }

    /// Notes that the server has agreed to tell of a resource, as a later conversation with it has
    /// to as well.
    pub(crate) fn confirm_subscription(&self, server: ServerId, uri: &str) {
        let subscription = (server, uri.to_owned());
        if let Some(is_confirmed) = self.lock().subscriptions.get_mut(&subscription) {
            *is_confirmed = true;
        }
    }

    pub(crate) fn unsubscribe(&self, server: ServerId, uri: &str) {
        self.lock().subscriptions.remove(&(server, uri.to_owned()));
    }

    pub(crate) fn is_subscribed(&self, server: ServerId, uri: &str) -> bool {
        let state = self.lock();
        state.subscriptions.contains_key(&(server, uri.to_owned()))
    }

    /// Adds the resources of `server` that it has agreed to tell of to `all`.
    pub(crate) fn subscriptions(&self, server: ServerId, all: &mut BTreeSet<String>) {
        let state = self.lock();
        let confirmed = state.subscriptions.iter().filter(|(_, it)| **it);
        let of_server = confirmed.filter(|((it, _), _)| *it == server);
        all.extend(of_server.map(|((_, uri), _)| uri.clone()));
    }

    pub(crate) fn has_subscription(&self, server: ServerId) -> bool {
        let state = self.lock();
        state.subscriptions.keys().any(|(it, _)| *it == server)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no code panics while it holds the lock")
    }
}
