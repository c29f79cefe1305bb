//! A call to a server in a container against a pipe to the same program outside of one.

use std::{path::PathBuf, process::Command, time::Duration};

use e2e::{Program, ProgramOptions, Registry, command, descendants, repository};
use serde_json::Value;

use crate::{
    Built, Failure,
    figures::{Figures, Met, take_turns},
    pin::Pinned,
    session::{Piped, Session},
};

const ROUNDS: usize = 3_000;
const WARM_MAX: Duration = Duration::from_millis(5);

/// The fixture server, installed in a program.
pub(crate) struct Installed {
    pub(crate) program: Program,
    token: String,
    _registry: Registry,
}

impl Installed {
    pub(crate) fn new(config: &[&str]) -> Self {
        let registry = Registry::start(&[]);
        let program = Program::start_with(&ProgramOptions {
            registries: Some((registry.npm(), registry.pypi())),
            log: Some("info".to_owned()),
            config: config.iter().map(|it| (*it).to_owned()).collect(),
            ..Default::default()
        });
        program.add(&["npm:archestra-fixture-misbehave", "--name", "misbehave"]);
        Self {
            token: program.token("bench", &[]),
            program,
            _registry: registry,
        }
    }

    pub(crate) fn session(&self) -> Result<Session, Failure> {
        Session::begin(&self.program.address(), "/mcp/misbehave", &self.token)
    }

    /// Returns its containers that run, as Podman shows them.
    pub(crate) fn containers(&self) -> Result<Vec<Value>, Failure> {
        // Those of another program, which has ended, may still be on their way out.
        let label = format!("label=archestra.instance={}", self.program.instance());
        let mut list = self.podman();
        list.args(["ps", "--quiet", "--filter", &label]);
        let ids = String::from_utf8(list.output()?.stdout)?;
        let ids: Vec<&str> = ids.lines().collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let shown = self.podman().arg("inspect").args(ids).output()?;
        Ok(serde_json::from_slice(&shown.stdout)?)
    }

    fn podman(&self) -> Command {
        let mut command = command("podman");
        let socket = self.program.world().podman_socket();
        command
            .arg("--url")
            .arg(format!("unix://{}", socket.display()));
        command
    }
}

/// The processes in a container: the bridge, and what it has started.
pub(crate) struct Inside {
    pub(crate) pids: Vec<u32>,
    pub(crate) argv: Vec<String>,
}

impl Inside {
    pub(crate) fn of(container: &Value) -> Result<Self, Failure> {
        let bridge = container["State"]["Pid"].as_u64().ok_or("no process")?;
        let bridge = u32::try_from(bridge)?;
        let server = descendants(bridge).into_iter().next();
        let server = server.ok_or("nothing runs in the container")?;
        let line = std::fs::read(format!("/proc/{server}/cmdline"))?;
        let argv = line.split(|it| *it == 0).filter(|it| !it.is_empty());
        Ok(Self {
            pids: vec![bridge, server],
            argv: argv
                .map(|it| String::from_utf8_lossy(it).into_owned())
                .collect(),
        })
    }

    /// The same program on the same files, outside of the container, where we may; else the
    /// checkout's, in the machine's own Node.
    fn outside(&self) -> (Command, &'static str) {
        if rustix::process::getuid().is_root() {
            let mut chroot = command("chroot");
            chroot
                .arg(format!("/proc/{}/root", self.pids[0]))
                .args(&self.argv);
            return (chroot, "the same process outside of it");
        }
        let mut node = command("node");
        node.arg(fixture());
        (node, "the same script in the machine's own Node")
    }
}

fn fixture() -> PathBuf {
    repository().join("tests/fixtures/npm/misbehave/server.js")
}

pub(crate) fn measure(_: &Built, figures: &mut Figures) -> Result<(), Failure> {
    let installed = Installed::new(&[]);
    let mut session = installed.session()?;
    session.echo("echo")?;
    let containers = installed.containers()?;
    let inside = Inside::of(containers.first().ok_or("no container runs")?)?;
    let (mut outside, whom) = inside.outside();
    let mut direct = Piped::begin(&mut outside)?;
    let mut written = installed.session()?;

    for is_pinned in [false, true] {
        let mut pids = inside.pids.clone();
        pids.extend([installed.program.pid(), direct.pid()]);
        let pinned = is_pinned.then(|| Pinned::new(&pids)).flatten();
        if pinned.is_some() != is_pinned {
            continue;
        }
        let how = if is_pinned { ", pinned" } else { "" };
        let [reading, around] = take_turns(
            ROUNDS,
            [&mut || session.echo("echo"), &mut || direct.echo("echo")],
        )?;
        let what = "`tools/call` of 64 B to a server in a container";
        figures.added(
            &format!("{what}{how}: a tool that only reads, against {whom}"),
            Some(WARM_MAX),
            &reading,
            &around,
        );
        let [writing, around] =
            take_turns(ROUNDS, [&mut || written.meta(), &mut || direct.meta()])?;
        figures.added(
            &format!("{what}{how}: another, which is in the audit before it is called"),
            Some(WARM_MAX),
            &writing,
            &around,
        );
    }
    let argv = inside.argv.join(" ");
    figures.row("the process in both", "", &format!("`{argv}`"), Met::Told);
    Ok(())
}
