//! Sessions of clients of the `initialize` era.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use domain::{Caller, PrincipalName, ServerId, ServerSlug, TokenId};
use mcp::Object;
use serde_json::value::RawValue;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{Scope, Settings, Shared, random_id};

/// How often sessions that nobody uses are looked for.
const EXPIRY_PERIOD: Duration = Duration::from_secs(60);

/// The order of severities (RFC 5424), least severe first.
const LOG_LEVELS: [&str; 8] = [
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
    by_id: Mutex<HashMap<String, Arc<Session>>>,
}

/// One client's session.
pub(crate) struct Session {
    pub(crate) id: String,
    principal: PrincipalName,
    token: Option<TokenId>,
    pub(crate) scope: Scope,
    pub(crate) version: &'static str,
    capabilities: Option<Box<RawValue>>,
    queue_max: usize,
    /// Ends what goes on for the session when it is over.
    pub(crate) over: CancellationToken,
    next_question: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_used: Option<Instant>,
    /// Requests under way, by the client's identifier as it was sent.
    requests: HashMap<String, CancellationToken>,
    questions: HashMap<String, Question>,
    listener: Option<mpsc::Sender<Bytes>>,
    // Invariant: at most queue_max. What came while nobody listened.
    backlog: VecDeque<Bytes>,
    subscriptions: BTreeSet<(ServerId, String)>,
    log_level: usize,
}

/// A question of a server that the client has to answer.
struct Question {
    answer: oneshot::Sender<Result<Box<RawValue>, Box<RawValue>>>,
    server: ServerSlug,
    /// The token under which the client may report progress.
    progress_token: Option<String>,
}

/// What goes to a client as the answer to one POST.
#[derive(Debug)]
pub(crate) enum Out {
    /// Comes before the answer.
    Message(Bytes),
    /// The answer to one request.
    Answer(Bytes),
}

/// The way to the client that a request belongs to.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) session: Arc<Session>,
    pub(crate) out: mpsc::Sender<Out>,
}

impl Route {
    /// Sends a message with the request's answer, or says that it does not fit.
    pub(crate) fn send(&self, message: Bytes) -> bool {
        match self.out.try_send(Out::Message(message)) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => false,
            // The client has hung up and may listen elsewhere.
            Err(mpsc::error::TrySendError::Closed(
                Out::Message(message) | Out::Answer(message),
            )) => self.session.send(message),
        }
    }
}

impl Sessions {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            by_id: Mutex::default(),
        }
    }

    /// Begins a session; `None` when there are as many as there may be.
    pub(crate) fn begin(
        &self,
        caller: &Caller,
        scope: Scope,
        version: &'static str,
        capabilities: Option<Box<RawValue>>,
    ) -> Option<Arc<Session>> {
        let mut by_id = self.lock();
        if by_id.len() >= self.settings.sessions_max {
            return None;
        }
        let session = Arc::new(Session {
            id: random_id(),
            principal: caller.principal.clone(),
            token: caller.token,
            scope,
            version,
            capabilities,
            queue_max: self.settings.session_queue_max,
            over: CancellationToken::new(),
            next_question: AtomicU64::new(1),
            state: Mutex::default(),
        });
        session.lock().last_used = Some(Instant::now());
        by_id.insert(session.id.clone(), session.clone());
        Some(session)
    }

    /// Finds a session of `caller` at `scope`. Somebody else's is not found.
    pub(crate) fn find(&self, id: &str, caller: &Caller, scope: &Scope) -> Option<Arc<Session>> {
        let session = self.lock().get(id).cloned()?;
        let is_theirs = session.principal == caller.principal
            && session.token == caller.token
            && session.scope == *scope;
        is_theirs.then(|| {
            session.lock().last_used = Some(Instant::now());
            session
        })
    }

    pub(crate) fn end(&self, session: &Session) {
        self.lock().remove(&session.id);
        session.over.cancel();
    }

    /// Ends the sessions that came in with `token`.
    pub(crate) fn end_token(&self, token: TokenId) {
        self.lock().retain(|_, it| {
            let stays = it.token != Some(token);
            if !stays {
                it.over.cancel();
            }
            stays
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        self.lock().values().cloned().collect()
    }

    fn forget_idle(&self, now: Instant) {
        self.lock().retain(|_, it| {
            let state = it.lock();
            let is_listened = state.listener.as_ref().is_some_and(|it| !it.is_closed());
            let is_used = is_listened || !state.requests.is_empty();
            let last = state.last_used.unwrap_or(now);
            let stays = is_used || now.duration_since(last) < self.settings.session_idle;
            if !stays {
                it.over.cancel();
            }
            stays
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.by_id
            .lock()
            .expect("no code panics while it holds the lock")
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

impl Session {
    /// Whether the client has said that it can do `capability`, for instance `elicitation`.
    pub(crate) fn can(&self, capability: &str) -> bool {
        let capabilities = self.capabilities.as_ref();
        let object = capabilities.and_then(|it| Object::parse(it).ok());
        object.is_some_and(|it| it.get(capability).is_some())
    }

    pub(crate) fn belongs_to(&self, principal: &PrincipalName) -> bool {
        self.principal == *principal
    }

    /// Notes that a request is under way. `Err` says why it may not be.
    pub(crate) fn begin_request(
        &self,
        id: &RawValue,
        requests_max: usize,
    ) -> Result<CancellationToken, String> {
        let mut state = self.lock();
        if state.requests.len() >= requests_max {
            return Err(format!(
                "this session has {requests_max} requests under way, the most it may have (`session_requests_max`)"
            ));
        }
        let cancel = self.over.child_token();
        if state.requests.contains_key(id.get()) {
            return Err(format!("a request with the id {id} is already under way"));
        }
        state.requests.insert(id.get().to_owned(), cancel.clone());
        Ok(cancel)
    }

    pub(crate) fn end_request(&self, id: &RawValue) {
        self.lock().requests.remove(id.get());
    }

    /// Cancels the request with the client's identifier `id`; unknown ones are passed over.
    pub(crate) fn cancel_request(&self, id: &RawValue) {
        if let Some(cancel) = self.lock().requests.get(id.get()) {
            cancel.cancel();
        }
    }

    /// Begins to wait for the client's answer to a question. Returns the question's identifier.
    pub(crate) fn begin_question(
        &self,
        server: &ServerSlug,
        progress_token: Option<String>,
    ) -> (
        Box<RawValue>,
        oneshot::Receiver<Result<Box<RawValue>, Box<RawValue>>>,
    ) {
        let number = self.next_question.fetch_add(1, Ordering::Relaxed);
        let id = mcp::object::raw(&format!("archestra-{number}"));
        let (answer, answered) = oneshot::channel();
        let question = Question {
            answer,
            server: server.clone(),
            progress_token,
        };
        self.lock().questions.insert(id.get().to_owned(), question);
        (id, answered)
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

    /// Returns the server whose question has this progress token.
    pub(crate) fn question_of(&self, progress_token: &str) -> Option<ServerSlug> {
        let state = self.lock();
        let mut questions = state.questions.values();
        let found = questions.find(|it| it.progress_token.as_deref() == Some(progress_token))?;
        Some(found.server.clone())
    }

    /// Opens the stream for what belongs to no request. A former one ends.
    pub(crate) fn listen(&self) -> mpsc::Receiver<Bytes> {
        let (sender, receiver) = mpsc::channel(self.queue_max.max(1));
        let mut state = self.lock();
        for message in std::mem::take(&mut state.backlog) {
            // The backlog is no longer than the queue.
            let _fits = sender.try_send(message);
        }
        state.listener = Some(sender);
        receiver
    }

    /// Sends what belongs to no request. Returns whether it is on its way or kept for later.
    pub(crate) fn send(&self, message: Bytes) -> bool {
        let mut state = self.lock();
        let message = match &state.listener {
            None => message,
            Some(listener) => match listener.try_send(message) {
                Ok(()) => return true,
                Err(mpsc::error::TrySendError::Full(_)) => return false,
                Err(mpsc::error::TrySendError::Closed(message)) => message,
            },
        };
        state.listener = None;
        if state.backlog.len() >= self.queue_max {
            return false;
        }
        state.backlog.push_back(message);
        true
    }

    pub(crate) fn set_log_level(&self, level: &str) -> bool {
        let found = LOG_LEVELS.iter().position(|it| *it == level);
        if let Some(level) = found {
            self.lock().log_level = level;
        }
        found.is_some()
    }

    /// Whether the client wants log lines of this level. Unknown ones are wanted.
    pub(crate) fn wants_log(&self, level: &str) -> bool {
        let level = LOG_LEVELS.iter().position(|it| *it == level);
        level.is_none_or(|it| self.lock().log_level <= it)
    }

    pub(crate) fn subscribe(&self, server: ServerId, uri: &str) {
        self.lock().subscriptions.insert((server, uri.to_owned()));
    }

    pub(crate) fn unsubscribe(&self, server: ServerId, uri: &str) {
        self.lock().subscriptions.remove(&(server, uri.to_owned()));
    }

    pub(crate) fn is_subscribed(&self, server: ServerId, uri: &str) -> bool {
        self.lock()
            .subscriptions
            .contains(&(server, uri.to_owned()))
    }

    /// Returns the resources of `server` that the client wants to hear of.
    pub(crate) fn subscriptions(&self, server: ServerId) -> Vec<String> {
        let state = self.lock();
        let all = state.subscriptions.iter().filter(|(it, _)| *it == server);
        all.map(|(_, uri)| uri.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no code panics while it holds the lock")
    }
}
