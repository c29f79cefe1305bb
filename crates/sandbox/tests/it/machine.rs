use std::{
    ffi::OsString,
    fmt::Write as _,
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    DesiredSandbox, InstanceId, IsolationKey, Limits, SandboxKey, SandboxMount, SandboxSpec,
};
use sandbox::{
    EgressFor, Podman, PodmanSettings, Sandbox as _,
    image::{
        ImageProgress, ImageSettings, base_image_reference, build_base_image, recipe_environment,
    },
    line::{Duplex, EgressError, EgressHandler},
    service_environment,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// An image of nothing but folders: the bridge is static and needs no more.
pub(crate) const EMPTY_IMAGE: &str = "localhost/archestra-test-empty:1";

/// One storage of Podman and one service, for all tests of this binary.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) dir: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) socket: PathBuf,
    pub(crate) bridge: PathBuf,
    /// Has the service.
    _podman: Podman,
    _runtime: tokio::runtime::Runtime,
    /// Ends everything when this process does, however that happens.
    _keeper: Child,
}

/// Returns the machine, or `None`, loudly, where there is no Podman.
pub(crate) fn machine() -> Option<&'static Machine> {
    static MACHINE: OnceLock<Option<Machine>> = OnceLock::new();
    MACHINE.get_or_init(make_machine).as_ref()
}

/// Says that a test cannot be run here; in CI that is a failure.
pub(crate) fn missing(what: &str) {
    let text = format!("NOT TESTED: {what}");
    assert!(std::env::var_os("CI").is_none(), "{text}");
    // Past the test harness, which keeps what a test that passes prints.
    writeln!(std::io::stderr(), "{text}").ok();
}

fn make_machine() -> Option<Machine> {
    if run("podman", &["--version"]).is_err() {
        missing("Podman is not installed (`apt-get install podman`)");
        return None;
    }
    let dir = match std::env::var_os("ARCHESTRA_TEST_DIR") {
        Some(it) => PathBuf::from(it),
        None => temp_dir(),
    };
    let sub = |name: &str| {
        let path = dir.join(name);
        fs::create_dir_all(&path).unwrap();
        path.display().to_string()
    };
    let mut args = vec![
        format!("--root={}", sub("storage")),
        format!("--runroot={}", sub("runroot")),
        format!("--tmpdir={}", sub("tmp")),
    ];
    if run("id", &["-u"]).unwrap().trim() != "0" {
        args.push("--storage-driver=overlay".to_owned());
    }
    let bridge = dir.join("bridge");
    if !bridge.exists() {
        fs::copy(bridge_binary(), &bridge).unwrap();
        fs::set_permissions(&bridge, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let env = service_environment(std::env::vars_os());
    let keeper = start_keeper(&dir, &args);

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let settings = PodmanSettings {
        socket: None,
        program: "podman".into(),
        args: args.clone(),
        env: env.clone(),
        runtime_dir: None,
        home: None,
        data_dir: dir.join("data"),
        run_dir: dir.join("run"),
        bridge: bridge.clone(),
    };
    let tasks = TaskTracker::new();
    let podman = Podman::new(
        settings,
        id(0),
        no_egress(),
        tasks,
        &CancellationToken::new(),
    );
    let tar = empty_image(&dir);
    // A runtime cannot be entered from a test's own.
    let (runtime, podman) = std::thread::spawn(move || {
        runtime.block_on(async {
            podman.import_image(&tar, EMPTY_IMAGE).await.unwrap();
        });
        (runtime, podman)
    })
    .join()
    .unwrap();
    Some(Machine {
        socket: dir.join("run/podman.sock"),
        dir,
        args,
        env,
        bridge,
        _podman: podman,
        _runtime: runtime,
        _keeper: keeper,
    })
}

fn temp_dir() -> PathBuf {
    let dir = tempfile::Builder::new()
        .prefix("sandbox-")
        .tempdir()
        .unwrap();
    let dir = dir.keep();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// Starts a shell that waits for the end of this process, and then removes what Podman has.
fn start_keeper(dir: &Path, args: &[String]) -> Child {
    let script = r#"
        cat >/dev/null
        dir=$1; shift
        clean() {
        podman "$@" rm --all --force --time=0
        [ -f "$dir/run/podman.pid" ] && kill "$(cat "$dir/run/podman.pid")"
        if [ "$(id -u)" = 0 ]; then
            umount -l "$dir/storage/overlay"
        else
            podman "$@" unshare rm -rf "$dir/storage" "$dir/runroot"
            [ -f "$dir/tmp/pause.pid" ] && kill -9 "$(cat "$dir/tmp/pause.pid")"
        fi
        rm -rf "$dir"
        }
        clean "$@" >/dev/null 2>&1
    "#;
    command("sh")
        .args(["-c", script, "keeper"])
        .arg(dir)
        .args(args)
        .stdin(Stdio::piped())
        // Kept open, so that whoever reads what the tests write waits until all is clean.
        .stdout(Stdio::inherit())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests look at the machine from outside"
)]
pub(crate) fn command(program: &str) -> Command {
    Command::new(program)
}

/// Runs a program to its end and returns what it wrote, or its error's text.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<String, String> {
    let output = command(program).args(args).output();
    let output = output.map_err(|err| err.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn bridge_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ARCHESTRA_BRIDGE") {
        return path.into();
    }
    static BUILT: Mutex<()> = Mutex::new(());
    let _one_at_a_time = BUILT.lock().unwrap();
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join(format!("target/bridge/{target}/bridge/archestra-bridge"));
    if !path.exists() {
        // As the bridge's own page says.
        let status = command(env!("CARGO"))
            .args(["build", "--quiet", "-p", "bridge", "--profile", "bridge"])
            .args(["--target", &target, "--target-dir", "target/bridge"])
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .current_dir(&root)
            .status();
        assert!(status.unwrap().success(), "the bridge cannot be built");
    }
    path
}

fn empty_image(dir: &Path) -> PathBuf {
    let tar = dir.join("empty.tar");
    if tar.exists() {
        return tar;
    }
    let root = dir.join("empty");
    for name in [
        "tmp",
        "run/archestra",
        ".archestra",
        "etc",
        "data",
        "proc",
        "sys",
        "dev",
    ] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(root.join("etc/passwd"), "app:x:1000:1000::/:\n").unwrap();
    fs::write(root.join("etc/group"), "app:x:1000:\n").unwrap();
    symlink("/data", root.join("link")).unwrap();
    let (root, to) = (root.to_str().unwrap(), tar.to_str().unwrap());
    run(
        "tar",
        &["--owner=0", "--group=0", "-C", root, "-cf", to, "."],
    )
    .unwrap();
    tar
}

/// Returns the base image's name after making sure that the machine has it.
pub(crate) async fn base_image(machine: &Machine) -> String {
    static IMPORTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one_at_a_time = IMPORTING.lock().await;
    let cache = std::env::var_os("ARCHESTRA_CACHE_DIR").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let settings = ImageSettings {
        cache_dir: cache.unwrap_or_else(|| home.unwrap().join(".cache/archestra")),
        env: recipe_environment(std::env::vars_os()),
    };
    fs::create_dir_all(&settings.cache_dir).unwrap();
    let tar = build_base_image(&settings, &|it| {
        if let ImageProgress::Step(it) = it {
            writeln!(std::io::stderr(), "base image: {it}").ok();
        }
    })
    .await
    .unwrap_or_else(|err| panic!("{err}; {:?}", err.hint()));
    let bench = Bench::new(machine, 0);
    let reference = base_image_reference();
    bench.podman.import_image(&tar, &reference).await.unwrap();
    bench.end().await;
    reference
}

/// One test's own instance of the program on the machine.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) podman: Arc<Podman>,
    pub(crate) instance: InstanceId,
    pub(crate) run_dir: PathBuf,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
    dir: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new(machine: &Machine, instance: u128) -> Self {
        Self::with(machine, instance, |_| {})
    }

    pub(crate) fn with(
        machine: &Machine,
        instance: u128,
        change: impl FnOnce(&mut PodmanSettings),
    ) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("t-")
            .tempdir_in(&machine.dir);
        let dir = dir.unwrap();
        let run_dir = dir.path().join("run");
        let mut settings = PodmanSettings {
            socket: Some(machine.socket.clone()),
            program: "podman".into(),
            args: machine.args.clone(),
            env: machine.env.clone(),
            runtime_dir: None,
            home: None,
            data_dir: dir.path().join("data"),
            run_dir: run_dir.clone(),
            bridge: machine.bridge.clone(),
        };
        change(&mut settings);
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let podman = Podman::new(
            settings,
            id(instance),
            no_egress(),
            tasks.clone(),
            &shutdown,
        );
        Self {
            podman: Arc::new(podman),
            instance: id(instance),
            run_dir,
            tasks,
            shutdown,
            dir,
        }
    }

    /// Makes the same instance again, as after a restart of the program.
    pub(crate) async fn restart(&mut self, machine: &Machine, instance: u128) {
        self.stop_tasks().await;
        self.tasks = TaskTracker::new();
        self.shutdown = CancellationToken::new();
        let settings = PodmanSettings {
            socket: Some(machine.socket.clone()),
            program: "podman".into(),
            args: machine.args.clone(),
            env: machine.env.clone(),
            runtime_dir: None,
            home: None,
            data_dir: self.dir.path().join("data"),
            run_dir: self.run_dir.clone(),
            bridge: machine.bridge.clone(),
        };
        let tasks = self.tasks.clone();
        let podman = Podman::new(settings, id(instance), no_egress(), tasks, &self.shutdown);
        self.podman = Arc::new(podman);
    }

    /// Returns a folder that is this test's own, as the container's user can use it.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join("folders").join(name);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        path.canonicalize().unwrap()
    }

    /// Shows that nothing is left, neither in Podman nor on the disk nor of tasks.
    pub(crate) async fn end(self) {
        assert_eq!(self.podman.list().await.unwrap(), []);
        assert_eq!(self.podman.list_volumes().await.unwrap(), []);
        let entries = fs::read_dir(&self.run_dir).into_iter().flatten().flatten();
        let left: Vec<_> = entries.map(|it| it.file_name()).collect();
        assert!(left.is_empty(), "left in the run directory: {left:?}");
        self.stop_tasks().await;
    }

    async fn stop_tasks(&self) {
        self.shutdown.cancel();
        self.tasks.close();
        let stopped = tokio::time::timeout(Duration::from_secs(10), self.tasks.wait()).await;
        stopped.expect("all tasks stop");
    }
}

/// A way out that leads nowhere.
pub(crate) fn no_egress() -> EgressFor {
    struct NoEgress;
    #[async_trait]
    impl EgressHandler for NoEgress {
        async fn connect(&self, host: String, _: u16) -> Result<Box<dyn Duplex>, EgressError> {
            Err(EgressError::Refused {
                reason: format!("`{host}` is not allowed"),
            })
        }
    }
    Arc::new(|_| Arc::new(NoEgress))
}

pub(crate) fn id(number: u128) -> InstanceId {
    format!("{number:032x}").parse().unwrap()
}

pub(crate) fn key(number: u128) -> SandboxKey {
    SandboxKey::Server {
        server: format!("{number:032x}").parse().unwrap(),
        isolation: IsolationKey::Shared,
    }
}

pub(crate) fn desired(image: &str, mounts: Vec<SandboxMount>) -> DesiredSandbox {
    DesiredSandbox {
        generation: 1,
        spec: SandboxSpec {
            image: image.to_owned(),
            bridge_hash: "test".to_owned(),
            mounts,
            limits: Limits {
                memory_bytes_max: 256 << 20,
                cpu_millis_max: 500,
                pids_max: 64,
                tmp_bytes_max: 16 << 20,
                start_timeout_ms: 30_000,
                ..Limits::default()
            },
        },
    }
}

/// Returns an error with its causes and its hint, as a person sees it.
pub(crate) fn in_words(err: &sandbox::SandboxError) -> String {
    let mut text = err.to_string();
    let mut source = std::error::Error::source(err);
    while let Some(it) = source {
        write!(text, ": {it}").unwrap();
        source = it.source();
    }
    if let Some(hint) = err.hint() {
        write!(text, " [{hint}]").unwrap();
    }
    text
}
