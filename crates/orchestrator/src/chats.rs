//! The use cases about chats: begin, look, change, delete.

use domain::{Caller, ChatId, PrincipalName, ServerId, Timestamp};
use store::{
    ApprovalsOf, AuditEvent, ChatChange, ChatFilter, NewChat, RunState, StoredChat, ToolsDefault,
};

use crate::{Error, Event, Orchestrator, runs};

/// The title of a chat that nobody has given one.
const TITLE: &str = "New chat";
const TITLE_CHARS_MAX: usize = 200;

/// A chat that somebody begins.
#[derive(Debug, Clone, Default)]
pub struct BeginChat {
    /// `None` until something is said in it.
    pub title: Option<String>,
    /// `None` is all tools, where those are few enough for a model to have at once.
    pub tools_default: Option<ToolsDefault>,
}

impl Orchestrator {
    /// Begins a chat of `by`'s principal.
    ///
    /// Where nothing is said about its tools it has all of them if there are at most
    /// `chat_tools_default_max` beside the built-in server's, else none: a model that is offered too
    /// many chooses badly. Those of the built-in server it has in both cases.
    pub async fn create_chat(&self, chat: BeginChat, by: &Caller) -> Result<StoredChat, Error> {
        let title = chat.title.as_deref().map(title).transpose()?;
        let by_default = || {
            let tools = self.gateway().tools(by);
            let others = tools
                .iter()
                .filter(|it| it.server_id != ServerId::built_in());
            match others.count() <= self.shared.settings.chat_tools_default_max {
                true => ToolsDefault::All,
                false => ToolsDefault::None,
            }
        };
        let new = NewChat {
            id: ChatId::from_uuid(uuid::Uuid::now_v7()),
            principal: by.principal.clone(),
            title_is_auto: title.is_none(),
            title: title.unwrap_or_else(|| TITLE.to_owned()),
            tools_default: chat.tools_default.unwrap_or_else(by_default),
            provider: None,
            model: None,
        };
        let (this, by) = (self.clone(), by.clone());
        self.to_its_end(async move {
            let created = this.shared.store.create_chat(&new).await;
            created.map_err(Error::of_store)?;
            this.tell_chat(new.id, &by.principal).await
        })
        .await
    }

    /// Returns a page of chats of `by`'s principal: those in which something was said last come
    /// first. `before` is the last one of the page before.
    pub async fn chats(
        &self,
        by: &Caller,
        archived: bool,
        before: Option<(Timestamp, ChatId)>,
        limit: u32,
    ) -> Result<Vec<StoredChat>, Error> {
        let filter = ChatFilter {
            principal: by.principal.clone(),
            archived,
            before,
            limit,
        };
        let chats = self.shared.store.chats(&filter).await;
        chats.map_err(Error::of_store)
    }

    /// Returns a chat of `by`'s principal. Somebody else's is not found.
    pub async fn chat(&self, id: ChatId, by: &Caller) -> Result<StoredChat, Error> {
        let chat = self.shared.store.chat(id, &by.principal).await;
        let chat = chat.map_err(Error::of_store)?;
        chat.ok_or_else(|| no_chat(id))
    }

    /// Changes a chat of `by`'s principal. A title that a person has chosen is never replaced by
    /// another.
    pub async fn change_chat(
        &self,
        id: ChatId,
        change: ChatChange,
        by: &Caller,
    ) -> Result<StoredChat, Error> {
        let change = ChatChange {
            title: change.title.as_deref().map(title).transpose()?,
            ..change
        };
        let (this, by) = (self.clone(), by.clone());
        self.to_its_end(async move {
            let changed = this.shared.store.update_chat(id, &by.principal, &change);
            if !changed.await.map_err(Error::of_store)? {
                return Err(no_chat(id));
            }
            this.tell_chat(id, &by.principal).await
        })
        .await
    }

    /// Deletes a chat of `by`'s principal with all that was said in it. What waits for an approval
    /// in it is withdrawn, and what was permitted for it is no longer.
    pub async fn delete_chat(&self, id: ChatId, by: &Caller) -> Result<(), Error> {
        let (this, by) = (self.clone(), by.clone());
        self.to_its_end(async move {
            let shared = &this.shared;
            let _one_at_a_time = shared.telling_chats.lock().await;
            let chat = this.chat(id, &by).await?;
            let of = ApprovalsOf::Chat(id);
            let closed = shared.store.close_approvals(&of, shared.now()).await;
            let closed = closed.map_err(Error::of_store)?;
            shared.approvals.close(shared, &closed).await;
            let audit = AuditEvent {
                chat: Some(id),
                detail: Some(serde_json::json!({ "title": chat.title })),
                ..this.event("chat.delete", &by)
            };
            let run = chat.active.map(|(run, _)| run);
            let deleted = shared.store.delete_chat(id, &by.principal, &audit).await;
            if !deleted.map_err(Error::of_store)? {
                return Err(no_chat(id));
            }
            if let Some(run) = run {
                runs::forget(shared, run);
            }
            this.gateway().remove_grants_of_chat(id);
            let event = Event::ChatRemoved { id };
            shared.events.publish_to(&by.principal, event);
            Ok(())
        })
        .await
    }

    /// Tells how a chat is now, and returns it. What is told last is how it is.
    pub(crate) async fn tell_chat(
        &self,
        id: ChatId,
        principal: &PrincipalName,
    ) -> Result<StoredChat, Error> {
        let shared = &self.shared;
        let _one_at_a_time = shared.telling_chats.lock().await;
        let chat = shared.store.chat(id, principal).await;
        let chat = chat.map_err(Error::of_store)?;
        let chat = chat.ok_or_else(|| no_chat(id))?;
        let event = Event::ChatChanged {
            id,
            title: chat.title.clone(),
            status: chat_status(&chat),
        };
        shared.events.publish_to(principal, event);
        Ok(chat)
    }
}

/// Returns the word for how a chat stands: `running`, `waiting` for a person, or `idle`.
pub fn chat_status(chat: &StoredChat) -> &'static str {
    match chat.active {
        Some((_, RunState::Parked)) => "waiting",
        Some(_) => "running",
        None => "idle",
    }
}

pub(crate) fn no_chat(id: ChatId) -> Error {
    Error::not_found(format!("chat `{id}`"))
}

/// Makes a title of what a person has written: one line, as long as it may be.
fn title(text: &str) -> Result<String, Error> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let title = words.join(" ");
    let chars = title.chars().count();
    if !(1..=TITLE_CHARS_MAX).contains(&chars) {
        return Err(Error::invalid(format!(
            "a chat's title has 1 to {TITLE_CHARS_MAX} characters, this one has {chars}"
        )));
    }
    Ok(title)
}
