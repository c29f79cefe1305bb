//! Model servers on this machine, found by asking at the addresses where they usually are.

use std::{error::Error as _, sync::Arc};

use agent::Candidate;
use domain::ProviderId;
use store::{AuditEvent, NewProvider, ProviderChange, StoredProvider};
use tokio::sync::MutexGuard;
use uuid::Uuid;

use super::{models::sweep, stored_kind};
use crate::{Error, Event, Reach, Shared};

/// What people see the scripted model as.
pub const DEMO_NAME: &str = "Demo model";
/// The same in every installation and at each of its addresses, so that chats keep it.
const DEMO: ProviderId =
    ProviderId::from_uuid(Uuid::from_u128(0x6172_6368_6573_7472_8000_0000_0000_0101));

pub(super) fn is_demo(id: ProviderId) -> bool {
    id == DEMO
}

/// Looks once, at the start. What is not found then is found when somebody wants a model.
pub(crate) async fn keep_looking(shared: Arc<Shared>) {
    let looking = shared.shutdown.run_until_cancelled(look_if_due(&shared));
    if let Some(Err(err)) = looking.await {
        let err = err
            .source()
            .map_or_else(|| err.to_string(), ToString::to_string);
        tracing::warn!(
            error = err,
            "Model servers on this machine are not looked for"
        );
    }
}

/// Looks, unless that was done a short time ago. Many who want to know look once.
///
/// Cancel safe.
pub(super) async fn look_if_due(shared: &Shared) -> Result<(), Error> {
    let looked = shared.listings.looked.lock().await;
    let since = shared.earlier(shared.settings.models_keep);
    if looked.is_some_and(|it| since <= it) {
        return Ok(());
    }
    look_now(shared, looked).await
}

/// Cancel safe.
pub(super) async fn look(shared: &Shared) -> Result<(), Error> {
    let looked = shared.listings.looked.lock().await;
    look_now(shared, looked).await
}

async fn look_now(
    shared: &Shared,
    mut looked: MutexGuard<'_, Option<domain::Timestamp>>,
) -> Result<(), Error> {
    let settings = &shared.settings;
    let demo = settings.demo_model.iter().map(|url| Candidate {
        name: DEMO_NAME.to_owned(),
        kind: agent::ProviderKind::OpenAi,
        base_url: url.clone(),
    });
    // The demo's address may be one of the usual ones, too.
    let is_demos = |it: &&Candidate| Some(&it.base_url) == settings.demo_model.as_ref();
    let usual = settings.model_servers.iter().filter(|it| !is_demos(it));
    let candidates: Vec<Candidate> = usual.cloned().chain(demo).collect();
    let found = match candidates.is_empty() {
        true => Vec::new(),
        false => {
            let http = shared.http_client(Reach::Loopback);
            agent::discover(&http, candidates, settings.model_servers_timeout).await
        }
    };
    let rows = shared.store.providers(None).await;
    let mut rows = rows.map_err(Error::of_store)?;
    rows.retain(|it| it.found);
    let mut is_news = false;
    let mut there = Vec::new();
    for found in found {
        let row = row_for(shared, &rows, &found.candidate).await?;
        there.push(row.id);
        is_news |= shared.listings.set_present(row.id, true);
        let slot = shared.listings.slot(row.id);
        slot.keep(&row, shared.now(), Ok(found.models.into()));
    }
    // One with a key was asked without it, so it may be there.
    for row in rows
        .iter()
        .filter(|it| !there.contains(&it.id) && it.key.is_none())
    {
        is_news |= shared.listings.set_present(row.id, false);
    }
    sweep(shared).await?;
    *looked = Some(shared.now());
    if is_news {
        shared.events.publish(Event::ProvidersChanged);
    }
    Ok(())
}

/// Returns the row of what was found, as it was left by people, or a new one.
async fn row_for(
    shared: &Shared,
    rows: &[StoredProvider],
    candidate: &Candidate,
) -> Result<StoredProvider, Error> {
    let is_demo = Some(&candidate.base_url) == shared.settings.demo_model.as_ref();
    let kind = stored_kind(candidate.kind);
    let base_url = candidate.base_url.as_str();
    let known = rows.iter().find(|it| match is_demo {
        true => it.id == DEMO,
        false => it.id != DEMO && it.kind == kind && it.base_url == base_url,
    });
    let audit = AuditEvent {
        detail: Some(serde_json::json!({ "name": candidate.name, "base_url": base_url })),
        ..AuditEvent::new(shared.now(), "provider.found")
    };
    let store = &shared.store;
    match known {
        Some(row) if row.base_url == base_url => Ok(row.clone()),
        Some(row) => {
            let change = ProviderChange {
                base_url: Some(base_url.to_owned()),
                ..ProviderChange::default()
            };
            let changed = store.update_provider(row.id, &change, &audit).await;
            changed.map_err(Error::of_store)?;
            let row = store.provider(row.id).await.map_err(Error::of_store)?;
            row.ok_or_else(|| Error::not_found(format!("provider `{}`", candidate.name)))
        }
        None => {
            let new = NewProvider {
                id: match is_demo {
                    true => DEMO,
                    false => ProviderId::from_uuid(Uuid::now_v7()),
                },
                principal: None,
                kind,
                name: candidate.name.clone(),
                base_url: base_url.to_owned(),
                key: None,
                default_model: None,
                enabled: true,
                found: true,
            };
            let created = store.create_provider(&new, &audit).await;
            created.map_err(Error::of_store)
        }
    }
}
