//! Reading a server's lists, and telling clients when they change.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use mcp::{
    Object, message,
    object::{elements, raw},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    CallError, Scope, ServerLists, Shared,
    session::{Route, Session},
    upstream::{Request, Upstream},
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
        let text = |lists: Option<&Self>, kind: ListKind| {
            lists
                .and_then(|it| it.by_kind.get(&kind))
                .map(|it| it.get().to_owned())
        };
        let is_other = |kind: &ListKind| text(Some(self), *kind) != text(former, *kind);
        ListKind::ALL.into_iter().filter(is_other).collect()
    }
}

/// Reads the lists that a server has, stores them, and tells the clients what changed.
pub(crate) async fn refresh(
    shared: &Arc<Shared>,
    upstream: &Arc<Upstream>,
) -> Result<(), CallError> {
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
    let changed = shared.replace_lists(upstream.server, lists.clone());
    if !changed.is_empty() {
        shared.records.lists_read(upstream.server, &lists).await;
        tell(shared, upstream, &changed);
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
        reason: format!("its answers to `{method}` have more than {limit} of what `{name}` bounds"),
    };
    let mut entries = String::from("[");
    let mut count = 0;
    let mut cursor: Option<Box<RawValue>> = None;
    for _page in 0..settings.list_pages_max {
        let params = cursor
            .as_ref()
            .map(|it| raw(&serde_json::json!({ "cursor": it })));
        let request = Request {
            method,
            params: params.as_deref(),
            route: None,
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
            let (shared_, upstream_) = (shared.clone(), upstream.clone());
            shared.tasks.spawn(async move {
                if let Err(err) = refresh(&shared_, &upstream_).await {
                    tracing::warn!(server.slug = %upstream_.slug, reason = %err, "Lists of a server not read");
                }
            });
        }
        _ => {
            let message: Bytes = message::notification(method, params).into();
            for route in listeners(shared, upstream, related) {
                // What a client does not read is not kept for it.
                let _sent = route.send(message.clone());
            }
        }
    }
}

fn progress(upstream: &Upstream, params: Option<&RawValue>) {
    let Some(mut object) = params.and_then(|it| Object::parse(it).ok()) else {
        return;
    };
    let id = object.read::<u64>("progressToken");
    let Some((route, token)) = id.and_then(|id| upstream.progress(id)) else {
        return;
    };
    object.set("progressToken", token);
    let message = message::notification("notifications/progress", Some(&object.to_raw()));
    // A client that does not read may miss progress.
    let _sent = route.send(message.into());
}

fn log(shared: &Shared, upstream: &Upstream, params: Option<&RawValue>, related: Option<u64>) {
    let level = params.and_then(|it| Object::parse(it).ok()?.text("level"));
    let level = level.unwrap_or_default();
    let message: Bytes = message::notification("notifications/message", params).into();
    for route in listeners(shared, upstream, related) {
        if route.session().wants_log(&level) {
            // A client that does not read may miss log lines.
            let _sent = route.send(message.clone());
        }
    }
}

fn updated(shared: &Shared, upstream: &Upstream, params: Option<&RawValue>) {
    let Some(uri) = params.and_then(|it| Object::parse(it).ok()?.text("uri")) else {
        return;
    };
    let message: Bytes = message::notification("notifications/resources/updated", params).into();
    for session in shared.sessions_of(upstream) {
        if session.is_subscribed(upstream.server, &uri) {
            // A client that does not read may miss that something changed.
            let _sent = session.send(message.clone());
        }
    }
}

/// Tells the clients that may use the server which of its lists changed.
fn tell(shared: &Shared, upstream: &Upstream, changed: &[ListKind]) {
    let mut methods: Vec<&str> = changed.iter().filter_map(|it| it.changed()).collect();
    methods.dedup();
    for session in shared.sessions.all() {
        if !session.scope.includes(&upstream.slug) {
            continue;
        }
        for method in &methods {
            // A client that does not read finds out when it lists again.
            let _sent = session.send(message::notification(method, None).into());
        }
    }
}

/// Tells all clients that the lists may have changed, because a server came or went.
pub(crate) fn tell_all(shared: &Shared) {
    for session in shared.sessions.all() {
        for kind in [ListKind::Tools, ListKind::Resources, ListKind::Prompts] {
            let Some(method) = kind.changed() else {
                continue;
            };
            // As in `tell`.
            let _sent = session.send(message::notification(method, None).into());
        }
    }
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

    fn send(&self, message: Bytes) -> bool {
        match self {
            Self::Request(route) => route.send(message),
            Self::Session(session) => session.send(message),
        }
    }
}

/// Returns who hears what belongs to no request: the clients with requests under way, or else all
/// that share the conversation.
fn listeners(shared: &Shared, upstream: &Upstream, related: Option<u64>) -> Vec<Listener> {
    let routes = upstream.routes(related);
    if !routes.is_empty() {
        return routes.into_iter().map(Listener::Request).collect();
    }
    let sessions = shared.sessions_of(upstream).into_iter();
    sessions.map(Listener::Session).collect()
}

impl Shared {
    /// Returns the sessions whose client shares a conversation.
    pub(crate) fn sessions_of(&self, upstream: &Upstream) -> Vec<Arc<Session>> {
        let mut all = self.sessions.all();
        all.retain(|it| {
            let shares = match &upstream.isolation {
                domain::IsolationKey::Shared => true,
                domain::IsolationKey::Principal(name) => it.belongs_to(name),
            };
            shares && matches_scope(&it.scope, upstream)
        });
        all
    }

    /// Whether a client waits to hear of changes of one of the server's resources.
    pub(crate) fn is_subscribed(&self, upstream: &Upstream) -> bool {
        let sessions = self.sessions_of(upstream);
        sessions
            .iter()
            .any(|it| !it.subscriptions(upstream.server).is_empty())
    }
}

fn matches_scope(scope: &Scope, upstream: &Upstream) -> bool {
    scope.includes(&upstream.slug)
}
