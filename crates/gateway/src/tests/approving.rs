//! Calls that wait for a person: how long, what the client hears, and what they may do after it.

use std::{sync::Arc, time::Duration};

use domain::{CallerKind, ChatId, GrantId};
use expect_test::expect;
use serde_json::{Value, json};

use super::{bed::*, client::*};
use crate::{CallError, CallTarget, Grant, GrantScope, ServerPins, ServerView, Verdict};

/// A server whose tool `echo` somebody has looked at, and which asks.
fn asking(bed: &Bed) -> ServerView {
    let view = bed.echo("a");
    let mut pins = ServerPins::clone(view.pins.as_ref().unwrap());
    for tool in pins.tools.values_mut() {
        tool.setting = None;
    }
    bed.gateway.set_pins(view.id, Arc::new(pins));
    view
}

fn text_of(reply: &Reply) -> (bool, String) {
    let result = reply.result();
    let is_error = result["isError"] == true;
    (
        is_error,
        result["content"][0]["text"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    )
}

fn call(of: u64) -> Value {
    json!({"name": "a__echo", "arguments": {"of": of}})
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_a_person_and_is_made_when_it_is_approved() {
    let bed = Bed::new();
    asking(&bed);
    let client = bed.client().await;
    let waiting = client.spawn(&bed, 1, "tools/call", call(1));
    bed.approvals.opened(1).await;
    assert_eq!(bed.connect.begun(), 0, "nothing was started before");
    bed.approvals.decide(Verdict::Approved, 1);
    let reply = waiting.await.unwrap();
    assert_eq!(reply.result()["echo"]["arguments"]["of"], 1);
    bed.records
        .wait_for("after a/echo allowed (grant 00000000-0000-0000-0000-000000000001) ok")
        .await;
    // Once is once.
    let again = client.spawn(&bed, 2, "tools/call", call(1));
    bed.approvals.opened(2).await;
    bed.approvals.decide(
        Verdict::Denied {
            reason: Some("not now".to_owned()),
        },
        0,
    );
    let said = text_of(&again.await.unwrap());
    expect!["the call of `echo` of `a` was not approved: not now"].assert_eq(&said.1);
    assert!(said.0);
    bed.records
        .wait_for("after a/echo asked (approval 00000000-0000-0000-0000-000000000002) not_approved")
        .await;
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_too_long_is_told_where_and_may_call_again() {
    let bed = Bed::new();
    asking(&bed);
    let client = bed.client().await;
    let began = tokio::time::Instant::now();
    let reply = client.request(1, "tools/call", call(1)).await;
    assert_eq!(began.elapsed(), Duration::from_secs(45));
    expect!["the call of `echo` of `a` is waiting for approval: a person can allow or deny it at http://ui/approvals/1; make the same call again after that"]
        .assert_eq(&text_of(&reply).1);
    assert!(text_of(&reply).0);
    // The request is still open: an equal call waits for the same one.
    let again = client.spawn(&bed, 2, "tools/call", call(1));
    tokio::task::yield_now().await;
    bed.approvals.decide(Verdict::Approved, 1);
    assert_eq!(again.await.unwrap().result()["echo"]["arguments"]["of"], 1);
    assert_eq!(bed.approvals.all().len(), 1);
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_covers_no_other_arguments() {
    let bed = Bed::new();
    asking(&bed);
    let client = bed.client().await;
    let one = client.spawn(&bed, 1, "tools/call", call(1));
    bed.approvals.opened(1).await;
    bed.approvals.decide(Verdict::Approved, 1);
    one.await.unwrap();
    let other = client.request(2, "tools/call", call(2)).await;
    assert!(text_of(&other).1.contains("is waiting for approval"));
    let all: Vec<String> = bed.approvals.all().into_iter().map(|it| it.what).collect();
    assert_eq!(all, [r#"a/echo {"of":1}"#, r#"a/echo {"of":2}"#]);
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn of_two_equal_calls_an_approval_for_one_lets_one_pass() {
    let bed = Bed::new();
    asking(&bed);
    let client = bed.client().await;
    let one = client.spawn(&bed, 1, "tools/call", call(1));
    let two = client.spawn(&bed, 2, "tools/call", call(1));
    bed.approvals.opened(1).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    bed.approvals.decide(Verdict::Approved, 1);
    let replies = [one.await.unwrap(), two.await.unwrap()];
    let passed = replies
        .iter()
        .filter(|it| it.result()["echo"]["arguments"]["of"] == 1);
    assert_eq!(passed.count(), 1);
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_wants_to_hear_of_progress_hears_that_it_waits() {
    let bed = Bed::new();
    asking(&bed);
    let client = bed.client().await;
    let params = json!({"name": "a__echo", "arguments": {}, "_meta": {"progressToken": "p"}});
    let mut stream = client.open(1, "tools/call", params).await;
    let first = stream.next().await.unwrap();
    expect![[r#"{"message":"waiting for a person's approval of `echo` of `a` at http://ui/approvals/1","progress":1e-6,"progressToken":"p"}"#]]
        .assert_eq(&first["params"].to_string());
    let second = stream.next().await.unwrap();
    assert!(first["params"]["progress"].as_f64() < second["params"]["progress"].as_f64());
    bed.approvals.decide(Verdict::Approved, 1);
    let rest = stream.rest();
    drop(rest);
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_gives_up_while_it_waits_calls_nothing() {
    let bed = Bed::new();
    asking(&bed);
    let client = bed.client().await;
    let waiting = client.spawn(&bed, 1, "tools/call", call(1));
    bed.approvals.opened(1).await;
    client
        .tell("notifications/cancelled", json!({"requestId": 1}))
        .await;
    waiting.await.unwrap();
    bed.approvals.decide(Verdict::Approved, 1);
    bed.records
        .wait_for("after a/echo asked (nothing allows it) cancelled")
        .await;
    assert_eq!(bed.connect.begun(), 0);
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn arguments_that_can_be_read_in_two_ways_are_not_asked_for() {
    let bed = Bed::new();
    asking(&bed);
    let client = bed.client().await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a__echo","arguments":{"to":"ann","to":"eve"}}}"#;
    let reply = client.send(body).await;
    assert!(
        reply.error().1.contains("no key stands twice"),
        "{:?}",
        reply.error()
    );
    assert!(bed.approvals.all().is_empty());
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_who_calls_by_hand_is_not_asked_again() {
    let bed = Bed::new();
    asking(&bed);
    let person = domain::Caller {
        kind: CallerKind::Person,
        ..caller()
    };
    let called = bed
        .gateway
        .call(&person, CallTarget::Advertised("a__echo"), None)
        .await;
    assert!(!called.unwrap().is_error);
    bed.records
        .wait_for("after a/echo allowed (consent) ok")
        .await;
    assert!(bed.approvals.all().is_empty());
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_model_in_a_chat_does_not_wait() {
    let bed = Bed::new();
    asking(&bed);
    let chat = domain::Caller {
        kind: CallerKind::Chat,
        chat: Some(ChatId::from_uuid(uuid::Uuid::from_u128(9))),
        token: None,
        ..caller()
    };
    let began = tokio::time::Instant::now();
    let called = bed
        .gateway
        .call(&chat, CallTarget::Advertised("a__echo"), None)
        .await;
    assert!(matches!(called, Err(CallError::WaitingForApproval { .. })));
    assert_eq!(began.elapsed(), Duration::ZERO);
    bed.approvals.decide(Verdict::Approved, 1);
    let called = bed
        .gateway
        .call(&chat, CallTarget::Advertised("a__echo"), None)
        .await;
    assert!(!called.unwrap().is_error);
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_stands_is_not_asked_for_until_it_is_taken_back() {
    let bed = Bed::new();
    let view = asking(&bed);
    let client = bed.client().await;
    let id = GrantId::from_uuid(uuid::Uuid::from_u128(7));
    bed.gateway.put_grant(Grant {
        id,
        principal: caller().principal,
        scope: GrantScope::Client(caller().token.unwrap()),
        server: view.id,
        tool: "echo".to_owned(),
        pin: view.pins.as_ref().unwrap().tools["echo"].pin.clone(),
    });
    for of in 1..4 {
        let reply = client.request(of, "tools/call", call(of)).await;
        assert_eq!(reply.result()["echo"]["arguments"]["of"], of);
    }
    assert!(bed.approvals.all().is_empty());
    bed.gateway.remove_grant(id);
    let reply = client.request(9, "tools/call", call(9)).await;
    assert!(text_of(&reply).1.contains("is waiting for approval"));
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_changes_while_a_person_thinks_is_not_called() {
    let bed = Bed::new();
    let view = asking(&bed);
    let client = bed.client().await;
    let waiting = client.spawn(&bed, 1, "tools/call", call(1));
    bed.approvals.opened(1).await;
    // The server says something else of its tool now.
    let other = Lists::tools(r#"[{"name":"echo","description":"sends it to eve"}]"#);
    bed.gateway.put_server(ServerView {
        lists: Some(other.stored()),
        pins: None,
        ..view
    });
    bed.approvals.decide(Verdict::Approved, 1);
    let said = text_of(&waiting.await.unwrap());
    expect!["tool `echo` of server `a` has changed since somebody agreed to it; a person can look at it at http://ui/servers/a"]
        .assert_eq(&said.1);
    bed.records
        .wait_for("after a/echo denied (changed) quarantined")
        .await;
    assert_eq!(bed.connect.begun(), 0);
    bed.end().await;
}
