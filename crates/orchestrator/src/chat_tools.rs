//! Which tools a chat has: all or none by default, and what was said about single ones.
//!
//! The choice is a chat's own, kept in the store, and nobody else's. It only takes away: what a
//! person, a rule or a token does not allow is not there to be chosen, and calling what is chosen
//! is decided on as every call is.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Caller, ChatId, ServerId};
use gateway::ToolView;
use store::{ChatTool, ChatToolsSet, IfAlready, StoredChat, ToolsDefault};

use crate::{Error, Orchestrator, Shared, chats::no_chat};

/// The most tools that are chosen at once.
pub const TOOLS_CHOSEN_MAX: usize = 2_000;
/// The most characters of a name of which nothing is known, in what is said about it.
const NAME_CHARS_MAX: usize = 80;

/// A tool, and whether a chat has it.
#[derive(Debug, Clone)]
pub struct ChatToolView {
    pub tool: ToolView,
    pub enabled: bool,
}

/// What is to be different about a chat's tools, by the names that `/mcp` has for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolSelection {
    pub enable: Vec<String>,
    pub disable: Vec<String>,
}

/// Why a choice cannot be made. Nothing is changed then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BadChoice {
    /// There is no such tool for this caller.
    pub(crate) unknown: Vec<String>,
    /// Those that are to be enabled and are.
    pub(crate) enabled: Vec<String>,
    /// Those that are to be disabled and are.
    pub(crate) disabled: Vec<String>,
    /// Those that are to be both.
    pub(crate) both: Vec<String>,
}

impl Orchestrator {
    /// Returns all tools that `by` may see, and whether a chat of `by`'s principal has them.
    pub async fn chat_tools(&self, id: ChatId, by: &Caller) -> Result<Vec<ChatToolView>, Error> {
        let chat = self.chat(id, by).await?;
        self.shared.tools_of_chat(&chat, by).await
    }

    /// Enables and disables tools in a chat of `by`'s principal: all, or none if one is not there.
    /// What is so already stays so.
    pub async fn set_chat_tools(
        &self,
        id: ChatId,
        selection: ToolSelection,
        by: &Caller,
    ) -> Result<Vec<ChatToolView>, Error> {
        match self.choose(id, selection, IfAlready::Proceed, by).await? {
            Ok(()) => self.chat_tools(id, by).await,
            Err(bad) => Err(Error::invalid_with(
                bad.to_text(),
                "`archestra tools` lists the names",
            )),
        }
    }

    /// Enables and disables tools in a chat. Only what `by` may see is there to be chosen.
    pub(crate) async fn choose(
        &self,
        id: ChatId,
        selection: ToolSelection,
        if_already: IfAlready,
        by: &Caller,
    ) -> Result<Result<(), BadChoice>, Error> {
        let count = selection.enable.len() + selection.disable.len();
        if TOOLS_CHOSEN_MAX < count {
            return Err(Error::invalid(format!(
                "{count} tools are chosen at once, the most is {TOOLS_CHOSEN_MAX}"
            )));
        }
        let (this, by) = (self.clone(), by.clone());
        self.to_its_end(async move {
            let chat = this.chat(id, &by).await?;
            let tools = this.shared.tools_of_chat(&chat, &by).await?;
            let chosen = match plan(&selection, &tools, if_already) {
                Ok(chosen) => chosen,
                Err(bad) => return Ok(Err(bad)),
            };
            let set = this.shared.store.set_chat_tools(id, &chosen, if_already);
            match set.await.map_err(Error::of_store)? {
                ChatToolsSet::Done { .. } => {}
                // Somebody else was quicker.
                ChatToolsSet::Already(already) => {
                    return Ok(Err(BadChoice::already(&already, &tools)));
                }
                ChatToolsSet::NoChat => return Err(no_chat(id)),
                ChatToolsSet::NoServer => {
                    return Err(Error::Conflict {
                        reason: "the server of one of the tools was removed just now, so nothing was changed".to_owned(),
                    });
                }
            }
            if !chosen.is_empty() {
                this.tell_chat(id, &by.principal).await?;
            }
            Ok(Ok(()))
        })
        .await
    }
}

impl Shared {
    /// Returns the tools that a model in a chat has; none where the chat is gone.
    pub(crate) async fn enabled_tools(
        &self,
        chat: ChatId,
        caller: &Caller,
    ) -> Result<Vec<ToolView>, Error> {
        let chat = self.store.chat(chat, &caller.principal).await;
        let Some(chat) = chat.map_err(Error::of_store)? else {
            return Ok(Vec::new());
        };
        let tools = self.tools_of_chat(&chat, caller).await?.into_iter();
        Ok(tools.filter(|it| it.enabled).map(|it| it.tool).collect())
    }

    async fn tools_of_chat(
        &self,
        chat: &StoredChat,
        by: &Caller,
    ) -> Result<Vec<ChatToolView>, Error> {
        let said = self.store.chat_tools(chat.id).await;
        let said = said.map_err(Error::of_store)?;
        let tools = self.gateway().tools(by);
        Ok(with_choice(chat.tools_default, &said, tools))
    }
}

/// Says of each tool whether a chat has it.
fn with_choice(
    default: ToolsDefault,
    said: &[ChatTool],
    tools: Vec<ToolView>,
) -> Vec<ChatToolView> {
    let key = |it: &'_ ChatTool| ((it.server, it.tool.clone()), it.enabled);
    let said: BTreeMap<(ServerId, String), bool> = said.iter().map(key).collect();
    let view = |tool: ToolView| {
        let key = (tool.server_id, tool.name.clone());
        let enabled = said.get(&key).copied();
        ChatToolView {
            enabled: enabled.unwrap_or_else(|| default.enables(tool.server_id)),
            tool,
        }
    };
    tools.into_iter().map(view).collect()
}

/// Finds the tools that are meant, all of them or none.
fn plan(
    selection: &ToolSelection,
    tools: &[ChatToolView],
    if_already: IfAlready,
) -> Result<Vec<ChatTool>, BadChoice> {
    let by_name: BTreeMap<&str, &ChatToolView> = tools
        .iter()
        .map(|it| (it.tool.advertised.as_str(), it))
        .collect();
    let enable: BTreeSet<&str> = selection.enable.iter().map(String::as_str).collect();
    let disable: BTreeSet<&str> = selection.disable.iter().map(String::as_str).collect();
    let (mut chosen, mut bad) = (Vec::new(), BadChoice::default());
    bad.both = owned(enable.intersection(&disable).copied());
    let wanted = enable.iter().map(|it| (*it, true));
    for (name, enabled) in wanted.chain(disable.iter().map(|it| (*it, false))) {
        let Some(found) = by_name.get(name) else {
            bad.unknown.push(name.to_owned());
            continue;
        };
        if found.enabled == enabled && if_already == IfAlready::Refuse {
            bad.already_so(enabled).push(name.to_owned());
        }
        chosen.push(ChatTool {
            server: found.tool.server_id,
            tool: found.tool.name.clone(),
            enabled,
        });
    }
    match bad == BadChoice::default() {
        true => Ok(chosen),
        false => Err(bad),
    }
}

impl BadChoice {
    fn already(already: &[ChatTool], tools: &[ChatToolView]) -> Self {
        let mut bad = Self::default();
        for one in already {
            let is_it =
                |it: &&ChatToolView| it.tool.server_id == one.server && it.tool.name == one.tool;
            let name = tools.iter().find(is_it).map(|it| &it.tool.advertised);
            bad.already_so(one.enabled)
                .push(name.unwrap_or(&one.tool).clone());
        }
        bad
    }

    fn already_so(&mut self, enabled: bool) -> &mut Vec<String> {
        match enabled {
            true => &mut self.enabled,
            false => &mut self.disabled,
        }
    }

    /// Says what is wrong, with the names.
    pub(crate) fn to_text(&self) -> String {
        let parts = [
            ("not there", &self.unknown),
            ("enabled already", &self.enabled),
            ("disabled already", &self.disabled),
            ("both to be enabled and disabled", &self.both),
        ];
        let mut text = "nothing was changed".to_owned();
        for (what, names) in parts {
            if !names.is_empty() {
                let names: Vec<String> = names.iter().map(|it| quoted(it)).collect();
                text.push_str(&format!("; {what}: {}", names.join(", ")));
            }
        }
        text
    }
}

fn owned<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.map(ToOwned::to_owned).collect()
}

/// Returns a name as it is shown, the beginning of one that is too long to be a tool's.
pub(crate) fn quoted(name: &str) -> String {
    let escaped = name.escape_debug();
    match name.char_indices().nth(NAME_CHARS_MAX) {
        None => format!("`{escaped}`"),
        Some((at, _)) => format!("`{}…`", name[..at].escape_debug()),
    }
}

#[cfg(test)]
mod tests;
