use domain::{Access, PrincipalName, Timestamp, TokenId};

use crate::{
    AuditEvent, Store, StoreError,
    error::db,
    store::{corrupt, ms, storable, time},
};

text_enum! {
    /// What a token lets its holder be.
    TokenKind {
        /// An MCP client.
        Client = "client",
        /// The person who installed the program.
        Owner = "owner",
    }
}

/// A token to be kept, by its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    pub id: TokenId,
    /// Unique among the tokens that are not revoked.
    pub name: String,
    /// SHA-256 in hexadecimal digits.
    pub hash: String,
    pub principal: PrincipalName,
    pub kind: TokenKind,
    pub access: Access,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredToken {
    pub id: TokenId,
    pub name: String,
    pub hash: String,
    pub principal: PrincipalName,
    pub kind: TokenKind,
    pub access: Access,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl Store {
    pub async fn create_token(
        &self,
        token: &NewToken,
        audit: &AuditEvent,
    ) -> Result<(), StoreError> {
        let taken = |source| {
            if StoreError::is_taken(&source, "name") {
                let name = token.name.clone();
                return StoreError::NameTaken { name };
            }
            db(source)
        };
        let access = serde_json::to_string(&token.access).expect("access has a JSON form");
        let sql = "INSERT INTO tokens (id, name, hash, principal, kind, access, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let now = self.now();
        transaction!(self, tx => {
            sqlx::query(sql)
                .bind(token.id.to_string())
                .bind(storable(&token.name))
                .bind(token.hash.clone())
                .bind(token.principal.as_str().to_owned())
                .bind(token.kind.as_str())
                .bind(access)
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(taken)?;
            insert_audit!(&mut *tx, [audit]);
        });
        Ok(())
    }

    /// Returns all tokens, also the revoked, in the order in which they were made.
    pub async fn tokens(&self) -> Result<Vec<StoredToken>, StoreError> {
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as("SELECT * FROM tokens ORDER BY created_at, id")
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        rows.into_iter().map(Row::into_token).collect()
    }

    /// Returns the token with this hash, `None` also when it is revoked.
    pub async fn token_by_hash(&self, hash: &str) -> Result<Option<StoredToken>, StoreError> {
        let row: Option<Row> = reading!(self, pool => {
            sqlx::query_as("SELECT * FROM tokens WHERE hash = $1 AND revoked_at IS NULL")
                .bind(hash)
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        row.map(Row::into_token).transpose()
    }

    /// Records when tokens were last used. An earlier time than the stored one changes nothing.
    pub async fn touch_tokens(&self, used: Vec<(TokenId, Timestamp)>) -> Result<(), StoreError> {
        if used.is_empty() {
            return Ok(());
        }
        let sql = "UPDATE tokens SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
        transaction!(self, tx => {
            for (id, at) in used {
                sqlx::query(sql)
                    .bind(id.to_string())
                    .bind(ms(at))
                    .execute(&mut *tx)
                    .await
                    .map_err(db)?;
            }
        });
        Ok(())
    }

    /// Revokes a token for good. Returns whether there was one that held.
    pub async fn revoke_token(&self, id: TokenId, audit: &AuditEvent) -> Result<bool, StoreError> {
        let sql = "UPDATE tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
        let now = self.now();
        transaction!(self, tx => {
            let changed = sqlx::query(sql)
                .bind(id.to_string())
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if changed.rows_affected() == 0 {
                return Ok(false);
            }
            insert_audit!(&mut *tx, [audit]);
        });
        Ok(true)
    }
}

row!(Row {
    id: String,
    name: String,
    hash: String,
    principal: String,
    kind: String,
    access: String,
    created_at: i64,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
});

impl Row {
    fn into_token(self) -> Result<StoredToken, StoreError> {
        let corrupt = corrupt("token", &self.id);
        let token = || -> Result<StoredToken, Box<dyn std::error::Error + Send + Sync>> {
            Ok(StoredToken {
                id: self.id.parse()?,
                name: self.name,
                hash: self.hash,
                principal: self.principal.parse()?,
                kind: TokenKind::of_text(&self.kind).ok_or("an unknown kind")?,
                access: serde_json::from_str(&self.access)?,
                created_at: time(self.created_at),
                last_used_at: self.last_used_at.map(time),
                revoked_at: self.revoked_at.map(time),
            })
        };
        token().map_err(corrupt)
    }
}
