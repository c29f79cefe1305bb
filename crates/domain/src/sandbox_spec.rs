use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{CanonicalForm, FolderAccess, SpecHash};

/// A sandbox that should run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredSandbox {
    /// Grows with each change of the row that it is made from, whether or not the spec is another
    /// then. A person who asks for one more try changes the row and not the spec.
    pub generation: u64,
    pub spec: SandboxSpec,
}

/// How to make one sandbox, whatever makes it.
///
/// Two equal specs mean the same running sandbox: whoever compares their [hashes](Self::hash) may
/// decide that there is nothing to do. Nothing about the processes inside is in here: those are
/// streams on the sandbox's line, and what they get (arguments, environment, secrets) with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxSpec {
    /// A reference that the backend can find: `name@sha256:…`, or a name in the local store.
    pub image: String,
    /// SHA-256 of the bridge, in hexadecimal digits: a new program brings a new bridge.
    pub bridge_hash: String,
    pub mounts: Vec<SandboxMount>,
    pub limits: Limits,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxMount {
    pub source: MountSource,
    /// Where it is inside; absolute.
    pub inside: String,
    pub access: FolderAccess,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    /// A named volume of this instance.
    Volume(String),
    /// A folder or file of the host, as it is there.
    Host(PathBuf),
}

/// The most that one sandbox may take. Every field is a bound, none is a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub memory_bytes_max: u64,
    /// Thousandths of a processor.
    pub cpu_millis_max: u32,
    /// Processes and threads.
    pub pids_max: u32,
    /// Size of `/tmp`, which is in memory.
    pub tmp_bytes_max: u64,
    /// From the wish to run to the first answer of the bridge.
    pub start_timeout_ms: u64,
    /// From a call to its answer or, where the server reports progress, to the next report.
    pub call_timeout_ms: u64,
    /// Calls under way at a time; one more is refused.
    pub calls_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 1 << 30,
            cpu_millis_max: 1_000,
            pids_max: 256,
            tmp_bytes_max: 256 << 20,
            start_timeout_ms: 60_000,
            call_timeout_ms: 60_000,
            calls_max: 64,
        }
    }
}

impl SandboxSpec {
    /// Returns the hash of everything that a running sandbox has of this spec.
    pub fn hash(&self) -> SpecHash {
        // Taken apart, so that a field that is added later cannot be forgotten here.
        let Self {
            image,
            bridge_hash,
            mounts,
            limits,
        } = self;
        // How long one waits for a sandbox and its calls makes it no other sandbox.
        let Limits {
            memory_bytes_max,
            cpu_millis_max,
            pids_max,
            tmp_bytes_max,
            start_timeout_ms: _,
            call_timeout_ms: _,
            calls_max: _,
        } = limits;

        let mut form = CanonicalForm::default();
        form.text(image);
        form.text(bridge_hash);
        form.number(mounts.len() as u64);
        for SandboxMount {
            source,
            inside,
            access,
        } in mounts
        {
            match source {
                MountSource::Volume(name) => form.texts(["volume", name].into_iter()),
                MountSource::Host(path) => {
                    form.texts(["host", &path.to_string_lossy()].into_iter());
                }
            }
            form.text(inside);
            form.text(match access {
                FolderAccess::ReadOnly => "ro",
                FolderAccess::ReadWrite => "rw",
            });
        }
        form.number(*memory_bytes_max);
        form.number(u64::from(*cpu_millis_max));
        form.number(u64::from(*pids_max));
        form.number(*tmp_bytes_max);
        form.hash()
    }
}

#[cfg(test)]
mod tests;
