//! Turns a package into a volume, step by step.
//!
//! ```text
//! prepare ── a new volume, enough room, the registries' addresses
//! resolve ── a lock file with hashes              (way out: the registries)
//! fetch ──── what the lock file names, no scripts (way out: the registries)
//! build ──── the packages' own scripts            (consent, and no way out)
//! check ──── the command that starts the server, the size
//! ready ──── one transaction: now it is the server's
//! ```
//!
//! Each step is a row with a state, a log and, where it failed, a reason. An install that fails
//! leaves no volume: what is kept for another try is what it had resolved. A crash at any line
//! leaves an install that is not ready, and begins again at the next start.
//!
//! **Invariant:** no code of a package runs before the step `build`, and then without any way out.
//!
//! **Invariant:** a volume that no ready and no active install has is removed by the next sweep.

mod builder;
mod npm;
mod pypi;
pub(crate) mod registries;
mod told;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use domain::{BuildScripts, HostPort, InstallId, Registry, SandboxKey, ServerId};
use store::{Consent, InstallState, Resolution, StepState, StoredInstall};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::{
    builder::Builder,
    told::{note_end, tell, tell_of},
};
use crate::{Error, Shared, connect, directory, error_chain, sandbox_error, servers};

/// The steps of every install, in their order.
pub(crate) const STEPS: [&str; 5] = ["prepare", "resolve", "fetch", "build", "check"];
const PREPARE: u32 = 0;
const RESOLVE: u32 = 1;
const FETCH: u32 = 2;
const BUILD: u32 = 3;
const CHECK: u32 = 4;
/// How often, and how many times, it is tried to remove a volume that a sandbox still has.
const SWEEP_PERIOD: Duration = Duration::from_millis(500);
const SWEEPS_MAX: u32 = 120;

/// The installs under way.
pub(crate) struct Installer {
    jobs: Mutex<HashMap<InstallId, UnderWay>>,
    turns: Semaphore,
    /// Held while a volume is made or removed: nothing is swept that was made a moment ago.
    volumes: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct UnderWay {
    cancel: CancellationToken,
    /// Whether somebody has begun it again while it was ending.
    again: bool,
}

/// A registry, as the builder's own tools know it or the settings name it.
#[derive(Debug, Clone)]
struct RegistryAddress {
    url: String,
    /// What may be reached: the registry itself and where its files are.
    hosts: BTreeSet<HostPort>,
}

impl Default for Installer {
    fn default() -> Self {
        Self {
            jobs: Mutex::default(),
            turns: Semaphore::new(0),
            volumes: tokio::sync::Mutex::default(),
        }
    }
}

impl Installer {
    /// Ends an install that is under way; nothing of it stays.
    pub(crate) fn cancel(&self, id: InstallId) {
        if let Some(job) = self.lock().get(&id) {
            job.cancel.cancel();
        }
    }

    /// Whether a task has the install in its hands.
    pub(crate) fn is_under_way(&self, id: InstallId) -> bool {
        self.lock().contains_key(&id)
    }

    /// Notes that a run has ended. Returns a token where another one is wanted.
    fn end(&self, id: InstallId, shutdown: &CancellationToken) -> Option<CancellationToken> {
        let mut jobs = self.lock();
        let again = jobs.remove(&id)?;
        if !again.again || again.cancel.is_cancelled() {
            return None;
        }
        let cancel = shutdown.child_token();
        let under_way = UnderWay {
            cancel: cancel.clone(),
            again: false,
        };
        jobs.insert(id, under_way);
        Some(cancel)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<InstallId, UnderWay>> {
        self.jobs
            .lock()
            .expect("no code panics while it holds the lock")
    }
}

pub(crate) fn volume_name(id: InstallId) -> String {
    format!("install-{id}")
}

/// Goes on with the installs that the last run of the program has left, and removes what belongs to
/// none.
pub(crate) async fn resume(shared: &Arc<Shared>) -> Result<(), Error> {
    shared
        .installer
        .turns
        .add_permits(shared.settings.installs_max.max(1));
    let unfinished = shared
        .store
        .unfinished_installs()
        .await
        .map_err(Error::of_store)?;
    for install in unfinished {
        if install.state == InstallState::WaitingForConsent {
            continue;
        }
        let again = shared.store.reset_for_retry(install.id).await;
        if again.map_err(Error::of_store)? {
            begin(shared, install.id);
        }
    }
    sweep_soon(shared);
    Ok(())
}

/// Begins an install on a task of its own. Where one is still ending, this one comes after it.
pub(crate) fn begin(shared: &Arc<Shared>, id: InstallId) {
    let cancel = shared.shutdown.child_token();
    {
        let mut jobs = shared.installer.lock();
        if let Some(under_way) = jobs.get_mut(&id) {
            under_way.again = true;
            return;
        }
        let under_way = UnderWay {
            cancel: cancel.clone(),
            again: false,
        };
        jobs.insert(id, under_way);
    }
    let shared = shared.clone();
    let tasks = shared.tasks.clone();
    tasks.spawn(async move { work(&shared, id, cancel).await });
}

/// Runs an install until nobody wants it to begin again.
async fn work(shared: &Arc<Shared>, id: InstallId, mut cancel: CancellationToken) {
    loop {
        let run_shared = shared.clone();
        let run = async move { Box::pin(run(&run_shared, id, &cancel)).await };
        let ready = match shared.tasks.spawn(run).await {
            Ok(ready) => ready,
            Err(err) => {
                tracing::error!(error = &err as &dyn std::error::Error, install.id = %id, "Install panicked");
                note_end(shared, id, InstallState::Failed, Some("internal error")).await;
                None
            }
        };
        shared.directory.set_install_hosts(id, BTreeSet::new());
        if let Some(next) = shared.installer.end(id, &shared.shutdown) {
            cancel = next;
            continue;
        }
        sweep_soon(shared);
        // Only now: a server that does not answer keeps no other install waiting.
        if let Some(server) = ready {
            look(shared, server).await;
        }
        return;
    }
}

/// Removes the volumes that belong to no install, in the background, until none is left.
pub(crate) fn sweep_soon(shared: &Arc<Shared>) {
    let task_shared = shared.clone();
    shared.tasks.spawn(async move {
        let shutdown = task_shared.shutdown.clone();
        shutdown
            .run_until_cancelled(sweep_until_done(&task_shared))
            .await;
    });
}

async fn sweep_until_done(shared: &Shared) {
    for _attempt in 0..SWEEPS_MAX {
        match sweep(shared).await {
            Ok(0) => return,
            // A sandbox still has a volume; the reconciler is about to remove it.
            Ok(_) => {}
            Err(reason) => {
                tracing::warn!(reason, "Volumes that belong to nothing may be left");
                return;
            }
        }
        tokio::time::sleep(SWEEP_PERIOD).await;
    }
    tracing::warn!("Volumes that belong to nothing are left; the next start tries again");
}

/// Removes what can be removed, and returns how many volumes could not be.
async fn sweep(shared: &Shared) -> Result<usize, String> {
    let volumes = shared.sandbox.list_volumes().await;
    let volumes = volumes.map_err(|err| sandbox_error(&err))?;
    let mut left = 0;
    for volume in volumes {
        let Some(install) = volume.install else {
            continue;
        };
        let _nobody_makes_one = shared.installer.volumes.lock().await;
        if is_kept(shared, install, &volume.name).await? {
            continue;
        }
        if is_in_use(shared, install).await? {
            left += 1;
            continue;
        }
        match shared.sandbox.remove_volume(&volume.name).await {
            Ok(()) => tracing::info!(volume.name, "Volume of no install removed"),
            Err(err) => {
                left += 1;
                tracing::debug!(
                    error = &err as &dyn std::error::Error,
                    volume.name,
                    "Volume not removed yet"
                );
            }
        }
    }
    Ok(left)
}

/// Whether a volume is of use: a server runs from it, or an install is being made in it. One that
/// waits for a person's decision begins with an empty volume after that.
async fn is_kept(shared: &Shared, id: InstallId, volume: &str) -> Result<bool, String> {
    if shared.installer.is_under_way(id) {
        return Ok(true);
    }
    let install = shared.store.install(id).await;
    let install = install.map_err(|err| error_chain(&err))?;
    if install.is_some_and(|it| it.state == InstallState::WaitingForConsent) {
        return Ok(false);
    }
    let referenced = shared.store.referenced_volumes().await;
    let referenced = referenced.map_err(|err| error_chain(&err))?;
    Ok(referenced.iter().any(|it| it == volume))
}

/// Whether a sandbox may still have the volume of an install that nobody wants: one of its own, or
/// one that the reconciler is about to remove.
async fn is_in_use(shared: &Shared, id: InstallId) -> Result<bool, String> {
    let observed = shared.sandbox.list().await;
    let observed = observed.map_err(|err| sandbox_error(&err))?;
    let rows = shared.directory.rows();
    Ok(observed.iter().any(|it| match &it.key {
        SandboxKey::Fetch { install } | SandboxKey::Build { install } => *install == id,
        SandboxKey::Server { server, .. } => {
            let row = rows.get(server);
            let wanted = row.and_then(|it| connect::desired_sandbox(&shared.settings, it));
            it.spec_hash != wanted.map(|it| it.spec.hash())
        }
    }))
}

/// Runs one install to its end, whatever that is. Returns its server when that can be used now.
async fn run(shared: &Arc<Shared>, id: InstallId, cancel: &CancellationToken) -> Option<ServerId> {
    let turn = cancel
        .run_until_cancelled(shared.installer.turns.acquire())
        .await;
    let Some(Ok(_turn)) = turn else { return None };
    let install = match shared.store.install(id).await {
        // It was begun once more than it was asked for.
        Ok(Some(install)) if install.state != InstallState::Pending => return None,
        Ok(Some(install)) => install,
        Ok(None) => return None,
        Err(err) => {
            tracing::error!(error = &err as &dyn std::error::Error, install.id = %id, "Install not read");
            return None;
        }
    };
    let job = Job {
        shared,
        install: &install,
    };
    match cancel.run_until_cancelled(Box::pin(job.steps())).await {
        Some(Ok(Outcome::Ready)) => {
            if let Err(err) = directory::sync(shared).await {
                tracing::error!(error = &err as &dyn std::error::Error, "Directory not read");
            }
            return Some(install.server);
        }
        Some(Ok(Outcome::Gone)) => {}
        Some(Ok(Outcome::Waits)) => {
            note_end(shared, id, InstallState::WaitingForConsent, None).await;
        }
        // The lines to the sandboxes end with the program, and a command may have noticed first.
        Some(Err(_)) if cancel.is_cancelled() => {}
        Some(Err(reason)) => {
            let reason = match shared.directory.take_refusal(id) {
                Some(refusal) => format!("the way out: {refusal}; {reason}"),
                None => reason,
            };
            tracing::warn!(install.id = %id, package = install.package.name, reason, "Install failed");
            note_end(shared, id, InstallState::Failed, Some(&reason)).await;
        }
        // The server was removed, or the program ends and begins it again at its next start.
        None => {}
    }
    None
}

/// Starts a new server once, so that its tools are known.
async fn look(shared: &Arc<Shared>, server: ServerId) {
    if let Some(row) = shared.directory.row(server) {
        servers::look_at(shared, &row.stored.slug).await;
    }
}

enum Outcome {
    Ready,
    /// Nobody wants it any more.
    Gone,
    Waits,
}

struct Job<'a> {
    shared: &'a Arc<Shared>,
    install: &'a StoredInstall,
}

impl Job<'_> {
    async fn steps(&self) -> Result<Outcome, String> {
        let store = &self.shared.store;
        let id = self.install.id;
        let running = store
            .set_install_state(id, InstallState::Running, None)
            .await;
        if !running.map_err(|err| error_chain(&err))? {
            return Ok(Outcome::Gone);
        }
        tell(self.shared, id).await;
        let builder = Builder::new(self.shared, self.install);
        let (fetching, registry) = self.step(PREPARE, Box::pin(self.prepare(&builder))).await?;
        let resolution = self
            .step(RESOLVE, Box::pin(self.resolve(&fetching, &registry)))
            .await?;
        let wanted = self.consent(&resolution);
        if wanted == Consent::None && !resolution.build_scripts.is_empty() {
            // The volume goes; the lock file stays, and fetching again is quick and the same.
            return Ok(Outcome::Waits);
        }
        self.step(
            FETCH,
            Box::pin(self.fetch(&fetching, &registry, &resolution)),
        )
        .await?;
        drop(fetching);
        self.shared.directory.set_install_hosts(id, BTreeSet::new());
        let building = self
            .step(BUILD, Box::pin(self.build(&builder, &resolution, wanted)))
            .await?;
        let (argv, size) = self
            .step(CHECK, Box::pin(self.check(&builder, building)))
            .await?;
        let finished = store.finish_install(id, &argv, size).await;
        if finished.map_err(|err| error_chain(&err))? {
            tell(self.shared, id).await;
            Ok(Outcome::Ready)
        } else {
            Ok(Outcome::Gone)
        }
    }

    /// Writes down how a step begins and ends.
    async fn step<T>(
        &self,
        position: u32,
        work: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
        let store = &self.shared.store;
        let name = STEPS[position as usize];
        let begun = store.begin_step(self.install.id, position, name).await;
        begun.map_err(|err| error_chain(&err))?;
        self.tell(name, StepState::Running, None);
        let limit = self.shared.settings.install_step_timeout;
        let outcome = tokio::time::timeout(limit, work).await;
        let outcome = outcome.unwrap_or_else(|_elapsed| {
            Err(format!(
                "it took longer than {limit:?} (`install_step_timeout`)"
            ))
        });
        let (state, reason) = match &outcome {
            Ok(_) => (StepState::Done, None),
            Err(reason) => (StepState::Failed, Some(reason.as_str())),
        };
        let ended = store
            .end_step(self.install.id, position, state, reason)
            .await;
        ended.map_err(|err| error_chain(&err))?;
        self.tell(name, state, reason);
        outcome.map_err(|reason| format!("step `{name}`: {reason}"))
    }

    fn tell(&self, step: &'static str, state: StepState, reason: Option<&str>) {
        let reason = reason.map(str::to_owned);
        let running = InstallState::Running;
        tell_of(
            self.shared,
            self.install,
            running,
            Some((step, state)),
            reason,
        );
    }

    async fn log(&self, position: u32, text: &str) {
        let logged = self
            .shared
            .store
            .append_step_log(self.install.id, position, text)
            .await;
        if let Err(err) = logged {
            tracing::warn!(
                error = &err as &dyn std::error::Error,
                "Log of an install not written"
            );
        }
    }

    async fn prepare(
        &self,
        builder: &Builder<'_>,
    ) -> Result<(builder::Running, RegistryAddress), String> {
        builder.make_volume().await?;
        let fetching = builder.start_fetching(PREPARE).await?;
        fetching.check_room().await?;
        let registry = match self.install.package.registry {
            Registry::Npm => npm::registry(self.shared, &fetching).await?,
            Registry::Pypi => pypi::registry(self.shared, &fetching).await?,
        };
        self.log(PREPARE, &format!("packages come from {}\n", registry.url))
            .await;
        let hosts = registry.hosts.clone();
        self.shared
            .directory
            .set_install_hosts(self.install.id, hosts);
        Ok((fetching, registry))
    }

    async fn resolve(
        &self,
        fetching: &builder::Running,
        registry: &RegistryAddress,
    ) -> Result<Resolution, String> {
        let fetching = fetching.at(RESOLVE);
        if let Some(known) = self.known_resolution().await? {
            self.log(RESOLVE, "taken from the attempt before\n").await;
            return Ok(known);
        }
        let package = &self.install.package;
        let resolution = match package.registry {
            Registry::Npm => npm::resolve(&fetching, registry, package).await?,
            Registry::Pypi => pypi::resolve(&fetching, registry, package).await?,
        };
        let recorded = self
            .shared
            .store
            .record_resolution(self.install.id, &resolution)
            .await;
        recorded.map_err(|err| error_chain(&err))?;
        self.log(
            RESOLVE,
            &format!("{} {}\n", package.name, resolution.version),
        )
        .await;
        Ok(resolution)
    }

    async fn known_resolution(&self) -> Result<Option<Resolution>, String> {
        let (Some(version), Some(lock_sha256)) =
            (&self.install.resolved_version, &self.install.lock_sha256)
        else {
            return Ok(None);
        };
        let lock = self.shared.store.install_lock(self.install.id).await;
        let lock = lock.map_err(|err| error_chain(&err))?;
        Ok(lock.map(|lock| Resolution {
            version: version.clone(),
            lock,
            lock_sha256: lock_sha256.clone(),
            integrity: self.install.integrity.clone(),
            build_scripts: self.install.build_scripts.clone(),
        }))
    }

    /// Returns what was decided about the packages' own scripts; `None` where nobody has.
    fn consent(&self, resolution: &Resolution) -> Consent {
        if resolution.build_scripts.is_empty() {
            return Consent::Skip;
        }
        let row = self.shared.directory.row(self.install.server);
        let by_spec = row.map_or(BuildScripts::Ask, |it| it.stored.spec.build_scripts);
        match (self.install.consent, by_spec) {
            (Consent::Run, _) | (Consent::None, BuildScripts::Run) => Consent::Run,
            (Consent::Skip, _) | (Consent::None, BuildScripts::Skip) => Consent::Skip,
            (Consent::None, BuildScripts::Ask) => Consent::None,
        }
    }

    async fn fetch(
        &self,
        fetching: &builder::Running,
        registry: &RegistryAddress,
        resolution: &Resolution,
    ) -> Result<(), String> {
        let fetching = fetching.at(FETCH);
        match self.install.package.registry {
            Registry::Npm => npm::fetch(&fetching, registry, resolution).await,
            Registry::Pypi => pypi::fetch(&fetching, registry, resolution).await,
        }
    }

    /// Runs the packages' own scripts, if that is wanted, where nothing can be reached.
    async fn build(
        &self,
        builder: &Builder<'_>,
        resolution: &Resolution,
        wanted: Consent,
    ) -> Result<builder::Running, String> {
        let building = builder.start_building(BUILD).await?;
        match wanted {
            Consent::Run => {
                let packages = resolution.build_scripts.join(", ");
                self.log(BUILD, &format!("scripts of {packages}\n")).await;
                npm::build(&building).await?;
            }
            Consent::Skip | Consent::None if resolution.build_scripts.is_empty() => {
                self.log(BUILD, "the packages have no scripts of their own\n")
                    .await;
            }
            Consent::Skip | Consent::None => {
                let packages = resolution.build_scripts.join(", ");
                self.log(BUILD, &format!("left out: scripts of {packages}\n"))
                    .await;
            }
        }
        Ok(building)
    }

    async fn check(
        &self,
        builder: &Builder<'_>,
        building: builder::Running,
    ) -> Result<(Vec<String>, u64), String> {
        let checking = building.at(CHECK);
        let package = &self.install.package;
        let argv = match package.registry {
            Registry::Npm => npm::command(&checking, package).await?,
            Registry::Pypi => pypi::command(&checking, package).await?,
        };
        let size = checking.size().await?;
        builder.check_size(size)?;
        self.log(
            CHECK,
            &format!("command {}, {size} bytes\n", argv.join(" ")),
        )
        .await;
        Ok((argv, size))
    }
}

/// Returns the host and port of an address.
fn host_port(url: &str) -> Result<HostPort, String> {
    let parsed = url::Url::parse(url)
        .map_err(|err| format!("the registry's address `{url}` is not understood: {err}"))?;
    let port = parsed.port_or_known_default();
    let (Some(host), Some(port)) = (parsed.host_str(), port) else {
        return Err(format!("the registry's address `{url}` names no host"));
    };
    HostPort::new(host, port).map_err(|err| err.to_string())
}

fn sha256(text: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|it| format!("{it:02x}")).collect()
}

#[cfg(test)]
mod tests;
