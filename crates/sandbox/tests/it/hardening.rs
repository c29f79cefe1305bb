//! What a container of Podman is, looked at from the host.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use domain::{FolderAccess, MountSource, SandboxMount};
use expect_test::expect;
use sandbox::{Sandbox as _, SandboxError};

use crate::{
    machine::{Bench, EMPTY_IMAGE, Machine, desired, in_words, key, machine, run},
    root::{container_of, next},
};

/// Returns the number that the host knows the bridge by.
fn pid_of(machine: &Machine, bench: &Bench) -> String {
    inspect(machine, bench, "{{.State.Pid}}")
}

fn inspect(machine: &Machine, bench: &Bench, format: &str) -> String {
    let container = container_of(machine, bench.instance, &key(1).to_string());
    let mut args: Vec<&str> = machine.args.iter().map(String::as_str).collect();
    args.extend(["inspect", "--format", format, &container]);
    run("podman", &args).unwrap().trim().to_owned()
}

fn folder(path: &Path, inside: &str, access: FolderAccess) -> SandboxMount {
    SandboxMount {
        source: MountSource::Host(path.to_owned()),
        inside: inside.to_owned(),
        access,
    }
}

#[tokio::test]
async fn held_in_by_everything_that_was_asked_for() {
    let Some(machine) = machine() else { return };
    let bench = Bench::new(machine, next());
    let facts = bench.podman.facts().await.unwrap();
    bench.podman.create_volume("install", None).await.unwrap();
    let (notes, read) = (bench.folder("notes"), bench.folder("read"));
    let mounts = vec![
        SandboxMount {
            source: MountSource::Volume("install".to_owned()),
            inside: "/install".to_owned(),
            access: FolderAccess::ReadOnly,
        },
        folder(&notes, "/data", FolderAccess::ReadWrite),
        folder(&read, "/read", FolderAccess::ReadOnly),
    ];
    let desired = desired(EMPTY_IMAGE, mounts);
    bench
        .podman
        .ensure_running(&key(1), &desired)
        .await
        .unwrap();
    let pid = pid_of(machine, &bench);

    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let (files, kernels) = mount_table(&mounts);
    expect![[r#"
        / ro
        /.archestra/bridge ro,nosuid,nodev
        /data rw,nosuid,nodev
        /etc/hostname ro,nosuid,nodev,noexec
        /install ro,nosuid,nodev
        /read ro,nosuid,nodev
        /run/.containerenv ro,nosuid,nodev,noexec
        /run/archestra ro,nosuid,nodev,noexec
        /tmp rw,nosuid,nodev size=16384k"#]]
    .assert_eq(&files.join("\n"));
    let strange: Vec<&String> = kernels.iter().filter(|it| !is_usual(it)).collect();
    assert!(strange.is_empty(), "{strange:#?}");

    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let wanted = [
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp:",
    ];
    let held: Vec<&str> = status
        .lines()
        .filter(|it| wanted.iter().any(|name| it.starts_with(name)))
        .collect();
    expect![[r#"
        CapInh:	0000000000000000
        CapPrm:	0000000000000000
        CapEff:	0000000000000000
        CapBnd:	0000000000000000
        CapAmb:	0000000000000000
        NoNewPrivs:	1
        Seccomp:	2"#]]
    .assert_eq(&held.join("\n"));

    // On the host it is our own user or an unknown one, never root.
    let (uid, gid) = if facts.rootless {
        let own = fs::metadata("/proc/self").unwrap();
        (own.uid(), own.gid())
    } else {
        (1000, 1000)
    };
    let line = |name: &str, id: u32| format!("{name}:\t{id}\t{id}\t{id}\t{id}");
    assert!(status.contains(&line("Uid", uid)), "{status}");
    assert!(status.contains(&line("Gid", gid)), "{status}");
    let groups = status.lines().find(|it| it.starts_with("Groups:")).unwrap();
    assert_eq!(groups.trim_end(), format!("Groups:\t{gid}"));

    let interfaces = fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap();
    let names: Vec<&str> = interfaces
        .lines()
        .filter_map(|it| it.split_once(':'))
        .map(|it| it.0.trim())
        .collect();
    assert_eq!(names, ["lo"]);
    for namespace in ["net", "pid", "ipc", "uts", "mnt", "cgroup"] {
        let of = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{namespace}")).unwrap();
        assert_ne!(of(&pid), of("self"), "{namespace}");
    }

    let mut env: Vec<String> =
        serde_json::from_str(&inspect(machine, &bench, "{{json .Config.Env}}")).unwrap();
    env.sort();
    assert_eq!(env, ["HOME=/", "HOSTNAME=sandbox"]);
    bench.podman.ensure_stopped(&key(1)).await.unwrap();
    bench.podman.remove_volume("install").await.unwrap();
    bench.end().await;
}

/// Returns the mounts of files and those of `/dev`, `/proc` and `/sys`, each as
/// `place how size`.
fn mount_table(mountinfo: &str) -> (Vec<String>, Vec<String>) {
    let mut lines: Vec<String> = mountinfo
        .lines()
        .map(|line| {
            let (left, right) = line.split_once(" - ").unwrap();
            let left: Vec<&str> = left.split(' ').collect();
            let (place, options) = (left[4], left[5]);
            let how: Vec<&str> = options
                .split(',')
                .filter(|it| !it.ends_with("atime"))
                .collect();
            let size = right.split([' ', ',']).find(|it| it.starts_with("size="));
            let line = format!("{place} {} {}", how.join(","), size.unwrap_or_default());
            line.trim_end().to_owned()
        })
        .collect();
    lines.sort();
    let is_kernels = |it: &String| {
        ["/dev", "/proc", "/sys"]
            .iter()
            .any(|top| it.starts_with(top))
    };
    lines.into_iter().partition(|it| !is_kernels(it))
}

/// Whether a mount of the kernel's own is one that every container has. They differ with the
/// kernel, the runtime and the version of cgroups.
fn is_usual(line: &str) -> bool {
    let (place, how) = line.split_once(' ').unwrap();
    let read_only = how.split([',', ' ']).any(|it| it == "ro");
    let devices = [
        "null", "zero", "full", "tty", "random", "urandom", "pts", "mqueue",
    ];
    match place {
        "/dev" => how.contains("nosuid,noexec size=65536k"),
        "/dev/shm" => how.contains("nosuid,nodev,noexec size=16384k"),
        // Only root could write there, and nobody is.
        "/proc" | "/sys/fs/cgroup" => how.contains("nosuid,nodev,noexec"),
        // These are hidden behind `/dev/null`.
        "/proc/kcore"
        | "/proc/keys"
        | "/proc/interrupts"
        | "/proc/latency_stats"
        | "/proc/sched_debug"
        | "/proc/timer_list"
        | "/proc/timer_stats" => true,
        _ => {
            let device = place.strip_prefix("/dev/");
            read_only || device.is_some_and(|it| devices.contains(&it))
        }
    }
}

#[tokio::test]
async fn held_to_the_limits_that_the_host_can_enforce() {
    let Some(machine) = machine() else { return };
    let bench = Bench::new(machine, next());
    let facts = bench.podman.facts().await.unwrap();
    let desired = desired(EMPTY_IMAGE, Vec::new());
    bench
        .podman
        .ensure_running(&key(1), &desired)
        .await
        .unwrap();
    let pid = pid_of(machine, &bench);

    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let files = limits
        .lines()
        .find(|it| it.starts_with("Max open files"))
        .unwrap();
    assert!(files.contains("4096"), "{files}");
    let held = |it: bool, v1: [&str; 2], v2: &str, expected: &str| {
        if !it {
            let told = facts.warnings.iter().any(|it| it.contains("not enforced"));
            assert!(
                told,
                "a limit is not enforced and nobody is told: {facts:?}"
            );
            return;
        }
        let file = cgroup_file(&pid, v1, v2);
        assert_eq!(
            fs::read_to_string(&file).unwrap().trim(),
            expected,
            "{file}"
        );
    };
    let memory = (256u64 << 20).to_string();
    held(
        facts.limits.memory,
        ["memory", "memory.limit_in_bytes"],
        "memory.max",
        &memory,
    );
    held(facts.limits.pids, ["pids", "pids.max"], "pids.max", "64");
    let cpu = if facts.cgroup_version == 2 {
        "50000 100000"
    } else {
        "50000"
    };
    held(
        facts.limits.cpu,
        ["cpu", "cpu.cfs_quota_us"],
        "cpu.max",
        cpu,
    );
    bench.podman.ensure_stopped(&key(1)).await.unwrap();
    bench.end().await;
}

/// Returns a file of the process's cgroup: of the controller's hierarchy in version 1.
fn cgroup_file(pid: &str, [controller, v1]: [&str; 2], v2: &str) -> String {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    for line in groups.lines() {
        let [_, controllers, path] = line.splitn(3, ':').collect::<Vec<_>>()[..] else {
            continue;
        };
        if controllers.split(',').any(|it| it == controller) {
            return format!("/sys/fs/cgroup/{controller}{path}/{v1}");
        }
    }
    let path = groups
        .lines()
        .find_map(|it| it.strip_prefix("0::"))
        .unwrap();
    format!("/sys/fs/cgroup{path}/{v2}")
}

#[tokio::test]
async fn held_back_from_folders_that_are_not_the_servers() {
    let Some(machine) = machine() else { return };
    let bench = Bench::new(machine, next());
    let notes = bench.folder("notes");
    let link = notes.parent().unwrap().join("link");
    std::os::unix::fs::symlink("/etc", &link).unwrap();
    let closed = bench.folder("closed");
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    let missing = notes.join("missing");
    let refused = [Path::new("/"), &link, &closed, &missing];
    for path in refused {
        let desired = desired(
            EMPTY_IMAGE,
            vec![folder(path, "/data", FolderAccess::ReadOnly)],
        );
        let err = bench
            .podman
            .ensure_running(&key(1), &desired)
            .await
            .unwrap_err();
        assert!(
            matches!(err, SandboxError::FolderRefused { .. }),
            "{}",
            in_words(&err)
        );
        assert!(err.hint().is_some());
    }
    let twice = vec![
        folder(&notes, "/data", FolderAccess::ReadOnly),
        folder(&notes, "/data", FolderAccess::ReadWrite),
    ];
    let err = bench
        .podman
        .ensure_running(&key(1), &desired(EMPTY_IMAGE, twice))
        .await;
    assert!(in_words(&err.unwrap_err()).contains("given twice"));
    // A place inside that is a link to another one is not where the folder would be.
    let at_link = vec![folder(&notes, "/link", FolderAccess::ReadOnly)];
    let err = bench
        .podman
        .ensure_running(&key(1), &desired(EMPTY_IMAGE, at_link))
        .await;
    assert!(matches!(
        err,
        Err(SandboxError::FolderRefused { .. } | SandboxError::Failed { .. })
    ));
    bench.end().await;
}
