use std::{
    fmt,
    fs::{DirBuilder, File, OpenOptions, Permissions},
    io::{ErrorKind, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use domain::InstanceId;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// The longest content of the lock's and the instance's files, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 10;

/// The data directory, held by this process alone for as long as the value lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    instance: InstanceId,
    // Invariant: locked. The lock goes with the last descriptor, so also with the process.
    pub(crate) lock: File,
}

/// Who holds a data directory, as far as its lock file tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: Option<u32>,
    /// Where it answers; `None` until it does.
    pub address: Option<String>,
}

impl DataDir {
    /// Opens the directory, makes it if needed, and takes its lock.
    ///
    /// `candidate` becomes the instance's identifier when the directory has none yet.
    pub fn open(path: &Path, candidate: InstanceId) -> Result<Self, StoreError> {
        make_private_dir(path)?;
        let lock_path = path.join("lock");
        let mut options = OpenOptions::new();
        options
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .mode(0o600);
        let lock = options
            .open(&lock_path)
            .map_err(file_error("open", &lock_path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(StoreError::DataDirInUse {
                    path: path.to_owned(),
                    holder: Self::holder(path),
                });
            }
            Err(err) => return Err(file_error("lock", &lock_path)(err.into())),
        }
        let this = Self {
            path: path.to_owned(),
            instance: instance(path, candidate)?,
            lock,
        };
        this.write_holder(None)?;
        Ok(this)
    }

    /// Returns what the lock file says about who holds the directory.
    pub fn holder(path: &Path) -> Holder {
        let text = read_bounded(&path.join("lock")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Lets others find out where this process answers.
    pub fn announce(&self, address: &str) -> Result<(), StoreError> {
        self.write_holder(Some(address.to_owned()))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub const fn instance(&self) -> InstanceId {
        self.instance
    }

    /// Returns where the SQLite database is.
    pub fn database(&self) -> PathBuf {
        self.path.join("archestra.db")
    }

    /// Returns the directory `name` in this one, made if needed, for this user only.
    pub fn subdir(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.path.join(name);
        make_private_dir(&path)?;
        Ok(path)
    }

    fn write_holder(&self, address: Option<String>) -> Result<(), StoreError> {
        let holder = Holder {
            pid: Some(std::process::id()),
            address,
        };
        let text = serde_json::to_string(&holder).expect("two plain fields have a JSON form");
        let mut file = &self.lock;
        let mut write = || {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(text.as_bytes())
        };
        write().map_err(file_error("write", &self.path.join("lock")))
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // A child process that is just being started has a copy of the descriptor until it runs its
        // program: what is closed here may stay locked for a moment, what is unlocked does not.
        _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

fn make_private_dir(path: &Path) -> Result<(), StoreError> {
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(file_error("create the directory", path))?;
    let meta = path.metadata().map_err(file_error("open", path))?;
    if meta.permissions().mode() & 0o777 != 0o700 {
        std::fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(file_error("set the mode of", path))?;
    }
    Ok(())
}

/// Reads the instance's identifier, or makes `candidate` it. The lock is held.
fn instance(dir: &Path, candidate: InstanceId) -> Result<InstanceId, StoreError> {
    let path = dir.join("instance");
    match read_bounded(&path) {
        Ok(text) => {
            return text.trim().parse().map_err(|source| StoreError::Corrupt {
                what: "instance id in",
                id: path.display().to_string(),
                source: Box::new(source),
            });
        }
        Err(err) if err.kind() == ErrorKind::NotFound => {}
        Err(err) => return Err(file_error("read", &path)(err)),
    }
    let unfinished = dir.join("instance.part");
    let write = || {
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(true).mode(0o600);
        let mut file = options.open(&unfinished)?;
        writeln!(file, "{candidate}")?;
        file.sync_all()?;
        std::fs::rename(&unfinished, &path)
    };
    write().map_err(file_error("write", &path))?;
    Ok(candidate)
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(FILE_BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn file_error(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::File { what, path, source }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}")?,
            None => f.write_str("another process")?,
        }
        match &self.address {
            Some(address) => write!(f, " at `{address}`"),
            None => Ok(()),
        }
    }
}
