//! The command line.

pub(crate) mod chats;
pub(crate) mod decisions;
pub(crate) mod edit;
pub(crate) mod models;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, ffi::OsString, fmt::Display, path::PathBuf, str::FromStr};

use clap::{
    Arg, ArgAction, ArgMatches, Args, Command as ClapCommand, CommandFactory as _,
    FromArgMatches as _, Parser, Subcommand, ValueEnum, parser::ValueSource,
};
use domain::{EnvName, HeaderName, HostPort, PrincipalName, ServerSlug, ToolRule};

use self::chats::{ChatArgs, ChatsCommand, MemoriesCommand};
use self::decisions::{
    AllowTools, ApprovalsCommand, GrantsCommand, PolicyCommand, ReviewArgs, ToolChangesWord,
};
use self::edit::{LimitArgs, SecretCommand, SetArgs};
use self::models::{ModelsCommand, ProvidersCommand};
use crate::config::{Form, SETTINGS, size_of};

/// Use MCP servers without trusting them: each runs in a sandbox that has no network.
#[derive(Debug, Parser)]
#[command(name = "archestra", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the program; this is what happens without a command, too
    Serve,
    /// Open the page of the running program in a browser
    Open {
        /// Only print the link
        #[arg(long)]
        print: bool,
    },
    /// Add, list and look after servers
    #[command(subcommand)]
    Servers(ServersCommand),
    /// List the tools of all servers, or of one
    Tools { server: Option<ServerSlug> },
    /// Call a tool: `call SERVER TOOL [JSON]`, or `call NAME [JSON]` by its name among all tools
    ///
    /// The exit code is 2 where the tool says that it failed.
    Call {
        /// A server and its tool, or the name that `archestra tools` shows
        #[arg(required = true, num_args = 1..=3, value_name = "SERVER TOOL JSON")]
        words: Vec<String>,
    },
    /// Look at the tools of a server that nobody has looked at, or that have changed; decide
    ///
    /// Without a decision nothing is changed.
    Review(ReviewArgs),
    /// Calls that wait for you
    Approvals {
        #[command(subcommand)]
        command: Option<ApprovalsCommand>,
    },
    /// Permissions that you have given for calls
    #[command(subcommand)]
    Grants(GrantsCommand),
    /// Rules about many tools at once
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Say something in a chat, and print the answer
    Chat(ChatArgs),
    /// Chats, and the tools of each
    #[command(subcommand)]
    Chats(ChatsCommand),
    /// What all chats are told
    #[command(subcommand)]
    Memories(MemoriesCommand),
    /// Where models are asked
    #[command(subcommand)]
    Providers(ProvidersCommand),
    /// Models that can answer
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Carry MCP between standard input and output and the running program
    Connect(ConnectArgs),
    /// Tokens by which clients get in
    #[command(subcommand)]
    Token(TokenCommand),
    /// Look at what happened, and who did it
    Audit(Box<AuditArgs>),
    /// The image that servers run in
    #[command(subcommand)]
    Image(ImageCommand),
    /// Look for what is wrong with this machine
    Doctor,
    /// The settings
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// `archestra connect` alone, which has to start fast.
#[derive(Debug, Parser)]
#[command(name = "archestra connect", max_term_width = 100)]
pub(crate) struct ConnectCli {
    #[command(flatten)]
    pub(crate) args: ConnectArgs,
    #[arg(long, value_name = "VALUE")]
    pub(crate) data_dir: Option<String>,
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ConnectArgs {
    /// One server, its tools under their own names; without it, all of them
    pub(crate) server: Option<ServerSlug>,
    /// Where the program answers, for instance `http://127.0.0.1:3000`
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// A token of `archestra token create`; better in the variable `ARCHESTRA_TOKEN`
    #[arg(long)]
    pub(crate) token: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServersCommand {
    /// Add a server, and wait until it is installed
    Add(Box<AddArgs>),
    /// List the servers
    List,
    /// Show all about a server
    Show { server: String },
    /// End its processes, and begin anew
    Restart { server: String },
    /// Remove it with all that was made for it
    Remove { server: String },
    /// Show what it has written
    Logs {
        server: String,
        /// Go on as more comes
        #[arg(short, long)]
        follow: bool,
        /// How many lines
        #[arg(short = 'n', long, default_value_t = 200)]
        lines: usize,
    },
    /// Begin a failed installation again
    Retry {
        server: String,
        #[command(flatten)]
        wait: WaitArgs,
    },
    /// Decide whether its packages may run scripts of their own while they are installed
    Consent {
        server: String,
        #[command(flatten)]
        decision: ConsentArgs,
        #[command(flatten)]
        wait: WaitArgs,
    },
    /// Switch it on
    Enable { server: String },
    /// Switch it off
    Disable { server: String },
    /// Let it reach a host
    Allow { server: String, host: HostPort },
    /// Let it no longer reach a host
    Disallow { server: String, host: HostPort },
    /// Say what happens when its tools are others than those that you have agreed to
    ToolChanges {
        server: String,
        changes: ToolChangesWord,
    },
    /// Change what it is called, gets and may take; processes that run with what was before are ended
    Set(Box<SetArgs>),
    /// Secrets that it sees in clear
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Headers that go with each request to a remote server
    #[command(subcommand)]
    Header(HeaderCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum HeaderCommand {
    /// Set one; its value is asked for, or read from standard input
    Set {
        server: String,
        header: HeaderName,
        /// Take the value from this variable of this shell
        #[arg(long, value_name = "VARIABLE")]
        from_env: Option<String>,
    },
    /// Remove one, and its value from the vault
    Remove { server: String, header: HeaderName },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ConsentArgs {
    /// They run, in a container without any way out
    #[arg(long)]
    pub(crate) run: bool,
    /// They are left out
    #[arg(long)]
    pub(crate) skip: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WaitArgs {
    /// Wait until it is installed, and show the steps; this is the default
    #[arg(long, overrides_with = "no_wait")]
    pub(crate) wait: bool,
    /// Return at once
    #[arg(long)]
    pub(crate) no_wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// `npm:NAME[@VERSION]`, `pypi:NAME[==VERSION]`, or the `https://` address of a remote server
    pub(crate) source: String,
    /// Its short name; without it, one is made from the package's
    #[arg(long)]
    pub(crate) name: Option<ServerSlug>,
    /// What it is called where people see it; without it, as its package or its host
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// The command to run, where the package has several
    #[arg(long)]
    pub(crate) command: Option<String>,
    /// An argument of the server; those after `--` follow
    #[arg(long = "arg", value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) args: Vec<String>,
    /// Arguments of the server
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) more_args: Vec<String>,
    /// An environment variable in clear, for what is no secret
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) env: Vec<(EnvName, String)>,
    /// A secret, whose value is asked for, or read from standard input, a line each
    #[arg(long, value_name = "NAME")]
    pub(crate) secret: Vec<EnvName>,
    /// A secret, whose value is that of a variable of this shell
    #[arg(long, value_name = "NAME=VARIABLE", value_parser = pair)]
    pub(crate) secret_from_env: Vec<(EnvName, String)>,
    /// A header for a remote server, whose value is asked for, or read from standard input, a line
    /// each, after those of secrets
    #[arg(long, value_name = "NAME")]
    pub(crate) header: Vec<HeaderName>,
    /// A header for a remote server, whose value is that of a variable of this shell
    #[arg(long, value_name = "NAME=VARIABLE", value_parser = header_pair)]
    pub(crate) header_from_env: Vec<(HeaderName, String)>,
    /// Let this server see the values of its secrets
    #[arg(long)]
    pub(crate) give_secret_in_clear: bool,
    /// A folder of this machine that the server may use, `ro` or `rw`
    #[arg(long, value_name = "HOST:INSIDE[:ro|rw]", value_parser = folder)]
    pub(crate) folder: Vec<Folder>,
    /// A host that the server may reach; it can reach nothing else
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) allow: Vec<HostPort>,
    /// Who shares a sandbox; without it, each principal has one where there are secrets
    #[arg(long)]
    pub(crate) isolation: Option<Isolation>,
    /// Keep it running while nobody uses it
    #[arg(long)]
    pub(crate) keep_warm: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// What to do where packages want to run scripts of their own while they are installed
    #[arg(long, default_value = "ask")]
    pub(crate) build_scripts: BuildScripts,
    /// Which of its tools may be called unasked from the start, without a look at them
    #[arg(long, default_value = "none")]
    pub(crate) allow_tools: AllowTools,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) host: PathBuf,
    pub(crate) inside: String,
    pub(crate) is_writable: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Isolation {
    Shared,
    Principal,
}

impl Isolation {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Principal => "principal",
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum BuildScripts {
    Ask,
    Run,
    Skip,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make one; it is shown this once
    Create {
        name: String,
        /// On whose behalf the client acts
        #[arg(long)]
        principal: Option<PrincipalName>,
        /// A server that it may use; without any, all of them
        #[arg(long)]
        server: Vec<ServerSlug>,
        /// A tool that it may use; without any, all of them
        #[arg(long, value_name = "SERVER/TOOL", value_parser = tool_rule)]
        tool: Vec<ToolRule>,
    },
    /// List them, without their texts
    List,
    /// Revoke one by its name or identifier, and end its sessions
    Revoke { token: String },
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    pub(crate) command: Option<AuditCommand>,
    #[command(flatten)]
    pub(crate) filter: AuditFilterArgs,
    /// How many events, the newest
    #[arg(short = 'n', long, default_value_t = 50)]
    pub(crate) limit: usize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Write all of it as lines of JSON, the oldest event first
    Export {
        #[command(flatten)]
        filter: AuditFilterArgs,
        /// Write it to this file
        #[arg(short = 'o', long = "output", value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// Which events; without any, all of them.
#[derive(Debug, Default, Args)]
pub(crate) struct AuditFilterArgs {
    /// A kind like `tool.call`, or all kinds of a part like `tool`, `egress`, `server`, `token`
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// A server, by its name; also one that was removed
    #[arg(long)]
    pub(crate) server: Option<String>,
    /// A tool, by its server's own name for it
    #[arg(long)]
    pub(crate) tool: Option<String>,
    /// A client, by the name of its token
    #[arg(long)]
    pub(crate) client: Option<String>,
    /// On whose behalf it was done
    #[arg(long)]
    pub(crate) principal: Option<String>,
    /// A chat, by its identifier
    #[arg(long)]
    pub(crate) chat: Option<String>,
    /// `allowed`, `denied` or `asked`
    #[arg(long)]
    pub(crate) decision: Option<String>,
    /// How it ended, for instance `ok`
    #[arg(long)]
    pub(crate) outcome: Option<String>,
    /// From when on: `2h` ago, a day like `2026-03-01`, or `2026-03-01T12:30` in UTC
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Until when
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// A part of a name or of the details, for instance a host
    #[arg(long)]
    pub(crate) text: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Make the image from packages of Debian; nothing is done where it is there
    Build {
        /// Make it anew
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Look for mistakes only
    Check,
    /// Show the settings in effect, and where each came from
    Dump,
}

/// What the command line says about settings.
#[derive(Debug, Default)]
pub(crate) struct SettingFlags {
    pub(crate) config: Option<String>,
    pub(crate) by_key: BTreeMap<&'static str, Vec<String>>,
}

/// Reads the command line. The error prints itself.
pub(crate) fn parse(args: Vec<OsString>) -> Result<(Cli, SettingFlags), clap::Error> {
    let matches = command().try_get_matches_from(args)?;
    let mut flags = SettingFlags::default();
    collect(&matches, &mut flags);
    Ok((Cli::from_arg_matches(&matches)?, flags))
}

/// Returns the command line with a flag for each setting where it makes sense.
fn command() -> ClapCommand {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .global(true)
        .help("The settings file");
    Cli::command()
        .arg(config)
        .args(setting_args("data_dir").map(|it| it.global(true)))
        // `archestra --listen …` is `archestra serve --listen …`.
        .args(other_setting_args().map(|it| it.hide(true)))
        .mut_subcommand("serve", |it| it.args(other_setting_args()))
        .mut_subcommand("doctor", |it| {
            it.args(other_setting_args().map(|it| it.hide(true)))
        })
        .mut_subcommand("config", |it| {
            it.mut_subcommand("check", |it| it.args(other_setting_args()))
                .mut_subcommand("dump", |it| it.args(other_setting_args()))
        })
        .mut_subcommand("image", |it| {
            it.mut_subcommand("build", |it| {
                it.args(other_setting_args().map(|it| it.hide(true)))
            })
        })
}

fn other_setting_args() -> impl Iterator<Item = Arg> {
    SETTINGS
        .iter()
        .filter(|it| it.key != "data_dir")
        .flat_map(|it| setting_args(it.key))
}

fn setting_args(key: &str) -> impl Iterator<Item = Arg> {
    SETTINGS
        .iter()
        .filter(move |it| it.key == key)
        .map(|setting| {
            let arg = Arg::new(setting.key)
                .long(setting.flag()[2..].to_owned())
                .value_name("VALUE")
                .help(setting.doc)
                .help_heading("Settings")
                .allow_hyphen_values(true);
            match setting.form {
                Form::Switch => arg
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true"),
                Form::List(_) => arg.action(ArgAction::Append),
                Form::One => arg,
            }
        })
}

/// A flag can stand before a subcommand and after it.
fn collect(matches: &ArgMatches, flags: &mut SettingFlags) {
    let of = |key: &str| {
        let is_given = matches.try_contains_id(key).unwrap_or(false)
            && matches.value_source(key) == Some(ValueSource::CommandLine);
        let values = is_given
            .then(|| matches.get_many::<String>(key))
            .flatten()?;
        Some(values.cloned().collect::<Vec<_>>())
    };
    if let Some(config) = of("config") {
        flags.config = config.into_iter().last();
    }
    for setting in SETTINGS {
        if let Some(values) = of(setting.key) {
            flags.by_key.insert(setting.key, values);
        }
    }
    if let Some((_, matches)) = matches.subcommand() {
        collect(matches, flags);
    }
}

fn pair(text: &str) -> Result<(EnvName, String), String> {
    named(text)
}

fn header_pair(text: &str) -> Result<(HeaderName, String), String> {
    named(text)
}

fn named<N: FromStr<Err: Display>>(text: &str) -> Result<(N, String), String> {
    let (name, value) = text.split_once('=').ok_or("it has to be `NAME=VALUE`")?;
    let name = name.parse::<N>().map_err(|err| err.to_string())?;
    Ok((name, value.to_owned()))
}

fn folder(text: &str) -> Result<Folder, String> {
    let (rest, is_writable) = match text.rsplit_once(':') {
        Some((rest, "rw")) => (rest, true),
        Some((rest, "ro")) => (rest, false),
        _ => (text, false),
    };
    let wrong = "it has to be `HOST:INSIDE`, with `:ro` or `:rw` after it";
    let (host, inside) = rest.rsplit_once(':').ok_or(wrong)?;
    if host.is_empty() || !inside.starts_with('/') {
        return Err(format!("{wrong}; the path inside begins with `/`"));
    }
    let host = std::path::absolute(host).map_err(|err| err.to_string())?;
    Ok(Folder {
        host,
        inside: inside.to_owned(),
        is_writable,
    })
}

fn tool_rule(text: &str) -> Result<ToolRule, String> {
    let (server, tool) = text.split_once('/').ok_or("it has to be `SERVER/TOOL`")?;
    let server = server
        .parse::<ServerSlug>()
        .map_err(|err| err.to_string())?;
    Ok(ToolRule {
        server,
        tool: tool.to_owned(),
    })
}

fn bytes(text: &str) -> Result<u64, String> {
    size_of(text).ok_or_else(|| "it has to be a size like `512MiB`".to_owned())
}

fn millis(text: &str) -> Result<u64, String> {
    let duration = crate::config::duration_of(text);
    let duration = duration.ok_or_else(|| "it has to be a time like `60s`".to_owned())?;
    u64::try_from(duration.as_millis()).map_err(|_| "it is too long".to_owned())
}
