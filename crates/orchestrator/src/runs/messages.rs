//! What a chat shows: the messages up to the end that was chosen, what waits, and what is under way.

use std::collections::BTreeMap;

use agent::ui::UiMessage;
use domain::{Caller, ChatId, MessageId, RunId, Timestamp};
use store::{ChatHit, MessageNode, MessageState, RunState, StoredMessage, StoredRun};

use super::{
    content::{MessagePart, events_of, parts_of},
    live::all_events,
};
use crate::{Error, Orchestrator};

/// Messages of one page.
const PAGE_MAX: u32 = 200;

/// A page of what a chat shows.
#[derive(Debug, Clone)]
pub struct ChatMessages {
    /// The oldest first.
    pub messages: Vec<MessageView>,
    /// Whether older ones come before them.
    pub has_older: bool,
    /// What waits in line, in the order in which it is sent.
    pub queue: Vec<MessageView>,
    /// The run that is under way or waits.
    pub active: Option<RunView>,
}

#[derive(Debug, Clone)]
pub struct MessageView {
    pub id: MessageId,
    pub parent: Option<MessageId>,
    pub created_at: Timestamp,
    pub content: MessageContent,
    /// The messages that stand in each other's place here, this one included, in the order in which
    /// they were made.
    pub siblings: Vec<MessageId>,
}

#[derive(Debug, Clone)]
pub enum MessageContent {
    User(Vec<MessagePart>),
    /// An answer, as far as it was written, and its run.
    Assistant(Box<UiMessage>, Option<RunView>),
}

#[derive(Debug, Clone)]
pub struct RunView {
    pub id: RunId,
    pub answer: MessageId,
    pub state: RunState,
    pub model: String,
    /// The number of the last event that is in the answer; it goes on after that.
    pub seq: u64,
    /// `None` while it is under way or waits.
    pub ended_at: Option<Timestamp>,
}

impl Orchestrator {
    /// Returns a page of what a chat shows: the last messages, or those before one.
    pub async fn chat_messages(
        &self,
        chat: ChatId,
        before: Option<MessageId>,
        limit: u32,
        by: &Caller,
    ) -> Result<ChatMessages, Error> {
        let stored = self.chat(chat, by).await?;
        let store = &self.shared.store;
        let tree = store.message_tree(chat).await.map_err(Error::of_store)?;
        let end = match before {
            None => stored.leaf,
            Some(before) => {
                let found = tree.iter().find(|it| it.id == before);
                found.ok_or_else(|| super::no_message(before))?.parent
            }
        };
        let path = match end {
            None => Vec::new(),
            Some(end) => {
                let path = store.message_path(chat, end, limit.clamp(1, PAGE_MAX));
                path.await.map_err(Error::of_store)?
            }
        };
        let runs = store.runs_of(chat).await.map_err(Error::of_store)?;
        let runs: BTreeMap<RunId, StoredRun> = runs.into_iter().map(|it| (it.id, it)).collect();
        let siblings = siblings(&tree);
        let mut messages = Vec::with_capacity(path.len());
        let mut active = None;
        for message in &path {
            let content = self.content(message, &runs, &mut active).await?;
            messages.push(view(message, content, &siblings));
        }
        if active.is_none() {
            let found = runs.values().find(|it| it.state.is_active());
            active = found.map(|it| run_view(it, 0));
        }
        let mut queue = Vec::new();
        let is_queued = |it: &&MessageNode| it.state == MessageState::Queued;
        for node in tree.iter().filter(is_queued) {
            let found = store.message(chat, node.id).await;
            if let Some(message) = found.map_err(Error::of_store)? {
                let content = MessageContent::User(parts_of(&message)?);
                queue.push(view(&message, content, &BTreeMap::new()));
            }
        }
        Ok(ChatMessages {
            has_older: path.first().is_some_and(|it| it.node.parent.is_some()),
            messages,
            queue,
            active,
        })
    }

    async fn content(
        &self,
        message: &StoredMessage,
        runs: &BTreeMap<RunId, StoredRun>,
        active: &mut Option<RunView>,
    ) -> Result<MessageContent, Error> {
        let Some(run) = message.node.run else {
            return Ok(MessageContent::User(parts_of(message)?));
        };
        let id = message.node.id.to_string();
        let run = runs.get(&run);
        if let Some(run) = run.filter(|it| it.state.is_active()) {
            // What is stored of it is behind its log.
            let events = all_events(&self.shared, run.id).await?;
            let seq = events.last().map_or(0, |it| it.seq);
            let answer = UiMessage::of(&id, events.iter().map(|it| &it.event));
            let view = run_view(run, seq);
            *active = Some(view.clone());
            return Ok(MessageContent::Assistant(Box::new(answer), Some(view)));
        }
        let answer = UiMessage::of(&id, &events_of(message)?);
        let run = run.map(|it| run_view(it, it.last_seq));
        Ok(MessageContent::Assistant(Box::new(answer), run))
    }

    /// Shows a message in the place of its siblings, with what was said after it last.
    pub async fn show_message(
        &self,
        chat: ChatId,
        message: MessageId,
        by: &Caller,
    ) -> Result<(), Error> {
        self.chat(chat, by).await?;
        let store = &self.shared.store;
        let tree = store.message_tree(chat).await.map_err(Error::of_store)?;
        let leaf = last_below(&tree, message).ok_or_else(|| super::no_message(message))?;
        if !store.set_leaf(chat, leaf).await.map_err(Error::of_store)? {
            return Err(super::conflict(
                "a run is under way in this chat; stop it first",
            ));
        }
        self.tell_of_chat(chat, by).await;
        Ok(())
    }

    /// Finds chats of `by`'s principal in whose title or messages a text stands.
    pub async fn search_chats(
        &self,
        text: &str,
        limit: u32,
        by: &Caller,
    ) -> Result<Vec<ChatHit>, Error> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.shared.store.search_chats(&by.principal, text, limit);
        found.await.map_err(Error::of_store)
    }
}

fn run_view(run: &StoredRun, seq: u64) -> RunView {
    RunView {
        id: run.id,
        answer: run.answer,
        state: run.state,
        model: run.model.clone(),
        seq,
        ended_at: (!run.state.is_active()).then_some(run.updated_at),
    }
}

type Siblings = BTreeMap<Option<MessageId>, Vec<MessageId>>;

fn siblings(tree: &[MessageNode]) -> Siblings {
    let mut siblings = Siblings::new();
    for node in tree.iter().filter(|it| it.state == MessageState::Sent) {
        siblings.entry(node.parent).or_default().push(node.id);
    }
    siblings
}

fn view(message: &StoredMessage, content: MessageContent, siblings: &Siblings) -> MessageView {
    let node = &message.node;
    MessageView {
        id: node.id,
        parent: node.parent,
        created_at: node.created_at,
        content,
        siblings: siblings.get(&node.parent).cloned().unwrap_or_default(),
    }
}

/// Returns the end of what was said last below a message.
fn last_below(tree: &[MessageNode], message: MessageId) -> Option<MessageId> {
    let is_sent = |it: &&MessageNode| it.state == MessageState::Sent;
    let mut last = tree.iter().filter(is_sent).find(|it| it.id == message)?.id;
    // A tree has no way back, so this ends.
    let newest_of = |parent: MessageId| {
        let children = tree.iter().filter(is_sent);
        let children = children.filter(|it| it.parent == Some(parent));
        children.max_by_key(|it| it.position)
    };
    while let Some(next) = newest_of(last) {
        last = next.id;
    }
    Some(last)
}

#[cfg(test)]
mod tests;
