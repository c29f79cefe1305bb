//! What there is on the machine: processes, containers, volumes, descriptors.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use crate::Program;

/// What one program has, as seen from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    pub containers: usize,
    pub volumes: usize,
    pub descriptors: usize,
    /// Below the program: Podman's service, where it is the program's own.
    pub children: usize,
}

impl Counts {
    /// Counts what `program` has now.
    pub fn of(program: &Program) -> Self {
        let label = format!("label=archestra.instance={}", program.instance());
        let podman = |args: &[&str]| {
            let output = podman_command(program)
                .args(args)
                .output()
                .expect("podman runs");
            String::from_utf8_lossy(&output.stdout).lines().count()
        };
        let descriptors = fs::read_dir(format!("/proc/{}/fd", program.pid()));
        Self {
            containers: podman(&["ps", "--all", "--quiet", "--filter", &label]),
            volumes: podman(&["volume", "ls", "--quiet", "--filter", &label]),
            descriptors: descriptors.map(Iterator::count).unwrap_or(0),
            children: descendants(program.pid()).len(),
        }
    }
}

/// Returns Podman's command line on the storage of `program`.
pub(crate) fn podman_command(program: &Program) -> Command {
    let mut command = new_command("podman");
    command.arg("--url").arg(format!(
        "unix://{}",
        program.world().podman_socket().display()
    ));
    command
}

/// Returns the processes below `pid`.
pub fn descendants(pid: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut open = vec![pid];
    while let Some(parent) = open.pop() {
        for (child, of) in all_processes() {
            if of == parent && found.insert(child) {
                open.push(child);
            }
        }
    }
    found
}

/// Returns the processes whose command line holds `text`.
pub fn pids_with(text: &str) -> Vec<u32> {
    let all = all_processes().into_iter().map(|(pid, _)| pid);
    let has = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line)
            .replace('\0', " ")
            .contains(text)
    };
    all.filter(has).collect()
}

fn all_processes() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|it| it.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let stat =
            fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
        let after = stat.rsplit_once(") ")?.1;
        Some((pid, after.split(' ').nth(1)?.parse().ok()?))
    })
    .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests look at the machine from outside"
)]
/// A command that looks at the machine from outside.
pub fn new_command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}
