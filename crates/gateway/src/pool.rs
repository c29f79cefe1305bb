//! The conversations that are open, and how one begins.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use domain::{IsolationKey, ServerId};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{
    CallError, Settings, Shared, lists,
    table::Entry,
    upstream::{self, Upstream},
};

type Key = (ServerId, IsolationKey);

/// One place for each server and isolation key.
#[derive(Default)]
pub(crate) struct Pool {
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
}

struct Slot {
    state: watch::Sender<State>,
}

#[derive(Clone, Default)]
enum State {
    #[default]
    Empty,
    Starting {
        failures: u32,
    },
    Open {
        upstream: Arc<Upstream>,
        failures: u32,
    },
    /// It failed, and is not tried again before a time.
    Failed {
        reason: String,
        failures: u32,
        until: Instant,
    },
}

/// How a conversation with a server stands, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamState {
    Starting,
    Open { requests: usize },
    Failed { reason: String, retry_in: Duration },
}

/// Returns the conversation with a server, and begins one if there is none.
///
/// However many ask at a time, it is begun once. Cancel safe: the beginning goes on for the next.
pub(crate) async fn get(
    shared: &Arc<Shared>,
    entry: &Arc<Entry>,
    isolation: &IsolationKey,
) -> Result<Arc<Upstream>, CallError> {
    let slot = shared.pool.slot((entry.view.id, isolation.clone()));
    let not_started = |reason: String| CallError::NotStarted {
        server: entry.view.slug.clone(),
        reason,
    };
    let mut state = slot.state.subscribe();
    let mut begin = None;
    slot.state.send_if_modified(|state| {
        let failures = match state {
            State::Open { upstream, .. } if !upstream.is_over() => return false,
            State::Open { failures, .. } => *failures,
            State::Starting { .. } => return false,
            State::Failed {
                until, failures, ..
            } if *until <= Instant::now() => *failures,
            State::Failed { .. } => return false,
            State::Empty => 0,
        };
        *state = State::Starting { failures };
        begin = Some(failures);
        true
    });
    if let Some(failures) = begin {
        let task = start(
            shared.clone(),
            entry.clone(),
            isolation.clone(),
            slot.clone(),
            failures,
        );
        shared.tasks.spawn(task);
    }
    let settled = state
        .wait_for(|it| !matches!(it, State::Starting { .. }))
        .await;
    match settled.as_deref() {
        Ok(State::Open { upstream, .. }) => Ok(upstream.clone()),
        Ok(State::Failed { reason, until, .. }) => {
            let wait = until.saturating_duration_since(Instant::now());
            Err(not_started(if begin.is_some() || wait.is_zero() {
                reason.clone()
            } else {
                format!("{reason}; it is tried again in {} s", wait.as_secs() + 1)
            }))
        }
        Ok(State::Empty | State::Starting { .. }) | Err(_) => Err(not_started(
            "it was stopped while it was starting".to_owned(),
        )),
    }
}

async fn start(
    shared: Arc<Shared>,
    entry: Arc<Entry>,
    isolation: IsolationKey,
    slot: Arc<Slot>,
    failures: u32,
) {
    let begun = tokio::select! {
        () = shared.shutdown.cancelled() => Err("the program is shutting down".to_owned()),
        begun = open(&shared, &entry, &isolation) => begun,
    };
    match begun {
        Ok(upstream) => {
            slot.state.send_modify(|it| {
                // Whoever ended the server meanwhile has emptied the slot.
                if matches!(it, State::Starting { .. }) {
                    let upstream = upstream.clone();
                    *it = State::Open { upstream, failures };
                } else {
                    upstream.end_because("it was stopped while it was starting");
                }
            });
            if let Err(err) = lists::refresh(&shared, &upstream).await {
                tracing::warn!(server.slug = %entry.view.slug, reason = %err, "Lists of a server not read");
            }
        }
        Err(reason) => {
            tracing::warn!(server.slug = %entry.view.slug, reason, "Server not started");
            let failed = failed(&shared.settings, reason, failures);
            slot.state.send_modify(|it| {
                if matches!(it, State::Starting { .. }) {
                    *it = failed;
                }
            });
        }
    }
}

async fn open(
    shared: &Arc<Shared>,
    entry: &Entry,
    isolation: &IsolationKey,
) -> Result<Arc<Upstream>, String> {
    let limit = entry.view.start_timeout;
    let connected = timeout(limit, shared.connect.connect(entry.view.id, isolation)).await;
    let connection = connected
        .map_err(|_elapsed| format!("it was not ready within {limit:?} (`start_timeout_ms`)"))?
        .map_err(|err| err.reason)?;
    upstream::begin(shared, entry, isolation.clone(), connection).await
}

fn failed(settings: &Settings, reason: String, failures: u32) -> State {
    let factor = 2_u32.saturating_pow(failures);
    let wait = settings
        .backoff_min
        .saturating_mul(factor)
        .min(settings.backoff_max);
    State::Failed {
        reason,
        failures: failures.saturating_add(1),
        until: Instant::now() + wait,
    }
}

impl Pool {
    fn slot(&self, key: Key) -> Arc<Slot> {
        let mut slots = self.lock();
        let slot = slots.entry(key).or_insert_with(|| {
            Arc::new(Slot {
                state: watch::Sender::default(),
            })
        });
        slot.clone()
    }

    /// Ends all conversations with a server and forgets its failures.
    pub(crate) fn end_server(&self, id: ServerId, reason: &str) {
        let slots: Vec<Arc<Slot>> = {
            let mut slots = self.lock();
            slots
                .extract_if(|(server, _), _| *server == id)
                .map(|(_, slot)| slot)
                .collect()
        };
        for slot in slots {
            if let State::Open { upstream, .. } = slot.state.send_replace(State::Empty) {
                upstream.end_because(reason);
            }
        }
    }

    /// Notes that a conversation is over. One that did not last counts as a failure.
    pub(crate) fn ended(&self, settings: &Settings, ended: &Arc<Upstream>) {
        let key = (ended.server, ended.isolation.clone());
        let Some(slot) = self.lock().get(&key).cloned() else {
            return;
        };
        slot.state.send_if_modified(|state| {
            let State::Open { upstream, failures } = state else {
                return false;
            };
            if !Arc::ptr_eq(upstream, ended) {
                return false;
            }
            let lasted = settings.healthy_after <= ended.began.elapsed();
            *state = if lasted {
                State::Empty
            } else {
                let reason = ended.ended_reason().unwrap_or_default();
                failed(settings, reason, *failures)
            };
            true
        });
    }

    /// Returns the open conversations with a server.
    pub(crate) fn open(&self, id: ServerId) -> Vec<Arc<Upstream>> {
        self.select(id, |state| match state {
            State::Open { upstream, .. } => Some(upstream.clone()),
            _ => None,
        })
    }

    pub(crate) fn states(&self, id: ServerId) -> Vec<UpstreamState> {
        self.select(id, |state| match state {
            State::Empty => None,
            State::Starting { .. } => Some(UpstreamState::Starting),
            State::Open { upstream, .. } => Some(UpstreamState::Open {
                requests: upstream.requests(),
            }),
            State::Failed { reason, until, .. } => Some(UpstreamState::Failed {
                reason: reason.clone(),
                retry_in: until.saturating_duration_since(Instant::now()),
            }),
        })
    }

    fn select<R>(&self, id: ServerId, of: impl Fn(&State) -> Option<R>) -> Vec<R> {
        let slots = self.lock();
        let of_server = slots.iter().filter(|((server, _), _)| *server == id);
        of_server
            .filter_map(|(_, slot)| of(&slot.state.borrow()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Slot>>> {
        self.slots
            .lock()
            .expect("no code panics while it holds the lock")
    }
}
