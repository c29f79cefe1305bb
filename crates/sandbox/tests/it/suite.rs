//! What holds for every backend.

use std::{future::Future, sync::Arc};

use domain::{FolderAccess, MountSource, SandboxKey, SandboxMount};
use sandbox::{Observed, ObservedState, Sandbox, SandboxError};

use crate::machine::{desired, key};

/// A backend as the suite sees it.
pub(crate) struct Subject {
    pub(crate) ours: Arc<dyn Sandbox>,
    /// Another instance on the same machine.
    pub(crate) theirs: Arc<dyn Sandbox>,
    pub(crate) image: String,
    /// Removes a sandbox of ours behind the backend's back.
    pub(crate) remove_by_hand: Box<dyn Fn(&SandboxKey)>,
}

/// Makes one test of each function, on what `$with` hands to it.
macro_rules! suite_on {
    ($with:path) => {
        $crate::suite::suite_on!($with:
            running_twice_is_running_once,
            stopping_nothing_is_fine,
            a_list_says_what_was_asked_for_in_the_order_of_the_keys,
            two_instances_never_see_each_other,
            a_changed_spec_is_started_after_a_stop,
            what_was_removed_by_hand_is_not_listed_and_starts_again,
            a_start_that_was_given_up_is_taken_up,
            volumes_are_made_and_removed_once,
            an_image_that_is_missing_is_named,
            a_volume_that_is_missing_is_named,
            what_a_sandbox_takes_is_told_while_it_runs,
        );
    };
    ($with:path: $($name:ident,)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                $with($crate::suite::$name).await;
            }
        )*
    };
}
pub(crate) use suite_on;

pub(crate) async fn running_twice_is_running_once(it: &Subject) {
    let desired = desired(&it.image, Vec::new());
    it.ours.ensure_running(&key(1), &desired).await.unwrap();
    let first = it.ours.list().await.unwrap();
    it.ours.ensure_running(&key(1), &desired).await.unwrap();
    assert_eq!(it.ours.list().await.unwrap(), first);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].state, ObservedState::Running);
    it.ours.ensure_stopped(&key(1)).await.unwrap();
    it.ours.ensure_stopped(&key(1)).await.unwrap();
    assert_eq!(it.ours.list().await.unwrap(), []);
    assert!(it.ours.line(&key(1)).is_none());
}

pub(crate) async fn stopping_nothing_is_fine(it: &Subject) {
    it.ours.ensure_stopped(&key(9)).await.unwrap();
    assert_eq!(it.ours.logs(&key(9)).await.unwrap(), [""; 0]);
}

pub(crate) async fn a_list_says_what_was_asked_for_in_the_order_of_the_keys(it: &Subject) {
    let build = SandboxKey::Build {
        install: "1".repeat(32).parse().unwrap(),
    };
    let mut desired = desired(&it.image, Vec::new());
    desired.generation = 7;
    for key in [&build, &key(2), &key(1)] {
        it.ours.ensure_running(key, &desired).await.unwrap();
    }
    let observed = it.ours.list().await.unwrap();
    let of = |key: SandboxKey| Observed {
        key,
        generation: 7,
        spec_hash: Some(desired.spec.hash()),
        state: ObservedState::Running,
    };
    assert_eq!(observed, [of(key(1)), of(key(2)), of(build.clone())]);
    for key in [build, key(2), key(1)] {
        it.ours.ensure_stopped(&key).await.unwrap();
    }
}

pub(crate) async fn two_instances_never_see_each_other(it: &Subject) {
    let desired = desired(&it.image, Vec::new());
    it.ours.ensure_running(&key(1), &desired).await.unwrap();
    it.ours.create_volume("data", None).await.unwrap();
    assert_eq!(it.theirs.list().await.unwrap(), []);
    assert_eq!(it.theirs.list_volumes().await.unwrap(), []);

    // Neither is the same key the same sandbox, nor does a stop reach across.
    it.theirs.ensure_running(&key(1), &desired).await.unwrap();
    it.theirs.create_volume("data", None).await.unwrap();
    it.ours.ensure_stopped(&key(1)).await.unwrap();
    it.ours.remove_volume("data").await.unwrap();
    assert_eq!(it.ours.list().await.unwrap(), []);
    assert_eq!(it.theirs.list().await.unwrap().len(), 1);
    assert_eq!(it.theirs.list_volumes().await.unwrap().len(), 1);
    it.theirs.ensure_stopped(&key(1)).await.unwrap();
    it.theirs.remove_volume("data").await.unwrap();
}

pub(crate) async fn a_changed_spec_is_started_after_a_stop(it: &Subject) {
    let old = desired(&it.image, Vec::new());
    let mut new = old.clone();
    new.generation = 2;
    new.spec.limits.memory_bytes_max += 1 << 20;
    it.ours.ensure_running(&key(1), &old).await.unwrap();
    it.ours.ensure_stopped(&key(1)).await.unwrap();
    it.ours.ensure_running(&key(1), &new).await.unwrap();
    let observed = it.ours.list().await.unwrap();
    assert_eq!(observed[0].spec_hash, Some(new.spec.hash()));
    assert_eq!(observed[0].generation, 2);
    it.ours.ensure_stopped(&key(1)).await.unwrap();
}

pub(crate) async fn what_was_removed_by_hand_is_not_listed_and_starts_again(it: &Subject) {
    let desired = desired(&it.image, Vec::new());
    it.ours.ensure_running(&key(1), &desired).await.unwrap();
    (it.remove_by_hand)(&key(1));
    assert_eq!(it.ours.list().await.unwrap(), []);
    it.ours.ensure_running(&key(1), &desired).await.unwrap();
    assert_eq!(
        it.ours.list().await.unwrap()[0].state,
        ObservedState::Running
    );
    (it.remove_by_hand)(&key(1));
    it.ours.ensure_stopped(&key(1)).await.unwrap();
}

/// The future is dropped after it was polled 0, 1, 2, … times, until it gets to its end.
pub(crate) async fn a_start_that_was_given_up_is_taken_up(it: &Subject) {
    let desired = desired(&it.image, Vec::new());
    for polls_max in [0, 1, 3, 6, 10, 20] {
        let key = key(1);
        let running = it.ours.ensure_running(&key, &desired);
        give_up_after(polls_max, running).await;
        it.ours.ensure_running(&key, &desired).await.unwrap();
        let observed = it.ours.list().await.unwrap();
        assert_eq!(observed.len(), 1);
        assert_eq!(observed[0].state, ObservedState::Running);
        it.ours.ensure_stopped(&key).await.unwrap();
    }
    assert_eq!(it.ours.list().await.unwrap(), []);
}

async fn give_up_after<T>(polls_max: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut polls = 0;
    std::future::poll_fn(|context| {
        if polls == polls_max {
            return std::task::Poll::Ready(None);
        }
        polls += 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

pub(crate) async fn volumes_are_made_and_removed_once(it: &Subject) {
    let name = format!("install-{}", "2".repeat(32));
    it.ours.create_volume(&name, Some(64 << 20)).await.unwrap();
    it.ours.create_volume(&name, Some(64 << 20)).await.unwrap();
    it.ours.create_volume("data", None).await.unwrap();
    let volumes = it.ours.list_volumes().await.unwrap();
    let seen: Vec<_> = volumes
        .iter()
        .map(|it| (it.name.as_str(), it.install))
        .collect();
    let install = "2".repeat(32).parse().unwrap();
    assert_eq!(seen, [("data", None), (name.as_str(), Some(install))]);
    for name in [&name, "data", "data"] {
        it.ours.remove_volume(name).await.unwrap();
    }
    assert_eq!(it.ours.list_volumes().await.unwrap(), []);
}

pub(crate) async fn an_image_that_is_missing_is_named(it: &Subject) {
    let reference = "localhost/archestra-test-missing:1";
    assert!(!it.ours.image_exists(reference).await.unwrap());
    assert!(it.ours.image_exists(&it.image).await.unwrap());
    let desired = desired(reference, Vec::new());
    let err = it.ours.ensure_running(&key(1), &desired).await.unwrap_err();
    assert!(
        matches!(&err, SandboxError::ImageMissing { image } if image == reference),
        "{err:?}"
    );
    assert!(!err.is_transient());
    assert_eq!(it.ours.list().await.unwrap(), []);
}

pub(crate) async fn a_volume_that_is_missing_is_named(it: &Subject) {
    let mount = SandboxMount {
        source: MountSource::Volume("install-gone".to_owned()),
        inside: "/install".to_owned(),
        access: FolderAccess::ReadOnly,
    };
    let desired = desired(&it.image, vec![mount]);
    let err = it.ours.ensure_running(&key(1), &desired).await.unwrap_err();
    assert!(
        matches!(&err, SandboxError::VolumeMissing { .. }),
        "{err:?}"
    );
    assert_eq!(it.ours.list().await.unwrap(), []);
    assert_eq!(it.ours.list_volumes().await.unwrap(), []);
}

pub(crate) async fn what_a_sandbox_takes_is_told_while_it_runs(it: &Subject) {
    assert_eq!(it.ours.usage(&key(1)).await.unwrap(), None);
    let desired = desired(&it.image, Vec::new());
    it.ours.ensure_running(&key(1), &desired).await.unwrap();
    let usage = it.ours.usage(&key(1)).await.unwrap();
    let usage = usage.expect("it runs");
    // Where the host measures nothing, it says so.
    let facts = it.ours.facts().await.unwrap();
    if facts.limits.memory {
        let memory = usage.memory_bytes.expect("what is limited is measured");
        assert!(0 < memory && memory < desired.spec.limits.memory_bytes_max);
        assert!(0 < usage.pids.unwrap());
        assert!(0 < usage.cpu_ns.unwrap());
    }
    assert_eq!(it.theirs.usage(&key(1)).await.unwrap(), None);
    it.ours.ensure_stopped(&key(1)).await.unwrap();
    assert_eq!(it.ours.usage(&key(1)).await.unwrap(), None);
}
