//! What the program is told from outside, all of it, in one place.
//!
//! ```text
//! flags ─────────┐
//! ARCHESTRA_* ───┼──> SETTINGS (one row for each) ──> Config
//! config.toml ───┤                              └──> where each value came from
//! defaults ──────┘
//! ```
//!
//! It is read once, before anything runs, into a value that is then passed down. Nothing below
//! `main` reads an environment variable. All mistakes are told at once, each with where it is, what
//! it says and what was expected, so that nobody has to start the program once per mistake.

mod docs;
mod file;
mod parse;
mod settings;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use domain::HostPort;
use ipnet::IpNet;
use store::DatabaseLocation;

pub(crate) use crate::config::docs::{dump_json, dump_toml};
pub(crate) use crate::config::parse::{duration as duration_of, size as size_of};
pub(crate) use crate::config::settings::{Form, SETTINGS, Setting};

/// The variable that names the file.
pub(crate) const CONFIG_VARIABLE: &str = "ARCHESTRA_CONFIG";
/// Variables with our prefix that are no settings: the clients', the build's and the tests'.
const OTHER_VARIABLES: [&str; 7] = [
    CONFIG_VARIABLE,
    "ARCHESTRA_BRIDGE",
    "ARCHESTRA_SCREENS",
    "ARCHESTRA_TEST_DIR",
    "ARCHESTRA_TOKEN",
    "ARCHESTRA_URL",
    "ARCHESTRA_WEB",
];
const OTHER_PREFIXES: [&str; 2] = ["ARCHESTRA_BRIDGE_", "ARCHESTRA_PEERS_"];
const PREFIX: &str = "ARCHESTRA_";

/// Everything that can be set, as it is in effect.
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    pub(crate) cache_dir: PathBuf,
    /// `None` is a file in the data directory.
    pub(crate) database: Option<Database>,
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) allow_remote: bool,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) request_bytes_max: usize,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    pub(crate) open_browser: bool,
    pub(crate) shutdown_grace: Duration,
    pub(crate) podman_socket: Option<PathBuf>,
    pub(crate) podman_program: PathBuf,
    pub(crate) podman_args: Vec<String>,
    pub(crate) sandbox_image: Option<String>,
    pub(crate) egress_allow_ranges: Vec<IpNet>,
    pub(crate) egress_hosts: Vec<(String, IpAddr)>,
    pub(crate) registry_npm: Option<String>,
    pub(crate) registry_pypi: Option<String>,
    pub(crate) registry_hosts: Vec<HostPort>,
    /// Whether model servers on this machine are looked for.
    pub(crate) models_discover: bool,
    /// Where the scripted model is.
    pub(crate) models_demo: Option<url::Url>,
    pub(crate) install_bytes_max: u64,
    pub(crate) install_free_bytes_min: u64,
    pub(crate) install_step_timeout: Duration,
    pub(crate) installs_max: usize,
    pub(crate) line_bytes_max: u32,
    pub(crate) stop_grace: Duration,
    pub(crate) idle_stop: Duration,
    pub(crate) handshake_timeout: Duration,
    pub(crate) approval_wait: Duration,
    pub(crate) approval_open: Duration,
    pub(crate) question_timeout: Duration,
    pub(crate) call_duration_max: Duration,
    pub(crate) sessions_max: usize,
    pub(crate) session_idle: Duration,
    pub(crate) session_requests_max: usize,
    pub(crate) memories_max: u64,
    pub(crate) memory_prompt_bytes_max: usize,
    pub(crate) chat_tools_default_max: usize,
    pub(crate) audit_keep: Duration,
    pub(crate) audit_rows_max: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// Where the database is. Its text may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Database {
    pub(crate) location: DatabaseLocation,
}

/// What the machine says: folders for this user.
#[derive(Debug, Clone)]
pub(crate) struct Platform {
    pub(crate) home: PathBuf,
    pub(crate) data_dir: PathBuf,
    pub(crate) cache_dir: PathBuf,
    pub(crate) config_file: PathBuf,
    pub(crate) current_dir: PathBuf,
}

/// All that is read, before it means anything.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    pub(crate) platform: Platform,
    /// By the settings' keys.
    pub(crate) flags: BTreeMap<&'static str, Vec<String>>,
    /// The file that a flag names.
    pub(crate) config_flag: Option<String>,
    /// The whole environment.
    pub(crate) variables: BTreeMap<String, String>,
}

/// The settings, and where each of them came from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) values: Vec<Value>,
}

/// The text of one setting.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) setting: &'static Setting,
    pub(crate) items: Vec<String>,
    pub(crate) source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    File { path: PathBuf, key: String },
    Variable(String),
    Flag(String),
}

impl Config {
    /// Reads everything. The error has all mistakes, each of them a sentence.
    pub(crate) fn load(inputs: &Inputs) -> Result<Loaded, Vec<String>> {
        let mut mistakes = Vec::new();
        let from_file = inputs.file_values(&mut mistakes);
        let from_variables = inputs.variable_values(&mut mistakes);
        let mut config = Self::default();
        let mut values = Vec::new();
        for setting in SETTINGS {
            let key = setting.key;
            let (items, source) = if let Some(items) = inputs.flags.get(key) {
                (setting.split(items), Source::Flag(setting.flag()))
            } else if let Some(text) = from_variables.get(key) {
                let items = setting.split(std::slice::from_ref(text));
                (items, Source::Variable(setting.variable()))
            } else if let Some((path, items)) = from_file.get(key) {
                let source = Source::File {
                    path: path.clone(),
                    key: key.to_owned(),
                };
                (items.clone(), source)
            } else {
                (setting.default_items(&inputs.platform), Source::Default)
            };
            if let Err(wrong) = setting.apply(&mut config, &items, &inputs.platform) {
                mistakes.push(format!(
                    "{source} is `{}`, expected {}",
                    setting.shown(&wrong),
                    setting.expected
                ));
            }
            values.push(Value {
                setting,
                items,
                source,
            });
        }
        config.check(&values, &mut mistakes);
        if mistakes.is_empty() {
            Ok(Loaded { config, values })
        } else {
            Err(mistakes)
        }
    }

    /// Reads where the data is and nothing else, for a command that only looks for the program.
    pub(crate) fn data_dir(inputs: &Inputs) -> Result<PathBuf, Vec<String>> {
        let mut mistakes = Vec::new();
        let from_file = inputs.file_values(&mut mistakes);
        let setting = Setting::named("data_dir").expect("it is in the table");
        let variable = inputs.variables.get(&setting.variable());
        let items = match (
            inputs.flags.get("data_dir"),
            variable,
            from_file.get("data_dir"),
        ) {
            (Some(items), ..) => items.clone(),
            (None, Some(text), _) => vec![text.clone()],
            (None, None, Some((_, items))) => items.clone(),
            (None, None, None) => setting.default_items(&inputs.platform),
        };
        let mut config = Self::default();
        if let Err(wrong) = setting.apply(&mut config, &items, &inputs.platform) {
            return Err(vec![format!(
                "`data_dir` is `{wrong}`, expected {}",
                setting.expected
            )]);
        }
        Ok(config.data_dir)
    }

    /// Returns where the database is.
    pub(crate) fn database(&self) -> DatabaseLocation {
        match &self.database {
            Some(it) => it.location.clone(),
            None => DatabaseLocation::Sqlite(self.data_dir.join("archestra.db")),
        }
    }

    /// Looks at what only makes sense together.
    fn check(&self, values: &[Value], mistakes: &mut Vec<String>) {
        let listen = values.iter().find(|it| it.setting.key == "listen");
        let source = listen.map_or(&Source::Default, |it| &it.source);
        if !self.allow_remote {
            for address in self.listen.iter().filter(|it| !it.ip().is_loopback()) {
                mistakes.push(format!(
                    "{source} has `{address}`, which other machines can reach; say `--allow-remote` if that is meant"
                ));
            }
        }
    }
}

impl Inputs {
    /// Takes what the process was given.
    pub(crate) fn of_process(
        flags: BTreeMap<&'static str, Vec<String>>,
        config_flag: Option<String>,
    ) -> anyhow::Result<Self> {
        let text = |it: std::ffi::OsString| it.into_string().ok();
        Ok(Self {
            platform: Platform::of_process()?,
            flags,
            config_flag,
            variables: std::env::vars_os()
                .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
                .collect(),
        })
    }

    /// Returns a variable of the environment that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(name)?;
        Some(value.as_str()).filter(|it| !it.is_empty())
    }

    fn file_values(&self, mistakes: &mut Vec<String>) -> BTreeMap<String, (PathBuf, Vec<String>)> {
        let named = self
            .config_flag
            .as_deref()
            .or_else(|| self.variable(CONFIG_VARIABLE));
        let path = match named {
            Some(path) => self.platform.absolute(path),
            None => self.platform.config_file.clone(),
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => file::read(&path, &text, mistakes),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
                BTreeMap::new()
            }
            Err(err) => {
                mistakes.push(format!(
                    "cannot read the settings in `{}`: {err}",
                    path.display()
                ));
                BTreeMap::new()
            }
        }
    }

    fn variable_values(&self, mistakes: &mut Vec<String>) -> BTreeMap<&'static str, String> {
        let mut values = BTreeMap::new();
        for (name, value) in &self.variables {
            let is_other = OTHER_VARIABLES.contains(&name.as_str())
                || OTHER_PREFIXES.iter().any(|it| name.starts_with(it));
            if !name.starts_with(PREFIX) || is_other {
                continue;
            }
            match SETTINGS.iter().find(|it| it.variable() == *name) {
                Some(setting) => {
                    values.insert(setting.key, value.clone());
                }
                None => {
                    let known = SETTINGS.iter().map(Setting::variable);
                    mistakes.push(unknown(name, "", known));
                }
            }
        }
        values
    }
}

impl Platform {
    fn of_process() -> anyhow::Result<Self> {
        let missing = || anyhow::anyhow!("there is no home directory; set `HOME`");
        let user = directories::BaseDirs::new().ok_or_else(missing)?;
        let dirs = directories::ProjectDirs::from("", "", "archestra").ok_or_else(missing)?;
        Ok(Self {
            home: user.home_dir().to_owned(),
            data_dir: dirs.data_dir().to_owned(),
            cache_dir: dirs.cache_dir().to_owned(),
            config_file: dirs.config_dir().join("config.toml"),
            current_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
        })
    }

    /// Returns the path as it is from anywhere. `~/` is the home directory.
    fn absolute(&self, text: &str) -> PathBuf {
        match text.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None => self.current_dir.join(text),
        }
    }
}

/// Says that something is no setting, with the one that may have been meant.
fn unknown(name: &str, place: &str, known: impl Iterator<Item = String>) -> String {
    let near = known
        .map(|it| (strsim::damerau_levenshtein(name, &it), it))
        .min()
        .filter(|(distance, it)| *distance <= 1 + it.len() / 5);
    match near {
        Some((_, it)) => format!("`{name}`{place} is not a setting; did you mean `{it}`?"),
        None => format!(
            "`{name}`{place} is not a setting; `archestra config dump` shows those that there are"
        ),
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::File { path, key } => write!(f, "`{key}` in `{}`", path.display()),
            Self::Variable(name) | Self::Flag(name) => write!(f, "`{name}`"),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            DatabaseLocation::Sqlite(path) => f.write_str(&path.to_string_lossy()),
            DatabaseLocation::Postgres(url) => f.write_str(&parse::without_password(url)),
        }
    }
}
