//! The servers as they are in the store, in memory.
//!
//! It is made anew after each change and replaced whole. Whoever looks, looks here: the reconciler
//! for what should run, the way out for what may be reached, the gateway's connections for what to
//! start.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_swap::ArcSwap;
use domain::{HostPort, InstallId, Isolation, ServerId, ServerSlug, ServerSpec, Source, Timestamp};
use egress::Subject;
use gateway::{ListKind, ServerLists, ServerPins, ServerView};
use serde_json::value::RawValue;
use store::{PinInfo, StoredInstall, StoredServer};

use crate::{
    Error, Shared, built_in,
    logs::Logs,
    pins::{note_lists, server_pins},
};

/// Installs whose last refusal is remembered.
const REFUSALS_MAX: usize = 256;

/// What is wanted, as of the last change.
#[derive(Default)]
pub struct Directory {
    rows: ArcSwap<BTreeMap<ServerId, Arc<Row>>>,
    /// What installs that are under way may reach.
    install_hosts: Mutex<HashMap<InstallId, BTreeSet<HostPort>>>,
    /// What the way out has refused an install last, for the reason of its failure.
    install_refusals: Mutex<HashMap<InstallId, String>>,
    pub(crate) logs: Logs,
}

/// A server and the install that it runs from.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub stored: StoredServer,
    /// The one that is ready, if one is.
    pub install: Option<StoredInstall>,
    /// Grows with each change that running processes have to be ended for.
    pub(crate) process_generation: u64,
}

impl Row {
    /// Whether calls can be made: it is switched on and, if it is a package, installed.
    pub fn is_usable(&self) -> bool {
        let is_there = match &self.stored.spec.source {
            Source::Package(_) => self.install.is_some(),
            Source::Remote { .. } => true,
        };
        self.stored.enabled && is_there
    }

    fn view(&self, lists: Option<ServerLists>, pins: Option<Arc<ServerPins>>) -> ServerView {
        let spec = &self.stored.spec;
        let limits = spec.limits;
        ServerView {
            id: self.stored.id,
            slug: self.stored.slug.clone(),
            generation: self.process_generation,
            isolation: spec.isolation(),
            start_timeout: Duration::from_millis(limits.start_timeout_ms),
            call_timeout: Duration::from_millis(limits.call_timeout_ms),
            calls_max: limits.calls_max as usize,
            keep_warm: spec.keep_warm,
            lists,
            pins,
        }
    }

    /// Whether the sandbox runs while nobody uses it.
    pub(crate) fn is_kept_warm(&self) -> bool {
        let spec = &self.stored.spec;
        self.is_usable()
            && spec.keep_warm
            && spec.isolation() == Isolation::Shared
            && matches!(spec.source, Source::Package(_))
    }
}

impl Directory {
    pub fn rows(&self) -> Arc<BTreeMap<ServerId, Arc<Row>>> {
        self.rows.load_full()
    }

    pub fn row(&self, id: ServerId) -> Option<Arc<Row>> {
        self.rows.load().get(&id).cloned()
    }

    pub fn row_by_slug(&self, slug: &ServerSlug) -> Option<Arc<Row>> {
        let rows = self.rows.load();
        rows.values().find(|it| it.stored.slug == *slug).cloned()
    }

    /// Returns what an install may reach; nothing where it is not under way.
    pub(crate) fn install_hosts(&self, id: InstallId) -> BTreeSet<HostPort> {
        let hosts = self.install_hosts.lock();
        let hosts = hosts.expect("no code panics while it holds the lock");
        hosts.get(&id).cloned().unwrap_or_default()
    }

    /// Notes a refusal of the way out where a person looks for the reason why something does not
    /// work: in the server's log, or in the failure of the install.
    pub(crate) fn note_refusal(&self, subject: Subject, reason: &str, now: Timestamp) {
        match subject {
            Subject::Server(id) => {
                let name = self.row(id).map(|it| it.stored.slug.to_string());
                let name = name.unwrap_or_else(|| "NAME".to_owned());
                self.logs.of(id).note(
                    now,
                    format!("the way out: {reason} (`archestra servers allow {name} HOST:PORT`)"),
                );
            }
            Subject::Install(id) => {
                let all = self.install_refusals.lock();
                let mut all = all.expect("no code panics while it holds the lock");
                if REFUSALS_MAX <= all.len() {
                    all.clear();
                }
                all.insert(id, reason.to_owned());
            }
        }
    }

    /// Returns what the way out has refused an install last, and forgets it.
    pub(crate) fn take_refusal(&self, id: InstallId) -> Option<String> {
        let all = self.install_refusals.lock();
        all.expect("no code panics while it holds the lock")
            .remove(&id)
    }

    pub(crate) fn set_install_hosts(&self, id: InstallId, hosts: BTreeSet<HostPort>) {
        let all = self.install_hosts.lock();
        let mut all = all.expect("no code panics while it holds the lock");
        if hosts.is_empty() {
            all.remove(&id);
        } else {
            all.insert(id, hosts);
        }
    }
}

/// Reads everything for the first time, the lists of the servers included. Returns the servers that
/// could be used and whose lists nobody has read yet: the program has ended in the middle of that.
pub(crate) async fn load(shared: &Arc<Shared>) -> Result<Vec<ServerSlug>, Error> {
    let mut lists: BTreeMap<ServerId, ServerLists> = BTreeMap::new();
    for list in shared.store.lists().await.map_err(Error::of_store)? {
        let body = RawValue::from_string(list.body.into_string());
        let kind = ListKind::ALL
            .into_iter()
            .find(|it| it.as_str() == list.kind.as_str());
        if let (Ok(body), Some(kind)) = (body, kind) {
            let lists = lists.entry(list.server).or_default();
            lists.by_kind.insert(kind, Arc::from(body));
        }
    }
    let known: BTreeSet<ServerId> = lists.keys().copied().collect();
    let mut pins: BTreeMap<ServerId, Vec<PinInfo>> = BTreeMap::new();
    for pin in shared.store.pins().await.map_err(Error::of_store)? {
        pins.entry(pin.server).or_default().push(pin);
    }
    pin_what_is_not(shared, &lists, &mut pins).await?;
    let of_built_in = pins.remove(&ServerId::built_in()).unwrap_or_default();
    built_in::begin(shared, of_built_in).await?;
    read(shared, &mut lists, &mut pins).await?;
    let rows = shared.directory.rows();
    let unknown = rows
        .values()
        .filter(|it| it.is_usable() && !known.contains(&it.stored.id));
    Ok(unknown.map(|it| it.stored.slug.clone()).collect())
}

/// Makes the directory and the gateway's table what the store says, after a change of it.
pub(crate) async fn sync(shared: &Arc<Shared>) -> Result<(), Error> {
    read(shared, &mut BTreeMap::new(), &mut BTreeMap::new()).await
}

/// Pins lists that were stored when nothing was pinned yet.
async fn pin_what_is_not(
    shared: &Arc<Shared>,
    lists: &BTreeMap<ServerId, ServerLists>,
    pins: &mut BTreeMap<ServerId, Vec<PinInfo>>,
) -> Result<(), Error> {
    for server in shared.store.servers().await.map_err(Error::of_store)? {
        let id = server.id;
        let Some(lists) = lists.get(&id).filter(|_| !pins.contains_key(&id)) else {
            continue;
        };
        note_lists(shared, id, server.slug.as_str(), server.tool_changes, lists).await?;
        let pinned = shared.store.pins_of(id).await.map_err(Error::of_store)?;
        pins.insert(id, pinned.into_iter().map(|it| it.info).collect());
    }
    Ok(())
}

async fn read(
    shared: &Arc<Shared>,
    lists: &mut BTreeMap<ServerId, ServerLists>,
    pins: &mut BTreeMap<ServerId, Vec<PinInfo>>,
) -> Result<(), Error> {
    let _one_at_a_time = shared.syncing.lock().await;
    let former = shared.directory.rows();
    let mut rows = BTreeMap::new();
    for stored in shared.store.servers().await.map_err(Error::of_store)? {
        let known = former.get(&stored.id);
        let install = match stored.ready_install {
            None => None,
            Some(id) => match known
                .and_then(|it| it.install.clone())
                .filter(|it| it.id == id)
            {
                Some(install) => Some(install),
                None => shared.store.install(id).await.map_err(Error::of_store)?,
            },
        };
        let row = Row {
            process_generation: process_generation(&stored, known.map(AsRef::as_ref)),
            stored,
            install,
        };
        let row = match known.filter(|it| ***it == row) {
            Some(same) => same.clone(),
            None => Arc::new(row),
        };
        rows.insert(row.stored.id, row);
    }
    shared.directory.rows.store(Arc::new(rows.clone()));

    let gateway = shared.gateway();
    for (id, row) in &rows {
        let was_there = former.get(id).is_some_and(|it| it.is_usable());
        let is_same = former.get(id).is_some_and(|it| Arc::ptr_eq(it, row));
        if row.is_usable() && (!is_same || !was_there) {
            let pins = pins.remove(id).filter(|it| !it.is_empty());
            let pins = pins.map(|it| server_pins(row.stored.tool_changes, it));
            gateway.put_server(row.view(lists.remove(id), pins));
        } else if was_there && !row.is_usable() {
            gateway.remove_server(*id);
        }
        if !is_same {
            shared.news.note(*id);
        }
    }
    for (id, row) in former.iter().filter(|(id, _)| !rows.contains_key(id)) {
        gateway.remove_server(*id);
        shared.directory.logs.forget(*id);
        shared.news.note_removed(*id, row.stored.slug.clone());
    }
    shared.wants.activate();
    Ok(())
}

/// What a server may reach is asked of the directory at each connection, and whether it is kept
/// running at each look for those that nobody uses: a change of that alone ends no process.
fn process_generation(stored: &StoredServer, former: Option<&Row>) -> u64 {
    let of_processes = |spec: &ServerSpec| ServerSpec {
        egress: BTreeSet::new(),
        keep_warm: false,
        ..spec.clone()
    };
    let Some(former) = former else {
        return stored.generation;
    };
    let is_same = former.stored.spec != stored.spec
        && of_processes(&former.stored.spec) == of_processes(&stored.spec)
        && former.stored.enabled == stored.enabled
        && former.stored.ready_install == stored.ready_install;
    if is_same || former.stored.generation == stored.generation {
        former.process_generation
    } else {
        stored.generation
    }
}
