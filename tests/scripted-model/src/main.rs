//! The scripted model as a program: `cargo xtask fixtures` and `make run` start it.
//!
//! ```text
//! scripted-model [--port N] [--pace fast|pleasant] [--scenarios] [--with-parent]
//! ```
//!
//! Its first line is its address, for programs; what follows is for people. It ends with SIGINT,
//! SIGTERM, and, if it was told so, with the process that has started it.

#![expect(clippy::print_stderr, reason = "a command for people at a terminal")]

use std::{io::Write as _, process::ExitCode};

use scripted_model::{DEMO, Options, PREFIX, Pace, SCENARIOS, Scenario, ScriptedModel};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str =
    "usage: scripted-model [--port N] [--pace fast|pleasant] [--scenarios] [--with-parent]";

#[derive(Debug)]
struct Arguments {
    options: Options,
    with_parent: bool,
}

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let arguments = match parse(&given) {
        Ok(it) => it,
        Err(why) => {
            eprintln!("scripted-model: {why}\n{USAGE}");
            return ExitCode::from(64);
        }
    };
    if arguments.with_parent {
        let signal = Some(rustix::process::Signal::TERM);
        if let Err(err) = rustix::process::set_parent_process_death_signal(signal) {
            eprintln!("scripted-model: cannot end with the process that started it: {err}");
            return ExitCode::FAILURE;
        }
    }
    match run(arguments.options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("scripted-model: {err}; choose another port with `--port`");
            ExitCode::FAILURE
        }
    }
}

fn parse(given: &[String]) -> Result<Arguments, String> {
    let mut arguments = Arguments {
        options: Options {
            pace: Pace::PLEASANT,
            ..Options::default()
        },
        with_parent: false,
    };
    let mut rest = given.iter().map(String::as_str);
    while let Some(name) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("`{name}` needs a value"));
        match name {
            "--port" => {
                let port = value()?;
                let wrong = |_| format!("`{port}` is no port");
                arguments.options.port = port.parse().map_err(wrong)?;
            }
            "--pace" => {
                arguments.options.pace = match value()? {
                    "fast" => Pace::FAST,
                    "pleasant" => Pace::PLEASANT,
                    other => return Err(format!("there is no pace `{other}`")),
                }
            }
            "--scenarios" => arguments.options.list_scenarios = true,
            "--with-parent" => arguments.with_parent = true,
            other => return Err(format!("there is no option `{other}`")),
        }
    }
    Ok(arguments)
}

#[tokio::main(flavor = "current_thread")]
async fn run(options: Options) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let lists = options.list_scenarios;
    let model = ScriptedModel::start(options).await?;
    // In one piece: whoever started us may have read the address, and left the rest.
    let text = about(&model, lists);
    std::io::stdout().write_all(text.as_bytes())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    model.stop().await;
    Ok(())
}

/// Returns the address in a line, and what people want to know in those after it.
fn about(model: &ScriptedModel, lists: bool) -> String {
    let mut lines = vec![
        model.url.clone(),
        String::new(),
        format!("OpenAI's API:  {}", model.openai_url()),
        format!("Ollama's API:  {}", model.url),
        String::new(),
        "models, by name:".to_owned(),
        String::new(),
        format!("  {DEMO:<28} answers, and calls the tools that it is offered"),
    ];
    if lists {
        let name = |it: &Scenario| format!("{PREFIX}{}", it.name);
        let line = |it: &Scenario| format!("  {:<28} {}", name(it), it.about);
        lines.extend(SCENARIOS.iter().map(line));
        lines.push(String::new());
        lines.push(format!(
            "settings come after the name: `{PREFIX}firehose?tokens=4000&rate=200`"
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn options_are_read_and_mistakes_told() {
        let parse = |line: &str| {
            let given: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            parse(&given).map(|it| (it.options.port, it.options.list_scenarios, it.with_parent))
        };
        assert_eq!(parse(""), Ok((0, false, false)));
        assert_eq!(
            parse("--port 8 --scenarios --pace fast --with-parent"),
            Ok((8, true, true))
        );
        assert_eq!(parse("--port"), Err("`--port` needs a value".to_owned()));
        assert_eq!(parse("--port x"), Err("`x` is no port".to_owned()));
        assert_eq!(
            parse("--pace slow"),
            Err("there is no pace `slow`".to_owned())
        );
        assert_eq!(
            parse("--loud"),
            Err("there is no option `--loud`".to_owned())
        );
    }
}
