use domain::{Limits, SandboxSpec};
use sandbox::{FakeCall, FakeSandbox, Observed};
use tokio::time::sleep;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::*;
use crate::{
    tests::bed::{self, TestClock},
    wants::Lease,
};

// Time is paused in these tests: a sleep ends as soon as every task waits, so hours of reconciling
// take no time, and nothing depends on how fast the machine is. That something happens is waited
// for; a test sleeps only to show that nothing does. The database is closed before that.

/// Far more than any back-off that these tests get to.
const LONG: Duration = Duration::from_secs(60 * 60);
const START_TIMEOUT: Duration = Duration::from_secs(5 * 60);
const PERIOD: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_sandbox_runs_while_somebody_has_a_lease_on_it() {
    let house = House::new().await;
    let first = house.lease(1, "a");
    house.running(1).await.unwrap();
    let second = house.lease(1, "a");
    drop(first);
    sleep(LONG).await;
    assert_eq!(house.images(), [(key(1), "a")]);
    let began = Instant::now();
    drop(second);
    house.fake.wait_until_gone(&key(1)).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    house.shut_down().await;
}

#[tokio::test]
async fn what_ran_before_is_found_again_and_what_nobody_wants_is_stopped() {
    let house = House::new().await;
    let leases = (house.lease(1, "a"), house.lease(2, "a"));
    house.running(1).await.unwrap();
    house.running(2).await.unwrap();
    let fake = house.fake.clone();
    house.shut_down().await;
    drop(leases);
    fake.take_calls();

    let house = House::on(fake).await;
    let _lease = house.lease(1, "a");
    house.running(1).await.unwrap();
    house.fake.wait_until_gone(&key(2)).await;
    assert_eq!(house.starts_of(1), 0);
    house.shut_down().await;
}

#[tokio::test]
async fn a_round_with_nothing_to_do_calls_nothing_but_list() {
    let house = House::new().await;
    let _lease = house.lease(1, "a");
    house.running(1).await.unwrap();
    house.fake.take_calls();
    sleep(10 * PERIOD).await;
    let calls: Vec<FakeCall> = house.fake.take_calls().into_keys().collect();
    assert_eq!(calls, [FakeCall::List]);
    house.shut_down().await;
}

#[tokio::test]
async fn a_sandbox_that_hangs_delays_no_other() {
    let house = House::new().await;
    house.fake.hang_next_start(&key(1));
    let _lease = house.lease(1, "a");
    house.wait_for(1, Some(SandboxStatus::Starting)).await;
    let began = Instant::now();
    let other = house.lease(2, "a");
    house.running(2).await.unwrap();
    drop(other);
    house.fake.wait_until_gone(&key(2)).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(house.status(1), Some(SandboxStatus::Starting));
    house.shut_down().await;
}

#[tokio::test]
async fn a_start_that_hangs_ends_at_its_deadline_and_is_tried_again() {
    let house = House::new().await;
    house.fake.hang_next_start(&key(1));
    let began = Instant::now();
    let _lease = house.lease(1, "a");
    let told = house.running(1).await.unwrap_err();
    assert_eq!(told, "cannot start the sandbox within 300s");
    assert_eq!(began.elapsed().as_secs(), START_TIMEOUT.as_secs());
    house.wait_for(1, Some(SandboxStatus::Running)).await;
    house.shut_down().await;
}

#[tokio::test]
async fn a_lease_dropped_during_a_start_ends_it_at_once() {
    let house = House::new().await;
    house.fake.hang_next_start(&key(1));
    let lease = house.lease(1, "a");
    house.wait_for(1, Some(SandboxStatus::Starting)).await;
    let began = Instant::now();
    drop(lease);
    house.fake.wait_until_gone(&key(1)).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    house.shut_down().await;
}

#[tokio::test]
async fn a_spec_changed_during_a_start_takes_its_place_at_once() {
    let house = House::new().await;
    house.fake.hang_next_start(&key(1));
    let _lease = house.lease(1, "a");
    house.wait_for(1, Some(SandboxStatus::Starting)).await;
    let began = Instant::now();
    let _changed = house.lease(1, "b");
    house.wait_for(1, Some(SandboxStatus::Running)).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(house.images(), [(key(1), "b")]);
    house.shut_down().await;
}

#[tokio::test]
async fn a_transient_failure_is_tried_again_after_ever_longer_waits() {
    let house = House::new().await;
    for _ in 0..3 {
        house.fake.fail_next_start(&key(1), unavailable());
    }
    let began = Instant::now();
    let _lease = house.lease(1, "a");
    let told = house.running(1).await.unwrap_err();
    assert_eq!(told, "podman cannot be reached: no such socket; try again");
    house.wait_for(1, Some(SandboxStatus::Running)).await;
    assert_eq!(began.elapsed().as_secs(), 30 + 60 + 120);
    house.shut_down().await;
}

#[tokio::test]
async fn a_permanent_failure_is_not_tried_again_until_something_changes() {
    let house = House::new().await;
    house.fake.without_image("a");
    let _lease = house.lease(1, "a");
    let told = house.running(1).await.unwrap_err();
    assert!(told.starts_with("image `a` is not there"), "{told}");
    sleep(LONG).await;
    assert_eq!(house.starts_of(1), 1);
    let _changed = house.lease(1, "b");
    house.wait_for(1, Some(SandboxStatus::Running)).await;
    house.shut_down().await;
}

#[tokio::test]
async fn a_list_that_fails_is_told_at_once_and_followed_by_another() {
    let house = House::new().await;
    house.fake.fail_after(0);
    let began = Instant::now();
    let _lease = house.lease(1, "a");
    let told = house.running(1).await.unwrap_err();
    assert_eq!(told, "fake cannot be reached: fault; try again");
    assert_eq!(began.elapsed(), Duration::ZERO);
    house.wait_for(1, Some(SandboxStatus::Running)).await;
    assert_eq!(began.elapsed().as_secs(), PERIOD.as_secs());
    house.shut_down().await;
}

#[tokio::test]
async fn a_list_that_hangs_is_given_up_for_another() {
    let house = House::new().await;
    house.fake.hang_next_list();
    let began = Instant::now();
    let _lease = house.lease(1, "a");
    house.wait_for(1, Some(SandboxStatus::Running)).await;
    assert_eq!(began.elapsed().as_secs(), (LIST_TIMEOUT + PERIOD).as_secs());
    house.shut_down().await;
}

#[tokio::test]
async fn a_sandbox_that_exits_again_and_again_is_started_less_and_less() {
    let house = House::new().await;
    let _lease = house.lease(1, "a");
    house.wait_for(1, Some(SandboxStatus::Running)).await;
    let began = Instant::now();
    for wait in [30, 60, 120] {
        house.fake.exit(&key(1), 7);
        house.shared.wants.activate();
        let message = "the sandbox exited with code 7".to_owned();
        let failed = SandboxStatus::Failed {
            message,
            will_retry: true,
        };
        house.wait_for(1, Some(failed)).await;
        let before = Instant::now();
        house.wait_for(1, Some(SandboxStatus::Running)).await;
        assert_eq!(before.elapsed().as_secs(), wait);
    }
    assert_eq!(began.elapsed().as_secs(), 30 + 60 + 120);
    // One that has run for long is started at once.
    sleep(LONG).await;
    house.fake.exit(&key(1), 7);
    let before = Instant::now();
    house.shared.wants.activate();
    house.fake.wait_until_running(&key(1)).await;
    assert_eq!(before.elapsed(), Duration::ZERO);
    house.shut_down().await;
}

/// A server that is removed while somebody waits for its sandbox: nobody makes it ever.
#[tokio::test]
async fn whoever_waits_for_what_nothing_says_how_to_make_is_told() {
    let house = House::new().await;
    let server = domain::ServerId::from_uuid(uuid::Uuid::nil());
    let key = SandboxKey::Server {
        server,
        isolation: IsolationKey::Shared,
    };
    let _lease = house.shared.wants.lease(key.clone(), None);
    let told = house.shared.statuses.wait_until_settled(&key).await;
    let reason = "it was removed, switched off or is not installed";
    assert_eq!(told.unwrap_err(), reason);
    house.shut_down().await;
}

#[tokio::test]
async fn no_more_than_so_many_actions_are_under_way_and_all_get_their_turn() {
    let house = House::new().await;
    for n in 0..16 {
        house.fake.hang_next_start(&key(n));
    }
    let mut leases: Vec<Lease> = (0..20).map(|n| house.lease(n, "a")).collect();
    house.wait_for(15, Some(SandboxStatus::Starting)).await;
    assert_eq!(house.status(16), Some(SandboxStatus::Pending));
    leases.drain(..4);
    for n in 16..20 {
        house.wait_for(n, Some(SandboxStatus::Running)).await;
    }
    assert_eq!(house.status(15), Some(SandboxStatus::Starting));
    house.shut_down().await;
}

/// The same scenario again and again: its first call fails, then its second, until no call is left
/// to fail. Whichever it was, the rounds that follow repair it.
#[tokio::test]
async fn no_single_failure_lasts() {
    for calls in 0..100 {
        let house = House::new().await;
        house.fake.fail_after(calls);
        let one = house.lease(1, "a");
        let two = house.lease(2, "a");
        house.wait_for(1, Some(SandboxStatus::Running)).await;
        house.wait_for(2, Some(SandboxStatus::Running)).await;
        drop(one);
        let changed = house.lease(2, "b");
        house.fake.wait_until_gone(&key(1)).await;
        let is_b = |it: &[(SandboxKey, &str)]| it == [(key(2), "b")];
        while !is_b(&house.images()) {
            sleep(Duration::from_secs(1)).await;
        }
        house.wait_for(2, Some(SandboxStatus::Running)).await;
        let fault_came = !house.fake.fault_is_pending();
        house.shut_down().await;
        drop((two, changed));
        if !fault_came {
            assert!(5 < calls, "three starts, two stops and lists failed");
            return;
        }
    }
    panic!("the scenario has no end");
}

/// The fake panics when two calls for one sandbox are under way.
#[tokio::test]
async fn an_action_that_panics_is_a_failure_and_ends_nothing_else() {
    let house = House::new().await;
    house.fake.hang_next_start(&key(1));
    let (key, sandbox) = (key(1), desired("a"));
    let mut other = Box::pin(house.fake.ensure_running(&key, &sandbox));
    let hangs = timeout(Duration::from_millis(1), &mut other).await;
    assert!(hangs.is_err());
    let _lease = house.lease(1, "a");
    let told = house.running(1).await.unwrap_err();
    assert!(told.contains("panicked"), "{told}");
    drop(other);
    let _other = house.lease(2, "a");
    house.running(2).await.unwrap();
    house.shut_down().await;
}

/// All that is wanted, also by nobody but the settings of a server that is kept warm.
#[tokio::test]
async fn a_machine_that_cannot_be_asked_is_told_of_every_sandbox() {
    let statuses = Statuses::default();
    let server = SandboxKey::Server {
        server: domain::ServerId::from_uuid(uuid::Uuid::nil()),
        isolation: IsolationKey::Shared,
    };
    let wanted = [(server, desired("a")), (key(1), desired("a"))];
    statuses.fail(&wanted.into(), "no Podman");
    let failed = SandboxStatus::Failed {
        message: "no Podman".to_owned(),
        will_retry: true,
    };
    let id = domain::ServerId::from_uuid(uuid::Uuid::nil());
    assert_eq!(statuses.of_server(id), std::slice::from_ref(&failed));
    assert_eq!(statuses.get(&key(1)), Some(failed));
}

#[tokio::test]
async fn all_tasks_stop_in_the_middle_of_a_start() {
    let house = House::new().await;
    house.fake.hang_next_start(&key(1));
    let _lease = house.lease(1, "a");
    house.wait_for(1, Some(SandboxStatus::Starting)).await;
    let began = Instant::now();
    house.shut_down().await;
    assert_eq!(began.elapsed().as_secs(), 0);
}

struct House {
    shared: Arc<Shared>,
    fake: Arc<FakeSandbox>,
    _dir: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        let instance = "a".repeat(32).parse().unwrap();
        Self::on(Arc::new(FakeSandbox::new(instance))).await
    }

    async fn on(fake: Arc<FakeSandbox>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let clock = TestClock::new();
        let parts = bed::parts(dir.path(), clock, fake.clone(), &tasks, &shutdown).await;
        parts.store.close().await;
        tokio::time::pause();
        let shared = Shared::new(parts);
        tasks.spawn(run(shared.clone()));
        Self {
            shared,
            fake,
            _dir: dir,
        }
    }

    fn lease(&self, n: u128, image: &str) -> Lease {
        self.shared.wants.lease(key(n), Some(desired(image)))
    }

    async fn running(&self, n: u128) -> Result<(), String> {
        let key = key(n);
        let settled = self.shared.statuses.wait_until_settled(&key);
        timeout(LONG, settled).await.expect("it settles")
    }

    fn status(&self, n: u128) -> Option<SandboxStatus> {
        self.shared.statuses.get(&key(n))
    }

    async fn wait_for(&self, n: u128, status: Option<SandboxStatus>) {
        let key = key(n);
        let reached = self.shared.statuses.wait_for(&key, |it| *it == status);
        if timeout(LONG, reached).await.is_err() {
            panic!("sandbox {n} never got there, it is {:?}", self.status(n));
        }
    }

    /// The images that run, or are on their way to it.
    fn images(&self) -> Vec<(SandboxKey, &'static str)> {
        let image = |it: &Observed| {
            let mut known = ["a", "b"].into_iter();
            known.find(|image| Some(desired(image).spec.hash()) == it.spec_hash)
        };
        let all = self.fake.sandboxes();
        all.iter()
            .map(|it| (it.key.clone(), image(it).unwrap()))
            .collect()
    }

    /// How often `n` was started since the calls were taken last. Takes them.
    fn starts_of(&self, n: u128) -> u32 {
        let calls = self.fake.take_calls();
        let starts = calls.get(&FakeCall::EnsureRunning(key(n)));
        starts.copied().unwrap_or(0)
    }

    /// Every test ends with this: a task that does not stop when it is told to is a failure.
    async fn shut_down(self) {
        self.shared.shutdown.cancel();
        self.shared.tasks.close();
        timeout(LONG, self.shared.tasks.wait())
            .await
            .expect("all tasks end after the shutdown signal");
        tokio::time::resume();
    }
}

fn key(n: u128) -> SandboxKey {
    SandboxKey::Fetch {
        install: domain::InstallId::from_uuid(uuid::Uuid::from_u128(n)),
    }
}

fn desired(image: &str) -> DesiredSandbox {
    DesiredSandbox {
        generation: u64::from(image.as_bytes()[0]),
        spec: SandboxSpec {
            image: image.to_owned(),
            bridge_hash: String::new(),
            mounts: Vec::new(),
            limits: Limits {
                start_timeout_ms: 300_000,
                ..Limits::default()
            },
        },
    }
}

fn unavailable() -> SandboxError {
    SandboxError::BackendUnavailable {
        backend: "podman",
        hint: "try again".to_owned(),
        source: "no such socket".into(),
    }
}
