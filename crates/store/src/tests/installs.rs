use super::bed::{Bed, event, new_id, new_install, new_server};
use crate::{
    Consent, InstallState, NewInstall, Resolution, STEP_LOG_BYTES_MAX, StepState, Store, StoreError,
};

super::on_both!(
    an_install_goes_from_pending_to_ready,
    ready_is_reached_from_running_only_and_once,
    a_new_install_supersedes_the_unfinished_and_the_old_one_stays_until_then,
    a_retry_begins_again_and_keeps_what_was_resolved,
    consent_is_given_only_when_it_was_asked_for,
    the_log_of_a_step_is_bounded_and_may_have_any_bytes,
    a_lock_file_over_its_bound_is_refused,
);

fn resolution() -> Resolution {
    Resolution {
        version: "1.2.3".to_owned(),
        lock: "{}".to_owned(),
        lock_sha256: "ab".to_owned(),
        integrity: Some("sha512-xyz".to_owned()),
        build_scripts: vec!["esbuild".to_owned()],
    }
}

async fn with_install(bed: &Bed) -> (Store, crate::NewServer, NewInstall) {
    let store = bed.open().await;
    let (server, install) = (new_server("one"), new_install());
    store
        .create_server(&server, Some(&install), &event("server.add"))
        .await
        .unwrap();
    (store, server, install)
}

async fn run(store: &Store, install: &NewInstall) {
    assert!(
        store
            .set_install_state(install.id, InstallState::Running, None)
            .await
            .unwrap()
    );
}

async fn an_install_goes_from_pending_to_ready(bed: Bed) {
    let (store, server, install) = with_install(&bed).await;
    let generation = store.server(server.id).await.unwrap().unwrap().generation;
    let stored = store.install(install.id).await.unwrap().unwrap();
    assert_eq!(stored.state, InstallState::Pending);
    assert_eq!(stored.package, install.package);
    assert_eq!((stored.attempt, stored.consent), (1, Consent::None));
    assert_eq!(store.unfinished_installs().await.unwrap(), [stored]);
    let names = |steps: Vec<crate::InstallStep>| steps.into_iter().map(|it| (it.name, it.state));
    let steps = store.install_steps(install.id).await.unwrap();
    let pending = ["lock", "fetch"].map(|it| (it.to_owned(), StepState::Pending));
    assert_eq!(names(steps).collect::<Vec<_>>(), pending);

    run(&store, &install).await;
    store.begin_step(install.id, 0, "lock").await.unwrap();
    bed.clock.advance(10);
    store
        .append_step_log(install.id, 0, "resolving\n")
        .await
        .unwrap();
    store
        .append_step_log(install.id, 0, "done\n")
        .await
        .unwrap();
    store
        .end_step(install.id, 0, StepState::Done, None)
        .await
        .unwrap();
    assert!(
        store
            .record_resolution(install.id, &resolution())
            .await
            .unwrap()
    );
    let argv = ["node".to_owned(), "dist/index.js".to_owned()];
    assert!(
        store
            .finish_install(install.id, &argv, 123_456)
            .await
            .unwrap()
    );

    let stored = store.install(install.id).await.unwrap().unwrap();
    assert_eq!(stored.state, InstallState::Ready);
    assert_eq!(stored.argv.as_deref(), Some(&argv[..]));
    assert_eq!(stored.size_bytes, Some(123_456));
    assert_eq!(stored.resolved_version.as_deref(), Some("1.2.3"));
    assert_eq!(stored.build_scripts, ["esbuild"]);
    assert_eq!(
        store.install_lock(install.id).await.unwrap().as_deref(),
        Some("{}")
    );
    let step = &store.install_steps(install.id).await.unwrap()[0];
    assert_eq!(
        (step.state, step.log.as_str()),
        (StepState::Done, "resolving\ndone\n")
    );
    let took = step.ended_at.unwrap().unix_ms - step.started_at.unwrap().unix_ms;
    assert_eq!(took, 10);
    let server = store.server(server.id).await.unwrap().unwrap();
    assert_eq!(server.ready_install, Some(install.id));
    assert!(generation < server.generation);
    assert_eq!(store.unfinished_installs().await.unwrap(), []);
}

async fn ready_is_reached_from_running_only_and_once(bed: Bed) {
    let (store, server, install) = with_install(&bed).await;
    assert!(!store.finish_install(install.id, &[], 1).await.unwrap());
    assert!(
        !store
            .set_install_state(install.id, InstallState::Ready, None)
            .await
            .unwrap()
    );
    run(&store, &install).await;
    assert!(store.finish_install(install.id, &[], 1).await.unwrap());
    let generation = store.server(server.id).await.unwrap().unwrap().generation;
    assert!(!store.finish_install(install.id, &[], 1).await.unwrap());
    assert!(
        !store
            .set_install_state(install.id, InstallState::Failed, None)
            .await
            .unwrap()
    );
    assert!(!store.reset_for_retry(install.id).await.unwrap());
    assert_eq!(
        store.server(server.id).await.unwrap().unwrap().generation,
        generation
    );
    assert!(
        !store
            .set_install_state(new_id(), InstallState::Failed, None)
            .await
            .unwrap()
    );
}

async fn a_new_install_supersedes_the_unfinished_and_the_old_one_stays_until_then(bed: Bed) {
    let (store, server, first) = with_install(&bed).await;
    run(&store, &first).await;
    assert!(store.finish_install(first.id, &[], 1).await.unwrap());
    let (second, third) = (new_install(), new_install());
    assert!(store.create_install(server.id, &second).await.unwrap());
    run(&store, &second).await;
    bed.clock.advance(1);
    assert!(store.create_install(server.id, &third).await.unwrap());
    run(&store, &third).await;

    // The second has lost, whatever it still comes to.
    assert!(!store.finish_install(second.id, &[], 1).await.unwrap());
    let ready = store
        .server(server.id)
        .await
        .unwrap()
        .unwrap()
        .ready_install;
    assert_eq!(ready, Some(first.id));
    let mut volumes = vec![first.volume.clone(), third.volume.clone()];
    volumes.sort();
    assert_eq!(store.referenced_volumes().await.unwrap(), volumes);

    assert!(store.finish_install(third.id, &[], 1).await.unwrap());
    assert_eq!(store.referenced_volumes().await.unwrap(), [third.volume]);
    let states = store.installs_of(server.id).await.unwrap();
    assert_eq!(states[0].id, third.id);
    let superseded = |it: &&crate::StoredInstall| it.state == InstallState::Superseded;
    assert_eq!(states.iter().filter(superseded).count(), 2);
}

async fn a_retry_begins_again_and_keeps_what_was_resolved(bed: Bed) {
    let (store, _, install) = with_install(&bed).await;
    run(&store, &install).await;
    store
        .record_resolution(install.id, &resolution())
        .await
        .unwrap();
    store.begin_step(install.id, 1, "fetch").await.unwrap();
    store.append_step_log(install.id, 1, "oh no").await.unwrap();
    store
        .end_step(install.id, 1, StepState::Failed, Some("no\0 network"))
        .await
        .unwrap();
    let failed = InstallState::Failed;
    assert!(
        store
            .set_install_state(install.id, failed, Some("fetch\0 failed"))
            .await
            .unwrap()
    );
    let stored = store.install(install.id).await.unwrap().unwrap();
    assert_eq!(stored.failure.as_deref(), Some("fetch\u{fffd} failed"));
    assert_eq!(store.unfinished_installs().await.unwrap(), []);
    assert_eq!(
        store.referenced_volumes().await.unwrap(),
        Vec::<String>::new()
    );

    assert!(store.reset_for_retry(install.id).await.unwrap());
    let stored = store.install(install.id).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.attempt), (InstallState::Pending, 2));
    assert_eq!(stored.failure, None);
    assert_eq!(stored.lock_sha256.as_deref(), Some("ab"));
    let step = &store.install_steps(install.id).await.unwrap()[1];
    assert_eq!((step.state, step.log.as_str()), (StepState::Pending, ""));
    assert_eq!(
        (step.started_at, step.ended_at, step.reason.as_deref()),
        (None, None, None)
    );
}

async fn consent_is_given_only_when_it_was_asked_for(bed: Bed) {
    let (store, _, install) = with_install(&bed).await;
    let audit = event("install.consent");
    assert!(
        !store
            .set_consent(install.id, Consent::Run, &audit)
            .await
            .unwrap()
    );
    let waiting = InstallState::WaitingForConsent;
    assert!(
        store
            .set_install_state(install.id, waiting, None)
            .await
            .unwrap()
    );
    assert!(
        store
            .set_consent(install.id, Consent::Skip, &audit)
            .await
            .unwrap()
    );
    assert!(
        !store
            .set_consent(install.id, Consent::Run, &audit)
            .await
            .unwrap()
    );
    let stored = store.install(install.id).await.unwrap().unwrap();
    assert_eq!(
        (stored.state, stored.consent),
        (InstallState::Pending, Consent::Skip)
    );
}

async fn the_log_of_a_step_is_bounded_and_may_have_any_bytes(bed: Bed) {
    let (store, _, install) = with_install(&bed).await;
    store.begin_step(install.id, 0, "lock").await.unwrap();
    store
        .append_step_log(install.id, 0, "first \0 €\n")
        .await
        .unwrap();
    for _ in 0..3 {
        let text = "x".repeat(STEP_LOG_BYTES_MAX);
        store.append_step_log(install.id, 0, &text).await.unwrap();
    }
    store
        .append_step_log(install.id, 0, "last\n")
        .await
        .unwrap();
    let log = store.install_steps(install.id).await.unwrap()[0]
        .log
        .clone();
    assert!(log.starts_with("first \u{fffd} €\n") && log.ends_with("last\n"));
    assert!(log.contains("bytes left out"));
    assert!(log.len() < STEP_LOG_BYTES_MAX + 100);
}

async fn a_lock_file_over_its_bound_is_refused(bed: Bed) {
    let (store, _, install) = with_install(&bed).await;
    let mut resolution = resolution();
    resolution.lock = "x".repeat(4 << 20);
    assert!(
        store
            .record_resolution(install.id, &resolution)
            .await
            .unwrap()
    );
    resolution.lock.push('x');
    let err = store
        .record_resolution(install.id, &resolution)
        .await
        .unwrap_err();
    assert!(matches!(err, StoreError::TooLarge { .. }), "{err:?}");
}
