//! `cargo xtask test`: everything that must hold before a change goes in.

mod build;
mod summary;

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

use anyhow::{Context as _, bail};

use crate::{
    bridge,
    cache::Cache,
    check::{
        build::Built,
        summary::{Counts, Outcome, Summary},
    },
    command::{cargo, command, find, in_ci, output, run, show},
    packages, peers,
    web::{self, Web},
};

/// The parts, in the order in which they run: what fails fast comes first.
const PARTS: &[&str] = &["fmt", "web", "clippy", "deny", "tests", "doc", "e2e"];
/// The package with the end-to-end tests.
const E2E: &str = "e2e";
/// The version that is installed where there is no cargo-deny.
const CARGO_DENY_VERSION: &str = "0.20.2";

/// Runs all parts, or those that are named. A part that fails does not keep the next from running.
pub(crate) fn check(cache: &Cache, names: &[&str]) -> anyhow::Result<ExitCode> {
    if let Some(name) = names.iter().find(|it| !PARTS.contains(it)) {
        bail!("there is no part `{name}`; there are {}", PARTS.join(", "));
    }
    let mut suite = Suite {
        cache,
        env: BTreeMap::new(),
        web: None,
        built: None,
    };
    let asked_for = |name: &&&str| names.is_empty() || names.contains(*name);
    let mut summary = Summary::default();
    suite.prepare()?;
    for name in PARTS.iter().filter(asked_for) {
        eprintln!("\n=== {name}");
        let began = Instant::now();
        let (outcome, counts) = suite.part(name).unwrap_or_else(|err| {
            eprintln!("{name}: {err:#}");
            (Outcome::Failed, Counts::default())
        });
        summary.add(name, outcome, counts, began.elapsed());
    }
    print!("\n{summary}");
    Ok(if summary.failed() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What the parts share.
struct Suite<'a> {
    cache: &'a Cache,
    /// What every program that we start is told.
    env: BTreeMap<&'static str, PathBuf>,
    web: Option<Web>,
    built: Option<Built>,
}

impl Suite<'_> {
    /// Brings what all parts need. Without it none can run.
    fn prepare(&mut self) -> anyhow::Result<()> {
        for needs in [packages::RUN, packages::PEERS, packages::TEST] {
            packages::ensure(needs)?;
        }
        let bridge = bridge::build(self.cache)?;
        self.env.insert("ARCHESTRA_BRIDGE", bridge);
        let web = web::build(self.cache)?;
        self.env.insert("ARCHESTRA_WEB", web.dist());
        self.web = Some(web);
        Ok(())
    }

    fn part(&mut self, name: &str) -> anyhow::Result<(Outcome, Counts)> {
        match name {
            "fmt" => self.passes(cargo().args(["fmt", "--all", "--check"])),
            "web" => self.web(),
            "clippy" => self.passes(
                cargo()
                    .args(["clippy", "--workspace", "--all-targets", "--locked"])
                    .args(["--", "-D", "warnings"]),
            ),
            "deny" => self.deny(),
            "tests" => {
                let binaries = self.built()?.tests_but(E2E);
                self.run_all(&binaries)
            }
            "doc" => self.counted(cargo().args(["test", "--workspace", "--doc", "--locked"])),
            _ => self.e2e(),
        }
    }

    /// Types, lint and unit tests of the UI.
    fn web(&self) -> anyhow::Result<(Outcome, Counts)> {
        let web = self.web.as_ref().context("the UI that was built before")?;
        self.counted(web.script("check").env("NO_COLOR", "1"))
    }

    fn deny(&self) -> anyhow::Result<(Outcome, Counts)> {
        let program = match find("cargo-deny") {
            Some(it) => it,
            None => self.install_deny()?,
        };
        let mut deny = command(program);
        deny.args(["--all-features", "check", "--hide-inclusion-graph"]);
        self.passes(deny.args(["bans", "licenses", "sources"]))
    }

    fn install_deny(&self) -> anyhow::Result<PathBuf> {
        let version = format!("cargo-deny@{CARGO_DENY_VERSION}");
        let dir = self.cache.keyed_dir("cargo-deny", &[version.as_bytes()])?;
        self.cache.ensure(&dir, || {
            // Its target folder is a temporary one of cargo's, and goes with it.
            let mut install = cargo();
            install
                .args(["install", &version, "--locked", "--quiet", "--root"])
                .arg(&dir);
            run(install.env_remove("CARGO_TARGET_DIR"))
        })?;
        Ok(dir.join("bin/cargo-deny"))
    }

    fn e2e(&mut self) -> anyhow::Result<(Outcome, Counts)> {
        let built = self.built()?;
        let (program, binaries) = (built.program.clone(), built.tests_of(E2E));
        let (Some(program), false) = (program, binaries.is_empty()) else {
            let why = "there is no program `archestra` or no package `e2e` in this checkout";
            return Ok(missing(why));
        };
        // As cargo calls it, where it is in the same package.
        self.env.insert("CARGO_BIN_EXE_archestra", program);
        let peers = peers::prepare(self.cache)?;
        let peers = peers.env().map(|(name, value)| (name, value.to_owned()));
        self.env.extend(peers);
        self.run_all(&binaries)
    }

    /// Builds all there is to run, once: the same features everywhere, so that nothing is built
    /// twice.
    fn built(&mut self) -> anyhow::Result<&Built> {
        if self.built.is_none() {
            let mut build = cargo();
            build.args([
                "build",
                "--workspace",
                "--bins",
                "--tests",
                "--examples",
                "--locked",
            ]);
            build.arg("--message-format=json-render-diagnostics");
            show(&build);
            let messages = output(self.tell(&mut build))?;
            self.built = Some(Built::parse(&messages)?);
        }
        self.built.as_ref().context("what has just been built")
    }

    /// Runs test binaries one after the other, as cargo does.
    fn run_all(&self, binaries: &[build::TestBinary]) -> anyhow::Result<(Outcome, Counts)> {
        let mut all = (Outcome::Passed, Counts::default());
        for binary in binaries {
            let mut test = command(&binary.path);
            test.current_dir(&binary.dir)
                .env("CARGO_MANIFEST_DIR", &binary.dir);
            let (outcome, counts) = self.counted(&mut test)?;
            if outcome != Outcome::Passed {
                eprintln!(
                    "`{}` of `{}` failed",
                    file_name(&binary.path),
                    binary.package
                );
                all.0 = outcome;
            }
            all.1 += counts;
        }
        Ok(all)
    }

    fn passes(&self, command: &mut Command) -> anyhow::Result<(Outcome, Counts)> {
        let line = show(command);
        let status = self.tell(command).status();
        let status = status.with_context(|| format!("cannot start `{line}`"))?;
        Ok((Outcome::from(status), Counts::default()))
    }

    /// Runs a program whose output has lines of Rust's test harness, and adds them up.
    fn counted(&self, command: &mut Command) -> anyhow::Result<(Outcome, Counts)> {
        let line = show(command);
        let child = self.tell(command).stdout(Stdio::piped()).spawn();
        let mut child = child.with_context(|| format!("cannot start `{line}`"))?;
        let stdout = child
            .stdout
            .take()
            .context("the pipe that was just asked for")?;
        let mut counts = Counts::default();
        let mut ours = std::io::stdout().lock();
        for text in BufReader::new(stdout).split(b'\n') {
            let text = text?;
            ours.write_all(&text)?;
            ours.write_all(b"\n")?;
            if let Some(more) = Counts::parse(&String::from_utf8_lossy(&text)) {
                counts += more;
            }
        }
        Ok((Outcome::from(child.wait()?), counts))
    }

    fn tell<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.stdin(Stdio::null()).envs(&self.env);
        self.cache.tell(command)
    }
}

/// What is not there is a failure in CI, and said loudly elsewhere.
fn missing(why: &str) -> (Outcome, Counts) {
    eprintln!("NOT TESTED: {why}");
    let outcome = if in_ci() {
        Outcome::Failed
    } else {
        Outcome::Missing
    };
    (outcome, Counts::default())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
