use domain::{
    ApprovalId, CanonicalForm, ChatId, PrincipalName, ServerId, Timestamp, TokenId, ToolPin,
};

use crate::{
    AuditEvent, GrantScope, NewGrant, Store, StoreError,
    error::db,
    grants::insert_grant,
    pins::{DEFINITION_BYTES_MAX, TOOL_NAME_BYTES_MAX},
    store::{check_key, check_size, corrupt, ms, number, storable, time},
};

/// The most requests of one principal that are open at a time.
pub const APPROVALS_OPEN_MAX: u64 = 1_000;
/// The most requests of one client that are open at a time: it must not use up what its principal's
/// other clients and chats need.
pub const APPROVALS_OPEN_OF_TOKEN_MAX: u64 = 100;
/// The most requests that are kept after they are closed.
const APPROVALS_CLOSED_MAX: i64 = 10_000;
/// The longest arguments that somebody is asked about, in bytes of JSON.
const ARGUMENTS_BYTES_MAX: usize = 1 << 20;
/// The longest reason, why it is asked or why it is denied, in bytes.
const REASON_BYTES_MAX: usize = 4 << 10;
/// The most rows of one page. Each may have its arguments with it.
const PAGE_ROWS_MAX: u32 = 100;

text_enum! {
    /// How far a request for approval has come.
    ApprovalState {
        Open = "open",
        Approved = "approved",
        Denied = "denied",
        /// Nobody decided in time.
        Expired = "expired",
        /// The tool is not what it was when it was asked.
        Stale = "stale",
        /// What asked is gone.
        Withdrawn = "withdrawn",
    }
}

/// A call that a person is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApproval {
    pub id: ApprovalId,
    pub principal: PrincipalName,
    pub token: Option<TokenId>,
    pub chat: Option<ChatId>,
    pub server: ServerId,
    pub server_slug: String,
    pub tool: String,
    pub pin: ToolPin,
    /// JSON; at most 1 MiB.
    pub definition: Box<str>,
    /// Why it is asked.
    pub why: String,
    /// All of them, JSON; at most 1 MiB.
    pub arguments: Box<str>,
    /// Of the canonical form of the arguments.
    pub arguments_sha256: String,
    /// `None` if it waits for as long as it takes.
    pub expires_at: Option<Timestamp>,
}

/// A request for approval as it is stored, without the tool's definition
/// ([`Store::approval_definition`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredApproval {
    pub id: ApprovalId,
    pub principal: PrincipalName,
    pub token: Option<TokenId>,
    pub chat: Option<ChatId>,
    pub server: ServerId,
    pub server_slug: String,
    pub tool: String,
    pub pin: ToolPin,
    pub why: String,
    pub arguments: Box<str>,
    pub arguments_sha256: String,
    pub state: ApprovalState,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// When it was closed, by whom or what ever.
    pub decided_at: Option<Timestamp>,
    pub decided_by: Option<PrincipalName>,
    pub scope: Option<GrantScope>,
    /// Why it was denied.
    pub reason: Option<String>,
    /// What the call is to be made with instead.
    pub edited_arguments: Option<Box<str>>,
}

/// Which requests a page has, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalFilter {
    /// `None` is everybody's.
    pub principal: Option<PrincipalName>,
    pub chat: Option<ChatId>,
    /// Only those that can be decided.
    pub open_only: bool,
    /// The last one of the page before.
    pub before: Option<(Timestamp, ApprovalId)>,
    /// At most 100.
    pub limit: u32,
}

/// What a person says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub by: PrincipalName,
    pub verdict: Verdict,
    /// The pin of the tool that was shown.
    pub pin: ToolPin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Approve {
        scope: GrantScope,
        /// JSON; at most 1 MiB.
        edited_arguments: Option<Box<str>>,
    },
    Deny {
        /// What is longer than 4 KiB is cut.
        reason: Option<String>,
    },
}

/// What a decision came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// It holds, and so does the grant.
    Done(Box<StoredApproval>),
    /// It was decided before, and that holds.
    Already {
        state: ApprovalState,
        by: Option<PrincipalName>,
        at: Option<Timestamp>,
    },
    Expired,
    /// The tool is not the one that was asked about, or not the one that was shown.
    Stale,
    /// What asked is gone, or the server.
    Withdrawn,
    NotFound,
}

/// Whose requests are closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalsOf {
    Server(ServerId),
    /// Those about another pin than this, or all.
    Tool {
        server: ServerId,
        tool: String,
        but: Option<ToolPin>,
    },
    Chat(ChatId),
    Token(TokenId),
    One(ApprovalId),
}

/// Makes a query of all columns but the definition, and what follows.
macro_rules! select_approvals {
    ($rest:literal) => {
        concat!(
            "SELECT id, principal, token_id, chat_id, server_id, server_slug, tool, pin, why, arguments, arguments_sha256, state, created_at, expires_at, decided_at, decided_by, scope, reason, edited_arguments FROM approvals ",
            $rest
        )
    };
}

/// Closes open requests. Evaluates to their identifiers.
macro_rules! close_approvals {
    ($tx:ident, $of:expr, $now:expr) => {{
        let of: &$crate::ApprovalsOf = $of;
        let [server, tool, pin, chat, token, id] = of.columns();
        let sql = "UPDATE approvals SET state = $1, decided_at = $2 WHERE state = 'open' AND ($3 IS NULL OR server_id = $3) AND ($4 IS NULL OR tool = $4) AND ($5 IS NULL OR pin <> $5) AND ($6 IS NULL OR chat_id = $6) AND ($7 IS NULL OR token_id = $7) AND ($8 IS NULL OR id = $8) RETURNING id";
        let ids: Vec<String> = sqlx::query_scalar(sql)
            .bind(of.closed_as().as_str())
            .bind($crate::store::ms($now))
            .bind(server)
            .bind(tool)
            .bind(pin)
            .bind(chat)
            .bind(token)
            .bind(id)
            .fetch_all(&mut *$tx)
            .await
            .map_err(db)?;
        $crate::approvals::ids(&ids)?
    }};
}
pub(crate) use close_approvals;

impl Store {
    /// Keeps a request, or finds the equal one that is open: of the same principal, token, chat,
    /// server, tool, pin and arguments. One that is found lasts as long as the new one would have.
    /// Returns it, and whether it is new; only then `audit` is written.
    pub async fn open_approval(
        &self,
        new: &NewApproval,
        audit: &AuditEvent,
    ) -> Result<(StoredApproval, bool), StoreError> {
        check_key("a tool's name", &new.tool, TOOL_NAME_BYTES_MAX)?;
        check_size("a tool's definition", &new.definition, DEFINITION_BYTES_MAX)?;
        check_size(
            "what is to be approved",
            &new.arguments,
            ARGUMENTS_BYTES_MAX,
        )?;
        let (now, key) = (self.now(), new.open_key());
        let close = "UPDATE approvals SET state = 'expired', decided_at = $2 WHERE open_key = $1 AND state = 'open' AND expires_at <= $2";
        let prolong = "UPDATE approvals SET expires_at = CASE WHEN $2 > expires_at THEN $2 ELSE expires_at END WHERE open_key = $1 AND state = 'open'";
        let prolonged_for_good =
            "UPDATE approvals SET expires_at = NULL WHERE open_key = $1 AND state = 'open'";
        let count = "SELECT COUNT(*), COALESCE(SUM(CASE WHEN token_id = $3 THEN 1 ELSE 0 END), 0) FROM approvals WHERE principal = $1 AND state = 'open' AND (expires_at IS NULL OR $2 < expires_at)";
        let insert = "INSERT INTO approvals (id, principal, token_id, chat_id, server_id, server_slug, tool, pin, definition, why, arguments, arguments_sha256, state, created_at, expires_at, open_key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'open', $13, $14, $15)";
        let (row, is_new): (Row, bool) = transaction!(self, tx => {
            alone!(tx, "approvals");
            sqlx::query(close)
                .bind(key.clone())
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            let prolonged = match new.expires_at {
                Some(at) => sqlx::query(prolong).bind(key.clone()).bind(ms(at)),
                None => sqlx::query(prolonged_for_good).bind(key.clone()),
            };
            let prolonged = prolonged.execute(&mut *tx).await.map_err(db)?;
            let is_new = prolonged.rows_affected() == 0;
            if is_new {
                let (open, of_token): (i64, i64) = sqlx::query_as(count)
                    .bind(new.principal.as_str().to_owned())
                    .bind(ms(now))
                    .bind(new.token.map(|it| it.to_string()))
                    .fetch_one(&mut *tx)
                    .await
                    .map_err(db)?;
                check_open(open, of_token)?;
                sqlx::query(insert)
                    .bind(new.id.to_string())
                    .bind(new.principal.as_str().to_owned())
                    .bind(new.token.map(|it| it.to_string()))
                    .bind(new.chat.map(|it| it.to_string()))
                    .bind(new.server.to_string())
                    .bind(storable(&new.server_slug))
                    .bind(new.tool.clone())
                    .bind(new.pin.to_string())
                    .bind(storable(&new.definition))
                    .bind(reason(&new.why))
                    .bind(storable(&new.arguments))
                    .bind(new.arguments_sha256.clone())
                    .bind(ms(now))
                    .bind(new.expires_at.map(ms))
                    .bind(key.clone())
                    .execute(&mut *tx)
                    .await
                    .map_err(db)?;
                insert_audit!(&mut *tx, [audit]);
            }
            let row = sqlx::query_as(select_approvals!("WHERE open_key = $1 AND state = 'open'"))
                .bind(key.clone())
                .fetch_one(&mut *tx)
                .await
                .map_err(db)?;
            (row, is_new)
        });
        Ok((row.into_approval()?, is_new))
    }

    /// Decides a request: it, the grant and the rows of the audit are written, or nothing is.
    pub async fn decide_approval(
        &self,
        id: ApprovalId,
        decision: &Decision,
        grant: Option<&NewGrant>,
        now: Timestamp,
        audit: &[AuditEvent],
    ) -> Result<Decided, StoreError> {
        let columns = decision.columns()?;
        let decide = "UPDATE approvals SET state = $4, decided_at = $3, decided_by = $5, scope = $6, reason = $7, edited_arguments = $8 WHERE id = $1 AND state = 'open' AND pin = $2 AND (expires_at IS NULL OR $3 < expires_at) AND NOT EXISTS (SELECT 1 FROM tool_pins WHERE tool_pins.server_id = approvals.server_id AND tool_pins.tool = approvals.tool AND tool_pins.pin <> approvals.pin)";
        let row: Option<Row> = transaction!(self, tx => {
            let decided = sqlx::query(decide)
                .bind(id.to_string())
                .bind(decision.pin.to_string())
                .bind(ms(now))
                .bind(columns.state.as_str())
                .bind(decision.by.as_str().to_owned())
                .bind(columns.scope.map(GrantScope::as_str))
                .bind(columns.reason)
                .bind(columns.edited_arguments)
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            let row: Option<Row> = sqlx::query_as(select_approvals!("WHERE id = $1"))
                .bind(id.to_string())
                .fetch_optional(&mut *tx)
                .await
                .map_err(db)?;
            if decided.rows_affected() == 0 {
                return row.map_or(Ok(Decided::NotFound), |it| it.why_not(now));
            }
            if let Some(grant) = grant && !insert_grant!(tx, grant, now) {
                return Ok(Decided::Withdrawn);
            }
            if !audit.is_empty() {
                insert_audit!(&mut *tx, audit);
            }
            row
        });
        match row {
            Some(row) => Ok(Decided::Done(Box::new(row.into_approval()?))),
            None => Ok(Decided::NotFound),
        }
    }

    /// Returns a page of requests.
    pub async fn approvals(
        &self,
        filter: &ApprovalFilter,
    ) -> Result<Vec<StoredApproval>, StoreError> {
        let sql = select_approvals!(
            "WHERE ($1 IS NULL OR principal = $1) AND ($2 IS NULL OR chat_id = $2) AND (NOT $3 OR (state = 'open' AND (expires_at IS NULL OR $4 < expires_at))) AND (created_at < $5 OR (created_at = $5 AND id < $6)) ORDER BY created_at DESC, id DESC LIMIT $7"
        );
        let (before, before_id) = match filter.before {
            Some((at, id)) => (ms(at), id.to_string()),
            None => (i64::MAX, String::new()),
        };
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(filter.principal.as_ref().map(|it| it.as_str().to_owned()))
                .bind(filter.chat.map(|it| it.to_string()))
                .bind(filter.open_only)
                .bind(ms(self.now()))
                .bind(before)
                .bind(before_id.clone())
                .bind(i64::from(filter.limit.min(PAGE_ROWS_MAX)))
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        rows.into_iter().map(Row::into_approval).collect()
    }

    pub async fn approval(&self, id: ApprovalId) -> Result<Option<StoredApproval>, StoreError> {
        let row: Option<Row> = reading!(self, pool => {
            sqlx::query_as(select_approvals!("WHERE id = $1"))
                .bind(id.to_string())
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        row.map(Row::into_approval).transpose()
    }

    /// Returns the definition of the tool that a request is about, JSON.
    pub async fn approval_definition(
        &self,
        id: ApprovalId,
    ) -> Result<Option<Box<str>>, StoreError> {
        let definition: Option<String> = reading!(self, pool => {
            sqlx::query_scalar("SELECT definition FROM approvals WHERE id = $1")
                .bind(id.to_string())
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        Ok(definition.map(String::into_boxed_str))
    }

    /// Closes the requests whose time is over. Returns which.
    pub async fn expire_approvals(&self, now: Timestamp) -> Result<Vec<ApprovalId>, StoreError> {
        let sql = "UPDATE approvals SET state = 'expired', decided_at = $1 WHERE state = 'open' AND expires_at <= $1 RETURNING id";
        let expired: Vec<String> = writing!(self, pool => {
            sqlx::query_scalar(sql)
                .bind(ms(now))
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        ids(&expired)
    }

    /// Closes the open requests of something: as stale if a tool is not what it was, as withdrawn if
    /// what asked or was asked for is gone. Returns which.
    pub async fn close_approvals(
        &self,
        of: &ApprovalsOf,
        now: Timestamp,
    ) -> Result<Vec<ApprovalId>, StoreError> {
        Ok(transaction!(self, tx => { close_approvals!(tx, of, now) }))
    }

    /// Returns the tools of a server that open requests are about.
    pub async fn tools_asked_for(&self, server: ServerId) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT DISTINCT tool FROM approvals WHERE state = 'open' AND server_id = $1";
        Ok(reading!(self, pool => {
            sqlx::query_scalar(sql)
                .bind(server.to_string())
                .fetch_all(pool)
                .await
                .map_err(db)?
        }))
    }

    /// Deletes requests that were closed before `before`, and the oldest of the closed where there
    /// are more than 10,000. Returns how many.
    pub async fn prune_approvals(&self, before: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM approvals WHERE state <> 'open' AND (decided_at < $1 OR id NOT IN (SELECT id FROM approvals WHERE state <> 'open' ORDER BY decided_at DESC, id DESC LIMIT $2))";
        let deleted: u64 = writing!(self, pool => {
            sqlx::query(sql)
                .bind(ms(before))
                .bind(APPROVALS_CLOSED_MAX)
                .execute(pool)
                .await
                .map_err(db)?
                .rows_affected()
        });
        Ok(deleted)
    }
}

impl NewApproval {
    /// Returns the same text for all that are equal.
    fn open_key(&self) -> String {
        let mut form = CanonicalForm::default();
        form.text(self.principal.as_str());
        form.text(&self.token.map(|it| it.to_string()).unwrap_or_default());
        form.text(&self.chat.map(|it| it.to_string()).unwrap_or_default());
        form.text(&self.server.to_string());
        form.text(&self.tool);
        form.text(self.pin.as_str());
        form.text(&self.arguments_sha256);
        form.hash().to_string()
    }
}

/// What a decision is in the table.
struct DecisionColumns {
    state: ApprovalState,
    scope: Option<GrantScope>,
    reason: Option<String>,
    edited_arguments: Option<String>,
}

impl Decision {
    fn columns(&self) -> Result<DecisionColumns, StoreError> {
        Ok(match &self.verdict {
            Verdict::Approve {
                scope,
                edited_arguments,
            } => {
                if let Some(arguments) = edited_arguments {
                    check_size("what is approved", arguments, ARGUMENTS_BYTES_MAX)?;
                }
                DecisionColumns {
                    state: ApprovalState::Approved,
                    scope: Some(*scope),
                    reason: None,
                    edited_arguments: edited_arguments.as_deref().map(storable),
                }
            }
            Verdict::Deny { reason: why } => DecisionColumns {
                state: ApprovalState::Denied,
                scope: None,
                reason: why.as_deref().map(reason),
                edited_arguments: None,
            },
        })
    }
}

impl ApprovalsOf {
    /// Returns what is asked of server, tool, pin, chat, token and identifier.
    pub(crate) fn columns(&self) -> [Option<String>; 6] {
        match self {
            Self::Server(server) => [Some(server.to_string()), None, None, None, None, None],
            Self::Tool { server, tool, but } => {
                let but = but.as_ref().map(ToString::to_string);
                [
                    Some(server.to_string()),
                    Some(storable(tool)),
                    but,
                    None,
                    None,
                    None,
                ]
            }
            Self::Chat(chat) => [None, None, None, Some(chat.to_string()), None, None],
            Self::Token(token) => [None, None, None, None, Some(token.to_string()), None],
            Self::One(id) => [None, None, None, None, None, Some(id.to_string())],
        }
    }

    pub(crate) fn closed_as(&self) -> ApprovalState {
        match self {
            Self::Tool { .. } => ApprovalState::Stale,
            Self::Server(_) | Self::Chat(_) | Self::Token(_) | Self::One(_) => {
                ApprovalState::Withdrawn
            }
        }
    }
}

pub(crate) fn ids(texts: &[String]) -> Result<Vec<ApprovalId>, StoreError> {
    let id = |text: &String| {
        let corrupt = corrupt("approval", text);
        text.parse().map_err(|err| corrupt(Box::new(err)))
    };
    texts.iter().map(id).collect()
}

/// Refuses one more where there are so many open, of the principal and of them of the client.
fn check_open(open: i64, of_token: i64) -> Result<(), StoreError> {
    for (count, what, max) in [
        (open, "open requests for approval", APPROVALS_OPEN_MAX),
        (
            of_token,
            "open requests for approval of one client",
            APPROVALS_OPEN_OF_TOKEN_MAX,
        ),
    ] {
        if number(max) <= count {
            return Err(StoreError::TooMany { what, max });
        }
    }
    Ok(())
}

fn reason(text: &str) -> String {
    storable(&text[..text.floor_char_boundary(REASON_BYTES_MAX)])
}

row!(Row {
    id: String,
    principal: String,
    token_id: Option<String>,
    chat_id: Option<String>,
    server_id: String,
    server_slug: String,
    tool: String,
    pin: String,
    why: String,
    arguments: String,
    arguments_sha256: String,
    state: String,
    created_at: i64,
    expires_at: Option<i64>,
    decided_at: Option<i64>,
    decided_by: Option<String>,
    scope: Option<String>,
    reason: Option<String>,
    edited_arguments: Option<String>,
});

impl Row {
    /// Returns why a decision about this request was not taken.
    fn why_not(self, now: Timestamp) -> Result<Decided, StoreError> {
        let approval = self.into_approval()?;
        Ok(match approval.state {
            ApprovalState::Open if approval.expires_at.is_some_and(|it| it <= now) => {
                Decided::Expired
            }
            ApprovalState::Open | ApprovalState::Stale => Decided::Stale,
            ApprovalState::Expired => Decided::Expired,
            ApprovalState::Withdrawn => Decided::Withdrawn,
            ApprovalState::Approved | ApprovalState::Denied => Decided::Already {
                state: approval.state,
                by: approval.decided_by,
                at: approval.decided_at,
            },
        })
    }

    fn into_approval(self) -> Result<StoredApproval, StoreError> {
        let corrupt = corrupt("approval", &self.id);
        let approval = || -> Result<StoredApproval, Box<dyn std::error::Error + Send + Sync>> {
            let scope = |it: String| GrantScope::of_text(&it).ok_or("an unknown scope");
            Ok(StoredApproval {
                id: self.id.parse()?,
                principal: self.principal.parse()?,
                token: self.token_id.map(|it| it.parse()).transpose()?,
                chat: self.chat_id.map(|it| it.parse()).transpose()?,
                server: self.server_id.parse()?,
                server_slug: self.server_slug,
                tool: self.tool,
                pin: self.pin.parse()?,
                why: self.why,
                arguments: self.arguments.into_boxed_str(),
                arguments_sha256: self.arguments_sha256,
                state: ApprovalState::of_text(&self.state).ok_or("an unknown state")?,
                created_at: time(self.created_at),
                expires_at: self.expires_at.map(time),
                decided_at: self.decided_at.map(time),
                decided_by: self.decided_by.map(|it| it.parse()).transpose()?,
                scope: self.scope.map(scope).transpose()?,
                reason: self.reason,
                edited_arguments: self.edited_arguments.map(String::into_boxed_str),
            })
        };
        approval().map_err(corrupt)
    }
}
