//! What chats are asked for runs.

use std::sync::Arc;

use domain::{Caller, ChatId, PrincipalName};
use gateway::ToolView;
use store::ToolsDefault;

use crate::{Error, Event, Orchestrator, Shared};

impl Shared {
    /// Returns the tools that a model in a chat has.
    pub(crate) async fn enabled_tools(
        &self,
        chat: ChatId,
        caller: &Caller,
    ) -> Result<Vec<ToolView>, Error> {
        let stored = self.store.chat(chat, &caller.principal).await;
        let Some(stored) = stored.map_err(Error::of_store)? else {
            return Ok(Vec::new());
        };
        let said = self.store.chat_tools(chat).await;
        let said = said.map_err(Error::of_store)?;
        let is_enabled = |tool: &ToolView| {
            let row = self.directory.row_by_slug(&tool.server);
            let word = said.iter().find(|it| {
                row.as_ref().is_some_and(|row| row.stored.id == it.server) && it.tool == tool.name
            });
            word.map_or(stored.tools_default == ToolsDefault::All, |it| it.enabled)
        };
        let mut tools = self.gateway().tools(caller);
        tools.retain(is_enabled);
        Ok(tools)
    }
}

impl Orchestrator {
    pub(crate) async fn tell_chat(
        &self,
        id: ChatId,
        principal: &PrincipalName,
    ) -> Result<(), Error> {
        let chat = self.shared.store.chat(id, principal).await;
        if let Some(chat) = chat.map_err(Error::of_store)? {
            let status = chat.active.map_or("idle", |(_, state)| state.as_str());
            let title = chat.title;
            let event = Event::ChatChanged { id, title, status };
            self.shared.events.publish_to(principal, event);
        }
        Ok(())
    }
}

pub(crate) async fn memory_prompt(
    _shared: &Arc<Shared>,
    _principal: &PrincipalName,
) -> Result<String, Error> {
    Ok(String::new())
}
