//! The one place where this crate starts processes: Podman's service, and the recipe of the base
//! image.

use std::{
    ffi::OsString,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tokio::process::Command;

/// Prepares a child that has exactly this environment and ends when its handle is dropped.
pub(crate) fn command(program: &Path, env: &[(OsString, OsString)], cwd: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(env.iter().map(|(name, value)| (name, value)))
        .current_dir(cwd)
        .kill_on_drop(true);
    command
}

/// Returns where `program` is by the `PATH` in `env`, as a shell would find it.
pub(crate) fn find(program: &Path, env: &[(OsString, OsString)]) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return is_executable(program).then(|| program.to_owned());
    }
    let (_, path) = env.iter().find(|(name, _)| name == "PATH")?;
    std::env::split_paths(path)
        .map(|it| it.join(program))
        .find(|it| is_executable(it))
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}
