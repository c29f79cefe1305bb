use std::sync::Arc;

use domain::{IsolationKey, Limits, SandboxSpec};

use super::*;

#[tokio::test]
#[should_panic(expected = "two calls for sandbox")]
async fn two_calls_for_one_sandbox_at_a_time_are_a_mistake() {
    let sandbox = FakeSandbox::new(id("a").parse().unwrap());
    sandbox.hang_next_start(&key());
    let (spec, key) = (desired("a"), key());
    let both = async {
        tokio::join!(
            sandbox.ensure_running(&key, &spec),
            sandbox.ensure_stopped(&key)
        )
    };
    both.await.0.unwrap();
}

#[tokio::test]
#[should_panic(expected = "by another spec")]
async fn a_start_by_another_spec_without_a_stop_is_a_mistake() {
    let sandbox = FakeSandbox::new(id("a").parse().unwrap());
    sandbox.ensure_running(&key(), &desired("a")).await.unwrap();
    sandbox.ensure_running(&key(), &desired("b")).await.unwrap();
}

#[tokio::test]
async fn a_start_that_was_given_up_is_seen_and_can_be_taken_up() {
    let sandbox = Arc::new(FakeSandbox::new(id("a").parse().unwrap()));
    sandbox.hang_next_start(&key());
    let (spec, key) = (desired("a"), key());
    tokio::select! {
        biased;
        _ = sandbox.ensure_running(&key, &spec) => panic!("it hangs"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(sandbox.sandboxes()[0].state, ObservedState::Starting);
    sandbox.ensure_running(&key, &spec).await.unwrap();
    assert_eq!(sandbox.sandboxes()[0].state, ObservedState::Running);
}

#[tokio::test]
async fn the_call_that_was_asked_to_fail_fails_once() {
    let sandbox = FakeSandbox::new(id("a").parse().unwrap());
    sandbox.fail_after(1);
    sandbox.list().await.unwrap();
    let err = sandbox.list().await.unwrap_err();
    assert!(err.is_transient());
    sandbox.list().await.unwrap();
    assert_eq!(sandbox.take_calls()[&FakeCall::List], 3);
}

fn id(number: &str) -> String {
    format!("{number:0>32}")
}

fn key() -> SandboxKey {
    SandboxKey::Server {
        server: id("1").parse().unwrap(),
        isolation: IsolationKey::Shared,
    }
}

fn desired(image: &str) -> DesiredSandbox {
    DesiredSandbox {
        generation: 1,
        spec: SandboxSpec {
            image: image.to_owned(),
            bridge_hash: "00".to_owned(),
            mounts: Vec::new(),
            limits: Limits::default(),
        },
    }
}
