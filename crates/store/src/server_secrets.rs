use domain::{SecretId, ServerId, ServerSpec};

use crate::{
    AuditEvent, NewSecret, Store, StoreError,
    error::db,
    secrets::insert_secret,
    servers::{json, next_generation},
    store::ms,
};

impl Store {
    /// Changes what is wanted together with the sealed values that it names: keeps one, forgets those
    /// that it names no more, all or nothing. Returns the new generation, `None` if there is no
    /// server.
    pub async fn update_server_secrets(
        &self,
        id: ServerId,
        spec: &ServerSpec,
        put: Option<&NewSecret>,
        forget: &[SecretId],
        audit: &AuditEvent,
    ) -> Result<Option<u64>, StoreError> {
        let sql = "UPDATE servers SET spec = $2, generation = $3, updated_at = $4 WHERE id = $1";
        let delete = "DELETE FROM secrets WHERE id = $1 AND server_id = $2";
        let now = self.now();
        let generation = transaction!(self, tx => {
            let generation = next_generation!(tx);
            let changed = sqlx::query(sql)
                .bind(id.to_string())
                .bind(json(spec))
                .bind(generation)
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if changed.rows_affected() == 0 {
                return Ok(None);
            }
            for secret in forget {
                sqlx::query(delete)
                    .bind(secret.to_string())
                    .bind(id.to_string())
                    .execute(&mut *tx)
                    .await
                    .map_err(db)?;
            }
            if let Some(secret) = put {
                insert_secret!(tx, secret, now);
            }
            insert_audit!(&mut *tx, [audit]);
            generation
        });
        Ok(Some(generation.unsigned_abs()))
    }
}
