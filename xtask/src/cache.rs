//! What takes long to make is kept outside the checkout, and may be thrown away at any time.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use crate::command;

/// Of what is keyed by its sources, so many are kept, the last ones used.
const KEPT_MAX: usize = 2;
/// Tells when a folder was used last.
const USED: &str = "used";

/// The cache folder, and what of it every program that we start is told.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    target_dir: PathBuf,
}

impl Cache {
    /// Opens the cache folder, and removes from it what is no longer of use.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let dir = cache_dir()?;
        fs::create_dir_all(&dir).with_context(|| format!("cannot make `{}`", dir.display()))?;
        let target_dir = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(it) => command::root().join(it),
            None => {
                let lock_path = command::root().join("Cargo.lock");
                let lock = fs::read(&lock_path)
                    .with_context(|| format!("cannot read `{}`", lock_path.display()))?;
                let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
                let version = command::output(command::command(rustc).arg("-vV"))?;
                keyed_dir(&dir, "target", &[&lock, version.as_bytes()])?
            }
        };
        prune(&dir, "base-")?;
        Ok(Self { dir, target_dir })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns where cargo builds everything but the bridge.
    pub(crate) fn target_dir(&self) -> &Path {
        &self.target_dir
    }

    /// Returns the folder for what is made from `sources`. Older ones of the same name go.
    pub(crate) fn keyed_dir(&self, name: &str, sources: &[&[u8]]) -> anyhow::Result<PathBuf> {
        keyed_dir(&self.dir, name, sources)
    }

    /// Makes the folder by `make`, once: one that is not finished is made anew.
    pub(crate) fn ensure(
        &self,
        dir: &Path,
        make: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let ready = dir.join("ready");
        let _held = self.lock()?;
        if ready.exists() {
            return Ok(());
        }
        fs::remove_dir_all(dir)?;
        fs::create_dir_all(dir)?;
        make()?;
        touch(&dir.join(USED))?;
        touch(&ready)
    }

    /// Waits until nobody else makes something in this cache.
    pub(crate) fn lock(&self) -> anyhow::Result<File> {
        let path = self.dir.join("lock");
        let file = File::create(&path)?;
        if file.try_lock().is_err() {
            eprintln!("waiting for another `cargo xtask` that fills the cache");
            file.lock()
                .with_context(|| format!("cannot lock `{}`", path.display()))?;
        }
        Ok(file)
    }

    /// Tells a program where the caches are, save those that a person has set.
    pub(crate) fn tell<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let set = [
            ("ARCHESTRA_CACHE_DIR", self.dir.clone()),
            ("CARGO_TARGET_DIR", self.target_dir.clone()),
            ("PIP_CACHE_DIR", self.dir.join("pip")),
            ("npm_config_cache", self.dir.join("npm")),
        ];
        for (name, value) in set {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        command
    }
}

/// Returns the first 16 hexadecimal digits of the hash of all the sources.
pub(crate) fn key(sources: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for source in sources {
        hash.update((source.len() as u64).to_be_bytes());
        hash.update(source);
    }
    let digest = hash.finalize();
    digest[..8].iter().map(|it| format!("{it:02x}")).collect()
}

fn cache_dir() -> anyhow::Result<PathBuf> {
    let var = |name| {
        std::env::var_os(name)
            .filter(|it| !it.is_empty())
            .map(PathBuf::from)
    };
    if let Some(dir) = var("ARCHESTRA_CACHE_DIR") {
        return Ok(command::root().join(dir));
    }
    if let Some(dir) = var("XDG_CACHE_HOME") {
        return Ok(dir.join("archestra"));
    }
    let home = var("HOME").context("no place for caches; set `ARCHESTRA_CACHE_DIR`")?;
    Ok(home.join(".cache/archestra"))
}

fn keyed_dir(cache: &Path, name: &str, sources: &[&[u8]]) -> anyhow::Result<PathBuf> {
    let dir = cache.join(format!("{name}-{}", key(sources)));
    fs::create_dir_all(&dir).with_context(|| format!("cannot make `{}`", dir.display()))?;
    touch(&dir.join(USED))?;
    prune(cache, &format!("{name}-"))?;
    Ok(dir)
}

/// Removes all but the last used of what has a prefix.
fn prune(cache: &Path, prefix: &str) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for entry in fs::read_dir(cache)? {
        let path = entry?.path();
        let name = path.file_name().map(|it| it.to_string_lossy().into_owned());
        if name.is_some_and(|it| it.starts_with(prefix)) {
            found.push((used_at(&path), path));
        }
    }
    found.sort();
    found.reverse();
    for (_, path) in found.iter().skip(KEPT_MAX) {
        let removed = if path.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        };
        match removed {
            Err(err) if err.kind() != io::ErrorKind::NotFound => {
                eprintln!("cannot remove `{}`: {err}", path.display());
            }
            _ => {}
        }
    }
    Ok(())
}

fn used_at(path: &Path) -> Option<SystemTime> {
    let at = |path: &Path| fs::metadata(path).and_then(|it| it.modified()).ok();
    at(&path.join(USED)).or_else(|| at(path))
}

/// Makes an empty file, or makes it new again.
fn touch(path: &Path) -> anyhow::Result<()> {
    fs::write(path, "").with_context(|| format!("cannot write `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{key, prune, touch};
    use std::{fs, path::PathBuf, time::Duration, time::UNIX_EPOCH};

    fn temp_dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn a_key_tells_where_one_source_ends() {
        assert_eq!(key(&[b"ab", b"c"]), key(&[b"ab", b"c"]));
        assert_ne!(key(&[b"ab", b"c"]), key(&[b"a", b"bc"]));
        assert_eq!(key(&[]).len(), 16);
    }

    #[test]
    fn the_last_used_are_kept() {
        let dir = temp_dir("prune");
        for (name, used) in [
            ("target-a", 3),
            ("target-b", 1),
            ("target-c", 2),
            ("other-d", 0),
        ] {
            fs::create_dir_all(dir.join(name)).unwrap();
            let mark = dir.join(name).join("used");
            touch(&mark).unwrap();
            let file = fs::File::options().write(true).open(&mark).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(used))
                .unwrap();
        }
        prune(&dir, "target-").unwrap();
        let mut left: Vec<_> = fs::read_dir(&dir)
            .unwrap()
            .map(|it| it.unwrap().file_name())
            .collect();
        left.sort();
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(left, ["other-d", "target-a", "target-c"]);
    }
}
