//! What is told while servers and installs change.

use domain::ServerId;
use store::InstallState;
use tokio::time::{Duration, timeout};

use super::{
    bed::{House, person},
    bridge::Script,
};
use crate::{Delivery, Event, EventSubscription, ServerChange};

/// Reads to the first event that `is_last`, in short.
async fn read(
    events: &mut EventSubscription,
    id: ServerId,
    is_last: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut all = Vec::new();
    let read = async {
        loop {
            let Delivery::Event(published) = events.next().await else {
                panic!("nothing is missed");
            };
            let text = short(&published.event, id);
            all.push(text.clone());
            if is_last(&text) {
                return;
            }
        }
    };
    if timeout(Duration::from_secs(30), read).await.is_err() {
        panic!("only {all:#?}");
    }
    all
}

fn short(event: &Event, expected: ServerId) -> String {
    match event {
        Event::ServerChanged {
            id, status, reason, ..
        } => {
            assert_eq!(*id, expected);
            let reason = reason.as_deref().unwrap_or("");
            format!("server {status} {reason}").trim_end().to_owned()
        }
        Event::ServerRemoved { id, slug } => {
            assert_eq!(*id, expected);
            format!("server {slug} removed")
        }
        Event::InstallChanged {
            server,
            attempt,
            state,
            step,
            reason,
            ..
        } => {
            assert_eq!(*server, expected);
            let step = step.map(|(name, state)| format!(" {name} {}", state.as_str()));
            let reason = reason.as_ref().map(|it| format!(": {it}"));
            let (step, reason) = (step.unwrap_or_default(), reason.unwrap_or_default());
            format!("install {attempt} {}{step}{reason}", state.as_str())
        }
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn an_install_is_told_step_by_step() {
    let script = Script::default();
    script.fail_next("npm --prefix /install/app ci", "npm error code EINTEGRITY");
    let house = House::with(script).await;
    let mut events = house
        .orchestrator
        .events()
        .subscribe(person().principal, None);
    let id = house.add("thing").await;
    let failed = "install 1 failed: step `fetch`: what was fetched is not what the lock file names: `npm --prefix` failed with exit code 1: npm error code EINTEGRITY";
    let all = read(&mut events, id, |it| it == failed).await;
    let installs: Vec<&str> = all
        .iter()
        .filter(|it| it.starts_with("install"))
        .map(String::as_str)
        .collect();
    let fetch_failed = failed.replace("failed: step `fetch`", "running fetch failed");
    assert_eq!(
        installs,
        [
            "install 1 running",
            "install 1 running prepare running",
            "install 1 running prepare done",
            "install 1 running resolve running",
            "install 1 running resolve done",
            "install 1 running fetch running",
            &fetch_failed,
            failed,
        ]
    );
    // How the server stands is told as it is when somebody looks: that it installs may be over by
    // then, and its end may be seen before the install's own event.
    let stands = |it: &str| it.starts_with("server install_failed");
    let mut told = all;
    if !told.iter().any(|it| stands(it)) {
        told.extend(read(&mut events, id, stands).await);
    }
    let stands = told.iter().find(|it| stands(it)).unwrap();
    assert!(stands.ends_with("EINTEGRITY"), "{told:#?}");

    house
        .orchestrator
        .retry_install("thing", &person())
        .await
        .unwrap();
    let again = read(&mut events, id, |it| it == "install 2 ready").await;
    assert!(
        again.contains(&"install 2 running check done".to_owned()),
        "{again:#?}"
    );
    let ready = house.wait_for_install("thing", InstallState::Ready).await;
    assert_eq!(ready.attempt, 2);
    // It is looked at, and its process ends: how that went is told as well.
    read(&mut events, id, |it| it.starts_with("server failed")).await;
    house.end().await;
}

#[tokio::test]
async fn a_server_that_is_switched_off_and_removed_is_told_once_each() {
    let house = House::new().await;
    let id = house.add("thing").await;
    house.wait_for_install("thing", InstallState::Ready).await;
    let mut events = house
        .orchestrator
        .events()
        .subscribe(person().principal, None);
    let person = person();
    let off = ServerChange::Enable(false);
    house
        .orchestrator
        .change_server("thing", off, &person)
        .await
        .unwrap();
    let told = read(&mut events, id, |it| it == "server disabled").await;
    assert!(!told.iter().any(|it| it.contains("removed")), "{told:#?}");
    house
        .orchestrator
        .remove_server("thing", &person)
        .await
        .unwrap();
    let removed = read(&mut events, id, |it| it == "server thing removed").await;
    assert_eq!(removed.len(), 1, "{removed:#?}");
    house.end().await;
}
