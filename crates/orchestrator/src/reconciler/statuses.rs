//! How far each sandbox is, for whoever waits for one or looks.

use std::collections::{BTreeMap, BTreeSet};

use domain::{DesiredSandbox, SandboxKey, ServerId};
use sandbox::{Action, Observed, ObservedState};
use tokio::{sync::watch, time::Instant};

use super::{
    Desired,
    memory::{Memory, runs_as},
};

/// How far a sandbox is on its way to running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SandboxStatus {
    /// Nothing is being done for it yet.
    Pending,
    Starting,
    Running,
    Failed {
        message: String,
        /// Whether another try comes by itself, or only after a person has changed something.
        will_retry: bool,
    },
}

type StatusByKey = BTreeMap<SandboxKey, SandboxStatus>;

/// The statuses as the last round made them, and the round's number.
#[derive(Debug, Default)]
pub(crate) struct Statuses {
    by_key: watch::Sender<(u64, StatusByKey)>,
}

/// Says how each sandbox that should run stands.
pub(super) fn statuses(
    desired: &Desired,
    observed: &[Observed],
    memory: &Memory,
    now: Instant,
) -> StatusByKey {
    let observed: BTreeMap<&SandboxKey, &Observed> =
        observed.iter().map(|it| (&it.key, it)).collect();
    desired
        .iter()
        .map(|(key, it)| {
            (
                key.clone(),
                status(key, it, observed.get(key).copied(), memory, now),
            )
        })
        .collect()
}

fn status(
    key: &SandboxKey,
    desired: &DesiredSandbox,
    observed: Option<&Observed>,
    memory: &Memory,
    now: Instant,
) -> SandboxStatus {
    match memory.action(key) {
        Some(Action::Start { .. }) => return SandboxStatus::Starting,
        Some(Action::Stop { .. }) => return SandboxStatus::Pending,
        None => {}
    }
    if observed.is_some_and(|it| runs_as(it, desired)) {
        return SandboxStatus::Running;
    }
    if memory.may_begin(key, now) {
        // Nothing holds it back but the actions on others.
        return SandboxStatus::Pending;
    }
    if let Some((message, will_retry)) = memory.failure(key) {
        return SandboxStatus::Failed {
            message: message.to_owned(),
            will_retry,
        };
    }
    match observed.map(|it| &it.state) {
        Some(ObservedState::Exited {
            code,
            out_of_memory,
        }) => SandboxStatus::Failed {
            message: match (code, out_of_memory) {
                (_, true) => "the sandbox ran out of memory".to_owned(),
                (Some(code), _) => format!("the sandbox exited with code {code}"),
                (None, _) => "the sandbox was killed".to_owned(),
            },
            will_retry: true,
        },
        // It was started lately and is gone or another again.
        _ => SandboxStatus::Pending,
    }
}

impl Statuses {
    /// Returns all of one server's.
    pub(crate) fn of_server(&self, id: ServerId) -> Vec<SandboxStatus> {
        let all = self.by_key.borrow();
        let of_server = all.1.iter().filter(|(key, _)| key.server() == Some(id));
        of_server.map(|(_, status)| status.clone()).collect()
    }

    /// Returns those of one server that run.
    pub(crate) fn running_of(&self, id: ServerId) -> Vec<SandboxKey> {
        let all = self.by_key.borrow();
        let of_server = all.1.iter().filter(|(key, _)| key.server() == Some(id));
        let running = of_server.filter(|(_, it)| matches!(it, SandboxStatus::Running));
        running.map(|(key, _)| key.clone()).collect()
    }

    /// Waits until `key` runs, has failed, or is wanted by nothing that could be made. What the round
    /// before the call has seen does not count: the sandbox may be on its way out.
    ///
    /// Cancel safe.
    pub(crate) async fn wait_until_settled(&self, key: &SandboxKey) -> Result<(), String> {
        let mut all = self.by_key.subscribe();
        let begun = all.borrow().0;
        let settled = all.wait_for(|(round, all)| match all.get(key) {
            Some(SandboxStatus::Running | SandboxStatus::Failed { .. }) => begun < *round,
            Some(SandboxStatus::Pending | SandboxStatus::Starting) => false,
            // The round after `begun` may have asked what is wanted before the caller wanted this.
            None => begun + 1 < *round,
        });
        let settled = settled
            .await
            .expect("the sender is in `self`, which outlives this call");
        match settled.1.get(key) {
            Some(SandboxStatus::Failed { message, .. }) => Err(message.clone()),
            Some(_) => Ok(()),
            None => Err("it was removed, switched off or is not installed".to_owned()),
        }
    }

    #[cfg(test)]
    pub(super) fn get(&self, key: &SandboxKey) -> Option<SandboxStatus> {
        self.by_key.borrow().1.get(key).cloned()
    }

    #[cfg(test)]
    pub(super) async fn wait_for(
        &self,
        key: &SandboxKey,
        holds: impl Fn(&Option<SandboxStatus>) -> bool,
    ) {
        let mut all = self.by_key.subscribe();
        let reached = all.wait_for(|(_, all)| holds(&all.get(key).cloned())).await;
        reached.expect("the sender is in `self`, which outlives this call");
    }

    /// Puts those of another round in the place of the former ones. Returns the servers for which
    /// they are not the same.
    pub(super) fn replace(&self, statuses: StatusByKey) -> BTreeSet<ServerId> {
        let mut changed = BTreeSet::new();
        self.by_key.send_modify(|all| {
            let is_other = |(key, status): &(&SandboxKey, &SandboxStatus), them: &StatusByKey| {
                them.get(*key) != Some(*status)
            };
            let new = statuses.iter().filter(|it| is_other(it, &all.1));
            let former = all.1.iter().filter(|it| is_other(it, &statuses));
            changed = new
                .chain(former)
                .filter_map(|(key, _)| key.server())
                .collect();
            *all = (all.0 + 1, statuses);
        });
        changed
    }

    /// Notes that nothing can be known, and so nothing done. Returns as [`replace`](Self::replace).
    pub(super) fn fail(&self, desired: &Desired, message: &str) -> BTreeSet<ServerId> {
        let failed = SandboxStatus::Failed {
            message: message.to_owned(),
            will_retry: true,
        };
        let statuses = desired.keys().map(|key| (key.clone(), failed.clone()));
        self.replace(statuses.collect())
    }
}
