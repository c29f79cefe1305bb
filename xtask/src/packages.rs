//! What a command needs of the machine, and Debian's packages for it.

use std::{fs, io::IsTerminal as _, path::Path};

use anyhow::bail;

use crate::command::{command, find, in_ci, output, run, succeeds};

/// Something that a machine has or has not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    package: &'static str,
    is_there: fn() -> bool,
}

/// What it takes to build the UI, to run servers, and to make the image that they run in.
pub(crate) const RUN: &[Need] = &[
    need("podman", || find("podman").is_some()),
    need("runc", has_runtime),
    need("uidmap", || find("newuidmap").is_some()),
    need("mmdebstrap", || find("mmdebstrap").is_some()),
    need("npm", || find("npm").is_some()),
    need("nodejs", || find("node").is_some()),
    need("python3", || find("python3").is_some()),
    need("python3-pip", || {
        succeeds(command("python3").args(["-m", "pip", "--version"]))
    }),
    need("ca-certificates", || Path::new("/etc/ssl/certs").is_dir()),
];

/// What it takes to build the UI.
pub(crate) const WEB: &[Need] = &[
    need("npm", || find("npm").is_some()),
    need("nodejs", || find("node").is_some()),
];

/// What it takes to prepare the tests' clients.
pub(crate) const PEERS: &[Need] = &[
    need("npm", || find("npm").is_some()),
    need("nodejs", || find("node").is_some()),
    need("python3", || find("python3").is_some()),
    need("python3-venv", || {
        succeeds(command("python3").args(["-c", "import ensurepip, venv"]))
    }),
];

/// What the tests need beyond [`RUN`] and [`PEERS`].
pub(crate) const TEST: &[Need] = &[
    need("chromium", || find("chromium").is_some()),
    need("git", || find("git").is_some()),
    need("passwd", || find("useradd").is_some()),
    need("postgresql", has_postgresql),
    need("procps", || find("ps").is_some()),
];

/// The fonts of the pictures.
pub(crate) const SCREENS: &[Need] = &[
    need("fonts-inter", || has_font("Inter")),
    need("fonts-jetbrains-mono", || has_font("JetBrains Mono")),
];

const fn need(package: &'static str, is_there: fn() -> bool) -> Need {
    Need { package, is_there }
}

/// Installs what is missing, or names it all in one message.
pub(crate) fn ensure(needs: &[Need]) -> anyhow::Result<()> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get install {}", missing.join(" "));
    if find("apt-get").is_none() {
        bail!(
            "this machine lacks {}; install what Debian calls so",
            missing.join(", ")
        );
    }
    let Some(root) = way_to_root() else {
        bail!(
            "this machine lacks {}; run `sudo {line}`",
            missing.join(", ")
        );
    };
    eprintln!("installing {}", missing.join(", "));
    let apt = |args: &[&str]| {
        let mut argv = root.to_vec();
        argv.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        argv.extend(args);
        run(command(argv[0]).args(&argv[1..]))
    };
    apt(&["update", "--quiet"])?;
    let mut args = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
    args.extend(&missing);
    apt(&args)?;
    let missing = self::missing(needs);
    if !missing.is_empty() {
        bail!(
            "{} did not bring what is needed; is another one first on the path?",
            missing.join(", ")
        );
    }
    Ok(())
}

fn missing(needs: &[Need]) -> Vec<&'static str> {
    let mut missing: Vec<_> = needs
        .iter()
        .filter(|it| !(it.is_there)())
        .map(|it| it.package)
        .collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}

/// Returns what has to stand before a command so that root runs it.
fn way_to_root() -> Option<&'static [&'static str]> {
    let is_root = output(command("id").arg("-u")).is_ok_and(|it| it.trim() == "0");
    if is_root {
        return Some(&[]);
    }
    find("sudo")?;
    let may_ask = std::io::stdin().is_terminal() && !in_ci();
    if may_ask {
        return Some(&["sudo"]);
    }
    succeeds(command("sudo").args(["-n", "true"])).then_some(&["sudo", "-n"])
}

/// Returns whether there is something that Podman can start containers with here: crun wants the
/// unified control groups.
fn has_runtime() -> bool {
    let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    find("runc").is_some() || (unified && find("crun").is_some())
}

fn has_font(family: &str) -> bool {
    output(command("fc-match").args(["--format", "%{family}", family]))
        .is_ok_and(|it| it.contains(family))
}

fn has_postgresql() -> bool {
    let Ok(versions) = fs::read_dir("/usr/lib/postgresql") else {
        return find("initdb").is_some();
    };
    find("initdb").is_some()
        || versions
            .flatten()
            .any(|it| it.path().join("bin/initdb").exists())
}
