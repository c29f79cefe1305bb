//! From settings to the parts of the system.

use std::{
    collections::HashMap,
    ffi::OsString,
    io,
    net::IpAddr,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use domain::{Clock, InstanceId};
use egress::{CaBundle, EgressSettings, ProxySettings, Resolver, SystemResolver, find_ca_bundle};
use orchestrator::{Directory, Parts, Registries, Settings, egress_for};
use sandbox::{
    EgressFor, Podman, PodmanSettings,
    image::{ImageSettings, base_image_reference, recipe_environment},
};
use server::{ServerSettings, WebFile};
use store::{AuditQueue, DataDir, Store};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{Config, Inputs},
    serve::{bridge, http_client},
};

/// The UI, as the build script found it.
pub(super) const WEB: &[WebFile] = include!(env!("ARCHESTRA_WEB_LIST"));
/// Sockets have short paths; see [`PodmanSettings::run_dir`].
const RUN_DIR_BYTES_MAX: usize = 90;

const MODEL_SERVERS_TIMEOUT: Duration = Duration::from_secs(1);

/// What was made before the parts.
pub(super) struct Made<'a> {
    pub(super) data: &'a DataDir,
    pub(super) store: Store,
    pub(super) audit: AuditQueue,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tasks: TaskTracker,
    pub(super) shutdown: CancellationToken,
}

/// Makes the parts of the system.
pub(super) async fn parts(
    config: &Config,
    inputs: &Inputs,
    made: Made<'_>,
) -> anyhow::Result<Parts> {
    let Made {
        data,
        store,
        audit,
        clock,
        tasks,
        shutdown,
    } = made;
    let vault = auth::Vault::open(&data.path().join("vault.key"), store.has_secrets().await?)?;
    let bridge = bridge::extract(data)?;
    let ca_bundle = ca_bundle(inputs)?;
    let proxies = ProxySettings::from_vars(|name| inputs.variable(name).map(str::to_owned))?;
    let directory = Arc::new(Directory::default());
    let egress = egress_for(
        EgressSettings {
            allow_ranges: config.egress_allow_ranges.clone(),
            ..EgressSettings::default()
        },
        proxies,
        Arc::new(Names::new(config)),
        directory.clone(),
        audit.clone(),
        clock.clone(),
    );
    let run_dir = run_dir(data.path(), data.instance(), inputs)?;
    let podman = Podman::new(
        podman_settings(config, inputs, run_dir, bridge),
        data.instance(),
        egress,
        tasks.clone(),
        &shutdown,
    );
    // The bundle that a variable names is the host's own way to say so; the system's own is read
    // anyway.
    let named_bundle = ca_bundle.as_ref().filter(|it| it.named_by.is_some());
    let named_bundle = named_bundle.map(|it| it.path.clone());
    Ok(Parts {
        settings: settings(config, inputs, data.path(), ca_bundle),
        store,
        audit,
        vault,
        sandbox: Arc::new(podman),
        directory,
        clock,
        http: Box::new(move |reach| http_client::make(named_bundle.as_deref(), reach)),
        gateway: gateway_settings(config),
        tasks,
        shutdown,
    })
}

/// Makes the sandbox's backend for a command that needs no running program, only Podman.
///
/// What it makes is of no instance: it is for images and for looking at the machine.
pub(crate) fn without_server(
    config: &Config,
    inputs: &Inputs,
    run_dir: &Path,
    tasks: TaskTracker,
    shutdown: &CancellationToken,
) -> Podman {
    let nowhere: EgressFor = Arc::new(|_| Arc::new(Nowhere));
    let bridge = run_dir.join("bridge");
    let settings = podman_settings(config, inputs, run_dir.to_owned(), bridge);
    let instance = InstanceId::from_uuid(uuid::Uuid::new_v4());
    Podman::new(settings, instance, nowhere, tasks, shutdown)
}

/// Returns how the image is made that no registry has.
pub(crate) fn image_recipe(config: &Config, inputs: &Inputs) -> ImageSettings {
    ImageSettings {
        cache_dir: config.cache_dir.clone(),
        env: recipe_environment(environment(inputs)),
    }
}

/// Returns the image that servers run in.
pub(crate) fn image(config: &Config) -> String {
    config
        .sandbox_image
        .clone()
        .unwrap_or_else(base_image_reference)
}

pub(super) fn server_settings(
    config: &Config,
    addresses: Vec<String>,
) -> anyhow::Result<ServerSettings> {
    let allowed = config.allowed_hosts.iter().map(|it| it.parse());
    let allowed = allowed
        .collect::<Result<_, _>>()
        .context("`allowed_hosts`")?;
    Ok(ServerSettings {
        request_bytes_max: config.request_bytes_max,
        allowed_hosts: allowed,
        web: WEB,
        ..ServerSettings::new(env!("CARGO_PKG_VERSION"), addresses)
    })
}

fn settings(
    config: &Config,
    inputs: &Inputs,
    data_dir: &Path,
    ca_bundle: Option<CaBundle>,
) -> Settings {
    Settings {
        registries: Registries {
            npm: config.registry_npm.clone(),
            pypi: config.registry_pypi.clone(),
            hosts: config.registry_hosts.clone(),
        },
        ca_bundle: ca_bundle.map(|it| it.path),
        line_bytes_max: config.line_bytes_max,
        stop_grace: config.stop_grace,
        install_bytes_max: config.install_bytes_max,
        install_free_bytes_min: config.install_free_bytes_min,
        install_step_timeout: config.install_step_timeout,
        installs_max: config.installs_max,
        approval_open: config.approval_open,
        memories_max: config.memories_max,
        memory_prompt_bytes_max: config.memory_prompt_bytes_max,
        chat_tools_default_max: config.chat_tools_default_max,
        audit_keep: config.audit_keep,
        audit_rows_max: config.audit_rows_max,
        model_servers: model_servers(config),
        model_servers_timeout: MODEL_SERVERS_TIMEOUT,
        demo_model: config.models_demo.clone(),
        image_recipe: config
            .sandbox_image
            .is_none()
            .then(|| image_recipe(config, inputs)),
        ..Settings::new(
            data_dir.to_owned(),
            image(config),
            bridge::SHA256.to_owned(),
        )
    }
}

/// Returns the addresses on this machine at which model servers are looked for.
fn model_servers(config: &Config) -> Vec<orchestrator::Candidate> {
    match config.models_discover {
        true => orchestrator::usual_model_servers(),
        false => Vec::new(),
    }
}

/// Looks for model servers on this machine, for a command that needs no running program.
pub(crate) async fn found_model_servers(config: &Config) -> Vec<orchestrator::Found> {
    let candidates = model_servers(config);
    if candidates.is_empty() {
        return Vec::new();
    }
    let http = http_client::make(None, orchestrator::Reach::Loopback);
    orchestrator::find_model_servers(&http, candidates, MODEL_SERVERS_TIMEOUT).await
}

fn gateway_settings(config: &Config) -> gateway::Settings {
    gateway::Settings {
        sessions_max: config.sessions_max,
        session_idle: config.session_idle,
        session_requests_max: config.session_requests_max,
        handshake_timeout: config.handshake_timeout,
        approval_wait: config.approval_wait,
        question_timeout: config.question_timeout,
        call_duration_max: config.call_duration_max,
        idle_stop: config.idle_stop,
        ..gateway::Settings::default()
    }
}

fn podman_settings(
    config: &Config,
    inputs: &Inputs,
    run_dir: PathBuf,
    bridge: PathBuf,
) -> PodmanSettings {
    PodmanSettings {
        socket: config.podman_socket.clone(),
        program: config.podman_program.clone(),
        args: config.podman_args.clone(),
        env: sandbox::service_environment(environment(inputs)),
        runtime_dir: inputs.variable("XDG_RUNTIME_DIR").map(PathBuf::from),
        home: Some(inputs.platform.home.clone()),
        data_dir: config.data_dir.clone(),
        run_dir,
        bridge,
    }
}

/// Returns the whole environment, for those who take from it what they know.
pub(crate) fn environment(inputs: &Inputs) -> impl Iterator<Item = (OsString, OsString)> {
    inputs
        .variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
}

fn ca_bundle(inputs: &Inputs) -> anyhow::Result<Option<CaBundle>> {
    let variable = |name: &str| inputs.variable(name).map(str::to_owned);
    Ok(find_ca_bundle(variable, |path| path.is_file())?)
}

/// Returns where sockets are: in the data directory, or somewhere with a shorter path.
fn run_dir(data_dir: &Path, instance: InstanceId, inputs: &Inputs) -> anyhow::Result<PathBuf> {
    let fits = |it: &PathBuf| it.as_os_str().len() <= RUN_DIR_BYTES_MAX;
    let usual = data_dir.join("run");
    if fits(&usual) {
        return Ok(usual);
    }
    let name = format!("archestra-{}", instance.short());
    let of_user = inputs
        .variable("XDG_RUNTIME_DIR")
        .map(|it| Path::new(it).join(&name));
    if let Some(dir) = of_user.filter(fits) {
        return Ok(dir);
    }
    let dir = Path::new("/tmp").join(name);
    private_dir(&dir).with_context(|| format!("cannot use `{}` for sockets", dir.display()))?;
    Ok(dir)
}

/// Makes a directory that only this user has, in a place where anybody makes some.
fn private_dir(path: &Path) -> anyhow::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(err) if err.kind() != io::ErrorKind::AlreadyExists => return Err(err.into()),
        _ => {}
    }
    let meta = std::fs::symlink_metadata(path)?;
    let is_ours = meta.uid() == rustix::process::geteuid().as_raw();
    if !meta.is_dir() || !is_ours || meta.mode() & 0o077 != 0 {
        bail!("somebody else has made it; choose a data directory with a shorter path");
    }
    Ok(())
}

/// Names that are set come before those that the system knows.
struct Names {
    set: HashMap<String, Vec<IpAddr>>,
}

impl Names {
    fn new(config: &Config) -> Self {
        let mut set: HashMap<String, Vec<IpAddr>> = HashMap::new();
        for (name, address) in &config.egress_hosts {
            set.entry(name.clone()).or_default().push(*address);
        }
        Self { set }
    }
}

#[async_trait]
impl Resolver for Names {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        match self.set.get(host) {
            Some(addresses) => Ok(addresses.clone()),
            None => SystemResolver.resolve(host).await,
        }
    }
}

/// The way out of sandboxes that are not made.
struct Nowhere;

#[async_trait]
impl sandbox::line::EgressHandler for Nowhere {
    async fn connect(
        &self,
        _host: String,
        _port: u16,
    ) -> Result<Box<dyn sandbox::line::Duplex>, sandbox::line::EgressError> {
        Err(sandbox::line::EgressError::Refused {
            reason: "there is no way out".to_owned(),
        })
    }
}
