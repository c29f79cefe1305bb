//! Resident memory of the program.

use std::time::Duration;

use e2e::{Program, ProgramOptions};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{Built, Failure, figures::Figures, pin::rss_mib, session::Session};

const SESSIONS: usize = 500;
/// What is made once, by the first sessions, is not theirs.
const FIRST_SESSIONS: usize = 20;
const IDLE_MAX_MIB: f64 = 20.0;
const SESSION_MAX_MIB: f64 = 0.3;
/// Until nothing is left of the start.
const SETTLE: Duration = Duration::from_secs(3);

pub(crate) fn measure(_: &Built, figures: &mut Figures) -> Result<(), Failure> {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        ..limits
    };
    setrlimit(Resource::Nofile, raised)?;

    let program = Program::start_with(&ProgramOptions {
        log: Some("info".to_owned()),
        ..Default::default()
    });
    std::thread::sleep(SETTLE);
    let (idle, own) = rss_mib(program.pid())?;
    let note = format!(", of which {own:.1} are not pages of files");
    figures.at_most(
        "memory, nothing connected",
        IDLE_MAX_MIB,
        "MiB",
        idle,
        &note,
    );

    let token = program.token("bench", &[]);
    let mut sessions = Vec::new();
    let mut open = |count: usize| -> Result<f64, Failure> {
        for _ in 0..count {
            let session = Session::begin(&program.address(), "/mcp", &token)?;
            let stream = session.listen()?;
            sessions.push((session, stream));
        }
        std::thread::sleep(SETTLE / 3);
        Ok(rss_mib(program.pid())?.0)
    };
    let before = open(FIRST_SESSIONS)?;
    let after = open(SESSIONS)?;
    figures.at_most(
        "memory for each session with its stream open (two connections)",
        SESSION_MAX_MIB,
        "MiB",
        (after - before) / SESSIONS as f64,
        &format!(": {before:.1} MiB with {FIRST_SESSIONS}, {after:.1} with {SESSIONS} more"),
    );
    Ok(())
}
