//! Runs MCP servers away from the host: each in a sandbox that has no network, no more files than
//! it was given, and one line to the host.
//!
//! The crate has two halves that meet in [`Action`]:
//!
//! * [`plan()`] compares what should run with what does, and says what to do. It is a pure function.
//! * A [`Sandbox`] does it: [`Podman`] on a desktop, [`FakeSandbox`] in tests.
//!
//! ```text
//! desired (store) ──┐
//!                   ├─> plan() ──> [Action] ──> Sandbox ──> container: bridge as PID 1
//! observed (list) ──┘                              │                     │
//!        ^                                         │       Unix socket   │
//!        └──── labels: instance, key, ─────────────┘   line::Listener <──┘
//!              generation, spec hash                        │
//!                                                      line::Line: processes, egress
//! ```
//!
//! What runs is read from the backend each time, and nothing about it is written down elsewhere, so
//! a crash between two actions leaves nothing to repair but the next round. Containers outlive the
//! program: one that is found running by an equal spec is taken over, its bridge dials again.
//!
//! [`image`] makes the image that servers run in, out of Debian's, npm's and PyPI's packages.
//!
//! **Invariant:** this crate does not know the database, the MCP protocol or the HTTP API. It is
//! handed specs and hands back lines.
//!
//! **Invariant:** every action is idempotent. Doing one twice is doing it once.
//!
//! **Invariant:** a sandbox sees and touches only what bears its own
//! [`InstanceId`](domain::InstanceId).
//!
//! **Invariant:** nothing secret is in what a container is created from: no environment, no
//! arguments, no labels but identifiers and hashes. What a process is to know goes over the line.
//!
//! **Invariant:** no process is started for a server. Podman's service is the only child that stays
//! (where none was running), and it ends with the program.

mod error;
mod fake;
pub mod image;
pub mod line;
mod plan;
mod podman;
mod process;

use std::fmt;
use std::path::Path;

use async_trait::async_trait;
use domain::{DesiredSandbox, InstallId, SandboxKey, SpecHash};

use crate::line::Line;

pub use crate::error::SandboxError;
pub use crate::fake::{FakeCall, FakeSandbox};
pub use crate::plan::{Action, plan};
pub use crate::podman::{EgressFor, Podman, PodmanSettings, service_environment};

/// A place where sandboxes can run, as one instance of the program sees it.
///
/// It is made for one [`InstanceId`](domain::InstanceId), which it puts on all that it makes. The
/// same container runtime can serve any number of instances.
///
/// The methods are level-triggered: each names a state and returns once it holds. None of them
/// retries: one that wants another try calls again. No two calls for one sandbox may be under way
/// at a time.
#[async_trait]
pub trait Sandbox: Send + Sync + fmt::Debug {
    /// Names the backend in logs and in the UI.
    fn name(&self) -> &'static str;

    /// Makes `key` run as `desired` says, and returns once its bridge has dialled and its health
    /// answers, or after `start_timeout_ms`.
    ///
    /// A sandbox that already runs by an equal spec is left alone, and one that is still starting
    /// is waited for. One that runs by another spec has to be stopped first, as [`plan()`] does.
    /// After an error nothing of it is left.
    ///
    /// Cancel safe: when the future is dropped, what was started is found by a later
    /// [`list`](Self::list).
    async fn ensure_running(
        &self,
        key: &SandboxKey,
        desired: &DesiredSandbox,
    ) -> Result<(), SandboxError>;

    /// Makes sure that nothing of `key` runs. Fine when nothing did.
    ///
    /// Cancel safe: when the future is dropped, what still runs is found by a later
    /// [`list`](Self::list).
    async fn ensure_stopped(&self, key: &SandboxKey) -> Result<(), SandboxError>;

    /// Tells what there is of this instance now, in the order of the keys.
    ///
    /// Cancel safe: it changes nothing.
    async fn list(&self) -> Result<Vec<Observed>, SandboxError>;

    /// Returns the line to the sandbox; `None` when it is down or nothing runs.
    fn line(&self, key: &SandboxKey) -> Option<Line>;

    /// Returns what the sandbox has written outside of its line, its last lines first cut to a
    /// bound: what the bridge says of itself. Empty when there is no sandbox.
    async fn logs(&self, key: &SandboxKey) -> Result<Vec<String>, SandboxError>;

    /// Tells what the sandbox takes now; `None` when nothing runs in it.
    ///
    /// Cancel safe: it changes nothing.
    async fn usage(&self, key: &SandboxKey) -> Result<Option<Usage>, SandboxError>;

    /// Makes sure that the volume is there. `install-<id>` is what an installation calls its own.
    ///
    /// Returns whether the host holds it to `size_bytes_max`; where it cannot, somebody has to
    /// watch the size.
    async fn create_volume(
        &self,
        name: &str,
        size_bytes_max: Option<u64>,
    ) -> Result<bool, SandboxError>;

    /// Makes sure that the volume is gone. Fails while a sandbox has it.
    async fn remove_volume(&self, name: &str) -> Result<(), SandboxError>;

    /// Tells which volumes of this instance there are, in the order of their names.
    async fn list_volumes(&self) -> Result<Vec<VolumeInfo>, SandboxError>;

    /// Whether a sandbox could be made from this image now, without a download.
    async fn image_exists(&self, reference: &str) -> Result<bool, SandboxError>;

    /// Makes an image of a root file system, packed by tar. Fine when it is there already.
    async fn import_image(&self, tar: &Path, reference: &str) -> Result<(), SandboxError>;

    /// Tells what the backend is and which limits it can hold.
    async fn facts(&self) -> Result<BackendFacts, SandboxError>;
}

/// A sandbox as a backend reports it: what its labels say, and how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    pub key: SandboxKey,
    /// The generation that it was started for. A later one may have an equal spec, so this is for
    /// people who look at a container; [`plan()`] compares hashes.
    pub generation: u64,
    /// `None` when its label cannot be read; then it is no wanted sandbox.
    pub spec_hash: Option<SpecHash>,
    pub state: ObservedState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObservedState {
    /// It is there, and has no line: it is new, or the program is, or the line has dropped.
    Starting,
    /// Its line is up.
    Running,
    Exited {
        code: Option<i32>,
        out_of_memory: bool,
    },
}

/// What a sandbox takes, as far as its host measures it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub memory_bytes: Option<u64>,
    /// The processor time since its start, of all processors together, in nanoseconds.
    pub cpu_ns: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

/// A volume of this instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeInfo {
    /// As it was given to [`create_volume`](Sandbox::create_volume).
    pub name: String,
    /// The installation that it belongs to, where the name says so.
    pub install: Option<InstallId>,
}

/// What a backend is, for `doctor` and for the page of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendFacts {
    pub version: String,
    pub rootless: bool,
    pub cgroup_version: u8,
    /// What makes containers: `crun`, `runc`, `runsc`.
    pub runtime: String,
    pub limits: EnforcedLimits,
    /// What is worse here than it could be, in words.
    pub warnings: Vec<String>,
}

/// Which limits the host can hold a sandbox to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnforcedLimits {
    pub memory: bool,
    pub cpu: bool,
    pub pids: bool,
}

impl VolumeInfo {
    pub(crate) fn named(name: String) -> Self {
        let install = name.strip_prefix("install-").and_then(|it| it.parse().ok());
        Self { name, install }
    }
}
