use domain::{ChatId, MessageId, RunId, Timestamp};

use crate::{
    Store, StoreError,
    error::db,
    store::{check_size, corrupt, number, storable, time},
};

/// The longest content of a message, in bytes of JSON.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// The most messages of one chat.
pub const MESSAGES_MAX: u64 = 20_000;
/// The most messages of one chat that wait in line.
pub const QUEUED_MAX: u64 = 100;
/// The longest text of a message that is searched, in bytes. What is longer is cut.
const TEXT_BYTES_MAX: usize = 256 << 10;
/// The most rows of one page.
const PAGE_ROWS_MAX: u32 = 1_000;

text_enum! {
    /// Who speaks.
    Role {
        User = "user",
        Assistant = "assistant",
    }
}

text_enum! {
    MessageState {
        /// It waits for a run to end, and has no place in the tree yet.
        Queued = "queued",
        Sent = "sent",
    }
}

/// A message that a person sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    pub id: MessageId,
    /// Its parts, JSON; at most 16 MiB.
    pub content: Box<str>,
    /// What people search for; its first 256 KiB count.
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    pub node: MessageNode,
    /// Its parts, JSON. An answer under way has what was stored last; its run's log has the rest.
    pub content: Box<str>,
}

/// A message without its content: its place in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageNode {
    pub id: MessageId,
    pub chat: ChatId,
    /// What it follows. Messages that follow the same one stand in each other's place.
    pub parent: Option<MessageId>,
    /// Grows in the order in which the messages of a chat were made.
    pub position: u64,
    pub role: Role,
    /// The run that answers, if it is an answer.
    pub run: Option<RunId>,
    pub state: MessageState,
    pub created_at: Timestamp,
}

/// Makes a query of messages, with their content or with another text in its place.
macro_rules! select_messages {
    ($content:literal, $rest:literal) => {
        concat!(
            "SELECT messages.id, messages.chat_id, messages.parent_id, messages.position, messages.role, messages.run_id, messages.state, messages.created_at, ",
            $content,
            " AS content FROM messages ",
            $rest
        )
    };
}

/// Inserts a message behind all others of its chat.
macro_rules! insert_message {
    ($tx:ident, $chat:expr, $message:expr, $now:expr) => {{
        let message: $crate::messages::MessageRow<'_> = $message;
        let sql = "INSERT INTO messages (id, chat_id, parent_id, position, role, content, text, run_id, state, created_at) SELECT $1, $2, $3, COALESCE(MAX(position), -1) + 1, $4, $5, $6, $7, $8, $9 FROM messages WHERE chat_id = $2";
        sqlx::query(sql)
            .bind(message.id.to_string())
            .bind($chat.to_string())
            .bind(message.parent.map(|it| it.to_string()))
            .bind(message.role.as_str())
            .bind($crate::store::storable(message.content))
            .bind($crate::messages::searched(message.text))
            .bind(message.run.map(|it| it.to_string()))
            .bind(message.state.as_str())
            .bind($crate::store::ms($now))
            .execute(&mut *$tx)
            .await
            .map_err(db)?;
    }};
}
pub(crate) use insert_message;

/// What is inserted for a message.
pub(crate) struct MessageRow<'a> {
    pub(crate) id: MessageId,
    pub(crate) parent: Option<MessageId>,
    pub(crate) role: Role,
    pub(crate) content: &'a str,
    pub(crate) text: &'a str,
    pub(crate) run: Option<RunId>,
    pub(crate) state: MessageState,
}

impl Store {
    pub async fn message(
        &self,
        chat: ChatId,
        id: MessageId,
    ) -> Result<Option<StoredMessage>, StoreError> {
        let sql = select_messages!("messages.content", "WHERE id = $1 AND chat_id = $2");
        let row: Option<Row> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(id.to_string())
                .bind(chat.to_string())
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        row.map(Row::into_message).transpose()
    }

    /// Returns messages of a chat, also those that are not shown or wait, in the order in which they
    /// were made: at most 1,000, after a position.
    pub async fn messages(
        &self,
        chat: ChatId,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        let sql = select_messages!(
            "messages.content",
            "WHERE chat_id = $1 AND $2 < position ORDER BY position LIMIT $3"
        );
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(chat.to_string())
                .bind(after.map_or(-1, number))
                .bind(i64::from(limit.min(PAGE_ROWS_MAX)))
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        rows.into_iter().map(Row::into_message).collect()
    }

    /// Returns the places of all messages of a chat, in the order in which they were made.
    pub async fn message_tree(&self, chat: ChatId) -> Result<Vec<MessageNode>, StoreError> {
        let sql = select_messages!("''", "WHERE chat_id = $1 ORDER BY position");
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(chat.to_string())
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        let nodes = rows
            .into_iter()
            .map(|it| it.into_message().map(|it| it.node));
        nodes.collect()
    }

    /// Returns a message and what it follows, oldest first: at most `limit` and 1,000, those nearest
    /// to the message.
    pub async fn message_path(
        &self,
        chat: ChatId,
        end: MessageId,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        let sql = concat!(
            "WITH RECURSIVE path (id, parent_id, depth) AS (SELECT id, parent_id, CAST(1 AS BIGINT) FROM messages WHERE id = $1 AND chat_id = $2 UNION ALL SELECT messages.id, messages.parent_id, path.depth + 1 FROM messages JOIN path ON messages.id = path.parent_id WHERE path.depth < $3) ",
            select_messages!(
                "messages.content",
                "JOIN path ON messages.id = path.id ORDER BY path.depth DESC LIMIT $3"
            )
        );
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(end.to_string())
                .bind(chat.to_string())
                .bind(i64::from(limit.min(PAGE_ROWS_MAX)))
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        rows.into_iter().map(Row::into_message).collect()
    }

    /// Makes a message the end of what is shown of its chat. Returns `false`, and changes nothing, if
    /// there is no such message in the chat, it waits, or a run is under way.
    pub async fn set_leaf(&self, chat: ChatId, leaf: MessageId) -> Result<bool, StoreError> {
        let sql = "UPDATE chats SET leaf = $2 WHERE id = $1 AND EXISTS (SELECT 1 FROM messages WHERE messages.id = $2 AND messages.chat_id = $1 AND messages.state = 'sent') AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.chat_id = $1 AND runs.state IN ('running', 'parked'))";
        let changed: u64 = writing!(self, pool => {
            sqlx::query(sql)
                .bind(chat.to_string())
                .bind(leaf.to_string())
                .execute(pool)
                .await
                .map_err(db)?
                .rows_affected()
        });
        Ok(changed != 0)
    }

    /// Returns the message that waits longest, if no run is under way in its chat.
    pub async fn next_queued(&self, chat: ChatId) -> Result<Option<StoredMessage>, StoreError> {
        let sql = select_messages!(
            "messages.content",
            "WHERE chat_id = $1 AND state = 'queued' AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.chat_id = $1 AND runs.state IN ('running', 'parked')) ORDER BY position LIMIT 1"
        );
        let row: Option<Row> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(chat.to_string())
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        row.map(Row::into_message).transpose()
    }

    /// Returns the chats in which messages wait though no run is under way, as a crash leaves them.
    pub async fn queued_chats(&self) -> Result<Vec<ChatId>, StoreError> {
        let sql = "SELECT DISTINCT chat_id FROM messages WHERE state = 'queued' AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.chat_id = messages.chat_id AND runs.state IN ('running', 'parked')) ORDER BY chat_id";
        let ids: Vec<String> = reading!(self, pool => {
            sqlx::query_scalar(sql).fetch_all(pool).await.map_err(db)?
        });
        let ids = ids
            .iter()
            .map(|it| it.parse().map_err(|err| corrupt("chat", it)(Box::new(err))));
        ids.collect()
    }

    /// Changes a message that waits. Returns whether there was one.
    pub async fn edit_queued(
        &self,
        chat: ChatId,
        message: &NewMessage,
    ) -> Result<bool, StoreError> {
        check_content(&message.content)?;
        let sql = "UPDATE messages SET content = $3, text = $4 WHERE id = $1 AND chat_id = $2 AND state = 'queued'";
        let changed: u64 = writing!(self, pool => {
            sqlx::query(sql)
                .bind(message.id.to_string())
                .bind(chat.to_string())
                .bind(storable(&message.content))
                .bind(searched(&message.text))
                .execute(pool)
                .await
                .map_err(db)?
                .rows_affected()
        });
        Ok(changed != 0)
    }

    /// Takes a message that waits out of the line. Returns whether there was one.
    pub async fn remove_queued(&self, chat: ChatId, id: MessageId) -> Result<bool, StoreError> {
        let sql = "DELETE FROM messages WHERE id = $1 AND chat_id = $2 AND state = 'queued'";
        let removed: u64 = writing!(self, pool => {
            sqlx::query(sql)
                .bind(id.to_string())
                .bind(chat.to_string())
                .execute(pool)
                .await
                .map_err(db)?
                .rows_affected()
        });
        Ok(removed != 0)
    }
}

pub(crate) fn check_content(content: &str) -> Result<(), StoreError> {
    check_size("a message", content, MESSAGE_BYTES_MAX)
}

/// Returns as much of a text as is searched.
pub(crate) fn searched(text: &str) -> String {
    storable(&text[..text.floor_char_boundary(TEXT_BYTES_MAX)])
}

row!(Row {
    id: String,
    chat_id: String,
    parent_id: Option<String>,
    position: i64,
    role: String,
    run_id: Option<String>,
    state: String,
    created_at: i64,
    content: String,
});

impl Row {
    fn into_message(self) -> Result<StoredMessage, StoreError> {
        let corrupt = corrupt("message", &self.id);
        let node = || -> Result<MessageNode, Box<dyn std::error::Error + Send + Sync>> {
            Ok(MessageNode {
                id: self.id.parse()?,
                chat: self.chat_id.parse()?,
                parent: self.parent_id.map(|it| it.parse()).transpose()?,
                position: self.position.unsigned_abs(),
                role: Role::of_text(&self.role).ok_or("an unknown role")?,
                run: self.run_id.map(|it| it.parse()).transpose()?,
                state: MessageState::of_text(&self.state).ok_or("an unknown state")?,
                created_at: time(self.created_at),
            })
        };
        Ok(StoredMessage {
            node: node().map_err(corrupt)?,
            content: self.content.into_boxed_str(),
        })
    }
}
