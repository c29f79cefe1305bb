use domain::{PrincipalName, ProviderId};

use crate::{
    AuditEvent, Store, StoreError,
    error::db,
    providers::NAME_BYTES_MAX,
    store::{check_key, corrupt},
};

/// The model that a principal's new chats ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelDefault {
    pub provider: ProviderId,
    pub model: String,
}

impl Store {
    /// Returns what a principal has chosen. It goes with its provider.
    pub async fn model_default(
        &self,
        principal: &PrincipalName,
    ) -> Result<Option<ModelDefault>, StoreError> {
        let sql = "SELECT provider_id, model FROM model_defaults WHERE principal = $1";
        let row: Option<Row> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(principal.as_str())
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        row.map(|it| it.into_default(principal)).transpose()
    }

    /// Notes what a principal has chosen, in the place of what it had; `None` is nothing. The provider
    /// has to be there.
    pub async fn set_model_default(
        &self,
        principal: &PrincipalName,
        default: Option<&ModelDefault>,
        audit: &AuditEvent,
    ) -> Result<(), StoreError> {
        if let Some(default) = default {
            check_key("a model's name", &default.model, NAME_BYTES_MAX)?;
        }
        let put = "INSERT INTO model_defaults (principal, provider_id, model) VALUES ($1, $2, $3) ON CONFLICT (principal) DO UPDATE SET provider_id = excluded.provider_id, model = excluded.model";
        let delete = "DELETE FROM model_defaults WHERE principal = $1";
        transaction!(self, tx => {
            match default {
                Some(default) => {
                    sqlx::query(put)
                        .bind(principal.as_str().to_owned())
                        .bind(default.provider.to_string())
                        .bind(default.model.clone())
                        .execute(&mut *tx)
                        .await
                        .map_err(db)?;
                }
                None => {
                    sqlx::query(delete)
                        .bind(principal.as_str().to_owned())
                        .execute(&mut *tx)
                        .await
                        .map_err(db)?;
                }
            }
            insert_audit!(&mut *tx, [audit]);
        });
        Ok(())
    }
}

row!(Row {
    provider_id: String,
    model: String,
});

impl Row {
    fn into_default(self, principal: &PrincipalName) -> Result<ModelDefault, StoreError> {
        let corrupt = corrupt("default model", principal);
        Ok(ModelDefault {
            provider: self
                .provider_id
                .parse()
                .map_err(|err| corrupt(Box::new(err)))?,
            model: self.model,
        })
    }
}
