//! The first call of an installed server that does not run, against `podman run` of its process.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use e2e::{command, wait_for};
use serde_json::Value;

use crate::{
    Built, Failure,
    figures::{Figures, Times},
    session::Piped,
    stdio::{Inside, Installed},
};

const ROUNDS: usize = 11;
const MAX: f64 = 1.2;
const STOPPED_TIMEOUT: Duration = Duration::from_secs(60);
/// Until nothing is left of the one before.
const SETTLE: Duration = Duration::from_millis(500);

pub(crate) fn measure(_: &Built, figures: &mut Figures) -> Result<(), Failure> {
    let installed = Installed::new(&["idle_stop = \"2s\""]);
    let mut session = installed.session()?;
    // It may be stopped again while it is looked at.
    let seen = wait_for("the server is seen to run", STOPPED_TIMEOUT, || {
        session.echo("echo").ok()?;
        let container = installed.containers().ok()?.into_iter().next()?;
        let inside = Inside::of(&container).ok()?;
        Some((container, inside))
    });
    let (container, inside) = &seen;
    let directory = installed.program.world().podman_root();
    let directory = directory.parent().ok_or("it is in a folder")?;

    let (mut ours, mut podmans) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        wait_for("the server is stopped", STOPPED_TIMEOUT, || {
            let running = installed.containers().ok()?;
            running.is_empty().then_some(())
        });
        std::thread::sleep(SETTLE);
        let began = Instant::now();
        session.echo("echo")?;
        ours.push(began.elapsed());

        std::thread::sleep(SETTLE);
        let mut run = podman_run(directory, container, inside)?;
        let began = Instant::now();
        let mut piped = Piped::begin(&mut run)?;
        piped.echo("echo")?;
        podmans.push(began.elapsed());
    }
    figures.ratio(
        "first `tools/call` of an installed server that does not run",
        MAX,
        " `podman run` of the same process, to the answer of the same call",
        &Times::of_single(ours),
        &Times::of_single(podmans),
    );
    Ok(())
}

/// The same process from the same image and volume, held in as far as flags for that are short.
fn podman_run(directory: &Path, container: &Value, inside: &Inside) -> Result<Command, Failure> {
    let mut command = command("podman");
    for (flag, folder) in [
        ("--root", "root"),
        ("--runroot", "runroot"),
        ("--tmpdir", "tmp"),
    ] {
        command.arg(flag).arg(directory.join(folder));
    }
    command
        .env("CONTAINERS_CONF", directory.join("containers.conf"))
        .args([
            "run",
            "--rm",
            "--interactive",
            "--network",
            "none",
            "--read-only",
        ])
        .args(["--cap-drop", "all", "--security-opt", "no-new-privileges"])
        .args(["--user", "1000:1000", "--entrypoint", ""]);
    let mounts = container["Mounts"].as_array().ok_or("no mounts")?;
    for mount in mounts.iter().filter(|it| it["Type"] == "volume") {
        let of = |key: &str| mount[key].as_str().unwrap_or_default();
        command.arg("--volume");
        command.arg(format!("{}:{}:ro", of("Name"), of("Destination")));
    }
    command.arg(container["ImageName"].as_str().ok_or("no image")?);
    command.args(&inside.argv);
    Ok(command)
}
