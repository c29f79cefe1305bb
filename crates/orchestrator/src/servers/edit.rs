//! What of a server is changed while it stays the same server.

use std::{collections::BTreeMap, sync::Arc};

use domain::{Caller, EnvName, HostFolder, Isolation, Limits, ServerSpec, Source};
use store::AuditEvent;

use super::check::{check_spec, check_title};
use crate::{Error, Orchestrator, Row, directory};

/// What of a server is to be different; what is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct ServerEdit {
    /// Up to 80 characters.
    pub title: Option<String>,
    pub args: Option<Vec<String>>,
    /// Variables in clear that get another value, or, with `None`, are there no longer.
    pub env: BTreeMap<EnvName, Option<String>>,
    pub folders: Option<Vec<HostFolder>>,
    pub limits: LimitsEdit,
    pub isolation: Option<Isolation>,
    pub keep_warm: Option<bool>,
}

/// The limits that are to be different; their units are those of [`Limits`].
#[derive(Debug, Clone, Copy, Default)]
pub struct LimitsEdit {
    pub memory_bytes_max: Option<u64>,
    pub cpu_millis_max: Option<u32>,
    pub pids_max: Option<u32>,
    pub tmp_bytes_max: Option<u64>,
    pub start_timeout_ms: Option<u64>,
    pub call_timeout_ms: Option<u64>,
    pub calls_max: Option<u32>,
}

impl Orchestrator {
    /// Changes what a server is called, gets and may take. Where that is about its processes, those
    /// that run are ended, and the next ones have what is new.
    pub async fn edit_server(
        &self,
        name_or_id: &str,
        edit: ServerEdit,
        by: &Caller,
    ) -> Result<(), Error> {
        let (this, by) = (self.clone(), by.clone());
        let name = name_or_id.to_owned();
        self.to_its_end(async move { this.edit_server_now(&name, edit, &by).await })
            .await
    }

    async fn edit_server_now(
        &self,
        name_or_id: &str,
        edit: ServerEdit,
        by: &Caller,
    ) -> Result<(), Error> {
        let _one_at_a_time = self.shared.changing.lock().await;
        let shared = &self.shared;
        let row = self.find(name_or_id)?;
        let former = &row.stored;
        let title = match &edit.title {
            Some(title) => check_title(title)?,
            None => former.title.clone(),
        };
        let spec = edit.applied_to(&former.spec)?;
        check_spec(&spec, &shared.settings.data_dir)?;
        let is_same_spec = spec == former.spec;
        if title == former.title && is_same_spec {
            return Ok(());
        }
        let audit = AuditEvent {
            server: Some(former.id),
            server_slug: Some(former.slug.to_string()),
            detail: Some(difference(&row, &title, &spec)),
            ..self.event("server.edit", by)
        };
        let wanted = (!is_same_spec).then_some(&spec);
        let store = &shared.store;
        let edited = store.edit_server(former.id, &title, wanted, &audit).await;
        edited.map_err(Error::of_store)?;
        directory::sync(shared).await?;
        self.look_at_again(&row);
        Ok(())
    }

    /// Starts a server whose processes were ended by a change, so that a person who has made it sees
    /// at once whether it still runs.
    pub(super) fn look_at_again(&self, former: &Arc<Row>) {
        let now = self.shared.directory.row(former.stored.id);
        let is_other = now.is_some_and(|it| it.process_generation != former.process_generation);
        if former.is_usable() && is_other {
            self.look_at(former.stored.slug.clone());
        }
    }
}

impl ServerEdit {
    fn applied_to(self, former: &ServerSpec) -> Result<ServerSpec, Error> {
        // Taken apart, so that a new field is not forgotten.
        let Self {
            title: _,
            args,
            env,
            folders,
            limits,
            isolation,
            keep_warm,
        } = self;
        let is_remote = matches!(former.source, Source::Remote { .. });
        if is_remote && (args.is_some() || !env.is_empty() || folders.is_some()) {
            return Err(Error::invalid_with(
                "a server that runs elsewhere has no arguments, variables or folders here",
                "what goes with each request to it are its headers",
            ));
        }
        let mut spec = former.clone();
        spec.args = args.unwrap_or(spec.args);
        for (name, value) in env {
            if spec.secrets.contains_key(&name) {
                return Err(Error::invalid_with(
                    format!("`{name}` is a secret of this server"),
                    "remove the secret first if its value may be seen by everybody",
                ));
            }
            match value {
                Some(value) => _ = spec.env.insert(name, value),
                None if spec.env.remove(&name).is_some() => {}
                None => return Err(Error::not_found(format!("variable `{name}`"))),
            }
        }
        spec.folders = folders.unwrap_or(spec.folders);
        spec.limits = limits.applied_to(spec.limits);
        spec.isolation = isolation.or(spec.isolation);
        spec.keep_warm = keep_warm.unwrap_or(spec.keep_warm);
        Ok(spec)
    }
}

impl LimitsEdit {
    fn applied_to(self, former: Limits) -> Limits {
        Limits {
            memory_bytes_max: self.memory_bytes_max.unwrap_or(former.memory_bytes_max),
            cpu_millis_max: self.cpu_millis_max.unwrap_or(former.cpu_millis_max),
            pids_max: self.pids_max.unwrap_or(former.pids_max),
            tmp_bytes_max: self.tmp_bytes_max.unwrap_or(former.tmp_bytes_max),
            start_timeout_ms: self.start_timeout_ms.unwrap_or(former.start_timeout_ms),
            call_timeout_ms: self.call_timeout_ms.unwrap_or(former.call_timeout_ms),
            calls_max: self.calls_max.unwrap_or(former.calls_max),
        }
    }
}

/// Returns what is different, for the audit: of variables only the names, as when a server is added.
fn difference(former: &Row, title: &str, spec: &ServerSpec) -> serde_json::Value {
    let mut detail = serde_json::Map::new();
    let old = &former.stored.spec;
    let mut note = |name: &str, is_other: bool, value: serde_json::Value| {
        if is_other {
            detail.insert(name.to_owned(), value);
        }
    };
    note("title", title != former.stored.title, title.into());
    note("args", spec.args != old.args, serde_json::json!(spec.args));
    let names: Vec<&EnvName> = spec.env.keys().collect();
    note("env", spec.env != old.env, serde_json::json!(names));
    let folders = serde_json::json!(spec.folders);
    note("folders", spec.folders != old.folders, folders);
    let limits = serde_json::json!(spec.limits);
    note("limits", spec.limits != old.limits, limits);
    let isolation = serde_json::json!(spec.isolation);
    note("isolation", spec.isolation != old.isolation, isolation);
    note(
        "keep_warm",
        spec.keep_warm != old.keep_warm,
        spec.keep_warm.into(),
    );
    detail.into()
}
