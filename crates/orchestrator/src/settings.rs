use std::{path::PathBuf, time::Duration};

use domain::HostPort;

/// What the operator has set, and what the program has brought along.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The program's own data, which no server may have.
    pub data_dir: PathBuf,
    /// The image that servers run in.
    pub image: String,
    /// How it is made here; `None` for one that comes from elsewhere.
    pub image_recipe: Option<sandbox::image::ImageSettings>,
    /// SHA-256 of the bridge, in hexadecimal digits.
    pub bridge_hash: String,
    pub registries: Registries,
    /// The host's bundle of certificate authorities, where it is not the system's own. It is
    /// mounted into sandboxes and named to the programs there.
    pub ca_bundle: Option<PathBuf>,
    /// The longest line that a server may write, which is its longest message, in bytes.
    pub line_bytes_max: u32,
    /// From the end of a process's input to `SIGTERM`, and from that to `SIGKILL`.
    pub stop_grace: Duration,
    /// The most that one install may take on disk.
    pub install_bytes_max: u64,
    /// What has to be free on disk for an install to begin and go on.
    pub install_free_bytes_min: u64,
    /// For each step of an install.
    pub install_step_timeout: Duration,
    /// How often the disk is looked at while a package is fetched.
    pub install_watch_period: Duration,
    /// Installs under way at a time.
    pub installs_max: usize,
    /// How long a client's request for approval stays open, and how long a permission for one call
    /// holds.
    pub approval_open: Duration,
    /// The most memories of one principal.
    pub memories_max: u64,
    /// The most that a chat's model is told of memories, in bytes. With 0 it is told nothing.
    pub memory_prompt_bytes_max: usize,
    /// A new chat has all tools where there are at most so many, beside those of the built-in
    /// server; where there are more it begins with none.
    pub chat_tools_default_max: usize,
    /// Audit rows older than this are deleted.
    pub audit_keep: Duration,
    pub audit_rows_max: u64,
    /// Model servers on this machine that are looked for. Each has an address of loopback.
    pub model_servers: Vec<agent::Candidate>,
    /// How long one of them may take to answer.
    pub model_servers_timeout: Duration,
    /// How long it holds what a provider has said that it has, and what was found.
    pub models_keep: Duration,
    /// Where the scripted model is, if there is one; made by [`agent::base_url`].
    pub demo_model: Option<url::Url>,
    pub models: agent::ClientSettings,
    /// Events that are kept for readers who come back or are slow.
    pub events_kept_max: usize,
    pub events_kept_bytes_max: usize,
    /// Turns of models at a time; further runs wait for one of them.
    pub runs_max: usize,
    /// How long the words of a model are gathered before they are stored and shown.
    pub run_commit_interval: Duration,
    /// The same in bytes.
    pub run_commit_bytes: usize,
    /// What is kept of one run in memory for those who read along; the rest is in the store.
    pub run_live_events_max: usize,
    pub run_live_bytes_max: usize,
    /// The longest message of a person, its images included.
    pub chat_message_bytes_max: usize,
    pub turn: agent::TurnSettings,
    /// How long the reconciler waits from one round to the next when nothing happens.
    pub reconcile_period: Duration,
}

/// Where packages come from. `None` asks npm's and pip's own configuration in the base image.
#[derive(Debug, Clone, Default)]
pub struct Registries {
    pub npm: Option<String>,
    pub pypi: Option<String>,
    /// Further hosts that packages' files come from.
    pub hosts: Vec<HostPort>,
}

impl Settings {
    /// Returns the defaults, for a data directory, an image and a bridge.
    pub fn new(data_dir: PathBuf, image: String, bridge_hash: String) -> Self {
        Self {
            data_dir,
            image,
            image_recipe: None,
            bridge_hash,
            registries: Registries::default(),
            ca_bundle: None,
            line_bytes_max: 16 << 20,
            stop_grace: Duration::from_secs(2),
            install_bytes_max: 2 << 30,
            install_free_bytes_min: 256 << 20,
            install_step_timeout: Duration::from_secs(10 * 60),
            install_watch_period: Duration::from_secs(1),
            installs_max: 2,
            approval_open: Duration::from_secs(10 * 60),
            memories_max: 200,
            memory_prompt_bytes_max: 8 << 10,
            chat_tools_default_max: 40,
            audit_keep: Duration::from_secs(90 * 24 * 60 * 60),
            audit_rows_max: 1_000_000,
            model_servers: Vec::new(),
            model_servers_timeout: Duration::from_secs(1),
            models_keep: Duration::from_secs(30),
            demo_model: None,
            models: agent::ClientSettings::default(),
            events_kept_max: 4_096,
            events_kept_bytes_max: 2 << 20,
            runs_max: 32,
            run_commit_interval: Duration::from_millis(50),
            run_commit_bytes: 16 << 10,
            run_live_events_max: 1_024,
            run_live_bytes_max: 1 << 20,
            chat_message_bytes_max: 3 << 20,
            turn: agent::TurnSettings::default(),
            reconcile_period: Duration::from_secs(30),
        }
    }
}
