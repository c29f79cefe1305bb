//! The program itself, with the bridge and the UI that it carries.

use std::{fs, path::PathBuf};

use anyhow::Context as _;

use crate::{
    bridge,
    cache::Cache,
    command::{cargo, run},
    web,
};

/// How much cargo optimises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Debug,
    Release,
}

/// Where the two programs are.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) archestra: PathBuf,
    pub(crate) bridge: PathBuf,
}

/// Builds the bridge, the UI and the program that carries them.
pub(crate) fn build(cache: &Cache, profile: Profile) -> anyhow::Result<Programs> {
    let bridge = bridge::build(cache)?;
    let web = web::build(cache)?.dist();
    let mut build = cargo();
    build.args(["build", "--locked", "-p", "cli", "--bin", "archestra"]);
    let folder = match profile {
        Profile::Debug => "debug",
        Profile::Release => {
            build.arg("--release");
            "release"
        }
    };
    let carried = [("ARCHESTRA_BRIDGE", &bridge), ("ARCHESTRA_WEB", &web)];
    run(cache.tell(&mut build).envs(carried))?;
    let archestra = cache.target_dir().join(folder).join("archestra");
    Ok(Programs { archestra, bridge })
}

/// Builds the program as it is shipped and puts it where a person's shell finds it.
pub(crate) fn install(cache: &Cache) -> anyhow::Result<PathBuf> {
    let built = build(cache, Profile::Release)?.archestra;
    let home = std::env::var_os("HOME").context("no `HOME` to install into")?;
    let dir = PathBuf::from(home).join(".local/bin");
    let (path, new) = (dir.join("archestra"), dir.join(".archestra.new"));
    fs::create_dir_all(&dir)?;
    // One that runs is not written into but replaced.
    fs::copy(&built, &new)
        .and_then(|_| fs::rename(&new, &path))
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(path)
}
