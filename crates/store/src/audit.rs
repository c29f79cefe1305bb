use std::borrow::Cow;

use domain::{PrincipalName, ServerId, Timestamp, TokenId};

use crate::{
    Store, StoreError,
    error::db,
    store::{corrupt, ms, number, time},
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
    pub decision: Option<Cow<'static, str>>,
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub kind: Option<String>,
    pub server: Option<ServerId>,
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
            decision: None,
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
            "INSERT INTO audit (at, kind, principal, token_id, server_id, server_slug, tool, decision, outcome, duration_ms, request_bytes, response_bytes, detail) ",
        )
        .push_values($events, |mut row, event: &$crate::audit::AuditEvent| {
            row.push_bind($crate::store::ms(event.at))
                .push_bind($crate::audit::cut(&event.kind))
                .push_bind(event.principal.as_ref().map(|it| it.as_str().to_owned()))
                .push_bind(event.token.map(|it| it.to_string()))
                .push_bind(event.server.map(|it| it.to_string()))
                .push_bind(event.server_slug.as_deref().map($crate::audit::cut))
                .push_bind(event.tool.as_deref().map($crate::audit::cut))
                .push_bind(event.decision.as_deref().map($crate::audit::cut))
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

impl Store {
    /// Appends events in their order, all or none.
    pub async fn write_audit(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        writing!(self, pool => { insert_audit!(pool, events); });
        Ok(())
    }

    /// Returns a page of the audit.
    pub async fn audit_page(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        let (sql, id) = match filter.from {
            AuditFrom::After(id) => (
                "SELECT * FROM audit WHERE id > $1 AND ($2 IS NULL OR kind = $2) AND ($3 IS NULL OR server_id = $3) ORDER BY id LIMIT $4",
                id,
            ),
            AuditFrom::Before(_) | AuditFrom::Newest => (
                "SELECT * FROM audit WHERE id < $1 AND ($2 IS NULL OR kind = $2) AND ($3 IS NULL OR server_id = $3) ORDER BY id DESC LIMIT $4",
                match filter.from {
                    AuditFrom::Before(id) => id,
                    _ => i64::MAX,
                },
            ),
        };
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(id)
                .bind(filter.kind.clone())
                .bind(filter.server.map(|it| it.to_string()))
                .bind(i64::from(filter.limit.min(PAGE_ROWS_MAX)))
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
    decision: Option<String>,
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
                decision: self.decision.map(Cow::Owned),
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
