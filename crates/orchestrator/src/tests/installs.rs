use domain::ServerSlug;
use store::{Consent, InstallState, StepState};

use super::{
    bed::{House, package, person},
    bridge::Script,
};
use crate::{Error, ServerStatus, install};

#[tokio::test]
async fn a_package_is_installed_step_by_step() {
    let house = House::new().await;
    house.add("thing").await;
    let install = house.wait_for_install("thing", InstallState::Ready).await;
    assert_eq!(install.resolved_version.as_deref(), Some("1.2.3"));
    assert_eq!(install.size_bytes, Some(4242));
    let argv = install.argv.unwrap();
    assert_eq!(argv, ["/install/app/node_modules/.bin/thing"]);
    let (_, steps) = house
        .orchestrator
        .server("thing")
        .await
        .unwrap()
        .install
        .unwrap();
    let steps: Vec<_> = steps
        .iter()
        .map(|it| (it.name.as_str(), it.state))
        .collect();
    assert_eq!(steps, install::STEPS.map(|it| (it, StepState::Done)));
    let slug = ServerSlug::new("thing").unwrap();
    assert!(
        house
            .shared()
            .directory
            .row_by_slug(&slug)
            .unwrap()
            .is_usable()
    );
    house.wait_for_volumes(1).await;
    let hosts = house.shared().directory.install_hosts(install.id);
    assert!(hosts.is_empty(), "{hosts:?}");
    house.end().await;
}

#[tokio::test]
async fn a_failed_install_leaves_no_volume_and_a_retry_keeps_what_was_resolved() {
    let script = Script::default();
    script.fail_next("npm --prefix /install/app ci", "npm error code EINTEGRITY");
    let house = House::with(script.clone()).await;
    house.add("thing").await;
    let failed = house.wait_for_install("thing", InstallState::Failed).await;
    assert_eq!(
        failed.failure.as_deref(),
        Some(
            "step `fetch`: what was fetched is not what the lock file names: `npm --prefix` failed with exit code 1: npm error code EINTEGRITY"
        )
    );
    let (_, steps) = house
        .orchestrator
        .server("thing")
        .await
        .unwrap()
        .install
        .unwrap();
    assert_eq!(steps[2].log, "npm error code EINTEGRITY\n");
    house.wait_for_volumes(0).await;

    script.take_commands();
    house
        .orchestrator
        .retry_install("thing", &person())
        .await
        .unwrap();
    let ready = house.wait_for_install("thing", InstallState::Ready).await;
    assert_eq!((ready.id, ready.attempt), (failed.id, 2));
    let commands = script.take_commands();
    let resolves = commands.iter().any(|it| it.contains("--package-lock-only"));
    assert!(!resolves, "{commands:?}");
    let again = house.orchestrator.retry_install("thing", &person()).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    house.end().await;
}

#[tokio::test]
async fn scripts_of_a_package_wait_for_a_decision_and_hold_no_volume() {
    for (run, decided) in [(true, Consent::Run), (false, Consent::Skip)] {
        let script = Script::default().with_scripts();
        let house = House::with(script.clone()).await;
        house.add("thing").await;
        let state = InstallState::WaitingForConsent;
        let waiting = house.wait_for_install("thing", state).await;
        assert_eq!(waiting.build_scripts, ["thing@1.2.3"]);
        let details = house.orchestrator.server("thing").await.unwrap();
        let packages = vec!["thing@1.2.3".to_owned()];
        assert_eq!(
            details.summary.status,
            ServerStatus::WaitingForConsent { packages }
        );
        let ran = script.take_commands();
        assert!(
            ran.iter()
                .all(|it| !it.ends_with(" ci") && !it.contains("rebuild")),
            "{ran:?}"
        );
        house.wait_for_volumes(0).await;

        // It goes on waiting over a restart.
        let house = house.restart(script.clone()).await;
        house.wait_for_install("thing", state).await;
        let person = person();
        let decide = house
            .orchestrator
            .decide_build_scripts("thing", run, &person);
        decide.await.unwrap();
        let ready = house.wait_for_install("thing", InstallState::Ready).await;
        assert_eq!(ready.consent, decided);
        let commands = script.take_commands();
        let rebuilds = commands.iter().any(|it| it.contains("rebuild"));
        assert_eq!(rebuilds, run, "{commands:?}");
        let again = house
            .orchestrator
            .decide_build_scripts("thing", true, &person)
            .await;
        assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
        house.end().await;
    }
}

#[tokio::test]
async fn a_server_removed_in_any_step_leaves_nothing() {
    for part in ["df -B1", "--package-lock-only", " ci", "du -sb"] {
        let script = Script::default();
        script.hang_at(Some(part));
        let house = House::with(script.clone()).await;
        house.add("thing").await;
        script.wait_for(part).await;
        house
            .orchestrator
            .remove_server("thing", &person())
            .await
            .unwrap();
        house.wait_for_volumes(0).await;
        assert!(house.orchestrator.servers().await.unwrap().is_empty());
        assert_eq!(house.machine.fake.sandboxes(), [], "{part}");
        house.end().await;
    }
}

#[tokio::test]
async fn an_install_goes_on_after_the_program_has_ended_in_any_step() {
    for part in ["df -B1", "--package-lock-only", " ci", "du -sb"] {
        let script = Script::default();
        script.hang_at(Some(part));
        let house = House::with(script.clone()).await;
        house.add("thing").await;
        script.wait_for(part).await;
        let house = house.restart(Script::default()).await;
        let ready = house.wait_for_install("thing", InstallState::Ready).await;
        assert_eq!(ready.attempt, 2, "{part}");
        house.wait_for_volumes(1).await;
        house.end().await;
    }
}

#[tokio::test]
async fn a_client_that_goes_in_the_middle_of_a_change_leaves_no_half_of_it() {
    let house = House::new().await;
    let person = person();
    let mut adding = Box::pin(house.orchestrator.add_server(package("thing"), &person));
    let begun = std::future::poll_fn(|cx| std::task::Poll::Ready(adding.as_mut().poll(cx))).await;
    assert!(begun.is_pending());
    drop(adding);
    while house.orchestrator.server("thing").await.is_err() {
        tokio::task::yield_now().await;
    }
    house.wait_for_install("thing", InstallState::Ready).await;
    house.end().await;
}

#[tokio::test]
async fn an_install_whose_end_was_not_written_down_can_be_tried_again() {
    let house = House::new().await;
    let add = package("thing");
    house.orchestrator.add_server(add, &person()).await.unwrap();
    house.wait_for_install("thing", InstallState::Ready).await;
    let slug = ServerSlug::new("thing").unwrap();
    let server = house
        .shared()
        .directory
        .row_by_slug(&slug)
        .unwrap()
        .stored
        .id;
    let domain::Source::Package(package) = package("thing").spec.source else {
        unreachable!()
    };
    let next = crate::servers::new_install(&package);
    let store = &house.shared().store;
    assert!(store.create_install(server, &next).await.unwrap());
    let state = InstallState::Running;
    assert!(store.set_install_state(next.id, state, None).await.unwrap());
    assert_eq!(
        house.install("thing").await.id,
        next.id,
        "the newest, at the same time"
    );
    house
        .orchestrator
        .retry_install("thing", &person())
        .await
        .unwrap();
    let ready = house.wait_for_install("thing", InstallState::Ready).await;
    assert_eq!(ready.id, next.id);
    house.end().await;
}
