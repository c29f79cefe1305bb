//! The bridge that the program carries inside.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use store::DataDir;

static BRIDGE: &[u8] = include_bytes!(env!("ARCHESTRA_BRIDGE_COPY"));
/// Of the bytes above, in hexadecimal digits; empty where there are none.
pub(super) const SHA256: &str = env!("ARCHESTRA_BRIDGE_SHA256");

pub(super) fn is_carried() -> bool {
    !SHA256.is_empty()
}

/// Makes sure that the bridge is in the data directory, byte for byte, and returns where.
///
/// What is there is compared each time: somebody may have changed it. Bridges of other versions go.
pub(super) fn extract(data: &DataDir) -> anyhow::Result<PathBuf> {
    let dir = data.subdir("bin")?;
    if !is_carried() {
        return Ok(dir.join("bridge"));
    }
    extract_to(&dir, BRIDGE, SHA256)
}

fn extract_to(dir: &Path, bridge: &[u8], sha256: &str) -> anyhow::Result<PathBuf> {
    let name = format!("bridge-{sha256}");
    let path = dir.join(&name);
    if !is_intact(&path, bridge) {
        let unfinished = dir.join(format!("{name}.part"));
        let write = || -> std::io::Result<()> {
            let mut options = fs::OpenOptions::new();
            options.create(true).write(true).truncate(true).mode(0o755);
            let mut file = options.open(&unfinished)?;
            file.write_all(bridge)?;
            file.set_permissions(fs::Permissions::from_mode(0o755))?;
            fs::rename(&unfinished, &path)
        };
        write().with_context(|| format!("cannot write the bridge to `{}`", path.display()))?;
    }
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read `{}`", dir.display()))?;
    for entry in entries.flatten() {
        if entry.file_name() != name.as_str()
            && let Err(err) = fs::remove_file(entry.path())
        {
            tracing::warn!(
                error = &err as &dyn std::error::Error,
                path = %entry.path().display(),
                "The bridge of another version stays"
            );
        }
    }
    Ok(path)
}

fn is_intact(path: &Path, bridge: &[u8]) -> bool {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return false;
    };
    meta.is_file()
        && meta.permissions().mode() & 0o777 == 0o755
        && meta.len() == bridge.len() as u64
        && fs::read(path).is_ok_and(|it| it == bridge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_that_was_changed_is_written_again_and_others_go() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("bridge-old"), "old").unwrap();
        let path = extract_to(dir.path(), b"bridge", "ab").unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o755
        );

        fs::write(&path, "evil!!").unwrap();
        assert_eq!(extract_to(dir.path(), b"bridge", "ab").unwrap(), path);
        assert_eq!(fs::read(&path).unwrap(), b"bridge");
        let names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|it| it.unwrap().file_name())
            .collect();
        assert_eq!(names, ["bridge-ab"]);
    }

    #[test]
    fn a_link_in_the_bridges_place_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("other"), "bridge").unwrap();
        std::os::unix::fs::symlink("other", dir.path().join("bridge-ab")).unwrap();
        let path = extract_to(dir.path(), b"bridge", "ab").unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
    }
}
