//! Each decision is written down, with the rule, the permission or the person that it rests on.

use std::time::Duration;

use domain::{Access, Caller, Effect, ToolChanges};
use expect_test::expect;
use store::{AuditFilter, AuditFrom, GrantScope};

use super::{approve, asks, call, client, deny, house, look, rule, set_changes, the_open, tool};
use crate::{
    AuditSearch, NewClient,
    tests::{
        bed::{House, person},
        teller::Teller,
    },
};

/// Returns what was written down of some kinds, the oldest first, once there are so many:
/// `kind principal client tool decision (basis) outcome`, with names in the place of identifiers.
async fn written(house: &House, kinds: &[&str], count: usize, names: &[(String, &str)]) -> String {
    let lines = async {
        loop {
            let mut lines = Vec::new();
            for entry in newest(house).await {
                let event = &entry.row.event;
                if kinds.contains(&&*event.kind) {
                    lines.push(line(&entry));
                }
            }
            if count <= lines.len() {
                return lines.join("\n");
            }
            tokio::task::yield_now().await;
        }
    };
    let lines = tokio::time::timeout(Duration::from_secs(30), lines).await;
    let mut text = lines.expect("it is written down");
    for (id, name) in names {
        text = text.replace(id, name);
    }
    text
}

async fn newest(house: &House) -> Vec<crate::AuditEntry> {
    let search = AuditSearch {
        filter: AuditFilter {
            from: AuditFrom::After(0),
            limit: 1_000,
            ..AuditFilter::default()
        },
        ..AuditSearch::default()
    };
    house.orchestrator.search_audit(&search).await.unwrap()
}

fn line(entry: &crate::AuditEntry) -> String {
    let event = &entry.row.event;
    let or_none = |it: Option<&str>| it.unwrap_or("-").to_owned();
    let fields = [
        event.kind.to_string(),
        or_none(event.principal.as_ref().map(|it| it.as_str())),
        or_none(entry.client.as_deref()),
        or_none(event.tool.as_deref()),
        or_none(event.decision.as_deref()),
        format!("({})", event.basis.as_deref().unwrap_or("-")),
        or_none(event.outcome.as_deref()),
    ];
    fields.join(" ")
}

#[tokio::test]
async fn each_call_is_written_down_with_what_has_decided_about_it() {
    let house = house().await;
    let it = &house.orchestrator;
    let teller = Teller::new(&[tool("read", "Reads"), tool("write", "Writes")]).await;
    teller.add_to(&house, "there").await;
    let editor = client(&house, "editor").await;
    let mut names = Vec::new();
    let calls = async |by: &Caller, of: &str| {
        // Whether it goes well is in what is written down.
        let _called = call(&house, by, of, "{}").await;
    };

    // By hand, and unasked.
    calls(&person(), "there/read").await;
    asks(call(&house, &editor, "there/read", "{}").await);
    let asked = the_open(&house).await;
    names.push((asked.id.to_string(), "FIRST"));
    approve(&house, &asked, GrantScope::Once, &person())
        .await
        .unwrap();
    calls(&editor, "there/read").await;
    let grants = it.grants(&person(), false, None, 1).await.unwrap();
    names.push((grants[0].grant.id.to_string(), "ONCE"));
    look(&house, "there", "read", Effect::Allow).await;
    calls(&editor, "there/read").await;
    look(&house, "there", "write", Effect::Ask).await;
    calls(&editor, "there/write").await;
    let asked = the_open(&house).await;
    approve(&house, &asked, GrantScope::Client, &person())
        .await
        .unwrap();
    calls(&editor, "there/write").await;
    let grants = it.grants(&person(), true, None, 1).await.unwrap();
    names.push((grants[0].grant.id.to_string(), "LASTING"));
    let asks_always = it.add_rule(rule(None, "r*", Effect::Ask), &person()).await;
    let asks_always = asks_always.unwrap().id;
    names.push((asks_always.to_string(), "ASKS"));
    calls(&editor, "there/read").await;
    it.remove_rule(asks_always, &person()).await.unwrap();
    look(&house, "there", "read", Effect::Deny).await;
    calls(&editor, "there/read").await;
    let denies = rule(Some("there"), "write", Effect::Deny);
    let denies = it.add_rule(denies, &person()).await.unwrap().id;
    names.push((denies.to_string(), "DENIES"));
    calls(&person(), "there/write").await;
    let limited = NewClient {
        name: "limited".to_owned(),
        principal: domain::PrincipalName::owner(),
        access: Access {
            servers: None,
            tools: Some(
                [domain::ToolRule {
                    server: "there".parse().unwrap(),
                    tool: "read".to_owned(),
                }]
                .into(),
            ),
        },
    };
    let limited = it.create_token(limited, &person()).await.unwrap().text;
    let limited = it.caller_of_token(limited.expose()).await.unwrap().unwrap();
    calls(&limited, "there/write").await;
    teller
        .tell(
            &house,
            "there",
            &[tool("read", "Reads all"), tool("new", "")],
        )
        .await;
    calls(&editor, "there/read").await;
    calls(&editor, "there/new").await;

    expect![[r#"
        tool.call owner - read allowed (consent) ok
        tool.call owner editor read asked (not looked at) waiting_for_approval
        tool.call owner editor read allowed (grant ONCE) ok
        tool.call owner editor read allowed (setting) ok
        tool.call owner editor write asked (setting) waiting_for_approval
        tool.call owner editor write allowed (grant LASTING) ok
        tool.call owner editor read asked (rule ASKS) waiting_for_approval
        tool.call owner editor read denied (setting) denied
        tool.call owner - write denied (rule DENIES) denied
        tool.call owner limited write denied (token) denied
        tool.call owner editor read denied (changed) quarantined
        tool.call owner editor new denied (added) quarantined"#]]
    .assert_eq(&written(&house, &["tool.call"], 12, &names).await);
    // What may do something is written down before it is done, with the same.
    expect![[r#"
        tool.call_begin owner - read allowed (consent) -
        tool.call_begin owner editor read allowed (grant ONCE) -
        tool.call_begin owner editor read allowed (setting) -
        tool.call_begin owner editor write allowed (grant LASTING) -"#]]
    .assert_eq(&written(&house, &["tool.call_begin"], 4, &names).await);
    house.end().await;
}

#[tokio::test]
async fn what_people_decide_is_written_down_with_their_names() {
    let house = house().await;
    let it = &house.orchestrator;
    let teller = Teller::new(&[tool("write", "Writes")]).await;
    teller.add_to(&house, "there").await;
    let editor = client(&house, "editor").await;
    let by_hand = Caller {
        token: Some(client(&house, "command line").await.token.unwrap()),
        ..person()
    };
    asks(call(&house, &editor, "there/write", r#"{"n":1}"#).await);
    approve(
        &house,
        &the_open(&house).await,
        GrantScope::Client,
        &by_hand,
    )
    .await
    .unwrap();
    let grants = it.grants(&person(), true, None, 1).await.unwrap();
    it.revoke_grant(grants[0].grant.id, &by_hand).await.unwrap();
    asks(call(&house, &editor, "there/write", r#"{"n":2}"#).await);
    deny(&house, &the_open(&house).await, "sentinel of a reason")
        .await
        .unwrap();
    let made = it
        .add_rule(rule(Some("there"), "*", Effect::Ask), &by_hand)
        .await
        .unwrap();
    it.remove_rule(made.id, &by_hand).await.unwrap();
    look(&house, "there", "write", Effect::Allow).await;
    set_changes(&house, "there", ToolChanges::Block).await;
    teller
        .tell(&house, "there", &[tool("write", "Wipes")])
        .await;
    set_changes(&house, "there", ToolChanges::Follow).await;

    let kinds = [
        "approval.ask",
        "approval.approve",
        "approval.deny",
        "grant.give",
        "grant.revoke",
        "rule.add",
        "rule.remove",
        "server.tool_changes",
        "tools.follow",
        "tools.look_at",
        "tools.pin",
    ];
    // The tools of the built-in server are pinned first.
    expect![[r#"
        tools.pin - - - - (-) -
        tools.pin - - - - (-) -
        approval.ask owner editor write asked (not looked at) -
        approval.approve owner command line write - (-) -
        grant.give owner command line write - (-) -
        grant.revoke owner command line write - (-) -
        approval.ask owner editor write asked (not looked at) -
        approval.deny owner - write - (-) -
        rule.add owner command line - - (-) -
        rule.remove owner command line - - (-) -
        tools.look_at owner - - - (-) -
        server.tool_changes owner - - - (-) -
        server.tool_changes owner - - - (-) -
        tools.follow - - - - (-) -"#]]
    .assert_eq(&written(&house, &kinds, 14, &[]).await);
    let changed = written(&house, &["tools.changed"], 1, &[]).await;
    assert_eq!(changed, "tools.changed - - - - (-) -");
    let all = newest(&house).await;
    let denied = all.iter().find(|it| it.row.event.kind == "approval.deny");
    let detail = denied.unwrap().row.event.detail.as_ref().unwrap();
    assert_eq!(detail["reason"], "sentinel of a reason");
    assert_eq!(detail["for_principal"], "owner");
    house.end().await;
}
