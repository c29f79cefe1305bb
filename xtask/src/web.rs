//! The UI: npm and Vite make it from `web/`, in a folder of the cache, so that the checkout stays as
//! it is.
//!
//! ```text
//! web/package-lock.json ──> web-node-…/node_modules     by `npm ci`, once per lock file
//! web/, openapi.json ─────> web-build-…/web             a copy, with a link to the former
//!                                       └── dist        by `npm run build`, once per copy
//! ```

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{
    cache::Cache,
    command::{command, output, root, run},
};

/// Where the API is described, which the UI's types are made from.
const DESCRIPTION: &str = "crates/server/openapi.json";
/// What is made from the others, by a person in the checkout or here.
const MADE: &[&str] = &[
    "node_modules",
    "dist",
    "dist-demo",
    "screens",
    "schema.d.ts",
];

/// A copy of the UI's sources that has what it takes to build and check it.
#[derive(Debug)]
pub(crate) struct Web {
    dir: PathBuf,
}

impl Web {
    /// Returns where the built UI is.
    pub(crate) fn dist(&self) -> PathBuf {
        self.dir.join("dist")
    }

    /// Returns what runs one of the scripts of `package.json`.
    ///
    /// npm runs on the machine's own Node, which may be an older one. The scripts run on the one that
    /// the lock file pins, since npm puts that first on the path.
    pub(crate) fn script(&self, name: &str) -> Command {
        let mut npm = command("npm");
        npm.args(["run", "--silent", name]).current_dir(&self.dir);
        npm
    }
}

/// Builds the UI, unless it was built from the same sources before.
pub(crate) fn build(cache: &Cache) -> anyhow::Result<Web> {
    let modules = modules(cache)?;
    let sources = sources()?;
    let texts: Vec<&[u8]> = sources
        .iter()
        .flat_map(|(name, text)| [name.as_bytes(), text.as_slice()])
        .collect();
    let dir = cache.keyed_dir("web-build", &texts)?;
    let web = Web {
        dir: dir.join("web"),
    };
    cache.ensure(&dir, || {
        for (name, text) in &sources {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().unwrap_or(&dir))?;
            fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        }
        symlink(&modules, web.dir.join("node_modules"))?;
        // Our own output is for a shell to read.
        run(cache.tell(web.script("build").stdout(std::io::stderr())))
    })?;
    Ok(web)
}

/// Puts a built UI where a plain `cargo build` of the program looks for one.
pub(crate) fn put_into_checkout(web: &Web) -> anyhow::Result<PathBuf> {
    let dist = root().join("web/dist");
    if dist.exists() {
        fs::remove_dir_all(&dist).with_context(|| format!("cannot remove `{}`", dist.display()))?;
    }
    run(command("cp").arg("-R").arg(web.dist()).arg(&dist))?;
    Ok(dist)
}

/// Installs the packages, unless the cache has them.
fn modules(cache: &Cache) -> anyhow::Result<PathBuf> {
    let names = ["package.json", "package-lock.json", ".npmrc"];
    let [package, lock, npmrc] = names.map(|it| read(&root().join("web").join(it)));
    let (package, lock, npmrc) = (package?, lock?, npmrc?);
    // Of `package.json` only what it asks for counts, and the lock file says the same.
    let dir = cache.keyed_dir("web-node", &[&lock, &npmrc])?;
    let modules = dir.join("node_modules");
    cache.ensure(&dir, || {
        for (name, text) in names.iter().zip([&package, &lock, &npmrc]) {
            fs::write(dir.join(name), text)?;
        }
        let mut ci = command("npm");
        ci.args(["ci", "--no-audit", "--no-fund"]).current_dir(&dir);
        ci.stdout(std::io::stderr());
        run(cache.tell(&mut ci))?;
        // Its binary comes by an install script, which an npm may have been told not to run.
        let node = modules.join(".bin/node");
        output(command(node).arg("--version")).map(drop)
    })?;
    Ok(modules)
}

/// Returns all that the UI is made from, by its path in the checkout, in a stable order.
fn sources() -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut sources = vec![(DESCRIPTION.to_owned(), read(&root().join(DESCRIPTION))?)];
    let mut open = vec!["web".to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(root().join(&dir))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                bail!("a file's name in `{dir}` is not text");
            };
            if MADE.contains(&name.as_str()) {
                continue;
            }
            let path = format!("{dir}/{name}");
            if entry.file_type()?.is_dir() {
                open.push(path);
            } else {
                let text = read(&entry.path())?;
                sources.push((path, text));
            }
        }
    }
    sources.sort();
    Ok(sources)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}
