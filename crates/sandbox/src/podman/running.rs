use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use domain::{DesiredSandbox, MountSource, SandboxKey, SandboxMount, SandboxSpec};
use http::{Method, StatusCode};
use serde::Deserialize;

use super::{
    Podman,
    api::{Api, ApiError, Call},
    container::{
        Context, LABEL_GENERATION, LABEL_INSTANCE, LABEL_KEY, LABEL_SPEC_HASH, STOP_TIMEOUT_S,
        container_spec,
    },
    folder::{FolderRules, HostUser, check_folder, check_inside},
    logs::{LAST_LINES_MAX, last_lines},
    service::hard_limits,
    storage, told,
};
use crate::{Observed, ObservedState, Sandbox as _, SandboxError, Usage, line::Listener};

/// How long a bridge may take to say how it is.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(10);

/// A container as `inspect` shows it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    id: String,
    state: State,
    config: Config,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: String,
    #[serde(rename = "OOMKilled", default)]
    out_of_memory: bool,
    #[serde(default)]
    pid: i32,
    #[serde(default)]
    exit_code: i32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// A container as the list shows it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    state: String,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// As Podman measures containers; `Error` beside it is an object that says nothing.
#[derive(Debug, Deserialize)]
struct StatsReport {
    #[serde(rename = "Stats")]
    stats: Option<Vec<Stats>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stats {
    #[serde(rename = "CPUNano")]
    cpu_nano: Option<u64>,
    mem_usage: Option<u64>,
    #[serde(rename = "PIDs")]
    pids: Option<u64>,
}

impl Stats {
    /// Nothing that runs takes nothing: a zero stands for what is not measured.
    fn usage(&self) -> Usage {
        let measured = |value: Option<u64>| value.filter(|it| *it != 0);
        Usage {
            memory_bytes: measured(self.mem_usage),
            cpu_ns: measured(self.cpu_nano),
            pids: measured(self.pids),
        }
    }
}

impl Container {
    fn label(&self, name: &str) -> Option<&str> {
        self.config.labels.as_ref()?.get(name).map(String::as_str)
    }
}

/// Whether a process is in the container, or is about to be.
fn is_alive(status: &str) -> bool {
    matches!(status, "running" | "paused")
}

fn is_new(status: &str) -> bool {
    matches!(status, "created" | "configured" | "initialized")
}

impl Podman {
    /// Makes the container run, whatever there is of it, and waits for its line.
    pub(super) async fn run(
        &self,
        key: &SandboxKey,
        desired: &DesiredSandbox,
    ) -> Result<(), SandboxError> {
        let api = self.service.api().await?;
        let spec_hash = desired.spec.hash().to_string();
        let found = self.inspect(&api, key).await?;
        let running = found.filter(|it| is_alive(&it.state.status));
        let (id, listener) = match running {
            Some(it) if it.label(LABEL_SPEC_HASH) == Some(&spec_hash) => {
                let listener = self.listener(key)?;
                listener.expect_pid(it.state.pid);
                (it.id, listener)
            }
            Some(_) => {
                let err = "it runs by another spec and has to be stopped first";
                return Err(SandboxError::failed("start the sandbox", err));
            }
            None => {
                // What has ended, or was never started, is made anew.
                self.ensure_stopped(key).await?;
                self.create_and_start(&api, key, desired).await?
            }
        };
        self.wait_for_line(&api, key, &id, &listener).await
    }

    async fn create_and_start(
        &self,
        api: &Api,
        key: &SandboxKey,
        desired: &DesiredSandbox,
    ) -> Result<(String, std::sync::Arc<Listener>), SandboxError> {
        let spec = &desired.spec;
        let facts = self.known_facts(api).await?;
        let folders = self.check_mounts(api, spec, facts.rootless).await?;
        if !self.settings.bridge.is_file() {
            let err = format!("no file at `{}`", self.settings.bridge.display());
            return Err(SandboxError::failed("find the bridge", err));
        }
        if !storage::image_exists(api, &spec.image).await? {
            return Err(SandboxError::ImageMissing {
                image: spec.image.clone(),
            });
        }

        let listener = self.listener(key)?;
        let line_dir = self.line_dir(key);
        let body = container_spec(
            key,
            desired,
            &Context {
                instance: self.instance,
                rootless: facts.rootless,
                enforced: facts.limits,
                bridge: &self.settings.bridge,
                line_dir: &line_dir,
                hard_limits: hard_limits(),
            },
        );
        let create = || Call::new(Method::POST, "/containers/create");
        let mut created = api.call_with(create(), &body).await;
        if let Err(err) = &created
            && is_name_taken(err)
        {
            // A call that was dropped may have got through after we looked.
            self.remove(key).await?;
            created = api.call_with(create(), &body).await;
        }
        created.map_err(|err| told("create the sandbox", err))?;

        let name = self.name_of(key);
        let start = Call::new(Method::POST, &format!("/containers/{name}/start"));
        let started = api.call(start).await;
        started.map_err(|err| told("start the sandbox", err))?;
        let container = self.inspect(api, key).await?;
        let container = match container {
            Some(it) if is_alive(&it.state.status) => it,
            Some(it) => return Err(self.exited(key, &it.state).await),
            None => return Err(gone(key)),
        };
        verify_folders(container.state.pid, &folders).await?;
        listener.expect_pid(container.state.pid);
        Ok((container.id, listener))
    }

    /// Waits until the bridge has dialled and says how it is, or has ended.
    async fn wait_for_line(
        &self,
        api: &Api,
        key: &SandboxKey,
        id: &str,
        listener: &Listener,
    ) -> Result<(), SandboxError> {
        let mut lines = listener.line();
        let healthy = async {
            loop {
                let up = lines.wait_for(|it| it.as_ref().is_some_and(|it| !it.is_closed()));
                let Ok(line) = up.await.map(|it| it.clone()) else {
                    // The listener ends with the program only.
                    return std::future::pending().await;
                };
                let Some(line) = line else { continue };
                match line.health(HEALTH_TIMEOUT).await {
                    Ok(_) => return,
                    Err(err) => tracing::debug!(
                        sandbox.key = %key,
                        error = &err as &dyn std::error::Error,
                        "A bridge has dialled and does not answer"
                    ),
                }
                line.close();
                line.closed().await;
                // The listener takes it away; the next one is waited for.
                let next = lines.wait_for(|it| it.as_ref().is_none_or(|it| !it.is_closed()));
                if next.await.is_err() {
                    return std::future::pending().await;
                }
            }
        };
        let wait = Call::new(Method::POST, &format!("/containers/{id}/wait"))
            .query(&[
                ("condition", "exited"),
                ("condition", "stopped"),
                ("interval", "100ms"),
            ])
            .limit(Duration::from_secs(24 * 3600));
        tokio::select! {
            () = healthy => Ok(()),
            ended = api.call(wait) => match ended {
                Ok(_) => match self.inspect(api, key).await? {
                    Some(it) => Err(self.exited(key, &it.state).await),
                    None => Err(gone(key)),
                },
                Err(err) if err.is_not_found() => Err(gone(key)),
                Err(err) => Err(told("wait for the sandbox", err)),
            },
        }
    }

    async fn exited(&self, key: &SandboxKey, state: &State) -> SandboxError {
        SandboxError::Exited {
            key: key.clone(),
            code: Some(state.exit_code),
            out_of_memory: state.out_of_memory,
            // The log is an extra; the end is what is told.
            last_lines: self.log_of(key).await.unwrap_or_default(),
        }
    }

    /// Looks at what is to be mounted. Returns the host's folders, as they are now.
    async fn check_mounts<'a>(
        &self,
        api: &Api,
        spec: &'a SandboxSpec,
        rootless: bool,
    ) -> Result<Vec<Folder<'a>>, SandboxError> {
        let rules = FolderRules {
            home: self.settings.home.as_deref(),
            data_dir: &self.settings.data_dir,
            user: HostUser::of(rootless),
        };
        let mut taken = BTreeSet::new();
        let mut folders = Vec::new();
        for mount in &spec.mounts {
            let inside = check_inside(&mount.inside).and_then(|()| {
                let is_free = taken.insert(&mount.inside);
                let twice = || format!("`{}` is given twice", mount.inside);
                is_free.then_some(()).ok_or_else(twice)
            });
            inside.map_err(|err| SandboxError::failed("mount a folder", err))?;
            match &mount.source {
                MountSource::Volume(name) => {
                    if !storage::volume_exists(api, self.instance, name).await? {
                        return Err(SandboxError::VolumeMissing {
                            volume: name.clone(),
                        });
                    }
                }
                MountSource::Host(path) => {
                    check_folder(path, mount.access, &rules).await?;
                    folders.push(Folder::look(path, mount).await?);
                }
            }
        }
        Ok(folders)
    }

    async fn inspect(
        &self,
        api: &Api,
        key: &SandboxKey,
    ) -> Result<Option<Container>, SandboxError> {
        let path = format!("/containers/{}/json", self.name_of(key));
        let found = api
            .call_for::<Container>(Call::new(Method::GET, &path))
            .await;
        let container = match found {
            Ok(it) => it,
            Err(err) if err.is_not_found() => return Ok(None),
            Err(err) => return Err(told("look at the sandbox", err)),
        };
        if container.label(LABEL_INSTANCE) != Some(&self.instance.to_string()) {
            let err = format!("container `{}` is not this program's", self.name_of(key));
            return Err(SandboxError::failed("look at the sandbox", err));
        }
        Ok(Some(container))
    }

    /// Asks Podman what the container takes. What Podman refuses to measure here, as without root
    /// on cgroups version 1, is not known.
    pub(super) async fn usage_of(&self, key: &SandboxKey) -> Result<Option<Usage>, SandboxError> {
        let api = self.service.api().await?;
        let container = self.inspect(&api, key).await?;
        let Some(container) = container.filter(|it| is_alive(&it.state.status)) else {
            return Ok(None);
        };
        let call = Call::new(Method::GET, "/containers/stats")
            .query(&[("containers", &container.id), ("stream", "false")]);
        match api.call_for::<StatsReport>(call).await {
            Ok(report) => {
                let stats = report.stats.unwrap_or_default();
                Ok(Some(stats.first().map(Stats::usage).unwrap_or_default()))
            }
            Err(ApiError::Refused { .. }) => Ok(Some(Usage::default())),
            Err(err) => Err(told("ask what the sandbox takes", err)),
        }
    }

    /// Removes the container, stopping it if it runs. Fine when there is none.
    pub(super) async fn remove(&self, key: &SandboxKey) -> Result<(), SandboxError> {
        let api = self.service.api().await?;
        let Some(container) = self.inspect(&api, key).await? else {
            return Ok(());
        };
        let path = format!("/containers/{}", container.id);
        if is_alive(&container.state.status) {
            let timeout = STOP_TIMEOUT_S.to_string();
            let stop = Call::new(Method::POST, &format!("{path}/stop"))
                .query(&[("timeout", timeout.as_str())]);
            if let Err(err) = api.call(stop).await
                && !err.is_not_found()
            {
                // What cannot be stopped is killed by its removal.
                tracing::debug!(
                    sandbox.key = %key,
                    error = &err as &dyn std::error::Error,
                    "A sandbox did not stop"
                );
            }
        }
        let delete = Call::new(Method::DELETE, &path).query(&[
            ("force", "true"),
            ("timeout", "0"),
            ("v", "true"),
        ]);
        match api.call(delete).await {
            Err(err) if !err.is_not_found() => Err(told("remove the sandbox", err)),
            _ => Ok(()),
        }
    }

    pub(super) async fn observe(&self) -> Result<Vec<Observed>, SandboxError> {
        let api = self.service.api().await?;
        let filter = serde_json::json!({
            "label": [format!("{LABEL_INSTANCE}={}", self.instance)],
        });
        let list = Call::new(Method::GET, "/containers/json")
            .query(&[("all", "true"), ("filters", &filter.to_string())]);
        let listed = api.call_for::<Option<Vec<Listed>>>(list).await;
        let listed = listed.map_err(|err| told("list the sandboxes", err))?;
        let listed = listed.unwrap_or_default();
        let names = listed.iter().flat_map(|it| it.names.clone()).collect();
        self.sweep_line_dirs(&names);

        let mut observed = Vec::new();
        for container in &listed {
            observed.extend(self.observe_one(&api, container).await?);
        }
        observed.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(observed)
    }

    async fn observe_one(
        &self,
        api: &Api,
        container: &Listed,
    ) -> Result<Option<Observed>, SandboxError> {
        let label = |name: &str| {
            let labels = container.labels.as_ref()?;
            labels.get(name).map(String::as_str)
        };
        let Some(key) = label(LABEL_KEY).and_then(|it| it.parse::<SandboxKey>().ok()) else {
            tracing::warn!(
                container.id = container.id,
                "A container has our label and a key that cannot be read; remove it by hand"
            );
            return Ok(None);
        };
        let state = if is_alive(&container.state) {
            match self.line(&key) {
                Some(_) => ObservedState::Running,
                None => ObservedState::Starting,
            }
        } else if is_new(&container.state) {
            ObservedState::Starting
        } else {
            match self.inspect(api, &key).await? {
                Some(it) => ObservedState::Exited {
                    code: Some(it.state.exit_code),
                    out_of_memory: it.state.out_of_memory,
                },
                // It has gone since.
                None => return Ok(None),
            }
        };
        Ok(Some(Observed {
            generation: label(LABEL_GENERATION)
                .and_then(|it| it.parse().ok())
                .unwrap_or_default(),
            spec_hash: label(LABEL_SPEC_HASH).and_then(|it| it.parse().ok()),
            key,
            state,
        }))
    }

    pub(super) async fn log_of(&self, key: &SandboxKey) -> Result<Vec<String>, SandboxError> {
        let api = self.service.api().await?;
        let path = format!("/containers/{}/logs", self.name_of(key));
        let tail = LAST_LINES_MAX.to_string();
        let logs = Call::new(Method::GET, &path).query(&[
            ("stdout", "true"),
            ("stderr", "true"),
            ("tail", &tail),
        ]);
        match api.call(logs).await {
            Ok(frames) => Ok(last_lines(&frames)),
            Err(err) if err.is_not_found() => Ok(Vec::new()),
            Err(err) => Err(told("read the sandbox's log", err)),
        }
    }
}

/// A folder of the host as it was when it was found to be fine.
#[derive(Debug)]
struct Folder<'a> {
    host: &'a Path,
    inside: &'a str,
    device_and_inode: (u64, u64),
}

impl<'a> Folder<'a> {
    async fn look(host: &'a Path, mount: &'a SandboxMount) -> Result<Self, SandboxError> {
        let metadata = tokio::fs::symlink_metadata(host).await;
        let metadata = metadata.map_err(|err| SandboxError::failed("look at a folder", err))?;
        Ok(Self {
            host,
            inside: &mount.inside,
            device_and_inode: (metadata.dev(), metadata.ino()),
        })
    }
}

/// Compares what is mounted with what was looked at: another server that may write in the folder
/// above can have put a link in its place meanwhile. The bridge has no line yet, so nothing has run
/// in there but itself.
async fn verify_folders(pid: i32, folders: &[Folder<'_>]) -> Result<(), SandboxError> {
    for folder in folders {
        let seen = PathBuf::from(format!("/proc/{pid}/root{}", folder.inside));
        let metadata = tokio::fs::symlink_metadata(&seen).await;
        let metadata =
            metadata.map_err(|err| SandboxError::failed("look at a mounted folder", err))?;
        if (metadata.dev(), metadata.ino()) != folder.device_and_inode {
            return Err(SandboxError::FolderRefused {
                path: folder.host.to_owned(),
                reason: "it was replaced by another one while it was mounted".to_owned(),
                fix: "see who may write in the folder above it, other servers among them"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

fn is_name_taken(err: &ApiError) -> bool {
    matches!(err, ApiError::Refused { status, message }
        if *status == StatusCode::CONFLICT || message.contains("already in use"))
}

fn gone(key: &SandboxKey) -> SandboxError {
    SandboxError::Exited {
        key: key.clone(),
        code: None,
        out_of_memory: false,
        last_lines: vec!["somebody has removed the container".to_owned()],
    }
}
