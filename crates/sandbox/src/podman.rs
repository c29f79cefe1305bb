mod api;
mod container;
mod folder;
mod host;
mod logs;
mod running;
mod service;
mod storage;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fmt, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use domain::{DesiredSandbox, InstanceId, SandboxKey};
use http::Method;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    api::{Api, ApiError, Call},
    container::container_name,
    service::Service,
};
use crate::{
    BackendFacts, Observed, Sandbox, SandboxError, Usage, VolumeInfo,
    line::{Authorize, EgressHandler, Line, Listener},
};

/// Makes who answers the connections that processes in a sandbox ask for.
pub type EgressFor = Arc<dyn Fn(&SandboxKey) -> Arc<dyn EgressHandler> + Send + Sync>;

/// Where Podman is, and where the program has its own things.
#[derive(Debug, Clone)]
pub struct PodmanSettings {
    /// The socket of Podman's service. `None` takes the user's or the system's where somebody
    /// listens on it, and else starts a service that ends with the program.
    pub socket: Option<PathBuf>,
    /// `podman`, or where it is.
    pub program: PathBuf,
    /// Arguments of our own service before its command, for instance `--root`. Where there are any,
    /// no other service is taken.
    pub args: Vec<String>,
    /// The environment of our own service, and all of it; see [`service_environment`].
    pub env: Vec<(OsString, OsString)>,
    /// `XDG_RUNTIME_DIR`, where the user's own service has its socket.
    pub runtime_dir: Option<PathBuf>,
    /// The home directory, which no server is given whole.
    pub home: Option<PathBuf>,
    /// Where the program keeps its data, which no server is given.
    pub data_dir: PathBuf,
    /// For sockets; made with mode 0700. A path of at most 90 bytes.
    pub run_dir: PathBuf,
    /// The bridge, a static program, readable and executable for all.
    pub bridge: PathBuf,
}

/// Returns those variables that Podman, or a program that it starts, is known to read.
pub fn service_environment(
    all: impl IntoIterator<Item = (OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    const NAMES: &[&str] = &[
        "CONTAINERS_CONF",
        "CONTAINERS_REGISTRIES_CONF",
        "CONTAINERS_STORAGE_CONF",
        "DBUS_SESSION_BUS_ADDRESS",
        "HOME",
        "LANG",
        "LOGNAME",
        "PATH",
        "STORAGE_DRIVER",
        "TMPDIR",
        "USER",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
    ];
    let is_read = |name: &OsString| NAMES.iter().any(|it| name == it);
    all.into_iter().filter(|(name, _)| is_read(name)).collect()
}

/// Runs sandboxes as containers of Podman, rootless or not.
///
/// It speaks Podman's REST API over its Unix socket. Nothing is done before the first call, so the
/// program starts on a machine that has no Podman, too.
///
/// For each container it holds the [`Listener`] that the bridge inside dials. What is left from an
/// earlier run of the program gets one from [`ensure_running`](Sandbox::ensure_running).
pub struct Podman {
    settings: Arc<PodmanSettings>,
    instance: InstanceId,
    egress: EgressFor,
    service: Service,
    listeners: Mutex<BTreeMap<SandboxKey, Arc<Listener>>>,
    /// What Podman said of itself, and at which socket.
    facts: Mutex<Option<(PathBuf, BackendFacts)>>,
    /// Whether folders without a container have been removed since the program started.
    swept: Mutex<bool>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Podman {
    /// Makes the sandbox of `instance`. Its tasks are on `tasks` and end with `shutdown`, or when it
    /// is dropped; its containers don't.
    pub fn new(
        settings: PodmanSettings,
        instance: InstanceId,
        egress: EgressFor,
        tasks: TaskTracker,
        shutdown: &CancellationToken,
    ) -> Self {
        let settings = Arc::new(settings);
        Self {
            service: Service::new(Arc::clone(&settings), tasks.clone(), shutdown),
            settings,
            instance,
            egress,
            listeners: Mutex::default(),
            facts: Mutex::new(None),
            swept: Mutex::new(false),
            tasks,
            shutdown: shutdown.clone(),
        }
    }

    fn name_of(&self, key: &SandboxKey) -> String {
        container_name(self.instance, key)
    }

    fn line_dir(&self, key: &SandboxKey) -> PathBuf {
        self.settings.run_dir.join(self.name_of(key))
    }

    fn listeners(&self) -> MutexGuard<'_, BTreeMap<SandboxKey, Arc<Listener>>> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the listener of `key`, which is bound here if there is none.
    fn listener(&self, key: &SandboxKey) -> Result<Arc<Listener>, SandboxError> {
        // The folder is made under the lock, so that a sweep sees both or none.
        let mut listeners = self.listeners();
        if let Some(it) = listeners.get(key) {
            return Ok(Arc::clone(it));
        }
        let dir = self.line_dir(key);
        let cannot =
            |err: crate::error::BoxError| SandboxError::failed("listen for the sandbox", err);
        make_private_dir(&self.settings.run_dir).map_err(|err| cannot(err.into()))?;
        make_private_dir(&dir).map_err(|err| cannot(err.into()))?;
        let listener = Listener::bind(
            &dir,
            Authorize::NobodyYet,
            (self.egress)(key),
            self.tasks.clone(),
            &self.shutdown,
        );
        let listener = Arc::new(listener.map_err(|err| cannot(err.into()))?);
        listeners.insert(key.clone(), Arc::clone(&listener));
        Ok(listener)
    }

    /// Returns what Podman is, as it was when it was asked first: it takes a third of a second to
    /// tell, and a sandbox starts in less.
    async fn known_facts(&self, api: &Api) -> Result<BackendFacts, SandboxError> {
        let known = || self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((socket, facts)) = &*known()
            && socket == api.socket()
        {
            return Ok(facts.clone());
        }
        let facts = ask_facts(api).await?;
        *known() = Some((api.socket().to_owned(), facts.clone()));
        Ok(facts)
    }

    /// Removes the listener of `key` and its folder. Fine when there is none.
    fn remove_listener(&self, key: &SandboxKey) -> io::Result<()> {
        let mut listeners = self.listeners();
        listeners.remove(key);
        remove_dir(&self.line_dir(key))
    }

    /// Removes folders that have neither a container nor a listener: the program was killed between
    /// the two.
    fn sweep_line_dirs(&self, containers: &BTreeSet<String>) {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *swept, true) {
            return;
        }
        let listeners = self.listeners();
        let in_use: BTreeSet<String> = listeners.keys().map(|it| self.name_of(it)).collect();
        let ours = format!("archestra-{}-", self.instance.short());
        let Ok(entries) = std::fs::read_dir(&self.settings.run_dir) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_left =
                name.starts_with(&ours) && !containers.contains(&name) && !in_use.contains(&name);
            if is_left && let Err(err) = remove_dir(&entry.path()) {
                tracing::warn!(
                    error = &err as &dyn std::error::Error,
                    "Cannot remove a folder that a sandbox has left behind"
                );
            }
        }
    }
}

#[async_trait]
impl Sandbox for Podman {
    fn name(&self) -> &'static str {
        "podman"
    }

    async fn ensure_running(
        &self,
        key: &SandboxKey,
        desired: &DesiredSandbox,
    ) -> Result<(), SandboxError> {
        let limit = Duration::from_millis(desired.spec.limits.start_timeout_ms);
        let result = match tokio::time::timeout(limit, self.run(key, desired)).await {
            Ok(result) => result,
            Err(_) => Err(SandboxError::Timeout {
                operation: "start the sandbox".to_owned(),
                limit,
                // The log is an extra; the timeout is what is told.
                last_lines: self.logs(key).await.unwrap_or_default(),
            }),
        };
        if result.is_err()
            && let Err(err) = self.ensure_stopped(key).await
        {
            tracing::warn!(
                sandbox.key = %key,
                error = &err as &dyn std::error::Error,
                "Cannot remove a sandbox that did not start; the next round will"
            );
        }
        result
    }

    async fn ensure_stopped(&self, key: &SandboxKey) -> Result<(), SandboxError> {
        self.remove(key).await?;
        self.remove_listener(key)
            .map_err(|err| SandboxError::failed("remove the folder of the sandbox's line", err))
    }

    async fn list(&self) -> Result<Vec<Observed>, SandboxError> {
        self.observe().await
    }

    fn line(&self, key: &SandboxKey) -> Option<Line> {
        let listener = self.listeners().get(key).cloned()?;
        let line = listener.line().borrow().clone();
        line.filter(|it| !it.is_closed())
    }

    async fn logs(&self, key: &SandboxKey) -> Result<Vec<String>, SandboxError> {
        self.log_of(key).await
    }

    async fn usage(&self, key: &SandboxKey) -> Result<Option<Usage>, SandboxError> {
        self.usage_of(key).await
    }

    async fn create_volume(
        &self,
        name: &str,
        size_bytes_max: Option<u64>,
    ) -> Result<bool, SandboxError> {
        storage::create_volume(
            &self.service.api().await?,
            self.instance,
            name,
            size_bytes_max,
        )
        .await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), SandboxError> {
        storage::remove_volume(&self.service.api().await?, self.instance, name).await
    }

    async fn list_volumes(&self) -> Result<Vec<VolumeInfo>, SandboxError> {
        storage::list_volumes(&self.service.api().await?, self.instance).await
    }

    async fn image_exists(&self, reference: &str) -> Result<bool, SandboxError> {
        storage::image_exists(&self.service.api().await?, reference).await
    }

    async fn import_image(&self, tar: &Path, reference: &str) -> Result<(), SandboxError> {
        storage::import_image(&self.service.api().await?, tar, reference).await
    }

    async fn facts(&self) -> Result<BackendFacts, SandboxError> {
        ask_facts(&self.service.api().await?).await
    }
}

impl fmt::Debug for Podman {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Podman")
            .field("instance", &self.instance)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

async fn ask_facts(api: &Api) -> Result<BackendFacts, SandboxError> {
    let info = api.call_for(Call::new(Method::GET, "/info")).await;
    let info = info.map_err(|err| told("ask Podman about itself", err))?;
    Ok(host::facts(&info))
}

/// Says what Podman's refusal means for the one who can act.
fn told(operation: &str, err: ApiError) -> SandboxError {
    match err {
        ApiError::Unreachable { .. } => service::unavailable(
            err,
            "Podman's service went away; see whether `podman info` works for this user",
        ),
        ApiError::Timeout { limit } => SandboxError::Timeout {
            operation: operation.to_owned(),
            limit,
            last_lines: Vec::new(),
        },
        ApiError::Refused { ref message, .. } => SandboxError::Failed {
            operation: operation.to_owned(),
            hint: host::hint_for(message),
            source: err.into(),
        },
        ApiError::Answer(_) => SandboxError::failed(operation, err),
    }
}

/// Makes a folder and those above it, for nobody but us. Fine when it is there.
fn make_private_dir(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

fn remove_dir(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
        _ => Ok(()),
    }
}
