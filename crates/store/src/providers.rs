use domain::{PrincipalName, ProviderId, SecretId, Timestamp};

use crate::{
    AuditEvent, NewSecret, Store, StoreError,
    error::db,
    secrets::insert_secret,
    store::{check_key, corrupt, ms, number, time},
};

/// The most providers that there can be.
pub const PROVIDERS_MAX: u64 = 200;
/// The longest name of a provider or a model, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 512;
/// The longest address, in bytes.
const BASE_URL_BYTES_MAX: usize = 2 << 10;

text_enum! {
    /// Which API a provider speaks.
    ProviderKind {
        OpenAi = "openai",
        Ollama = "ollama",
    }
}

/// A place at which models are asked, to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProvider {
    pub id: ProviderId,
    /// Who may use it; `None` is everybody.
    pub principal: Option<PrincipalName>,
    pub kind: ProviderKind,
    pub name: String,
    pub base_url: String,
    /// The sealed key, which becomes the provider's and goes with it.
    pub key: Option<NewSecret>,
    pub default_model: Option<String>,
    pub enabled: bool,
    /// Whether the program has found it by itself.
    pub found: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredProvider {
    pub id: ProviderId,
    pub principal: Option<PrincipalName>,
    pub kind: ProviderKind,
    pub name: String,
    pub base_url: String,
    pub key: Option<SecretId>,
    pub default_model: Option<String>,
    pub enabled: bool,
    pub found: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What is to be different about a provider; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderChange {
    pub name: Option<String>,
    pub base_url: Option<String>,
    pub key: KeyChange,
    pub default_model: Option<Option<String>>,
    pub enabled: Option<bool>,
}

/// What becomes of a provider's key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum KeyChange {
    #[default]
    Keep,
    /// This one takes the place of the one that there was.
    Set(NewSecret),
    Remove,
}

/// Makes a sealed value the key of a provider, and deletes the one that it had.
macro_rules! set_key {
    ($tx:ident, $id:expr, $key:expr, $now:expr) => {{
        let id: ProviderId = $id;
        let mut key: NewSecret = $key.clone();
        (key.provider, key.server) = (Some(id), None);
        insert_secret!($tx, &key, $now);
        sqlx::query("UPDATE providers SET key_secret_id = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(key.id.to_string())
            .execute(&mut *$tx)
            .await
            .map_err(db)?;
        sqlx::query("DELETE FROM secrets WHERE provider_id = $1 AND id <> $2")
            .bind(id.to_string())
            .bind(key.id.to_string())
            .execute(&mut *$tx)
            .await
            .map_err(db)?;
    }};
}

impl Store {
    /// Adds a provider with its key, up to [`PROVIDERS_MAX`]: all or nothing.
    pub async fn create_provider(
        &self,
        provider: &NewProvider,
        audit: &AuditEvent,
    ) -> Result<StoredProvider, StoreError> {
        check_texts(
            Some(&provider.name),
            Some(&provider.base_url),
            provider.default_model.as_deref(),
        )?;
        let now = self.now();
        let sql = "INSERT INTO providers (id, principal, kind, name, base_url, default_model, enabled, found, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)";
        transaction!(self, tx => {
            alone!(tx, "providers");
            let providers: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM providers")
                .fetch_one(&mut *tx)
                .await
                .map_err(db)?;
            if number(PROVIDERS_MAX) <= providers {
                return Err(StoreError::TooMany { what: "providers of models", max: PROVIDERS_MAX });
            }
            sqlx::query(sql)
                .bind(provider.id.to_string())
                .bind(provider.principal.as_ref().map(|it| it.as_str().to_owned()))
                .bind(provider.kind.as_str())
                .bind(provider.name.clone())
                .bind(provider.base_url.clone())
                .bind(provider.default_model.clone())
                .bind(provider.enabled)
                .bind(provider.found)
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if let Some(key) = &provider.key {
                set_key!(tx, provider.id, key, now);
            }
            insert_audit!(&mut *tx, [audit]);
        });
        Ok(StoredProvider {
            id: provider.id,
            principal: provider.principal.clone(),
            kind: provider.kind,
            name: provider.name.clone(),
            base_url: provider.base_url.clone(),
            key: provider.key.as_ref().map(|it| it.id),
            default_model: provider.default_model.clone(),
            enabled: provider.enabled,
            found: provider.found,
            created_at: now,
            updated_at: now,
        })
    }

    /// Returns the providers that a principal may use, or all, in the order in which they were added.
    pub async fn providers(
        &self,
        principal: Option<&PrincipalName>,
    ) -> Result<Vec<StoredProvider>, StoreError> {
        let sql = "SELECT * FROM providers WHERE $1 IS NULL OR principal IS NULL OR principal = $1 ORDER BY created_at, id";
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(principal.map(PrincipalName::as_str))
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        rows.into_iter().map(Row::into_provider).collect()
    }

    pub async fn provider(&self, id: ProviderId) -> Result<Option<StoredProvider>, StoreError> {
        let row: Option<Row> = reading!(self, pool => {
            sqlx::query_as("SELECT * FROM providers WHERE id = $1")
                .bind(id.to_string())
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        row.map(Row::into_provider).transpose()
    }

    /// Changes a provider. Returns whether there is one.
    ///
    /// Whoever changes the address decides whether the key may go there.
    pub async fn update_provider(
        &self,
        id: ProviderId,
        change: &ProviderChange,
        audit: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let default_model = change.default_model.as_ref().and_then(Option::as_deref);
        let (name, base_url) = (change.name.as_deref(), change.base_url.as_deref());
        check_texts(name, base_url, default_model)?;
        let now = self.now();
        let sql = "UPDATE providers SET name = COALESCE($2, name), base_url = COALESCE($3, base_url), default_model = CASE WHEN $4 THEN $5 ELSE default_model END, enabled = COALESCE($6, enabled), updated_at = $7 WHERE id = $1";
        transaction!(self, tx => {
            let changed = sqlx::query(sql)
                .bind(id.to_string())
                .bind(change.name.clone())
                .bind(change.base_url.clone())
                .bind(change.default_model.is_some())
                .bind(default_model.map(str::to_owned))
                .bind(change.enabled)
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if changed.rows_affected() == 0 {
                return Ok(false);
            }
            match &change.key {
                KeyChange::Keep => {}
                KeyChange::Set(key) => set_key!(tx, id, key, now),
                KeyChange::Remove => {
                    sqlx::query("DELETE FROM secrets WHERE provider_id = $1")
                        .bind(id.to_string())
                        .execute(&mut *tx)
                        .await
                        .map_err(db)?;
                }
            }
            insert_audit!(&mut *tx, [audit]);
        });
        Ok(true)
    }

    /// Deletes a provider with its key. Chats that used it have none any more. Returns whether there
    /// was one.
    pub async fn delete_provider(
        &self,
        id: ProviderId,
        audit: &AuditEvent,
    ) -> Result<bool, StoreError> {
        transaction!(self, tx => {
            let deleted = sqlx::query("DELETE FROM providers WHERE id = $1")
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

fn check_texts(
    name: Option<&str>,
    base_url: Option<&str>,
    model: Option<&str>,
) -> Result<(), StoreError> {
    let texts = [
        ("a provider's name", name, NAME_BYTES_MAX),
        ("a provider's address", base_url, BASE_URL_BYTES_MAX),
        ("a model's name", model, NAME_BYTES_MAX),
    ];
    let mut given = texts
        .into_iter()
        .filter_map(|(what, text, max)| text.map(|it| (what, it, max)));
    given.try_for_each(|(what, text, max)| check_key(what, text, max))
}

row!(Row {
    id: String,
    principal: Option<String>,
    kind: String,
    name: String,
    base_url: String,
    key_secret_id: Option<String>,
    default_model: Option<String>,
    enabled: bool,
    found: bool,
    created_at: i64,
    updated_at: i64,
});

impl Row {
    fn into_provider(self) -> Result<StoredProvider, StoreError> {
        let corrupt = corrupt("provider", &self.id);
        let provider = || -> Result<StoredProvider, Box<dyn std::error::Error + Send + Sync>> {
            Ok(StoredProvider {
                id: self.id.parse()?,
                principal: self.principal.map(|it| it.parse()).transpose()?,
                kind: ProviderKind::of_text(&self.kind).ok_or("an unknown kind")?,
                name: self.name,
                base_url: self.base_url,
                key: self.key_secret_id.map(|it| it.parse()).transpose()?,
                default_model: self.default_model,
                enabled: self.enabled,
                found: self.found,
                created_at: time(self.created_at),
                updated_at: time(self.updated_at),
            })
        };
        provider().map_err(corrupt)
    }
}
