use std::borrow::Cow;

use domain::{ChatId, PrincipalName, ServerId, Timestamp, TokenId};

use crate::{
    Store, StoreError,
    error::db,
    store::{corrupt, like_pattern, ms, number, time},
};

/// The longest detail that is kept, in bytes of JSON. A longer one is left out, and that is said.
const DETAIL_BYTES_MAX: usize = 16 << 10;
/// The longest of the other texts, in bytes. What is longer is cut.
const TEXT_BYTES_MAX: usize = 512;
/// The most rows of one page.
const PAGE_ROWS_MAX: u32 = 1_000;
/// Rows that one statement deletes, so that others that write need not wait long.
const PRUNE_ROWS: i64 = 5_000;

/// Something that was done or refused, by whom, and how it ended.
///
/// It never has the value of a secret, nor arguments or results of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEvent {
    pub at: Timestamp,
    /// What it was: `tool.call`, `server.add`, `secret.give`, `egress.refused` and so on.
    pub kind: Cow<'static, str>,
    pub principal: Option<PrincipalName>,
    pub token: Option<TokenId>,
    pub server: Option<ServerId>,
    pub server_slug: Option<String>,
    pub tool: Option<String>,
    /// What the tool was said to be when it was decided on.
    pub pin: Option<String>,
    pub decision: Option<Cow<'static, str>>,
    /// What the decision rests on: a rule, a grant, a setting, a person.
    pub basis: Option<Cow<'static, str>>,
    /// The chat that it was done in or for.
    pub chat: Option<ChatId>,
    pub outcome: Option<Cow<'static, str>>,
    pub duration_ms: Option<u64>,
    pub request_bytes: Option<u64>,
    pub response_bytes: Option<u64>,
    pub detail: Option<serde_json::Value>,
}

/// An event that is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// Grows in the order in which rows were written.
    pub id: i64,
    pub event: AuditEvent,
}

/// Which rows a page has.
///
/// What is `None` leaves nothing out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// One kind, or all that begin with it if it ends with `.`: `tool.call` or `tool.`.
    pub kind: Option<String>,
    pub server: Option<ServerId>,
    pub tool: Option<String>,
    pub principal: Option<PrincipalName>,
    pub token: Option<TokenId>,
    /// All tokens that have this name, or the one with this identifier.
    pub client: Option<String>,
    pub chat: Option<ChatId>,
    pub decision: Option<String>,
    pub outcome: Option<String>,
    /// The first time that is in.
    pub since: Option<Timestamp>,
    /// The first time that is not in any more.
    pub until: Option<Timestamp>,
    /// A part of the kind, the server's name, the tool, the principal or the detail, in any case of
    /// its letters; its first 512 bytes count.
    pub text: Option<String>,
    pub from: AuditFrom,
    /// At most 1,000.
    pub limit: u32,
}

/// Where a page begins, and in which direction it goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AuditFrom {
    /// The newest rows, newest first.
    #[default]
    Newest,
    /// The rows before this one, newest first.
    Before(i64),
    /// The rows after this one, oldest first.
    After(i64),
}

impl AuditEvent {
    /// Returns an event that says no more than what happened and when.
    pub fn new(at: Timestamp, kind: &'static str) -> Self {
        Self {
            at,
            kind: Cow::Borrowed(kind),
            principal: None,
            token: None,
            server: None,
            server_slug: None,
            tool: None,
            pin: None,
            decision: None,
            basis: None,
            chat: None,
            outcome: None,
            duration_ms: None,
            request_bytes: None,
            response_bytes: None,
            detail: None,
        }
    }
}

/// Appends events, all in one statement.
macro_rules! insert_audit {
    ($executor:expr, $events:expr) => {
        sqlx::QueryBuilder::new(
            "INSERT INTO audit (at, kind, principal, token_id, server_id, server_slug, tool, pin, decision, basis, chat_id, outcome, duration_ms, request_bytes, response_bytes, detail) ",
        )
        .push_values($events, |mut row, event: &$crate::audit::AuditEvent| {
            row.push_bind($crate::store::ms(event.at))
                .push_bind($crate::audit::cut(&event.kind))
                .push_bind(event.principal.as_ref().map(|it| it.as_str().to_owned()))
                .push_bind(event.token.map(|it| it.to_string()))
                .push_bind(event.server.map(|it| it.to_string()))
                .push_bind(event.server_slug.as_deref().map($crate::audit::cut))
                .push_bind(event.tool.as_deref().map($crate::audit::cut))
                .push_bind(event.pin.as_deref().map($crate::audit::cut))
                .push_bind(event.decision.as_deref().map($crate::audit::cut))
                .push_bind(event.basis.as_deref().map($crate::audit::cut))
                .push_bind(event.chat.map(|it| it.to_string()))
                .push_bind(event.outcome.as_deref().map($crate::audit::cut))
                .push_bind(event.duration_ms.map($crate::store::number))
                .push_bind(event.request_bytes.map($crate::store::number))
                .push_bind(event.response_bytes.map($crate::store::number))
                .push_bind(event.detail.as_ref().map($crate::audit::detail_text));
        })
        .build()
        .persistent(false)
        .execute($executor)
        .await
        .map_err($crate::error::db)?
    };
}

/// Continues a query at `WHERE id ` by what a filter lets through, its order and its limit. Only what
/// is asked for is in it, since SQLite uses no index for `$1 IS NULL OR`.
macro_rules! push_filter {
    ($query:ident, $filter:expr) => {{
        let filter: &AuditFilter = $filter;
        let (from, order) = match filter.from {
            AuditFrom::After(id) => ((" > ", id), " ORDER BY id LIMIT "),
            AuditFrom::Before(id) => ((" < ", id), " ORDER BY id DESC LIMIT "),
            AuditFrom::Newest => ((" < ", i64::MAX), " ORDER BY id DESC LIMIT "),
        };
        $query.push(from.0).push_bind(from.1);
        if let Some(kind) = &filter.kind {
            let column = match kind.ends_with('.') {
                true => format!(" AND substr(kind, 1, {}) = ", kind.chars().count()),
                false => " AND kind = ".to_owned(),
            };
            $query.push(column).push_bind(cut(kind));
        }
        let texts = [
            (" AND server_id = ", filter.server.map(|it| it.to_string())),
            (" AND tool = ", filter.tool.as_deref().map(cut)),
            (
                " AND principal = ",
                filter.principal.as_ref().map(|it| it.to_string()),
            ),
            (" AND token_id = ", filter.token.map(|it| it.to_string())),
            (" AND chat_id = ", filter.chat.map(|it| it.to_string())),
            (" AND decision = ", filter.decision.as_deref().map(cut)),
            (" AND outcome = ", filter.outcome.as_deref().map(cut)),
        ];
        for (column, value) in texts {
            if let Some(value) = value {
                $query.push(column).push_bind(value);
            }
        }
        if let Some(client) = filter.client.as_deref().map(cut) {
            $query
                .push(" AND token_id IN (SELECT id FROM tokens WHERE name = ")
                .push_bind(client.clone())
                .push(" OR id = ")
                .push_bind(client)
                .push(")");
        }
        for (column, at) in [(" AND at >= ", filter.since), (" AND at < ", filter.until)] {
            if let Some(at) = at {
                $query.push(column).push_bind(ms(at));
            }
        }
        if let Some(text) = &filter.text {
            let columns = ["kind", "server_slug", "tool", "principal", "detail"];
            for (n, column) in columns.into_iter().enumerate() {
                $query
                    .push(if n == 0 { " AND (lower(" } else { " OR lower(" })
                    .push(column)
                    .push(") LIKE lower(")
                    .push_bind(like_pattern(text))
                    .push(") ESCAPE '\\'");
            }
            $query.push(")");
        }
        $query
            .push(order)
            .push_bind(i64::from(filter.limit.min(PAGE_ROWS_MAX)));
    }};
}

impl Store {
    /// Appends events in their order, all or none.
    pub async fn write_audit(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        writing!(self, pool => { insert_audit!(pool, events); });
        Ok(())
    }

    /// Returns a page of the audit. All of it is read by asking, with [`AuditFrom::After`], for what
    /// follows the last row of the page before, until a page is empty.
    pub async fn audit_page(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        let rows: Vec<Row> = reading!(self, pool => {
            let mut query = sqlx::QueryBuilder::new("SELECT * FROM audit WHERE id ");
            push_filter!(query, filter);
            query
                .build_query_as()
                .persistent(false)
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        rows.into_iter().map(Row::into_audit).collect()
    }

    /// Deletes rows from before `before`, and the oldest where there are more than `rows_max`.
    /// Returns how many.
    pub async fn prune_audit(&self, before: Timestamp, rows_max: u64) -> Result<u64, StoreError> {
        // The newest row that is one too many.
        let cut: Option<i64> = reading!(self, pool => {
            sqlx::query_scalar("SELECT id FROM audit ORDER BY id DESC LIMIT 1 OFFSET $1")
                .bind(number(rows_max))
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        let mut deleted = 0;
        loop {
            // Rows are written nearly in the order of time, so only the oldest are looked at.
            let sql = "DELETE FROM audit WHERE id IN (SELECT id FROM audit ORDER BY id LIMIT $1) AND (at < $2 OR id <= $3)";
            let now: u64 = writing!(self, pool => {
                sqlx::query(sql)
                    .bind(PRUNE_ROWS)
                    .bind(ms(before))
                    .bind(cut.unwrap_or(-1))
                    .execute(pool)
                    .await
                    .map_err(db)?
                    .rows_affected()
            });
            deleted += now;
            if now == 0 {
                return Ok(deleted);
            }
        }
    }
}

/// Returns at most [`TEXT_BYTES_MAX`] of a text, and nothing that PostgreSQL cannot hold.
pub(crate) fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    text[..end].replace('\0', "\u{fffd}")
}

pub(crate) fn detail_text(detail: &serde_json::Value) -> String {
    let text = detail.to_string();
    if text.len() <= DETAIL_BYTES_MAX {
        return text;
    }
    serde_json::json!({ "left_out_bytes": text.len() }).to_string()
}

row!(Row {
    id: i64,
    at: i64,
    kind: String,
    principal: Option<String>,
    token_id: Option<String>,
    server_id: Option<String>,
    server_slug: Option<String>,
    tool: Option<String>,
    pin: Option<String>,
    decision: Option<String>,
    basis: Option<String>,
    chat_id: Option<String>,
    outcome: Option<String>,
    duration_ms: Option<i64>,
    request_bytes: Option<i64>,
    response_bytes: Option<i64>,
    detail: Option<String>,
});

impl Row {
    fn into_audit(self) -> Result<AuditRow, StoreError> {
        let corrupt = corrupt("audit row", &self.id);
        let event = || -> Result<AuditEvent, Box<dyn std::error::Error + Send + Sync>> {
            Ok(AuditEvent {
                at: time(self.at),
                kind: self.kind.into(),
                principal: self.principal.map(|it| it.parse()).transpose()?,
                token: self.token_id.map(|it| it.parse()).transpose()?,
                server: self.server_id.map(|it| it.parse()).transpose()?,
                server_slug: self.server_slug,
                tool: self.tool,
                pin: self.pin,
                decision: self.decision.map(Cow::Owned),
                basis: self.basis.map(Cow::Owned),
                chat: self.chat_id.map(|it| it.parse()).transpose()?,
                outcome: self.outcome.map(Cow::Owned),
                duration_ms: self.duration_ms.map(i64::unsigned_abs),
                request_bytes: self.request_bytes.map(i64::unsigned_abs),
                response_bytes: self.response_bytes.map(i64::unsigned_abs),
                detail: self
                    .detail
                    .map(|it| serde_json::from_str(&it))
                    .transpose()?,
            })
        };
        Ok(AuditRow {
            id: self.id,
            event: event().map_err(corrupt)?,
        })
    }
}
