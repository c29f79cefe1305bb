//! Events as they are sent.

use orchestrator::{Event, Published};
use serde::Serialize;
use utoipa::ToSchema;

use crate::server_bodies::StateBody;

/// What is sent over `/api/v1/events`, each as one text frame.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum EventsFrame {
    /// The first frame. What was loaded after it, and the events that follow it, miss nothing.
    Hello {
        /// Names this run of the program.
        epoch: String,
        /// The events that follow have greater numbers.
        seq: u64,
    },
    /// Events were missed: everything has to be loaded again.
    Reload {
        epoch: String,
        /// The events that follow have greater numbers.
        seq: u64,
    },
    /// Something has happened.
    Event {
        /// Grows with each event. A gap is what concerns others.
        seq: u64,
        at_ms: u64,
        event: EventBody,
    },
}

/// What has happened.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum EventBody {
    /// A server was added, or stands otherwise than before.
    ServerChanged {
        id: String,
        slug: String,
        title: String,
        #[schema(value_type = StateBody)]
        status: &'static str,
        /// What is wrong, or what it waits for, in words.
        reason: Option<String>,
        enabled: bool,
        /// How many tools it has.
        tools: usize,
    },
    ServerRemoved {
        id: String,
        slug: String,
    },
    /// A server has other tools than before, or others of them may be used.
    ToolsChanged {
        server: String,
        slug: String,
        /// How many of them wait for somebody to look at them.
        quarantined: usize,
    },
    /// An installation, or one of its steps, is further than before.
    InstallChanged {
        server: String,
        install: String,
        /// From 1.
        attempt: u32,
        /// Of the whole: `pending`, `running`, `waiting_for_consent`, `ready` or `failed`.
        state: String,
        /// The step that it is about; none where it is about the whole.
        step: Option<InstallStepNewsBody>,
        /// Why it has failed.
        reason: Option<String>,
    },
    MemoryChanged {
        name: String,
        value: String,
        updated_at_ms: u64,
    },
    MemoryRemoved {
        name: String,
    },
    /// A call waits for a decision.
    ApprovalOpened {
        id: String,
        server: String,
        tool: String,
        /// The name of the client that called.
        client: Option<String>,
        /// The chat that the call was made in.
        chat: Option<String>,
        created_at_ms: u64,
        expires_at_ms: Option<u64>,
    },
    /// It was decided on, or it is too late to.
    ApprovalClosed {
        id: String,
        state: &'static str,
    },
    GrantChanged {
        id: String,
        revoked: bool,
    },
    ChatChanged {
        id: String,
        title: String,
        status: &'static str,
    },
    ChatRemoved {
        id: String,
    },
    RunChanged {
        chat: String,
        run: String,
        state: &'static str,
    },
    /// The rules about tools are others.
    PolicyChanged,
    /// Providers of models, or what is known of them, or the default model, are others.
    ProvidersChanged,
}

/// A step that has begun or ended.
#[derive(Serialize, ToSchema)]
pub(crate) struct InstallStepNewsBody {
    name: &'static str,
    /// `running`, `done` or `failed`.
    state: String,
}

impl From<&Published> for EventsFrame {
    fn from(published: &Published) -> Self {
        Self::Event {
            seq: published.seq,
            at_ms: published.at.unix_ms,
            event: EventBody::from(published.event.clone()),
        }
    }
}

impl From<Event> for EventBody {
    fn from(event: Event) -> Self {
        match event {
            Event::ServerChanged {
                id,
                slug,
                title,
                status,
                reason,
                enabled,
                tools,
            } => Self::ServerChanged {
                id: id.to_string(),
                slug: slug.to_string(),
                title,
                status,
                reason,
                enabled,
                tools,
            },
            Event::ServerRemoved { id, slug } => Self::ServerRemoved {
                id: id.to_string(),
                slug: slug.to_string(),
            },
            Event::ToolsChanged {
                server,
                slug,
                quarantined,
            } => Self::ToolsChanged {
                server: server.to_string(),
                slug: slug.to_string(),
                quarantined,
            },
            Event::InstallChanged {
                server,
                install,
                attempt,
                state,
                step,
                reason,
            } => Self::InstallChanged {
                server: server.to_string(),
                install: install.to_string(),
                attempt,
                state: state.as_str().to_owned(),
                step: step.map(|(name, state)| InstallStepNewsBody {
                    name,
                    state: state.as_str().to_owned(),
                }),
                reason,
            },
            Event::MemoryChanged {
                name,
                value,
                updated_at,
            } => Self::MemoryChanged {
                name,
                value,
                updated_at_ms: updated_at.unix_ms,
            },
            Event::MemoryRemoved { name } => Self::MemoryRemoved { name },
            Event::ApprovalOpened {
                id,
                server,
                tool,
                client,
                chat,
                created_at,
                expires_at,
            } => Self::ApprovalOpened {
                id: id.to_string(),
                server: server.to_string(),
                tool,
                client,
                chat: chat.map(|it| it.to_string()),
                created_at_ms: created_at.unix_ms,
                expires_at_ms: expires_at.map(|it| it.unix_ms),
            },
            Event::ApprovalClosed { id, state } => Self::ApprovalClosed {
                id: id.to_string(),
                state,
            },
            Event::GrantChanged { id, revoked } => Self::GrantChanged {
                id: id.to_string(),
                revoked,
            },
            Event::ChatChanged { id, title, status } => Self::ChatChanged {
                id: id.to_string(),
                title,
                status,
            },
            Event::ChatRemoved { id } => Self::ChatRemoved { id: id.to_string() },
            Event::RunChanged { chat, run, state } => Self::RunChanged {
                chat: chat.to_string(),
                run: run.to_string(),
                state,
            },
            Event::PolicyChanged => Self::PolicyChanged,
            Event::ProvidersChanged => Self::ProvidersChanged,
        }
    }
}
