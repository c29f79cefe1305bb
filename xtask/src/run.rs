//! `cargo xtask run`: from a fresh checkout to the program in a browser.

use std::{os::unix::process::CommandExt as _, process::ExitCode};

use anyhow::{Context as _, bail};

use crate::{
    cache::Cache,
    command::{command, run as run_to_end, show},
    fixtures, packages,
    program::{self, Profile},
};

/// Installs, builds, and becomes `archestra serve`, with a scripted model for who has no other.
pub(crate) fn run(cache: &Cache, args: &[&str]) -> anyhow::Result<ExitCode> {
    let mut ours = args;
    let mut theirs: &[&str] = &[];
    if let Some(at) = args.iter().position(|it| *it == "--") {
        (ours, theirs) = (&args[..at], &args[at + 1..]);
    }
    let profile = match ours {
        [] => Profile::Debug,
        ["--release"] => Profile::Release,
        other => {
            bail!("`run` takes `--release` and, after `--`, what `serve` takes; not {other:?}")
        }
    };

    packages::ensure(packages::RUN)?;
    let program = program::build(cache, profile)?.archestra;
    // The image's recipe, and so its name, is the program's own; it does nothing when it is there.
    run_to_end(cache.tell(command(&program).args(["image", "build"])))?;

    let mut serve = command(&program);
    serve.arg("serve").args(theirs);
    // The program offers it only while it finds no other. It ends with us, and so with the program.
    match fixtures::start(cache, profile, 0, &[]) {
        Ok(model) => {
            serve.env("ARCHESTRA_MODELS_DEMO", &model.url);
        }
        Err(err) => eprintln!("xtask: there is no demo model: {err:#}"),
    }
    let line = show(&serve);
    // It takes our place, so that signals and the exit status are its own.
    Err(cache.tell(&mut serve).exec()).with_context(|| format!("cannot start `{line}`"))
}
