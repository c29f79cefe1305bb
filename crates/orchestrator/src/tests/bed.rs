use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    Access, Caller, CallerKind, Clock, DesiredSandbox, PackageRef, PrincipalName, Registry,
    SandboxKey, ServerSpec, Source, Timestamp,
};
use rustls::{ClientConfig, RootCertStore};
use sandbox::{BackendFacts, FakeSandbox, Observed, Sandbox, SandboxError, VolumeInfo, line::Line};
use store::{AuditQueue, AuditSettings, DatabaseLocation, InstallState, Store, StoredInstall};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::bridge::{self, Script};
use crate::{AddServer, Error, Orchestrator, Parts, ServerEdit, Settings, Shared};

/// Far more than anything takes that ends at all.
const LONG: Duration = Duration::from_secs(30);

/// A program that runs.
pub(crate) struct House {
    pub(crate) orchestrator: Orchestrator,
    pub(crate) machine: Machine,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) dir: Arc<TempDir>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug)]
pub(crate) struct TestClock {
    pub(crate) now_ms: AtomicU64,
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp {
            unix_ms: self.now_ms.load(Ordering::Relaxed),
        }
    }
}

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            now_ms: AtomicU64::new(1_700_000_000_000),
        })
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

/// The parts of a program, with a database in a directory of its own.
pub(crate) async fn parts(
    dir: &Path,
    clock: Arc<TestClock>,
    sandbox: Arc<dyn Sandbox>,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Parts {
    let location = DatabaseLocation::Sqlite(dir.join("archestra.db"));
    let store = Store::open(&location, clock.clone()).await.unwrap();
    let (audit, writer) = AuditQueue::new(store.clone(), AuditSettings::default());
    tasks.spawn(writer.run(shutdown.clone()));
    Parts {
        settings: Settings::new(dir.to_owned(), "image".to_owned(), "0".repeat(64)),
        store,
        audit,
        vault: auth::Vault::open(&dir.join("key"), false).unwrap(),
        sandbox,
        directory: Arc::default(),
        clock,
        http: Box::new(|_| panic!("no test reaches out")),
        gateway: gateway::Settings::default(),
        tasks: tasks.clone(),
        shutdown: shutdown.clone(),
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(Script::default()).await
    }

    pub(crate) async fn with(script: Script) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let fake = FakeSandbox::new("a".repeat(32).parse().unwrap());
        Self::on(dir, Arc::new(fake), script, |_| {}).await
    }

    /// As [`new`](Self::new), with other settings.
    pub(crate) async fn set(change: impl FnOnce(&mut Parts)) -> Self {
        Self::made(Script::default(), change).await
    }

    pub(crate) async fn made(script: Script, change: impl FnOnce(&mut Parts)) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let fake = FakeSandbox::new("a".repeat(32).parse().unwrap());
        Self::on(dir, Arc::new(fake), script, change).await
    }

    async fn on(
        dir: Arc<TempDir>,
        fake: Arc<FakeSandbox>,
        script: Script,
        change: impl FnOnce(&mut Parts),
    ) -> Self {
        let clock = TestClock::new();
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let machine = Machine {
            fake,
            script,
            tasks: tasks.clone(),
            shutdown: shutdown.clone(),
        };
        let sandbox = Arc::new(machine.clone());
        let mut parts = parts(dir.path(), clock.clone(), sandbox, &tasks, &shutdown).await;
        parts.settings.registries.npm = Some("https://npm.test".to_owned());
        change(&mut parts);
        Self {
            orchestrator: Orchestrator::start(parts).await.unwrap(),
            machine,
            clock,
            dir,
            shutdown,
            tasks,
        }
    }

    /// Ends the program and starts it anew on the same data and the same machine.
    pub(crate) async fn restart(self, script: Script) -> Self {
        self.restart_as(script, |_| {}).await
    }

    /// As [`restart`](Self::restart), with other settings.
    pub(crate) async fn restart_as(self, script: Script, change: impl FnOnce(&mut Parts)) -> Self {
        let (dir, fake) = (self.dir.clone(), self.machine.fake.clone());
        self.end().await;
        Self::on(dir, fake, script, change).await
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.orchestrator.shared
    }

    pub(crate) async fn add(&self, name: &str) -> domain::ServerId {
        let add = package(name);
        self.orchestrator.add_server(add, &person()).await.unwrap()
    }

    pub(crate) async fn edit(&self, server: &str, edit: ServerEdit) -> Result<(), Error> {
        self.orchestrator.edit_server(server, edit, &person()).await
    }

    pub(crate) async fn install(&self, slug: &str) -> StoredInstall {
        let details = self.orchestrator.server(slug).await.unwrap();
        details.install.unwrap().0
    }

    /// Waits until the newest install of a server is in this state and in nobody's hands.
    pub(crate) async fn wait_for_install(&self, slug: &str, state: InstallState) -> StoredInstall {
        let installer = &self.shared().installer;
        let reached = async {
            loop {
                let install = self.install(slug).await;
                if install.state == state && !installer.is_under_way(install.id) {
                    return install;
                }
                tokio::task::yield_now().await;
            }
        };
        match timeout(LONG, reached).await {
            Ok(install) => install,
            Err(_) => panic!("it is {:?}", self.install(slug).await),
        }
    }

    /// Waits until there are this many volumes.
    pub(crate) async fn wait_for_volumes(&self, count: usize) {
        let reached = async {
            while self.machine.fake.list_volumes().await.unwrap().len() != count {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, reached).await.expect("the volumes are swept");
    }

    /// Ends all that runs, and shows that it ends.
    pub(crate) async fn end(self) {
        self.shutdown.cancel();
        self.tasks.close();
        let ended = timeout(LONG, self.tasks.wait()).await;
        assert!(ended.is_ok(), "{} tasks are left", self.tasks.len());
        self.shared().store.close().await;
    }
}

/// Gives the program a client that trusts nobody and knows no proxy.
pub(crate) fn reach_out(parts: &mut Parts) {
    parts.http = Box::new(|_| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls);
        client.no_proxy().build().unwrap()
    });
    // Far more than anything takes here.
    parts.settings.model_servers_timeout = Duration::from_secs(20);
}

pub(crate) fn package(name: &str) -> AddServer {
    let source = Source::Package(PackageRef {
        registry: Registry::Npm,
        name: name.to_owned(),
        version: None,
        command: None,
    });
    AddServer {
        slug: None,
        title: None,
        spec: ServerSpec::new(source),
        secrets: Default::default(),
        headers: Default::default(),
    }
}

pub(crate) fn person() -> Caller {
    Caller {
        principal: PrincipalName::owner(),
        token: None,
        kind: CallerKind::Person,
        chat: None,
        access: Access::default(),
    }
}

/// A fake whose sandboxes have a bridge that plays a script.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) fake: Arc<FakeSandbox>,
    pub(crate) script: Script,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

struct NoWayOut;

#[async_trait]
impl sandbox::line::EgressHandler for NoWayOut {
    async fn connect(
        &self,
        _host: String,
        _port: u16,
    ) -> Result<Box<dyn sandbox::line::Duplex>, sandbox::line::EgressError> {
        Err(sandbox::line::EgressError::Refused {
            reason: "a test".to_owned(),
        })
    }
}

#[async_trait]
impl Sandbox for Machine {
    fn name(&self) -> &'static str {
        "machine"
    }

    async fn ensure_running(
        &self,
        key: &SandboxKey,
        desired: &DesiredSandbox,
    ) -> Result<(), SandboxError> {
        self.fake.ensure_running(key, desired).await?;
        if self.fake.line(key).is_none() {
            let (here, there) = tokio::io::duplex(64 << 10);
            let line = Line::start(here, Arc::new(NoWayOut), &self.tasks, &self.shutdown);
            self.tasks.spawn(bridge::run(there, self.script.clone()));
            self.fake.put_line(key, line);
        }
        Ok(())
    }

    async fn ensure_stopped(&self, key: &SandboxKey) -> Result<(), SandboxError> {
        self.fake.ensure_stopped(key).await
    }

    async fn list(&self) -> Result<Vec<Observed>, SandboxError> {
        self.fake.list().await
    }

    fn line(&self, key: &SandboxKey) -> Option<Line> {
        self.fake.line(key)
    }

    async fn logs(&self, key: &SandboxKey) -> Result<Vec<String>, SandboxError> {
        self.fake.logs(key).await
    }

    async fn usage(&self, key: &SandboxKey) -> Result<Option<sandbox::Usage>, SandboxError> {
        self.fake.usage(key).await
    }

    async fn create_volume(&self, name: &str, max: Option<u64>) -> Result<bool, SandboxError> {
        self.fake.create_volume(name, max).await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), SandboxError> {
        self.fake.remove_volume(name).await
    }

    async fn list_volumes(&self) -> Result<Vec<VolumeInfo>, SandboxError> {
        self.fake.list_volumes().await
    }

    async fn image_exists(&self, reference: &str) -> Result<bool, SandboxError> {
        self.fake.image_exists(reference).await
    }

    async fn import_image(&self, tar: &Path, reference: &str) -> Result<(), SandboxError> {
        self.fake.import_image(tar, reference).await
    }

    async fn facts(&self) -> Result<BackendFacts, SandboxError> {
        self.fake.facts().await
    }
}
