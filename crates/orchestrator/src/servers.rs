//! The use cases about servers: add, look, change, restart, remove.

use std::{collections::BTreeMap, path::Component, sync::Arc};

use domain::{
    Caller, EnvName, HostPort, InstallId, PackageRef, Registry, Secret, SecretId, ServerId,
    ServerSlug, ServerSpec, Source,
};
use store::{
    AuditEvent, AuditFilter, AuditRow, Consent, InstallState, InstallStep, NewInstall, NewSecret,
    NewServer, StoredInstall,
};

use crate::{
    Error, LogLine, Orchestrator, Row, ServerStatus, Shared,
    connect::secret_binding,
    directory, error_chain, install,
    status::{OpenInstall, status},
};

const ARGS_MAX: usize = 64;
const ENV_MAX: usize = 128;
const VALUE_BYTES_MAX: usize = 32 << 10;
const HOSTS_MAX: usize = 256;
const FOLDERS_MAX: usize = 32;
const TITLE_CHARS_MAX: usize = 80;

/// A server that somebody wants to add.
#[derive(Debug)]
pub struct AddServer {
    /// `None` is made from the package's name or the address.
    pub slug: Option<ServerSlug>,
    pub title: Option<String>,
    pub spec: ServerSpec,
    /// Values that the person gives to this server in clear. They are sealed before they are stored.
    pub secrets: BTreeMap<EnvName, Secret<String>>,
}

/// A change of one server.
#[derive(Debug, Clone)]
pub enum ServerChange {
    Enable(bool),
    /// Lets it reach a host.
    Allow(HostPort),
    Disallow(HostPort),
}

/// A server in a list.
#[derive(Debug, Clone)]
pub struct ServerSummary {
    pub row: Arc<Row>,
    pub status: ServerStatus,
    pub tools: usize,
}

/// All about one server.
#[derive(Debug, Clone)]
pub struct ServerDetails {
    pub summary: ServerSummary,
    /// Its newest install, whatever came of it.
    pub install: Option<(StoredInstall, Vec<InstallStep>)>,
    /// What the host cannot hold its sandbox to, in words.
    pub warnings: Vec<String>,
}

impl Orchestrator {
    /// Records that a server is wanted. A package is installed in the background; see
    /// [`server`](Self::server) for how far that is.
    pub async fn add_server(&self, add: AddServer, by: &Caller) -> Result<ServerId, Error> {
        let shared = &self.shared;
        let AddServer {
            slug,
            title,
            mut spec,
            secrets,
        } = add;
        check_spec(&spec, shared)?;
        let id = ServerId::from_uuid(uuid::Uuid::now_v7());
        let name = source_name(&spec.source);
        let slug = match slug {
            Some(slug) => slug,
            None => self.free_slug(&ServerSlug::suggest(&name)),
        };
        let title = title
            .unwrap_or(name)
            .chars()
            .take(TITLE_CHARS_MAX)
            .collect();
        let sealed = seal(shared, id, &mut spec, secrets, by)?;
        let install = match &spec.source {
            Source::Package(package) => Some(new_install(package)),
            Source::Remote { .. } => None,
        };
        let audit = AuditEvent {
            server: Some(id),
            server_slug: Some(slug.to_string()),
            detail: Some(serde_json::json!({
                "source": spec.source,
                "args": spec.args,
                "env": spec.env.keys().collect::<Vec<_>>(),
                "secrets_given_in_clear": spec.secrets.keys().collect::<Vec<_>>(),
                "folders": spec.folders,
                "egress": spec.egress,
            })),
            ..self.event("server.add", by)
        };
        let server = NewServer {
            id,
            slug,
            title,
            spec,
            enabled: true,
            secrets: sealed,
        };
        let created = shared
            .store
            .create_server(&server, install.as_ref(), &audit)
            .await;
        created.map_err(Error::of_store)?;
        directory::sync(shared).await?;
        match install {
            Some(install) => install::begin(shared, install.id),
            None => self.look_at(server.slug),
        }
        Ok(id)
    }

    /// Returns all servers, in the order of their slugs.
    pub async fn servers(&self) -> Result<Vec<ServerSummary>, Error> {
        let rows = self.shared.directory.rows();
        let mut all = Vec::new();
        for row in rows.values() {
            all.push(self.summary(row).await?);
        }
        all.sort_by(|a, b| a.row.stored.slug.cmp(&b.row.stored.slug));
        Ok(all)
    }

    /// Returns all about the server with this slug or identifier.
    pub async fn server(&self, name_or_id: &str) -> Result<ServerDetails, Error> {
        let row = self.find(name_or_id)?;
        let install = self.newest_install(row.stored.id).await?;
        let steps = match &install {
            Some(install) => self.shared.store.install_steps(install.id).await,
            None => Ok(Vec::new()),
        };
        let steps = steps.map_err(Error::of_store)?;
        let facts = match row.stored.spec.source {
            Source::Package(_) => self.shared.sandbox.facts().await.ok(),
            Source::Remote { .. } => None,
        };
        Ok(ServerDetails {
            summary: self.summary(&row).await?,
            install: install.map(|it| (it, steps)),
            warnings: facts.map(|it| it.warnings).unwrap_or_default(),
        })
    }

    /// Changes a server.
    pub async fn change_server(
        &self,
        name_or_id: &str,
        change: ServerChange,
        by: &Caller,
    ) -> Result<(), Error> {
        let shared = &self.shared;
        let row = self.find(name_or_id)?;
        let id = row.stored.id;
        let mut spec = row.stored.spec.clone();
        let (kind, detail) = match &change {
            ServerChange::Enable(true) => ("server.enable", serde_json::Value::Null),
            ServerChange::Enable(false) => ("server.disable", serde_json::Value::Null),
            ServerChange::Allow(host) => ("egress.allow", serde_json::json!({ "host": host })),
            ServerChange::Disallow(host) => {
                ("egress.disallow", serde_json::json!({ "host": host }))
            }
        };
        let audit = AuditEvent {
            server: Some(id),
            server_slug: Some(row.stored.slug.to_string()),
            detail: Some(detail),
            ..self.event(kind, by)
        };
        let changed = match change {
            ServerChange::Enable(enabled) => shared.store.set_enabled(id, enabled, &audit).await,
            ServerChange::Allow(host) => {
                spec.egress.insert(host);
                check_spec(&spec, shared)?;
                shared.store.update_server_spec(id, &spec, &audit).await
            }
            ServerChange::Disallow(host) => {
                if !spec.egress.remove(&host) {
                    return Err(Error::not_found(format!(
                        "host `{host}` on the server's list"
                    )));
                }
                shared.store.update_server_spec(id, &spec, &audit).await
            }
        };
        changed.map_err(Error::of_store)?;
        directory::sync(shared).await
    }

    /// Ends the server's processes and its sandboxes, and begins anew with the next call.
    pub async fn restart_server(&self, name_or_id: &str, by: &Caller) -> Result<(), Error> {
        let row = self.find(name_or_id)?;
        let id = row.stored.id;
        let audit = AuditEvent {
            server: Some(id),
            server_slug: Some(row.stored.slug.to_string()),
            ..self.event("server.restart", by)
        };
        let shared = &self.shared;
        shared
            .store
            .write_audit(&[audit])
            .await
            .map_err(Error::of_store)?;
        let touched = shared.store.touch_server(id).await;
        touched.map_err(Error::of_store)?;
        directory::sync(shared).await?;
        self.gateway().restart_server(id);
        if row.is_usable() {
            self.look_at(row.stored.slug.clone());
        }
        Ok(())
    }

    /// Removes a server with all that was made for it.
    pub async fn remove_server(&self, name_or_id: &str, by: &Caller) -> Result<(), Error> {
        let row = self.find(name_or_id)?;
        let id = row.stored.id;
        let audit = AuditEvent {
            server: Some(id),
            server_slug: Some(row.stored.slug.to_string()),
            ..self.event("server.remove", by)
        };
        let installs = self
            .shared
            .store
            .installs_of(id)
            .await
            .map_err(Error::of_store)?;
        let deleted = self.shared.store.delete_server(id, &audit).await;
        deleted.map_err(Error::of_store)?;
        for install in installs {
            self.shared.installer.cancel(install.id);
        }
        directory::sync(&self.shared).await?;
        install::sweep_soon(&self.shared);
        Ok(())
    }

    /// Begins a failed install again. What it had resolved is kept.
    pub async fn retry_install(&self, name_or_id: &str, by: &Caller) -> Result<(), Error> {
        let row = self.find(name_or_id)?;
        let install = self.newest_install(row.stored.id).await?;
        let install = install.filter(|it| it.state == InstallState::Failed);
        let install = install.ok_or_else(|| Error::Conflict {
            reason: format!("server `{}` has no failed install", row.stored.slug),
        })?;
        let audit = AuditEvent {
            server: Some(row.stored.id),
            server_slug: Some(row.stored.slug.to_string()),
            ..self.event("install.retry", by)
        };
        let store = &self.shared.store;
        store.write_audit(&[audit]).await.map_err(Error::of_store)?;
        if store
            .reset_for_retry(install.id)
            .await
            .map_err(Error::of_store)?
        {
            install::begin(&self.shared, install.id);
        }
        Ok(())
    }

    /// Decides whether a package may run its own scripts while it is installed.
    pub async fn decide_build_scripts(
        &self,
        name_or_id: &str,
        run: bool,
        by: &Caller,
    ) -> Result<(), Error> {
        let row = self.find(name_or_id)?;
        let install = self.newest_install(row.stored.id).await?;
        let conflict = || Error::Conflict {
            reason: format!("server `{}` waits for no decision", row.stored.slug),
        };
        let waiting = install.filter(|it| it.state == InstallState::WaitingForConsent);
        let install = waiting.ok_or_else(conflict)?;
        let audit = AuditEvent {
            server: Some(row.stored.id),
            server_slug: Some(row.stored.slug.to_string()),
            detail: Some(serde_json::json!({ "run": run, "packages": install.build_scripts })),
            ..self.event("install.consent", by)
        };
        let consent = if run { Consent::Run } else { Consent::Skip };
        let decided = self
            .shared
            .store
            .set_consent(install.id, consent, &audit)
            .await;
        if !decided.map_err(Error::of_store)? {
            return Err(conflict());
        }
        install::begin(&self.shared, install.id);
        Ok(())
    }

    /// Returns the last lines that a server has written, from after line `after`.
    pub fn server_logs(
        &self,
        name_or_id: &str,
        after: u64,
        lines_max: usize,
    ) -> Result<Vec<LogLine>, Error> {
        let row = self.find(name_or_id)?;
        Ok(self.shared.logs.of(row.stored.id).after(after, lines_max))
    }

    /// Waits until a server has written more than `after` lines.
    ///
    /// Cancel safe.
    pub async fn wait_for_logs(&self, name_or_id: &str, after: u64) -> Result<(), Error> {
        let row = self.find(name_or_id)?;
        let log = self.shared.logs.of(row.stored.id);
        let mut last = log.last();
        // The log goes with its server; then there is nothing more to wait for.
        let _more = last.wait_for(|it| after < *it).await;
        Ok(())
    }

    /// Returns a page of the audit.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, Error> {
        self.shared
            .store
            .audit_page(filter)
            .await
            .map_err(Error::of_store)
    }

    pub(crate) fn event(&self, kind: &'static str, by: &Caller) -> AuditEvent {
        AuditEvent {
            principal: Some(by.principal.clone()),
            token: by.token,
            ..AuditEvent::new(self.shared.now(), kind)
        }
    }

    fn find(&self, name_or_id: &str) -> Result<Arc<Row>, Error> {
        let directory = &self.shared.directory;
        let by_id = name_or_id.parse().ok().and_then(|id| directory.row(id));
        let found = by_id.or_else(|| directory.row_by_slug(&ServerSlug::new(name_or_id).ok()?));
        found.ok_or_else(|| Error::not_found(format!("server `{name_or_id}`")))
    }

    async fn summary(&self, row: &Arc<Row>) -> Result<ServerSummary, Error> {
        let open = match row.install {
            Some(_) => None,
            None => self.newest_install(row.stored.id).await?,
        };
        let open = match open {
            None => None,
            Some(install) => {
                let steps = self.shared.store.install_steps(install.id).await;
                let steps = steps.map_err(Error::of_store)?;
                let running = steps
                    .into_iter()
                    .find(|it| it.state == store::StepState::Running);
                Some(OpenInstall {
                    state: install.state,
                    step: running.map(|it| it.name),
                    failure: install.failure,
                    build_scripts: install.build_scripts,
                })
            }
        };
        let owner = Caller {
            principal: domain::PrincipalName::owner(),
            token: None,
            kind: domain::CallerKind::Person,
            access: domain::Access {
                servers: Some([row.stored.slug.clone()].into()),
                tools: None,
            },
        };
        Ok(ServerSummary {
            status: status(&self.shared, row, open),
            tools: self.gateway().tools(&owner).len(),
            row: row.clone(),
        })
    }

    async fn newest_install(&self, id: ServerId) -> Result<Option<StoredInstall>, Error> {
        let installs = self
            .shared
            .store
            .installs_of(id)
            .await
            .map_err(Error::of_store)?;
        Ok(installs.into_iter().max_by_key(|it| it.created_at))
    }

    /// Returns the slug, or the first one with a number that is free.
    fn free_slug(&self, wished: &ServerSlug) -> ServerSlug {
        let is_free = |slug: &ServerSlug| self.shared.directory.row_by_slug(slug).is_none();
        if is_free(wished) {
            return wished.clone();
        }
        let numbered = (2..).find_map(|number: u32| {
            let end = format!("-{number}");
            let kept = domain::SLUG_LEN_MAX - end.len();
            let base: String = wished.as_str().chars().take(kept).collect();
            let slug = ServerSlug::new(&format!("{base}{end}")).ok()?;
            is_free(&slug).then_some(slug)
        });
        numbered.expect("there are more numbers than servers")
    }

    /// Starts the server once, so that its tools are known.
    fn look_at(&self, slug: ServerSlug) {
        let this = self.clone();
        self.shared.tasks.spawn(async move {
            look_at(&this.shared, &slug).await;
        });
    }
}

/// Starts a server once and reads its lists. What goes wrong is in its status and its log.
pub(crate) async fn look_at(shared: &Arc<Shared>, slug: &ServerSlug) {
    let owner = domain::PrincipalName::owner();
    let looked = shared.gateway().refresh(slug, &owner);
    let looked = shared.shutdown.run_until_cancelled(looked).await;
    if let Some(Err(err)) = looked
        && let Some(row) = shared.directory.row_by_slug(slug)
    {
        let log = shared.logs.of(row.stored.id);
        log.note(shared.now(), error_chain(&err));
    }
}

pub(crate) fn new_install(package: &PackageRef) -> NewInstall {
    let id = InstallId::from_uuid(uuid::Uuid::now_v7());
    NewInstall {
        id,
        volume: install::volume_name(id),
        package: package.clone(),
        steps: install::STEPS.iter().map(|it| (*it).to_owned()).collect(),
    }
}

/// Seals what the person gives, and notes its names in the spec.
fn seal(
    shared: &Shared,
    server: ServerId,
    spec: &mut ServerSpec,
    secrets: BTreeMap<EnvName, Secret<String>>,
    by: &Caller,
) -> Result<Vec<NewSecret>, Error> {
    let mut sealed = Vec::new();
    for (name, value) in secrets {
        if spec.env.contains_key(&name) {
            return Err(Error::invalid(format!(
                "`{name}` is given both as a secret and in clear"
            )));
        }
        let id = SecretId::from_uuid(uuid::Uuid::now_v7());
        let binding = secret_binding(server, id, name.as_str());
        let value = shared
            .vault
            .seal(&binding, &value)
            .map_err(|err| Error::invalid(format!("secret `{name}`: {}", error_chain(&err))))?;
        sealed.push(NewSecret {
            id,
            server: Some(server),
            name: name.to_string(),
            sealed: value,
            given_by: by.principal.clone(),
        });
        spec.secrets.insert(name, id);
    }
    Ok(sealed)
}

fn source_name(source: &Source) -> String {
    match source {
        Source::Package(package) => package.name.clone(),
        Source::Remote { url } => {
            let url = url::Url::parse(url).ok();
            let host = url.and_then(|it| it.host_str().map(ToOwned::to_owned));
            host.unwrap_or_else(|| "remote".to_owned())
        }
    }
}

/// Refuses what makes no sense, before anything of it is stored.
fn check_spec(spec: &ServerSpec, shared: &Shared) -> Result<(), Error> {
    match &spec.source {
        Source::Package(package) => check_package(package)?,
        Source::Remote { url } => check_url(url)?,
    }
    let too_many = |what: &str, max: usize| Err(Error::invalid(format!("more than {max} {what}")));
    if ARGS_MAX < spec.args.len() {
        return too_many("arguments", ARGS_MAX);
    }
    if ENV_MAX < spec.env.len() + spec.secrets.len() {
        return too_many("environment variables", ENV_MAX);
    }
    if HOSTS_MAX < spec.egress.len() {
        return too_many("hosts", HOSTS_MAX);
    }
    if FOLDERS_MAX < spec.folders.len() {
        return too_many("folders", FOLDERS_MAX);
    }
    let texts = spec.args.iter().chain(spec.env.values());
    for text in texts {
        if VALUE_BYTES_MAX < text.len() || text.contains('\0') {
            return Err(Error::invalid(format!(
                "an argument or a value is longer than {VALUE_BYTES_MAX} bytes or has a zero byte in it"
            )));
        }
    }
    for folder in &spec.folders {
        check_folder(folder, shared)?;
    }
    let limits = spec.limits;
    let least = [
        ("memory_bytes_max", limits.memory_bytes_max, 32 << 20),
        ("cpu_millis_max", u64::from(limits.cpu_millis_max), 10),
        ("pids_max", u64::from(limits.pids_max), 8),
        ("tmp_bytes_max", limits.tmp_bytes_max, 1 << 20),
        ("start_timeout_ms", limits.start_timeout_ms, 100),
        ("call_timeout_ms", limits.call_timeout_ms, 100),
        ("calls_max", u64::from(limits.calls_max), 1),
    ];
    for (name, value, least) in least {
        if value < least {
            return Err(Error::invalid(format!(
                "limit `{name}` is {value}, the least is {least}"
            )));
        }
    }
    Ok(())
}

fn check_folder(folder: &domain::HostFolder, shared: &Shared) -> Result<(), Error> {
    let inside = std::path::Path::new(&folder.inside);
    let is_plain = |path: &std::path::Path| {
        path.is_absolute()
            && path
                .components()
                .all(|it| matches!(it, Component::RootDir | Component::Normal(_)))
    };
    if !is_plain(&folder.host) {
        return Err(Error::invalid(format!(
            "folder `{}` must be an absolute path without `..`",
            folder.host.display()
        )));
    }
    let taken = [
        "/install",
        "/.archestra",
        "/run",
        "/proc",
        "/sys",
        "/dev",
        "/tmp",
        "/etc",
        "/usr",
    ];
    let is_taken = taken.iter().any(|it| inside.starts_with(it));
    if !is_plain(inside) || inside.parent().is_none() || is_taken {
        return Err(Error::invalid_with(
            format!("`{}` cannot be a folder's place inside", folder.inside),
            "take an absolute path of its own, for instance `/data`",
        ));
    }
    let data = &shared.settings.data_dir;
    if folder.host.starts_with(data) || data.starts_with(&folder.host) {
        return Err(Error::invalid(format!(
            "folder `{}` holds this program's own data",
            folder.host.display()
        )));
    }
    Ok(())
}

/// What would be taken for an option, a path, an address or an alias is no package's name.
fn check_package(package: &PackageRef) -> Result<(), Error> {
    let fits = |text: &str, more: &str| {
        !text.is_empty()
            && text.len() <= 214
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || more.as_bytes().contains(&b))
    };
    let name = package.name.as_str();
    let is_name = match package.registry {
        Registry::Npm => {
            let (scope, bare) = match name.strip_prefix('@').map(|it| it.split_once('/')) {
                Some(Some((scope, bare))) => (Some(scope), bare),
                Some(None) => (Some(""), ""),
                None => (None, name),
            };
            let is_part = |it: &str| fits(it, "-._~") && !it.starts_with(['.', '-', '_']);
            scope.is_none_or(is_part) && is_part(bare)
        }
        Registry::Pypi => fits(name, "-._") && !name.starts_with(['.', '-', '_']),
    };
    if !is_name {
        return Err(Error::invalid_with(
            format!(
                "`{name}` is no name of a package of {}",
                package.registry.as_str()
            ),
            "give the name alone, and the version by itself",
        ));
    }
    if let Some(version) = &package.version
        && (!fits(version, ".-+~^<>=*!") || version.starts_with('-'))
    {
        return Err(Error::invalid(format!(
            "`{version}` is no version of a package"
        )));
    }
    if let Some(command) = &package.command
        && (!fits(command, "-._") || command.starts_with(['.', '-']))
    {
        return Err(Error::invalid(format!(
            "`{command}` is no name of a command"
        )));
    }
    Ok(())
}

fn check_url(url: &str) -> Result<(), Error> {
    let parsed = url::Url::parse(url)
        .map_err(|err| Error::invalid(format!("`{url}` is no address: {err}")))?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
        return Err(Error::invalid(format!(
            "`{url}` must begin with http:// or https://"
        )));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(Error::invalid(format!(
            "`{}` must not hold a user name or password",
            parsed.host_str().unwrap_or_default()
        )));
    }
    Ok(())
}
