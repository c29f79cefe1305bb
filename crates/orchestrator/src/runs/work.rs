//! The tasks that take runs further.
//!
//! ```text
//! poke ──> work ──> attempt: read the log, put in what people have said, run_turn
//!   ^        │         ├─ parked ──> no task, until somebody pokes
//!   │        │         └─ over ────> the next message of the line ──> poke
//!   └────────┴── poked meanwhile: once more
//! ```
//!
//! Whatever may let a run go on pokes it: a decision, an answer, a stop, the end of a call that was
//! held, a start of the program. What is to be done is then found in the store, so a poke too many
//! changes nothing and none is needed for what a task at work finds by itself.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use agent::{
    CallState, ElicitationAction, LogError, ModelError, ModelErrorKind, RunEnd, RunEvent, RunState,
    Turn, TurnEnd, crash_events, end_events, run_turn,
};
use domain::{ChatId, PrincipalName, RunId};
use serde_json::Value;
use store::{ApprovalState, ApprovalsOf, StoredApproval, StoredRun};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    content::Kept,
    held::{HeldCalls, HeldState},
    live::{Lives, all_events},
    model::Named,
    prompt::{Prepared, prepare},
    tools::{FORGOTTEN, RunTools},
    writer::{StoreLog, WriteError, Writer},
};
use crate::{Error, Event, Orchestrator, Shared, error_chain};

/// The wait before a log that could not be written is tried again; it doubles.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What is in memory of runs.
pub(crate) struct Runs {
    entries: Mutex<HashMap<RunId, Entry>>,
    pub(crate) lives: Lives,
    pub(crate) held: HeldCalls,
    /// Turns at a time.
    slots: Semaphore,
}

/// A run that a task is at work on.
#[derive(Default)]
struct Entry {
    cancel: CancellationToken,
    /// Somebody has poked it meanwhile.
    again: bool,
    /// Answers to questions of servers that are to be put into its log.
    answers: Vec<RunEvent>,
}

impl Runs {
    pub(crate) fn new(runs_max: usize) -> Self {
        Self {
            entries: Mutex::default(),
            lives: Lives::default(),
            held: HeldCalls::default(),
            slots: Semaphore::new(runs_max.max(1)),
        }
    }

    /// Changes a run's entry, and returns whether a task has to be begun for it. Where the change
    /// cannot be made nothing is different.
    fn change<E>(
        &self,
        run: RunId,
        change: impl FnOnce(&mut Entry) -> Result<(), E>,
    ) -> Result<bool, E> {
        let mut entries = self.entries();
        if let Some(entry) = entries.get_mut(&run) {
            change(entry)?;
            entry.again = true;
            return Ok(false);
        }
        let mut entry = Entry::default();
        change(&mut entry)?;
        entries.insert(run, entry);
        Ok(true)
    }

    fn cancel(&self, run: RunId) -> CancellationToken {
        let mut entries = self.entries();
        entries.entry(run).or_default().cancel.clone()
    }

    fn take_answers(&self, run: RunId) -> Vec<RunEvent> {
        let mut entries = self.entries();
        let entry = entries.get_mut(&run);
        entry.map_or_else(Vec::new, |it| std::mem::take(&mut it.answers))
    }

    /// Lets go of a run that is parked. Returns `false` if it was poked meanwhile.
    fn let_go(&self, run: RunId) -> bool {
        let mut entries = self.entries();
        let was_poked = entries
            .get_mut(&run)
            .is_some_and(|it| std::mem::take(&mut it.again));
        if !was_poked {
            entries.remove(&run);
        }
        !was_poked
    }

    fn remove(&self, run: RunId) {
        self.entries().remove(&run);
        self.held.end_run(run);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<RunId, Entry>> {
        let entries = self.entries.lock();
        entries.expect("no code panics while it holds the lock")
    }
}

/// Has a task look at a run.
pub(crate) fn poke(shared: &Arc<Shared>, run: RunId) {
    let Ok(()) = change(shared, run, |_| Ok::<(), Infallible>(()));
}

/// Stops a run, whether a task is at work on it or not.
pub(crate) fn stop(shared: &Arc<Shared>, run: RunId) {
    let Ok(()) = change(shared, run, |it| {
        it.cancel.cancel();
        Ok::<(), Infallible>(())
    });
}

/// Gives a server a person's answer to its question, and puts it into the run's log.
pub(crate) fn answer(
    shared: &Arc<Shared>,
    run: RunId,
    question: &str,
    action: ElicitationAction,
    content: Option<Value>,
) -> Result<(), Error> {
    // Both at once: whoever finds that the call went on finds the answer, too.
    change(shared, run, |it| {
        let held = &shared.runs.held;
        let call_id = held.answer(run, question, action, content.as_ref())?;
        it.answers.push(RunEvent::ElicitationAnswered {
            call_id,
            elicitation_id: question.to_owned(),
            action,
            content,
        });
        Ok(())
    })
}

/// Notes that a call has ended; where it was held, its run goes on.
pub(crate) fn call_ended(shared: &Arc<Shared>, run: RunId, call_id: &str) {
    if shared.runs.held.has(run, call_id) {
        poke(shared, run);
    }
}

fn change<E>(
    shared: &Arc<Shared>,
    run: RunId,
    change: impl FnOnce(&mut Entry) -> Result<(), E>,
) -> Result<(), E> {
    if shared.runs.change(run, change)? {
        shared.tasks.spawn(work(shared.clone(), run));
    }
    Ok(())
}

/// How far an attempt has come.
enum Attempt {
    Parked,
    Over,
}

async fn work(shared: Arc<Shared>, run: RunId) {
    let mut wait = RETRY_MIN;
    loop {
        let attempted = attempt(&shared, run).await;
        match attempted {
            Ok(Attempt::Parked) => {
                if shared.shutdown.is_cancelled() || shared.runs.let_go(run) {
                    return;
                }
            }
            Ok(Attempt::Over) => {
                shared.runs.remove(run);
                return;
            }
            Err(err) => {
                tracing::error!(
                    error = &err as &dyn std::error::Error,
                    run.id = %run,
                    "A run cannot go on; it is tried again"
                );
                let waited = tokio::time::sleep(wait);
                if shared.shutdown.run_until_cancelled(waited).await.is_none() {
                    return;
                }
                wait = (wait * 2).min(RETRY_MAX);
            }
        }
    }
}

async fn attempt(shared: &Arc<Shared>, run: RunId) -> Result<Attempt, Error> {
    let cancel = shared.runs.cancel(run);
    // A turn that was stopped waits for nobody: all it does is to write its end.
    let slot = tokio::select! {
        biased;
        () = cancel.cancelled() => None,
        () = shared.shutdown.cancelled() => None,
        slot = shared.runs.slots.acquire() => slot.ok(),
    };
    let Some((stored, principal)) = load(shared, run).await? else {
        return Ok(Attempt::Over);
    };
    let (chat, was) = (stored.chat, stored.state);
    if !was.is_active() {
        start_next(shared, chat, &principal).await?;
        return Ok(Attempt::Over);
    }
    let mut kept = Kept::default();
    for it in all_events(shared, run).await? {
        kept.push(it.event);
    }
    let mut state = kept.state();
    let mut writer = Writer::new(shared, stored, kept);
    let is_over = take_further(shared, &mut writer, &mut state, &principal, &cancel).await?;
    drop(slot);
    if was != writer.run().state {
        tell(shared, &principal, writer.run()).await;
    }
    if !is_over {
        return Ok(Attempt::Parked);
    }
    withdraw_approvals(shared, &state).await?;
    if !shared.shutdown.is_cancelled() {
        start_next(shared, chat, &principal).await?;
    }
    Ok(Attempt::Over)
}

/// Closes what a run that is over asked people for.
async fn withdraw_approvals(shared: &Arc<Shared>, state: &RunState) -> Result<(), Error> {
    let asked = state.calls().filter_map(|it| it.approval.as_ref());
    for approval in asked.filter(|it| it.answer.is_none()) {
        let Ok(id) = approval.approval_id.parse() else {
            continue;
        };
        let of = ApprovalsOf::One(id);
        let closed = shared.store.close_approvals(&of, shared.now()).await;
        let closed = closed.map_err(Error::of_store)?;
        shared.approvals.close(shared, &closed).await;
    }
    Ok(())
}

/// Returns a run, and whose it is.
async fn load(shared: &Shared, run: RunId) -> Result<Option<(StoredRun, PrincipalName)>, Error> {
    let store = &shared.store;
    let stored = store.run(run).await.map_err(Error::of_store)?;
    let Some(stored) = stored else {
        return Ok(None);
    };
    let principal = store.chat_principal(stored.chat).await;
    let principal = principal.map_err(Error::of_store)?;
    Ok(principal.map(|it| (stored, it)))
}

/// Takes a run as far as it gets. Returns whether it is over.
async fn take_further(
    shared: &Arc<Shared>,
    writer: &mut Writer,
    state: &mut RunState,
    principal: &PrincipalName,
    cancel: &CancellationToken,
) -> Result<bool, Error> {
    if shared.shutdown.is_cancelled() {
        return settle(shared, writer, None).await;
    }
    let said = said(shared, writer.run().id, state).await?;
    let can_call = state.calls().any(|it| it.state == CallState::Ready);
    if said.is_empty() && state.is_parked() && !can_call && !cancel.is_cancelled() {
        return park(shared, writer).await;
    }
    if !said.is_empty() || writer.run().state != store::RunState::Running {
        let began = writer.write(said.clone(), Some(store::RunState::Running));
        match began.await {
            Ok(()) => said.iter().for_each(|it| state.apply(it)),
            Err(err) => return failed(shared, writer, &err).await,
        }
        tell(shared, principal, writer.run()).await;
    }
    if cancel.is_cancelled() {
        return finish(shared, writer, RunEnd::Stopped).await;
    }
    let prepared = match prepare(shared, writer.run(), state, principal).await? {
        Ok(prepared) => prepared,
        Err(error) => return finish(shared, writer, RunEnd::Failed { error }).await,
    };
    match turn(shared, writer, state, principal, &prepared, cancel).await {
        Some(Ok(TurnEnd::Finished(_))) => Ok(true),
        Some(Ok(TurnEnd::Parked)) => park(shared, writer).await,
        Some(Err(err)) => {
            tracing::warn!(
                error = &err as &dyn std::error::Error,
                run.id = %writer.run().id,
                "The log of a run cannot be written"
            );
            failed(shared, writer, &err).await
        }
        None => settle(shared, writer, None).await,
    }
}

/// Makes the turn; `None` where the program ended in the middle of it.
async fn turn(
    shared: &Arc<Shared>,
    writer: &mut Writer,
    state: &mut RunState,
    principal: &PrincipalName,
    prepared: &Prepared,
    cancel: &CancellationToken,
) -> Option<Result<TurnEnd, LogError>> {
    let run = writer.run();
    let tools = RunTools::new(shared, run.id, run.chat, principal);
    let (log, appends) = StoreLog::new();
    let turning = async {
        // Dropped at its end, by which the writer ends.
        let log = log;
        if !prepared.first.is_empty() {
            if let Err(err) = agent::Log::append(&log, prepared.first.clone()).await {
                return Some(Err(err));
            }
            prepared.first.iter().for_each(|it| state.apply(it));
        }
        let turn = Turn {
            settings: &shared.settings.turn,
            model: &*prepared.model,
            options: &prepared.options,
            history: &prepared.history,
            tools: &tools,
            log: &log,
            cancel,
        };
        // What is dropped here is settled as after a crash.
        tokio::select! {
            biased;
            end = run_turn(turn, state) => Some(end),
            () = shared.shutdown.cancelled() => None,
        }
    };
    let (end, ()) = tokio::join!(turning, writer.write_all(appends));
    end
}

async fn park(shared: &Arc<Shared>, writer: &mut Writer) -> Result<bool, Error> {
    if writer.run().state == store::RunState::Parked {
        return Ok(false);
    }
    let parked = writer.write(Vec::new(), Some(store::RunState::Parked));
    match parked.await {
        Ok(()) => Ok(false),
        Err(err) => failed(shared, writer, &err).await,
    }
}

async fn finish(shared: &Arc<Shared>, writer: &mut Writer, end: RunEnd) -> Result<bool, Error> {
    settle(shared, writer, Some(end)).await
}

/// Writes the end of a run that no turn has ended: this one, or what a crash would make of it.
/// Returns whether it is over.
async fn settle(
    shared: &Arc<Shared>,
    writer: &mut Writer,
    end: Option<RunEnd>,
) -> Result<bool, Error> {
    let mut wait = RETRY_MIN;
    loop {
        // What waits to be written is written with it.
        let events = settling(writer, end.clone());
        let parks = !events
            .iter()
            .any(|it| matches!(it, RunEvent::RunFinished { .. }));
        let state = parks.then_some(store::RunState::Parked);
        match writer.write_in_place(events, state).await {
            Ok(()) => return Ok(!parks),
            Err(WriteError::Refused) => return Ok(true),
            Err(err) => {
                tracing::error!(
                    error = &err as &dyn std::error::Error,
                    run.id = %writer.run().id,
                    "The end of a run cannot be written; it is tried again"
                );
                // What cannot be stored at all is left out, once.
                if !err.is_transient() && !writer.leave_out() {
                    return Ok(true);
                }
            }
        }
        let waited = tokio::time::sleep(wait);
        if shared.shutdown.run_until_cancelled(waited).await.is_none() {
            // The next start finds it as after a crash.
            return Ok(true);
        }
        wait = (wait * 2).min(RETRY_MAX);
    }
}

fn settling(writer: &Writer, end: Option<RunEnd>) -> Vec<RunEvent> {
    let mut state = writer.state_with_waiting();
    let mut events = Vec::new();
    if !state.started {
        let started = RunEvent::RunStarted {
            provider: state.provider.clone(),
            model: writer.run().model.clone(),
        };
        state.apply(&started);
        events.push(started);
    }
    events.extend(match end {
        Some(end) => end_events(&state, end),
        None => crash_events(&state),
    });
    events
}

/// Ends a run whose log could not be written.
async fn failed(
    shared: &Arc<Shared>,
    writer: &mut Writer,
    err: &(dyn std::error::Error + Sync),
) -> Result<bool, Error> {
    let stored = shared.store.run(writer.run().id).await;
    let stored = stored.map_err(Error::of_store)?;
    let is_ours = |it: &StoredRun| it.state.is_active() && it.last_seq == writer.run().last_seq;
    if !stored.as_ref().is_some_and(is_ours) {
        return Ok(true);
    }
    let error = ModelError {
        details: Some(error_chain(err)),
        ..ModelError::new(
            ModelErrorKind::Other,
            "what happens in this run could not be stored",
            "look at the program's log, and at the room on its disk",
        )
    };
    finish(shared, writer, RunEnd::Failed { error }).await
}

/// Returns what people have said since the run was parked, and what became of calls that were held.
async fn said(shared: &Shared, run: RunId, state: &RunState) -> Result<Vec<RunEvent>, Error> {
    // How the calls stand comes before the answers, since an answer comes before a call goes on.
    let held: Vec<HeldState> = state
        .calls()
        .map(|it| shared.runs.held.state(run, &it.call_id))
        .collect();
    let answers = shared.runs.take_answers(run);
    let mut events = Vec::new();
    for (call, held) in state.calls().zip(held) {
        let call_id = call.call_id.clone();
        match &call.state {
            CallState::NeedsApproval => {
                let id = call.approval.as_ref().map(|it| it.approval_id.as_str());
                events.extend(decided(shared, call_id, id.unwrap_or_default()).await?);
            }
            CallState::NeedsAnswer(question) => {
                let is_it = |it: &&RunEvent| matches!(it, RunEvent::ElicitationAnswered { elicitation_id, .. } if *elicitation_id == question.elicitation_id);
                let answer = answers.iter().find(is_it).cloned();
                events.extend(answer.or_else(|| {
                    let elicitation_id = question.elicitation_id.clone();
                    match held {
                        HeldState::Asks => None,
                        HeldState::WentOn => Some(RunEvent::ElicitationAnswered {
                            call_id,
                            elicitation_id,
                            action: ElicitationAction::Cancel,
                            content: None,
                        }),
                        HeldState::Lost => Some(RunEvent::ToolOutcomeUnknown {
                            call_id,
                            why: FORGOTTEN.to_owned(),
                        }),
                    }
                }));
            }
            _ => {}
        }
    }
    Ok(events)
}

/// Returns what was decided about a call, if it was.
async fn decided(
    shared: &Shared,
    call_id: String,
    approval_id: &str,
) -> Result<Option<RunEvent>, Error> {
    let approval = match approval_id.parse() {
        Ok(id) => shared.store.approval(id).await.map_err(Error::of_store)?,
        Err(_) => None,
    };
    let no = |reason: &str| RunEvent::ToolApprovalAnswered {
        call_id: call_id.clone(),
        approval_id: approval_id.to_owned(),
        approved: false,
        by: None,
        scope: None,
        arguments: None,
        reason: Some(reason.to_owned()),
    };
    let Some(approval) = approval else {
        return Ok(Some(no("the request for it is gone")));
    };
    Ok(match approval.state {
        ApprovalState::Open => None,
        ApprovalState::Approved | ApprovalState::Denied => Some(answered(call_id, approval)?),
        ApprovalState::Expired => Some(no("nobody decided in time")),
        ApprovalState::Stale => Some(no("the tool has changed since it was asked for")),
        ApprovalState::Withdrawn => Some(no("the server is gone")),
    })
}

fn answered(call_id: String, approval: StoredApproval) -> Result<RunEvent, Error> {
    let arguments = approval.edited_arguments.as_deref();
    let arguments = arguments.map(serde_json::from_str).transpose();
    Ok(RunEvent::ToolApprovalAnswered {
        call_id,
        approval_id: approval.id.to_string(),
        approved: approval.state == ApprovalState::Approved,
        by: approval.decided_by.map(|it| it.to_string()),
        scope: approval.scope.map(|it| it.as_str().to_owned()),
        arguments: arguments.map_err(Error::internal)?,
        reason: approval.reason,
    })
}

/// Begins the run of the message that waits longest in a chat, if one does and none is under way.
pub(crate) async fn start_next(
    shared: &Arc<Shared>,
    chat: ChatId,
    principal: &PrincipalName,
) -> Result<(), Error> {
    let store = &shared.store;
    let Some(message) = store.next_queued(chat).await.map_err(Error::of_store)? else {
        return Ok(());
    };
    let stored = store.chat(chat, principal).await.map_err(Error::of_store)?;
    let Some(stored) = stored else {
        return Ok(());
    };
    let new = super::new_run(Named::of(&stored));
    let of = store::RunOf::Existing(message.node.id);
    let begun = store.begin_run(chat, &of, &new).await;
    if let store::Begun::Started(run) = begun.map_err(Error::of_store)? {
        tell(shared, principal, &run).await;
        poke(shared, run.id);
    }
    Ok(())
}

/// Tells people how a run stands.
pub(crate) async fn tell(shared: &Arc<Shared>, principal: &PrincipalName, run: &StoredRun) {
    let event = Event::RunChanged {
        chat: run.chat,
        run: run.id,
        state: run.state.as_str(),
    };
    shared.events.publish_to(principal, event);
    let this = Orchestrator {
        shared: shared.clone(),
    };
    // A chat that is gone is told of by whoever has deleted it.
    let _told = this.tell_chat(run.chat, principal).await;
}

/// Makes of the runs that were under way when the program ended last what they are, and lets those go
/// on that can.
pub(crate) async fn recover(shared: &Arc<Shared>) -> Result<(), Error> {
    let store = &shared.store;
    let running = store.runs_in_state(store::RunState::Running).await;
    for run in running.map_err(Error::of_store)? {
        let mut kept = Kept::default();
        for it in all_events(shared, run.id).await? {
            kept.push(it.event);
        }
        let mut writer = Writer::new(shared, run, kept);
        settle(shared, &mut writer, None).await?;
    }
    shared.tasks.spawn(go_on(shared.clone()));
    Ok(())
}

/// Lets runs go on that were decided about just before the program ended, and messages that wait.
async fn go_on(shared: Arc<Shared>) {
    let went_on = async {
        let store = &shared.store;
        let parked = store.runs_in_state(store::RunState::Parked).await;
        for run in parked.map_err(Error::of_store)? {
            poke(&shared, run.id);
        }
        for chat in store.queued_chats().await.map_err(Error::of_store)? {
            let principal = store.chat_principal(chat).await;
            if let Some(principal) = principal.map_err(Error::of_store)? {
                start_next(&shared, chat, &principal).await?;
            }
        }
        Ok::<(), Error>(())
    };
    if let Err(err) = went_on.await {
        tracing::error!(
            error = &err as &dyn std::error::Error,
            "Runs that wait are not looked at"
        );
    }
}
