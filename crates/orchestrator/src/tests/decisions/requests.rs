//! Calls that wait for a person: what is decided, when it cannot be, and what becomes of it.

use std::time::Duration;

use domain::{Effect, GrantId};
use expect_test::expect;
use store::{ApprovalState, GrantScope};
use tokio::{task::JoinSet, time::timeout};

use super::{
    approve, asks, call, client, client_of, deny, house, look, open, restart, rule, someone,
    the_open, tool,
};
use crate::{
    ApprovalDecision, ApprovalVerdict, Error,
    tests::{
        bed::{House, person, reach_out},
        teller::Teller,
    },
};

async fn with_teller() -> (House, Teller) {
    let house = house().await;
    let teller = Teller::new(&[tool("write", "Writes")]).await;
    teller.add_to(&house, "there").await;
    (house, teller)
}

/// Returns what kind of error it is, and its words.
fn words<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    let err = result.unwrap_err();
    let kind = match &err {
        Error::NotFound { .. } => "not found",
        Error::AlreadyDecided { .. } => "already decided",
        Error::Expired { .. } => "expired",
        Error::Stale { .. } => "stale",
        Error::Withdrawn { .. } => "withdrawn",
        Error::Invalid { .. } => "invalid",
        _ => "another",
    };
    format!("{kind}: {err}")
}

#[tokio::test]
async fn a_decision_that_cannot_be_taken_has_words_of_its_own() {
    let (house, teller) = with_teller().await;
    let by = person();
    let editor = client(&house, "editor").await;
    let mut said = Vec::new();
    let mut number = 0;
    let mut ask = async || {
        number += 1;
        let arguments = format!(r#"{{"n":{number}}}"#);
        asks(call(&house, &editor, "there/write", &arguments).await);
        open(&house).await.pop().unwrap()
    };

    let asked = ask().await;
    let id = asked.id.to_string();
    let other = approve(&house, &asked, GrantScope::Once, &someone("ann")).await;
    said.push(words(other).replace(&id, "ID"));
    let stale = house.orchestrator.decide_approval(
        asked.id,
        ApprovalDecision {
            pin: "0".repeat(64).parse().unwrap(),
            verdict: ApprovalVerdict::Deny { reason: None },
        },
        &by,
    );
    said.push(words(stale.await));
    said.push(words(approve(&house, &asked, GrantScope::Chat, &by).await));
    // None of these has decided anything.
    assert_eq!(the_open(&house).await.id, asked.id);
    approve(&house, &asked, GrantScope::Once, &by)
        .await
        .unwrap();
    said.push(words(
        approve(&house, &asked, GrantScope::Everywhere, &by).await,
    ));
    said.push(words(deny(&house, &asked, "after all not").await));

    let late = ask().await;
    let denied = ask().await;
    deny(&house, &denied, "no").await.unwrap();
    said.push(words(approve(&house, &denied, GrantScope::Once, &by).await));
    house.clock.advance(10 * 60 * 1_000);
    said.push(words(approve(&house, &late, GrantScope::Once, &by).await));

    let changed = ask().await;
    teller
        .tell(&house, "there", &[tool("write", "Wipes")])
        .await;
    said.push(words(
        approve(&house, &changed, GrantScope::Once, &by).await,
    ));
    look(&house, "there", "write", Effect::Ask).await;
    let of_revoked = ask().await;
    house
        .orchestrator
        .revoke_token("editor", &by)
        .await
        .unwrap();
    said.push(words(
        approve(&house, &of_revoked, GrantScope::Once, &by).await,
    ));
    expect![[r#"
        not found: request for approval `ID` not found
        stale: the tool is not what it was when the request was made, so nothing was decided; look at its change first
        invalid: this call was not made in a chat
        already decided: this request was approved by `owner` before
        already decided: this request was approved by `owner` before
        already decided: this request was denied by `owner` before
        expired: this came too late: the request was open for as long as the client could wait; it has to call again
        stale: the tool is not what it was when the request was made, so nothing was decided; look at its change first
        withdrawn: who asked is gone, or the server is, so nothing was decided"#]]
    .assert_eq(&said.join("\n"));
    assert!(teller.take_calls().is_empty());
    house.end().await;
}

#[tokio::test]
async fn everybody_decides_about_their_own_calls_and_who_looks_after_the_program_about_all() {
    let (house, _teller) = with_teller().await;
    let (of_ann, _) = client_of(&house, "ann's", "ann").await;
    let (of_bob, _) = client_of(&house, "bob's", "bob").await;
    for caller in [&of_ann, &of_bob] {
        asks(call(&house, caller, "there/write", "{}").await);
    }
    let both = open(&house).await;
    let [anns, bobs] = &both[..] else {
        panic!("equal calls of two people are two requests: {both:?}");
    };
    let (it, ann) = (&house.orchestrator, someone("ann"));
    let seen = it.approvals(&ann, true, None, None, 100).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].approval.id, anns.id);
    let bob = someone("bob");
    assert!(
        approve(&house, anns, GrantScope::Everywhere, &bob)
            .await
            .is_err()
    );
    approve(&house, anns, GrantScope::Everywhere, &ann)
        .await
        .unwrap();
    assert!(call(&house, &of_ann, "there/write", "{}").await.is_ok());
    asks(call(&house, &of_bob, "there/write", "{}").await);
    let grants = it.grants(&ann, true, None, 100).await.unwrap();
    let grant = grants[0].grant.id;
    assert!(it.grants(&bob, true, None, 100).await.unwrap().is_empty());
    assert!(it.revoke_grant(grant, &bob).await.is_err());
    assert!(call(&house, &of_ann, "there/write", "{}").await.is_ok());
    approve(&house, bobs, GrantScope::Once, &person())
        .await
        .unwrap();
    assert!(call(&house, &of_bob, "there/write", "{}").await.is_ok());
    house.end().await;
}

#[tokio::test]
async fn an_approval_covers_the_equal_call_once_and_no_other() {
    let (house, teller) = with_teller().await;
    let editor = client(&house, "editor").await;
    let other = client(&house, "other").await;
    let arguments = r#"{"path":"/a","deep":{"x":[1,2],"y":"ä"}}"#;
    asks(call(&house, &editor, "there/write", arguments).await);
    let asked = the_open(&house).await;
    assert_eq!(&*asked.arguments, arguments, "in full");
    approve(&house, &asked, GrantScope::Once, &person())
        .await
        .unwrap();
    let others = [
        r#"{"path":"/b","deep":{"x":[1,2],"y":"ä"}}"#,
        r#"{"path":"/a","deep":{"x":[2,1],"y":"ä"}}"#,
        r#"{"path":"/a","deep":{"x":[1,2.0],"y":"ä"}}"#,
        r#"{"path":"/a","deep":{"x":[1,2],"y":"ä"},"more":null}"#,
        // It looks the same.
        "{\"path\":\"/a\",\"deep\":{\"x\":[1,2],\"y\":\"a\u{308}\"}}",
        "{}",
    ];
    for arguments in others {
        asks(call(&house, &editor, "there/write", arguments).await);
    }
    assert_eq!(open(&house).await.len(), others.len());
    // Nor the equal call of another client.
    asks(call(&house, &other, "there/write", arguments).await);
    assert!(teller.take_calls().is_empty());
    // The order of keys and white space are nothing that a server sees.
    let equal = r#" {"deep": {"y":"ä", "x":[1, 2]}, "path":"/a"} "#.trim();
    assert!(call(&house, &editor, "there/write", equal).await.is_ok());
    asks(call(&house, &editor, "there/write", arguments).await);
    assert_eq!(teller.take_calls().len(), 1);
    house.end().await;
}

#[tokio::test]
async fn twenty_that_wait_are_there_after_the_program_has_ended_and_are_decided() {
    let house = House::set(|parts| {
        reach_out(parts);
        // Longer than the test: it is the end of the program that ends the waiting.
        parts.gateway.approval_wait = Duration::from_secs(600);
    })
    .await;
    let teller = Teller::new(&[tool("write", "Writes")]).await;
    teller.add_to(&house, "there").await;
    let (editor, token) = client_of(&house, "editor", "owner").await;
    let mut waiting = JoinSet::new();
    for number in 0..20 {
        let (it, by) = (house.orchestrator.clone(), editor.clone());
        waiting.spawn(async move {
            let target = crate::ToolTarget::Own {
                server: "there".parse().unwrap(),
                tool: "write".to_owned(),
            };
            let arguments = format!(r#"{{"n":{number}}}"#);
            let arguments = serde_json::value::RawValue::from_string(arguments).unwrap();
            it.call_tool(&by, target, Some(arguments)).await
        });
    }
    let all_are_open = async {
        while open(&house).await.len() < 20 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), all_are_open)
        .await
        .unwrap();
    let house = restart(house).await;
    for called in waiting.join_all().await {
        let said = called.unwrap_err().to_string();
        assert!(said.contains("is waiting for approval"), "{said}");
    }
    let asked = open(&house).await;
    assert_eq!(asked.len(), 20);
    // The client comes back with the token that it has.
    let editor = house.orchestrator.caller_of_token(&token).await.unwrap();
    let editor = editor.unwrap();
    for approval in &asked[..19] {
        approve(&house, approval, GrantScope::Once, &person())
            .await
            .unwrap();
    }
    deny(&house, &asked[19], "not this one").await.unwrap();
    // What was decided holds over another end of the program.
    let house = restart(house).await;
    let mut made = 0;
    for approval in &asked[..19] {
        let called = call(&house, &editor, "there/write", &approval.arguments).await;
        assert_eq!(called.as_deref(), Ok("done"));
        made += 1;
    }
    assert_eq!(teller.take_calls().len(), made);
    for approval in [&asked[0], &asked[19]] {
        asks(call(&house, &editor, "there/write", &approval.arguments).await);
    }
    assert!(teller.take_calls().is_empty());
    house.end().await;
}

#[tokio::test]
async fn what_is_taken_back_lets_the_next_call_not_pass() {
    let (house, teller) = with_teller().await;
    let it = &house.orchestrator;
    let (editor, token) = client_of(&house, "editor", "owner").await;
    let other = client(&house, "other").await;
    let grant = async |by: &domain::Caller, scope: GrantScope| -> GrantId {
        asks(call(&house, by, "there/write", "{}").await);
        let asked = the_open(&house).await;
        approve(&house, &asked, scope, &person()).await.unwrap();
        assert!(call(&house, by, "there/write", "{}").await.is_ok());
        let grants = it.grants(&person(), true, None, 100).await.unwrap();
        grants[0].grant.id
    };

    let of_editor = grant(&editor, GrantScope::Client).await;
    asks(call(&house, &other, "there/write", "{}").await);
    deny(&house, &the_open(&house).await, "").await.unwrap();
    it.revoke_grant(of_editor, &person()).await.unwrap();
    asks(call(&house, &editor, "there/write", "{}").await);
    deny(&house, &the_open(&house).await, "").await.unwrap();

    grant(&editor, GrantScope::Client).await;
    grant(&other, GrantScope::Client).await;
    it.revoke_token("editor", &person()).await.unwrap();
    assert!(it.caller_of_token(&token).await.unwrap().is_none());
    let left = it.grants(&person(), true, None, 100).await.unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].client.as_deref(), Some("other"));
    assert!(call(&house, &other, "there/write", "{}").await.is_ok());
    // A call that got in before the token was revoked finds nothing that permits it.
    teller.take_calls();
    assert!(call(&house, &editor, "there/write", "{}").await.is_err());
    assert!(teller.take_calls().is_empty());

    let denies = rule(Some("there"), "w*", Effect::Deny);
    let denies = it.add_rule(denies, &person()).await.unwrap();
    let said = call(&house, &other, "there/write", "{}").await;
    assert_eq!(
        said.unwrap_err(),
        "a rule denies tool `write` of server `there`"
    );
    it.remove_rule(denies.id, &person()).await.unwrap();
    assert!(call(&house, &other, "there/write", "{}").await.is_ok());
    let house = restart(house).await;
    assert!(call(&house, &other, "there/write", "{}").await.is_ok());
    let left = &left[0].grant;
    house
        .orchestrator
        .revoke_grant(left.id, &person())
        .await
        .unwrap();
    let house = restart(house).await;
    asks(call(&house, &other, "there/write", "{}").await);
    house.end().await;
}

#[tokio::test]
async fn a_server_that_goes_takes_with_it_who_waits_for_it() {
    let (house, _teller) = with_teller().await;
    let editor = client(&house, "editor").await;
    asks(call(&house, &editor, "there/write", "{}").await);
    let asked = the_open(&house).await;
    let it = &house.orchestrator;
    it.remove_server("there", &person()).await.unwrap();
    let said = words(approve(&house, &asked, GrantScope::Once, &person()).await);
    let gone = ApprovalState::Withdrawn;
    let stored = house.shared().store.approval(asked.id).await.unwrap();
    match stored {
        Some(stored) => assert_eq!(
            (stored.state, said.starts_with("withdrawn: ")),
            (gone, true)
        ),
        None => assert!(said.starts_with("not found: "), "{said}"),
    }
    house.end().await;
}
