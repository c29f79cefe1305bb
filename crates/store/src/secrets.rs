use std::fmt;

use domain::{PrincipalName, ProviderId, SecretId, ServerId, Timestamp};

use crate::{
    AuditEvent, Store, StoreError,
    error::db,
    store::{corrupt, time},
};

/// The longest sealed value, in bytes.
const SEALED_BYTES_MAX: usize = 64 << 10;

/// A sealed value to be kept.
#[derive(Clone, PartialEq, Eq)]
pub struct NewSecret {
    pub id: SecretId,
    /// The server that it is for, with which it goes.
    pub server: Option<ServerId>,
    /// The provider that it is for, with which it goes.
    pub provider: Option<ProviderId>,
    pub name: String,
    /// At most 64 KiB.
    pub sealed: Vec<u8>,
    pub given_by: PrincipalName,
}

/// A sealed value and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    pub info: SecretInfo,
    pub sealed: Vec<u8>,
}

/// What may be shown of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretInfo {
    pub id: SecretId,
    pub server: Option<ServerId>,
    pub provider: Option<ProviderId>,
    pub name: String,
    pub given_at: Timestamp,
    pub given_by: PrincipalName,
}

macro_rules! insert_secret {
    ($tx:ident, $secret:expr, $now:expr) => {{
        let secret = $secret;
        $crate::secrets::check_size(secret)?;
        let sql = "INSERT INTO secrets (id, server_id, provider_id, name, sealed, given_at, given_by) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, given_at = excluded.given_at, given_by = excluded.given_by";
        sqlx::query(sql)
            .bind(secret.id.to_string())
            .bind(secret.server.map(|it| it.to_string()))
            .bind(secret.provider.map(|it| it.to_string()))
            .bind($crate::store::storable(&secret.name))
            .bind(secret.sealed.clone())
            .bind($crate::store::ms($now))
            .bind(secret.given_by.as_str().to_owned())
            .execute(&mut *$tx)
            .await
            .map_err(db)?;
    }};
}
pub(crate) use insert_secret;

impl Store {
    /// Keeps a sealed value; one with the same identifier is replaced.
    pub async fn put_secret(
        &self,
        secret: &NewSecret,
        audit: &AuditEvent,
    ) -> Result<(), StoreError> {
        let now = self.now();
        transaction!(self, tx => {
            insert_secret!(tx, secret, now);
            insert_audit!(&mut *tx, [audit]);
        });
        Ok(())
    }

    pub async fn secret(&self, id: SecretId) -> Result<Option<StoredSecret>, StoreError> {
        let row: Option<Row> = reading!(self, pool => {
            sqlx::query_as("SELECT * FROM secrets WHERE id = $1")
                .bind(id.to_string())
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        row.map(Row::into_secret).transpose()
    }

    /// Returns what may be shown of a server's secrets, in the order of their names; with `None`,
    /// of those that belong to no server
    /// and no provider.
    pub async fn secret_infos(
        &self,
        server: Option<ServerId>,
    ) -> Result<Vec<SecretInfo>, StoreError> {
        let sql = "SELECT * FROM secrets WHERE server_id = $1 OR (server_id IS NULL AND provider_id IS NULL AND $1 IS NULL) ORDER BY name, id";
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(server.map(|it| it.to_string()))
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        let infos = rows
            .into_iter()
            .map(|it| it.into_secret().map(|it| it.info));
        infos.collect()
    }

    /// Returns whether any sealed value is kept, so whether the data key is needed.
    pub async fn has_secrets(&self) -> Result<bool, StoreError> {
        let found: Option<String> = reading!(self, pool => {
            sqlx::query_scalar("SELECT id FROM secrets LIMIT 1")
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        Ok(found.is_some())
    }

    /// Deletes a secret. Returns whether there was one.
    pub async fn delete_secret(
        &self,
        id: SecretId,
        audit: &AuditEvent,
    ) -> Result<bool, StoreError> {
        transaction!(self, tx => {
            let deleted = sqlx::query("DELETE FROM secrets WHERE id = $1")
                .bind(id.to_string())
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if deleted.rows_affected() == 0 {
                return Ok(false);
            }
            insert_audit!(&mut *tx, [audit]);
        });
        Ok(true)
    }
}

pub(crate) fn check_size(secret: &NewSecret) -> Result<(), StoreError> {
    let bytes = secret.sealed.len();
    if SEALED_BYTES_MAX < bytes {
        return Err(StoreError::TooLarge {
            what: "a sealed secret",
            bytes,
            max: SEALED_BYTES_MAX,
        });
    }
    Ok(())
}

/// Sealed bytes are of no use to a reader.
impl fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSecret")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

row!(Row {
    id: String,
    server_id: Option<String>,
    provider_id: Option<String>,
    name: String,
    sealed: Vec<u8>,
    given_at: i64,
    given_by: String,
});

impl Row {
    fn into_secret(self) -> Result<StoredSecret, StoreError> {
        let corrupt = corrupt("secret", &self.id);
        let info = || -> Result<SecretInfo, Box<dyn std::error::Error + Send + Sync>> {
            Ok(SecretInfo {
                id: self.id.parse()?,
                server: self.server_id.map(|it| it.parse()).transpose()?,
                provider: self.provider_id.map(|it| it.parse()).transpose()?,
                name: self.name,
                given_at: time(self.given_at),
                given_by: self.given_by.parse()?,
            })
        };
        Ok(StoredSecret {
            info: info().map_err(corrupt)?,
            sealed: self.sealed,
        })
    }
}
