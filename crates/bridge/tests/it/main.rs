//! The real bridge as an ordinary process, and the real host's end.

#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod hostile;
mod lifecycle;
mod process;
mod proxy;

use std::{
    future::Future,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use domain::wire::ProcessOpen;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use sandbox::line::{
    Authorize, Duplex, EgressError, EgressHandler, Line, Listener, Process, ProcessEvent,
    ProcessReader,
};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The longest that any single thing takes here, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A bridge and the host's end of its line.
struct Rig {
    bridge: Bridge,
    listener: Listener,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    dir: TempDir,
}

/// A bridge that is killed when it is dropped.
struct Bridge {
    child: Child,
}

/// Lets processes reach one port here by the name `allowed.test`.
#[derive(Debug, Default)]
struct Egress {
    port: u16,
}

#[async_trait]
impl EgressHandler for Egress {
    async fn connect(&self, host: String, port: u16) -> Result<Box<dyn Duplex>, EgressError> {
        match host.as_str() {
            "allowed.test" => match TcpStream::connect(("127.0.0.1", self.port)).await {
                Ok(it) => Ok(Box::new(it)),
                Err(err) => Err(EgressError::Failed {
                    reason: err.to_string(),
                }),
            },
            "down.test" => Err(EgressError::Failed {
                reason: "nobody is there".to_owned(),
            }),
            _ => Err(EgressError::Refused {
                reason: format!("`{host}:{port}` is not allowed"),
            }),
        }
    }
}

impl Rig {
    fn start() -> Self {
        Self::with(Egress::default(), Authorize::Anybody)
    }

    fn with(egress: Egress, authorize: Authorize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let listener = Listener::bind(
            dir.path(),
            authorize,
            Arc::new(egress),
            tasks.clone(),
            &shutdown,
        )
        .unwrap();
        let bridge = Bridge::start(listener.path());
        Self {
            bridge,
            listener,
            tasks,
            shutdown,
            dir,
        }
    }

    async fn line(&self) -> Line {
        line(&self.listener).await
    }

    /// Ends both ends, and shows that nothing of them is left.
    async fn end(mut self) {
        kill_process(self.bridge.pid(), Signal::TERM).unwrap();
        eventually("the bridge ends", || {
            self.bridge.child.try_wait().unwrap().is_some()
        })
        .await;
        self.shutdown.cancel();
        self.tasks.close();
        soon(self.tasks.wait()).await;
        drop(self.dir);
    }
}

impl Bridge {
    fn start(socket: &Path) -> Self {
        Self::spawn(&mut command(&binary()), socket)
    }

    fn spawn(command: &mut Command, socket: &Path) -> Self {
        command
            .args(["--proxy-port", "0", "--socket"])
            .arg(socket)
            .env("BRIDGE_SECRET", "not to be read")
            .stderr(Stdio::null());
        Self {
            child: command.spawn().unwrap(),
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn raw_pid(&self) -> i32 {
        self.pid().as_raw_pid()
    }

    fn fds(&self) -> usize {
        let dir = format!("/proc/{}/fd", self.raw_pid());
        std::fs::read_dir(dir).unwrap().count()
    }

    /// Processes whose parent it is, zombies too.
    fn children(&self) -> Vec<i32> {
        let pid = self.raw_pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap();
        children
            .split_whitespace()
            .map(|it| it.parse().unwrap())
            .collect()
    }

    /// The most memory that it has had, in KiB.
    fn memory_peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.raw_pid())).unwrap();
        let line = status.lines().find(|it| it.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_archestra-bridge"))
}

#[expect(clippy::disallowed_methods, reason = "the bridge is a program")]
fn command(program: &Path) -> Command {
    Command::new(program)
}

async fn line(listener: &Listener) -> Line {
    let mut line = listener.line();
    let up = soon(line.wait_for(Option::is_some)).await.unwrap();
    up.clone().unwrap()
}

fn shell(script: &str) -> ProcessOpen {
    program(&["/bin/sh", "-c", script])
}

fn program(argv: &[&str]) -> ProcessOpen {
    ProcessOpen {
        argv: argv.iter().map(|&it| it.to_owned()).collect(),
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        cwd: "/".to_owned(),
        line_bytes_max: 1 << 20,
        proxy: false,
        stop_grace_ms: 200,
    }
}

async fn open(line: &Line, open: ProcessOpen) -> Process {
    soon(line.open_process(open)).await.unwrap()
}

fn out(text: &str) -> ProcessEvent {
    ProcessEvent::Stdout(text.to_owned().into())
}

fn exited(code: i32) -> ProcessEvent {
    ProcessEvent::Exited(domain::wire::Exit {
        code: Some(code),
        signal: None,
    })
}

fn killed(signal: i32) -> ProcessEvent {
    ProcessEvent::Exited(domain::wire::Exit {
        code: None,
        signal: Some(signal),
    })
}

async fn next(reader: &mut ProcessReader) -> ProcessEvent {
    soon(reader.next()).await.unwrap().unwrap()
}

async fn next_line(reader: &mut ProcessReader) -> String {
    match next(reader).await {
        ProcessEvent::Stdout(line) => String::from_utf8(line.to_vec()).unwrap(),
        other => panic!("{other:?} and not a line"),
    }
}

/// Returns all that comes, to the end.
async fn rest(reader: &mut ProcessReader) -> Vec<ProcessEvent> {
    let mut events = Vec::new();
    while let Some(event) = soon(reader.next()).await.unwrap() {
        events.push(event);
    }
    events
}

/// Whether the process is there and no zombie.
fn is_alive(pid: i32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let state = stat.rsplit_once(") ").unwrap().1;
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok() && !state.starts_with('Z')
}

async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it comes within a minute")
}

/// Waits for what the kernel tells nobody about.
async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let waiting = async {
        while !is_so() {
            ticks.tick().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "{what}");
}

fn make_readable(dir: &Path) {
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
}
