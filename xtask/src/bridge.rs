//! The bridge as it is shipped: static and small, in a target folder of its own.

use std::{
    env::consts::ARCH,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{
    cache::Cache,
    command::{cargo, root, run},
};

/// Builds the bridge and returns where it is. Another bridge is at another place, so what carries
/// it is built anew exactly when it differs.
pub(crate) fn build(cache: &Cache) -> anyhow::Result<PathBuf> {
    let target = format!("{ARCH}-unknown-linux-gnu");
    let target_dir = cache.dir().join("bridge-target");
    run(cargo()
        .args(["build", "--quiet", "-p", "bridge", "--profile", "bridge"])
        // With an explicit target the flags do not reach procedural macros, which must be dynamic.
        .args(["--target", &target, "--target-dir"])
        .arg(&target_dir)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", "-C target-feature=+crt-static"))?;

    let built = target_dir.join(target).join("bridge/archestra-bridge");
    let bytes = fs::read(&built).with_context(|| format!("cannot read `{}`", built.display()))?;
    let dir = cache.keyed_dir("built-bridge", &[&bytes])?;
    let kept = dir.join("archestra-bridge");
    cache.ensure(&dir, || {
        fs::copy(&built, &kept)?;
        Ok(())
    })?;
    Ok(kept)
}

/// Puts a bridge where a plain `cargo build` of the program looks for one.
pub(crate) fn put_into_checkout(bridge: &Path) -> anyhow::Result<PathBuf> {
    let dir = root().join("target/bridge");
    let path = dir.join("archestra-bridge");
    let new = fs::read(bridge)?;
    // One that is the same is left alone: what carries it need not be built again.
    if fs::read(&path).ok().as_ref() != Some(&new) {
        fs::create_dir_all(&dir)?;
        fs::copy(bridge, &path).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(path)
}
