//! All servers as one: the tool table, the sessions of clients, the connections to servers, and the
//! one way to call a tool.
//!
//! ```text
//! client ──post──> dispatch ──> Gateway::call ──> pool ──> Upstream ──> server's process
//!            │         │             │              │          │
//!        Session     Table         policy       single-flight  pending requests, by our numbers
//!            ^                                                 │
//!            └──── progress, log lines, questions: by the call they belong to ────┘
//! ```
//!
//! A client's session is ours and a server's is a cache of ours: a server may stop, start again or
//! never have run, and no client notices but by the time its call takes. Lists are answered from the
//! [`table`], whose content comes from the store, so a server that hangs changes nothing in them.
//!
//! One [`upstream`] is one conversation with one server for one isolation key. Its requests have
//! numbers of ours; the client's own identifiers never leave its session, so that two clients that
//! both use 1 cannot meet.
//!
//! **Invariant:** there is one way to call a tool, [`Gateway::call`], whoever asks. What decides is
//! one function, [`policy::decide`], and lists and calls both ask it.
//!
//! **Invariant:** nothing here knows HTTP status codes, SQL or containers. A connection comes from
//! [`Connect`], and what is to be remembered goes to [`Records`].
//!
//! **Invariant:** what has gone out to a server is never sent again by itself; what has not, or what
//! the server says it has not taken, is sent once more.
//!
//! **Invariant:** what a server asks or tells reaches the client whose call it belongs to. Where that
//! cannot be told, a question is refused, and what is told is kept from all but one person's clients.
//!
//! **Invariant:** no client waits for another: what goes to a client goes into a bounded queue of
//! its own, and what does not fit is dropped (a notification) or fails (a question).

mod activity;
mod call;
mod conversation;
mod dispatch;
mod error;
mod lists;
mod policy;
mod pool;
mod questions;
mod reply;
mod requests;
mod session;
mod settings;
mod table;
mod upstream;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use domain::{IsolationKey, PrincipalName, ServerId, ServerSlug, TokenId};
use serde_json::value::RawValue;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use crate::call::{CallOutcome, CallTarget};
pub use crate::dispatch::{Post, PostReply, Refusal, Scope};
pub use crate::error::CallError;
pub use crate::lists::ListKind;
pub use crate::pool::UpstreamState;
pub use crate::settings::Settings;
pub use crate::table::{ServerLists, ServerView, ToolView};
use crate::{pool::Pool, session::Sessions, table::Table, upstream::Upstream};

/// Opens conversations with servers. `orchestrator` fills this.
#[async_trait]
pub trait Connect: Send + Sync {
    /// Makes `server` run for `isolation` if it does not, and opens a conversation with it.
    ///
    /// Cancel safe: when the future is dropped nothing is left but a sandbox that nobody wants.
    async fn connect(
        &self,
        server: ServerId,
        isolation: &IsolationKey,
    ) -> Result<Connection, ConnectError>;
}

/// An open conversation.
pub struct Connection {
    pub outbox: Box<dyn mcp::transport::Outbox>,
    pub inbox: Box<dyn mcp::transport::Inbox>,
    /// Keeps what the conversation runs on; dropped when it is over.
    pub lease: Box<dyn Send + Sync>,
}

/// Why a server cannot be reached. The text is for people and says what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct ConnectError {
    pub reason: String,
}

/// Remembers what happens. `orchestrator` fills this.
#[async_trait]
pub trait Records: Send + Sync {
    /// Writes down that a call is about to be made, durably, before it takes effect. It is asked
    /// for calls of tools that are not marked read-only.
    async fn before_call(&self, call: &CallRecord) -> Result<(), String>;

    /// Notes how a call ended. It may hold the caller back, and loses nothing.
    async fn after_call(&self, call: CallRecord, outcome: CallEnd);

    /// Stores the lists of a server that were read from it just now.
    async fn lists_read(&self, server: ServerId, lists: &ServerLists);

    /// Notes that [`Gateway::upstreams`] of a server may be others than before. It must not wait.
    fn conversation_changed(&self, server: ServerId);
}

/// A call, for whoever reads the audit.
#[derive(Debug, Clone)]
pub struct CallRecord {
    pub principal: PrincipalName,
    pub token: Option<TokenId>,
    pub server: ServerId,
    pub slug: ServerSlug,
    pub tool: String,
    /// `allowed`, or why not.
    pub decision: String,
    pub request_bytes: u64,
}

/// How a call ended.
#[derive(Debug, Clone)]
pub struct CallEnd {
    /// `ok`, `tool_error`, or what failed.
    pub outcome: String,
    pub duration_ms: u64,
    pub response_bytes: u64,
}

/// The gateway. Cheap to clone: every clone is the same one.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) connect: Arc<dyn Connect>,
    pub(crate) records: Arc<dyn Records>,
    pub(crate) table: ArcSwap<Table>,
    /// What the table is made of; whoever changes it swaps the table.
    views: Mutex<BTreeMap<ServerId, Arc<ServerView>>>,
    pub(crate) sessions: Sessions,
    pub(crate) pool: Pool,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
}

impl Gateway {
    /// Makes a gateway without servers. Its tasks run on `tasks` and end with `shutdown`.
    pub fn new(
        settings: Settings,
        connect: Arc<dyn Connect>,
        records: Arc<dyn Records>,
        tasks: TaskTracker,
        shutdown: CancellationToken,
    ) -> Self {
        let shared = Arc::new(Shared {
            sessions: Sessions::new(settings),
            settings,
            connect,
            pool: Pool::new(records.clone()),
            records,
            table: ArcSwap::default(),
            views: Mutex::default(),
            tasks,
            shutdown,
        });
        shared.tasks.spawn(session::expire(shared.clone()));
        Self { shared }
    }

    /// Adds a server, or replaces what is known of it. `view.lists` of `None` keeps the lists that
    /// there are. Where the generation is another, conversations with the server are ended.
    pub fn put_server(&self, view: ServerView) {
        let id = view.id;
        let slug = view.slug.clone();
        let (is_stale, former_slug, changed) = self.shared.change_views(|views| {
            let former = views.get(&id);
            let is_stale = former.is_some_and(|it| it.generation != view.generation);
            let former_slug = former.map(|it| it.slug.clone());
            let former_slug = former_slug.filter(|it| *it != view.slug);
            let former_lists = former.and_then(|it| it.lists.clone());
            let lists = view.lists.clone().or_else(|| former_lists.clone());
            // A server that has another name has other tools.
            let known = former_lists.as_ref().filter(|_| former_slug.is_none());
            let changed = lists.as_ref().map(|it| it.differences(known));
            views.insert(id, Arc::new(ServerView { lists, ..view }));
            (is_stale, former_slug, changed.unwrap_or_default())
        });
        // What goes on under the former name would be shown to whom the new one is hidden from.
        if is_stale || former_slug.is_some() {
            self.shared.pool.end_server(id, "its settings were changed");
        }
        for slug in [Some(slug), former_slug].iter().flatten() {
            lists::tell(&self.shared, slug, &changed);
        }
    }

    /// Forgets a server and ends the conversations with it.
    pub fn remove_server(&self, id: ServerId) {
        let removed = self.shared.change_views(|views| views.remove(&id));
        self.shared
            .pool
            .end_server(id, "it was removed or switched off");
        if let Some(removed) = removed
            && let Some(lists) = &removed.lists
        {
            lists::tell(&self.shared, &removed.slug, &lists.differences(None));
        }
    }

    /// Tells how the conversations with `id` stand, one for each isolation key.
    pub fn upstreams(&self, id: ServerId) -> Vec<UpstreamState> {
        self.shared.pool.states(id)
    }

    /// Ends the conversations with `id`; the next call begins a new one at once.
    pub fn restart_server(&self, id: ServerId) {
        self.shared.pool.end_server(id, "it is being restarted");
    }

    /// Begins a conversation with `slug` if there is none, on behalf of `principal`, and reads its
    /// lists.
    pub async fn refresh(
        &self,
        slug: &ServerSlug,
        principal: &PrincipalName,
    ) -> Result<(), CallError> {
        let table = self.shared.table.load_full();
        let entry = table
            .server(slug)
            .ok_or_else(|| CallError::unknown_server(slug))?;
        let (_, upstream) = pool::get(&self.shared, entry, principal).await?;
        lists::refresh_now(&self.shared, &upstream).await
    }

    /// Returns the tools that `caller` may see, with the names that `/mcp` advertises.
    pub fn tools(&self, caller: &domain::Caller) -> Vec<ToolView> {
        let table = self.shared.table.load_full();
        table.tool_views(caller)
    }

    /// Returns how many sessions of clients there are.
    pub fn sessions(&self) -> usize {
        self.shared.sessions.len()
    }
}

impl Shared {
    fn change_views<R>(
        &self,
        change: impl FnOnce(&mut BTreeMap<ServerId, Arc<ServerView>>) -> R,
    ) -> R {
        let mut views = self
            .views
            .lock()
            .expect("no code panics while it holds the lock");
        let result = change(&mut views);
        // Swapped under the lock, so that a later change is never overwritten by an earlier one.
        self.table
            .store(Arc::new(Table::new(views.values(), &self.table.load())));
        result
    }

    /// Puts lists that were read just now in the place of the former ones. Returns what changed.
    pub(crate) fn replace_lists(&self, upstream: &Upstream, lists: ServerLists) -> Vec<ListKind> {
        self.change_views(|views| {
            let view = views.get_mut(&upstream.server);
            // What a conversation by former settings has read is not true any more.
            let Some(view) = view.filter(|it| it.generation == upstream.generation) else {
                return Vec::new();
            };
            let changed = lists.differences(view.lists.as_ref());
            if !changed.is_empty() {
                *view = Arc::new(ServerView {
                    lists: Some(lists),
                    ..ServerView::clone(view)
                });
            }
            changed
        })
    }
}

/// Returns what two sessions or servers never share: 128 bits of chance as hexadecimal digits.
pub(crate) fn random_id() -> String {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

/// A JSON value of ours in the place of one that was sent.
pub(crate) fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).expect("`{}` is valid JSON")
}

#[cfg(test)]
mod tests;
