use std::{
    collections::VecDeque,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Resource, Signal};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    net::UnixStream,
    process::{Child, ChildStderr},
    sync::watch,
    time::Instant,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{
    PodmanSettings,
    api::Api,
    container::HardLimits,
    host::{Machine, containers_conf},
};
use crate::{SandboxError, process};

const BACKEND: &str = "podman";
/// From the start of Podman's service to its socket.
const SERVICE_START_TIMEOUT: Duration = Duration::from_secs(20);
/// From the wish that it ends to `SIGKILL`.
const SERVICE_STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often we look for what cannot be waited for: a socket that appears, an orphan that ends.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// The longest path of a Unix socket, with its end.
const SOCKET_PATH_BYTES_MAX: usize = 108;
const STDERR_LINES_MAX: usize = 10;
const STDERR_BYTES_MAX: u64 = 64 << 20;

/// Podman's API, wherever it is: the socket that the settings name, one that the system has, or a
/// service of our own.
#[derive(Debug)]
pub(super) struct Service {
    settings: Arc<PodmanSettings>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    _ends_with_us: DropGuard,
    /// The socket that answered last.
    known: Mutex<Option<PathBuf>>,
    /// Held by the one who looks for a socket or starts a service, so that nobody starts a second.
    finding: tokio::sync::Mutex<()>,
}

impl Service {
    pub(super) fn new(
        settings: Arc<PodmanSettings>,
        tasks: TaskTracker,
        shutdown: &CancellationToken,
    ) -> Self {
        let shutdown = shutdown.child_token();
        Self {
            settings,
            tasks,
            _ends_with_us: shutdown.clone().drop_guard(),
            shutdown,
            known: Mutex::new(None),
            finding: tokio::sync::Mutex::new(()),
        }
    }

    /// Returns a client whose socket somebody listens on. Looks for one, or starts one, where the
    /// last does not answer any more.
    ///
    /// Cancel safe: a service that is being started goes on to start.
    pub(super) async fn api(&self) -> Result<Api, SandboxError> {
        if let Some(api) = self.known_api().await {
            return Ok(api);
        }
        let _finding = self.finding.lock().await;
        if let Some(api) = self.known_api().await {
            return Ok(api);
        }
        let socket = self.find().await?;
        tracing::info!(podman.socket = %socket.display(), "Podman answers");
        *self.known() = Some(socket.clone());
        Ok(Api::new(socket))
    }

    async fn known_api(&self) -> Option<Api> {
        let socket = self.known().clone()?;
        let answers = UnixStream::connect(&socket).await.is_ok();
        answers.then(|| Api::new(socket))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<PathBuf>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn find(&self) -> Result<PathBuf, SandboxError> {
        if let Some(socket) = &self.settings.socket {
            let connected = UnixStream::connect(socket).await;
            return match connected {
                Ok(_) => Ok(socket.clone()),
                Err(err) => Err(refused(socket, err)),
            };
        }
        // Arguments name another storage than that of the services that there may be.
        if self.settings.args.is_empty() {
            for socket in self.system_sockets() {
                match UnixStream::connect(&socket).await {
                    Ok(_) => return Ok(socket),
                    Err(err) => tracing::debug!(
                        podman.socket = %socket.display(),
                        error = &err as &dyn std::error::Error,
                        "Podman does not answer here"
                    ),
                }
            }
        }
        self.start().await
    }

    fn system_sockets(&self) -> Vec<PathBuf> {
        let of_user = self.settings.runtime_dir.iter();
        let mut sockets: Vec<PathBuf> = of_user.map(|it| it.join("podman/podman.sock")).collect();
        if rustix::process::geteuid().is_root() {
            sockets.push("/run/podman/podman.sock".into());
        }
        sockets
    }

    /// Starts a service of our own, and returns once it listens.
    async fn start(&self) -> Result<PathBuf, SandboxError> {
        let settings = &self.settings;
        let program = process::find(&settings.program, &settings.env).ok_or_else(|| {
            SandboxError::BackendMissing {
                program: settings.program.display().to_string(),
            }
        })?;
        let socket = settings.run_dir.join("podman.sock");
        if SOCKET_PATH_BYTES_MAX <= socket.as_os_str().len() {
            let err = format!("the path `{}` is too long for a socket", socket.display());
            return Err(unavailable(
                err,
                "choose a data directory with a shorter path",
            ));
        }
        let cannot = |err: io::Error| {
            let hint = format!(
                "see whether you may write in `{}`",
                settings.run_dir.display()
            );
            unavailable(err, hint)
        };
        super::make_private_dir(&settings.run_dir).map_err(cannot)?;
        let pid_file = settings.run_dir.join("podman.pid");
        end_orphan(&pid_file, &socket).await;
        // It may be there from before, and then nobody could listen on it.
        tokio::fs::remove_file(&socket).await.ok();

        let mut child = self.spawn(&program, &socket).await.map_err(cannot)?;
        if let Some(pid) = child.id() {
            tokio::fs::write(&pid_file, pid.to_string())
                .await
                .map_err(cannot)?;
        }
        let stderr = child.stderr.take();
        let (ended, has_ended) = watch::channel(None);
        let owner = Owner {
            child,
            stderr,
            ended,
            shutdown: self.shutdown.clone(),
        };
        self.tasks.spawn(owner.run());
        wait_for_socket(&socket, has_ended).await?;
        Ok(socket)
    }

    async fn spawn(&self, program: &Path, socket: &Path) -> io::Result<Child> {
        let settings = &self.settings;
        let mut env = settings.env.clone();
        let is_set = env.iter().any(|(name, _)| name == "CONTAINERS_CONF");
        if !is_set && let Some(conf) = containers_conf(machine(&env)) {
            let path = settings.run_dir.join("containers.conf");
            tokio::fs::write(&path, conf).await?;
            tracing::info!(
                podman.conf = %path.display(),
                "This machine needs settings of its own for Podman's service"
            );
            env.push(("CONTAINERS_CONF".into(), path.into()));
        }
        let is_root = rustix::process::geteuid().is_root();
        if !is_root && settings.args.is_empty() && !has_storage(&env) {
            // A new storage of an ordinary user is `vfs` by default: a whole copy for each container.
            env.push(("STORAGE_DRIVER".into(), "overlay".into()));
        }
        let mut address = OsString::from("unix://");
        address.push(socket);
        process::command(program, &env, &settings.run_dir)
            .args(&settings.args)
            .args(["system", "service", "--time=0"])
            .arg(address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal is for us; we still need the service to stop what runs.
            .process_group(0)
            .spawn()
    }
}

/// The task that has the child.
struct Owner {
    child: Child,
    stderr: Option<ChildStderr>,
    ended: watch::Sender<Option<String>>,
    shutdown: CancellationToken,
}

impl Owner {
    async fn run(mut self) {
        let group = self.child.id().and_then(|it| i32::try_from(it).ok());
        let group = group.and_then(Pid::from_raw);
        let mut lines = VecDeque::new();
        let status = {
            let reading = read_lines(self.stderr.take(), &mut lines);
            let waiting = async { tokio::join!(self.child.wait(), reading).0 };
            self.shutdown.run_until_cancelled(waiting).await
        };
        let Some(status) = status else {
            end_child(&mut self.child, group).await;
            return;
        };
        // Without root there is a second process, which outlives the first if that is killed.
        signal_group(group, Signal::KILL);
        let reason = ended_in_words(status, &lines);
        tracing::warn!(
            podman.reason = reason,
            "Podman's service has ended; it is started again when it is needed"
        );
        self.ended.send_replace(Some(reason));
    }
}

async fn read_lines(stderr: Option<ChildStderr>, last: &mut VecDeque<String>) {
    let Some(stderr) = stderr else { return };
    let mut lines = BufReader::new(stderr.take(STDERR_BYTES_MAX)).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::debug!(podman.line = line, "Podman's service says");
        if last.len() == STDERR_LINES_MAX {
            last.pop_front();
        }
        last.push_back(line);
    }
}

fn ended_in_words(status: io::Result<ExitStatus>, lines: &VecDeque<String>) -> String {
    let how = match status {
        Ok(status) => format!("Podman's service ended ({status})"),
        Err(err) => format!("Podman's service ended ({err})"),
    };
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    if lines.is_empty() {
        return how;
    }
    format!("{how}: {}", lines.join(" | "))
}

async fn end_child(child: &mut Child, group: Option<Pid>) {
    signal_group(group, Signal::TERM);
    let ended = tokio::time::timeout(SERVICE_STOP_TIMEOUT, child.wait()).await;
    signal_group(group, Signal::KILL);
    if ended.is_err() {
        // An error says that it has ended already.
        child.kill().await.ok();
    }
}

/// Containers have groups of their own, and their conmons too.
fn signal_group(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // An error says that nobody is left.
        rustix::process::kill_process_group(group, signal).ok();
    }
}

async fn wait_for_socket(
    socket: &Path,
    mut ended: watch::Receiver<Option<String>>,
) -> Result<(), SandboxError> {
    let listens = async {
        while UnixStream::connect(socket).await.is_err() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let reason = tokio::select! {
        () = listens => return Ok(()),
        ended = ended.wait_for(Option::is_some) => match ended {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "the program is shutting down".to_owned(),
        },
        () = tokio::time::sleep(SERVICE_START_TIMEOUT) => {
            format!("Podman's service does not listen after {SERVICE_START_TIMEOUT:?}")
        }
    };
    let hint = super::host::hint_for(&reason)
        .unwrap_or_else(|| "see whether `podman info` works for this user".to_owned());
    Err(unavailable(reason, hint))
}

/// Whether a storage is there already or has been chosen, which then decides.
fn has_storage(env: &[(OsString, OsString)]) -> bool {
    let value = |name: &str| {
        env.iter()
            .find(|it| it.0 == name)
            .map(|it| Path::new(&it.1))
    };
    let is_chosen = ["STORAGE_DRIVER", "CONTAINERS_STORAGE_CONF"]
        .iter()
        .any(|it| value(it).is_some());
    let home = value("HOME").unwrap_or(Path::new("/"));
    let data = value("XDG_DATA_HOME").map_or_else(|| home.join(".local/share"), Path::to_owned);
    let config = value("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), Path::to_owned);
    is_chosen
        || data.join("containers/storage").exists()
        || config.join("containers/storage.conf").exists()
}

/// Ends the service that a killed program has left behind.
async fn end_orphan(pid_file: &Path, socket: &Path) {
    let Ok(text) = tokio::fs::read_to_string(pid_file).await else {
        return;
    };
    let Some(pid) = text.trim().parse().ok().and_then(Pid::from_raw) else {
        return;
    };
    let command_line = format!("/proc/{}/cmdline", pid.as_raw_nonzero());
    let is_ours = || {
        let socket = socket.as_os_str().as_encoded_bytes();
        let bytes = std::fs::read(&command_line).unwrap_or_default();
        bytes.windows(socket.len()).any(|it| it == socket)
    };
    let until = Instant::now() + SERVICE_STOP_TIMEOUT;
    let mut signal = Signal::TERM;
    // The number may be of another process by now.
    while is_ours() {
        rustix::process::kill_process(pid, signal).ok();
        signal_group(Some(pid), signal);
        tokio::time::sleep(LOOK_AGAIN).await;
        if until < Instant::now() {
            signal = Signal::KILL;
        }
        if until + SERVICE_STOP_TIMEOUT < Instant::now() {
            return;
        }
    }
}

/// Returns how much a container may ask for where nobody may raise a hard limit. Podman lowers its
/// own limit of processes, to a number that it does not tell; it was never seen under this one.
pub(super) fn hard_limits() -> HardLimits {
    const PROCESSES_MAX: u64 = 16_384;
    let hard = |resource| {
        rustix::process::getrlimit(resource)
            .maximum
            .unwrap_or(u64::MAX)
    };
    HardLimits {
        files_max: hard(Resource::Nofile),
        processes_max: hard(Resource::Nproc).min(PROCESSES_MAX),
    }
}

fn machine(env: &[(OsString, OsString)]) -> Machine {
    let HardLimits {
        files_max,
        processes_max,
    } = hard_limits();
    Machine {
        unified_cgroups: Path::new("/sys/fs/cgroup/cgroup.controllers").exists(),
        has_systemd: Path::new("/run/systemd/system").exists(),
        has_runc: process::find(Path::new("runc"), env).is_some(),
        has_crun: process::find(Path::new("crun"), env).is_some(),
        files_max,
        processes_max,
    }
}

fn refused(socket: &Path, err: io::Error) -> SandboxError {
    let hint = match err.kind() {
        io::ErrorKind::NotFound => {
            "start Podman's service (`systemctl --user start podman.socket`), or remove the setting of its socket".to_owned()
        }
        io::ErrorKind::PermissionDenied => format!(
            "you may not open it; see who may: `ls -l {}`",
            socket.display()
        ),
        _ => "nobody listens there; start Podman's service (`systemctl --user start podman.socket`)"
            .to_owned(),
    };
    let err = io::Error::new(err.kind(), format!("socket `{}`: {err}", socket.display()));
    unavailable(err, hint)
}

pub(super) fn unavailable(
    source: impl Into<crate::error::BoxError>,
    hint: impl Into<String>,
) -> SandboxError {
    SandboxError::BackendUnavailable {
        backend: BACKEND,
        hint: hint.into(),
        source: source.into(),
    }
}
