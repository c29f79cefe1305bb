//! The suite on Podman as whoever runs the tests: root in CI.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use sandbox::Sandbox as _;

use crate::{
    machine::{Bench, EMPTY_IMAGE, Machine, machine, run},
    suite::{Subject, suite_on},
};

suite_on!(on_podman);

pub(crate) async fn on_podman(test: impl AsyncFnOnce(&Subject)) {
    let Some(machine) = machine() else { return };
    let (ours, theirs) = (Bench::new(machine, next()), Bench::new(machine, next()));
    let subject = Subject {
        ours: Arc::clone(&ours.podman) as _,
        theirs: Arc::clone(&theirs.podman) as _,
        image: EMPTY_IMAGE.to_owned(),
        remove_by_hand: Box::new({
            let instance = ours.instance;
            move |key| remove_by_hand(machine, instance, &key.to_string())
        }),
    };
    test(&subject).await;
    drop(subject);
    ours.end().await;
    theirs.end().await;
}

/// Returns an instance that no other test has.
pub(crate) fn next() -> u128 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // The beginning is in names.
    (u128::from(std::process::id()) << 96) | (u128::from(number) << 80)
}

pub(crate) fn container_of(machine: &Machine, instance: domain::InstanceId, key: &str) -> String {
    let mut args: Vec<&str> = machine.args.iter().map(String::as_str).collect();
    let filters = [
        format!("--filter=label=archestra.instance={instance}"),
        format!("--filter=label=archestra.key={key}"),
    ];
    args.extend(["ps", "-a", "-q", &filters[0], &filters[1]]);
    run("podman", &args).unwrap().trim().to_owned()
}

fn remove_by_hand(machine: &Machine, instance: domain::InstanceId, key: &str) {
    let container = container_of(machine, instance, key);
    let mut args: Vec<&str> = machine.args.iter().map(String::as_str).collect();
    args.extend(["rm", "--force", "--time=0", &container]);
    run("podman", &args).unwrap();
}

#[tokio::test]
async fn a_sandbox_that_outlives_the_program_is_taken_over() {
    let Some(machine) = machine() else { return };
    let instance = next();
    let mut bench = Bench::new(machine, instance);
    let (key, desired) = (
        crate::machine::key(1),
        crate::machine::desired(EMPTY_IMAGE, Vec::new()),
    );
    bench.podman.ensure_running(&key, &desired).await.unwrap();
    let container = container_of(machine, bench.instance, &key.to_string());

    bench.restart(machine, instance).await;
    let observed = bench.podman.list().await.unwrap();
    assert_eq!(observed[0].state, sandbox::ObservedState::Starting);
    assert_eq!(observed[0].spec_hash, Some(desired.spec.hash()));
    bench.podman.ensure_running(&key, &desired).await.unwrap();
    assert!(bench.podman.line(&key).is_some());
    let same = container_of(machine, bench.instance, &key.to_string());
    assert_eq!(same, container);

    // Another key's folder that nobody has is swept by the first list after a start.
    bench.podman.ensure_stopped(&key).await.unwrap();
    let name = format!("archestra-{}-server-0", bench.instance.short());
    std::fs::create_dir(bench.run_dir.join(name)).unwrap();
    bench.restart(machine, instance).await;
    bench.end().await;
}
