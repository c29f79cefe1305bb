//! The use cases of the system: add a server, install it, run it, let a client call it.
//!
//! This is the only crate that knows all the parts. It reads what should be from the store, tells
//! the parts what to do, and writes down what came of it. The parts do not know each other; where
//! one needs another's service, it owns a small trait, and that is filled here.
//!
//! ```text
//! server, cli ──> Orchestrator ──> store            (what is wanted)
//!                      │  └──────> Directory        (the rows in memory, made anew after each change)
//!                      │
//!   install jobs ──────┼──> Wants ──> reconciler ──> sandbox ──> containers
//!   gateway::Connect ──┘        (leases)                  │
//!                                                    line::Line ──> processes, egress
//! ```
//!
//! * [`Directory`] is what everybody looks at while the program runs.
//! * `wants` are leases on sandboxes: of the gateway's conversations and of install jobs. The
//!   reconciler makes true what is wanted and is the only one that makes or removes a container.
//! * `install` turns a package into a volume, step by step, each of them in the store.
//! * `providers` are the places at which models are asked, with what they have said that they have.
//! * `runs` takes what people say in chats to models, and models' calls to the gateway.
//! * `built_in` is the program's own MCP server, for which these use cases are tools.
//! * [`EventBus`] is where it is told what has changed, for whoever looks. Nothing in here listens.
//!
//! **Invariant:** nothing in here knows HTTP, WebSockets or the terminal. A use case takes domain
//! types and returns domain types, so that the server, the CLI and the desktop shell share it.
//!
//! **Invariant:** there is one way to make a sandbox run, a lease, and one who makes it, the
//! reconciler.
//!
//! **Invariant:** a secret in clear exists between the vault and what it is for (the message that
//! opens a process's stream, a request to a server or a model elsewhere), and nowhere else.

mod access;
mod approvals;
mod audit;
mod built_in;
mod calls;
mod chat_tools;
mod chats;
mod connect;
mod directory;
mod doctor;
mod egress_door;
mod error;
mod events;
mod image;
mod install;
mod logs;
mod memories;
mod news;
mod pins;
mod policy;
mod providers;
mod reach;
mod reconciler;
mod records;
mod reviews;
mod runs;
mod servers;
mod settings;
mod status;
mod usage;
mod wants;

use std::sync::{Arc, OnceLock, atomic::AtomicU64};

use domain::{Clock, Timestamp};
use gateway::Gateway;
use sandbox::Sandbox;
use store::{AuditQueue, Store};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use crate::access::{CreatedToken, NewClient};
pub use crate::approvals::{ApprovalDecision, ApprovalDetails, ApprovalVerdict};
pub use crate::audit::{AuditEntry, AuditExport, AuditSearch};
pub use crate::calls::ToolTarget;
pub use crate::chat_tools::{ChatToolView, TOOLS_CHOSEN_MAX, ToolSelection};
pub use crate::chats::{BeginChat, chat_status};
pub use crate::directory::{Directory, Row};
pub use crate::doctor::{Finding, FindingLevel};
pub use crate::egress_door::egress_for;
pub use crate::error::Error;
pub use crate::events::{Delivery, Event, EventBus, EventPosition, EventSubscription, Published};
pub use crate::image::{ImageDetails, ImageState};
pub use crate::logs::{LogLine, LogStream};
pub use crate::memories::{MEMORY_NAME_CHARS_MAX, MEMORY_VALUE_BYTES_MAX};
pub use crate::policy::{
    GrantDetails, LookedAt, NewRule, PinnedDefinition, ToldDefinition, ToolReview, ToolState,
};
pub use crate::providers::{
    AddProvider, ChosenModel, DEMO_NAME, ProviderChange, ProviderDetails, ProviderHealth,
    ProviderModels,
};
pub use crate::reach::Reach;
pub use crate::reviews::{FieldChange, HiddenInField};
pub use crate::runs::{
    ChatMessages, MessageContent, MessagePart, MessageView, NumberedEvent, RunReader, RunView,
    SendMessage, Sent,
};
pub use crate::servers::{
    AddServer, LimitsEdit, Sealed, ServerChange, ServerDetails, ServerEdit, ServerSummary,
};
pub use crate::settings::{Registries, Settings};
pub use crate::status::ServerStatus;
pub use crate::usage::ServerUsage;
use crate::{
    install::Installer, news::News, providers::Listings, reconciler::Statuses, wants::Wants,
};
pub use agent::{
    BaseUrlError, Candidate, ElicitationAction, Found, ModelError, ModelErrorKind, ModelInfo,
    ProviderKind, TestReport, base_url as model_server_url, candidates as usual_model_servers,
    discover as find_model_servers, estimate_text, ui,
};
pub use store::{
    ApprovalState, AuditFilter, AuditFrom, AuditRow, ChatChange, GrantScope, InstallState,
    InstallStep, Memory, MemorySet, ModelDefault, StepState, StoredApproval, StoredChat,
    StoredGrant, StoredInstall, StoredRun, StoredToken, ToolsDefault,
};

/// What the system is made of. Only `cli` makes it.
pub struct Parts {
    pub settings: Settings,
    pub store: Store,
    pub audit: AuditQueue,
    pub vault: auth::Vault,
    pub sandbox: Arc<dyn Sandbox>,
    pub directory: Arc<Directory>,
    pub clock: Arc<dyn Clock>,
    /// Makes the clients for servers and models, each when it is first used: some take milliseconds
    /// that a start should not.
    pub http: Box<dyn Fn(Reach) -> reqwest::Client + Send + Sync>,
    pub gateway: gateway::Settings,
    pub tasks: TaskTracker,
    pub shutdown: CancellationToken,
}

/// The running system. Cheap to clone: every clone is the same system.
#[derive(Clone)]
pub struct Orchestrator {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) audit: AuditQueue,
    pub(crate) vault: auth::Vault,
    pub(crate) sandbox: Arc<dyn Sandbox>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) wants: Arc<Wants>,
    pub(crate) statuses: Statuses,
    pub(crate) events: EventBus,
    pub(crate) news: News,
    pub(crate) installer: Installer,
    pub(crate) http: Box<dyn Fn(Reach) -> reqwest::Client + Send + Sync>,
    /// For each [`Reach`].
    pub(crate) http_clients: [OnceLock<reqwest::Client>; 3],
    pub(crate) listings: Listings,
    pub(crate) making_image: image::Making,
    pub(crate) gateway: OnceLock<Gateway>,
    /// One change of the rows at a time: each begins from what the one before has left.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// One change of the directory at a time.
    pub(crate) syncing: tokio::sync::Mutex<()>,
    /// One change of memories at a time.
    pub(crate) remembering: tokio::sync::Mutex<()>,
    /// It is told of one chat at a time.
    pub(crate) telling_chats: tokio::sync::Mutex<()>,
    pub(crate) used_tokens: access::UsedTokens,
    pub(crate) approvals: approvals::Waiters,
    pub(crate) runs: runs::Runs,
    pub(crate) change_notes: pins::ChangeNotes,
    /// How often it was looked up what people have agreed to.
    pub(crate) pin_looks: AtomicU64,
    /// Where the UI is, for people.
    address: OnceLock<String>,
    /// Told when a token or a browser's session is no longer good.
    pub(crate) revoked: watch::Sender<()>,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
}

impl Orchestrator {
    /// Starts the system: reads what there is, goes on with installs that were interrupted, and
    /// begins to reconcile. The background work ends with the parts' `shutdown`.
    pub async fn start(parts: Parts) -> Result<Self, Error> {
        let shared = Shared::new(parts);
        let tasks = shared.tasks.clone();
        policy::load(&shared).await?;
        let unknown = directory::load(&shared).await?;
        tasks.spawn(reconciler::run(shared.clone()));
        tasks.spawn(access::keep_last_used(shared.clone()));
        tasks.spawn(records::keep_bounded(shared.clone()));
        tasks.spawn(approvals::keep_bounded(shared.clone()));
        tasks.spawn(news::publish(shared.clone()));
        tasks.spawn(providers::keep_looking(shared.clone()));
        install::resume(&shared).await?;
        runs::recover(&shared).await?;
        let this = Self { shared };
        for slug in unknown {
            this.look_at(slug);
        }
        Ok(this)
    }

    /// Returns the gateway, through which all calls go.
    pub fn gateway(&self) -> &Gateway {
        self.shared.gateway()
    }

    /// Returns where it is told what happens.
    pub fn events(&self) -> &EventBus {
        &self.shared.events
    }

    /// Notes where the UI is, for instance `http://127.0.0.1:3000`, so that people can be sent there.
    pub fn set_address(&self, address: &str) {
        // The first one holds: the program has one UI.
        let _set = self.shared.address.set(address.to_owned());
    }

    /// Returns what the program is set to, for people.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }
}

impl Shared {
    fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            settings,
            store,
            audit,
            vault,
            sandbox,
            directory,
            clock,
            http,
            gateway: gateway_settings,
            tasks,
            shutdown,
        } = parts;
        let events = EventBus::new(
            clock.clone(),
            settings.events_kept_max,
            settings.events_kept_bytes_max,
        );
        let runs = runs::Runs::new(settings.runs_max);
        let shared = Arc::new(Self {
            settings,
            store,
            audit,
            vault,
            sandbox,
            directory,
            clock,
            wants: Arc::default(),
            statuses: Statuses::default(),
            events,
            news: News::default(),
            installer: Installer::default(),
            http,
            http_clients: [const { OnceLock::new() }; 3],
            listings: Listings::default(),
            making_image: image::Making::default(),
            gateway: OnceLock::new(),
            changing: tokio::sync::Mutex::default(),
            syncing: tokio::sync::Mutex::default(),
            remembering: tokio::sync::Mutex::default(),
            telling_chats: tokio::sync::Mutex::default(),
            used_tokens: access::UsedTokens::default(),
            approvals: approvals::Waiters::default(),
            runs,
            change_notes: pins::ChangeNotes::default(),
            pin_looks: AtomicU64::default(),
            address: OnceLock::new(),
            revoked: watch::Sender::default(),
            tasks: tasks.clone(),
            shutdown: shutdown.clone(),
        });
        let gateway = Gateway::new(
            gateway_settings,
            Arc::new(connect::Connector::new(&shared)),
            Arc::new(records::GatewayRecords::new(&shared)),
            Arc::new(approvals::GatewayApprovals::new(&shared)),
            tasks.clone(),
            shutdown.clone(),
        );
        // The cell is new: nobody else has filled it.
        let _filled = shared.gateway.set(gateway);
        shared
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        self.gateway.get().expect("it is set before anything runs")
    }

    /// Returns where the UI is, without a slash at the end; a path where nobody has said so.
    pub(crate) fn address(&self) -> &str {
        self.address.get().map_or("", String::as_str)
    }

    pub(crate) fn later(&self, duration: std::time::Duration) -> Timestamp {
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Timestamp {
            unix_ms: self.now().unix_ms.saturating_add(ms),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn earlier(&self, duration: std::time::Duration) -> Timestamp {
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Timestamp {
            unix_ms: self.now().unix_ms.saturating_sub(ms),
        }
    }

    pub(crate) fn http_client(&self, reach: Reach) -> reqwest::Client {
        let client = &self.http_clients[reach as usize];
        client.get_or_init(|| (self.http)(reach)).clone()
    }
}

/// An error's message and those of all its sources, joined by colons.
pub(crate) fn error_chain(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(err) = source {
        text.push_str(": ");
        text.push_str(&err.to_string());
        source = err.source();
    }
    text
}

/// As [`error_chain`], with what a person can do about it.
pub(crate) fn sandbox_error(err: &sandbox::SandboxError) -> String {
    let chain = error_chain(err);
    match err.hint() {
        Some(hint) => format!("{chain}; {hint}"),
        None => chain,
    }
}

#[cfg(test)]
mod tests;
