//! What a round does about what it sees.

use domain::SandboxKey;
use sandbox::{Action, Observed, plan};
use tokio::time::Instant;

use super::{ACTIONS_MAX, Desired, memory::Memory};

/// What a round is to change.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) cancel: Vec<SandboxKey>,
    pub(super) begin: Vec<Action>,
}

/// Compares what should run, what does and what is being done about it.
///
/// Only a start is ever cancelled. A stop is what the next start would have to wait for anyway.
pub(super) fn decide(
    desired: &Desired,
    observed: &[Observed],
    memory: &Memory,
    now: Instant,
) -> Decision {
    let cancel = memory.actions().filter_map(|action| match action {
        Action::Start {
            key,
            desired: begun,
        } => {
            let wanted = desired.get(key).map(|it| it.spec.hash());
            (wanted != Some(begun.spec.hash())).then(|| key.clone())
        }
        Action::Stop { .. } => None,
    });

    let free = ACTIONS_MAX - memory.actions().len();
    let begin = plan(desired, observed)
        .into_iter()
        .filter(|action| memory.may_begin(action.key(), now))
        .take(free);

    Decision {
        cancel: cancel.collect(),
        begin: begin.collect(),
    }
}
