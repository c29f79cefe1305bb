//! What people decide: tools that they look at, rules, approvals and permissions.

use clap::{Args, Subcommand, ValueEnum};
use domain::ToolGlob;

const LISTED_DEFAULT: usize = 200;

#[derive(Debug, Args)]
pub(crate) struct ReviewArgs {
    /// A server's name or identifier
    pub(crate) server: String,
    /// One tool, by the server's own name for it; may be given again
    #[arg(long = "tool", value_name = "TOOL")]
    pub(crate) tools: Vec<String>,
    /// Show all of its tools; with a decision, those that wait to be looked at
    #[arg(long, conflicts_with = "tools")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) setting: SettingArgs,
    /// Do not ask once more
    #[arg(long)]
    pub(crate) yes: bool,
}

/// What is set for tools that were looked at.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct SettingArgs {
    /// They may be called unasked
    #[arg(long)]
    pub(crate) allow: bool,
    /// You are asked before each call
    #[arg(long)]
    pub(crate) ask: bool,
    /// They cannot be called
    #[arg(long)]
    pub(crate) deny: bool,
    /// Those that claim to only read may be called unasked, you are asked for the others
    #[arg(long)]
    pub(crate) proposed: bool,
}

/// What is set for the tools of a server that is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AllowTools {
    /// Those that claim to only read may be called unasked, you are asked for the others
    Proposed,
    /// All of them may be called unasked
    All,
    /// You are asked for each call until you have looked at the tool
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ToolChangesWord {
    /// What is new or different cannot be called until you have looked at it
    Ask,
    /// It is taken for what it was
    Follow,
    /// It cannot be called, and you are not told
    Block,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EffectWord {
    Allow,
    Ask,
    Deny,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// List the rules; deny counts more than ask, and ask more than allow
    List,
    /// Make one: `policy add deny 'delete_*' --server github`
    Add {
        effect: EffectWord,
        /// A pattern for servers' own names of tools: `*` is any text, `?` any character
        tool: ToolGlob,
        /// One server; without it, all of them
        #[arg(long)]
        server: Option<String>,
    },
    /// Remove one
    Remove { rule: String },
}

/// How many of the calls or permissions are listed.
#[derive(Debug, Args)]
pub(crate) struct DecidedArgs {
    /// Those that are over, too
    #[arg(long)]
    pub(crate) all: bool,
    /// How many, the newest
    #[arg(short = 'n', long, default_value_t = LISTED_DEFAULT)]
    pub(crate) limit: usize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// List the calls that wait for you; this is what happens without a command, too
    List(DecidedArgs),
    /// Show one, with all its arguments
    Show { approval: String },
    /// Let it be made
    Approve {
        approval: String,
        #[command(flatten)]
        scope: ScopeArgs,
        /// Do not ask once more
        #[arg(long)]
        yes: bool,
    },
    /// Refuse it
    Deny {
        approval: String,
        /// What the client, or the model, is told
        #[arg(long)]
        reason: Option<String>,
    },
}

#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct ScopeArgs {
    /// This call only; this is the default
    #[arg(long)]
    pub(crate) once: bool,
    /// All calls of the tool by this client
    #[arg(long)]
    pub(crate) client: bool,
    /// All calls of the tool in this chat
    #[arg(long)]
    pub(crate) chat: bool,
    /// All calls of the tool, whoever makes them
    #[arg(long)]
    pub(crate) always: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GrantsCommand {
    /// List the permissions that let calls pass
    List(DecidedArgs),
    /// Take one back
    Revoke { grant: String },
}

impl Default for DecidedArgs {
    fn default() -> Self {
        Self {
            all: false,
            limit: LISTED_DEFAULT,
        }
    }
}

impl SettingArgs {
    /// Returns what is set, as the API has it; `Some(None)` is what is proposed.
    pub(crate) const fn setting(&self) -> Option<Option<&'static str>> {
        match (self.allow, self.ask, self.deny, self.proposed) {
            (true, ..) => Some(Some("allow")),
            (_, true, ..) => Some(Some("ask")),
            (_, _, true, _) => Some(Some("deny")),
            (.., true) => Some(None),
            _ => None,
        }
    }
}

impl ScopeArgs {
    pub(crate) const fn scope(&self) -> &'static str {
        match (self.client, self.chat, self.always) {
            (true, ..) => "client",
            (_, true, _) => "chat",
            (.., true) => "everywhere",
            _ => "once",
        }
    }
}

impl ToolChangesWord {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Follow => "follow",
            Self::Block => "block",
        }
    }
}

impl EffectWord {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}
