//! What others wrote and the tests use, as `tests/peers` pins it: MCP clients, the AI SDK, llama.cpp.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{
    cache::Cache,
    command::{command, output, root, run},
};

/// Where the clients are.
#[derive(Debug)]
pub(crate) struct Peers {
    python: PathBuf,
    node: PathBuf,
    modules: PathBuf,
}

impl Peers {
    /// Returns the variables by which the tests find them.
    pub(crate) fn env(&self) -> [(&'static str, &Path); 3] {
        [
            ("ARCHESTRA_PEERS_PYTHON", &self.python),
            ("ARCHESTRA_PEERS_NODE", &self.node),
            ("ARCHESTRA_PEERS_MODULES", &self.modules),
        ]
    }
}

/// Installs the clients, unless the cache has them.
pub(crate) fn prepare(cache: &Cache) -> anyhow::Result<Peers> {
    let python = python(cache)?;
    let modules = modules(cache)?;
    Ok(Peers {
        python,
        node: node(&modules),
        modules,
    })
}

fn python(cache: &Cache) -> anyhow::Result<PathBuf> {
    let requirements = root().join("tests/peers/requirements.txt");
    let text = read(&requirements)?;
    // An environment is of use only with the interpreter that it was made with.
    let who = "import sys; print(sys.executable, sys.version)";
    let interpreter = output(command("python3").args(["-c", who]))?;
    let dir = cache.keyed_dir("peers-python", &[&text, interpreter.as_bytes()])?;
    let python = dir.join("venv/bin/python");
    cache.ensure(&dir, || {
        run(command("python3")
            .args(["-m", "venv"])
            .arg(dir.join("venv")))?;
        let mut pip = command(&python);
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]);
        run(cache.tell(pip.arg("--requirement").arg(&requirements)))
    })?;
    Ok(python)
}

fn modules(cache: &Cache) -> anyhow::Result<PathBuf> {
    let names = ["package.json", "package-lock.json", ".npmrc"];
    let [package, lock, npmrc] = names.map(|it| read(&root().join("tests/peers").join(it)));
    let (package, lock, npmrc) = (package?, lock?, npmrc?);
    let dir = cache.keyed_dir("peers-node", &[&package, &lock, &npmrc])?;
    let modules = dir.join("node_modules");
    cache.ensure(&dir, || {
        for (name, text) in names.iter().zip([&package, &lock, &npmrc]) {
            fs::write(dir.join(name), text)?;
        }
        let mut ci = command("npm");
        ci.args(["ci", "--no-audit", "--no-fund"]).current_dir(&dir);
        // Our own output is for a shell to read.
        ci.stdout(std::io::stderr());
        run(cache.tell(&mut ci))?;
        // Its binary comes by an install script, which an npm may have been told not to run.
        output(command(node(&modules)).arg("--version")).map(drop)
    })?;
    Ok(modules)
}

fn node(modules: &Path) -> PathBuf {
    modules.join("node/bin/node")
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}
