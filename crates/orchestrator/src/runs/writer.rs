//! The log of one run: the only one who writes it while a task is at work on the run.
//!
//! Deltas are gathered for `run_commit_interval`, so that a model that writes two hundred tokens in a
//! second costs twenty commits and not two hundred. Anything else is committed at once, with all that
//! came before it. Readers get what is committed.

use std::{mem, sync::Arc};

use agent::{LogError, RunEnd, RunEvent, joined};
use async_trait::async_trait;
use store::{Appended, RunState, RunUpdate, StoreError, StoredRun};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

use super::{
    content::Kept,
    live::{Live, LiveBounds, NumberedEvent},
};
use crate::Shared;

/// Why events could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// The run is gone, or somebody else is at work on it.
    #[error("the run is gone, or somebody else has written to it")]
    Refused,
    #[error("the events cannot be stored")]
    Store(#[source] StoreError),
}

impl WriteError {
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Refused => false,
            // Most of what a database says may be otherwise in a while.
            Self::Store(err) => !matches!(
                err,
                StoreError::TooLarge { .. }
                    | StoreError::TooMany { .. }
                    | StoreError::NotStorable { .. }
            ),
        }
    }
}

/// Hands a turn's events to the writer.
pub(crate) struct StoreLog {
    sender: mpsc::Sender<Append>,
}

pub(crate) struct Append {
    events: Vec<RunEvent>,
    done: oneshot::Sender<Result<(), WriteError>>,
}

pub(crate) struct Writer {
    shared: Arc<Shared>,
    run: StoredRun,
    live: Arc<Live>,
    kept: Kept,
    /// What is not committed yet: deltas only, but while it is being committed.
    waiting: Vec<RunEvent>,
    waiting_bytes: usize,
    /// When it has to be.
    due: Option<Instant>,
    /// Why nothing can be written any more.
    failed: Option<WriteError>,
}

impl StoreLog {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Append>) {
        // One at a time: while it is written, the turn waits.
        let (sender, receiver) = mpsc::channel(1);
        (Self { sender }, receiver)
    }
}

#[async_trait]
impl agent::Log for StoreLog {
    async fn append(&self, events: Vec<RunEvent>) -> Result<(), LogError> {
        let (done, is_done) = oneshot::channel();
        let sent = self.sender.send(Append { events, done }).await;
        let written = match sent {
            Ok(()) => is_done.await.unwrap_or(Err(WriteError::Refused)),
            Err(_closed) => Err(WriteError::Refused),
        };
        written.map_err(|err| LogError {
            source: Box::new(err),
        })
    }
}

impl Writer {
    /// `kept` is the fold of what the run has in its log.
    pub(crate) fn new(shared: &Arc<Shared>, run: StoredRun, kept: Kept) -> Self {
        Self {
            shared: shared.clone(),
            live: shared.runs.lives.of(run.id),
            run,
            kept,
            waiting: Vec::new(),
            waiting_bytes: 0,
            due: None,
            failed: None,
        }
    }

    pub(crate) const fn run(&self) -> &StoredRun {
        &self.run
    }

    /// Writes what comes until nobody can send any more, and then what is left.
    pub(crate) async fn write_all(&mut self, mut appends: mpsc::Receiver<Append>) {
        loop {
            let due = self.due;
            tokio::select! {
                append = appends.recv() => match append {
                    Some(Append { events, done }) => {
                        // Who asked may be gone.
                        let _told = done.send(self.take(events).await);
                    }
                    None => break,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.commit_deltas().await;
                }
            }
        }
        self.commit_deltas().await;
    }

    async fn commit_deltas(&mut self) {
        if self.waiting.is_empty() || self.failed.is_some() {
            self.due = None;
            return;
        }
        // The turn hears of it with what it writes next.
        if let Err(err) = self.commit(None).await {
            self.failed = Some(err);
        }
    }

    async fn take(&mut self, events: Vec<RunEvent>) -> Result<(), WriteError> {
        if let Some(err) = self.failed.take() {
            self.failed = Some(WriteError::Refused);
            return Err(err);
        }
        let is_durable = events.iter().any(|it| !it.is_delta());
        self.waiting_bytes += events.iter().map(delta_bytes).sum::<usize>();
        self.waiting.extend(events);
        if !is_durable && self.waiting_bytes < self.shared.settings.run_commit_bytes {
            let interval = self.shared.settings.run_commit_interval;
            self.due.get_or_insert_with(|| Instant::now() + interval);
            return Ok(());
        }
        let written = self.commit(None).await;
        if written.is_err() {
            self.failed = Some(WriteError::Refused);
        }
        written
    }

    /// Writes events at once, behind all that waits, and what state the run is in then.
    pub(crate) async fn write(
        &mut self,
        events: Vec<RunEvent>,
        state: Option<RunState>,
    ) -> Result<(), WriteError> {
        self.waiting.extend(events);
        self.commit(state).await
    }

    /// As [`write`](Self::write), but what cannot be written does not wait.
    pub(crate) async fn write_in_place(
        &mut self,
        events: Vec<RunEvent>,
        state: Option<RunState>,
    ) -> Result<(), WriteError> {
        let waiting = self.waiting.clone();
        let written = self.write(events, state).await;
        if written.is_err() {
            self.waiting = waiting;
        }
        written
    }

    /// Returns what the run comes to with what waits to be written.
    pub(crate) fn state_with_waiting(&self) -> agent::RunState {
        let mut kept = self.kept.clone();
        self.waiting.iter().for_each(|it| kept.push(it.clone()));
        kept.state()
    }

    /// Leaves out what waits to be written. Returns whether there was anything.
    pub(crate) fn leave_out(&mut self) -> bool {
        !std::mem::take(&mut self.waiting).is_empty()
    }

    /// What was not written waits on where it fails.
    async fn commit(&mut self, state: Option<RunState>) -> Result<(), WriteError> {
        let events = joined(mem::take(&mut self.waiting));
        let end = events.iter().find_map(|it| match it {
            RunEvent::RunFinished { end } => Some(end.clone()),
            _ => None,
        });
        let state = end.as_ref().map(state_of).or(state);
        let written = self.append(&events, state, end.as_ref()).await;
        if let Err(err) = written {
            self.waiting = events;
            return Err(err);
        }
        (self.waiting_bytes, self.due) = (0, None);
        Ok(())
    }

    async fn append(
        &mut self,
        events: &[RunEvent],
        state: Option<RunState>,
        end: Option<&RunEnd>,
    ) -> Result<(), WriteError> {
        let bodies: Vec<String> = events.iter().map(to_json).collect();
        let sizes: Vec<usize> = bodies.iter().map(String::len).collect();
        let kept = state.filter(|it| *it != RunState::Running).map(|_| {
            let mut kept = self.kept.clone();
            events.iter().for_each(|it| kept.push(it.clone()));
            kept
        });
        let update = RunUpdate {
            state,
            error: match end {
                Some(RunEnd::Failed { error }) => Some(to_json(error).into()),
                _ => None,
            },
            answer: kept.as_ref().map(Kept::answer),
        };
        let appended = self.store_all(bodies, &update).await?;
        let first = self.run.last_seq + 1;
        self.run.last_seq = appended;
        let numbered = (first..).zip(events).zip(sizes);
        let numbered = numbered.map(|((seq, event), bytes)| {
            let event = event.clone();
            (NumberedEvent { seq, event }, bytes)
        });
        let numbered: Vec<(NumberedEvent, usize)> = numbered.collect();
        match kept {
            Some(kept) => self.kept = kept,
            None => events.iter().for_each(|it| self.kept.push(it.clone())),
        }
        let settings = &self.shared.settings;
        let bounds = LiveBounds {
            events_max: settings.run_live_events_max,
            bytes_max: settings.run_live_bytes_max,
        };
        self.live.publish(numbered, bounds);
        if let Some(state) = state {
            self.run.state = state;
        }
        Ok(())
    }

    async fn store_all(&self, bodies: Vec<String>, update: &RunUpdate) -> Result<u64, WriteError> {
        let store = &self.shared.store;
        let appended = store.append_run_events(self.run.id, self.run.last_seq, bodies, update);
        match appended.await {
            Ok(Appended::Done(last)) => Ok(last),
            Ok(Appended::Refused) => Err(WriteError::Refused),
            Err(err) => Err(WriteError::Store(err)),
        }
    }
}

fn delta_bytes(event: &RunEvent) -> usize {
    match event {
        RunEvent::TextDelta { text, .. }
        | RunEvent::ReasoningDelta { text, .. }
        | RunEvent::ToolInputDelta { text, .. } => text.len(),
        _ => 0,
    }
}

const fn state_of(end: &RunEnd) -> RunState {
    match end {
        RunEnd::Complete => RunState::Complete,
        RunEnd::Stopped => RunState::Stopped,
        // Nothing is wrong, and a person can let the model go on.
        RunEnd::StepsMax { .. } => RunState::Complete,
        RunEnd::Failed { .. } => RunState::Failed,
        RunEnd::Interrupted => RunState::Interrupted,
    }
}

fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("events have a JSON form")
}
