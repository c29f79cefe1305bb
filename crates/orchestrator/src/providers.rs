//! The use cases about providers of models: which there are, with which keys, and what they have.
//!
//! ```text
//! a person ──add, change──┐
//! discovery (loopback) ───┼──> store::providers ──row──> client ──> the provider
//! the scripted model ─────┘            key: vault ──────────^         │
//!                                                  Listings <──models──┘ (kept for a short time)
//! ```
//!
//! What the program finds on this machine by itself is a row as any other, so that a person's
//! settings for it last. It is shown while it answers.
//!
//! **Invariant:** a key is in clear in a request's client and nowhere else, it goes to the address
//! only that it was given for, and no use case returns it.

mod choose;
mod discovery;
mod listings;
mod models;
#[cfg(test)]
mod tests;

use agent::{ModelError, ProviderKind};
use domain::{Caller, PrincipalName, ProviderId, Secret, SecretId, Timestamp};
use store::{AuditEvent, KeyChange, NewProvider, NewSecret, StoredProvider};
use url::Url;

pub use self::{
    discovery::DEMO_NAME,
    models::{ChosenModel, ProviderModels},
};
pub(crate) use self::{discovery::keep_looking, listings::Listings};
use crate::{Error, Event, Orchestrator, Reach, Shared, error_chain};

const NAME_CHARS_MAX: usize = 80;
/// However long ago it was said.
const EVER: Timestamp = Timestamp { unix_ms: 0 };
/// Of a key. It is sent in a header.
const KEY_BYTES_MAX: usize = 8 << 10;

/// A provider that a person wants to add.
#[derive(Debug)]
pub struct AddProvider {
    pub kind: ProviderKind,
    /// `None` is made from the address.
    pub name: Option<String>,
    /// As people paste it; see [`agent::base_url`].
    pub base_url: String,
    pub key: Option<Secret<String>>,
    pub default_model: Option<String>,
}

/// What is to be different about a provider; `None` leaves it as it is.
#[derive(Debug, Default)]
pub struct ProviderChange {
    pub name: Option<String>,
    pub base_url: Option<String>,
    /// `Some(None)` removes it.
    pub key: Option<Option<Secret<String>>>,
    pub default_model: Option<Option<String>>,
    pub enabled: Option<bool>,
}

/// All that is shown of a provider.
#[derive(Debug, Clone)]
pub struct ProviderDetails {
    pub id: ProviderId,
    pub kind: ProviderKind,
    pub name: String,
    pub base_url: String,
    /// Whether a key is kept for it.
    pub has_key: bool,
    pub default_model: Option<String>,
    pub enabled: bool,
    /// Whether the program has found it by itself.
    pub found: bool,
    /// Whether it is the scripted model, which only plays one.
    pub demo: bool,
    /// Whether it is on this machine, so that nothing of a chat leaves it.
    pub local: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub health: ProviderHealth,
    /// What a person should know about it, in words.
    pub warnings: Vec<String>,
}

/// How it was when it was asked last.
#[derive(Debug, Clone)]
pub enum ProviderHealth {
    /// Nobody has asked since it was changed or the program was started.
    Unknown,
    Answers {
        models: usize,
    },
    Failed(ModelError),
}

impl Orchestrator {
    /// Returns the providers that a principal may use: those that were added, and those that were
    /// found and answer; the scripted model where there is no other. Nobody is asked anything.
    pub async fn providers(&self, by: &PrincipalName) -> Result<Vec<ProviderDetails>, Error> {
        let rows = rows_of(&self.shared, by).await?;
        let all = rows.into_iter().map(|it| details(&self.shared, it));
        Ok(all.collect())
    }

    pub async fn provider(
        &self,
        id: ProviderId,
        by: &PrincipalName,
    ) -> Result<ProviderDetails, Error> {
        let row = models::visible(&self.shared, id, by).await?;
        Ok(details(&self.shared, row))
    }

    /// Adds a provider for the caller's principal.
    pub async fn add_provider(
        &self,
        add: AddProvider,
        by: &Caller,
    ) -> Result<ProviderDetails, Error> {
        let shared = &self.shared;
        let base_url = base_url(add.kind, &add.base_url)?;
        let name = match add.name {
            Some(name) => checked_name(&name)?,
            None => name_of(&base_url),
        };
        let id = ProviderId::from_uuid(uuid::Uuid::now_v7());
        let key = match &add.key {
            Some(key) => Some(seal(shared, id, key, by)?),
            None => None,
        };
        let new = NewProvider {
            id,
            principal: Some(by.principal.clone()),
            kind: stored_kind(add.kind),
            name,
            base_url: base_url.into(),
            key,
            default_model: add.default_model.filter(|it| !it.trim().is_empty()),
            enabled: true,
            found: false,
        };
        let detail = serde_json::json!({
            "provider": id,
            "kind": new.kind.as_str(),
            "name": new.name,
            "base_url": new.base_url,
            "key_given": new.key.is_some(),
            "default_model": new.default_model,
        });
        let audit = AuditEvent {
            detail: Some(detail),
            ..self.event("provider.add", by)
        };
        let row = shared.store.create_provider(&new, &audit).await;
        let row = row.map_err(Error::of_store)?;
        self.tell(&row);
        Ok(details(shared, row))
    }

    /// Changes a provider. One that was found stays where it was found.
    ///
    /// A key is not sent to another place than the one that it was given for: with an address on
    /// another host the key is given again, or removed.
    pub async fn change_provider(
        &self,
        id: ProviderId,
        change: ProviderChange,
        by: &Caller,
    ) -> Result<ProviderDetails, Error> {
        let (this, by) = (self.clone(), by.clone());
        // To its end, as the others: two changes at once must not part a key from its address.
        self.to_its_end(async move { this.change_provider_now(id, change, &by).await })
            .await
    }

    async fn change_provider_now(
        &self,
        id: ProviderId,
        change: ProviderChange,
        by: &Caller,
    ) -> Result<ProviderDetails, Error> {
        let _one_at_a_time = self.shared.changing.lock().await;
        let shared = &self.shared;
        let row = models::visible(shared, id, &by.principal).await?;
        let base_url = match &change.base_url {
            Some(text) => Some(base_url(kind_of(row.kind), text)?),
            None => None,
        };
        if let Some(new) = &base_url {
            check_move(&row, new, change.key.is_some())?;
        }
        if discovery::is_demo(id) && matches!(change.key, Some(Some(_))) {
            return Err(Error::invalid("the scripted model takes no key"));
        }
        let key = match &change.key {
            None => KeyChange::Keep,
            Some(None) => KeyChange::Remove,
            Some(Some(key)) => KeyChange::Set(seal(shared, id, key, by)?),
        };
        let name = change.name.as_deref().map(checked_name).transpose()?;
        let default_model = change.default_model;
        let default_model = default_model.map(|it| it.filter(|it| !it.trim().is_empty()));
        let detail = serde_json::json!({
            "provider": id,
            "name": name,
            "base_url": base_url.as_ref().map(Url::as_str),
            "key": match &key {
                KeyChange::Keep => None,
                KeyChange::Set(_) => Some("given"),
                KeyChange::Remove => Some("removed"),
            },
            "default_model": default_model,
            "enabled": change.enabled,
        });
        let audit = AuditEvent {
            detail: Some(without_nulls(detail)),
            ..self.event("provider.change", by)
        };
        let change = store::ProviderChange {
            name,
            base_url: base_url.map(Into::into),
            key,
            default_model,
            enabled: change.enabled,
        };
        let changed = shared.store.update_provider(id, &change, &audit).await;
        if !changed.map_err(Error::of_store)? {
            return Err(Error::not_found(format!("provider `{id}`")));
        }
        // Two changes within a millisecond have the same time.
        shared.listings.slot(id).clear();
        let row = models::visible(shared, id, &by.principal).await?;
        self.tell(&row);
        Ok(details(shared, row))
    }

    /// Removes a provider with its key. Chats that asked it ask another.
    pub async fn remove_provider(&self, id: ProviderId, by: &Caller) -> Result<(), Error> {
        let shared = &self.shared;
        let row = models::visible(shared, id, &by.principal).await?;
        if row.found && shared.listings.is_present(id) {
            return Err(Error::invalid_with(
                format!(
                    "`{}` is found anew each time that it is looked for",
                    row.name
                ),
                "switch it off instead",
            ));
        }
        let audit = AuditEvent {
            detail: Some(serde_json::json!({ "provider": id, "name": row.name })),
            ..self.event("provider.remove", by)
        };
        let deleted = shared.store.delete_provider(id, &audit).await;
        if !deleted.map_err(Error::of_store)? {
            return Err(Error::not_found(format!("provider `{id}`")));
        }
        shared.listings.forget(id);
        self.tell(&row);
        Ok(())
    }

    /// Looks for model servers on this machine, now, and returns all providers.
    pub async fn discover_providers(
        &self,
        by: &PrincipalName,
    ) -> Result<Vec<ProviderDetails>, Error> {
        discovery::look(&self.shared).await?;
        self.providers(by).await
    }

    fn tell(&self, row: &StoredProvider) {
        let events = &self.shared.events;
        match &row.principal {
            Some(principal) => events.publish_to(principal, Event::ProvidersChanged),
            None => events.publish(Event::ProvidersChanged),
        }
    }
}

/// Returns the rows that a principal is shown, in the order in which a model is looked for.
async fn rows_of(shared: &Shared, by: &PrincipalName) -> Result<Vec<StoredProvider>, Error> {
    let rows = shared.store.providers(Some(by)).await;
    let rows = rows.map_err(Error::of_store)?;
    Ok(shown(
        rows,
        |id| shared.listings.is_present(id),
        |row| {
            let kept = shared.listings.slot(row.id).kept(row, EVER);
            matches!(kept, Some(Ok(models)) if models.is_empty())
        },
    ))
}

/// Leaves out what was found and does not answer, unless a person has given it a key, and what
/// somebody has added with the same address.
///
/// The scripted model stays only as long as no other provider may have a model. One that fails may:
/// whoever has added it wants to know that, and no play.
fn shown(
    mut rows: Vec<StoredProvider>,
    is_present: impl Fn(ProviderId) -> bool,
    is_empty: impl Fn(&StoredProvider) -> bool,
) -> Vec<StoredProvider> {
    let place = |it: &StoredProvider| (it.kind, it.base_url.replace("//localhost", "//127.0.0.1"));
    let added: Vec<_> = rows.iter().filter(|it| !it.found).map(place).collect();
    rows.retain(|it| {
        let is_there = it.key.is_some() || is_present(it.id);
        !it.found || (is_there && !added.contains(&place(it)))
    });
    let is_real = |it: &StoredProvider| it.enabled && !discovery::is_demo(it.id) && !is_empty(it);
    if rows.iter().any(is_real) {
        rows.retain(|it| !discovery::is_demo(it.id));
    }
    rows.sort_by_key(|it| (it.found, discovery::is_demo(it.id)));
    rows
}

fn details(shared: &Shared, row: StoredProvider) -> ProviderDetails {
    let kept = shared.listings.slot(row.id);
    let health = match kept.kept(&row, EVER) {
        None => ProviderHealth::Unknown,
        Some(Ok(models)) => ProviderHealth::Answers {
            models: models.len(),
        },
        Some(Err(err)) => ProviderHealth::Failed(err),
    };
    let demo = discovery::is_demo(row.id);
    let mut warnings = Vec::new();
    let url = Url::parse(&row.base_url).ok();
    let reach = url.as_ref().map(Reach::of);
    let is_open = url
        .zip(reach)
        .is_some_and(|(url, reach)| reach.is_open(&url));
    if is_open {
        let what = match row.key.is_some() {
            true => "the key and the chat",
            false => "the chat",
        };
        warnings.push(format!(
            "its address begins with http://: whoever carries a request reads {what}"
        ));
    }
    if demo {
        warnings.push("it is scripted: it plays a model and is none".to_owned());
    }
    ProviderDetails {
        id: row.id,
        kind: kind_of(row.kind),
        name: row.name,
        base_url: row.base_url,
        has_key: row.key.is_some(),
        default_model: row.default_model,
        enabled: row.enabled,
        found: row.found,
        demo,
        local: reach.is_some_and(|it| it != Reach::Elsewhere),
        created_at: row.created_at,
        updated_at: row.updated_at,
        health,
        warnings,
    }
}

fn base_url(kind: ProviderKind, text: &str) -> Result<Url, Error> {
    agent::base_url(kind, text).map_err(|err| Error::invalid(err.to_string()))
}

fn check_move(row: &StoredProvider, new: &Url, has_key: bool) -> Result<(), Error> {
    let is_same = row.base_url == new.as_str();
    if row.found && !is_same {
        return Err(Error::invalid_with(
            format!("`{}` is where it was found", row.name),
            "add a provider with the other address",
        ));
    }
    let old = Url::parse(&row.base_url).ok();
    let same_origin = old.is_some_and(|it| it.origin() == new.origin());
    if row.key.is_some() && !same_origin && !has_key {
        return Err(Error::invalid_with(
            format!("the key of `{}` was given for `{}`", row.name, row.base_url),
            "give the key again together with the new address, or remove it first",
        ));
    }
    Ok(())
}

fn checked_name(name: &str) -> Result<String, Error> {
    let name = name.trim();
    let is_plain = !name.is_empty() && !name.chars().any(char::is_control);
    if !is_plain || NAME_CHARS_MAX < name.chars().count() {
        return Err(Error::invalid(format!(
            "a provider's name must be one line of 1 to {NAME_CHARS_MAX} characters"
        )));
    }
    Ok(name.to_owned())
}

fn name_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let name = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    name.chars().take(NAME_CHARS_MAX).collect()
}

fn seal(
    shared: &Shared,
    provider: ProviderId,
    key: &Secret<String>,
    by: &Caller,
) -> Result<NewSecret, Error> {
    let text = key.expose().trim();
    let is_sent_as_it_is = text.bytes().all(|it| matches!(it, b'!'..=b'~'));
    if text.is_empty() || !is_sent_as_it_is || KEY_BYTES_MAX < text.len() {
        return Err(Error::invalid_with(
            "this key cannot be sent",
            format!("it has to be one word of ASCII, of at most {KEY_BYTES_MAX} bytes"),
        ));
    }
    let id = SecretId::from_uuid(uuid::Uuid::now_v7());
    let key = Secret::new(text.to_owned());
    let sealed = shared.vault.seal(&key_binding(provider, id), &key);
    let sealed = sealed.map_err(|err| Error::invalid(format!("the key: {}", error_chain(&err))))?;
    Ok(NewSecret {
        id,
        server: None,
        provider: Some(provider),
        name: "key".to_owned(),
        sealed,
        given_by: by.principal.clone(),
    })
}

/// What a key is bound to: moved to another row, it cannot be opened.
fn key_binding(provider: ProviderId, id: SecretId) -> String {
    format!("provider:{provider}:secret:{id}:key")
}

fn without_nulls(mut value: serde_json::Value) -> serde_json::Value {
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, it| !it.is_null());
    }
    value
}

const fn kind_of(kind: store::ProviderKind) -> ProviderKind {
    match kind {
        store::ProviderKind::OpenAi => ProviderKind::OpenAi,
        store::ProviderKind::Ollama => ProviderKind::Ollama,
    }
}

const fn stored_kind(kind: ProviderKind) -> store::ProviderKind {
    match kind {
        ProviderKind::OpenAi => store::ProviderKind::OpenAi,
        ProviderKind::Ollama => store::ProviderKind::Ollama,
    }
}
