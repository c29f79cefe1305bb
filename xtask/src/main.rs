//! The project's own commands: `cargo xtask <name>`.
//!
//! ```text
//! make run | test | bench ──> xtask ──> packages   what the machine lacks (apt)
//!                                  ├──> cache      folders outside the checkout
//!                                  ├──> program    `archestra`, and what it carries:
//!                                  │      ├──> bridge  the program in each sandbox
//!                                  │      └──> web     the UI
//!                                  ├──> peers      clients of others, for the tests
//!                                  ├──> fixtures   the scripted model, as a process
//!                                  └──> run, check, bench, install
//! ```
//!
//! A newcomer's machine has Rust and a C compiler; everything else is brought here, or named in
//! one message. What takes long to make is kept in the cache, keyed by what it is made from, so
//! that an empty cache costs time and nothing else.
//!
//! `tidy` is not a command: it is this crate's tests, so that nothing runs it but `cargo test`.
//!
//! **Invariant:** this crate uses none of the others, so that it builds in seconds.
//!
//! **Invariant:** nothing here names a package registry. cargo, npm, pip and apt know theirs.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "commands for people at a terminal"
)]

mod bench;
mod bridge;
mod cache;
mod check;
mod command;
mod fixtures;
mod packages;
mod peers;
mod program;
mod run;
mod screens;
#[cfg(test)]
mod tidy;
mod web;

use std::process::ExitCode;

use crate::cache::Cache;

const USAGE: &str = "\
usage: cargo xtask <command>

  run [--release] [-- ARGS]  install what is missing, build, and start `archestra serve ARGS`; where
                             no model is found, with a demo of one
  test [PART...]             all checks and tests, or some parts of them: fmt, web, clippy,
                             deny, tests, doc, e2e
  bench [TABLE...]           measure, all or some: sizes, line, start, memory, stdio, hop, lists,
                             first, connect
  bench-ui                   measure the UI in Chromium
  screens [WORD...]          walk the journeys, and take their pictures for `docs/screens`
  fixtures [--port N]        run the scripted model, to see the program without a real one
  install                    put a release build into `~/.local/bin`
  bridge                     build the bridge, put it where `cargo build` looks for it, print its path
  web                        build the UI, put it where `cargo build` looks for it, print its path
  peers                      prepare the clients that the tests use, and print where they are
  tidy                       only the checks of the code base that no compiler makes
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match dispatch(&args) {
        Ok(code) => code,
        Err(err) => {
            eprintln!("xtask: {err:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[&str]) -> anyhow::Result<ExitCode> {
    let Some((name, args)) = args.split_first() else {
        eprint!("{USAGE}");
        return Ok(ExitCode::from(64));
    };
    match *name {
        "run" => run::run(&Cache::open()?, args),
        "test" => check::check(&Cache::open()?, args),
        "bench" => bench::bench(&Cache::open()?, args).map(|()| ExitCode::SUCCESS),
        "bench-ui" => bench::bench_ui(&Cache::open()?).map(|()| ExitCode::SUCCESS),
        "screens" => screens::screens(&Cache::open()?, args).map(|()| ExitCode::SUCCESS),
        "fixtures" => fixtures::fixtures(&Cache::open()?, args),
        "install" => {
            println!("{}", program::install(&Cache::open()?)?.display());
            Ok(ExitCode::SUCCESS)
        }
        "bridge" => {
            let built = bridge::build(&Cache::open()?)?;
            println!("{}", bridge::put_into_checkout(&built)?.display());
            Ok(ExitCode::SUCCESS)
        }
        "web" => {
            packages::ensure(packages::WEB)?;
            let built = web::build(&Cache::open()?)?;
            println!("{}", web::put_into_checkout(&built)?.display());
            Ok(ExitCode::SUCCESS)
        }
        "peers" => {
            packages::ensure(packages::PEERS)?;
            for (name, value) in peers::prepare(&Cache::open()?)?.env() {
                println!("export {name}='{}'", value.display());
            }
            Ok(ExitCode::SUCCESS)
        }
        "tidy" => {
            command::run(command::cargo().args(["test", "--quiet", "-p", "xtask", "tidy"]))?;
            Ok(ExitCode::SUCCESS)
        }
        other => {
            eprint!("there is no command `{other}`\n\n{USAGE}");
            Ok(ExitCode::from(64))
        }
    }
}
