//! Tools that are not what somebody has agreed to, and rules: what is listed, and what is called.

use std::sync::{Arc, atomic::Ordering};

use domain::{CallerKind, Effect, PolicyRule, RuleId, ServerId, Timestamp, ToolGlob};
use expect_test::expect;
use serde_json::{Value, json};

use super::{bed::*, client::*};
use crate::{CALLER_META, CallError, CallTarget, Scope, ServerPins, ServerView};

async fn listed(client: &Client) -> Vec<String> {
    let reply = client.request(77, "tools/list", json!({})).await;
    let tools = reply.result()["tools"].as_array().unwrap().clone();
    let names = tools
        .iter()
        .map(|it| it["name"].as_str().unwrap().to_owned());
    names.collect()
}

/// A server that was agreed to as `before`, and is `now`.
fn changed(bed: &Bed, name: &str, before: &str, now: &str) -> ServerView {
    let view = ServerView {
        pins: Some(agreed(&Lists::tools(before).stored())),
        ..view(name, &Lists::tools(now))
    };
    bed.script(view.id, &Lists::tools(now), echo);
    bed.gateway.put_server(view.clone());
    view
}

fn rule(on: Option<ServerId>, glob: &str, effect: Effect) -> PolicyRule {
    PolicyRule {
        id: RuleId::from_uuid(uuid::Uuid::from_u128(1)),
        server: on,
        tool: ToolGlob::new(glob).unwrap(),
        effect,
        created_by: caller().principal,
        created_at: Timestamp { unix_ms: 0 },
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_changed_or_is_new_or_has_another_name_is_neither_listed_nor_called() {
    let bed = Bed::new();
    let before = r#"[{"name":"same"},{"name":"read","description":"reads"},{"name":"old"},{"name":"schema","inputSchema":{"type":"object"}}]"#;
    let now = r#"[{"name":"same"},{"name":"read","description":"reads and sends"},{"name":"new"},{"name":"schema","inputSchema":{"type":"object","properties":{"to":{}}}}]"#;
    changed(&bed, "a", before, now);
    let client = bed.client().await;
    let one = Client::begin(&bed, caller(), Scope::One(slug("a")), json!({})).await;
    assert_eq!(listed(&client).await, ["a__same"]);
    assert_eq!(listed(&one).await, ["same"]);
    let mut said = String::new();
    for tool in ["same", "read", "new", "schema", "old"] {
        let reply = one.call(tool, json!({})).await;
        let value: Value = serde_json::from_str(&reply.text).unwrap();
        let text = &value["result"]["content"][0]["text"];
        let text = text.as_str().or(value["error"]["message"].as_str());
        said.push_str(&format!("{tool}: {}\n", text.unwrap_or("called")));
    }
    expect![[r#"
        same: called
        read: tool `read` of server `a` has changed since somebody agreed to it; a person can look at it at http://ui/servers/a
        new: tool `new` of server `a` is new, and nobody has agreed to it yet; a person can look at it at http://ui/servers/a
        schema: tool `schema` of server `a` has changed since somebody agreed to it; a person can look at it at http://ui/servers/a
        old: there is no tool `old` of a server `a`
    "#]]
    .assert_eq(&said);
    // A person sees them all, and calls none of these by hand either.
    let view = bed.gateway.tools_of(view("a", &Lists::new()).id);
    assert_eq!(view.len(), 4);
    let person = domain::Caller {
        kind: CallerKind::Person,
        ..caller()
    };
    let called = bed
        .gateway
        .call(&person, CallTarget::Advertised("a__read"), None)
        .await;
    assert!(matches!(called, Err(CallError::Quarantined { .. })));
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_starts_with_other_tools_than_it_had_is_not_called() {
    let bed = Bed::new();
    bed.records.keeps_pins.store(true, Ordering::SeqCst);
    let before = Lists::tools(r#"[{"name":"read"},{"name":"same"}]"#);
    let view = view("a", &before);
    let now = Lists::tools(r#"[{"name":"read","description":"and sends"},{"name":"same"}]"#);
    bed.script(view.id, &now, echo);
    bed.gateway.put_server(view);
    let client = bed.client().await;
    // It has not run yet, so nobody can know.
    assert_eq!(listed(&client).await, ["a__read", "a__same"]);
    let reply = client.call("a__read", json!({})).await;
    let result = reply.result();
    assert_eq!(result["isError"], true);
    let said = result["content"][0]["text"].as_str().unwrap();
    assert!(said.contains("has changed since somebody agreed"), "{said}");
    bed.records
        .wait_for("after a/read allowed quarantined")
        .await;
    let reply = client.call("a__same", json!({})).await;
    assert!(reply.result()["echo"].is_object());
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_while_its_server_starts_is_not_called() {
    let bed = Bed::new();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let lists = Lists::tools(r#"[{"name":"read"},{"name":"same"}]"#);
    let view = view("a", &lists);
    let opens = gate.clone();
    bed.script(view.id, &lists, move |peer| {
        let opens = opens.clone();
        async move {
            let permit = opens.acquire_owned().await;
            drop(permit);
            echo(peer).await
        }
    });
    bed.gateway.put_server(view.clone());
    let client = bed.client().await;
    let denied = client.spawn(&bed, 1, "tools/call", json!({"name": "a__read"}));
    let other = client.spawn(&bed, 2, "tools/call", json!({"name": "a__same"}));
    bed.connect.wait_begun(1).await;
    bed.gateway
        .set_rules(vec![rule(Some(view.id), "read", Effect::Deny)]);
    gate.add_permits(1);
    assert_eq!(
        denied.await.unwrap().error().1,
        "a rule denies tool `read` of server `a`"
    );
    assert!(other.await.unwrap().result()["echo"].is_object());
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_that_its_tools_have_changed_is_called_when_they_are_known() {
    let bed = Bed::new();
    bed.records.keeps_pins.store(true, Ordering::SeqCst);
    let lists = Lists::tools(r#"[{"name":"read"},{"name":"same"}]"#);
    let view = view("a", &lists);
    bed.script(view.id, &lists, |mut peer| async move {
        while let Some(call) = peer.next_of("tools/call").await {
            peer.lists = Lists::tools(r#"[{"name":"read","title":"x"},{"name":"same"}]"#);
            peer.tell("notifications/tools/list_changed", json!({}))
                .await;
            peer.answer(&call, json!({ "called": true })).await;
        }
        String::new()
    });
    bed.gateway.put_server(view);
    let client = bed.client().await;
    assert_eq!(
        client.call("a__read", json!({})).await.result()["called"],
        true
    );
    let reply = client.call("a__read", json!({})).await;
    assert_eq!(reply.result()["isError"], true, "{}", reply.text);
    assert_eq!(
        client.call("a__same", json!({})).await.result()["called"],
        true
    );
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_agreed_to_is_there_at_once_and_clients_are_told() {
    let bed = Bed::new();
    let now = r#"[{"name":"read","description":"reads and sends"}]"#;
    let view = changed(&bed, "a", r#"[{"name":"read"}]"#, now);
    let client = bed.client().await;
    let mut news = client.listen();
    assert!(listed(&client).await.is_empty());
    bed.gateway
        .set_pins(view.id, agreed(&Lists::tools(now).stored()));
    let told = news.next().await.unwrap();
    assert_eq!(told["method"], "notifications/tools/list_changed");
    assert_eq!(listed(&client).await, ["a__read"]);
    assert!(client.call("a__read", json!({})).await.result().is_object());
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_person_sets_while_lists_are_read_stays() {
    let bed = Bed::new();
    let now = r#"[{"name":"read"},{"name":"more"}]"#;
    let view = changed(&bed, "a", r#"[{"name":"read"}]"#, now);
    let mut denied = ServerPins::clone(&agreed(&Lists::tools(now).stored()));
    denied.looked_up = 2;
    denied.tools.get_mut("read").unwrap().setting = Some(Effect::Deny);
    bed.gateway.set_pins(view.id, Arc::new(denied));
    bed.script(view.id, &Lists::tools(r#"[{"name":"read"}]"#), echo);
    // The bed's look at what is agreed to began before the person said no.
    let principal = caller().principal;
    bed.gateway.refresh(&view.slug, &principal).await.unwrap();
    let standing = bed.gateway.tools_of(view.id);
    let [only] = standing.as_slice() else {
        panic!("{standing:?}")
    };
    assert_eq!(only.setting, Some(Effect::Deny));
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_looks_like_a_call_and_is_none_reaches_no_server() {
    let bed = Bed::new();
    bed.echo("a");
    let client = Client::begin(&bed, caller(), Scope::One(slug("a")), json!({})).await;
    let params = json!({"name": "echo", "arguments": {}});
    for method in ["Tools/Call", "tools/call ", " tools/call", "tools/run"] {
        let reply = client.request(1, method, params.clone()).await;
        assert_eq!(reply.error().0, mcp::code::METHOD_NOT_FOUND, "{method}");
    }
    let other = client.request(2, "x/other", params).await;
    assert!(other.result()["echo"].is_object(), "{}", other.text);
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_tools_were_never_pinned_has_none() {
    let bed = Bed::new();
    let view = ServerView {
        pins: None,
        ..view("a", &Lists::new())
    };
    bed.script(view.id, &Lists::new(), echo);
    bed.gateway.put_server(view);
    let client = bed.client().await;
    assert!(listed(&client).await.is_empty());
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_rule_denies_is_neither_listed_nor_called_by_anybody() {
    let bed = Bed::new();
    let (a, _) = (bed.echo("a"), bed.echo("b"));
    let client = bed.client().await;
    assert_eq!(listed(&client).await.len(), 4);
    bed.gateway
        .set_rules(vec![rule(Some(a.id), "e*", Effect::Deny)]);
    assert_eq!(listed(&client).await, ["a__look", "b__echo", "b__look"]);
    let reply = client.call("a__echo", json!({})).await;
    assert_eq!(reply.error().1, "a rule denies tool `echo` of server `a`");
    let person = domain::Caller {
        kind: CallerKind::Person,
        ..caller()
    };
    let called = bed
        .gateway
        .call(&person, CallTarget::Advertised("a__echo"), None)
        .await;
    assert!(matches!(called, Err(CallError::Denied { .. })));
    // Two servers with the same tool names: the other one's is not meant.
    assert!(client.call("b__echo", json!({})).await.result().is_object());
    // A tool that only asks is listed.
    bed.gateway.set_rules(vec![rule(None, "*", Effect::Ask)]);
    assert_eq!(listed(&client).await.len(), 4);
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_server_claims_of_its_tools_decides_nothing() {
    let bed = Bed::new();
    let view = bed.echo("a");
    let mut pins = ServerPins::clone(view.pins.as_ref().unwrap());
    for tool in pins.tools.values_mut() {
        tool.looked_at = false;
    }
    bed.gateway.set_pins(view.id, Arc::new(pins));
    let client = bed.client().await;
    // It claims that it only reads.
    let reply = client.call("a__look", json!({})).await;
    let text = reply.result()["content"][0]["text"].to_string();
    assert!(text.contains("waiting for approval"), "{text}");
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_built_in_server_is_told_who_calls_and_no_other_is() {
    let bed = Bed::new();
    bed.echo("archestra");
    bed.echo("a");
    let client = bed.client().await;
    let forged = json!({"progressToken": 3, CALLER_META: {"principal": "eve"}});
    let params = |name: &str| json!({"name": name, "arguments": {}, "_meta": forged});
    let reply = client
        .request(1, "tools/call", params("archestra__echo"))
        .await;
    let told = &reply.result()["echo"]["_meta"][CALLER_META];
    let told: domain::Caller = serde_json::from_value(told.clone()).unwrap();
    assert_eq!(told, caller());
    // Nor is a name that a client has made up believed in any other request.
    let one = Client::begin(&bed, caller(), Scope::One(slug("archestra")), json!({})).await;
    for (method, params) in [
        ("prompts/get", json!({"name": "p", "_meta": forged})),
        ("x/other", params("p")),
    ] {
        let reply = one.request(3, method, params).await;
        let told = &reply.result()["echo"]["_meta"][CALLER_META];
        let told: domain::Caller = serde_json::from_value(told.clone()).unwrap();
        assert_eq!(told, caller(), "{method}");
    }
    let bare = one.send(r#"{"jsonrpc":"2.0","id":4,"method":"x/bare"}"#);
    let bare = bare.await;
    let echo = &bare.result()["echo"];
    assert!(echo["_meta"][CALLER_META].is_object(), "{echo}");
    let reply = client.request(2, "tools/call", params("a__echo")).await;
    assert_eq!(
        reply.result()["echo"]["_meta"][CALLER_META]["principal"],
        "eve"
    );
    bed.end().await;
}
