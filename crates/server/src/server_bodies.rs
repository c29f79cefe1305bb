//! Servers as the API shows and takes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    str::FromStr,
};

use domain::{
    BuildScripts, EnvName, FolderAccess, HostFolder, HostPort, Isolation, Limits, PackageRef,
    Registry, Secret, ServerSlug, ServerSpec, Source,
};
use orchestrator::{
    AddServer, InstallStep, ServerDetails, ServerStatus, ServerSummary, StoredInstall,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ApiError, server_tools::ToolChangesBody};

/// A server to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddServerBody {
    /// Up to 24 of `a-z`, `0-9` and `-`. Without it, it is made from the package's name.
    #[schema(value_type = Option<String>)]
    slug: Option<ServerSlug>,
    title: Option<String>,
    source: SourceBody,
    /// Arguments of the server's process, after the command itself.
    #[serde(default)]
    args: Vec<String>,
    /// Environment in clear, for what is no secret: it is stored and shown as it is.
    #[serde(default)]
    #[schema(value_type = HashMap<String, String>)]
    env: BTreeMap<EnvName, String>,
    /// Environment that is secret: names and values. The values are sealed before they are stored,
    /// and are in no answer. The server itself gets them in clear, so `give_secrets_in_clear` has to
    /// be true where there are any.
    #[serde(default)]
    #[schema(value_type = HashMap<String, String>, write_only)]
    secrets: serde_json::Value,
    /// Says that this server may see the values of `secrets`.
    #[serde(default)]
    give_secrets_in_clear: bool,
    /// Headers that go with each request to a remote server: names and values. The values are sealed,
    /// and are in no answer.
    #[serde(default)]
    #[schema(value_type = HashMap<String, String>, write_only)]
    headers: serde_json::Value,
    #[serde(default)]
    folders: Vec<FolderBody>,
    /// What the server may reach, as `host:port`. Nothing else can be.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    egress: BTreeSet<HostPort>,
    /// Without it, callers are kept apart where the server has secrets.
    isolation: Option<IsolationBody>,
    #[serde(default)]
    limits: LimitsBody,
    /// Keeps the server running while nobody uses it.
    #[serde(default)]
    keep_warm: bool,
    #[serde(default)]
    build_scripts: BuildScriptsBody,
}

/// Where a server comes from.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum SourceBody {
    /// A package that is installed once and run in a sandbox.
    Package {
        registry: RegistryBody,
        name: String,
        /// Without it, the newest one.
        version: Option<String>,
        /// The command to run, where the package has several.
        command: Option<String>,
    },
    /// A server that runs elsewhere and speaks streamable HTTP.
    Remote { url: String },
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RegistryBody {
    Npm,
    Pypi,
}

/// A folder of this machine that a server may use.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FolderBody {
    /// Its absolute path on this machine.
    host: String,
    /// Where the server finds it; absolute.
    inside: String,
    access: FolderAccessBody,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FolderAccessBody {
    ReadOnly,
    ReadWrite,
}

/// Which callers share a sandbox of a server.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IsolationBody {
    Shared,
    Principal,
}

/// What to do with a package that wants to run scripts of its own while it is installed.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BuildScriptsBody {
    /// Waits for a decision.
    #[default]
    Ask,
    Run,
    Skip,
}

/// The most that a server may take.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsBody {
    memory_bytes_max: u64,
    /// Thousandths of a processor.
    cpu_millis_max: u32,
    /// Processes and threads.
    pids_max: u32,
    /// Size of `/tmp`.
    tmp_bytes_max: u64,
    start_timeout_ms: u64,
    call_timeout_ms: u64,
    /// Calls under way at a time.
    calls_max: u32,
}

/// A server that was added.
#[derive(Serialize, ToSchema)]
pub(crate) struct AddedServerBody {
    id: String,
    slug: String,
    status: StatusBody,
}

/// How a server stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatusBody {
    state: StateBody,
    /// What is wrong, or what it waits for, in words.
    reason: Option<String>,
    /// The packages that want to run scripts, while it waits for consent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    packages: Vec<String>,
    /// Requests under way.
    requests: usize,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StateBody {
    Disabled,
    Installing,
    WaitingForConsent,
    InstallFailed,
    /// It starts when it is used.
    Ready,
    Starting,
    Running,
    Failed,
}

/// A server in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServerBody {
    id: String,
    slug: String,
    title: String,
    enabled: bool,
    status: StatusBody,
    source: SourceBody,
    /// How many tools it has.
    tools: usize,
    /// How many of its tools wait for a person to look at them.
    tools_waiting: usize,
    tool_changes: ToolChangesBody,
    /// Where clients find it alone, after the program's address.
    path: String,
}

/// All about a server.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServerDetailsBody {
    #[serde(flatten)]
    server: ServerBody,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    /// The names of its secrets; their values are shown to nobody.
    secrets: Vec<String>,
    /// The names of the headers that go with each request to it; their values are shown to nobody.
    headers: Vec<String>,
    folders: Vec<FolderBody>,
    egress: Vec<String>,
    /// What was chosen or, where nothing was, follows from the rule.
    isolation: IsolationBody,
    limits: LimitsBody,
    keep_warm: bool,
    build_scripts: BuildScriptsBody,
    /// Its newest install, whatever came of it.
    install: Option<InstallBody>,
    /// What this machine cannot hold its sandbox to, in words.
    warnings: Vec<String>,
    created_at_ms: u64,
    updated_at_ms: u64,
}

/// One installation of a package.
#[derive(Serialize, ToSchema)]
pub(crate) struct InstallBody {
    id: String,
    /// `pending`, `running`, `waiting_for_consent`, `ready`, `failed` or `superseded`.
    state: String,
    /// From 1.
    attempt: u32,
    resolved_version: Option<String>,
    /// The package's own hash, as its registry gives it.
    integrity: Option<String>,
    lock_sha256: Option<String>,
    /// Packages that have scripts of their own.
    build_scripts: Vec<String>,
    /// `none`, `run` or `skip`.
    consent: String,
    /// The command that starts the server.
    argv: Option<Vec<String>>,
    size_bytes: Option<u64>,
    failure: Option<String>,
    steps: Vec<InstallStepBody>,
    created_at_ms: u64,
    updated_at_ms: u64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct InstallStepBody {
    name: String,
    /// `pending`, `running`, `done`, `failed` or `skipped`.
    state: String,
    started_at_ms: Option<u64>,
    ended_at_ms: Option<u64>,
    reason: Option<String>,
    log: String,
}

impl AddServerBody {
    pub(crate) fn into_domain(self) -> Result<AddServer, ApiError> {
        let secrets: BTreeMap<EnvName, _> = secret_values("secrets", self.secrets)?;
        let headers = secret_values("headers", self.headers)?;
        refuse_unconfirmed(secrets.keys(), self.give_secrets_in_clear)?;
        let spec = ServerSpec {
            source: self.source.into(),
            args: self.args,
            env: self.env,
            secrets: BTreeMap::new(),
            folders: self.folders.into_iter().map(Into::into).collect(),
            egress: self.egress,
            isolation: self.isolation.map(Into::into),
            limits: self.limits.into(),
            keep_warm: self.keep_warm,
            build_scripts: self.build_scripts.into(),
        };
        Ok(AddServer {
            slug: self.slug,
            title: self.title,
            spec,
            secrets,
            headers,
        })
    }
}

/// Refuses to give secrets to a server where nobody has said that it may see them.
pub(crate) fn refuse_unconfirmed<'a>(
    names: impl IntoIterator<Item = &'a EnvName>,
    is_confirmed: bool,
) -> Result<(), ApiError> {
    let names: Vec<String> = names.into_iter().map(|it| format!("`{it}`")).collect();
    if names.is_empty() || is_confirmed {
        return Ok(());
    }
    let message = format!(
        "the server would see the value of {} in clear, and `give_secrets_in_clear` is not true",
        names.join(", ")
    );
    let status = axum::http::StatusCode::BAD_REQUEST;
    Err(ApiError::new(status, "secrets_not_confirmed", message)
        .hint("set `give_secrets_in_clear` to true if this server may see them"))
}

/// Takes the values of secrets out of a body. No error repeats one.
fn secret_values<N>(
    field: &str,
    secrets: serde_json::Value,
) -> Result<BTreeMap<N, Secret<String>>, ApiError>
where
    N: FromStr<Err: Display> + Ord,
{
    let secrets = match secrets {
        serde_json::Value::Null => return Ok(BTreeMap::new()),
        serde_json::Value::Object(secrets) => secrets,
        _ => {
            return Err(ApiError::invalid(format!(
                "`{field}` must be an object of names and values"
            )));
        }
    };
    let mut values = BTreeMap::new();
    for (name, value) in secrets {
        let serde_json::Value::String(value) = value else {
            return Err(ApiError::invalid(format!(
                "`{field}.{name}` must be a text"
            )));
        };
        let key: N = name
            .parse()
            .map_err(|err| ApiError::invalid(format!("`{field}`: {err}")))?;
        if values.insert(key, Secret::new(value)).is_some() {
            return Err(ApiError::invalid(format!(
                "`{field}.{name}` is given twice"
            )));
        }
    }
    Ok(values)
}

impl AddedServerBody {
    pub(crate) fn new(summary: &ServerSummary) -> Self {
        Self {
            id: summary.row.stored.id.to_string(),
            slug: summary.row.stored.slug.to_string(),
            status: StatusBody::from(&summary.status),
        }
    }
}

impl From<&ServerSummary> for ServerBody {
    fn from(summary: &ServerSummary) -> Self {
        let stored = &summary.row.stored;
        Self {
            id: stored.id.to_string(),
            slug: stored.slug.to_string(),
            title: stored.title.clone(),
            enabled: stored.enabled,
            status: StatusBody::from(&summary.status),
            source: SourceBody::from(&stored.spec.source),
            tools: summary.tools,
            tools_waiting: summary.tools_waiting,
            tool_changes: stored.tool_changes.into(),
            path: format!("/mcp/{}", stored.slug),
        }
    }
}

impl From<&ServerDetails> for ServerDetailsBody {
    fn from(details: &ServerDetails) -> Self {
        let stored = &details.summary.row.stored;
        // Taken apart, so that a new field is either shown or left out on purpose.
        let ServerSpec {
            source,
            args,
            env,
            secrets,
            folders,
            egress,
            isolation: _,
            limits,
            keep_warm,
            build_scripts,
        } = &stored.spec;
        let install = details.install.as_ref();
        Self {
            server: ServerBody::from(&details.summary),
            args: args.clone(),
            env: env
                .iter()
                .map(|(name, value)| (name.to_string(), value.clone()))
                .collect(),
            secrets: secrets.keys().map(ToString::to_string).collect(),
            headers: match source {
                Source::Remote { headers, .. } => headers.keys().map(ToString::to_string).collect(),
                Source::Package(_) => Vec::new(),
            },
            folders: folders.iter().map(FolderBody::from).collect(),
            egress: egress.iter().map(ToString::to_string).collect(),
            isolation: stored.spec.isolation().into(),
            limits: (*limits).into(),
            keep_warm: *keep_warm,
            build_scripts: (*build_scripts).into(),
            install: install.map(|(install, steps)| InstallBody::new(install, steps)),
            warnings: details.warnings.clone(),
            created_at_ms: stored.created_at.unix_ms,
            updated_at_ms: stored.updated_at.unix_ms,
        }
    }
}

impl InstallBody {
    fn new(install: &StoredInstall, steps: &[InstallStep]) -> Self {
        Self {
            id: install.id.to_string(),
            state: install.state.as_str().to_owned(),
            attempt: install.attempt,
            resolved_version: install.resolved_version.clone(),
            integrity: install.integrity.clone(),
            lock_sha256: install.lock_sha256.clone(),
            build_scripts: install.build_scripts.clone(),
            consent: install.consent.as_str().to_owned(),
            argv: install.argv.clone(),
            size_bytes: install.size_bytes,
            failure: install.failure.clone(),
            steps: steps.iter().map(InstallStepBody::from).collect(),
            created_at_ms: install.created_at.unix_ms,
            updated_at_ms: install.updated_at.unix_ms,
        }
    }
}

impl From<&InstallStep> for InstallStepBody {
    fn from(step: &InstallStep) -> Self {
        Self {
            name: step.name.clone(),
            state: step.state.as_str().to_owned(),
            started_at_ms: step.started_at.map(|it| it.unix_ms),
            ended_at_ms: step.ended_at.map(|it| it.unix_ms),
            reason: step.reason.clone(),
            log: step.log.clone(),
        }
    }
}

impl From<&ServerStatus> for StatusBody {
    fn from(status: &ServerStatus) -> Self {
        let state = match status {
            ServerStatus::Disabled => StateBody::Disabled,
            ServerStatus::Installing { .. } => StateBody::Installing,
            ServerStatus::WaitingForConsent { .. } => StateBody::WaitingForConsent,
            ServerStatus::InstallFailed { .. } => StateBody::InstallFailed,
            ServerStatus::Ready => StateBody::Ready,
            ServerStatus::Starting => StateBody::Starting,
            ServerStatus::Running { .. } => StateBody::Running,
            ServerStatus::Failed { .. } => StateBody::Failed,
        };
        let packages = match status {
            ServerStatus::WaitingForConsent { packages } => packages.clone(),
            _ => Vec::new(),
        };
        let requests = match status {
            ServerStatus::Running { requests } => *requests,
            _ => 0,
        };
        Self {
            state,
            reason: status.reason(),
            packages,
            requests,
        }
    }
}

impl From<SourceBody> for Source {
    fn from(body: SourceBody) -> Self {
        match body {
            SourceBody::Package {
                registry,
                name,
                version,
                command,
            } => Self::Package(PackageRef {
                registry: match registry {
                    RegistryBody::Npm => Registry::Npm,
                    RegistryBody::Pypi => Registry::Pypi,
                },
                name,
                version,
                command,
            }),
            SourceBody::Remote { url } => Self::Remote {
                url,
                headers: BTreeMap::new(),
            },
        }
    }
}

impl From<&Source> for SourceBody {
    fn from(source: &Source) -> Self {
        match source {
            Source::Package(package) => Self::Package {
                registry: match package.registry {
                    Registry::Npm => RegistryBody::Npm,
                    Registry::Pypi => RegistryBody::Pypi,
                },
                name: package.name.clone(),
                version: package.version.clone(),
                command: package.command.clone(),
            },
            Source::Remote { url, headers: _ } => Self::Remote { url: url.clone() },
        }
    }
}

impl From<FolderBody> for HostFolder {
    fn from(body: FolderBody) -> Self {
        Self {
            host: body.host.into(),
            inside: body.inside,
            access: match body.access {
                FolderAccessBody::ReadOnly => FolderAccess::ReadOnly,
                FolderAccessBody::ReadWrite => FolderAccess::ReadWrite,
            },
        }
    }
}

impl From<&HostFolder> for FolderBody {
    fn from(folder: &HostFolder) -> Self {
        Self {
            host: folder.host.display().to_string(),
            inside: folder.inside.clone(),
            access: match folder.access {
                FolderAccess::ReadOnly => FolderAccessBody::ReadOnly,
                FolderAccess::ReadWrite => FolderAccessBody::ReadWrite,
            },
        }
    }
}

impl From<IsolationBody> for Isolation {
    fn from(body: IsolationBody) -> Self {
        match body {
            IsolationBody::Shared => Self::Shared,
            IsolationBody::Principal => Self::Principal,
        }
    }
}

impl From<Isolation> for IsolationBody {
    fn from(isolation: Isolation) -> Self {
        match isolation {
            Isolation::Shared => Self::Shared,
            Isolation::Principal => Self::Principal,
        }
    }
}

impl From<BuildScriptsBody> for BuildScripts {
    fn from(body: BuildScriptsBody) -> Self {
        match body {
            BuildScriptsBody::Ask => Self::Ask,
            BuildScriptsBody::Run => Self::Run,
            BuildScriptsBody::Skip => Self::Skip,
        }
    }
}

impl From<BuildScripts> for BuildScriptsBody {
    fn from(scripts: BuildScripts) -> Self {
        match scripts {
            BuildScripts::Ask => Self::Ask,
            BuildScripts::Run => Self::Run,
            BuildScripts::Skip => Self::Skip,
        }
    }
}

impl Default for LimitsBody {
    fn default() -> Self {
        Limits::default().into()
    }
}

impl From<LimitsBody> for Limits {
    fn from(body: LimitsBody) -> Self {
        let LimitsBody {
            memory_bytes_max,
            cpu_millis_max,
            pids_max,
            tmp_bytes_max,
            start_timeout_ms,
            call_timeout_ms,
            calls_max,
        } = body;
        Self {
            memory_bytes_max,
            cpu_millis_max,
            pids_max,
            tmp_bytes_max,
            start_timeout_ms,
            call_timeout_ms,
            calls_max,
        }
    }
}

impl From<Limits> for LimitsBody {
    fn from(limits: Limits) -> Self {
        let Limits {
            memory_bytes_max,
            cpu_millis_max,
            pids_max,
            tmp_bytes_max,
            start_timeout_ms,
            call_timeout_ms,
            calls_max,
        } = limits;
        Self {
            memory_bytes_max,
            cpu_millis_max,
            pids_max,
            tmp_bytes_max,
            start_timeout_ms,
            call_timeout_ms,
            calls_max,
        }
    }
}
