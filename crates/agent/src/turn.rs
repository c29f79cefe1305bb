//! The turn: the model is asked, its calls are made, and it is asked again, until it is done.
//!
//! ```text
//!            ┌──────────────────────────────── next(state) ──────────────────────────────┐
//!            v                                                                            │
//!  Ask: step ──> events of the model ──> calls that may be sent ──> Calls: results ──────┤
//!  Park: a person has to allow or answer  ──> Ok(Parked), and nothing is kept in memory   │
//!  Complete / a bound / stopped / failed  ──> RunFinished                                 │
//! ```
//!
//! What comes next is decided by [`next`] from the state alone, so it does not matter whether the
//! state grew in this turn or was read from a log.

mod calls;
mod offer;
mod retry;
mod step;
mod writer;

use tokio_util::sync::CancellationToken;

use crate::{
    conversation::Conversation,
    error::{ModelError, ModelErrorKind},
    event::{FinishReason, NoticeKind, RunEnd, RunEvent, joined},
    log::{Log, LogError},
    model::{Model, ModelOptions},
    settings::TurnSettings,
    settle::{end_events, resume_events},
    state::{CallState, Part, RunState},
    tools::Tools,
};

/// What a turn is made with.
#[derive(Clone, Copy)]
pub struct Turn<'a> {
    pub settings: &'a TurnSettings,
    pub model: &'a dyn Model,
    pub options: &'a ModelOptions,
    /// The chat up to the message that is to be answered, without this run.
    pub history: &'a Conversation,
    pub tools: &'a dyn Tools,
    pub log: &'a dyn Log,
    /// Cancelled when somebody stops the run.
    pub cancel: &'a CancellationToken,
}

#[derive(Debug, Clone, PartialEq)]
pub enum TurnEnd {
    /// The run has an end in its log.
    Finished(RunEnd),
    /// A person has to allow or answer something. The turn is made again after that.
    Parked,
}

/// Takes a run from `state` as far as it gets without a person.
///
/// `state` is the fold of the run's log, in whatever state that is: new, after an answer, after an
/// end. It follows the log while the turn is made, and is its fold when this returns.
///
/// Not cancel safe: stop a turn by its token. What is dropped has to be treated as after a crash
/// ([`crash_events`](crate::crash_events)).
pub async fn run_turn(turn: Turn<'_>, state: &mut RunState) -> Result<TurnEnd, LogError> {
    let mut run = Run { turn, state };
    run.open().await?;
    loop {
        if turn.cancel.is_cancelled() {
            return run.finish(RunEnd::Stopped).await;
        }
        let end = match next(run.state, turn.settings) {
            Next::Calls => {
                run.make_calls().await?;
                continue;
            }
            Next::Park => return Ok(TurnEnd::Parked),
            Next::Ask => match run.step().await? {
                Ok(()) => continue,
                Err(StepFailure::Stopped) => RunEnd::Stopped,
                Err(StepFailure::Model(error)) => RunEnd::Failed { error },
            },
            Next::End(end) => end,
        };
        return run.finish(end).await;
    }
}

/// A turn under way. It is the only one that writes to the log, and the state follows.
struct Run<'a> {
    turn: Turn<'a>,
    state: &'a mut RunState,
}

enum StepFailure {
    Stopped,
    Model(ModelError),
}

impl Run<'_> {
    async fn open(&mut self) -> Result<(), LogError> {
        let mut events = Vec::new();
        if !self.state.started {
            events.push(RunEvent::RunStarted {
                provider: self.turn.model.provider().to_owned(),
                model: self.turn.model.name().to_owned(),
            });
        }
        events.extend(resume_events(self.state));
        self.append(events).await
    }

    async fn finish(&mut self, end: RunEnd) -> Result<TurnEnd, LogError> {
        self.append(end_events(self.state, end.clone())).await?;
        Ok(TurnEnd::Finished(end))
    }

    /// Writes events down, and only then lets them be true.
    async fn append(&mut self, events: Vec<RunEvent>) -> Result<(), LogError> {
        if events.is_empty() {
            return Ok(());
        }
        let events = joined(events);
        self.turn.log.append(events.clone()).await?;
        for event in &events {
            self.state.apply(event);
        }
        Ok(())
    }

    /// Returns a notice that people have not had in this run.
    fn notice(&self, kind: NoticeKind, text: String) -> Option<RunEvent> {
        let notice = RunEvent::Notice { kind, text };
        (!self.is_told(&notice)).then_some(notice)
    }

    /// Returns whether an event is a notice that people have had in this run.
    fn is_told(&self, event: &RunEvent) -> bool {
        let RunEvent::Notice { kind, text } = event else {
            return false;
        };
        // How much was cut differs from step to step.
        let any_text = *kind == NoticeKind::ContextCut;
        let is_same = |it: &Part| match it {
            Part::Notice { kind: k, text: t } => k == kind && (any_text || t == text),
            _ => false,
        };
        self.state.parts.iter().any(is_same)
    }
}

#[derive(Debug, PartialEq)]
enum Next {
    /// There are calls that may be sent.
    Calls,
    Park,
    Ask,
    End(RunEnd),
}

fn next(state: &RunState, settings: &TurnSettings) -> Next {
    if state.calls().any(|it| it.state == CallState::Ready) {
        return Next::Calls;
    }
    if state.waiting().next().is_some() {
        return Next::Park;
    }
    if is_answered(state) {
        return Next::End(RunEnd::Complete);
    }
    if settings.missing_tool_calls_max <= state.missing_tool_calls {
        let count = state.missing_tool_calls;
        return Next::End(RunEnd::Failed {
            error: ModelError::new(
                ModelErrorKind::Limit,
                format!("the model called tools that are not there {count} times"),
                "enable the tools that it looks for, or choose another model",
            ),
        });
    }
    if settings.turn_steps_max <= state.turn_steps {
        let steps_max = settings.turn_steps_max;
        return Next::End(RunEnd::StepsMax { steps_max });
    }
    Next::Ask
}

/// Returns whether the last step ended by itself and wanted no call.
fn is_answered(state: &RunState) -> bool {
    let ended = matches!(state.finish, Some(it) if it != FinishReason::Cut);
    let is_step = |it: &Part| matches!(it, Part::Step { .. });
    let last_step = state.parts.rsplit(is_step).next().unwrap_or_default();
    ended && !last_step.iter().any(|it| matches!(it, Part::Call(_)))
}

#[cfg(test)]
mod tests;
