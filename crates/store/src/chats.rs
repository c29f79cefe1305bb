use domain::{ChatId, MessageId, PrincipalName, ProviderId, RunId, ServerId, Timestamp};

use crate::{
    ApprovalsOf, AuditEvent, RunState, Store, StoreError,
    approvals::close_approvals,
    error::db,
    store::{corrupt, like_pattern, ms, number, storable, time},
};

/// The most chats of one principal.
pub const CHATS_MAX: u64 = 100_000;
/// The longest title, in bytes. What is longer is cut.
const TITLE_BYTES_MAX: usize = 512;
/// The longest name of a model, in bytes. What is longer is cut.
const MODEL_BYTES_MAX: usize = 512;
/// The most rows of one page.
const PAGE_ROWS_MAX: u32 = 1_000;
/// The most chats that a search finds.
const HITS_MAX: u32 = 100;
/// What is shown of a message before the place where the text was found, in bytes.
const EXCERPT_BEFORE_BYTES: usize = 80;
/// What is shown of a message from that place on, in bytes.
const EXCERPT_BYTES: usize = 240;

text_enum! {
    /// Which tools a chat has where nothing was said about one.
    ToolsDefault {
        All = "all",
        None = "none",
    }
}

impl ToolsDefault {
    /// Whether a chat has the tools of a server of which nothing was said. Those of the built-in
    /// server it has in any case: without them nobody could choose others.
    pub fn enables(self, server: ServerId) -> bool {
        self == Self::All || server == ServerId::built_in()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChat {
    pub id: ChatId,
    pub principal: PrincipalName,
    pub title: String,
    /// Whether nobody has chosen the title, so that a better one may be put in its place.
    pub title_is_auto: bool,
    pub tools_default: ToolsDefault,
    pub provider: Option<ProviderId>,
    pub model: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChat {
    pub id: ChatId,
    pub principal: PrincipalName,
    pub title: String,
    pub title_is_auto: bool,
    pub tools_default: ToolsDefault,
    pub provider: Option<ProviderId>,
    pub model: Option<String>,
    /// The end of what is shown: messages are a tree, and this and its ancestors are the chat.
    pub leaf: Option<MessageId>,
    pub archived: bool,
    /// The run that is under way or waits.
    pub active: Option<(RunId, RunState)>,
    pub created_at: Timestamp,
    /// When something was last said.
    pub updated_at: Timestamp,
}

/// What is to be different about a chat; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatChange {
    /// Chosen by a person, so never replaced by another.
    pub title: Option<String>,
    /// Forgets what was said about single tools.
    pub tools_default: Option<ToolsDefault>,
    pub provider: Option<Option<ProviderId>>,
    pub model: Option<Option<String>>,
    pub archived: Option<bool>,
}

/// Which chats a page has: those in which something was said last come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatFilter {
    pub principal: PrincipalName,
    pub archived: bool,
    /// The last one of the page before.
    pub before: Option<(Timestamp, ChatId)>,
    /// At most 1,000.
    pub limit: u32,
}

/// A chat in which a text was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatHit {
    pub chat: ChatId,
    pub title: String,
    pub updated_at: Timestamp,
    /// The newest message that has the text, `None` if only the title has it.
    pub message: Option<MessageId>,
    /// What stands around the text in that message.
    pub excerpt: String,
}

/// Makes a query of chats with their active runs, and what follows.
macro_rules! select_chats {
    ($rest:literal) => {
        concat!(
            "SELECT chats.id, chats.principal, chats.title, chats.title_is_auto, chats.tools_default, chats.provider_id, chats.model, chats.leaf, chats.archived, chats.created_at, chats.updated_at, runs.id AS run_id, runs.state AS run_state FROM chats LEFT JOIN runs ON runs.chat_id = chats.id AND runs.state IN ('running', 'parked') ",
            $rest
        )
    };
}

impl Store {
    /// Begins a chat, up to [`CHATS_MAX`] of one principal.
    pub async fn create_chat(&self, chat: &NewChat) -> Result<StoredChat, StoreError> {
        let now = self.now();
        let title = cut(&chat.title, TITLE_BYTES_MAX);
        let model = chat.model.as_deref().map(|it| cut(it, MODEL_BYTES_MAX));
        let count = "SELECT COUNT(*) FROM chats WHERE principal = $1";
        let sql = "INSERT INTO chats (id, principal, title, title_is_auto, tools_default, provider_id, model, archived, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, FALSE, $8, $8)";
        transaction!(self, tx => {
            let chats: i64 = sqlx::query_scalar(count)
                .bind(chat.principal.as_str().to_owned())
                .fetch_one(&mut *tx)
                .await
                .map_err(db)?;
            if number(CHATS_MAX) <= chats {
                return Err(StoreError::TooMany { what: "chats", max: CHATS_MAX });
            }
            sqlx::query(sql)
                .bind(chat.id.to_string())
                .bind(chat.principal.as_str().to_owned())
                .bind(title.clone())
                .bind(chat.title_is_auto)
                .bind(chat.tools_default.as_str())
                .bind(chat.provider.map(|it| it.to_string()))
                .bind(model.clone())
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
        });
        Ok(StoredChat {
            id: chat.id,
            principal: chat.principal.clone(),
            title,
            title_is_auto: chat.title_is_auto,
            tools_default: chat.tools_default,
            provider: chat.provider,
            model,
            leaf: None,
            archived: false,
            active: None,
            created_at: now,
            updated_at: now,
        })
    }

    /// Returns a chat of this principal. Somebody else's is not there.
    pub async fn chat(
        &self,
        id: ChatId,
        principal: &PrincipalName,
    ) -> Result<Option<StoredChat>, StoreError> {
        let row: Option<Row> = reading!(self, pool => {
            sqlx::query_as(select_chats!("WHERE chats.id = $1 AND chats.principal = $2"))
                .bind(id.to_string())
                .bind(principal.as_str())
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        row.map(Row::into_chat).transpose()
    }

    /// Returns whose a chat is.
    pub async fn chat_principal(&self, id: ChatId) -> Result<Option<PrincipalName>, StoreError> {
        let principal: Option<String> = reading!(self, pool => {
            sqlx::query_scalar("SELECT principal FROM chats WHERE id = $1")
                .bind(id.to_string())
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        let parsed = |it: String| {
            it.parse()
                .map_err(|err| corrupt("chat", &id.to_string())(Box::new(err)))
        };
        principal.map(parsed).transpose()
    }

    /// Returns a page of chats.
    pub async fn chats(&self, filter: &ChatFilter) -> Result<Vec<StoredChat>, StoreError> {
        let sql = select_chats!(
            "WHERE chats.principal = $1 AND chats.archived = $2 AND (chats.updated_at < $3 OR (chats.updated_at = $3 AND chats.id < $4)) ORDER BY chats.updated_at DESC, chats.id DESC LIMIT $5"
        );
        let (before, before_id) = match filter.before {
            Some((at, id)) => (ms(at), id.to_string()),
            None => (i64::MAX, String::new()),
        };
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(filter.principal.as_str())
                .bind(filter.archived)
                .bind(before)
                .bind(before_id.clone())
                .bind(i64::from(filter.limit.min(PAGE_ROWS_MAX)))
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        rows.into_iter().map(Row::into_chat).collect()
    }

    /// Changes a chat of this principal. Returns whether there is one.
    pub async fn update_chat(
        &self,
        id: ChatId,
        principal: &PrincipalName,
        change: &ChatChange,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE chats SET title = COALESCE($3, title), title_is_auto = title_is_auto AND $3 IS NULL, tools_default = COALESCE($4, tools_default), provider_id = CASE WHEN $5 THEN $6 ELSE provider_id END, model = CASE WHEN $7 THEN $8 ELSE model END, archived = COALESCE($9, archived) WHERE id = $1 AND principal = $2";
        let title = change.title.as_deref().map(|it| cut(it, TITLE_BYTES_MAX));
        let model = change.model.as_ref().and_then(Option::as_deref);
        let model = model.map(|it| cut(it, MODEL_BYTES_MAX));
        transaction!(self, tx => {
            let changed = sqlx::query(sql)
                .bind(id.to_string())
                .bind(principal.as_str().to_owned())
                .bind(title)
                .bind(change.tools_default.map(ToolsDefault::as_str))
                .bind(change.provider.is_some())
                .bind(change.provider.flatten().map(|it| it.to_string()))
                .bind(change.model.is_some())
                .bind(model)
                .bind(change.archived)
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if changed.rows_affected() == 0 {
                return Ok(false);
            }
            if change.tools_default.is_some() {
                sqlx::query("DELETE FROM chat_tools WHERE chat_id = $1")
                    .bind(id.to_string())
                    .execute(&mut *tx)
                    .await
                    .map_err(db)?;
            }
        });
        Ok(true)
    }

    /// Gives a chat a title that nobody has chosen. Returns `false` if a person has chosen one, or
    /// there is no such chat.
    pub async fn set_auto_title(&self, id: ChatId, title: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE chats SET title = $2 WHERE id = $1 AND title_is_auto";
        let changed: u64 = writing!(self, pool => {
            sqlx::query(sql)
                .bind(id.to_string())
                .bind(cut(title, TITLE_BYTES_MAX))
                .execute(pool)
                .await
                .map_err(db)?
                .rows_affected()
        });
        Ok(changed != 0)
    }

    /// Deletes a chat of this principal with its messages, runs and grants. What waits for an
    /// approval in it is withdrawn. Returns whether there was one.
    pub async fn delete_chat(
        &self,
        id: ChatId,
        principal: &PrincipalName,
        audit: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        transaction!(self, tx => {
            // Chats before all that is theirs, as everywhere, so that no two wait for each other.
            let sql = "UPDATE chats SET updated_at = $3 WHERE id = $1 AND principal = $2";
            let found = sqlx::query(sql)
                .bind(id.to_string())
                .bind(principal.as_str().to_owned())
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if found.rows_affected() == 0 {
                return Ok(false);
            }
            close_approvals!(tx, &ApprovalsOf::Chat(id), now);
            sqlx::query("DELETE FROM chats WHERE id = $1")
                .bind(id.to_string())
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            insert_audit!(&mut *tx, [audit]);
        });
        Ok(true)
    }

    /// Finds a principal's chats whose title or messages have a text in them, in any case of its
    /// letters; those in which something was said last come first. At most 100, and of the text its
    /// first 512 bytes count.
    pub async fn search_chats(
        &self,
        principal: &PrincipalName,
        text: &str,
        limit: u32,
    ) -> Result<Vec<ChatHit>, StoreError> {
        let sql = "SELECT chats.id, chats.title, chats.updated_at, hits.id AS message_id, hits.text FROM chats LEFT JOIN messages hits ON hits.id = (SELECT messages.id FROM messages WHERE messages.chat_id = chats.id AND lower(messages.text) LIKE lower($2) ESCAPE '\\' ORDER BY messages.position DESC LIMIT 1) WHERE chats.principal = $1 AND (hits.id IS NOT NULL OR lower(chats.title) LIKE lower($2) ESCAPE '\\') ORDER BY chats.updated_at DESC, chats.id DESC LIMIT $3";
        let rows: Vec<HitRow> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(principal.as_str())
                .bind(like_pattern(text))
                .bind(i64::from(limit.min(HITS_MAX)))
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        rows.into_iter().map(|it| it.into_hit(text)).collect()
    }
}

/// Returns what stands around the first place of `wanted` in a text.
fn excerpt(text: &str, wanted: &str) -> String {
    // ASCII only, so that places stay where they are.
    let place = text
        .to_ascii_lowercase()
        .find(&wanted.to_ascii_lowercase())
        .unwrap_or(0);
    let start = text.ceil_char_boundary(place.saturating_sub(EXCERPT_BEFORE_BYTES));
    let end = text.floor_char_boundary(place.saturating_add(EXCERPT_BYTES));
    let before = if start == 0 { "" } else { "…" };
    let after = if end == text.len() { "" } else { "…" };
    format!("{before}{}{after}", &text[start..end])
}

fn cut(text: &str, bytes_max: usize) -> String {
    storable(&text[..text.floor_char_boundary(bytes_max)])
}

row!(Row {
    id: String,
    principal: String,
    title: String,
    title_is_auto: bool,
    tools_default: String,
    provider_id: Option<String>,
    model: Option<String>,
    leaf: Option<String>,
    archived: bool,
    created_at: i64,
    updated_at: i64,
    run_id: Option<String>,
    run_state: Option<String>,
});

impl Row {
    fn into_chat(self) -> Result<StoredChat, StoreError> {
        let corrupt = corrupt("chat", &self.id);
        let chat = || -> Result<StoredChat, Box<dyn std::error::Error + Send + Sync>> {
            let active = match (self.run_id, self.run_state) {
                (Some(run), Some(state)) => {
                    let state = RunState::of_text(&state).ok_or("an unknown state")?;
                    Some((run.parse()?, state))
                }
                _ => None,
            };
            Ok(StoredChat {
                id: self.id.parse()?,
                principal: self.principal.parse()?,
                title: self.title,
                title_is_auto: self.title_is_auto,
                tools_default: ToolsDefault::of_text(&self.tools_default)
                    .ok_or("an unknown default")?,
                provider: self.provider_id.map(|it| it.parse()).transpose()?,
                model: self.model,
                leaf: self.leaf.map(|it| it.parse()).transpose()?,
                archived: self.archived,
                active,
                created_at: time(self.created_at),
                updated_at: time(self.updated_at),
            })
        };
        chat().map_err(corrupt)
    }
}

row!(HitRow {
    id: String,
    title: String,
    updated_at: i64,
    message_id: Option<String>,
    text: Option<String>,
});

impl HitRow {
    fn into_hit(self, wanted: &str) -> Result<ChatHit, StoreError> {
        let corrupt = corrupt("chat", &self.id);
        let hit = || -> Result<ChatHit, Box<dyn std::error::Error + Send + Sync>> {
            Ok(ChatHit {
                chat: self.id.parse()?,
                title: self.title,
                updated_at: time(self.updated_at),
                message: self.message_id.map(|it| it.parse()).transpose()?,
                excerpt: excerpt(&self.text.unwrap_or_default(), wanted),
            })
        };
        hit().map_err(corrupt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_what_stands_around_the_text() {
        let long = format!("{}NEEDLE{}", "ä".repeat(500), "ö".repeat(500));
        let around = format!("…{}NEEDLE{}…", "ä".repeat(40), "ö".repeat(117));
        let beginning = format!("{}…", "ä".repeat(120));
        for (text, wanted, expected) in [
            ("a needle here", "Needle", "a needle here"),
            (&long, "needle", &around),
            // What the database finds and we do not, since it knows more of cases.
            (&long, "nowhere", &beginning),
            ("", "x", ""),
            ("x", "", "x"),
        ] {
            assert_eq!(excerpt(text, wanted), expected, "{wanted:?}");
        }
    }
}
