use std::collections::BTreeMap;

use domain::{ChatId, ServerId};

use crate::{
    Store, StoreError, ToolsDefault,
    error::db,
    pins::TOOL_NAME_BYTES_MAX,
    store::{check_key, corrupt},
};

/// The most tools of which one chat says something.
pub const CHAT_TOOLS_MAX: u64 = 10_000;
/// Rows that one statement inserts, within what the databases allow to bind.
const INSERT_TOOLS: usize = 1_000;

/// Whether a tool is there in a chat.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChatTool {
    pub server: ServerId,
    /// The server's own name for it.
    pub tool: String,
    pub enabled: bool,
}

/// What becomes of it all when a tool is already as it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfAlready {
    /// The others are set.
    Proceed,
    /// Nothing is set.
    Refuse,
}

/// What setting the tools of a chat came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatToolsSet {
    /// All are as they were wanted; these were so before.
    Done {
        already: Vec<ChatTool>,
    },
    /// These were so before, and nothing was set.
    Already(Vec<ChatTool>),
    NoChat,
    /// One of the servers is gone, and nothing was set.
    NoServer,
}

impl Store {
    /// Returns what was said about single tools in a chat. All others are as its default says.
    pub async fn chat_tools(&self, chat: ChatId) -> Result<Vec<ChatTool>, StoreError> {
        let sql = "SELECT server_id, tool, enabled FROM chat_tools WHERE chat_id = $1 ORDER BY server_id, tool";
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(chat.to_string())
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        rows.into_iter().map(Row::into_tool).collect()
    }

    /// Enables and disables tools in a chat: all, or none. Of two words about one tool the last
    /// counts.
    pub async fn set_chat_tools(
        &self,
        chat: ChatId,
        tools: &[ChatTool],
        if_already: IfAlready,
    ) -> Result<ChatToolsSet, StoreError> {
        for tool in tools {
            check_key("a tool's name", &tool.tool, TOOL_NAME_BYTES_MAX)?;
        }
        let wanted = said(tools);
        let lock =
            "UPDATE chats SET tools_default = tools_default WHERE id = $1 RETURNING tools_default";
        let select = "SELECT server_id, tool, enabled FROM chat_tools WHERE chat_id = $1";
        let already = transaction!(self, tx => {
            // Whoever changes tools of the chat comes here first, so what is read stays so.
            let default: Option<String> = sqlx::query_scalar(lock)
                .bind(chat.to_string())
                .fetch_optional(&mut *tx)
                .await
                .map_err(db)?;
            let Some(default) = default else {
                return Ok(ChatToolsSet::NoChat);
            };
            let rows: Vec<Row> = sqlx::query_as(select)
                .bind(chat.to_string())
                .fetch_all(&mut *tx)
                .await
                .map_err(db)?;
            let rows: Result<Vec<ChatTool>, StoreError> =
                rows.into_iter().map(Row::into_tool).collect();
            let rows = rows?;
            let before = said(&rows);
            // The table has no other words.
            let default = ToolsDefault::of_text(&default).unwrap_or(ToolsDefault::None);
            let already = already_so(&wanted, &before, default);
            if if_already == IfAlready::Refuse && !already.is_empty() {
                return Ok(ChatToolsSet::Already(already));
            }
            let new = wanted.keys().filter(|it| !before.contains_key(*it)).count();
            if CHAT_TOOLS_MAX < (before.len() + new) as u64 {
                let (what, max) = ("tools set in this chat", CHAT_TOOLS_MAX);
                return Err(StoreError::TooMany { what, max });
            }
            let wanted: Vec<_> = wanted.iter().collect();
            for tools in wanted.chunks(INSERT_TOOLS) {
                let insert = "INSERT INTO chat_tools (chat_id, server_id, tool, enabled) ";
                let inserted = sqlx::QueryBuilder::new(insert)
                    .push_values(tools, |mut row, ((server, tool), enabled)| {
                        row.push_bind(chat.to_string())
                            .push_bind(server.to_string())
                            .push_bind((*tool).to_owned())
                            .push_bind(**enabled);
                    })
                    .push(" ON CONFLICT (chat_id, server_id, tool) DO UPDATE SET enabled = excluded.enabled")
                    .build()
                    .persistent(false)
                    .execute(&mut *tx)
                    .await;
                match inserted {
                    Ok(_) => {}
                    Err(err) if StoreError::is_missing_parent(&err) => {
                        return Ok(ChatToolsSet::NoServer);
                    }
                    Err(err) => return Err(db(err)),
                }
            }
            already
        });
        Ok(ChatToolsSet::Done { already })
    }
}

/// Whether each tool is enabled, as far as something was said.
type Said<'a> = BTreeMap<(ServerId, &'a str), bool>;

fn said<'a>(tools: &'a [ChatTool]) -> Said<'a> {
    let word = |it: &'a ChatTool| ((it.server, it.tool.as_str()), it.enabled);
    tools.iter().map(word).collect()
}

fn already_so(wanted: &Said<'_>, before: &Said<'_>, default: ToolsDefault) -> Vec<ChatTool> {
    let is_so = |(key, enabled): &(&(ServerId, &str), &bool)| {
        let by_default = default.enables(key.0);
        before.get(*key).copied().unwrap_or(by_default) == **enabled
    };
    let tool = |((server, tool), enabled): (&(ServerId, &str), &bool)| ChatTool {
        server: *server,
        tool: (*tool).to_owned(),
        enabled: *enabled,
    };
    wanted.iter().filter(is_so).map(tool).collect()
}

row!(Row {
    server_id: String,
    tool: String,
    enabled: bool,
});

impl Row {
    fn into_tool(self) -> Result<ChatTool, StoreError> {
        let corrupt = corrupt("tool of a chat", &self.tool);
        Ok(ChatTool {
            server: self
                .server_id
                .parse()
                .map_err(|err| corrupt(Box::new(err)))?,
            tool: self.tool,
            enabled: self.enabled,
        })
    }
}
