use super::*;
use crate::tests::{
    bed::{House, person},
    bridge::Script,
};

/// How an install has ended is in the store a moment before it is out of the list of those under
/// way, and a person or a program may be quick.
#[tokio::test]
async fn what_is_begun_again_while_it_is_ending_begins_after_that() {
    let script = Script::default();
    script.fail_next("--package-lock-only", "npm error code E404");
    let house = House::with(script).await;
    house.add("thing").await;
    let failed = house.wait_for_install("thing", InstallState::Failed).await;
    let shared = house.shared();
    let ending = UnderWay {
        cancel: CancellationToken::new(),
        again: false,
    };
    shared.installer.lock().insert(failed.id, ending);

    house
        .orchestrator
        .retry_install("thing", &person())
        .await
        .unwrap();
    let next = shared.installer.end(failed.id, &shared.shutdown);
    work(shared, failed.id, next.expect("it was begun again")).await;
    let ready = house.wait_for_install("thing", InstallState::Ready).await;
    assert_eq!(ready.attempt, 2);
    house.end().await;
}

#[tokio::test]
async fn an_install_that_was_cancelled_does_not_begin_again() {
    let house = House::new().await;
    let installer = &house.shared().installer;
    let id = InstallId::from_uuid(uuid::Uuid::now_v7());
    let cancel = CancellationToken::new();
    cancel.cancel();
    installer.lock().insert(
        id,
        UnderWay {
            cancel,
            again: true,
        },
    );
    assert!(installer.end(id, &CancellationToken::new()).is_none());
    assert!(!installer.is_under_way(id));
    house.end().await;
}
