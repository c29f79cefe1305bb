//! The sandboxes in which a package is fetched and built, and running commands in them.

use std::{sync::Arc, time::Duration};

use domain::{
    DesiredSandbox, FolderAccess, InstallId, Limits, MountSource, SandboxKey, SandboxMount,
    SandboxSpec, wire::ProcessOpen,
};
use sandbox::line::{Line, ProcessEvent};
use store::StoredInstall;

use super::volume_name;
use crate::{
    Shared,
    connect::{INSTALL_DIR, base_environment, ca_mount, millis},
    error_chain, sandbox_error,
    wants::Lease,
};

/// The most that is taken of what a command prints for us to read.
const OUTPUT_BYTES_MAX: usize = 8 << 20;
/// Lines of a command's messages that are told with its failure.
const LAST_LINES: usize = 8;
/// Text of a log that is written together.
const LOG_BATCH_BYTES: usize = 4 << 10;
/// How often, and how many times, it is tried to remove a volume that a sandbox still has.
const REMOVAL_PERIOD: Duration = Duration::from_millis(250);
const REMOVALS_MAX: u32 = 40;
const FREE_COMMAND: &str = "df -B1 --output=avail /install | tail -1";

/// What is the same for all sandboxes of one install.
pub(super) struct Builder<'a> {
    shared: &'a Arc<Shared>,
    install: &'a StoredInstall,
}

/// A sandbox that runs, in one step of the install.
pub(super) struct Running {
    shared: Arc<Shared>,
    install: InstallId,
    step: u32,
    line: Line,
    proxy: bool,
    /// Keeps the sandbox.
    lease: Arc<Lease>,
}

/// A command to be run.
pub(super) struct Command<'a> {
    pub(super) argv: &'a [&'a str],
    pub(super) env: &'a [(&'a str, &'a str)],
    /// Written to its standard input.
    pub(super) input: Option<&'a str>,
    /// Whether what it prints is a message for the log and not an output to be read.
    pub(super) logs_output: bool,
    /// Whether the disk is watched while it runs.
    pub(super) watched: bool,
}

impl<'a> Builder<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>, install: &'a StoredInstall) -> Self {
        Self { shared, install }
    }

    /// Makes an empty volume, in the place of what an attempt before may have left.
    pub(super) async fn make_volume(&self) -> Result<(), String> {
        let name = volume_name(self.install.id);
        let sandbox = &self.shared.sandbox;
        // The sandboxes of an attempt before are wanted by nobody, so the reconciler removes them.
        let mut attempts_left = REMOVALS_MAX;
        while let Err(reason) = self.remove_volume(&name).await {
            attempts_left -= 1;
            if attempts_left == 0 {
                return Err(reason);
            }
            self.shared.wants.activate();
            tokio::time::sleep(REMOVAL_PERIOD).await;
        }
        // Where the host cannot hold the volume to its size, it is watched.
        let size = self.shared.settings.install_bytes_max;
        let made = sandbox.create_volume(&name, Some(size)).await;
        made.map_err(|err| sandbox_error(&err))?;
        Ok(())
    }

    async fn remove_volume(&self, name: &str) -> Result<(), String> {
        // A sweep that has begun before this install has may be about to remove it, too.
        let _nothing_is_swept = self.shared.installer.volumes.lock().await;
        let observed = self.shared.sandbox.list().await;
        let observed = observed.map_err(|err| sandbox_error(&err))?;
        let own = [self.fetch_key(), self.build_key()];
        if observed.iter().any(|it| own.contains(&it.key)) {
            return Err("a sandbox of an attempt before does not go away".to_owned());
        }
        let removed = self.shared.sandbox.remove_volume(name).await;
        removed.map_err(|err| sandbox_error(&err))
    }

    /// Starts the sandbox that may reach the registries.
    pub(super) async fn start_fetching(&self, step: u32) -> Result<Running, String> {
        self.start(self.fetch_key(), step, true).await
    }

    /// Starts the sandbox that may reach nothing.
    pub(super) async fn start_building(&self, step: u32) -> Result<Running, String> {
        self.start(self.build_key(), step, false).await
    }

    pub(super) fn check_size(&self, bytes: u64) -> Result<(), String> {
        let max = self.shared.settings.install_bytes_max;
        if max < bytes {
            return Err(format!(
                "the package takes {bytes} bytes, the most is {max} (`install_bytes_max`)"
            ));
        }
        Ok(())
    }

    fn fetch_key(&self) -> SandboxKey {
        let install = self.install.id;
        SandboxKey::Fetch { install }
    }

    fn build_key(&self) -> SandboxKey {
        let install = self.install.id;
        SandboxKey::Build { install }
    }

    async fn start(&self, key: SandboxKey, step: u32, proxy: bool) -> Result<Running, String> {
        let settings = &self.shared.settings;
        let mut mounts = vec![SandboxMount {
            source: MountSource::Volume(volume_name(self.install.id)),
            inside: INSTALL_DIR.to_owned(),
            access: FolderAccess::ReadWrite,
        }];
        mounts.extend(ca_mount(settings));
        let desired = DesiredSandbox {
            generation: u64::from(self.install.attempt),
            spec: SandboxSpec {
                image: settings.image.clone(),
                bridge_hash: settings.bridge_hash.clone(),
                mounts,
                limits: Limits {
                    memory_bytes_max: 2 << 30,
                    cpu_millis_max: 4_000,
                    pids_max: 512,
                    tmp_bytes_max: 512 << 20,
                    ..Limits::default()
                },
            },
        };
        let lease = self.shared.wants.lease(key.clone(), Some(desired));
        self.shared.statuses.wait_until_settled(&key).await?;
        let line = self.shared.sandbox.line(&key);
        Ok(Running {
            shared: self.shared.clone(),
            install: self.install.id,
            step,
            line: line.ok_or("the sandbox has no line to the host")?,
            proxy,
            lease: Arc::new(lease),
        })
    }
}

impl Running {
    /// The same sandbox in another step.
    pub(super) fn at(&self, step: u32) -> Self {
        Self {
            shared: self.shared.clone(),
            install: self.install,
            step,
            line: self.line.clone(),
            proxy: self.proxy,
            lease: self.lease.clone(),
        }
    }

    /// Fails when there is less room on the disk than the settings ask for.
    pub(super) async fn check_room(&self) -> Result<(), String> {
        let free = self.free().await?;
        let min = self.shared.settings.install_free_bytes_min;
        if free < min {
            return Err(no_room(free, min));
        }
        Ok(())
    }

    async fn free(&self) -> Result<u64, String> {
        let text = self.output(&["sh", "-c", FREE_COMMAND]).await?;
        let free = text.trim().parse();
        free.map_err(|_| format!("`df` answered `{}`", text.trim()))
    }

    /// Returns how many bytes the install takes.
    pub(super) async fn size(&self) -> Result<u64, String> {
        let text = self.output(&["du", "-sb", INSTALL_DIR]).await?;
        let size = text
            .split_whitespace()
            .next()
            .and_then(|it| it.parse().ok());
        size.ok_or_else(|| format!("`du` answered `{}`", text.trim()))
    }

    /// Runs a command for what it prints.
    pub(super) async fn output(&self, argv: &[&str]) -> Result<String, String> {
        self.run_alone(&Command {
            argv,
            env: &[],
            input: None,
            logs_output: false,
            watched: false,
        })
        .await
    }

    /// Runs a command to its end. An error has the last lines of what it said.
    pub(super) async fn run(&self, command: &Command<'_>) -> Result<String, String> {
        if !command.watched {
            return self.run_alone(command).await;
        }
        tokio::select! {
            done = self.run_alone(command) => done,
            full = self.watch_disk() => Err(full),
        }
    }

    /// Ends when the disk gets too full, or the install too large.
    async fn watch_disk(&self) -> String {
        let settings = &self.shared.settings;
        let Ok(before) = self.free().await else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(settings.install_watch_period).await;
            let Ok(free) = self.free().await else {
                continue;
            };
            if free < settings.install_free_bytes_min / 4 {
                return no_room(free, settings.install_free_bytes_min / 4);
            }
            if settings.install_bytes_max < before.saturating_sub(free) && self.is_too_large().await
            {
                return format!(
                    "the package takes more than {} bytes (`install_bytes_max`)",
                    settings.install_bytes_max
                );
            }
        }
    }

    async fn is_too_large(&self) -> bool {
        let size = self.size().await;
        size.is_ok_and(|it| self.shared.settings.install_bytes_max < it)
    }

    async fn run_alone(&self, command: &Command<'_>) -> Result<String, String> {
        let mut env = base_environment(&self.shared.settings);
        // On the volume, which is larger than what is in memory, and removed at the end.
        env.retain(|(name, _)| name != "HOME");
        env.push(("HOME".to_owned(), format!("{INSTALL_DIR}/.home")));
        env.extend(
            command
                .env
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into())),
        );
        let open = ProcessOpen {
            argv: command.argv.iter().map(|it| (*it).to_owned()).collect(),
            env,
            cwd: INSTALL_DIR.to_owned(),
            line_bytes_max: u32::try_from(OUTPUT_BYTES_MAX).unwrap_or(u32::MAX),
            proxy: self.proxy,
            stop_grace_ms: millis(Duration::from_millis(500)),
        };
        let process = self
            .line
            .open_process(open)
            .await
            .map_err(|err| error_chain(&err))?;
        let (mut reader, mut writer) = process.split();
        // A command that has ended already takes no input, and how it ended tells what is wrong.
        let mut is_taken = true;
        for line in command.input.unwrap_or_default().lines() {
            is_taken = is_taken && writer.line(line.as_bytes()).await.is_ok();
        }
        let _ended = writer.end().await;

        let mut output = String::new();
        let mut log = Log::new(self);
        let exit = loop {
            match reader.next().await.map_err(|err| error_chain(&err))? {
                Some(ProcessEvent::Stdout(line)) if command.logs_output => log.line(&line).await,
                Some(ProcessEvent::Stdout(line)) => {
                    if OUTPUT_BYTES_MAX < output.len() + line.len() {
                        return Err(format!(
                            "`{}` printed more than {OUTPUT_BYTES_MAX} bytes",
                            command.argv[0]
                        ));
                    }
                    output.push_str(&String::from_utf8_lossy(&line));
                    output.push('\n');
                }
                Some(ProcessEvent::Stderr(line)) => log.line(&line).await,
                Some(ProcessEvent::LineTooLong { .. }) => {
                    return Err(format!(
                        "`{}` printed a line that is too long",
                        command.argv[0]
                    ));
                }
                Some(ProcessEvent::Exited(exit)) => break exit,
                None => return Err(format!("`{}` ended without a trace", command.argv[0])),
            }
        };
        let last_lines = log.end().await;
        match (exit.code, exit.signal) {
            (Some(0), _) => Ok(output),
            (code, signal) => Err(failure(command.argv, code, signal, &last_lines)),
        }
    }
}

fn no_room(free: u64, min: u64) -> String {
    format!(
        "{free} bytes are free on the disk, {min} are needed (`install_free_bytes_min`); make room and try again"
    )
}

fn failure(argv: &[&str], code: Option<i32>, signal: Option<i32>, last_lines: &[String]) -> String {
    let program = argv[..argv.len().min(2)].join(" ");
    let how = match (code, signal) {
        (Some(code), _) => format!("`{program}` failed with exit code {code}"),
        (None, Some(9)) => format!("`{program}` was killed; it may have run out of memory"),
        (None, signal) => format!("`{program}` was ended by signal {}", signal.unwrap_or(0)),
    };
    let has = |text: &str| last_lines.iter().any(|it| it.contains(text));
    let hint = if has("ENOSPC") || has("No space left on device") || has("Disk quota exceeded") {
        "the disk is full; make room and try again; "
    } else {
        ""
    };
    if last_lines.is_empty() {
        return how;
    }
    format!("{hint}{how}: {}", last_lines.join(" | "))
}

/// Collects what a command says, for the step's log and for its failure.
struct Log<'a> {
    running: &'a Running,
    text: String,
    last_lines: Vec<String>,
}

impl<'a> Log<'a> {
    fn new(running: &'a Running) -> Self {
        Self {
            running,
            text: String::new(),
            last_lines: Vec::new(),
        }
    }

    async fn line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        self.text.push_str(&line);
        self.text.push('\n');
        if !line.trim().is_empty() {
            if self.last_lines.len() == LAST_LINES {
                self.last_lines.remove(0);
            }
            self.last_lines
                .push(line.trim().chars().take(300).collect());
        }
        if LOG_BATCH_BYTES < self.text.len() {
            self.flush().await;
        }
    }

    async fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        if text.is_empty() {
            return;
        }
        let store = &self.running.shared.store;
        let logged = store
            .append_step_log(self.running.install, self.running.step, &text)
            .await;
        if let Err(err) = logged {
            tracing::warn!(
                error = &err as &dyn std::error::Error,
                "Log of an install not written"
            );
        }
    }

    async fn end(mut self) -> Vec<String> {
        self.flush().await;
        self.last_lines
    }
}
