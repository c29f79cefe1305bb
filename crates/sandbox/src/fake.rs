use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Path,
};

use async_trait::async_trait;
use domain::{DesiredSandbox, InstanceId, MountSource, SandboxKey};
use tokio::sync::watch;

use crate::{
    BackendFacts, EnforcedLimits, Observed, ObservedState, Sandbox, SandboxError, Usage,
    VolumeInfo, line::Line,
};

/// A sandbox that runs nothing, for tests of what is built on top.
///
/// It is stricter than the real one: it panics when a sandbox is started that is there by another
/// spec, when two calls for one sandbox overlap, and when a volume is removed that a sandbox has,
/// so that a caller who breaks the rules fails here and not on a user's machine.
///
/// There is a line where the test has put one, see [`put_line`](Self::put_line).
#[derive(Debug)]
pub struct FakeSandbox {
    instance: InstanceId,
    machine: watch::Sender<Machine>,
}

/// A call that a [`FakeSandbox`] has counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum FakeCall {
    List,
    EnsureRunning(SandboxKey),
    EnsureStopped(SandboxKey),
    CreateVolume(String),
    RemoveVolume(String),
    ListVolumes,
    ImportImage(String),
}

#[derive(Debug, Default)]
struct Machine {
    sandboxes: BTreeMap<Label, Running>,
    volumes: BTreeSet<(InstanceId, String)>,
    missing_images: BTreeSet<String>,
    lines: BTreeMap<Label, Line>,
    busy: BTreeSet<Label>,
    calls: BTreeMap<FakeCall, u32>,
    calls_until_fault: Option<u32>,
    start_fates: BTreeMap<SandboxKey, VecDeque<StartFate>>,
    next_list_hangs: bool,
}

type Label = (InstanceId, SandboxKey);

#[derive(Debug)]
struct Running {
    observed: Observed,
    volumes: BTreeSet<String>,
}

#[derive(Debug)]
enum StartFate {
    Fails(SandboxError),
    Hangs,
}

impl FakeSandbox {
    /// Makes the sandbox of `instance` on a machine of its own. It has every image but those that
    /// [`without_image`](Self::without_image) takes away.
    pub fn new(instance: InstanceId) -> Self {
        Self {
            instance,
            machine: watch::Sender::new(Machine::default()),
        }
    }

    /// Makes the sandbox of another instance on the same machine.
    pub fn beside(&self, instance: InstanceId) -> Self {
        Self {
            instance,
            machine: self.machine.clone(),
        }
    }

    /// Makes one call fail: the next one, or the one after `calls` others.
    pub fn fail_after(&self, calls: u32) {
        self.with(|machine| machine.calls_until_fault = Some(calls));
    }

    /// Whether the call that [`fail_after`](Self::fail_after) asked for is still to come.
    pub fn fault_is_pending(&self) -> bool {
        self.machine.borrow().calls_until_fault.is_some()
    }

    /// Makes a start of `key` fail: the next one for which nothing has been asked yet.
    pub fn fail_next_start(&self, key: &SandboxKey, err: SandboxError) {
        self.with(|machine| machine.fates(key).push_back(StartFate::Fails(err)));
    }

    /// Makes a start of `key` never end: the next one for which nothing has been asked yet.
    pub fn hang_next_start(&self, key: &SandboxKey) {
        self.with(|machine| machine.fates(key).push_back(StartFate::Hangs));
    }

    /// Makes the next list never end.
    pub fn hang_next_list(&self) {
        self.with(|machine| machine.next_list_hangs = true);
    }

    /// Takes an image away, until it is imported.
    pub fn without_image(&self, reference: &str) {
        self.with(|machine| machine.missing_images.insert(reference.to_owned()));
    }

    /// Gives `key` a line, while it runs.
    pub fn put_line(&self, key: &SandboxKey, line: Line) {
        self.with(|machine| machine.lines.insert(self.label(key), line));
    }

    /// Makes `key` end by itself, or by a hand from outside.
    pub fn exit(&self, key: &SandboxKey, code: i32) {
        self.with(|machine| {
            if let Some(it) = machine.sandboxes.get_mut(&self.label(key)) {
                it.observed.state = ObservedState::Exited {
                    code: Some(code),
                    out_of_memory: false,
                };
            }
        });
    }

    /// Removes `key` as a hand from outside would.
    pub fn remove_by_hand(&self, key: &SandboxKey) {
        self.with(|machine| machine.sandboxes.remove(&self.label(key)));
    }

    /// Tells what was called, and how often, since this was asked last.
    pub fn take_calls(&self) -> BTreeMap<FakeCall, u32> {
        self.with(|machine| std::mem::take(&mut machine.calls))
    }

    /// Tells what there is of this instance, as [`list`](Sandbox::list) does, but is no call.
    pub fn sandboxes(&self) -> Vec<Observed> {
        let machine = self.machine.borrow();
        let all = machine.sandboxes.iter();
        let ours = all.filter(|((instance, _), _)| *instance == self.instance);
        ours.map(|(_, it)| it.observed.clone()).collect()
    }

    /// Waits until `key` runs. Cancel safe.
    pub async fn wait_until_running(&self, key: &SandboxKey) {
        let label = self.label(key);
        self.wait(|it| {
            let sandbox = it.sandboxes.get(&label);
            sandbox.is_some_and(|it| it.observed.state == ObservedState::Running)
        })
        .await;
    }

    /// Waits until nothing of `key` is there. Cancel safe.
    pub async fn wait_until_gone(&self, key: &SandboxKey) {
        let label = self.label(key);
        self.wait(|it| !it.sandboxes.contains_key(&label)).await;
    }

    async fn wait(&self, holds: impl FnMut(&Machine) -> bool) {
        let mut machine = self.machine.subscribe();
        machine
            .wait_for(holds)
            .await
            .expect("the sender is in `self`, which outlives this call");
    }

    fn label(&self, key: &SandboxKey) -> Label {
        (self.instance, key.clone())
    }

    fn with<R>(&self, change: impl FnOnce(&mut Machine) -> R) -> R {
        let mut result = None;
        self.machine
            .send_modify(|machine| result = Some(change(machine)));
        result.expect("`send_modify` calls what it is given")
    }
}

impl Machine {
    fn fates(&mut self, key: &SandboxKey) -> &mut VecDeque<StartFate> {
        self.start_fates.entry(key.clone()).or_default()
    }

    fn count(&mut self, call: FakeCall) -> Result<(), SandboxError> {
        *self.calls.entry(call).or_default() += 1;
        match self.calls_until_fault {
            Some(0) => {
                self.calls_until_fault = None;
                Err(SandboxError::BackendUnavailable {
                    backend: "fake",
                    hint: "try again".to_owned(),
                    source: "fault".into(),
                })
            }
            calls => {
                self.calls_until_fault = calls.map(|it| it - 1);
                Ok(())
            }
        }
    }

    /// Puts a sandbox there that has no line yet, or fails as the real one does.
    fn begin(&mut self, label: &Label, desired: &DesiredSandbox) -> Result<(), SandboxError> {
        let spec_hash = Some(desired.spec.hash());
        let is_alive = |it: &Running| !matches!(it.observed.state, ObservedState::Exited { .. });
        if let Some(it) = self.sandboxes.get(label).filter(|it| is_alive(it)) {
            assert_eq!(
                it.observed.spec_hash, spec_hash,
                "sandbox {} is there by another spec and was not stopped",
                label.1
            );
            return Ok(());
        }
        if self.missing_images.contains(&desired.spec.image) {
            self.sandboxes.remove(label);
            return Err(SandboxError::ImageMissing {
                image: desired.spec.image.clone(),
            });
        }
        let sources = desired.spec.mounts.iter().map(|it| &it.source);
        let volumes: BTreeSet<String> = sources
            .filter_map(|it| match it {
                MountSource::Volume(name) => Some(name.clone()),
                MountSource::Host(_) => None,
            })
            .collect();
        let exists = |name: &String| self.volumes.contains(&(label.0, name.clone()));
        if let Some(missing) = volumes.iter().find(|it| !exists(it)) {
            let volume = missing.clone();
            self.sandboxes.remove(label);
            return Err(SandboxError::VolumeMissing { volume });
        }
        let observed = Observed {
            key: label.1.clone(),
            generation: desired.generation,
            spec_hash,
            state: ObservedState::Starting,
        };
        let sandbox = Running { observed, volumes };
        self.sandboxes.insert(label.clone(), sandbox);
        Ok(())
    }
}

#[async_trait]
impl Sandbox for FakeSandbox {
    fn name(&self) -> &'static str {
        "fake"
    }

    async fn ensure_running(
        &self,
        key: &SandboxKey,
        desired: &DesiredSandbox,
    ) -> Result<(), SandboxError> {
        let _busy = Busy::new(self, key);
        let label = self.label(key);
        let fate = self.with(|machine| {
            machine.count(FakeCall::EnsureRunning(key.clone()))?;
            Ok(machine.fates(key).pop_front())
        })?;
        if let Some(StartFate::Fails(err)) = fate {
            self.with(|machine| machine.sandboxes.remove(&label));
            return Err(err);
        }
        self.with(|machine| machine.begin(&label, desired))?;
        if let Some(StartFate::Hangs) = fate {
            std::future::pending::<()>().await;
        }
        self.with(|machine| match machine.sandboxes.get_mut(&label) {
            Some(it) => {
                it.observed.state = ObservedState::Running;
                Ok(())
            }
            None => Err(SandboxError::Exited {
                key: key.clone(),
                code: None,
                out_of_memory: false,
                last_lines: Vec::new(),
            }),
        })
    }

    async fn ensure_stopped(&self, key: &SandboxKey) -> Result<(), SandboxError> {
        let _busy = Busy::new(self, key);
        let label = self.label(key);
        self.with(|machine| {
            machine.count(FakeCall::EnsureStopped(key.clone()))?;
            machine.sandboxes.remove(&label);
            if let Some(line) = machine.lines.remove(&label) {
                line.close();
            }
            Ok(())
        })
    }

    async fn list(&self) -> Result<Vec<Observed>, SandboxError> {
        let hangs = self.with(|machine| {
            machine.count(FakeCall::List)?;
            Ok(std::mem::take(&mut machine.next_list_hangs))
        })?;
        if hangs {
            std::future::pending::<()>().await;
        }
        Ok(self.sandboxes())
    }

    fn line(&self, key: &SandboxKey) -> Option<Line> {
        let machine = self.machine.borrow();
        let label = self.label(key);
        let sandbox = machine.sandboxes.get(&label)?;
        let runs = sandbox.observed.state == ObservedState::Running;
        let line = machine.lines.get(&label).filter(|it| !it.is_closed());
        line.filter(|_| runs).cloned()
    }

    async fn logs(&self, _key: &SandboxKey) -> Result<Vec<String>, SandboxError> {
        Ok(Vec::new())
    }

    async fn usage(&self, key: &SandboxKey) -> Result<Option<Usage>, SandboxError> {
        let label = self.label(key);
        let machine = self.machine.borrow();
        let running = machine.sandboxes.get(&label);
        let running = running.filter(|it| it.observed.state == ObservedState::Running);
        Ok(running.map(|_| Usage {
            memory_bytes: Some(8 << 20),
            cpu_ns: Some(1_000_000),
            pids: Some(2),
        }))
    }

    async fn create_volume(
        &self,
        name: &str,
        _size_bytes_max: Option<u64>,
    ) -> Result<bool, SandboxError> {
        self.with(|machine| {
            machine.count(FakeCall::CreateVolume(name.to_owned()))?;
            machine.volumes.insert((self.instance, name.to_owned()));
            Ok(false)
        })
    }

    async fn remove_volume(&self, name: &str) -> Result<(), SandboxError> {
        self.with(|machine| {
            machine.count(FakeCall::RemoveVolume(name.to_owned()))?;
            let all = machine.sandboxes.iter();
            let mut ours = all.filter(|((instance, _), _)| *instance == self.instance);
            assert!(
                ours.all(|(_, it)| !it.volumes.contains(name)),
                "volume `{name}` is removed while a sandbox has it"
            );
            machine.volumes.remove(&(self.instance, name.to_owned()));
            Ok(())
        })
    }

    async fn list_volumes(&self) -> Result<Vec<VolumeInfo>, SandboxError> {
        self.with(|machine| {
            machine.count(FakeCall::ListVolumes)?;
            let ours = machine.volumes.iter().filter(|it| it.0 == self.instance);
            Ok(ours.map(|it| VolumeInfo::named(it.1.clone())).collect())
        })
    }

    async fn image_exists(&self, reference: &str) -> Result<bool, SandboxError> {
        Ok(!self.machine.borrow().missing_images.contains(reference))
    }

    async fn import_image(&self, _tar: &Path, reference: &str) -> Result<(), SandboxError> {
        self.with(|machine| {
            machine.count(FakeCall::ImportImage(reference.to_owned()))?;
            machine.missing_images.remove(reference);
            Ok(())
        })
    }

    async fn facts(&self) -> Result<BackendFacts, SandboxError> {
        Ok(BackendFacts {
            version: "0".to_owned(),
            rootless: true,
            cgroup_version: 2,
            runtime: "fake".to_owned(),
            limits: EnforcedLimits {
                memory: true,
                cpu: true,
                pids: true,
            },
            warnings: Vec::new(),
        })
    }
}

/// Marks a sandbox as having a call under way, until it ends or is dropped.
struct Busy<'a> {
    sandbox: &'a FakeSandbox,
    label: Label,
}

impl<'a> Busy<'a> {
    fn new(sandbox: &'a FakeSandbox, key: &SandboxKey) -> Self {
        let label = sandbox.label(key);
        let was_free = sandbox.with(|machine| machine.busy.insert(label.clone()));
        assert!(was_free, "two calls for sandbox {key} are under way");
        Self { sandbox, label }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.sandbox
            .with(|machine| machine.busy.remove(&self.label));
    }
}

#[cfg(test)]
mod tests;
