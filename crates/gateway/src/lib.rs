//! All servers as one: the tool table, the sessions of clients, the connections to servers, and the
//! one way to call a tool.
//!
//! ```text
//! client ──post──> dispatch ──> Gateway::call ──> pool ──> Upstream ──> server's process
//!            │         │             │              │          │
//!        Session     Table    policy, approval  single-flight  pending requests, by our numbers
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
//! one function, [`policy::decide`], and lists and calls both ask it. Where it says that a person is
//! asked, [`approval`] waits for the person, and then the function decides again.
//!
//! **Invariant:** a tool that says something else of itself than what was agreed to is neither listed
//! nor called.
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
mod approval;
mod call;
mod conversation;
mod dispatch;
mod error;
mod grants;
mod lists;
mod pins;
mod policy;
mod pool;
mod questions;
mod reply;
mod requests;
mod session;
mod settings;
mod table;
mod turn;
mod upstream;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, RwLock, RwLockWriteGuard},
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use domain::{
    Caller, ChatId, GrantId, IsolationKey, PolicyRule, PrincipalName, ServerId, ServerSlug,
    TokenId, ToolPin,
};
use serde_json::value::RawValue;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use crate::approval::{Approval, Approvals, AskedCall, OpenApproval, Verdict};
pub use crate::call::{CALLER_META, CallOutcome, CallTarget};
pub use crate::dispatch::{Post, PostReply, Refusal, Scope};
pub use crate::error::CallError;
pub use crate::grants::{Grant, GrantScope};
pub use crate::lists::ListKind;
pub use crate::pins::{PinnedTool, ServerPins};
pub use crate::policy::{Basis, Why};
pub use crate::pool::UpstreamState;
pub use crate::settings::Settings;
pub use crate::table::{ServerLists, ServerView, ToolView};
pub use crate::turn::{CallNews, CallQuestion};
use crate::{grants::Grants, pool::Pool, session::Sessions, table::Table, upstream::Upstream};

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

    /// Stores the lists of a server that were read from it just now, and returns what people have
    /// agreed to of its tools; the first list is pinned by this. `None` is what was known before.
    async fn lists_read(&self, server: ServerId, lists: &ServerLists) -> Option<Arc<ServerPins>>;

    /// Notes that [`Gateway::upstreams`] or [`Gateway::tools_of`] of a server may be others than before.
    /// It must not wait.
    fn server_changed(&self, server: ServerId);
}

/// A call, for whoever reads the audit.
#[derive(Debug, Clone)]
pub struct CallRecord {
    pub principal: PrincipalName,
    pub token: Option<TokenId>,
    pub chat: Option<ChatId>,
    pub server: ServerId,
    pub slug: ServerSlug,
    pub tool: String,
    pub pin: ToolPin,
    /// `allowed`, `denied`, or `asked` where nobody has approved it.
    pub decision: &'static str,
    /// By what rule or permission, or by whose consent.
    pub basis: Option<String>,
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
    pub(crate) approvals: Arc<dyn Approvals>,
    pub(crate) grants: RwLock<Grants>,
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
        approvals: Arc<dyn Approvals>,
        tasks: TaskTracker,
        shutdown: CancellationToken,
    ) -> Self {
        let shared = Arc::new(Shared {
            sessions: Sessions::new(settings),
            settings,
            connect,
            pool: Pool::new(records.clone()),
            records,
            approvals,
            grants: RwLock::default(),
            table: ArcSwap::default(),
            views: Mutex::default(),
            tasks,
            shutdown,
        });
        shared.tasks.spawn(session::expire(shared.clone()));
        Self { shared }
    }

    /// Adds a server, or replaces what is known of it. `None` for its lists or pins keeps those that
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
            let known = former.and_then(|it| it.pins.as_ref());
            let pins = ServerPins::later(known, view.pins.clone());
            views.insert(
                id,
                Arc::new(ServerView {
                    lists,
                    pins,
                    ..view
                }),
            );
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

    /// Notes what people have agreed to of a server's tools.
    pub fn set_pins(&self, id: ServerId, pins: Arc<ServerPins>) {
        let slug = self.shared.change_views(|views| {
            let view = views.get_mut(&id)?;
            *view = Arc::new(ServerView {
                pins: ServerPins::later(view.pins.as_ref(), Some(pins)),
                ..ServerView::clone(view)
            });
            Some(view.slug.clone())
        });
        if let Some(slug) = slug {
            lists::tell(&self.shared, &slug, &[ListKind::Tools]);
        }
    }

    /// Replaces the rules about tools.
    pub fn set_rules(&self, rules: Vec<PolicyRule>) {
        let slugs: Vec<ServerSlug> = {
            let views = self.shared.views();
            let former = self.shared.table.load();
            let table = Table::new(views.values(), rules.into(), &former);
            self.shared.table.store(Arc::new(table));
            views.values().map(|it| it.slug.clone()).collect()
        };
        for slug in slugs {
            lists::tell(&self.shared, &slug, &[ListKind::Tools]);
        }
    }

    /// Replaces the permissions that stand.
    pub fn set_grants(&self, grants: Vec<Grant>) {
        *self.shared.grants() = Grants::new(grants);
    }

    pub fn put_grant(&self, grant: Grant) {
        self.shared.grants().put(grant);
    }

    /// Takes a permission back. Calls that were made by it go on.
    pub fn remove_grant(&self, id: GrantId) {
        self.shared.grants().remove(id);
    }

    /// Takes back the permissions for a chat, which is gone.
    pub fn remove_grants_of_chat(&self, chat: ChatId) {
        self.shared.grants().remove_of_chat(chat);
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
    pub fn tools(&self, caller: &Caller) -> Vec<ToolView> {
        let table = self.shared.table.load_full();
        table.tool_views(caller)
    }

    /// Returns all tools that a server has now, those that are kept away included.
    pub fn tools_of(&self, id: ServerId) -> Vec<ToolView> {
        let table = self.shared.table.load_full();
        let Some(entry) = table.server_by_id(id) else {
            return Vec::new();
        };
        let all = entry.tools.iter();
        all.map(|it| it.view(&entry.view)).collect()
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
        let mut views = self.views();
        let result = change(&mut views);
        // Swapped under the lock, so that a later change is never overwritten by an earlier one.
        let former = self.table.load();
        let table = Table::new(views.values(), former.rules().clone(), &former);
        self.table.store(Arc::new(table));
        result
    }

    fn views(&self) -> MutexGuard<'_, BTreeMap<ServerId, Arc<ServerView>>> {
        let views = self.views.lock();
        views.expect("no code panics while it holds the lock")
    }

    fn grants(&self) -> RwLockWriteGuard<'_, Grants> {
        let grants = self.grants.write();
        grants.expect("no code panics while it holds the lock")
    }

    /// Whether lists that were read in a conversation would be taken, and are not those that there
    /// are.
    pub(crate) fn wants_lists(&self, upstream: &Upstream, lists: &ServerLists) -> bool {
        let views = self.views();
        let view = views.get(&upstream.server);
        view.is_some_and(|it| {
            let has_pins = it.pins.is_some();
            let is_other = !lists.differences(it.lists.as_ref()).is_empty();
            it.generation == upstream.generation && (is_other || !has_pins)
        })
    }

    /// Puts lists that were read just now in the place of the former ones. Returns what changed.
    pub(crate) fn replace_lists(
        &self,
        upstream: &Upstream,
        lists: ServerLists,
        pins: Option<Arc<ServerPins>>,
    ) -> Vec<ListKind> {
        self.change_views(|views| {
            let view = views.get_mut(&upstream.server);
            // What a conversation by former settings has read is not true any more.
            let Some(view) = view.filter(|it| it.generation == upstream.generation) else {
                return Vec::new();
            };
            let changed = lists.differences(view.lists.as_ref());
            *view = Arc::new(ServerView {
                lists: Some(lists),
                pins: ServerPins::later(view.pins.as_ref(), pins),
                ..ServerView::clone(view)
            });
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
