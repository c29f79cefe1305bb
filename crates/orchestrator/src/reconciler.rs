//! Keeps what runs equal to what should run.
//!
//! It works in rounds. A round begins when somebody activates it, when an action ends, and at the
//! latest a period after the one before. It takes no input: it reads what should run and what does,
//! whatever it was that changed. So the path that is taken after a click, after a crash and after a
//! hiccup of Podman is one and the same, and it is taken all day.
//!
//! ```text
//! desired (directory, wants) ──┐
//! observed (list) ─────────────┼──> statuses() ──> whoever waits
//! Memory ──────────────────────┴──> decide() ──┬─> cancel ──> the action's task is dropped ──┐
//!    ^                                         └─> begin ───> a task: ensure_…, deadline ────┤
//!    └─────────────────── how the action ended, and another round ──────────────────────────┘
//! ```
//!
//! A round decides and never waits for what it began: that is an action, and each action is a task.
//! Only the list is waited for, for a bounded time, since nothing can be known without it.
//!
//! **Invariant:** a sandbox has at most one action under way, and there are at most [`ACTIONS_MAX`]
//! in all.
//!
//! **Invariant:** [`Memory`] is a convenience. Without it, after a crash, the next round reaches
//! the same end; a failure is then met once more and waited for from the beginning.
//!
//! **Invariant:** no action goes on after [`run`]: it is in a `JoinMap` that is dropped there, and
//! on the `TaskTracker`, so that shutdown waits until it is gone.

mod decide;
mod memory;
mod statuses;

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    sync::Arc,
    time::Duration,
};

use domain::{DesiredSandbox, IsolationKey, SandboxKey, ServerId};
use sandbox::{Action, Sandbox, SandboxError};
use tokio::{
    task::JoinError,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::task::JoinMap;

pub(crate) use self::statuses::{SandboxStatus, Statuses};
use self::{
    decide::{Decision, decide},
    memory::{Ending, Memory},
    statuses::statuses,
};
use crate::{Shared, connect, sandbox_error};

/// The most actions under way at a time.
const ACTIONS_MAX: usize = 16;
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
const LIST_TIMEOUT: Duration = Duration::from_secs(15);

/// What should run, and how.
pub(crate) type Desired = BTreeMap<SandboxKey, DesiredSandbox>;

/// Runs rounds until the shutdown. Actions under way are cancelled then.
///
/// Should the rounds panic, they begin anew: without them nothing would ever start or stop again.
pub(crate) async fn run(shared: Arc<Shared>) {
    while let Err(err) = shared.tasks.spawn(run_rounds(shared.clone())).await {
        tracing::error!(error = &err as &dyn Error, "Reconciler panicked");
        let period = sleep(shared.settings.reconcile_period);
        shared.shutdown.run_until_cancelled(period).await;
    }
}

async fn run_rounds(shared: Arc<Shared>) {
    let shutdown = shared.shutdown.clone();
    let mut reconciler = Reconciler {
        shared,
        actions: JoinMap::new(),
        memory: Memory::default(),
    };
    shutdown.run_until_cancelled(reconciler.rounds()).await;
}

struct Reconciler {
    shared: Arc<Shared>,
    // Invariant: has the same keys as the actions under way in `memory`.
    actions: JoinMap<SandboxKey, Result<(), SandboxError>>,
    memory: Memory,
}

impl Reconciler {
    async fn rounds(&mut self) {
        let mut next_round = Instant::now();
        loop {
            tokio::select! {
                biased;
                Some((key, result)) = self.actions.join_next() => self.end(key, result),
                () = self.shared.wants.activated() => {}
                () = sleep_until(next_round) => {}
            }
            while let Some((key, result)) = self.actions.try_join_next() {
                self.end(key, result);
            }
            if let Err(err) = self.round().await {
                tracing::warn!(
                    error = &err as &dyn Error,
                    sandbox = self.shared.sandbox.name(),
                    "Reconciliation round failed"
                );
                let message = sandbox_error(&err);
                let changed = self.shared.statuses.fail(&self.desired(), &message);
                self.tell(changed);
            }
            next_round = Instant::now() + self.shared.settings.reconcile_period;
        }
    }

    /// Sees how things stand, and begins and cancels what that asks for.
    ///
    /// An action that ends while the list is read counts as under way until the next round, which
    /// its end has already asked for: this list may be older than the end.
    async fn round(&mut self) -> Result<(), SandboxError> {
        let listed = timeout(LIST_TIMEOUT, self.shared.sandbox.list()).await;
        let observed = listed.map_err(|_elapsed| SandboxError::Timeout {
            operation: "list the sandboxes".to_owned(),
            limit: LIST_TIMEOUT,
            last_lines: Vec::new(),
        })??;
        let desired = self.desired();
        let now = Instant::now();

        self.memory.forget(&desired, &observed, now);
        let Decision { cancel, begin } = decide(&desired, &observed, &self.memory, now);
        for key in cancel {
            self.actions.abort(&key);
        }
        for action in begin {
            self.memory.begin(action.clone(), &desired);
            let key = action.key().clone();
            let task = act(self.shared.sandbox.clone(), action);
            self.actions
                .spawn(key, self.shared.tasks.track_future(task));
        }
        let statuses = statuses(&desired, &observed, &self.memory, now);
        self.tell(self.shared.statuses.replace(statuses));
        Ok(())
    }

    fn tell(&self, changed: BTreeSet<ServerId>) {
        for server in changed {
            self.shared.news.note(server);
        }
    }

    /// Says what should run: what somebody has a lease on, and what is kept warm.
    fn desired(&self) -> Desired {
        let rows = self.shared.directory.rows();
        let mut desired = Desired::new();
        for row in rows.values().filter(|it| it.is_kept_warm()) {
            let key = SandboxKey::Server {
                server: row.stored.id,
                isolation: IsolationKey::Shared,
            };
            if let Some(sandbox) = connect::desired_sandbox(&self.shared.settings, row) {
                desired.insert(key, sandbox);
            }
        }
        for (key, sandbox) in self.shared.wants.all() {
            let row = key.server().and_then(|it| rows.get(&it));
            let of_row = row.filter(|it| it.is_usable());
            let of_row = of_row.and_then(|it| connect::desired_sandbox(&self.shared.settings, it));
            if let Some(sandbox) = sandbox.or(of_row) {
                desired.insert(key, sandbox);
            }
        }
        desired
    }

    fn end(&mut self, key: SandboxKey, result: Result<Result<(), SandboxError>, JoinError>) {
        let ending = match result {
            Ok(Ok(())) => Ending::Done,
            Ok(Err(err)) => {
                tracing::warn!(error = &err as &dyn Error, sandbox.key = %key, "Sandbox failed");
                Ending::Failed {
                    message: sandbox_error(&err),
                    is_transient: err.is_transient(),
                }
            }
            Err(err) if err.is_cancelled() => Ending::Cancelled,
            Err(err) => {
                tracing::error!(error = &err as &dyn Error, sandbox.key = %key, "Action panicked");
                Ending::Failed {
                    message: err.to_string(),
                    is_transient: false,
                }
            }
        };
        self.memory.end(key, ending, Instant::now());
    }
}

async fn act(sandbox: Arc<dyn Sandbox>, action: Action) -> Result<(), SandboxError> {
    match &action {
        Action::Start { key, desired } => {
            let limit = Duration::from_millis(desired.spec.limits.start_timeout_ms);
            let done = timeout(limit, sandbox.ensure_running(key, desired)).await;
            done.unwrap_or_else(|_elapsed| Err(too_late("start the sandbox", limit)))
        }
        Action::Stop { key } => {
            let done = timeout(STOP_TIMEOUT, sandbox.ensure_stopped(key)).await;
            done.unwrap_or_else(|_elapsed| Err(too_late("stop the sandbox", STOP_TIMEOUT)))
        }
    }
}

fn too_late(operation: &str, limit: Duration) -> SandboxError {
    SandboxError::Timeout {
        operation: operation.to_owned(),
        limit,
        last_lines: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
