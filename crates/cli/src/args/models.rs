//! Models, and where they are asked.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum ProvidersCommand {
    /// List them: those that were added, and those that were found on this machine
    List,
    /// Add one, and try it
    Add(AddProviderArgs),
    /// Remove one with its key
    Remove { provider: String },
    /// Try its address and key
    ///
    /// The exit code is 1 where that does not work.
    Test { provider: String },
    /// Give one another key, or take it away
    Key {
        provider: String,
        #[command(flatten)]
        key: NewKeyArgs,
    },
    /// Switch it on
    Enable { provider: String },
    /// Switch it off
    Disable { provider: String },
    /// Look for model servers on this machine, now
    Find,
}

#[derive(Debug, Args)]
pub(crate) struct AddProviderArgs {
    /// Its address, for instance `https://api.openai.com/v1` or `localhost:11434`
    pub(crate) address: String,
    /// What you call it; without it, one is made from the address
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The language that it speaks; without it, it is told from the address
    #[arg(long)]
    pub(crate) kind: Option<KindWord>,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// The model of it that is asked where nobody has said which
    #[arg(long)]
    pub(crate) model: Option<String>,
}

/// Where a key comes from. It is never an argument: whoever lists processes would see it.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
pub(crate) struct KeyArgs {
    /// It needs a key, which is asked for, or read from standard input
    #[arg(long)]
    pub(crate) key: bool,
    /// Take the key from this variable of this shell
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) key_from_env: Option<String>,
    /// Take the key from this file
    #[arg(long, value_name = "FILE")]
    pub(crate) key_from_file: Option<PathBuf>,
}

/// As [`KeyArgs`]; without any, it is asked for, or read from standard input.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct NewKeyArgs {
    /// Take it from this variable of this shell
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) from_env: Option<String>,
    /// Take it from this file
    #[arg(long, value_name = "FILE")]
    pub(crate) from_file: Option<PathBuf>,
    /// Forget it
    #[arg(long)]
    pub(crate) remove: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindWord {
    /// Chat completions: OpenAI, and everything that is compatible with it
    Openai,
    /// Ollama's own
    Ollama,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List the models of all providers
    List {
        /// Ask all of them anew
        #[arg(long)]
        refresh: bool,
    },
    /// Show what chats begin with, or choose it
    Default {
        /// As its provider calls it
        model: Option<String>,
        /// Where it is asked; needed where several have it
        #[arg(long, requires = "model")]
        provider: Option<String>,
        /// Leave it to the program
        #[arg(long, conflicts_with = "model")]
        none: bool,
    },
}

impl KindWord {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Ollama => "ollama",
        }
    }
}
