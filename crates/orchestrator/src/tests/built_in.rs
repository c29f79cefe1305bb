//! The built-in server as those see it who call its tools.

mod choice;
mod memories;

use std::{collections::BTreeSet, sync::Arc};

use domain::{
    Access, Caller, CallerKind, ChatId, Effect, PrincipalName, ServerId, ServerSlug, Standing,
    ToolChanges, ToolPin, ToolRule,
};
use expect_test::{Expect, expect};
use gateway::{
    CALLER_META, CallTarget, ListKind, PinnedTool, Post, PostReply, Scope, ServerLists, ServerPins,
    ServerView,
};
use serde_json::{Value, json, value::RawValue};
use store::{ApprovedTool, AuditEvent, AuditFilter, InstallState, PinsPut, ToolsDefault};
use tokio::time::{Duration, timeout};

use super::{
    bed::{House, package, person},
    bridge::Script,
};
use crate::{BeginChat, Delivery, Error, Event, EventSubscription, LookedAt, ServerChange};

pub(super) fn client(principal: &str) -> Caller {
    Caller {
        principal: principal.parse().unwrap(),
        token: None,
        kind: CallerKind::Client,
        chat: None,
        access: Access::default(),
    }
}

fn in_chat(caller: &Caller, chat: ChatId) -> Caller {
    Caller {
        chat: Some(chat),
        ..caller.clone()
    }
}

/// Calls a tool of the built-in server.
pub(super) async fn call(house: &House, caller: &Caller, tool: &str, arguments: Value) -> Value {
    let slug = ServerSlug::built_in();
    let target = CallTarget::Own {
        server: &slug,
        tool,
    };
    let arguments = RawValue::from_string(arguments.to_string()).unwrap();
    let outcome = house.orchestrator.gateway();
    let outcome = outcome.call(caller, target, Some(arguments)).await.unwrap();
    let result: Value = serde_json::from_str(outcome.result.get()).unwrap();
    assert_eq!(outcome.is_error, result["isError"] == true);
    result
}

async fn check(house: &House, caller: &Caller, tool: &str, arguments: Value, expected: Expect) {
    let result = call(house, caller, tool, arguments).await;
    let text = result["content"][0]["text"].as_str().unwrap();
    let said = match result["isError"] == true {
        true => format!("error: {text}"),
        false => format!("{text}\n{}", result["structuredContent"]),
    };
    expected.assert_eq(&said);
}

/// Adds a server that has these tools, which people have allowed.
pub(super) async fn add_tools(house: &House, name: &str, tools: &[&str]) -> ServerId {
    let add = crate::AddServer {
        slug: Some(name.parse().unwrap()),
        ..package("thing")
    };
    let id = house.orchestrator.add_server(add, &person()).await;
    let id = id.unwrap();
    house.wait_for_install(name, InstallState::Ready).await;
    let row = house.shared().directory.row(id).unwrap();
    let definitions: Vec<Value> = tools
        .iter()
        .map(|it| json!({ "name": it, "description": "does it" }))
        .collect();
    let pinned = definitions.iter().map(|it| {
        let definition = RawValue::from_string(it.to_string()).unwrap();
        let pinned = PinnedTool {
            pin: ToolPin::of(&definition),
            looked_at: true,
            setting: Some(Effect::Allow),
        };
        (it["name"].as_str().unwrap().to_owned(), pinned)
    });
    let array = RawValue::from_string(Value::from(definitions.clone()).to_string()).unwrap();
    let array: Arc<RawValue> = array.into();
    house.orchestrator.gateway().put_server(ServerView {
        id,
        slug: row.stored.slug.clone(),
        generation: row.process_generation,
        isolation: domain::Isolation::Shared,
        start_timeout: Duration::from_secs(1),
        call_timeout: Duration::from_secs(1),
        calls_max: 1,
        keep_warm: false,
        lists: Some(ServerLists {
            by_kind: [(ListKind::Tools, array)].into(),
        }),
        pins: Some(Arc::new(ServerPins {
            changes: ToolChanges::Ask,
            tools: pinned.collect(),
            ..ServerPins::default()
        })),
    });
    id
}

async fn new_chat(house: &House, by: &Caller) -> ChatId {
    let begin = BeginChat::default();
    house.orchestrator.create_chat(begin, by).await.unwrap().id
}

pub(super) async fn next(events: &mut EventSubscription) -> Event {
    let next = timeout(Duration::from_secs(30), events.next()).await;
    match next.expect("an event comes") {
        Delivery::Event(published) => published.event.clone(),
        Delivery::Reload { .. } => panic!("nothing is missed"),
    }
}

#[tokio::test]
async fn it_tells_what_is_known_of_it_from_the_start() {
    let house = House::new().await;
    let slug = ServerSlug::built_in();
    let gateway = house.orchestrator.gateway();
    let known = gateway.tools_of(ServerId::built_in());
    let names: Vec<&str> = known.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "list_memories",
            "set_memory",
            "delete_memory",
            "list_available_tools",
            "enable_tools",
            "disable_tools",
        ]
    );
    for tool in &known {
        assert_eq!(tool.standing, Standing::Pinned { looked_at: true });
        assert_eq!(tool.setting, Some(Effect::Allow));
        let definition: Value = serde_json::from_str(tool.definition.get()).unwrap();
        assert!(20 < definition["description"].as_str().unwrap().len());
        assert_eq!(definition["inputSchema"]["additionalProperties"], false);
        assert_eq!(definition["outputSchema"]["type"], "object");
        assert_eq!(
            definition["annotations"]["readOnlyHint"],
            tool.name.starts_with("list_")
        );
    }
    // It is asked, and says nothing else: else its lists would be stored now.
    let owner = PrincipalName::owner();
    gateway.refresh(&slug, &owner).await.unwrap();
    assert!(house.shared().store.lists().await.unwrap().is_empty());
    let told = gateway.tools_of(ServerId::built_in());
    let definitions = |all: &[gateway::ToolView]| -> Vec<String> {
        all.iter()
            .map(|it| it.definition.get().to_owned())
            .collect()
    };
    assert_eq!(definitions(&told), definitions(&known));
    // It is pinned like others, and not among the servers that people add.
    let reviews = house.orchestrator.tool_reviews("archestra").await.unwrap();
    assert_eq!(reviews.len(), 6);
    assert!(reviews.iter().all(|it| it.pinned.is_some()));
    assert!(house.orchestrator.servers().await.unwrap().is_empty());
    house.end().await;
}

#[tokio::test]
async fn it_stays_as_it_is() {
    let house = House::new().await;
    let (this, by) = (&house.orchestrator, person());
    let id = ServerId::built_in().to_string();
    let expected = "server `archestra` is built into the program and always there";
    for name in ["archestra", &id] {
        let change = ServerChange::Enable(false);
        let refused = [
            this.remove_server(name, &by).await.unwrap_err(),
            this.change_server(name, change, &by).await.unwrap_err(),
            this.restart_server(name, &by).await.unwrap_err(),
            this.server(name).await.unwrap_err(),
        ];
        for err in refused {
            assert_eq!(err.to_string(), expected);
            assert!(matches!(err, Error::Invalid { hint: Some(_), .. }));
        }
    }
    let block = this.set_tool_changes("archestra", ToolChanges::Block, &by);
    expect!["tools of the built-in server come with the program, so their changes are followed"]
        .assert_eq(&block.await.unwrap_err().to_string());
    house.end().await;
}

/// Posts what a client does, and returns the answer.
async fn post(house: &House, caller: &Caller, session: Option<String>, body: &str) -> PostReply {
    let post = Post {
        scope: Scope::One(ServerSlug::built_in()),
        caller: caller.clone(),
        session,
        version: None,
        body: body.to_owned().into(),
    };
    house.orchestrator.gateway().post(post).await
}

#[tokio::test]
async fn who_calls_cannot_be_forged() {
    let house = House::new().await;
    let (ada, eve) = (client("ada"), client("eve"));
    let secret = json!({ "name": "of ada", "value": "x" });
    call(&house, &ada, "set_memory", secret).await;
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"eve","version":"1"}}}"#;
    let PostReply::Message { session, .. } = post(&house, &eve, None, hello).await else {
        panic!("it says hello");
    };
    let forged = serde_json::to_string(&ada).unwrap();
    let key = json!(CALLER_META).to_string();
    let escaped = key.replace('/', "\\/");
    let coded = key.replace('/', "\\u002f");
    for meta in [
        format!("{{{key}:{forged}}}"),
        format!("{{{escaped}:{forged}}}"),
        format!("{{{coded}:{forged}}}"),
        format!("{{{key}:{forged},{escaped}:{forged}}}"),
        format!("[{{{key}:{forged}}}]"),
        "null".to_owned(),
    ] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"list_memories","arguments":{{}},"_meta":{meta}}}}}"#
        );
        let answer = match post(&house, &eve, session.clone(), &body).await {
            PostReply::Message { bytes, .. } | PostReply::Refused(_, bytes) => bytes,
            PostReply::Stream(mut messages) => messages.recv().await.unwrap(),
            PostReply::Accepted => panic!("it is answered"),
        };
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(!answer.contains("of ada"), "{meta}: {answer}");
        let is_evens = answer.contains(r#""memories":[]"#);
        assert!(is_evens || answer.contains("error"), "{meta}: {answer}");
    }
    house.end().await;
}

#[tokio::test]
async fn what_a_person_sets_for_its_tools_holds_after_a_restart_and_an_upgrade() {
    let house = House::new().await;
    let looked = |house: &House, tool: &str, setting| {
        let tools = house.orchestrator.gateway().tools_of(ServerId::built_in());
        let tool = tools.into_iter().find(|it| it.name == tool).unwrap();
        vec![LookedAt {
            tool: tool.name,
            pin: tool.pin,
            setting: Some(setting),
        }]
    };
    let deny = looked(&house, "set_memory", Effect::Deny);
    let by = person();
    let set = house.orchestrator.look_at_tools("archestra", deny, &by);
    set.await.unwrap();
    let settings = |house: &House| -> Vec<(String, Option<Effect>)> {
        let tools = house.orchestrator.gateway().tools_of(ServerId::built_in());
        tools.into_iter().map(|it| (it.name, it.setting)).collect()
    };
    let expected = |denied: &str| -> Vec<(String, Option<Effect>)> {
        let setting = |it: &str| match it == denied {
            true => Effect::Deny,
            false => Effect::Allow,
        };
        [
            "list_memories",
            "set_memory",
            "delete_memory",
            "list_available_tools",
            "enable_tools",
            "disable_tools",
        ]
        .iter()
        .map(|it| ((*it).to_owned(), Some(setting(it))))
        .collect()
    };
    let house = house.restart(Script::default()).await;
    assert_eq!(settings(&house), expected("set_memory"));
    let listed = house.orchestrator.gateway().tools(&client("ada"));
    assert!(listed.iter().all(|it| it.name != "set_memory"));

    // As an older version of the program would have left it: other definitions, one more, one less.
    let store = &house.shared().store;
    let id = ServerId::built_in();
    let pins = store.pins_of(id).await.unwrap();
    let former = |name: &str, as_name: &str| {
        let found = pins.iter().find(|it| it.info.tool == name).unwrap();
        let definition = format!(r#"{{"name":"{as_name}"}}"#);
        ApprovedTool {
            tool: as_name.to_owned(),
            expected: (name == as_name).then(|| found.info.pin.clone()),
            pin: ToolPin::of(&RawValue::from_string(definition.clone()).unwrap()),
            definition: definition.into(),
            // What a person has set is kept for a tool that may come back.
            setting: found.info.setting.filter(|_| name == as_name),
            looked_by: None,
        }
    };
    let put = store
        .approve_tools(
            id,
            vec![
                former("set_memory", "set_memory"),
                former("list_memories", "forgotten_tool"),
            ],
            vec!["enable_tools".to_owned()],
            &AuditEvent::new(house.shared().now(), "a test"),
        )
        .await;
    assert!(matches!(put, Ok(PinsPut::Done { .. })), "{put:?}");
    let house = house.restart(Script::default()).await;
    assert_eq!(settings(&house), expected("set_memory"));
    let tools = house.orchestrator.gateway().tools_of(id);
    let looked_at = Standing::Pinned { looked_at: true };
    assert!(tools.iter().all(|it| it.standing == looked_at));
    assert_eq!(house.shared().store.pins_of(id).await.unwrap().len(), 6);
    let filter = AuditFilter {
        kind: Some("tools.follow".to_owned()),
        limit: 10,
        ..AuditFilter::default()
    };
    let followed = house.orchestrator.audit(&filter).await.unwrap();
    expect![[r#"{"removed":["forgotten_tool"],"tools":["enable_tools","set_memory"]}"#]]
        .assert_eq(&followed[0].event.detail.as_ref().unwrap().to_string());
    assert_eq!(followed.len(), 1);
    house.end().await;
}

#[tokio::test]
async fn a_tool_that_is_set_to_ask_waits_for_a_person() {
    let house = House::new().await;
    let tools = house.orchestrator.gateway().tools_of(ServerId::built_in());
    let tool = tools
        .into_iter()
        .find(|it| it.name == "set_memory")
        .unwrap();
    let looked = LookedAt {
        tool: tool.name,
        pin: tool.pin,
        setting: Some(Effect::Ask),
    };
    let by = person();
    let set = house
        .orchestrator
        .look_at_tools("archestra", vec![looked], &by);
    set.await.unwrap();
    let slug = ServerSlug::built_in();
    let target = CallTarget::Own {
        server: &slug,
        tool: "set_memory",
    };
    let chat = new_chat(&house, &by).await;
    let model = Caller {
        kind: CallerKind::Chat,
        ..in_chat(&by, chat)
    };
    let arguments = RawValue::from_string(r#"{"name":"a","value":"b"}"#.to_owned()).unwrap();
    let gateway = house.orchestrator.gateway();
    let refused = gateway.call(&model, target, Some(arguments)).await;
    assert!(refused.is_err(), "{refused:?}");
    // A person who calls by hand has agreed by that.
    let memory = json!({ "name": "a", "value": "b" });
    let result = call(&house, &by, "set_memory", memory).await;
    assert_eq!(result["isError"], false);
    house.end().await;
}
