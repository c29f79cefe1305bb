//! Reading a server's lists, and telling clients when they change.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use domain::{IsolationKey, ServerSlug};
use mcp::{Object, message, object::elements};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::{
    sync::{Mutex, Notify, watch},
    time::{Instant, sleep_until, timeout},
};

use crate::{
    CallError, ServerLists, Shared,
    session::{LOG_LEVELS, Route, Session, Unread},
    upstream::{Asked, Origin, Request, Upstream},
};

/// What is remembered of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListKind {
    /// The result of `initialize`, whole.
    Initialize,
    Tools,
    Resources,
    ResourceTemplates,
    Prompts,
}

impl ListKind {
    pub const ALL: [Self; 5] = [
        Self::Initialize,
        Self::Tools,
        Self::Resources,
        Self::ResourceTemplates,
        Self::Prompts,
    ];

    /// Returns the form that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Tools => "tools",
            Self::Resources => "resources",
            Self::ResourceTemplates => "resource_templates",
            Self::Prompts => "prompts",
        }
    }

    /// The method that reads it, the key of its entries, and the capability that it needs.
    const fn method(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Initialize | Self::Tools => ("tools/list", "tools", "tools"),
            Self::Resources => ("resources/list", "resources", "resources"),
            Self::ResourceTemplates => {
                ("resources/templates/list", "resourceTemplates", "resources")
            }
            Self::Prompts => ("prompts/list", "prompts", "prompts"),
        }
    }

    /// The notification that says that it changed.
    const fn changed(self) -> Option<&'static str> {
        match self {
            Self::Initialize => None,
            Self::Tools => Some("notifications/tools/list_changed"),
            Self::Resources | Self::ResourceTemplates => {
                Some("notifications/resources/list_changed")
            }
            Self::Prompts => Some("notifications/prompts/list_changed"),
        }
    }
}

impl ServerLists {
    /// Returns the kinds of lists that are not the same in `former`.
    pub(crate) fn differences(&self, former: Option<&Self>) -> Vec<ListKind> {
        let is_other = |kind: &ListKind| {
            let former = former.and_then(|it| it.text(*kind));
            self.text(*kind) != former
        };
        ListKind::ALL.into_iter().filter(is_other).collect()
    }

    fn text(&self, kind: ListKind) -> Option<&str> {
        self.by_kind.get(&kind).map(|it| it.get())
    }
}

/// How far the reading of a conversation's lists is.
///
/// However often a server says that they changed, they are read by one at a time, and once more
/// afterwards.
#[derive(Default)]
pub(crate) struct Reading {
    /// How often they were said to have changed.
    changes: AtomicU64,
    changed: Notify,
    /// The count of changes that what was read last has in it; `None` before the first time.
    read: Mutex<Option<u64>>,
    /// One more than the count of changes after which it was tried to read them; 0 before that.
    tried: watch::Sender<u64>,
}

impl Reading {
    fn note_change(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_one();
    }

    /// Waits until it was tried to read all that is said to have changed by now.
    async fn catch_up(&self) {
        let wanted = self.changes.load(Ordering::Acquire) + 1;
        if *self.tried.borrow() < wanted {
            let mut tried = self.tried.subscribe();
            // The sender is ours, so there is no error.
            let _tried = tried.wait_for(|it| wanted <= *it).await;
        }
    }
}

/// Does for a conversation what nobody asks for: reads the lists at the start and when they have
/// changed, and makes the server send what clients want to hear of.
pub(crate) fn keep(shared: Arc<Shared>, upstream: Arc<Upstream>) -> impl Future<Output = ()> {
    // Looked up now: what clients subscribe to from here on they ask this conversation for.
    let subscribed = subscribed_before(&shared, &upstream);
    keep_up(shared, upstream, subscribed)
}

async fn keep_up(shared: Arc<Shared>, upstream: Arc<Upstream>, subscribed: BTreeSet<String>) {
    let warn = |err: CallError| {
        tracing::warn!(server.slug = %upstream.slug, reason = %err, "Lists of a server not read");
    };
    let work = async {
        if let Err(err) = refresh(&shared, &upstream).await {
            warn(err);
        }
        let mut read_at = Instant::now();
        send_level(&shared, &upstream).await;
        for uri in subscribed {
            let mut params = Object::default();
            params.set_text("uri", &uri);
            ask(&shared, &upstream, "resources/subscribe", &params).await;
        }
        loop {
            tokio::select! {
                () = upstream.reading.changed.notified() => {
                    // A server whose lists change all the time is not read all the time.
                    sleep_until(read_at + shared.settings.list_period).await;
                    if let Err(err) = refresh(&shared, &upstream).await {
                        warn(err);
                    }
                    read_at = Instant::now();
                }
                () = upstream.level_changed.notified() => send_level(&shared, &upstream).await,
            }
        }
    };
    upstream.over.run_until_cancelled(work).await;
}

/// Asks the server for log lines of the least severe level that any of its clients wants.
async fn send_level(shared: &Shared, upstream: &Upstream) {
    let mut least: Option<usize> = None;
    shared.each_session_of(upstream, |session| {
        if let Some(level) = session.log_level() {
            least = Some(least.map_or(level, |it| it.min(level)));
        }
    });
    if let Some(level) = least {
        let mut params = Object::default();
        params.set_text("level", LOG_LEVELS[level]);
        ask(shared, upstream, "logging/setLevel", &params).await;
    }
}

/// Returns what clients were told of in a former conversation with the server.
fn subscribed_before(shared: &Shared, upstream: &Upstream) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    shared.each_session_of(upstream, |it| it.subscriptions(upstream.server, &mut all));
    all
}

/// Asks a server for something that it need not have.
async fn ask(shared: &Shared, upstream: &Upstream, method: &str, params: &Object<'_>) {
    let request = Request {
        method,
        params: Some(params),
        origin: Origin::Own,
        timeout: shared.settings.list_timeout,
        cancel: None,
    };
    let refused = match upstream.request(request).await {
        Ok(Ok(_)) => return,
        Ok(Err(error)) => error.to_string(),
        Err(err) => err.to_string(),
    };
    tracing::debug!(server.slug = %upstream.slug, method, reason = refused, "Server did not do what clients want");
}

/// Reads the lists of a server again, whether or not it says that they changed.
pub(crate) async fn refresh_now(
    shared: &Arc<Shared>,
    upstream: &Arc<Upstream>,
) -> Result<(), CallError> {
    // The first reading is under way where there was none.
    if upstream
        .reading
        .read
        .try_lock()
        .is_ok_and(|it| it.is_some())
    {
        upstream.reading.changes.fetch_add(1, Ordering::AcqRel);
    }
    refresh(shared, upstream).await
}

/// Reads the lists that a server has, stores them, and tells the clients what changed.
async fn refresh(shared: &Arc<Shared>, upstream: &Arc<Upstream>) -> Result<(), CallError> {
    let mut read_before = upstream.reading.read.lock().await;
    let changes = upstream.reading.changes.load(Ordering::Acquire);
    if *read_before == Some(changes) {
        return Ok(());
    }
    let refreshed = refresh_all(shared, upstream).await;
    if refreshed.is_ok() {
        *read_before = Some(changes);
    }
    upstream.reading.tried.send_replace(changes + 1);
    refreshed
}

/// Waits until what a server says of its tools now is in the table: in a new conversation, and when
/// it has said that they changed. A server that does not tell is not waited for long.
pub(crate) async fn catch_up(shared: &Shared, upstream: &Upstream) {
    let limit = shared.settings.list_wait;
    let caught_up = timeout(limit, upstream.reading.catch_up());
    if let Some(Err(_elapsed)) = upstream.over.run_until_cancelled(caught_up).await {
        tracing::debug!(server.slug = %upstream.slug, "Server called whose lists are not read yet");
    }
}

async fn refresh_all(shared: &Arc<Shared>, upstream: &Arc<Upstream>) -> Result<(), CallError> {
    let mut by_kind = BTreeMap::new();
    by_kind.insert(ListKind::Initialize, Arc::from(upstream.initialize.clone()));
    for kind in [
        ListKind::Tools,
        ListKind::Resources,
        ListKind::ResourceTemplates,
        ListKind::Prompts,
    ] {
        let (_, _, capability) = kind.method();
        if !has_capability(&upstream.initialize, capability) {
            continue;
        }
        match read(shared, upstream, kind).await {
            Ok(list) => {
                by_kind.insert(kind, Arc::from(list));
            }
            // Servers that have resources need not have templates.
            Err(CallError::Server { .. }) if kind != ListKind::Tools => {}
            Err(err) => return Err(err),
        }
    }
    let lists = ServerLists { by_kind };
    if shared.wants_lists(upstream, &lists) {
        // Pinned before it is shown, so that no client sees what will be kept away.
        let pins = shared.records.lists_read(upstream.server, &lists).await;
        let changed = shared.replace_lists(upstream, lists, pins);
        tell(shared, &upstream.slug, &changed);
        shared.records.server_changed(upstream.server);
    }
    Ok(())
}

/// Reads all pages of one list.
async fn read(
    shared: &Shared,
    upstream: &Upstream,
    kind: ListKind,
) -> Result<Box<RawValue>, CallError> {
    let (method, key, _) = kind.method();
    let settings = &shared.settings;
    let too_much = |limit: usize, name: &str| CallError::Lost {
        server: upstream.slug.clone(),
        reason: format!("its answers to `{method}` are more than `{name}` = {limit} allows"),
    };
    let mut entries = String::from("[");
    let mut count = 0;
    let mut cursor: Option<Box<RawValue>> = None;
    for _page in 0..settings.list_pages_max {
        let params = cursor.take().map(|it| {
            let mut params = Object::default();
            params.set("cursor", it);
            params
        });
        let request = Request {
            method,
            params: params.as_ref(),
            origin: Origin::Own,
            timeout: settings.list_timeout,
            cancel: None,
        };
        let result = upstream.request(request).await?;
        let result = result.map_err(|error| CallError::Server { error })?;
        let not_understood = |err: serde_json::Error| CallError::Lost {
            server: upstream.slug.clone(),
            reason: format!("its answer to `{method}` is not understood: {err}"),
        };
        let page = Object::parse(&result).map_err(not_understood)?;
        if let Some(array) = page.get(key) {
            for entry in elements(array).map_err(not_understood)? {
                if count != 0 {
                    entries.push(',');
                }
                count += 1;
                entries.push_str(entry.get());
                if settings.list_entries_max < count {
                    return Err(too_much(settings.list_entries_max, "list_entries_max"));
                }
                if settings.list_bytes_max < entries.len() {
                    return Err(too_much(settings.list_bytes_max, "list_bytes_max"));
                }
            }
        }
        cursor = page
            .get("nextCursor")
            .filter(|it| it.get() != "null")
            .map(ToOwned::to_owned);
        if cursor.is_none() {
            entries.push(']');
            return RawValue::from_string(entries).map_err(not_understood);
        }
    }
    Err(too_much(settings.list_pages_max, "list_pages_max"))
}

fn has_capability(initialize: &RawValue, name: &str) -> bool {
    let result = Object::parse(initialize).ok();
    let capabilities = result.and_then(|it| it.read::<Box<RawValue>>("capabilities"));
    capabilities.is_some_and(|it| Object::parse(&it).is_ok_and(|it| it.get(name).is_some()))
}

/// Takes a notification of a server.
pub(crate) fn take_notification(
    shared: &Arc<Shared>,
    upstream: &Arc<Upstream>,
    method: &str,
    params: Option<&RawValue>,
    related: Option<u64>,
) {
    match method {
        "notifications/progress" => progress(upstream, params),
        "notifications/message" => log(shared, upstream, params, related),
        "notifications/resources/updated" => updated(shared, upstream, params),
        "notifications/cancelled" => crate::questions::cancelled(upstream, params),
        "notifications/tools/list_changed"
        | "notifications/resources/list_changed"
        | "notifications/prompts/list_changed" => {
            upstream.reading.note_change();
        }
        _ => {
            let message: Bytes = message::notification(method, params).into();
            for listener in listeners(shared, upstream, related) {
                // What does not fit is dropped: the client is not waited for.
                let _sent = listener.send(message.clone(), Unread::Keep);
            }
        }
    }
}

fn progress(upstream: &Upstream, params: Option<&RawValue>) {
    let Some(mut object) = params.and_then(|it| Object::parse(it).ok()) else {
        return;
    };
    let id = object.read::<u64>("progressToken");
    let Some((origin, token)) = id.and_then(|id| upstream.progress(id)) else {
        return;
    };
    object.set("progressToken", token);
    let params = object.to_raw();
    match origin {
        Origin::Client(route) => {
            let message = message::notification("notifications/progress", Some(&params));
            // A client that does not read may miss progress.
            let _sent = route.send(message.into(), Unread::Drop);
        }
        Origin::Turn(route) => route.tell_progress(params),
        Origin::Person | Origin::Own => {}
    }
}

fn log(shared: &Shared, upstream: &Upstream, params: Option<&RawValue>, related: Option<u64>) {
    let level = params.and_then(|it| Object::parse(it).ok()?.text("level"));
    let level = level.unwrap_or_default();
    let message: Bytes = message::notification("notifications/message", params).into();
    for listener in listeners(shared, upstream, related) {
        if listener.session().wants_log(&level) {
            // A client that does not read may miss log lines.
            let _sent = listener.send(message.clone(), Unread::Drop);
        }
    }
}

fn updated(shared: &Shared, upstream: &Upstream, params: Option<&RawValue>) {
    let Some(uri) = params.and_then(|it| Object::parse(it).ok()?.text("uri")) else {
        return;
    };
    let message: Bytes = message::notification("notifications/resources/updated", params).into();
    shared.each_session_of(upstream, |session| {
        if session.is_subscribed(upstream.server, &uri) {
            // A client that does not read may miss that something changed.
            let _sent = session.send(message.clone(), Unread::Keep);
        }
    });
}

/// Tells the clients that may use a server which of its lists changed.
pub(crate) fn tell(shared: &Shared, server: &ServerSlug, changed: &[ListKind]) {
    let methods: Vec<&'static str> = changed.iter().filter_map(|it| it.changed()).collect();
    if methods.is_empty() {
        return;
    }
    shared.sessions.each(|session| {
        if session.may_hear(server) {
            session.send_changed(&methods);
        }
    });
}

/// A way to a client: with one of its requests, or beside them.
enum Listener {
    Request(Route),
    Session(Arc<Session>),
}

impl Listener {
    fn session(&self) -> &Session {
        match self {
            Self::Request(route) => &route.session,
            Self::Session(session) => session,
        }
    }

    fn send(&self, message: Bytes, unread: Unread) -> bool {
        match self {
            Self::Request(route) => route.send(message, unread),
            Self::Session(session) => session.send(message, unread),
        }
    }
}

/// Returns who hears what a server says: the client with requests under way, or else all that share
/// the conversation. Where those are several people, it cannot be told whose affairs it is about,
/// and nobody hears it.
fn listeners(shared: &Shared, upstream: &Upstream, related: Option<u64>) -> Vec<Listener> {
    match upstream.asked(related) {
        Asked::Client(route) => return vec![Listener::Request(route)],
        // It belongs to a request that nobody waits for any more.
        Asked::Nobody if related.is_some() => return Vec::new(),
        Asked::Person | Asked::Turn(_) => return Vec::new(),
        Asked::Nobody | Asked::Several => {}
    }
    let mut all: Vec<Arc<Session>> = Vec::new();
    shared.each_session_of(upstream, |it| all.push(it.clone()));
    let is_one_persons = all
        .windows(2)
        .all(|pair| pair[0].principal == pair[1].principal);
    if !is_one_persons {
        return Vec::new();
    }
    all.into_iter().map(Listener::Session).collect()
}

impl Shared {
    /// Does something with each session whose client shares a conversation.
    fn each_session_of(&self, upstream: &Upstream, mut act: impl FnMut(&Arc<Session>)) {
        self.sessions.each(|session| {
            let shares = match &upstream.isolation {
                IsolationKey::Shared => true,
                IsolationKey::Principal(name) => session.principal == *name,
            };
            if shares && session.may_hear(&upstream.slug) {
                act(session);
            }
        });
    }

    /// Whether a client waits to hear of changes of one of the server's resources.
    pub(crate) fn is_subscribed(&self, upstream: &Upstream) -> bool {
        let mut is_subscribed = false;
        self.each_session_of(upstream, |it| {
            is_subscribed |= it.has_subscription(upstream.server);
        });
        is_subscribed
    }

    /// Whether another client than that of `session` waits to hear of the resource `uri`.
    pub(crate) fn is_wanted_by_others(
        &self,
        upstream: &Upstream,
        session: &Arc<Session>,
        uri: &str,
    ) -> bool {
        let mut is_wanted = false;
        self.each_session_of(upstream, |it| {
            let is_other = !Arc::ptr_eq(it, session);
            is_wanted |= is_other && it.is_subscribed(upstream.server, uri);
        });
        is_wanted
    }
}
