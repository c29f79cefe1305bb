use domain::{PrincipalName, Timestamp};

use crate::{
    Store, StoreError,
    error::db,
    store::{corrupt, ms, time},
};

/// A browser that somebody is signed in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSession {
    /// SHA-256 of the cookie's value, in hexadecimal digits.
    pub hash: String,
    pub principal: PrincipalName,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Store {
    /// Begins a session of a browser.
    pub async fn create_web_session(
        &self,
        hash: &str,
        principal: &PrincipalName,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO web_sessions (hash, principal, created_at, expires_at) VALUES ($1, $2, $3, $4)";
        writing!(self, pool => {
            sqlx::query(sql)
                .bind(hash)
                .bind(principal.as_str())
                .bind(ms(self.now()))
                .bind(ms(expires_at))
                .execute(pool)
                .await
                .map_err(db)?;
        });
        Ok(())
    }

    /// Returns the session with this hash, `None` when it has expired by `now` or is revoked.
    pub async fn web_session(
        &self,
        hash: &str,
        now: Timestamp,
    ) -> Result<Option<WebSession>, StoreError> {
        let sql = "SELECT hash, principal, created_at, expires_at FROM web_sessions WHERE hash = $1 AND revoked_at IS NULL AND $2 < expires_at";
        let row: Option<Row> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(hash)
                .bind(ms(now))
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        row.map(Row::into_session).transpose()
    }

    /// Ends a session. Returns whether there was one.
    pub async fn revoke_web_session(&self, hash: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE web_sessions SET revoked_at = $2 WHERE hash = $1 AND revoked_at IS NULL";
        let changed: u64 = writing!(self, pool => {
            sqlx::query(sql)
                .bind(hash)
                .bind(ms(self.now()))
                .execute(pool)
                .await
                .map_err(db)?
                .rows_affected()
        });
        Ok(changed != 0)
    }

    /// Ends all sessions of somebody. Returns how many there were.
    pub async fn revoke_web_sessions_of(
        &self,
        principal: &PrincipalName,
    ) -> Result<u64, StoreError> {
        let sql =
            "UPDATE web_sessions SET revoked_at = $2 WHERE principal = $1 AND revoked_at IS NULL";
        let changed: u64 = writing!(self, pool => {
            sqlx::query(sql)
                .bind(principal.as_str())
                .bind(ms(self.now()))
                .execute(pool)
                .await
                .map_err(db)?
                .rows_affected()
        });
        Ok(changed)
    }

    /// Keeps the hash of a link that lets somebody in once.
    pub async fn create_login_link(
        &self,
        hash: &str,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        writing!(self, pool => {
            sqlx::query("INSERT INTO login_links (hash, expires_at) VALUES ($1, $2)")
                .bind(hash)
                .bind(ms(expires_at))
                .execute(pool)
                .await
                .map_err(db)?;
        });
        Ok(())
    }

    /// Uses a link. Returns whether it may be used: once, and before it expires, however many ask
    /// at a time.
    pub async fn redeem_login_link(&self, hash: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "UPDATE login_links SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND $2 < expires_at";
        let changed: u64 = writing!(self, pool => {
            sqlx::query(sql)
                .bind(hash)
                .bind(ms(now))
                .execute(pool)
                .await
                .map_err(db)?
                .rows_affected()
        });
        Ok(changed == 1)
    }

    /// Deletes sessions and links that can never be used again.
    pub async fn prune_sessions(&self, now: Timestamp) -> Result<(), StoreError> {
        transaction!(self, tx => {
            sqlx::query("DELETE FROM web_sessions WHERE expires_at <= $1 OR revoked_at IS NOT NULL")
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            sqlx::query("DELETE FROM login_links WHERE expires_at <= $1 OR used_at IS NOT NULL")
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
        });
        Ok(())
    }
}

row!(Row {
    hash: String,
    principal: String,
    created_at: i64,
    expires_at: i64,
});

impl Row {
    fn into_session(self) -> Result<WebSession, StoreError> {
        // The hash names the session well enough, and opens nothing.
        let corrupt = corrupt("session", &self.hash);
        Ok(WebSession {
            principal: self
                .principal
                .parse()
                .map_err(|err| corrupt(Box::new(err)))?,
            hash: self.hash,
            created_at: time(self.created_at),
            expires_at: time(self.expires_at),
        })
    }
}
