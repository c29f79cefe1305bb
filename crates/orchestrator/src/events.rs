//! What people are told of as it happens: one ring of the newest events, which everybody reads at
//! their own pace.
//!
//! ```text
//! whoever changes something ──publish──> ring (bounded) <──reads── Subscription, one for each reader
//!                                          └── number of the newest ──wakes──^
//! ```
//!
//! An event has a number that grows by one within an epoch, which is one run of the program. A reader
//! who comes back names the epoch and the number that it had last, and goes on from there. Who cannot,
//! since the program was started anew or the events are no longer kept, is told to load everything
//! again and goes on from the newest.
//!
//! **Invariant:** a publisher waits for nobody, and there is no queue for a reader: what a reader has
//! not read is only in the ring, and a slow one costs nothing but its own reload.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use domain::{
    ApprovalId, ChatId, Clock, GrantId, InstallId, PrincipalName, RunId, ServerId, ServerSlug,
    Timestamp,
};
use store::{InstallState, StepState};
use tokio::sync::watch;

/// What an event takes beside its texts, in bytes, more or less.
const EVENT_BYTES: usize = 256;

/// Something that a person who looks at the program wants to see at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A server was added, or stands otherwise than before.
    ServerChanged {
        id: ServerId,
        slug: ServerSlug,
        title: String,
        /// The word of its [`ServerStatus`](crate::ServerStatus).
        status: &'static str,
        reason: Option<String>,
        enabled: bool,
        tools: usize,
    },
    ServerRemoved {
        id: ServerId,
        slug: ServerSlug,
    },
    /// A server has other tools than before, or others of them may be used.
    ToolsChanged {
        server: ServerId,
        slug: ServerSlug,
        /// How many of them wait for a person to look at them.
        quarantined: usize,
    },
    InstallChanged {
        server: ServerId,
        install: InstallId,
        /// From 1.
        attempt: u32,
        /// Of the whole install.
        state: InstallState,
        /// The step that has begun or ended, where it is about one.
        step: Option<(&'static str, StepState)>,
        /// Why the step or the install has failed.
        reason: Option<String>,
    },
    MemoryChanged {
        name: String,
        value: String,
        updated_at: Timestamp,
    },
    MemoryRemoved {
        name: String,
    },
    /// A call waits for a person.
    ApprovalOpened {
        id: ApprovalId,
        server: ServerSlug,
        tool: String,
        /// The name of the client that called.
        client: Option<String>,
        chat: Option<ChatId>,
        created_at: Timestamp,
        expires_at: Option<Timestamp>,
    },
    /// It was decided on, or it is too late to.
    ApprovalClosed {
        id: ApprovalId,
        /// The word of its state.
        state: &'static str,
    },
    GrantChanged {
        id: GrantId,
        revoked: bool,
    },
    ChatChanged {
        id: ChatId,
        title: String,
        /// The word of its state.
        status: &'static str,
    },
    ChatRemoved {
        id: ChatId,
    },
    RunChanged {
        chat: ChatId,
        run: RunId,
        /// The word of its state.
        state: &'static str,
    },
    /// The rules about tools are others.
    PolicyChanged,
    /// Providers of models, or what is known of them, or the default model, are others.
    ProvidersChanged,
}

/// An event that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// From 1 in each epoch, without gaps.
    pub seq: u64,
    pub at: Timestamp,
    /// Whom it concerns; `None` is everybody.
    pub principal: Option<PrincipalName>,
    pub event: Event,
}

/// A place between two events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPosition {
    /// Names one run of the program.
    pub epoch: String,
    /// The number of the last event before the place; 0 is before all.
    pub seq: u64,
}

/// What a reader gets next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    Event(Arc<Published>),
    /// Events were missed. Everything has to be loaded again, and events go on after this number.
    Reload {
        seq: u64,
    },
}

/// Where events are published and read. Cheap to clone: every clone is the same one.
#[derive(Clone)]
pub struct EventBus {
    shared: Arc<Shared>,
}

struct Shared {
    epoch: String,
    clock: Arc<dyn Clock>,
    kept_max: usize,
    kept_bytes_max: usize,
    ring: Mutex<Ring>,
    /// The number of the newest event. It is sent while the ring is locked.
    newest: watch::Sender<u64>,
}

#[derive(Default)]
struct Ring {
    // Invariant: their numbers have no gaps.
    events: VecDeque<Arc<Published>>,
    // Invariant: the size of all that is in `events`.
    bytes: usize,
    /// The number of the newest event ever.
    newest: u64,
}

/// One reader's place.
pub struct EventSubscription {
    shared: Arc<Shared>,
    principal: PrincipalName,
    /// What this reader has had.
    seq: u64,
    /// Events were missed before the first.
    must_reload: bool,
    newest: watch::Receiver<u64>,
}

impl EventBus {
    /// Makes one that keeps at most so many events and bytes of them, and one event at least.
    pub fn new(clock: Arc<dyn Clock>, kept_max: usize, kept_bytes_max: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                epoch: uuid::Uuid::new_v4().as_simple().to_string(),
                clock,
                kept_max: kept_max.max(1),
                kept_bytes_max,
                ring: Mutex::default(),
                newest: watch::Sender::new(0),
            }),
        }
    }

    /// Tells everybody. It waits for nobody.
    pub fn publish(&self, event: Event) {
        self.shared.push(None, event);
    }

    /// Tells one principal's readers only.
    pub fn publish_to(&self, principal: &PrincipalName, event: Event) {
        self.shared.push(Some(principal.clone()), event);
    }

    /// Begins to read what concerns `principal`: after `from`, or else what comes from now on. Where
    /// it cannot go on from there, a reload is what it gets first.
    pub fn subscribe(
        &self,
        principal: PrincipalName,
        from: Option<&EventPosition>,
    ) -> EventSubscription {
        let newest = self.shared.newest.subscribe();
        let ring = self.shared.ring();
        let known = from.filter(|it| it.epoch == self.shared.epoch && ring.is_kept_after(it.seq));
        let seq = known.map_or(ring.newest, |it| it.seq);
        drop(ring);
        EventSubscription {
            shared: self.shared.clone(),
            principal,
            seq,
            must_reload: from.is_some() && known.is_none(),
            newest,
        }
    }
}

impl EventSubscription {
    /// Returns the place after what this reader has had.
    pub fn position(&self) -> EventPosition {
        EventPosition {
            epoch: self.shared.epoch.clone(),
            seq: self.seq,
        }
    }

    /// Waits for what comes next.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Delivery {
        loop {
            // Before the ring is looked at, so that what comes after the look wakes this up.
            self.newest.borrow_and_update();
            if let Some(delivery) = self.look() {
                return delivery;
            }
            let more = self.newest.changed().await;
            more.expect("the sender is in `self.shared`");
        }
    }

    fn look(&mut self) -> Option<Delivery> {
        let ring = self.shared.ring();
        if self.must_reload || !ring.is_kept_after(self.seq) {
            self.must_reload = false;
            self.seq = ring.newest;
            return Some(Delivery::Reload { seq: self.seq });
        }
        let had = ring.events.front().map_or(0, |it| self.seq + 1 - it.seq);
        let had = usize::try_from(had).expect("the reader is within the ring, which is in memory");
        let concerns = |it: &&Arc<Published>| {
            let principal = it.principal.as_ref();
            principal.is_none_or(|it| *it == self.principal)
        };
        let next = ring.events.range(had..).find(concerns).cloned();
        self.seq = next.as_ref().map_or(ring.newest, |it| it.seq);
        next.map(Delivery::Event)
    }
}

impl Shared {
    fn push(&self, principal: Option<PrincipalName>, event: Event) {
        let bytes = event.bytes();
        let at = self.clock.now();
        let mut ring = self.ring();
        ring.newest += 1;
        ring.bytes += bytes;
        let published = Published {
            seq: ring.newest,
            at,
            principal,
            event,
        };
        ring.events.push_back(Arc::new(published));
        while self.kept_max < ring.events.len()
            || (self.kept_bytes_max < ring.bytes && 1 < ring.events.len())
        {
            let oldest = ring.events.pop_front().expect("there is more than one");
            ring.bytes -= oldest.event.bytes();
        }
        self.newest.send_replace(ring.newest);
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring
            .lock()
            .expect("no code panics while it holds the lock")
    }
}

impl Ring {
    /// Whether all events after this number are still there, and the number was given.
    fn is_kept_after(&self, seq: u64) -> bool {
        let oldest = self.events.front().map_or(self.newest + 1, |it| it.seq);
        oldest - 1 <= seq && seq <= self.newest
    }
}

impl Event {
    /// Returns what keeping it takes, more or less.
    fn bytes(&self) -> usize {
        let texts = match self {
            Self::ServerChanged { title, reason, .. } => {
                title.len() + reason.as_ref().map_or(0, String::len)
            }
            Self::InstallChanged { reason, .. } => reason.as_ref().map_or(0, String::len),
            Self::MemoryChanged { name, value, .. } => name.len() + value.len(),
            Self::MemoryRemoved { name } => name.len(),
            Self::ApprovalOpened { tool, client, .. } => {
                tool.len() + client.as_ref().map_or(0, String::len)
            }
            Self::ChatChanged { title, .. } => title.len(),
            Self::ServerRemoved { .. }
            | Self::ToolsChanged { .. }
            | Self::ApprovalClosed { .. }
            | Self::GrantChanged { .. }
            | Self::ChatRemoved { .. }
            | Self::RunChanged { .. }
            | Self::PolicyChanged
            | Self::ProvidersChanged => 0,
        };
        EVENT_BYTES + texts
    }
}

#[cfg(test)]
mod tests;
