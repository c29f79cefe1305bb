//! What providers have said of their models, kept for a while, since it takes them long to say it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use agent::{ModelError, ModelInfo};
use domain::{ProviderId, Timestamp};
use store::StoredProvider;

/// What a provider said when it was asked for its models.
pub(crate) type Listed = Result<Arc<[ModelInfo]>, ModelError>;

/// All that was listed. It is bounded by the number of providers, and by that of each one's models.
#[derive(Default)]
pub(crate) struct Listings {
    slots: Mutex<HashMap<ProviderId, Arc<Slot>>>,
    /// Of those that the program has found: those that have answered when they were asked last.
    present: Mutex<BTreeSet<ProviderId>>,
    /// When it was looked last for servers on this machine. Held while it is looked.
    pub(crate) looked: tokio::sync::Mutex<Option<Timestamp>>,
}

/// The place of one provider.
#[derive(Default)]
pub(crate) struct Slot {
    /// Held while the provider is asked, so that many who want to know ask once.
    pub(crate) asking: tokio::sync::Mutex<()>,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    /// When the provider was changed last; what was said before that was said of another one.
    of: Timestamp,
    at: Timestamp,
    listed: Listed,
}

impl Listings {
    pub(crate) fn slot(&self, id: ProviderId) -> Arc<Slot> {
        held(&self.slots).entry(id).or_default().clone()
    }

    pub(crate) fn forget(&self, id: ProviderId) {
        held(&self.slots).remove(&id);
        self.set_present(id, false);
    }

    pub(crate) fn is_present(&self, id: ProviderId) -> bool {
        held(&self.present).contains(&id)
    }

    /// Returns whether that is news.
    pub(crate) fn set_present(&self, id: ProviderId, is_present: bool) -> bool {
        let mut present = held(&self.present);
        match is_present {
            true => present.insert(id),
            false => present.remove(&id),
        }
    }

    /// Keeps no place for providers that are not among these.
    pub(crate) fn keep_only(&self, ids: &BTreeSet<ProviderId>) {
        held(&self.slots).retain(|id, _| ids.contains(id));
        held(&self.present).retain(|id| ids.contains(id));
    }
}

impl Slot {
    /// Returns what was said of this provider as it is, at `since` or later.
    pub(crate) fn kept(&self, row: &StoredProvider, since: Timestamp) -> Option<Listed> {
        let kept = held(&self.kept);
        let kept = kept.as_ref()?;
        (kept.of == row.updated_at && since <= kept.at).then(|| kept.listed.clone())
    }

    pub(crate) fn clear(&self) {
        *held(&self.kept) = None;
    }

    pub(crate) fn keep(&self, row: &StoredProvider, at: Timestamp, listed: Listed) {
        *held(&self.kept) = Some(Kept {
            of: row.updated_at,
            at,
            listed,
        });
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .expect("no code panics while it holds the lock")
}
