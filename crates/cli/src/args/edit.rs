//! What `servers set` and `servers secret` take.

use clap::{ArgAction, Args, Subcommand};
use domain::EnvName;
use serde_json::{Map, Value};

use super::{Folder, Isolation, bytes, folder, millis, pair};

/// The limits of a server. What is not given is left as it is.
#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    /// The most memory, for instance `512MiB`
    #[arg(long, value_parser = bytes)]
    pub(crate) memory: Option<u64>,
    /// The most of a processor, in thousandths
    #[arg(long, value_name = "MILLIS")]
    pub(crate) cpu: Option<u32>,
    /// The most processes and threads
    #[arg(long)]
    pub(crate) pids: Option<u32>,
    /// How long it may take to start, for instance `60s`
    #[arg(long, value_parser = millis)]
    pub(crate) start_timeout: Option<u64>,
    /// How long a call may take, for instance `60s`
    #[arg(long, value_parser = millis)]
    pub(crate) call_timeout: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    pub(crate) server: String,
    /// What it is called where people see it
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// An argument of its process; those that are given replace all former ones
    #[arg(long = "arg", value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) args: Vec<String>,
    /// Its process gets no arguments any more
    #[arg(long, conflicts_with = "args")]
    pub(crate) no_args: bool,
    /// An environment variable in clear, for what is no secret
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) env: Vec<(EnvName, String)>,
    /// A variable in clear that it gets no longer
    #[arg(long, value_name = "NAME")]
    pub(crate) unset: Vec<EnvName>,
    /// A folder of this machine, `ro` or `rw`; those that are given replace all former ones
    #[arg(long, value_name = "HOST:INSIDE[:ro|rw]", value_parser = folder)]
    pub(crate) folder: Vec<Folder>,
    /// It may use no folder any more
    #[arg(long, conflicts_with = "folder")]
    pub(crate) no_folders: bool,
    /// Who shares a sandbox
    #[arg(long)]
    pub(crate) isolation: Option<Isolation>,
    /// Whether it is kept running while nobody uses it
    #[arg(long, value_name = "true|false", action = ArgAction::Set)]
    pub(crate) keep_warm: Option<bool>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Give it one, or another value; it is asked for, or read from standard input
    Set {
        server: String,
        /// The variable that has it
        name: EnvName,
        /// Take the value from this variable of this shell
        #[arg(long, value_name = "VARIABLE")]
        from_env: Option<String>,
        /// Let this server see the value
        #[arg(long)]
        give_secret_in_clear: bool,
    },
    /// Take one from it, and out of the vault
    Remove { server: String, name: EnvName },
}

impl LimitArgs {
    /// Returns those that are given, as the API takes them.
    pub(crate) fn body(&self) -> Map<String, Value> {
        let all = [
            ("memory_bytes_max", self.memory),
            ("cpu_millis_max", self.cpu.map(u64::from)),
            ("pids_max", self.pids.map(u64::from)),
            ("start_timeout_ms", self.start_timeout),
            ("call_timeout_ms", self.call_timeout),
        ];
        let given = all.into_iter().filter_map(|(name, it)| Some((name, it?)));
        given
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect()
    }
}
