//! What is remembered: servers, their installs, lists and pinned tools, what people have decided
//! about calls, memories, chats with their runs, providers of models, sealed secrets, tokens, and the audit.
//!
//! ```text
//! DataDir ── lock, instance id ──┐
//!                                ├─> Store ──> SQLite (one writer, some readers) or PostgreSQL
//! migrations/{sqlite,postgres} ──┘     ^
//!                                      │ many rows per statement
//! a call ──> AuditQueue ──> AuditWriter
//! ```
//!
//! [`Store`] is one handle for both databases. A query is written once, with `$1` and with types
//! that both have (TEXT, BIGINT, BOOLEAN, bytes), and a macro runs it on the pool that there is; only
//! the tables are written twice. SQLite has one connection that writes, so that two writers wait in
//! line in this process and not in SQLite's busy loop.
//!
//! What is one change to a person is one transaction here, and it has its audit row in it.
//!
//! **Invariant:** nobody else speaks SQL, and nothing of the database (its types, its errors' kinds)
//! leaves this crate but as the source of a [`StoreError`].
//!
//! **Invariant:** no value in clear that must be secret is stored: secrets come sealed, tokens,
//! sessions and links as hashes.
//!
//! **Invariant:** a server's generation is never given twice, not even to another server.
//!
//! **Invariant:** an install is `ready` in the transaction that makes it its server's, and not
//! before.
//!
//! **Invariant:** an approval is decided once, a grant for one call is used once, and a tool's pin
//! changes only from the one that was expected, however many try at a time.
//!
//! **Invariant:** a chat has one run under way, and a run's events are written by one that knows the
//! last of them.
//!
//! **Invariant:** a database of a newer version is not written to.
//!
//! **Invariant:** this crate starts no task and no process, and reads no clock and no chance of its
//! own.

#[macro_use]
mod pools;
#[macro_use]
mod audit;
mod approvals;
mod audit_queue;
mod chat_tools;
mod chats;
mod data_dir;
mod error;
mod grants;
mod installs;
mod lists;
mod memories;
mod messages;
mod migrate;
mod model_defaults;
mod pins;
mod providers;
mod rules;
mod runs;
mod secrets;
mod server_secrets;
mod servers;
mod sessions;
mod step_log;
mod store;
mod tokens;

pub use crate::approvals::{
    APPROVALS_OPEN_MAX, APPROVALS_OPEN_OF_TOKEN_MAX, ApprovalFilter, ApprovalState, ApprovalsOf,
    Decided, Decision, NewApproval, StoredApproval, Verdict,
};
pub use crate::audit::{AuditEvent, AuditFilter, AuditFrom, AuditRow};
pub use crate::audit_queue::{AuditQueue, AuditSettings, AuditWriter};
pub use crate::chat_tools::{CHAT_TOOLS_MAX, ChatTool, ChatToolsSet, IfAlready};
pub use crate::chats::{
    CHATS_MAX, ChatChange, ChatFilter, ChatHit, NewChat, StoredChat, ToolsDefault,
};
pub use crate::data_dir::{DataDir, Holder};
pub use crate::error::StoreError;
pub use crate::grants::{GRANTS_MAX, GrantFilter, GrantScope, NewGrant, OnceUse, StoredGrant};
pub use crate::installs::{
    Consent, InstallState, InstallStep, NewInstall, Resolution, StepState, StoredInstall,
};
pub use crate::lists::{ListKind, ListsPut, StoredList};
pub use crate::memories::{MEMORY_NAME_BYTES_MAX, MEMORY_VALUE_BYTES_MAX, Memory, MemorySet};
pub use crate::messages::{
    MESSAGE_BYTES_MAX, MESSAGES_MAX, MessageNode, MessageState, NewMessage, QUEUED_MAX, Role,
    StoredMessage,
};
pub use crate::model_defaults::ModelDefault;
pub use crate::pins::{
    ApprovedTool, NewPin, PinInfo, PinsPut, StoredPin, ToolSetting, is_pinnable,
};
pub use crate::providers::{
    KeyChange, NewProvider, PROVIDERS_MAX, ProviderChange, ProviderKind, StoredProvider,
};
pub use crate::rules::RULES_MAX;
pub use crate::runs::{
    AnswerContent, Appended, Begun, NewRun, RUN_EVENT_BYTES_MAX, RUN_EVENTS_MAX, RunOf, RunState,
    RunUpdate, StoredRun, StoredRunEvent,
};
pub use crate::secrets::{NewSecret, SecretInfo, StoredSecret};
pub use crate::servers::{NewServer, StoredServer};
pub use crate::sessions::WebSession;
pub use crate::step_log::STEP_LOG_BYTES_MAX;
pub use crate::store::{DatabaseLocation, Store};
pub use crate::tokens::{NewToken, StoredToken, TokenKind};

#[cfg(test)]
mod tests;
