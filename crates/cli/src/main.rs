//! The program, `archestra`: it puts the parts together, and it is the only place that does.
//!
//! ```text
//! args ──> config ──> serve     the program itself: parts, sockets, signals, drain
//!      │         └──> image, doctor, config
//!      ├──> target ──> api ──> servers, tools, call, approvals, policy, token, open
//!      └──> target ──> connect  stdio to HTTP, for clients that speak only stdio
//! ```
//!
//! What runs is `serve`; the other commands look for it by the access file in its data directory
//! and talk to it over HTTP, as any client does.
//!
//! **Invariant:** only here are environment variables read and settings decided.
//!
//! **Invariant:** what is printed is printed by `output`; what is logged goes to standard error.
//!
//! **Invariant:** `connect` makes nothing of the server's side.

mod access_file;
mod api;
mod args;
mod commands;
mod config;
mod connect;
mod http1;
mod moment;
mod output;
mod serve;
mod target;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::{
    args::{Cli, Command, ConnectCli, ImageCommand, SettingFlags},
    config::{Config, Inputs, LogFormat},
    target::Finder,
};

/// The exit code for a program that was told something that makes no sense (`EX_USAGE`).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let result = match args.get(1).is_some_and(|it| it == "connect") {
        true => connect(&args[1..]),
        false => run(args),
    };
    match result {
        Ok(code) => code,
        Err(err) => {
            output::note(format!("error: {err:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The way of `connect`, which is short: a client waits for it.
fn connect(args: &[OsString]) -> anyhow::Result<ExitCode> {
    let cli = match ConnectCli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(err) => return Ok(usage(&err)),
    };
    let data_dir = cli.data_dir.map(|it| ("data_dir", vec![it]));
    let inputs = Inputs::of_process(data_dir.into_iter().collect(), cli.config)?;
    let finder = Finder::new(&inputs, cli.args.url, cli.args.token);
    connect::run(finder, cli.args.server.as_ref())
}

fn run(args: Vec<OsString>) -> anyhow::Result<ExitCode> {
    let (cli, flags) = match args::parse(args) {
        Ok(parsed) => parsed,
        Err(err) => return Ok(usage(&err)),
    };
    let Cli { command, json } = cli;
    let SettingFlags { config, by_key } = flags;
    let inputs = Inputs::of_process(by_key, config)?;
    let finder = || Finder::new(&inputs, None, None);
    match command {
        None | Some(Command::Serve) => with_settings(&inputs, |loaded| {
            log(&loaded.config);
            serve::run(loaded.config, &inputs, json).map(|()| ExitCode::SUCCESS)
        }),
        Some(Command::Config(command)) => {
            with_settings(&inputs, |it| Ok(commands::config::run(&command, &it, json)))
        }
        Some(Command::Doctor) => with_settings(&inputs, |it| {
            commands::block_on(commands::doctor::run(&it.config, &inputs, &finder(), json))
        }),
        Some(Command::Image(ImageCommand::Build { force })) => with_settings(&inputs, |it| {
            commands::block_on(commands::image::build(&it.config, &inputs, force, json))
        }),
        Some(Command::Open { print }) => {
            commands::block_on(commands::open::run(&finder(), &inputs, print, json))
        }
        Some(Command::Servers(command)) => {
            commands::block_on(commands::servers::run(&finder(), command, json))
        }
        Some(Command::Tools { server }) => commands::block_on(commands::tools::list_tools(
            &finder(),
            server.as_ref(),
            json,
        )),
        Some(Command::Review(args)) => {
            commands::block_on(commands::review::run(&finder(), args, json))
        }
        Some(Command::Approvals { command }) => {
            commands::block_on(commands::approvals::run(&finder(), command, json))
        }
        Some(Command::Grants(command)) => {
            commands::block_on(commands::approvals::run_grants(&finder(), command, json))
        }
        Some(Command::Policy(command)) => {
            commands::block_on(commands::policy::run(&finder(), command, json))
        }
        Some(Command::Call { words }) => {
            commands::block_on(commands::tools::call(&finder(), &words, json))
        }
        Some(Command::Chat(args)) => commands::block_on(commands::chat::run(&finder(), args, json)),
        Some(Command::Chats(command)) => {
            commands::block_on(commands::chats::run(&finder(), command, json))
        }
        Some(Command::Memories(command)) => {
            commands::block_on(commands::memories::run(&finder(), command, json))
        }
        Some(Command::Providers(command)) => {
            commands::block_on(commands::providers::run(&finder(), command, json))
        }
        Some(Command::Models(command)) => {
            commands::block_on(commands::models::run(&finder(), command, json))
        }
        Some(Command::Token(command)) => {
            commands::block_on(commands::token::run(&finder(), command, json))
        }
        Some(Command::Audit(args)) => {
            commands::block_on(commands::audit::run(&finder(), *args, json))
        }
        Some(Command::Connect(args)) => {
            let finder = Finder::new(&inputs, args.url, args.token);
            connect::run(finder, args.server.as_ref())
        }
    }
}

/// Reads the settings, or tells all that is wrong with them.
fn with_settings(
    inputs: &Inputs,
    then: impl FnOnce(config::Loaded) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    match Config::load(inputs) {
        Ok(loaded) => then(loaded),
        Err(mistakes) => {
            output::note(mistakes.join("\n"));
            Ok(ExitCode::from(USAGE))
        }
    }
}

fn log(config: &Config) {
    let filter = EnvFilter::new(&config.log);
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => logs
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init(),
        LogFormat::Json => logs.json().init(),
    }
}

/// Says what is wrong with the command line, or what was asked for: help or the version.
fn usage(err: &clap::Error) -> ExitCode {
    // The terminal may have gone; there is nobody to tell.
    let _printed = err.print();
    match err.use_stderr() {
        true => ExitCode::from(USAGE),
        false => ExitCode::SUCCESS,
    }
}
