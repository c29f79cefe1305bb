//! What a round has to remember, because neither lists nor rows tell it.

use std::{collections::BTreeMap, time::Duration};

use domain::{DesiredSandbox, SandboxKey};
use sandbox::{Action, Observed, ObservedState};
use tokio::time::Instant;

use super::Desired;

/// The wait after the first attempt; it doubles with each further one.
pub(super) const BACKOFF_MIN: Duration = Duration::from_secs(30);
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(10 * 60);

/// The actions under way, and how the last ones ended.
#[derive(Debug, Default)]
pub(super) struct Memory {
    // Invariant: at most ACTIONS_MAX.
    under_way: BTreeMap<SandboxKey, UnderWay>,
    attempts: BTreeMap<SandboxKey, Attempts>,
}

#[derive(Debug)]
struct UnderWay {
    action: Action,
    generation: Option<u64>,
}

/// The actions on a sandbox that have not led to its running for good.
///
/// A start that succeeds is one of them until the sandbox has run as long as the next attempt would
/// have waited. So one that exits right after each start is held back like one that does not start.
#[derive(Debug)]
struct Attempts {
    /// The generation that they were made for, `None` when it was not wanted.
    generation: Option<u64>,
    count: u32,
    next: NextAttempt,
    /// What the last one failed with, if it did.
    failure: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum NextAttempt {
    At(Instant),
    AfterChange,
}

/// How an action ended.
#[derive(Debug)]
pub(super) enum Ending {
    Done,
    Failed { message: String, is_transient: bool },
    Cancelled,
}

impl Memory {
    /// Notes that `action` is under way from now on.
    pub(super) fn begin(&mut self, action: Action, desired: &Desired) {
        let key = action.key().clone();
        let generation = generation(desired.get(&key));
        let under_way = UnderWay { action, generation };
        let former = self.under_way.insert(key, under_way);
        assert!(former.is_none(), "a sandbox has two actions under way");
    }

    /// Notes how the action on `key` ended.
    pub(super) fn end(&mut self, key: SandboxKey, ending: Ending, now: Instant) {
        let UnderWay { action, generation } = self
            .under_way
            .remove(&key)
            .expect("what ends was noted when it began");
        let is_stop = matches!(action, Action::Stop { .. });
        let (failure, is_transient) = match ending {
            Ending::Cancelled => return,
            Ending::Done if is_stop => return,
            Ending::Done => (None, true),
            Ending::Failed {
                message,
                is_transient,
            } => (Some(message), is_transient),
        };
        let former = self.attempts.get(&key);
        let count = 1 + former
            .filter(|it| it.generation == generation)
            .map_or(0, |it| it.count);
        // A stop is tried for ever: what nobody wants must not go on running.
        let next = if is_transient || is_stop {
            NextAttempt::At(now + backoff(count))
        } else {
            NextAttempt::AfterChange
        };
        let attempts = Attempts {
            generation,
            count,
            next,
            failure,
        };
        self.attempts.insert(key, attempts);
    }

    /// Drops what no longer holds anything back: attempts for another generation, on a sandbox that
    /// is gone for good, or on one that runs as it should and has kept running.
    pub(super) fn forget(&mut self, desired: &Desired, observed: &[Observed], now: Instant) {
        let observed: BTreeMap<&SandboxKey, &Observed> =
            observed.iter().map(|it| (&it.key, it)).collect();
        self.attempts.retain(|key, attempts| {
            let wanted = desired.get(key);
            let holds = match (wanted, observed.get(key)) {
                (None, None) => false,
                (Some(wanted), Some(it)) if runs_as(it, wanted) => !attempts.next.is_due(now),
                _ => true,
            };
            holds && attempts.generation == generation(wanted)
        });
    }

    /// The actions under way.
    pub(super) fn actions(&self) -> impl ExactSizeIterator<Item = &Action> {
        self.under_way.values().map(|it| &it.action)
    }

    /// The action on `key` that is under way.
    pub(super) fn action(&self, key: &SandboxKey) -> Option<&Action> {
        self.under_way.get(key).map(|it| &it.action)
    }

    /// What the last action on `key` failed with, and whether it will be tried again.
    pub(super) fn failure(&self, key: &SandboxKey) -> Option<(&str, bool)> {
        let attempts = self.attempts.get(key)?;
        let will_retry = matches!(attempts.next, NextAttempt::At(_));
        Some((attempts.failure.as_deref()?, will_retry))
    }

    /// Whether nothing is under way on `key` and its last attempts hold nothing back.
    pub(super) fn may_begin(&self, key: &SandboxKey, now: Instant) -> bool {
        let attempts = self.attempts.get(key);
        !self.under_way.contains_key(key) && attempts.is_none_or(|it| it.next.is_due(now))
    }
}

impl NextAttempt {
    fn is_due(self, now: Instant) -> bool {
        match self {
            Self::At(instant) => instant <= now,
            Self::AfterChange => false,
        }
    }
}

/// Whether a sandbox runs by a spec.
pub(super) fn runs_as(observed: &Observed, desired: &DesiredSandbox) -> bool {
    observed.state == ObservedState::Running && observed.spec_hash == Some(desired.spec.hash())
}

fn generation(desired: Option<&DesiredSandbox>) -> Option<u64> {
    desired.map(|it| it.generation)
}

/// How long to wait after so many attempts, of which there is at least one. There is no jitter:
/// all attempts are made by one task, which bounds how many there are at a time.
fn backoff(attempts: u32) -> Duration {
    let factor = 2_u32.saturating_pow(attempts - 1);
    BACKOFF_MIN.saturating_mul(factor).min(BACKOFF_MAX)
}
