use std::process::ExitCode;

use crate::{
    args::ConfigCommand,
    config::{self, Loaded},
    output,
};

/// Shows the settings; that they make sense is known by now.
pub(crate) fn run(command: &ConfigCommand, loaded: &Loaded, as_json: bool) -> ExitCode {
    match command {
        ConfigCommand::Check if as_json => output::json(&serde_json::json!({ "mistakes": [] })),
        ConfigCommand::Check => output::line("the settings are fine"),
        ConfigCommand::Dump if as_json => output::json(&config::dump_json(loaded)),
        ConfigCommand::Dump => output::text(config::dump_toml(loaded)),
    }
    ExitCode::SUCCESS
}
