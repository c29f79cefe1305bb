//! Processors, processes and memory, as the system shows them.

use std::{fs, process::Stdio};

use e2e::command;

use crate::Failure;

/// Keeps this process and others on one processor until it is dropped.
pub(crate) struct Pinned {
    pids: Vec<u32>,
    former: String,
}

impl Pinned {
    /// `None` where there is no `taskset`.
    pub(crate) fn new(others: &[u32]) -> Option<Self> {
        let former = status(std::process::id(), "Cpus_allowed_list:").ok()?;
        let first = former.split(['-', ',']).next()?.to_owned();
        let mut pids = others.to_vec();
        pids.push(std::process::id());
        let this = Self { pids, former };
        this.set(&first).then_some(this)
    }

    fn set(&self, processors: &str) -> bool {
        self.pids.iter().all(|pid| {
            let set = command("taskset")
                .args(["-a", "-c", "-p", processors, &pid.to_string()])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            set.is_ok_and(|it| it.success())
        })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.set(&self.former);
    }
}

/// Resident memory of a process, in MiB: all of it, and what is its own and no page of a file.
pub(crate) fn rss_mib(pid: u32) -> Result<(f64, f64), Failure> {
    let mib = |key: &str| -> Result<f64, Failure> {
        let text = status(pid, key)?;
        Ok(text.trim_end_matches(" kB").trim().parse::<f64>()? / 1024.0)
    };
    Ok((mib("VmRSS:")?, mib("RssAnon:")?))
}

/// Says what is measured on.
pub(crate) fn machine() -> String {
    let threads = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let version = |program: &str| {
        let output = command(program).arg("--version").output();
        output.map_or_else(
            |_| format!("no {program}"),
            |it| String::from_utf8_lossy(&it.stdout).trim().to_owned(),
        )
    };
    format!(
        "{threads} processors, Linux {}, {}, node {}; load at the beginning {load}",
        kernel.trim(),
        version("podman"),
        version("node"),
    )
}

fn status(pid: u32, key: &str) -> Result<String, Failure> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value = text.lines().find_map(|it| it.strip_prefix(key));
    Ok(value.ok_or("no such line")?.trim().to_owned())
}
