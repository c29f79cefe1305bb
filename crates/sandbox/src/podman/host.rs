use serde::Deserialize;

use super::container::USER;
use crate::{BackendFacts, EnforcedLimits};

const GET_IDS: &str = "install `uidmap`, and run `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER` and `podman system migrate`";

/// What Podman's `info` says, as far as it matters.
#[derive(Debug, Deserialize)]
pub(super) struct Info {
    host: HostInfo,
    #[serde(default)]
    store: StoreInfo,
    version: VersionInfo,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HostInfo {
    cgroup_version: String,
    #[serde(default)]
    cgroup_controllers: Option<Vec<String>>,
    #[serde(default)]
    id_mappings: IdMappings,
    oci_runtime: RuntimeInfo,
    security: SecurityInfo,
}

/// Which users of the host the users in containers are; empty as root.
#[derive(Debug, Default, Deserialize)]
struct IdMappings {
    #[serde(default)]
    uidmap: Option<Vec<IdRange>>,
}

#[derive(Debug, Deserialize)]
struct IdRange {
    size: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoreInfo {
    #[serde(default)]
    graph_driver_name: String,
}

#[derive(Debug, Deserialize)]
struct RuntimeInfo {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecurityInfo {
    rootless: bool,
    #[serde(rename = "seccompEnabled", default)]
    seccomp: bool,
    #[serde(rename = "selinuxEnabled", default)]
    selinux: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersionInfo {
    version: String,
}

/// Says which limits can be held here, and what is worse than it could be.
pub(super) fn facts(info: &Info) -> BackendFacts {
    let HostInfo {
        cgroup_version,
        cgroup_controllers,
        id_mappings,
        oci_runtime,
        security,
    } = &info.host;
    let cgroup_version = if cgroup_version == "v2" { 2 } else { 1 };
    let rootless = security.rootless;
    let has = |name: &str| {
        // Without cgroups v2 nothing can be delegated to an ordinary user.
        let delegated = !rootless || cgroup_version == 2;
        let controllers = cgroup_controllers.as_deref().unwrap_or_default();
        delegated && controllers.iter().any(|it| it == name)
    };
    let limits = EnforcedLimits {
        memory: has("memory"),
        cpu: has("cpu"),
        pids: has("pids"),
    };

    let mut warnings = Vec::new();
    let not_held: Vec<&str> = [
        ("memory", limits.memory),
        ("CPU", limits.cpu),
        ("process", limits.pids),
    ]
    .into_iter()
    .filter_map(|(name, held)| (!held).then_some(name))
    .collect();
    if !not_held.is_empty() {
        let why = match (rootless, cgroup_version) {
            (true, 1) => {
                "Podman runs without root and the system has cgroups v1; boot with `systemd.unified_cgroup_hierarchy=1`, or use Podman as root"
            }
            (true, _) => {
                "the controllers are not delegated to you; see `Delegate=` in `systemctl edit user@.service`"
            }
            (false, _) => "the kernel does not offer these controllers",
        };
        warnings.push(format!(
            "{} limits of servers are not enforced: {why}",
            not_held.join(", ")
        ));
    }
    let users: u64 = id_mappings.uidmap.iter().flatten().map(|it| it.size).sum();
    if rootless && users <= USER.into() {
        warnings.push(format!(
            "no sandbox can be made: your user has no range of user ids; {GET_IDS}"
        ));
    }
    if info.store.graph_driver_name == "vfs" {
        warnings.push(
            "each sandbox is a whole copy of its image, which is slow and takes its space: Podman's storage has the driver `vfs`; set `driver = \"overlay\"` in `storage.conf` and run `podman system reset`"
                .to_owned(),
        );
    }
    if !security.seccomp {
        warnings.push(
            "system calls of servers are not filtered: Podman was built, or the kernel is, without seccomp"
                .to_owned(),
        );
    }
    if security.selinux {
        warnings.push(
            "SELinux is on: a server reaches neither the program nor folders of the host unless they are labelled `container_file_t`"
                .to_owned(),
        );
    }
    BackendFacts {
        version: info.version.version.clone(),
        rootless,
        cgroup_version,
        runtime: oci_runtime.name.clone(),
        limits,
        warnings,
    }
}

/// What of this machine decides how our own Podman service has to be set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine {
    /// The whole hierarchy is cgroups v2. In a mixed one `crun` makes no container.
    pub(super) unified_cgroups: bool,
    pub(super) has_systemd: bool,
    pub(super) has_runc: bool,
    pub(super) has_crun: bool,
    pub(super) files_max: u64,
    pub(super) processes_max: u64,
}

/// Returns the `containers.conf` that our own Podman service needs here; `None` where Podman's
/// defaults, or the user's settings, will do.
pub(super) fn containers_conf(machine: Machine) -> Option<String> {
    let Machine {
        unified_cgroups,
        has_systemd,
        has_runc,
        has_crun,
        files_max,
        processes_max,
    } = machine;
    let needs_runc = has_runc && (!unified_cgroups || !has_crun);
    if !needs_runc && has_systemd {
        return None;
    }

    // What Podman asks for where nobody says otherwise. Ours say so; what the person runs by the
    // same service may not.
    const PODMAN_ULIMIT: u64 = 1_048_576;
    let files = files_max.min(PODMAN_ULIMIT);
    let processes = processes_max.min(PODMAN_ULIMIT);
    let mut conf = format!(
        "# Written at each start; changes are lost.\n[containers]\ndefault_ulimits = [\"nofile={files}:{files}\", \"nproc={processes}:{processes}\"]\n"
    );
    conf += "[engine]\n";
    if needs_runc {
        conf += "runtime = \"runc\"\n";
    }
    if !has_systemd {
        conf += "cgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n";
    }
    Some(conf)
}

/// Returns what Podman's own words for a container that was not made mean here, if we know.
pub(super) fn hint_for(message: &str) -> Option<String> {
    let is = |needle: &str| message.contains(needle);
    let hint = if is("rlimit") {
        "the limits in `containers.conf` (`default_ulimits`) are over the hard limits of Podman's service; lower them"
    } else if is("cgroup") && (is("crun") || is("hybrid") || is("v2")) {
        "this machine has cgroups v1, which `crun` does not work with; install `runc` and set `runtime = \"runc\"` and `cgroup_manager = \"cgroupfs\"` in `containers.conf`"
    } else if is("cgroup") {
        "Podman's service may not make cgroups here; set `cgroup_manager = \"cgroupfs\"` in `containers.conf`, or run it in a login session"
    } else if is("newuidmap") || is("subuid") || is("subgid") {
        GET_IDS
    } else if is("no space left") {
        "free some disk space: `podman system prune` removes what nobody uses"
    } else if is("permission denied") && is("statfs") {
        "Podman's user cannot reach the folder; check the permissions of the folders above it"
    } else {
        return None;
    };
    Some(hint.to_owned())
}

#[cfg(test)]
mod tests;
