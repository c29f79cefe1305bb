//! Where the running program answers, and what lets the command line in: a file that only its
//! owner can read.

use std::{
    fmt, fs,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// What the file says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccessFile {
    /// `host:port`, the first one.
    pub(crate) address: String,
    /// All of them.
    pub(crate) addresses: Vec<String>,
    pub(crate) token: String,
    pub(crate) pid: u32,
}

impl AccessFile {
    pub(crate) fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("access.json")
    }

    /// Writes it, whole or not at all, with mode 0600.
    pub(crate) fn write(&self, data_dir: &Path) -> anyhow::Result<()> {
        let path = Self::path(data_dir);
        let unfinished = data_dir.join("access.json.part");
        let write = || -> std::io::Result<()> {
            let mut options = fs::OpenOptions::new();
            options.create(true).write(true).truncate(true).mode(0o600);
            let mut file = options.open(&unfinished)?;
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            serde_json::to_writer(&mut file, self)?;
            file.write_all(b"\n")?;
            fs::rename(&unfinished, &path)
        };
        write().with_context(|| format!("cannot write `{}`", path.display()))
    }

    /// Reads it. `None` where no program has written one, or it has ended.
    pub(crate) fn read(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = Self::path(data_dir);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(err) => {
                return Err(err).with_context(|| format!("cannot read `{}`", path.display()));
            }
        };
        let read = serde_json::from_slice(&text);
        let read = read.with_context(|| format!("`{}` is not understood", path.display()))?;
        Ok(Some(read))
    }

    /// Removes it, if it is still this one.
    pub(crate) fn remove(&self, data_dir: &Path) {
        if Self::read(data_dir).is_ok_and(|it| it.as_ref() == Some(self))
            && let Err(err) = fs::remove_file(Self::path(data_dir))
        {
            tracing::warn!(
                error = &err as &dyn std::error::Error,
                "The access file is not removed"
            );
        }
    }
}

impl fmt::Debug for AccessFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessFile")
            .field("address", &self.address)
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}
