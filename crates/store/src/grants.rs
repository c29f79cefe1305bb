use domain::{ApprovalId, ChatId, GrantId, PrincipalName, ServerId, Timestamp, TokenId, ToolPin};

use crate::{
    AuditEvent, Store, StoreError,
    error::db,
    store::{corrupt, ms, storable, time},
};

/// The most grants that hold at a time, for one principal. All are kept in memory, too.
pub const GRANTS_MAX: u64 = 20_000;
/// The most rows of one page.
const PAGE_ROWS_MAX: u32 = 1_000;

text_enum! {
    /// For what a grant holds.
    GrantScope {
        /// One call with equal arguments.
        Once = "once",
        /// All calls of the tool from one chat.
        Chat = "chat",
        /// All calls of the tool from one client.
        Client = "client",
        /// All calls of the tool by the principal, whoever makes them.
        Everywhere = "everywhere",
    }
}

/// A permission that a person gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGrant {
    pub id: GrantId,
    /// Whose calls it is for.
    pub principal: PrincipalName,
    pub scope: GrantScope,
    /// The client that it is for, or that asked.
    pub token: Option<TokenId>,
    /// The chat that it is for, or that asked.
    pub chat: Option<ChatId>,
    pub server: ServerId,
    pub tool: String,
    pub pin: ToolPin,
    /// Of the arguments that it holds for, if its scope is one call.
    pub arguments_sha256: Option<String>,
    /// The request that it answers.
    pub approval: Option<ApprovalId>,
    pub created_by: PrincipalName,
    pub expires_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredGrant {
    pub id: GrantId,
    pub principal: PrincipalName,
    pub scope: GrantScope,
    pub token: Option<TokenId>,
    pub chat: Option<ChatId>,
    pub server: ServerId,
    pub tool: String,
    pub pin: ToolPin,
    pub arguments_sha256: Option<String>,
    pub approval: Option<ApprovalId>,
    pub created_by: PrincipalName,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

/// Which grants a page has, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantFilter {
    /// `None` is everybody's.
    pub principal: Option<PrincipalName>,
    /// Only those that hold: neither used, nor revoked, nor expired.
    pub active_only: bool,
    /// The last one of the page before.
    pub before: Option<(Timestamp, GrantId)>,
    /// At most 1,000.
    pub limit: u32,
}

/// A call that a grant for one call may hold for.
#[derive(Debug, Clone, Copy)]
pub struct OnceUse<'a> {
    pub principal: &'a PrincipalName,
    pub token: Option<TokenId>,
    pub chat: Option<ChatId>,
    pub server: ServerId,
    pub tool: &'a str,
    pub pin: &'a ToolPin,
    pub arguments_sha256: &'a str,
}

/// Inserts a grant, if there are not too many. Evaluates to whether its server and chat are there.
macro_rules! insert_grant {
    ($tx:ident, $grant:expr, $now:expr) => {{
        let (grant, now) = ($grant, $crate::store::ms($now));
        let sql = "SELECT COUNT(*) FROM grants WHERE principal = $1 AND used_at IS NULL AND revoked_at IS NULL AND (expires_at IS NULL OR $2 < expires_at)";
        let grants: i64 = sqlx::query_scalar(sql)
            .bind(grant.principal.as_str().to_owned())
            .bind(now)
            .fetch_one(&mut *$tx)
            .await
            .map_err(db)?;
        let max = $crate::grants::GRANTS_MAX;
        if $crate::store::number(max) <= grants {
            return Err(StoreError::TooMany { what: "grants", max });
        }
        let sql = "INSERT INTO grants (id, principal, scope, token_id, chat_id, server_id, tool, pin, arguments_sha256, approval_id, created_by, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
        let inserted = sqlx::query(sql)
            .bind(grant.id.to_string())
            .bind(grant.principal.as_str().to_owned())
            .bind(grant.scope.as_str())
            .bind(grant.token.map(|it| it.to_string()))
            .bind(grant.chat.map(|it| it.to_string()))
            .bind(grant.server.to_string())
            .bind(grant.tool.clone())
            .bind(grant.pin.to_string())
            .bind(grant.arguments_sha256.clone())
            .bind(grant.approval.map(|it| it.to_string()))
            .bind(grant.created_by.as_str().to_owned())
            .bind(now)
            .bind(grant.expires_at.map($crate::store::ms))
            .execute(&mut *$tx)
            .await;
        match inserted {
            Ok(_) => true,
            Err(err) if StoreError::is_missing_parent(&err) => false,
            Err(err) => return Err(db(err)),
        }
    }};
}
pub(crate) use insert_grant;

impl Store {
    /// Returns a page of grants.
    pub async fn grants(&self, filter: &GrantFilter) -> Result<Vec<StoredGrant>, StoreError> {
        let sql = "SELECT * FROM grants WHERE ($1 IS NULL OR principal = $1) AND (NOT $2 OR (used_at IS NULL AND revoked_at IS NULL AND (expires_at IS NULL OR $3 < expires_at))) AND (created_at < $4 OR (created_at = $4 AND id < $5)) ORDER BY created_at DESC, id DESC LIMIT $6";
        let (before, before_id) = match filter.before {
            Some((at, id)) => (ms(at), id.to_string()),
            None => (i64::MAX, String::new()),
        };
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(filter.principal.as_ref().map(|it| it.as_str().to_owned()))
                .bind(filter.active_only)
                .bind(ms(self.now()))
                .bind(before)
                .bind(before_id.clone())
                .bind(i64::from(filter.limit.min(PAGE_ROWS_MAX)))
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        rows.into_iter().map(Row::into_grant).collect()
    }

    /// Returns one grant.
    pub async fn grant(&self, id: GrantId) -> Result<Option<StoredGrant>, StoreError> {
        let sql = "SELECT * FROM grants WHERE id = $1";
        let row: Option<Row> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(id.to_string())
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        row.map(Row::into_grant).transpose()
    }

    /// Returns all grants that hold, in the order in which they were given.
    ///
    /// One that this version does not understand is left out, with an error in the log: it permits
    /// nothing.
    pub async fn active_grants(&self) -> Result<Vec<StoredGrant>, StoreError> {
        let sql = "SELECT * FROM grants WHERE used_at IS NULL AND revoked_at IS NULL AND (expires_at IS NULL OR $1 < expires_at) ORDER BY created_at, id";
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(ms(self.now()))
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        let mut grants = Vec::with_capacity(rows.len());
        for row in rows {
            match row.into_grant() {
                Ok(grant) => grants.push(grant),
                Err(err) => tracing::error!(
                    error = &err as &dyn std::error::Error,
                    "left out a stored grant"
                ),
            }
        }
        Ok(grants)
    }

    /// Uses a grant for one call, if there is one that holds for it. However many ask at a time,
    /// each grant is used by one of them.
    pub async fn use_once_grant(
        &self,
        call: &OnceUse<'_>,
        now: Timestamp,
    ) -> Result<Option<GrantId>, StoreError> {
        let find = "SELECT id FROM grants WHERE principal = $1 AND arguments_sha256 = $2 AND scope = 'once' AND token_id IS NOT DISTINCT FROM $3 AND chat_id IS NOT DISTINCT FROM $4 AND server_id = $5 AND tool = $6 AND pin = $7 AND used_at IS NULL AND revoked_at IS NULL AND (expires_at IS NULL OR $8 < expires_at) ORDER BY created_at, id LIMIT 1";
        let take = "UPDATE grants SET used_at = $2 WHERE id = $1 AND used_at IS NULL AND revoked_at IS NULL";
        // Each round that ends without one was won by another, so there are at most as many as
        // there are such grants.
        loop {
            let found: Option<String> = reading!(self, pool => {
                sqlx::query_scalar(find)
                    .bind(call.principal.as_str().to_owned())
                    .bind(call.arguments_sha256.to_owned())
                    .bind(call.token.map(|it| it.to_string()))
                    .bind(call.chat.map(|it| it.to_string()))
                    .bind(call.server.to_string())
                    .bind(storable(call.tool))
                    .bind(call.pin.to_string())
                    .bind(ms(now))
                    .fetch_optional(pool)
                    .await
                    .map_err(db)?
            });
            let Some(id) = found else {
                return Ok(None);
            };
            let taken: u64 = writing!(self, pool => {
                sqlx::query(take)
                    .bind(id.clone())
                    .bind(ms(now))
                    .execute(pool)
                    .await
                    .map_err(db)?
                    .rows_affected()
            });
            if taken == 1 {
                let id = id
                    .parse()
                    .map_err(|err| corrupt("grant", &id)(Box::new(err)));
                return id.map(Some);
            }
        }
    }

    /// Revokes a grant for good; with a principal, only one of theirs. Returns whether there was one
    /// that could still hold.
    pub async fn revoke_grant(
        &self,
        id: GrantId,
        principal: Option<&PrincipalName>,
        now: Timestamp,
        audit: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE grants SET revoked_at = $3 WHERE id = $1 AND ($2 IS NULL OR principal = $2) AND revoked_at IS NULL AND used_at IS NULL";
        transaction!(self, tx => {
            let revoked = sqlx::query(sql)
                .bind(id.to_string())
                .bind(principal.map(|it| it.as_str().to_owned()))
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if revoked.rows_affected() == 0 {
                return Ok(false);
            }
            insert_audit!(&mut *tx, [audit]);
        });
        Ok(true)
    }

    /// Revokes all grants that are for one client. Returns which.
    pub async fn revoke_grants_of_token(
        &self,
        token: TokenId,
        now: Timestamp,
    ) -> Result<Vec<GrantId>, StoreError> {
        let sql = "UPDATE grants SET revoked_at = $2 WHERE token_id = $1 AND scope IN ('client', 'once') AND revoked_at IS NULL AND used_at IS NULL RETURNING id";
        let ids: Vec<String> = writing!(self, pool => {
            sqlx::query_scalar(sql)
                .bind(token.to_string())
                .bind(ms(now))
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        let ids = ids.iter().map(|it| {
            it.parse()
                .map_err(|err| corrupt("grant", it)(Box::new(err)))
        });
        ids.collect()
    }

    /// Deletes grants that were used, revoked or expired before `before`. Returns how many.
    pub async fn prune_grants(&self, before: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM grants WHERE used_at < $1 OR revoked_at < $1 OR expires_at < $1";
        let deleted: u64 = writing!(self, pool => {
            sqlx::query(sql)
                .bind(ms(before))
                .execute(pool)
                .await
                .map_err(db)?
                .rows_affected()
        });
        Ok(deleted)
    }
}

row!(Row {
    id: String,
    principal: String,
    scope: String,
    token_id: Option<String>,
    chat_id: Option<String>,
    server_id: String,
    tool: String,
    pin: String,
    arguments_sha256: Option<String>,
    approval_id: Option<String>,
    created_by: String,
    created_at: i64,
    expires_at: Option<i64>,
    used_at: Option<i64>,
    revoked_at: Option<i64>,
});

impl Row {
    fn into_grant(self) -> Result<StoredGrant, StoreError> {
        let corrupt = corrupt("grant", &self.id);
        let grant = || -> Result<StoredGrant, Box<dyn std::error::Error + Send + Sync>> {
            Ok(StoredGrant {
                id: self.id.parse()?,
                principal: self.principal.parse()?,
                scope: GrantScope::of_text(&self.scope).ok_or("an unknown scope")?,
                token: self.token_id.map(|it| it.parse()).transpose()?,
                chat: self.chat_id.map(|it| it.parse()).transpose()?,
                server: self.server_id.parse()?,
                tool: self.tool,
                pin: self.pin.parse()?,
                arguments_sha256: self.arguments_sha256,
                approval: self.approval_id.map(|it| it.parse()).transpose()?,
                created_by: self.created_by.parse()?,
                created_at: time(self.created_at),
                expires_at: self.expires_at.map(time),
                used_at: self.used_at.map(time),
                revoked_at: self.revoked_at.map(time),
            })
        };
        grant().map_err(corrupt)
    }
}
