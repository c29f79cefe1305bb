//! Chat runs: a person's message, and what a model makes of it with the chat's tools.
//!
//! ```text
//! send_message ──> store (message, answer, run: one transaction) ──> work: a task
//!                                                                      │ agent::run_turn
//!                        RunTools ──> Gateway::call_in_turn <──────────┤
//!                        Writer ────> run_events, then the ring ───────┘
//! read_run ─────────────> store, then the ring, at the reader's pace
//! ```
//!
//! A run is a function of its log; whoever reads it is a view. A run that waits for a person has no
//! task. A chat has one run at a time; further messages wait in line and start by themselves.

mod content;
mod held;
mod live;
mod messages;
mod model;
mod prompt;
mod tools;
mod work;
mod writer;

use std::sync::Arc;

use agent::{ElicitationAction, RunEnd, RunEvent, RunState};
use domain::{Caller, ChatId, MessageId, ProviderId, RunId};
use serde_json::Value;
use store::{Appended, Begun, ChatChange, NewRun, Role, RunOf, StoredRun};

use self::model::Named;
pub(crate) use self::work::{Runs, recover};
pub use self::{
    content::MessagePart,
    live::{NumberedEvent, RunReader},
    messages::{ChatMessages, MessageContent, MessageView, RunView},
};
use crate::{Error, Orchestrator, Shared, chats::no_chat};

/// A message that a person sends.
#[derive(Debug, Clone, Default)]
pub struct SendMessage {
    pub parts: Vec<MessagePart>,
    /// What the chat is to ask from now on; `None` is what it asks already.
    pub model: Option<(ProviderId, String)>,
}

/// What became of a message.
#[derive(Debug, Clone)]
pub struct Sent {
    pub message: MessageId,
    /// The run that answers it; `None` while it waits for another to end.
    pub run: Option<StoredRun>,
    /// What is new of the run comes after this event.
    pub after: u64,
}

impl Sent {
    const fn new(message: MessageId, run: Option<StoredRun>) -> Self {
        Self {
            message,
            run,
            after: 0,
        }
    }
}

impl Orchestrator {
    /// Sends a message in a chat of `by`'s principal. When this returns it is stored, and a run has
    /// begun or the message waits in line.
    pub async fn send_message(
        &self,
        chat: ChatId,
        send: SendMessage,
        by: &Caller,
    ) -> Result<Sent, Error> {
        content::check_parts(&send.parts, self.shared.settings.chat_message_bytes_max)?;
        let message = MessageId::from_uuid(uuid::Uuid::now_v7());
        let new = content::new_message(message, &send.parts)?;
        let title = content::title_of(&send.parts);
        let of = RunOf::New(new);
        let run = self.begin(chat, of, send.model, title, by).await?;
        Ok(Sent::new(message, run))
    }

    /// Puts another message in the place of one of a person's: one that waits in line is changed;
    /// one that was sent stays beside the new one, which is answered.
    pub async fn edit_message(
        &self,
        chat: ChatId,
        message: MessageId,
        send: SendMessage,
        by: &Caller,
    ) -> Result<Sent, Error> {
        content::check_parts(&send.parts, self.shared.settings.chat_message_bytes_max)?;
        self.chat(chat, by).await?;
        let queued = content::new_message(message, &send.parts)?;
        let edited = self.shared.store.edit_queued(chat, &queued).await;
        if edited.map_err(Error::of_store)? {
            self.tell_of_chat(chat, by).await;
            return Ok(Sent::new(message, None));
        }
        let id = MessageId::from_uuid(uuid::Uuid::now_v7());
        let new = content::new_message(id, &send.parts)?;
        let of = RunOf::Instead {
            of: message,
            message: new,
        };
        let run = self.begin(chat, of, send.model, None, by).await?;
        Ok(Sent::new(id, run))
    }

    /// Has a message answered once more: a person's, or the one that an answer is to. The answers
    /// that there are stay beside the new one.
    pub async fn regenerate(
        &self,
        chat: ChatId,
        message: MessageId,
        model: Option<(ProviderId, String)>,
        by: &Caller,
    ) -> Result<Sent, Error> {
        self.chat(chat, by).await?;
        let found = self.shared.store.message(chat, message).await;
        let found = found.map_err(Error::of_store)?;
        let found = found.ok_or_else(|| no_message(message))?;
        let message = match (found.node.role, found.node.parent) {
            (Role::Assistant, Some(parent)) => parent,
            _ => message,
        };
        let run = self
            .begin(chat, RunOf::Existing(message), model, None, by)
            .await?;
        Ok(Sent::new(message, run))
    }

    /// Lets the run go on whose answer is the end of what a chat shows: one that was stopped, was
    /// interrupted, has failed or has reached its bound.
    pub async fn resume_run(&self, chat: ChatId, by: &Caller) -> Result<Sent, Error> {
        let stored = self.chat(chat, by).await?;
        let store = &self.shared.store;
        let runs = store.runs_of(chat).await.map_err(Error::of_store)?;
        let is_last = |it: &StoredRun| Some(it.answer) == stored.leaf && !it.state.is_active();
        let run = runs.into_iter().find(is_last);
        let run = run.ok_or_else(|| conflict("no run of this chat can go on"))?;
        let events = live::all_events(&self.shared, run.id).await?;
        let state = RunState::of(events.iter().map(|it| &it.event));
        if state.end == Some(RunEnd::Complete) {
            return Err(conflict("the answer is whole; send another message"));
        }
        let (this, by) = (self.clone(), by.clone());
        let reopen = async move { this.reopen(run, &by).await };
        self.to_its_end(reopen).await
    }

    async fn reopen(&self, mut run: StoredRun, by: &Caller) -> Result<Sent, Error> {
        let after = run.last_seq;
        let event = serde_json::to_string(&RunEvent::RunResumed).map_err(Error::internal)?;
        let reopened = self.shared.store.reopen_run(run.id, after, &event).await;
        match reopened.map_err(Error::of_store)? {
            Appended::Done(last_seq) => {
                (run.last_seq, run.state) = (last_seq, store::RunState::Running);
            }
            Appended::Refused => return Err(conflict("this run cannot go on any more")),
        }
        work::tell(&self.shared, &by.principal, &run).await;
        work::poke(&self.shared, run.id);
        Ok(Sent {
            message: run.message,
            run: Some(run),
            after,
        })
    }

    /// Begins a run, or puts its message in line.
    async fn begin(
        &self,
        chat: ChatId,
        of: RunOf,
        model: Option<(ProviderId, String)>,
        title: Option<String>,
        by: &Caller,
    ) -> Result<Option<StoredRun>, Error> {
        let (this, by) = (self.clone(), by.clone());
        let begin = async move { this.begin_now(chat, of, model, title, &by).await };
        self.to_its_end(begin).await
    }

    async fn begin_now(
        &self,
        chat: ChatId,
        of: RunOf,
        model: Option<(ProviderId, String)>,
        title: Option<String>,
        by: &Caller,
    ) -> Result<Option<StoredRun>, Error> {
        let shared = &self.shared;
        if let Some((provider, model)) = model {
            let change = ChatChange {
                provider: Some(Some(provider)),
                model: Some(Some(model)),
                ..ChatChange::default()
            };
            let changed = shared.store.update_chat(chat, &by.principal, &change).await;
            changed.map_err(Error::of_store)?;
        }
        let stored = self.chat(chat, by).await?;
        let new = new_run(Named::of(&stored));
        let begun = shared.store.begin_run(chat, &of, &new).await;
        let begun = match begun.map_err(Error::of_store)? {
            Begun::Started(run) => Some(run),
            Begun::Queued => None,
            Begun::Busy => {
                return Err(conflict("a run is under way in this chat; stop it first"));
            }
            Begun::NotFound => {
                let message = match &of {
                    RunOf::New(_) => return Err(no_chat(chat)),
                    RunOf::Instead { of, .. } | RunOf::Existing(of) => *of,
                };
                return Err(no_message(message));
            }
        };
        if let Some(title) = title.filter(|_| stored.title_is_auto && stored.leaf.is_none()) {
            let titled = shared.store.set_auto_title(chat, &title).await;
            titled.map_err(Error::of_store)?;
        }
        match &begun {
            Some(run) => {
                work::tell(shared, &by.principal, run).await;
                work::poke(shared, run.id);
            }
            // The run that it waits for may have ended just now.
            None => {
                self.tell_of_chat(chat, by).await;
                work::start_next(shared, chat, &by.principal).await?;
            }
        }
        Ok(begun)
    }

    /// Takes a message that waits out of the line.
    pub async fn remove_queued(
        &self,
        chat: ChatId,
        message: MessageId,
        by: &Caller,
    ) -> Result<(), Error> {
        self.chat(chat, by).await?;
        let removed = self.shared.store.remove_queued(chat, message).await;
        if !removed.map_err(Error::of_store)? {
            return Err(Error::not_found(format!("waiting message `{message}`")));
        }
        self.tell_of_chat(chat, by).await;
        Ok(())
    }

    /// Stops the run that is under way or waits in a chat; what had arrived is kept. Returns which
    /// one that was. Its end is in its log soon after.
    pub async fn stop_run(&self, chat: ChatId, by: &Caller) -> Result<Option<RunId>, Error> {
        self.chat(chat, by).await?;
        let active = self.shared.store.active_run(chat).await;
        let active = active.map_err(Error::of_store)?;
        if let Some(run) = &active {
            work::stop(&self.shared, run.id);
        }
        Ok(active.map(|it| it.id))
    }

    /// Answers what a server has asked in the middle of a call.
    pub async fn answer_question(
        &self,
        chat: ChatId,
        question: &str,
        action: ElicitationAction,
        content: Option<Value>,
        by: &Caller,
    ) -> Result<(), Error> {
        self.chat(chat, by).await?;
        let active = self.shared.store.active_run(chat).await;
        let active = active.map_err(Error::of_store)?;
        let run = active.ok_or_else(|| conflict(held::NOBODY_WAITS))?;
        let content = content.filter(|_| action == ElicitationAction::Accept);
        work::answer(&self.shared, run.id, question, action, content)
    }

    /// Reads the run that is under way or waits in a chat, after an event; `None` where there is
    /// none.
    pub async fn read_active_run(
        &self,
        chat: ChatId,
        after: u64,
        by: &Caller,
    ) -> Result<Option<RunReader>, Error> {
        self.chat(chat, by).await?;
        let active = self.shared.store.active_run(chat).await;
        let active = active.map_err(Error::of_store)?;
        Ok(active.map(|it| RunReader::new(&self.shared, it, after)))
    }

    /// Reads a run after an event, until it ends.
    pub async fn read_run(&self, run: RunId, after: u64, by: &Caller) -> Result<RunReader, Error> {
        let run = self.run_of(run, by).await?;
        Ok(RunReader::new(&self.shared, run, after))
    }

    /// Returns a run in a chat of `by`'s principal. Somebody else's is not found.
    async fn run_of(&self, run: RunId, by: &Caller) -> Result<StoredRun, Error> {
        let missing = || Error::not_found(format!("run `{run}`"));
        let found = self.shared.store.run(run).await;
        let found = found.map_err(Error::of_store)?.ok_or_else(missing)?;
        let chat = self.shared.store.chat(found.chat, &by.principal).await;
        match chat.map_err(Error::of_store)? {
            Some(_) => Ok(found),
            None => Err(missing()),
        }
    }

    async fn tell_of_chat(&self, chat: ChatId, by: &Caller) {
        // A chat that is gone is told of by whoever has deleted it.
        let _told = self.tell_chat(chat, &by.principal).await;
    }
}

/// Lets a run go on that waits for a request which was decided about or closed.
pub(crate) async fn decided(shared: &Arc<Shared>, chat: Option<ChatId>) {
    let Some(chat) = chat else { return };
    match shared.store.active_run(chat).await {
        Ok(Some(run)) => work::poke(shared, run.id),
        Ok(None) => {}
        Err(err) => tracing::error!(
            error = &err as &dyn std::error::Error,
            chat.id = %chat,
            "A run does not hear of a decision; it does at the next start"
        ),
    }
}

/// Ends a run whose chat is gone, for whoever reads it, too.
pub(crate) fn forget(shared: &Arc<Shared>, run: RunId) {
    shared.runs.lives.of(run).close();
    work::stop(shared, run);
}

fn new_run(named: Named) -> NewRun {
    NewRun {
        id: RunId::from_uuid(uuid::Uuid::now_v7()),
        answer: MessageId::from_uuid(uuid::Uuid::now_v7()),
        model: named.model,
        provider: named.provider,
    }
}

fn conflict(reason: &str) -> Error {
    Error::Conflict {
        reason: reason.to_owned(),
    }
}

fn no_message(message: MessageId) -> Error {
    Error::not_found(format!("message `{message}`"))
}
