use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::{HeaderName, HostPort, InstallId, IsolationKey, Limits, SecretId, ServerId};

const ENV_NAME_LEN_MAX: usize = 128;

/// What a person has asked for when they added a server: where it comes from, and what it gets.
///
/// Values of secrets are not in here, only their identifiers in the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSpec {
    pub source: Source,
    /// Arguments of the server's process, after the command itself.
    #[serde(default)]
    pub args: Vec<String>,
    /// Environment in clear: what is not a secret.
    #[serde(default)]
    pub env: BTreeMap<EnvName, String>,
    /// Secrets that the person has said may be given to this server in clear.
    #[serde(default)]
    pub secrets: BTreeMap<EnvName, SecretId>,
    #[serde(default)]
    pub folders: Vec<HostFolder>,
    /// What the server may reach, approved by a person. Empty is nothing.
    #[serde(default)]
    pub egress: BTreeSet<HostPort>,
    /// `None` follows the rule: a principal's own where the server holds a secret, else shared.
    #[serde(default)]
    pub isolation: Option<Isolation>,
    #[serde(default)]
    pub limits: Limits,
    /// Keeps the server running while nobody uses it.
    #[serde(default)]
    pub keep_warm: bool,
    #[serde(default)]
    pub build_scripts: BuildScripts,
}

/// Where a server comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// A package that is installed once and run in a sandbox.
    Package(PackageRef),
    /// A server that runs elsewhere and speaks streamable HTTP.
    Remote {
        url: String,
        /// What goes with each request to it; the values are in the vault.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<HeaderName, SecretId>,
    },
}

/// A package of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageRef {
    pub registry: Registry,
    pub name: String,
    /// A version or what the registry's tool takes for one. `None` is the newest at installation.
    #[serde(default)]
    pub version: Option<String>,
    /// The command to run, where the package has several. `None` finds the one there is.
    #[serde(default)]
    pub command: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registry {
    Npm,
    Pypi,
}

/// Which callers share a sandbox of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    Shared,
    Principal,
}

/// What to do with a package that wants to run scripts of its own while it is installed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildScripts {
    /// Wait for a person's decision.
    #[default]
    Ask,
    /// Run them, in a container without any way out.
    Run,
    /// Leave them out.
    Skip,
}

/// A folder of the host that a server may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostFolder {
    /// Absolute, and with no symbolic link in it by the time that it is mounted.
    pub host: PathBuf,
    /// Where the server finds it; absolute.
    pub inside: String,
    pub access: FolderAccess,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FolderAccess {
    ReadOnly,
    ReadWrite,
}

/// Names one sandbox: a container or a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SandboxKey {
    /// The sandbox in which a server's processes run for those who have `isolation` in common.
    Server {
        server: ServerId,
        isolation: IsolationKey,
    },
    /// The sandbox in which a package is fetched, with a way out to the registries.
    Fetch { install: InstallId },
    /// The sandbox in which a package's own scripts run, with no way out.
    Build { install: InstallId },
}

/// The name of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvName {
    // Invariant: 1..=ENV_NAME_LEN_MAX characters, letters, digits and `_`, no digit in front.
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "environment variable `{text}` must be letters, digits and _, not begin with a digit, and have at most {ENV_NAME_LEN_MAX} characters"
)]
pub struct EnvNameError {
    text: String,
}

impl ServerSpec {
    /// Returns a spec that asks for nothing but `source`.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            args: Vec::new(),
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            folders: Vec::new(),
            egress: BTreeSet::new(),
            isolation: None,
            limits: Limits::default(),
            keep_warm: false,
            build_scripts: BuildScripts::Ask,
        }
    }

    /// Returns how callers are kept apart, by the rule where nobody has chosen.
    pub fn isolation(&self) -> Isolation {
        let has_headers =
            matches!(&self.source, Source::Remote { headers, .. } if !headers.is_empty());
        let by_rule = if self.secrets.is_empty() && !has_headers {
            Isolation::Shared
        } else {
            Isolation::Principal
        };
        self.isolation.unwrap_or(by_rule)
    }
}

impl Registry {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pypi => "pypi",
        }
    }
}

impl SandboxKey {
    /// Returns the server that the sandbox runs, `None` for those of an installation.
    pub const fn server(&self) -> Option<ServerId> {
        match self {
            Self::Server { server, .. } => Some(*server),
            Self::Fetch { .. } | Self::Build { .. } => None,
        }
    }
}

/// The form that stands on labels; [`FromStr`] reads it back.
impl fmt::Display for SandboxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { server, isolation } => write!(f, "server/{server}/{isolation}"),
            Self::Fetch { install } => write!(f, "fetch/{install}"),
            Self::Build { install } => write!(f, "build/{install}"),
        }
    }
}

impl FromStr for SandboxKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` names no sandbox");
        let (kind, rest) = text.split_once('/').ok_or_else(wrong)?;
        match kind {
            "server" => {
                let (server, isolation) = rest.split_once('/').ok_or_else(wrong)?;
                Ok(Self::Server {
                    server: server.parse().map_err(|_| wrong())?,
                    isolation: isolation.parse().map_err(|_| wrong())?,
                })
            }
            "fetch" => Ok(Self::Fetch {
                install: rest.parse().map_err(|_| wrong())?,
            }),
            "build" => Ok(Self::Build {
                install: rest.parse().map_err(|_| wrong())?,
            }),
            _ => Err(wrong()),
        }
    }
}

impl EnvName {
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for EnvName {
    type Err = EnvNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let well_formed = !text.is_empty()
            && text.len() <= ENV_NAME_LEN_MAX
            && !text.as_bytes()[0].is_ascii_digit()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !well_formed {
            return Err(EnvNameError {
                text: text.to_owned(),
            });
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for EnvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for EnvName {
    type Error = EnvNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<EnvName> for String {
    fn from(it: EnvName) -> Self {
        it.text
    }
}

#[cfg(test)]
mod tests;
