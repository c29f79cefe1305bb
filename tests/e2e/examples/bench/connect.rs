//! `archestra connect` against HTTP without it.

use std::time::{Duration, Instant};

use e2e::{Program, ProgramOptions, command};

use crate::{
    Built, Failure,
    figures::{Figures, Times, take_turns},
    pin::{Pinned, rss_mib},
    session::{Piped, Session},
    upstream::Upstream,
};

const ROUNDS: usize = 5_000;
const STARTS: usize = 20;
const ADDED_MAX: Duration = Duration::from_micros(15);
const FIRST_MAX: Duration = Duration::from_millis(10);
const RSS_MAX_MIB: f64 = 6.0;

pub(crate) fn measure(_: &Built, figures: &mut Figures) -> Result<(), Failure> {
    let upstream = Upstream::start(1)?;
    // Straight to a server, so that nothing but what is measured takes time.
    let mut connect = command(e2e::archestra());
    let url = format!("http://{}", upstream.address());
    connect.args(["connect", "--url", &url, "--token", "any"]);
    let mut piped = Piped::begin(&mut connect)?;
    let mut direct = Session::begin(upstream.address(), "/mcp", "any")?;
    for is_pinned in [true, false] {
        let pinned = is_pinned.then(|| Pinned::new(&[piped.pid()])).flatten();
        if pinned.is_some() != is_pinned {
            continue;
        }
        let [through, around] = take_turns(
            ROUNDS,
            [&mut || piped.echo("echo"), &mut || direct.echo("echo")],
        )?;
        let how = if is_pinned { "pinned" } else { "not pinned" };
        let what = format!("`archestra connect` against HTTP directly, 64 B, {how}");
        figures.added(&what, is_pinned.then_some(ADDED_MAX), &through, &around);
    }
    let (memory, own) = rss_mib(piped.pid())?;
    let note = format!(", of which {own:.1} are not pages of files");
    figures.at_most(
        "`archestra connect`, memory",
        RSS_MAX_MIB,
        "MiB",
        memory,
        &note,
    );

    let program = Program::start_with(&ProgramOptions {
        log: Some("info".to_owned()),
        ..Default::default()
    });
    program.add(&[&format!("{url}/mcp/0"), "--name", "echo"]);
    // The server's own start is not ours.
    program.call("echo", "echo", r#"{"text":"x"}"#)?;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let mut connect = program.command();
        let began = Instant::now();
        let mut piped = Piped::begin(connect.args(["connect", "echo"]))?;
        piped.echo("echo")?;
        times.push(began.elapsed());
    }
    figures.time_at_most(
        "`archestra connect`, from its start to the answer of the first call",
        FIRST_MAX,
        &Times::of_single(times),
    );
    Ok(())
}
