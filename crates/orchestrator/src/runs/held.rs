//! Calls whose server has asked something and waits for a person.
//!
//! A server that asks in the middle of a call still has the call under way, so somebody has to hold it
//! while the run is parked. It is held here, in memory: when the program ends the server ends as well,
//! and the call with it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use agent::ElicitationAction;
use domain::RunId;
use gateway::{CallError, CallNews, CallOutcome, CallQuestion};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::DropGuard;

use super::tools::answer_of;
use crate::Error;

pub(crate) const NOBODY_WAITS: &str = "the server does not wait for this answer any more";

/// A call that is under way. It is cancelled when this is dropped.
pub(crate) struct Held {
    pub(crate) news: mpsc::Receiver<CallNews>,
    pub(crate) done: watch::Receiver<Option<Result<CallOutcome, CallError>>>,
    pub(crate) _cancel: DropGuard,
    /// What the server has asked, until it is answered.
    pub(crate) asked: Option<AskedPerson>,
    /// What people are told of the call.
    pub(crate) facts: Value,
}

/// A question that a person is to answer.
pub(crate) struct AskedPerson {
    pub(crate) id: String,
    pub(crate) question: CallQuestion,
    /// What the answer has to look like.
    pub(crate) schema: Option<Value>,
}

/// How a call stands that waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeldState {
    Asks,
    /// The server has gone on without an answer, or has ended.
    WentOn,
    /// Nobody holds it.
    Lost,
}

#[derive(Default)]
pub(crate) struct HeldCalls {
    by_call: Mutex<HashMap<(RunId, String), Held>>,
}

impl HeldCalls {
    pub(crate) fn put(&self, run: RunId, call_id: &str, held: Held) {
        self.lock().insert((run, call_id.to_owned()), held);
    }

    pub(crate) fn take(&self, run: RunId, call_id: &str) -> Option<Held> {
        self.lock().remove(&(run, call_id.to_owned()))
    }

    pub(crate) fn has(&self, run: RunId, call_id: &str) -> bool {
        self.lock().contains_key(&(run, call_id.to_owned()))
    }

    pub(crate) fn state(&self, run: RunId, call_id: &str) -> HeldState {
        let by_call = self.lock();
        let Some(held) = by_call.get(&(run, call_id.to_owned())) else {
            return HeldState::Lost;
        };
        let asks = held.asked.as_ref().is_some_and(|it| it.question.is_open());
        match asks && held.done.borrow().is_none() {
            true => HeldState::Asks,
            false => HeldState::WentOn,
        }
    }

    /// Gives a server its answer. Returns the call that it is for.
    pub(crate) fn answer(
        &self,
        run: RunId,
        question: &str,
        action: ElicitationAction,
        content: Option<&Value>,
    ) -> Result<String, Error> {
        let gone = || super::conflict(NOBODY_WAITS);
        let mut by_call = self.lock();
        let is_asked = |it: &Held| it.asked.as_ref().is_some_and(|it| it.id == question);
        let found = by_call
            .iter_mut()
            .find(|((of, _), held)| *of == run && is_asked(held));
        let ((_, call_id), held) = found.ok_or_else(gone)?;
        let asked = held.asked.as_ref().ok_or_else(gone)?;
        if action == ElicitationAction::Accept {
            check(asked, content)?;
        }
        let asked = held.asked.take().ok_or_else(gone)?;
        if !asked.question.answer(answer_of(action, content)) {
            return Err(gone());
        }
        Ok(call_id.clone())
    }

    /// Forgets the calls of a run that is over, and cancels them.
    pub(crate) fn end_run(&self, run: RunId) {
        self.lock().retain(|(of, _), _| *of != run);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(RunId, String), Held>> {
        let by_call = self.by_call.lock();
        by_call.expect("no code panics while it holds the lock")
    }
}

fn check(asked: &AskedPerson, content: Option<&Value>) -> Result<(), Error> {
    let Some(schema) = &asked.schema else {
        return Ok(());
    };
    let content = content.unwrap_or(&Value::Null);
    let mismatches = agent::mismatches(schema, content);
    if !content.is_object() || !mismatches.is_empty() {
        return Err(Error::invalid(format!(
            "the answer does not fit what the server has asked for: {}",
            match mismatches.is_empty() {
                true => "it has to be an object".to_owned(),
                false => mismatches.join("; "),
            }
        )));
    }
    Ok(())
}
