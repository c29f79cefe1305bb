use std::collections::{BTreeMap, BTreeSet};

use domain::{DesiredSandbox, SandboxKey};

use crate::{Observed, ObservedState};

/// One step from what runs to what should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Start {
        key: SandboxKey,
        desired: DesiredSandbox,
    },
    Stop {
        key: SandboxKey,
    },
}

impl Action {
    pub fn key(&self) -> &SandboxKey {
        match self {
            Self::Start { key, .. } | Self::Stop { key } => key,
        }
    }
}

/// Says what to do next so that `observed` becomes `desired`: at most one action for each sandbox,
/// stops before starts.
///
/// A sandbox whose spec changed is stopped. Its start is in the plan that is made after that, when
/// it is seen to be gone, so it never runs twice. Stops come first so that their memory is free
/// before it is asked for again.
pub fn plan(desired: &BTreeMap<SandboxKey, DesiredSandbox>, observed: &[Observed]) -> Vec<Action> {
    let observed: BTreeMap<&SandboxKey, &Observed> =
        observed.iter().map(|it| (&it.key, it)).collect();
    let keys: BTreeSet<&SandboxKey> = desired.keys().chain(observed.keys().copied()).collect();

    let mut actions: Vec<Action> = keys
        .into_iter()
        .filter_map(|key| next_action(key, desired.get(key), observed.get(key).copied()))
        .collect();
    actions.sort_by_key(|it| matches!(it, Action::Start { .. }));
    actions
}

fn next_action(
    key: &SandboxKey,
    desired: Option<&DesiredSandbox>,
    observed: Option<&Observed>,
) -> Option<Action> {
    let stop = Action::Stop { key: key.clone() };
    let start = |desired: &DesiredSandbox| Action::Start {
        key: key.clone(),
        desired: desired.clone(),
    };
    match (desired, observed) {
        (None, None) => None,
        (None, Some(_)) => Some(stop),
        (Some(desired), None) => Some(start(desired)),
        (Some(desired), Some(it)) if it.spec_hash != Some(desired.spec.hash()) => Some(stop),
        (Some(desired), Some(it)) => match it.state {
            ObservedState::Running => None,
            // Somebody has to wait for its line, and whoever began it may be gone.
            ObservedState::Starting => Some(start(desired)),
            ObservedState::Exited { .. } => Some(start(desired)),
        },
    }
}

#[cfg(test)]
mod tests;
