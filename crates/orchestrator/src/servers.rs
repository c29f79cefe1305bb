//! The use cases about servers: add, look, change, restart, remove.

mod check;
mod edit;
mod names;
mod secrets;

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    Caller, EnvName, HeaderName, HostPort, InstallId, PackageRef, Secret, ServerId, ServerSlug,
    ServerSpec, Source,
};
use store::{
    AuditEvent, AuditFilter, AuditRow, Consent, InstallState, InstallStep, NewInstall, NewServer,
    StoredInstall,
};

use self::{
    check::{check_spec, check_title},
    names::{source_name, suggested_title},
    secrets::{seal, seal_headers},
};
pub use self::{
    edit::{LimitsEdit, ServerEdit},
    secrets::Sealed,
};
use crate::{
    Error, LogLine, Orchestrator, Row, ServerStatus, Shared, directory, error_chain, install,
    status::{OpenInstall, status},
};

/// A server that somebody wants to add.
#[derive(Debug)]
pub struct AddServer {
    /// `None` is made from the package's name or the address.
    pub slug: Option<ServerSlug>,
    pub title: Option<String>,
    pub spec: ServerSpec,
    /// Values that the person gives to this server in clear. They are sealed before they are stored.
    pub secrets: BTreeMap<EnvName, Secret<String>>,
    /// Headers that go with each request to a remote server. They are sealed, too.
    pub headers: BTreeMap<HeaderName, Secret<String>>,
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
    /// How many of its tools wait for a person to look at them.
    pub tools_waiting: usize,
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
        let (this, by) = (self.clone(), by.clone());
        self.to_its_end(async move { this.add_server_now(add, &by).await })
            .await
    }

    async fn add_server_now(&self, add: AddServer, by: &Caller) -> Result<ServerId, Error> {
        let _one_at_a_time = self.shared.changing.lock().await;
        let shared = &self.shared;
        let AddServer {
            slug,
            title,
            mut spec,
            secrets,
            headers,
        } = add;
        check_spec(&spec, &shared.settings.data_dir)?;
        let id = ServerId::from_uuid(uuid::Uuid::now_v7());
        let name = source_name(&spec.source);
        let slug = match slug {
            Some(slug) if slug.is_built_in() => {
                return Err(Error::invalid_with(
                    format!("server name `{slug}` is taken by the program itself"),
                    "choose another one",
                ));
            }
            Some(slug) => slug,
            None => self.free_slug(&ServerSlug::suggest(&name)),
        };
        let title = match title {
            Some(title) => check_title(&title)?,
            None => suggested_title(&spec.source, &name),
        };
        let mut sealed = seal(shared, id, &mut spec, secrets, by)?;
        sealed.extend(seal_headers(shared, id, &mut spec, headers, by)?);
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
        let mut warnings = facts.map(|it| it.warnings).unwrap_or_default();
        if let Source::Remote { url, headers } = &row.stored.spec.source
            && !headers.is_empty()
            && !is_private(url)
        {
            warnings.push(
                "its address begins with http://: whoever carries a request reads its headers"
                    .to_owned(),
            );
        }
        Ok(ServerDetails {
            summary: self.summary(&row).await?,
            install: install.map(|it| (it, steps)),
            warnings,
        })
    }

    /// Changes a server.
    pub async fn change_server(
        &self,
        name_or_id: &str,
        change: ServerChange,
        by: &Caller,
    ) -> Result<(), Error> {
        let (this, by) = (self.clone(), by.clone());
        let name = name_or_id.to_owned();
        self.to_its_end(async move { this.change_server_now(&name, change, &by).await })
            .await
    }

    async fn change_server_now(
        &self,
        name_or_id: &str,
        change: ServerChange,
        by: &Caller,
    ) -> Result<(), Error> {
        let _one_at_a_time = self.shared.changing.lock().await;
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
                check_spec(&spec, &shared.settings.data_dir)?;
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

    /// Ends the server's processes, forgets how its starts have failed, and begins anew.
    pub async fn restart_server(&self, name_or_id: &str, by: &Caller) -> Result<(), Error> {
        let (this, by) = (self.clone(), by.clone());
        let name = name_or_id.to_owned();
        self.to_its_end(async move { this.restart_server_now(&name, &by).await })
            .await
    }

    async fn restart_server_now(&self, name_or_id: &str, by: &Caller) -> Result<(), Error> {
        let _one_at_a_time = self.shared.changing.lock().await;
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
        let (this, by) = (self.clone(), by.clone());
        let name = name_or_id.to_owned();
        self.to_its_end(async move { this.remove_server_now(&name, &by).await })
            .await
    }

    async fn remove_server_now(&self, name_or_id: &str, by: &Caller) -> Result<(), Error> {
        let _one_at_a_time = self.shared.changing.lock().await;
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
        let of = store::ApprovalsOf::Server(id);
        let closed = self.shared.store.close_approvals(&of, self.shared.now());
        let closed = closed.await.map_err(Error::of_store)?;
        let deleted = self.shared.store.delete_server(id, &audit).await;
        deleted.map_err(Error::of_store)?;
        self.shared.approvals.close(&self.shared, &closed).await;
        for install in installs {
            self.shared.installer.cancel(install.id);
        }
        directory::sync(&self.shared).await?;
        install::sweep_soon(&self.shared);
        Ok(())
    }

    /// Begins a failed install again. What it had resolved is kept.
    pub async fn retry_install(&self, name_or_id: &str, by: &Caller) -> Result<(), Error> {
        let (this, by) = (self.clone(), by.clone());
        let name = name_or_id.to_owned();
        self.to_its_end(async move { this.retry_install_now(&name, &by).await })
            .await
    }

    async fn retry_install_now(&self, name_or_id: &str, by: &Caller) -> Result<(), Error> {
        let _one_at_a_time = self.shared.changing.lock().await;
        let row = self.find(name_or_id)?;
        let install = self.newest_install(row.stored.id).await?;
        let is_stuck = |id| !self.shared.installer.is_under_way(id);
        let install = install.filter(|it| match it.state {
            InstallState::Failed => true,
            // How it ended could not be written down.
            InstallState::Pending | InstallState::Running => is_stuck(it.id),
            _ => false,
        });
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
            self.shared.news.note(row.stored.id);
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
        let (this, by) = (self.clone(), by.clone());
        let name = name_or_id.to_owned();
        self.to_its_end(async move { this.decide_build_scripts_now(&name, run, &by).await })
            .await
    }

    async fn decide_build_scripts_now(
        &self,
        name_or_id: &str,
        run: bool,
        by: &Caller,
    ) -> Result<(), Error> {
        let _one_at_a_time = self.shared.changing.lock().await;
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
        self.shared.news.note(row.stored.id);
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
        Ok(self
            .shared
            .directory
            .logs
            .of(row.stored.id)
            .after(after, lines_max))
    }

    /// Waits until a server has written more than `after` lines.
    ///
    /// Cancel safe.
    pub async fn wait_for_logs(&self, name_or_id: &str, after: u64) -> Result<(), Error> {
        let row = self.find(name_or_id)?;
        let mut last = self.shared.directory.logs.of(row.stored.id).last();
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

    /// Carries a change to its end, also when whoever has asked for it is gone in the middle: a row
    /// that nobody acts on would stay as it is until the next start.
    pub(crate) async fn to_its_end<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let changed = self.shared.tasks.spawn(change).await;
        changed.map_err(Error::internal)?
    }

    pub(crate) fn event(&self, kind: &'static str, by: &Caller) -> AuditEvent {
        AuditEvent {
            principal: Some(by.principal.clone()),
            token: by.token,
            ..AuditEvent::new(self.shared.now(), kind)
        }
    }

    pub(crate) fn find(&self, name_or_id: &str) -> Result<Arc<Row>, Error> {
        let directory = &self.shared.directory;
        let by_id = name_or_id.parse().ok().and_then(|id| directory.row(id));
        let found = by_id.or_else(|| directory.row_by_slug(&ServerSlug::new(name_or_id).ok()?));
        if found.is_none() && self.server_id_of_built_in(name_or_id).is_some() {
            return Err(Error::invalid_with(
                format!(
                    "server `{}` is built into the program and always there",
                    ServerSlug::built_in()
                ),
                "what its tools may do can be set, tool by tool",
            ));
        }
        found.ok_or_else(|| Error::not_found(format!("server `{name_or_id}`")))
    }

    pub(crate) async fn summary(&self, row: &Arc<Row>) -> Result<ServerSummary, Error> {
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
            chat: None,
            access: domain::Access {
                servers: Some([row.stored.slug.clone()].into()),
                tools: None,
            },
        };
        Ok(ServerSummary {
            status: status(&self.shared, row, open),
            tools: self.gateway().tools(&owner).len(),
            tools_waiting: self.tools_waiting(row.stored.id),
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
        // Identifiers are made one after another, times may be equal or go back.
        let is_wanted = |it: &StoredInstall| it.state != InstallState::Superseded;
        Ok(installs.into_iter().max_by_key(|it| (is_wanted(it), it.id)))
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
    pub(crate) fn look_at(&self, slug: ServerSlug) {
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
        let log = shared.directory.logs.of(row.stored.id);
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

/// Whether what is sent to this address is encrypted, or stays on this machine.
fn is_private(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| {
        url.scheme() == "https"
            || match url.host() {
                Some(url::Host::Domain(name)) => name == "localhost",
                Some(url::Host::Ipv4(address)) => address.is_loopback(),
                Some(url::Host::Ipv6(address)) => address.is_loopback(),
                None => false,
            }
    })
}
