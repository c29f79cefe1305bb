//! Who needs which sandbox to run.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use domain::{DesiredSandbox, SandboxKey};
use tokio::sync::Notify;

/// The leases that are out, and the bell that asks for a round of the reconciler.
#[derive(Debug, Default)]
pub(crate) struct Wants {
    notify: Notify,
    by_key: Mutex<BTreeMap<SandboxKey, Want>>,
}

#[derive(Debug)]
struct Want {
    leases: u32,
    /// How to make it; `None` for a server's, which the directory tells.
    desired: Option<DesiredSandbox>,
}

/// Keeps a sandbox wanted until it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    wants: Arc<Wants>,
    key: SandboxKey,
}

impl Wants {
    /// Asks for a round. Asking twice before it begins is asking once.
    pub(crate) fn activate(&self) {
        self.notify.notify_one();
    }

    pub(crate) async fn activated(&self) {
        self.notify.notified().await;
    }

    /// Wants `key` to run until the lease is dropped. `desired` says how, for what is no server's.
    pub(crate) fn lease(
        self: &Arc<Self>,
        key: SandboxKey,
        desired: Option<DesiredSandbox>,
    ) -> Lease {
        let mut by_key = self.lock();
        let want = by_key.entry(key.clone()).or_insert(Want {
            leases: 0,
            desired: None,
        });
        want.leases += 1;
        want.desired = desired.or(want.desired.take());
        drop(by_key);
        self.activate();
        Lease {
            wants: self.clone(),
            key,
        }
    }

    /// Returns what is wanted.
    pub(crate) fn all(&self) -> Vec<(SandboxKey, Option<DesiredSandbox>)> {
        let by_key = self.lock();
        by_key
            .iter()
            .map(|(key, it)| (key.clone(), it.desired.clone()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SandboxKey, Want>> {
        self.by_key
            .lock()
            .expect("no code panics while it holds the lock")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut by_key = self.wants.lock();
        if let Some(want) = by_key.get_mut(&self.key) {
            want.leases -= 1;
            if want.leases == 0 {
                by_key.remove(&self.key);
            }
        }
        drop(by_key);
        self.wants.activate();
    }
}
