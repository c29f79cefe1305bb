//! What all tests share: Podman's storage and service, the base image, and where things are.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, ToSocketAddrs},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{Mutex, OnceLock},
    time::Duration,
};

use crate::{counts::new_command, wait_for};

/// One Podman with a storage of its own, and the base image in it.
#[derive(Debug)]
pub struct World {
    directory: PathBuf,
    registry_addresses: Vec<Ipv4Addr>,
    keepers: Mutex<Vec<Child>>,
}

static WORLD: OnceLock<World> = OnceLock::new();

/// Returns the world, and makes it when it is asked for the first time.
pub fn world() -> &'static World {
    WORLD.get_or_init(World::make)
}

/// Returns the project's folder.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("the crate is two folders down")
        .to_owned()
}

/// Returns the program, built by whoever runs the tests.
pub fn archestra() -> PathBuf {
    if let Some(path) = std::env::var_os("CARGO_BIN_EXE_archestra") {
        return path.into();
    }
    let exe = std::env::current_exe().expect("a test knows where it is");
    let built = exe.ancestors().nth(2).map(|it| it.join("archestra"));
    built
        .filter(|it| it.is_file())
        .expect("build the program first: `cargo build -p cli`")
}

/// Returns a tool of the test peers, from `ARCHESTRA_PEERS_<name>`; `None` where they were not
/// prepared, which is a failure in CI.
pub fn peer(name: &str) -> Option<PathBuf> {
    let variable = format!("ARCHESTRA_PEERS_{name}");
    let found = std::env::var_os(&variable).map(PathBuf::from);
    if found.is_none() {
        missing(&format!(
            "`{variable}` is not set; run the tests with `make test`"
        ));
    }
    found
}

/// Says loudly that a part is missing; in CI that is a failure.
#[expect(clippy::print_stderr, reason = "a person reads this")]
fn missing(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "missing in CI: {what}");
    eprintln!("\n!!! NOT TESTED: {what}\n");
}

impl World {
    fn make() -> Self {
        let directory =
            std::env::temp_dir().join(format!("archestra-e2e-world-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory can be made");
        let this = Self {
            directory,
            registry_addresses: registry_addresses(),
            keepers: Mutex::default(),
        };
        let dir = this.directory.display();
        let args = format!("--root {dir}/root --runroot {dir}/runroot --tmpdir {dir}/tmp");
        this.start_service(&this.directory, &args, "", &[]);
        this.import_image();
        this
    }

    pub fn podman_socket(&self) -> PathBuf {
        self.directory.join("podman.sock")
    }

    /// Where Podman keeps everything.
    pub fn podman_root(&self) -> PathBuf {
        self.directory.join("root")
    }

    /// Ranges that the way out may dial: the fixtures', and the addresses of the registries, which
    /// are not public where a mirror stands for them.
    pub fn allow_ranges(&self) -> Vec<String> {
        let mut ranges = vec!["127.0.0.0/8".to_owned()];
        ranges.extend(self.registry_addresses.iter().map(|it| format!("{it}/32")));
        ranges
    }

    /// Returns the socket of a further Podman, which has the world's images and whose volumes are
    /// on a disk of so many bytes. It goes with the tests. For root alone.
    pub fn podman_with_small_disk(&self, bytes: u64) -> PathBuf {
        let directory = self.directory.join("small");
        fs::create_dir_all(directory.join("root/volumes")).expect("a directory can be made");
        let (root, dir) = (self.podman_root(), directory.display());
        let storage = format!(
            "[storage]\ndriver = \"overlay\"\ngraphroot = \"{dir}/root\"\nrunroot = \"{dir}/runroot\"\n[storage.options]\nadditionalimagestores = [{:?}]\n",
            root.display().to_string()
        );
        let path = directory.join("storage.conf");
        fs::write(&path, storage).expect("it can be written");
        let disk = format!("mount -t tmpfs -o size={bytes} tmpfs {dir}/root/volumes");
        let storage = ("CONTAINERS_STORAGE_CONF", path.display().to_string());
        self.start_service(&directory, "", &disk, &[storage]);
        directory.join("podman.sock")
    }

    /// Starts Podman's service under a keeper, which clears away when the tests are over, however
    /// they end: its standard input ends then.
    fn start_service(&self, directory: &Path, args: &str, before: &str, env: &[(&str, String)]) {
        let script = r#"
            $BEFORE
            podman $PODMAN_ARGS system service --time=0 "unix://$DIR/podman.sock" &
            service=$!
            cat > /dev/null
            podman --url "unix://$DIR/podman.sock" rm --all --force --time 0
            kill $service
            wait $service
            umount -l "$DIR/root/volumes" "$DIR/root/overlay"
            rm -rf "$DIR"
        "#;
        let mut command = new_command("sh");
        command
            .args(["-c", script])
            .env("DIR", directory)
            .env("BEFORE", before)
            .env("PODMAN_ARGS", args)
            .env("CONTAINERS_CONF", self.containers_conf())
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn();
        let child = child.expect("Podman is installed: `apt-get install podman runc`");
        self.keepers
            .lock()
            .expect("nobody panics with it")
            .push(child);
        let socket = directory.join("podman.sock");
        wait_for("Podman's service listens", Duration::from_secs(20), || {
            std::os::unix::net::UnixStream::connect(&socket).ok()
        });
    }

    /// What this kind of machine needs: a runtime for mixed cgroups, limits below the hard ones.
    fn containers_conf(&self) -> PathBuf {
        let path = self.directory.join("containers.conf");
        let text = "[containers]\ndefault_ulimits = [\"nofile=4096:4096\", \"nproc=4096:4096\"]\n[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n";
        fs::write(&path, text).expect("it can be written");
        path
    }

    fn import_image(&self) {
        let config = self.directory.join("config.toml");
        let text = format!(
            "podman_socket = {:?}\n",
            self.podman_socket().display().to_string()
        );
        fs::write(&config, text).expect("it can be written");
        let mut command = new_command(archestra());
        let built = command
            .args(["image", "build"])
            .env("ARCHESTRA_CONFIG", &config)
            .env("ARCHESTRA_DATA_DIR", self.directory.join("data"))
            .output()
            .expect("the program is there");
        assert!(
            built.status.success(),
            "the base image was not built:\n{}\n{}",
            String::from_utf8_lossy(&built.stdout),
            String::from_utf8_lossy(&built.stderr)
        );
    }
}

/// Returns the addresses of the hosts that npm and pip are set to on this machine.
fn registry_addresses() -> Vec<Ipv4Addr> {
    let ask_pip = "from pip._internal.models.index import PyPI as p; print(p.simple_url); print('https://' + p.file_storage_domain)";
    let asked = [
        ("npm", vec!["config", "get", "registry"]),
        ("python3", vec!["-c", ask_pip]),
    ];
    let mut addresses = Vec::new();
    for (program, args) in asked {
        let Ok(output) = new_command(program).args(args).output() else {
            continue;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for url in text.lines() {
            let host = url.split("//").nth(1).and_then(|it| it.split('/').next());
            let found = host.and_then(|it| (it, 443).to_socket_addrs().ok());
            addresses.extend(found.into_iter().flatten().filter_map(|it| match it.ip() {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            }));
        }
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
