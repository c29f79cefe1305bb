//! The scripted model as a process of its own: `cargo xtask fixtures`, and whoever needs a model.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, ChildStdout, ExitCode, Stdio},
};

use anyhow::{Context as _, bail};

use crate::{
    cache::Cache,
    command::{cargo, command, run, show},
    program::Profile,
};

/// Where people find it who start it by hand.
pub(crate) const PORT: u16 = 11511;

/// A scripted model that is running. It ends with this process, whatever that becomes by `exec`.
#[derive(Debug)]
pub(crate) struct Model {
    /// For instance `http://127.0.0.1:11511`, the base of Ollama's API; OpenAI's is at `/v1`.
    pub(crate) url: String,
    child: Child,
    stdout: BufReader<ChildStdout>,
}

/// Runs the scripted model at a fixed port, with all scenarios, until somebody stops it.
pub(crate) fn fixtures(cache: &Cache, args: &[&str]) -> anyhow::Result<ExitCode> {
    let port = match args {
        [] => PORT,
        ["--port", port] => port
            .parse()
            .with_context(|| format!("`{port}` is no port"))?,
        other => bail!("`fixtures` takes `--port N`, not {other:?}"),
    };
    let mut model = start(cache, Profile::Debug, port, &["--scenarios"])?;
    println!("{}", model.url);
    for line in model.stdout.lines() {
        println!("{}", line?);
    }
    let status = model.child.wait()?;
    Ok(ExitCode::from(u8::from(!status.success())))
}

/// Builds and starts a scripted model; port 0 is any that is free.
pub(crate) fn start(
    cache: &Cache,
    profile: Profile,
    port: u16,
    args: &[&str],
) -> anyhow::Result<Model> {
    let mut model = command(build(cache, profile)?);
    model.args(["--with-parent", "--port", &port.to_string()]);
    let line = show(model.args(args));
    let mut child = model
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    let stdout = child.stdout.take().context("the pipe that was asked for")?;
    let mut stdout = BufReader::new(stdout);
    let mut url = String::new();
    stdout.read_line(&mut url)?;
    if url.is_empty() {
        bail!("`{line}` failed with {}", child.wait()?);
    }
    Ok(Model {
        url: url.trim().to_owned(),
        child,
        stdout,
    })
}

fn build(cache: &Cache, profile: Profile) -> anyhow::Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--locked", "-p", "scripted-model"]);
    let folder = match profile {
        Profile::Debug => "debug",
        Profile::Release => {
            build.arg("--release");
            "release"
        }
    };
    run(cache.tell(&mut build))?;
    Ok(cache.target_dir().join(folder).join("scripted-model"))
}
