//! Chats, and what all of them are told.

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum ChatsCommand {
    /// List them, those in which something was said last first
    List {
        /// Only those in whose title or messages this stands
        #[arg(long, value_name = "TEXT", conflicts_with = "archived")]
        search: Option<String>,
        /// Those that were put away
        #[arg(long)]
        archived: bool,
        /// How many
        #[arg(short = 'n', long, default_value_t = 50)]
        limit: usize,
    },
    /// Show what was said last in one
    Show {
        /// Its identifier
        chat: String,
    },
    /// Give one another title
    Rename { chat: String, title: String },
    /// Put one away
    Archive { chat: String },
    /// Take one out again that was put away
    Unarchive { chat: String },
    /// Delete one with all that was said in it
    Delete { chat: String },
    /// Show which tools one has, or choose them
    Tools(ChatToolsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// What to say
    pub(crate) text: String,
    /// The chat to say it in; without it, a new one
    #[arg(long = "in", value_name = "CHAT")]
    pub(crate) chat: Option<String>,
    /// The model to ask from now on; `archestra models list` shows them
    #[arg(long, requires = "provider")]
    pub(crate) model: Option<String>,
    /// The identifier of its provider
    #[arg(long, requires = "model")]
    pub(crate) provider: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ChatToolsArgs {
    /// Its identifier
    pub(crate) chat: String,
    /// A tool that it is to have
    #[arg(long, value_name = "SERVER/TOOL", value_parser = super::tool_rule)]
    pub(crate) enable: Vec<domain::ToolRule>,
    /// A tool that it is not to have
    #[arg(long, value_name = "SERVER/TOOL", value_parser = super::tool_rule)]
    pub(crate) disable: Vec<domain::ToolRule>,
    /// Which tools it has of which nothing is said; forgets what was said before
    #[arg(long)]
    pub(crate) default: Option<DefaultWord>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DefaultWord {
    All,
    /// Those of the program itself
    None,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MemoriesCommand {
    /// List them
    List,
    /// Set one, or change it
    Set {
        name: String,
        /// What is to be remembered; without it, it is read from standard input
        value: Option<String>,
    },
    /// Delete one
    Delete { name: String },
}

impl DefaultWord {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::None => "none",
        }
    }
}
