//! What the one who can act is told.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use sandbox::{Sandbox as _, SandboxError};

use crate::{
    machine::{Bench, EMPTY_IMAGE, command, desired, in_words, key, machine, run},
    root::next,
};

#[tokio::test]
async fn podman_missing() {
    let Some(machine) = machine() else { return };
    let bench = Bench::with(machine, next(), |it| {
        it.socket = None;
        it.program = "podman-that-is-missing".into();
    });
    let err = bench.podman.list().await.unwrap_err();
    assert!(matches!(err, SandboxError::BackendMissing { .. }));
    let text = in_words(&err);
    assert!(
        text.contains("`podman-that-is-missing` is not installed"),
        "{text}"
    );
    assert!(text.contains("apt-get install"), "{text}");
    assert!(!err.is_transient());
}

#[tokio::test]
async fn socket_missing_and_socket_that_nobody_listens_on() {
    let Some(machine) = machine() else { return };
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("podman.sock");
    for is_there in [false, true] {
        if is_there {
            drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        }
        let bench = Bench::with(machine, next(), |it| it.socket = Some(socket.clone()));
        let err = bench.podman.list().await.unwrap_err();
        let text = in_words(&err);
        assert!(err.is_transient());
        assert!(
            text.starts_with("podman cannot be reached: socket `"),
            "{text}"
        );
        assert!(
            text.contains("systemctl --user start podman.socket"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_service_that_cannot_start_says_why() {
    let Some(machine) = machine() else { return };
    let bench = Bench::with(machine, next(), |it| {
        it.socket = None;
        it.args = vec!["--no-such-flag".to_owned()];
    });
    let err = bench.podman.list().await.unwrap_err();
    let text = in_words(&err);
    assert!(text.contains("unknown flag: --no-such-flag"), "{text}");
    bench.shutdown.cancel();
    bench.tasks.close();
    bench.tasks.wait().await;
}

/// The service is ours here: it starts by itself, again after it was killed, and ends with us; one
/// that was left behind by a killed program is ended.
#[tokio::test]
async fn our_own_service_is_started_when_needed_and_ends_with_the_program() {
    let Some(machine) = machine() else { return };
    let start = || Bench::with(machine, next(), |it| it.socket = None);
    let bench = start();
    let pid = || fs::read_to_string(bench.run_dir.join("podman.pid")).unwrap();
    assert_eq!(bench.podman.list().await.unwrap(), []);
    let first = pid();
    run("kill", &["-9", &first]).unwrap();
    wait_until_ended(&first).await;
    assert_eq!(bench.podman.list().await.unwrap(), []);
    let second = pid();
    assert_ne!(first, second);

    // What a killed program leaves behind: a service, its socket and its number.
    bench.shutdown.cancel();
    bench.tasks.close();
    bench.tasks.wait().await;
    assert!(!Path::new(&format!("/proc/{second}")).exists());
    let socket = format!("unix://{}", bench.run_dir.join("podman.sock").display());
    let mut orphan = command("podman")
        .args(&machine.args)
        .args(["system", "service", "--time=0", &socket])
        .spawn()
        .unwrap();
    fs::write(bench.run_dir.join("podman.pid"), orphan.id().to_string()).unwrap();
    let reaper = std::thread::spawn(move || orphan.wait().unwrap());
    let again = Bench::with(machine, next(), |it| {
        it.socket = None;
        it.run_dir = bench.run_dir.clone();
    });
    assert_eq!(again.podman.list().await.unwrap(), []);
    reaper.join().unwrap();
    again.shutdown.cancel();
    again.tasks.close();
    again.tasks.wait().await;
}

async fn wait_until_ended(pid: &str) {
    // Its owner's task waits for it.
    while Path::new(&format!("/proc/{pid}")).exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_bridge_that_exits_at_once_is_told_with_its_last_lines() {
    let Some(machine) = machine() else { return };
    let image = crate::machine::base_image(machine).await;
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let bridge = dir.path().join("bridge");
    fs::write(&bridge, "#!/bin/sh\necho one; echo 'no way' >&2\nexit 7\n").unwrap();
    fs::set_permissions(&bridge, fs::Permissions::from_mode(0o755)).unwrap();
    let bench = Bench::with(machine, next(), |it| it.bridge = bridge.clone());
    let desired_exit = desired(&image, Vec::new());
    let err = bench
        .podman
        .ensure_running(&key(1), &desired_exit)
        .await
        .unwrap_err();
    let text = in_words(&err);
    assert!(
        text.starts_with("the sandbox ended with exit code 7"),
        "{text}"
    );
    assert!(text.contains("no way"), "{text}");

    // One that never dials.
    fs::write(&bridge, "#!/bin/sh\necho waiting\nexec sleep 1000\n").unwrap();
    let mut desired_late = desired(&image, Vec::new());
    desired_late.spec.limits.start_timeout_ms = 3_000;
    let err = bench
        .podman
        .ensure_running(&key(1), &desired_late)
        .await
        .unwrap_err();
    let text = in_words(&err);
    assert!(
        text.starts_with("cannot start the sandbox within 3s"),
        "{text}"
    );
    assert!(text.contains("waiting"), "{text}");

    // One that takes too much memory.
    fs::write(
        &bridge,
        "#!/bin/sh\nexec python3 -c 'x = bytearray(512 << 20); print(len(x))'\n",
    )
    .unwrap();
    let facts = bench.podman.facts().await.unwrap();
    if facts.limits.memory {
        let mut desired = desired(&image, Vec::new());
        desired.spec.limits.memory_bytes_max = 64 << 20;
        let err = bench
            .podman
            .ensure_running(&key(1), &desired)
            .await
            .unwrap_err();
        let text = in_words(&err);
        assert!(text.contains("ran out of memory"), "{text}");
        assert!(text.contains("memory_bytes_max"), "{text}");
    }

    // None at all.
    fs::remove_file(&bridge).unwrap();
    let err = bench
        .podman
        .ensure_running(&key(1), &desired(EMPTY_IMAGE, Vec::new()))
        .await;
    assert!(in_words(&err.unwrap_err()).starts_with("cannot find the bridge"));
    bench.end().await;
}
