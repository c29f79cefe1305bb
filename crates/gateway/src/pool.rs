//! The conversations that are open, and how one begins.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use domain::{IsolationKey, PrincipalName, ServerId};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{
    CallError, Records, Settings, Shared, conversation,
    table::Entry,
    upstream::{Ended, Upstream},
};

type Key = (ServerId, IsolationKey);

/// One place for each server and isolation key that is used.
pub(crate) struct Pool {
    records: Arc<dyn Records>,
    // Invariant: a slot that is not in here is `Empty` for good: whoever began to fill it finds so.
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
}

struct Slot {
    // Invariant: it begins to start only while `slots` is locked.
    state: watch::Sender<State>,
}

#[derive(Clone, Default)]
enum State {
    #[default]
    Empty,
    Starting,
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

/// What [`Pool::look`] found.
enum Found {
    Open(Arc<Upstream>),
    Starting(watch::Receiver<State>),
    Begun(watch::Receiver<State>, Arc<Slot>, IsolationKey, u32),
}

/// Returns the conversation with a server, and begins one if there is none.
///
/// However many ask at a time, it is begun once. The server is asked for as it is known now, which
/// may be later than `entry`. Cancel safe: the beginning goes on for the next.
pub(crate) async fn get(
    shared: &Arc<Shared>,
    entry: &Arc<Entry>,
    principal: &PrincipalName,
) -> Result<(Arc<Entry>, Arc<Upstream>), CallError> {
    let slug = &entry.view.slug;
    let not_started = |reason: String| CallError::NotStarted {
        server: slug.clone(),
        reason,
    };
    let (entry, found) = shared.pool.look(shared, entry, principal)?;
    let (mut state, is_ours) = match found {
        Found::Open(upstream) => return Ok((entry, upstream)),
        Found::Starting(state) => (state, false),
        Found::Begun(state, slot, isolation, failures) => {
            let starting = Starting {
                settings: shared.settings,
                records: shared.records.clone(),
                server: entry.view.id,
                slot,
                failures,
            };
            shared.records.server_changed(entry.view.id);
            let task = start(shared.clone(), entry.clone(), isolation, starting);
            shared.tasks.spawn(task);
            (state, true)
        }
    };
    let settled = state.wait_for(|it| !matches!(it, State::Starting)).await;
    match settled.as_deref() {
        Ok(State::Open { upstream, .. }) => Ok((entry, upstream.clone())),
        Ok(State::Failed { reason, until, .. }) => {
            let wait = until.saturating_duration_since(Instant::now());
            Err(not_started(if is_ours || wait.is_zero() {
                reason.clone()
            } else {
                let seconds = wait.as_millis().div_ceil(1000);
                format!("{reason}; it is tried again in {seconds} s")
            }))
        }
        // It was ended while it was starting, most often because its settings were changed.
        Ok(State::Empty | State::Starting) | Err(_) => Err(CallError::NotReached {
            server: slug.clone(),
        }),
    }
}

/// A slot that is being filled. When it is dropped before, that is a failure.
struct Starting {
    settings: Settings,
    records: Arc<dyn Records>,
    server: ServerId,
    slot: Arc<Slot>,
    failures: u32,
}

impl Starting {
    fn end(&self, end: impl FnOnce() -> State) {
        let has_ended = self.slot.state.send_if_modified(|it| {
            let is_wanted = matches!(it, State::Starting);
            if is_wanted {
                *it = end();
            }
            is_wanted
        });
        if has_ended {
            self.records.server_changed(self.server);
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.end(|| {
            let reason = "a fault of this program; its log says more".to_owned();
            failed(&self.settings, reason, self.failures)
        });
    }
}

async fn start(
    shared: Arc<Shared>,
    entry: Arc<Entry>,
    isolation: IsolationKey,
    starting: Starting,
) {
    let begun = tokio::select! {
        () = shared.shutdown.cancelled() => Err("the program is shutting down".to_owned()),
        begun = open(&shared, &entry, &isolation) => begun,
    };
    let failures = starting.failures;
    let upstream = match begun {
        Ok(upstream) => upstream,
        Err(reason) => {
            tracing::warn!(server.slug = %entry.view.slug, reason, "Server not started");
            starting.end(|| failed(&shared.settings, reason, failures));
            return;
        }
    };
    let mut is_wanted = false;
    starting.end(|| {
        is_wanted = true;
        State::Open {
            upstream: upstream.clone(),
            failures,
        }
    });
    if !is_wanted {
        upstream.end_because("it was stopped while it was starting");
    }
    if upstream.is_over() {
        // It ended before it was in its place, where its end would have been noted.
        shared.pool.ended(&shared.settings, &upstream);
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
    conversation::begin(shared, entry, isolation.clone(), connection).await
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

/// Returns what comes after a conversation. One that did not last counts as a failure.
fn after(settings: &Settings, upstream: &Upstream, failures: u32) -> State {
    let lasted = settings.healthy_after <= upstream.began.elapsed();
    match upstream.ended() {
        Some(Ended {
            reason,
            was_idle: false,
        }) if !lasted => failed(settings, reason, failures),
        _ => State::Empty,
    }
}

impl Pool {
    pub(crate) fn new(records: Arc<dyn Records>) -> Self {
        Self {
            records,
            slots: Mutex::default(),
        }
    }

    /// Finds the conversation, or takes its place to begin it.
    fn look(
        &self,
        shared: &Shared,
        entry: &Arc<Entry>,
        principal: &PrincipalName,
    ) -> Result<(Arc<Entry>, Found), CallError> {
        let mut slots = self.lock();
        // Read under the lock: whoever changes the server swaps the table first and ends its
        // conversations then, so that one by the former settings is always ended.
        let table = shared.table.load();
        let entry = table
            .server(&entry.view.slug)
            .filter(|it| it.view.id == entry.view.id)
            .or_else(|| table.server_by_id(entry.view.id))
            .ok_or_else(|| CallError::unknown_server(&entry.view.slug))?
            .clone();
        let key = (entry.view.id, entry.isolation_key(principal));
        let known = slots.get(&key).map(|it| it.state.borrow().clone());
        let known = match known {
            Some(State::Open { upstream, failures }) if upstream.is_over() => {
                after(&shared.settings, &upstream, failures)
            }
            Some(state) => state,
            None => State::Empty,
        };
        let failures = match known {
            State::Open { upstream, .. } => return Ok((entry, Found::Open(upstream))),
            State::Failed {
                until, failures, ..
            } if until <= Instant::now() => failures,
            State::Empty => 0,
            State::Starting | State::Failed { .. } => {
                let slot = &slots[&key];
                slot.state.send_if_modified(|it| {
                    let was_open = matches!(it, State::Open { .. });
                    if was_open {
                        *it = known;
                    }
                    was_open
                });
                let state = slot.state.subscribe();
                return Ok((entry, Found::Starting(state)));
            }
        };
        let busy = slots.values().filter(|it| it.is_busy()).count();
        if shared.settings.upstreams_max <= busy {
            return Err(CallError::NotStarted {
                server: entry.view.slug.clone(),
                reason: format!(
                    "there are {busy} conversations with servers, the most there may be (`upstreams_max`)"
                ),
            });
        }
        let slot = slots.entry(key).or_insert_with(|| {
            Arc::new(Slot {
                state: watch::Sender::default(),
            })
        });
        slot.state.send_replace(State::Starting);
        let isolation = entry.isolation_key(principal);
        let found = Found::Begun(slot.state.subscribe(), slot.clone(), isolation, failures);
        Ok((entry, found))
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
            self.records.server_changed(id);
        }
    }

    /// Notes that a conversation is over.
    pub(crate) fn ended(&self, settings: &Settings, ended: &Arc<Upstream>) {
        let key = (ended.server, ended.isolation.clone());
        let mut slots = self.lock();
        let Some(slot) = slots.get(&key) else { return };
        let mut is_empty = false;
        slot.state.send_if_modified(|state| {
            let State::Open { upstream, failures } = state else {
                return false;
            };
            if !Arc::ptr_eq(upstream, ended) {
                return false;
            }
            *state = after(settings, ended, *failures);
            is_empty = matches!(state, State::Empty);
            true
        });
        if is_empty {
            slots.remove(&key);
        }
        drop(slots);
        self.records.server_changed(ended.server);
    }

    /// Returns the open conversations.
    pub(crate) fn all_open(&self) -> Vec<Arc<Upstream>> {
        let slots = self.lock();
        let states = slots.values().map(|it| it.state.borrow());
        let open = states.filter_map(|it| match &*it {
            State::Open { upstream, .. } => Some(upstream.clone()),
            _ => None,
        });
        open.collect()
    }

    pub(crate) fn states(&self, id: ServerId) -> Vec<UpstreamState> {
        let slots = self.lock();
        let of_server = slots.iter().filter(|((server, _), _)| *server == id);
        let states = of_server.filter_map(|(_, slot)| match &*slot.state.borrow() {
            State::Empty => None,
            State::Starting => Some(UpstreamState::Starting),
            State::Open { upstream, .. } => Some(UpstreamState::Open {
                requests: upstream.requests(),
            }),
            State::Failed { reason, until, .. } => Some(UpstreamState::Failed {
                reason: reason.clone(),
                retry_in: until.saturating_duration_since(Instant::now()),
            }),
        });
        states.collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Slot>>> {
        self.slots
            .lock()
            .expect("no code panics while it holds the lock")
    }
}

impl Slot {
    fn is_busy(&self) -> bool {
        matches!(*self.state.borrow(), State::Starting | State::Open { .. })
    }
}
