//! `tools/list` of very many tools, one server of which hangs.

use std::time::Duration;

use e2e::{Program, ProgramOptions, wait_for};

use crate::{
    Built, Failure,
    figures::{Figures, Met, take_turns},
    session::Session,
    upstream::Upstream,
};

pub(crate) const SERVERS: usize = 100;
pub(crate) const TOOLS: usize = 50;
const ROUNDS: usize = 500;
const MAX: Duration = Duration::from_millis(1);
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

/// The program with that many servers, whose tools it has read.
pub(crate) fn with_servers(upstream: &Upstream) -> Result<Program, Failure> {
    let program = Program::start_with(&ProgramOptions {
        log: Some("info".to_owned()),
        ..Default::default()
    });
    for index in 0..SERVERS {
        let url = format!("http://{}/mcp/{index}", upstream.address());
        let name = format!("echo-{index}");
        program.json(&["servers", "add", &url, "--name", &name]);
    }
    wait_for("all tools are known", Duration::from_secs(60), || {
        let shown = program.json(&["servers", "list"]);
        let servers = shown["servers"].as_array().or(shown.as_array())?.clone();
        let known = |it: &&serde_json::Value| it["tools"].as_u64() == Some(TOOLS as u64);
        (servers.iter().filter(known).count() == SERVERS).then_some(())
    });
    Ok(program)
}

pub(crate) fn measure(_: &Built, figures: &mut Figures) -> Result<(), Failure> {
    let upstream = Upstream::start(TOOLS)?;
    let mut program = with_servers(&upstream)?;
    // Nothing of what it has read is in memory any more, and what it reads again does not come.
    program.stop();
    upstream.hang(SERVERS / 2);
    program.launch();
    let token = program.token("bench", &[]);
    let mut session = Session::begin(&program.address(), "/mcp", &token)?;
    let mut one = Session::begin(&program.address(), "/mcp/echo-1", &token)?;
    let mut count = 0;
    let mut bytes = 0;
    let [all, single] = take_turns(
        ROUNDS,
        [
            &mut || {
                session.post(LIST)?;
                if bytes == 0 {
                    bytes = session.body().len();
                    count = names(session.body());
                }
                Ok(())
            },
            &mut || one.post(LIST).map(drop),
        ],
    )?;
    if count != SERVERS * TOOLS {
        return Err(format!("{count} tools instead of {}", SERVERS * TOOLS).into());
    }
    let what = format!("`tools/list`, {SERVERS} servers of {TOOLS} tools, one of them hung");
    figures.time_at_most(&format!("{what} ({} kB)", bytes / 1000), MAX, &all);
    let what = "`tools/list` of one server among them";
    figures.row(what, "", &single.show(), Met::Told);
    Ok(())
}

fn names(body: &[u8]) -> usize {
    let text = String::from_utf8_lossy(body);
    let text = text.strip_prefix("data: ").unwrap_or(&text);
    let answer: serde_json::Value = serde_json::from_str(text.trim()).unwrap_or_default();
    let tools = answer["result"]["tools"].as_array();
    let names = tools
        .into_iter()
        .flatten()
        .filter_map(|it| it["name"].as_str());
    // Those of the program itself are there, too.
    names.filter(|it| !it.starts_with("archestra__")).count()
}
