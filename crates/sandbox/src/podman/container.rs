use std::path::Path;

use domain::{
    DesiredSandbox, FolderAccess, InstanceId, MountSource, SandboxKey, SandboxMount, SandboxSpec,
    wire,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::EnforcedLimits;

pub(super) const LABEL_INSTANCE: &str = "archestra.instance";
pub(super) const LABEL_KEY: &str = "archestra.key";
pub(super) const LABEL_GENERATION: &str = "archestra.generation";
pub(super) const LABEL_SPEC_HASH: &str = "archestra.spec-hash";

/// The user that everything inside runs as, and its group.
pub(super) const USER: u32 = 1000;
/// How long a bridge has to stop its processes, in seconds.
pub(super) const STOP_TIMEOUT_S: u32 = 5;
/// The most that is kept of what a bridge writes of itself, in bytes.
const LOG_BYTES_MAX: u32 = 1 << 20;
/// Shared memory between processes inside; Podman's own default is four times as much.
const SHM_BYTES_MAX: u32 = 16 << 20;
const FILES_MAX: u64 = 4096;
/// A processor's period, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;

/// What a container is made from, besides its spec.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) instance: InstanceId,
    pub(super) rootless: bool,
    pub(super) enforced: EnforcedLimits,
    /// The bridge, on the host.
    pub(super) bridge: &'a Path,
    /// The folder of this sandbox's line, on the host.
    pub(super) line_dir: &'a Path,
    /// How many files and processes the host lets its own processes have at most.
    pub(super) hard_limits: HardLimits,
}

/// What a container may ask for at most: one that asks for more than the hard limits of Podman's
/// service is not started where the service may not raise them.
///
/// Processes are counted for the user on the whole host, containers together; the limit of one
/// container is that of its cgroup.
#[derive(Debug, Clone, Copy)]
pub(super) struct HardLimits {
    pub(super) files_max: u64,
    pub(super) processes_max: u64,
}

/// Returns the body of the request that creates the container.
///
/// What a sandbox is not given is said here in full, for Podman's own defaults are the user's to
/// change.
pub(super) fn container_spec(
    key: &SandboxKey,
    desired: &DesiredSandbox,
    context: &Context<'_>,
) -> Value {
    let DesiredSandbox { generation, spec } = desired;
    let mut body = confinement(spec, context);
    let what_runs = json!({
        "name": container_name(context.instance, key),
        "image": spec.image,
        "labels": {
            LABEL_INSTANCE: context.instance.to_string(),
            LABEL_KEY: key.to_string(),
            LABEL_GENERATION: generation.to_string(),
            LABEL_SPEC_HASH: spec.hash().to_string(),
        },
        "entrypoint": [wire::BRIDGE_PATH],
        "command": [],
        "work_dir": "/",
        "user": format!("{USER}:{USER}"),
        "env": {},
        "unsetenvall": true,
        "env_host": false,
        "httpproxy": false,
        "init": false,
        "systemd": "false",
        "sdnotifyMode": "ignore",
        "restart_policy": "no",
        "stop_timeout": STOP_TIMEOUT_S,
        "umask": "0022",
        "terminal": false,
        "stdin": false,
        "log_configuration": {"driver": "k8s-file", "size": LOG_BYTES_MAX},
    });
    add(&mut body, what_runs);
    if context.rootless {
        let value = format!("uid={USER},gid={USER}");
        add(
            &mut body,
            json!({"userns": {"nsmode": "keep-id", "value": value}}),
        );
    }
    body
}

/// Returns the part of the body that holds a container in.
fn confinement(spec: &SandboxSpec, context: &Context<'_>) -> Value {
    let files_max = FILES_MAX.min(context.hard_limits.files_max);
    let processes_max = context.hard_limits.processes_max;
    json!({
        "hostname": "sandbox",
        "netns": {"nsmode": "none"},
        "ipcns": {"nsmode": "private"},
        "pidns": {"nsmode": "private"},
        "utsns": {"nsmode": "private"},
        "cgroupns": {"nsmode": "private"},
        "use_image_hosts": true,
        "use_image_resolve_conf": true,
        "manage_password": false,

        "privileged": false,
        "cap_drop": ["all"],
        "no_new_privileges": true,
        "read_only_filesystem": true,
        "read_write_tmpfs": false,
        "image_volume_mode": "ignore",
        "shm_size": SHM_BYTES_MAX,
        "mounts": mounts(spec, context),
        "volumes": volumes(spec, context.instance),

        "oom_score_adj": 500,
        "resource_limits": resource_limits(spec, context.enforced),
        "r_limits": [
            {"type": "NOFILE", "soft": files_max, "hard": files_max},
            {"type": "NPROC", "soft": processes_max, "hard": processes_max},
            {"type": "CORE", "soft": 0, "hard": 0},
        ],
    })
}

fn add(body: &mut Value, more: Value) {
    if let (Value::Object(body), Value::Object(more)) = (body, more) {
        body.extend(more);
    }
}

/// Returns the container's name, which people read in `podman ps`: the same at each start, and of no
/// other sandbox.
pub(super) fn container_name(instance: InstanceId, key: &SandboxKey) -> String {
    let kind = match key {
        SandboxKey::Server { .. } => "server",
        SandboxKey::Fetch { .. } => "fetch",
        SandboxKey::Build { .. } => "build",
    };
    // Not the identifiers' own beginnings: those are the time, and two can be of one millisecond.
    let digest = Sha256::digest(format!("{instance} {key}"));
    let mut unique = String::new();
    for byte in &digest[..6] {
        unique.push_str(&format!("{byte:02x}"));
    }
    format!("archestra-{}-{kind}-{unique}", instance.short())
}

/// Returns the name that Podman knows a volume of this instance by.
pub(super) fn volume_name(instance: InstanceId, name: &str) -> String {
    format!("archestra-{}-{name}", instance.short())
}

fn mounts(spec: &SandboxSpec, context: &Context<'_>) -> Vec<Value> {
    let line_inside = Path::new(wire::LINE_SOCKET)
        .parent()
        .expect("a socket is in a folder");
    let bind = |source: &Path, inside: &Path, options: &[&str]| {
        // `bind` and not Podman's `rbind`: what is mounted below a folder was not asked for, and
        // would be writable.
        let mut all = vec!["bind", "nodev", "nosuid", "rprivate"];
        all.extend(options);
        json!({"type": "bind", "source": source, "destination": inside, "options": all})
    };

    let tmp_size = format!("size={}", spec.limits.tmp_bytes_max);
    let mut mounts = vec![
        json!({
            "type": "tmpfs",
            "source": "tmpfs",
            "destination": "/tmp",
            "options": ["rw", "nosuid", "nodev", "mode=1777", tmp_size],
        }),
        bind(context.bridge, Path::new(wire::BRIDGE_PATH), &["ro"]),
        bind(context.line_dir, line_inside, &["ro", "noexec"]),
    ];
    mounts.extend(spec.mounts.iter().filter_map(|it| match &it.source {
        MountSource::Host(path) => Some(bind(path, Path::new(&it.inside), &[access(it)])),
        MountSource::Volume(_) => None,
    }));
    mounts
}

fn volumes(spec: &SandboxSpec, instance: InstanceId) -> Vec<Value> {
    let of_volume = |it: &SandboxMount| match &it.source {
        MountSource::Volume(name) => Some(json!({
            "Name": volume_name(instance, name),
            "Dest": it.inside,
            "Options": [access(it), "nodev", "nosuid"],
        })),
        MountSource::Host(_) => None,
    };
    spec.mounts.iter().filter_map(of_volume).collect()
}

fn access(mount: &SandboxMount) -> &'static str {
    match mount.access {
        FolderAccess::ReadOnly => "ro",
        FolderAccess::ReadWrite => "rw",
    }
}

fn resource_limits(spec: &SandboxSpec, enforced: EnforcedLimits) -> Value {
    let limits = &spec.limits;
    let mut asked = json!({});
    if enforced.memory {
        // The sum of memory and swap is no more than memory alone: no swap.
        asked["memory"] =
            json!({"limit": limits.memory_bytes_max, "swap": limits.memory_bytes_max});
    }
    if enforced.cpu {
        let quota = u64::from(limits.cpu_millis_max) * CPU_PERIOD_US / 1000;
        asked["cpu"] = json!({"period": CPU_PERIOD_US, "quota": quota.max(1_000)});
    }
    if enforced.pids {
        asked["pids"] = json!({"limit": limits.pids_max});
    }
    asked
}

#[cfg(test)]
mod tests;
