//! What people decide: tools that are looked at, rules, approvals and permissions.

use std::{net::SocketAddr, sync::Arc, sync::atomic::Ordering, time::Duration};

use axum::{Router, body::Bytes, http::StatusCode, response::Response, routing::post};
use expect_test::expect;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use super::{Answer, House, endpoint::begin, upstream};

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"there__write","arguments":{"text":"a\u200bb","n":12345678901234567890.10}}}"#;

/// A server whose tools are what the test says.
struct Fickle {
    address: SocketAddr,
    tools: Arc<watch::Sender<Value>>,
    _tasks: JoinSet<()>,
}

impl Fickle {
    async fn new(tools: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tools = Arc::new(watch::Sender::new(tools));
        let told = tools.clone();
        let answer = async move |body: Bytes| -> Response {
            let message: Value = serde_json::from_slice(&body).unwrap();
            if message["method"] != "tools/list" {
                return upstream::answer(body).await;
            }
            let result = json!({ "tools": *told.borrow() });
            let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
            upstream::as_json(answer.to_string())
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let router = Router::new().route("/mcp", post(answer));
            let serve = crate::serve(listener, router, Default::default());
            serve.await.unwrap();
        });
        Self {
            address,
            tools,
            _tasks: tasks,
        }
    }

    async fn add(&self, house: &House) {
        let url = format!("http://{}/mcp", self.address);
        let source = json!({ "kind": "remote", "url": url });
        let body = json!({ "slug": "there", "source": source }).to_string();
        let added = house.owner("POST", "/api/v1/servers", &body).await;
        assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
        refresh(house).await;
    }

    async fn tell(&self, house: &House, tools: Value) {
        self.tools.send_replace(tools);
        refresh(house).await;
    }
}

async fn refresh(house: &House) {
    let (slug, owner) = ("there".parse().unwrap(), domain::PrincipalName::owner());
    let gateway = house.orchestrator.gateway();
    let refreshed = gateway.refresh(&slug, &owner);
    let refreshed = tokio::time::timeout(Duration::from_secs(20), refreshed).await;
    refreshed.unwrap().unwrap();
}

fn write(description: &str) -> Value {
    json!({ "name": "write", "description": description, "inputSchema": { "type": "object" } })
}

async fn reviews(house: &House) -> Value {
    let answer = house.owner("GET", "/api/v1/servers/there/tools", "").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.json()
}

async fn look(house: &House, tool: &str, pin: &Value, setting: Option<&str>) -> Answer {
    let body = json!({ "tools": [{ "tool": tool, "pin": pin, "setting": setting }] });
    let path = "/api/v1/servers/there/tools/look";
    house.owner("POST", path, &body.to_string()).await
}

/// Waits until a call waits for a person.
async fn waiting(house: &House) -> Value {
    let reached = async {
        loop {
            let path = "/api/v1/approvals?open=true";
            let answer = house.owner("GET", path, "").await.json();
            if let Some(approval) = answer["approvals"].get(0) {
                return approval.clone();
            }
            tokio::task::yield_now().await;
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(20), reached).await;
    reached.expect("a call waits")
}

async fn decide(house: &House, approval: &Value, decision: Value) -> Answer {
    let path = format!(
        "/api/v1/approvals/{}/decide",
        approval["id"].as_str().unwrap()
    );
    house.owner("POST", &path, &decision.to_string()).await
}

/// Calls as a client, and decides while it waits. Returns what the client and the person are told.
async fn call_and_decide(house: &House, decision: Value) -> (Answer, Answer, Value) {
    let session = begin(house, "/mcp").await;
    let call = house.send(house.mcp("/mcp", Some(&session), CALL));
    let decided = async {
        let approval = waiting(house).await;
        let mut decision = decision;
        decision["pin"] = approval["pin"].clone();
        (decide(house, &approval, decision).await, approval)
    };
    let (called, (decided, approval)) = tokio::join!(call, decided);
    (called, decided, approval)
}

#[tokio::test]
async fn a_tool_is_looked_at_and_looked_at_again_when_it_changes() {
    let house = House::new().await;
    let server = Fickle::new(json!([write("writes\u{200b}")])).await;
    server.add(&house).await;
    let first = reviews(&house).await;
    let tool = &first["tools"][0];
    expect![[r#"{"name":"write","state":"pinned","hidden":[{"at":6,"character":"U+200B","field":"description"}],"changes":[],"advertised":"there__write","looked_at_ms":null,"counts":{"added":0,"changed":0,"gone":0,"looked_at":0,"not_looked_at":1},"tool_changes":"ask"}"#]]
    .assert_eq(&format!(
        r#"{{"name":{},"state":{},"hidden":{},"changes":{},"advertised":{},"looked_at_ms":{},"counts":{},"tool_changes":{}}}"#,
        tool["name"],
        tool["state"],
        tool["hidden"],
        tool["changes"],
        tool["told"]["advertised"],
        tool["pinned"]["looked_at_ms"],
        first["counts"],
        first["tool_changes"]
    ));
    let of_server = async || house.owner("GET", "/api/v1/servers/there", "").await.json();
    assert_eq!(of_server().await["tools_waiting"], 1);
    let looked = look(&house, "write", &tool["told"]["pin"], Some("allow")).await;
    assert_eq!(looked.text(), "204 No Content\n");
    assert_eq!(of_server().await["tools_waiting"], 0);
    let listed = async || -> Vec<Value> {
        let tools = house.owner("GET", "/api/v1/tools", "").await.json()["tools"].take();
        let tools = tools.as_array().unwrap().iter();
        tools
            .filter(|it| it["server"] == "there")
            .cloned()
            .collect()
    };
    let tools = listed().await;
    assert_eq!(tools[0]["standing"], "looked_at");
    assert_eq!(tools[0]["setting"], "allow");
    assert_eq!(tools[0]["pin"], tool["told"]["pin"]);

    server
        .tell(&house, json!([write("writes elsewhere, too")]))
        .await;
    let second = reviews(&house).await;
    let changed = &second["tools"][0];
    assert_eq!(changed["state"], "changed");
    let expected = json!([{
        "field": "description", "before": "writes\u{200b}", "after": "writes elsewhere, too",
    }]);
    assert_eq!(changed["changes"], expected);
    assert_eq!(of_server().await["tools_waiting"], 1);
    assert_eq!(listed().await, Vec::<Value>::new());
    // What was looked at before is not what it is now.
    let stale = look(&house, "write", &tool["told"]["pin"], Some("allow")).await;
    expect![[r#"
        409 Conflict
        {"code":"stale","message":"tool `write` is not what was looked at, so nothing was changed; look at it again"}"#]].assert_eq(&stale.text());
    let looked = look(&house, "write", &changed["told"]["pin"], None).await;
    assert_eq!(looked.text(), "204 No Content\n");
    let now = reviews(&house).await;
    // It does not claim to only read.
    assert_eq!(now["tools"][0]["pinned"]["setting"], "ask");
    assert_eq!(now["tools"][0]["pinned"]["looked_by"], "owner");

    let mut renamed = write("writes elsewhere, too");
    renamed["name"] = json!("scribble");
    server.tell(&house, json!([renamed])).await;
    let third = reviews(&house).await;
    assert_eq!(third["tools"][0]["state"], "added");
    assert_eq!(third["tools"][0]["renamed_from"], "write");
    assert_eq!(third["tools"][1]["state"], "gone");
    assert_eq!(third["tools"][1]["told"], Value::Null);
    house.end().await;
}

#[tokio::test]
async fn what_happens_with_changes_is_set_for_each_server() {
    let house = House::new().await;
    let server = Fickle::new(json!([write("a")])).await;
    server.add(&house).await;
    let set = async |changes: &str| {
        let body = json!({ "changes": changes }).to_string();
        let path = "/api/v1/servers/there/tool-changes";
        house.owner("PUT", path, &body).await
    };
    assert_eq!(set("block").await.text(), "204 No Content\n");
    server.tell(&house, json!([write("b")])).await;
    let shown = house.owner("GET", "/api/v1/servers/there", "").await.json();
    assert_eq!(shown["tool_changes"], "block");
    // Nobody is bothered with it.
    assert_eq!(shown["tools_waiting"], 0);
    assert_eq!(reviews(&house).await["tools"][0]["state"], "changed");
    assert_eq!(set("follow").await.text(), "204 No Content\n");
    let followed = reviews(&house).await;
    assert_eq!(followed["tools"][0]["state"], "pinned");
    assert_eq!(followed["tool_changes"], "follow");
    assert_eq!(set("maybe").await.status, StatusCode::BAD_REQUEST);
    for (method, path, body) in [
        ("GET", "/api/v1/servers/nobody/tools", ""),
        (
            "PUT",
            "/api/v1/servers/nobody/tool-changes",
            r#"{"changes":"ask"}"#,
        ),
    ] {
        let answer = house.owner(method, path, body).await;
        expect![[r#"
            404 Not Found
            {"code":"not_found","message":"server `nobody` not found"}"#]]
        .assert_eq(&answer.text());
    }
    let nothing = house
        .owner(
            "POST",
            "/api/v1/servers/there/tools/look",
            r#"{"tools":[]}"#,
        )
        .await;
    assert_eq!(nothing.json()["message"], "`tools` names no tool");
    house.end().await;
}

#[tokio::test]
async fn rules_are_made_listed_and_removed() {
    let house = House::new().await;
    let server = Fickle::new(json!([write("a")])).await;
    server.add(&house).await;
    let path = "/api/v1/policy/rules";
    let made = house
        .owner(
            "POST",
            path,
            r#"{"server":"there","tool":"w*","effect":"deny"}"#,
        )
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let made = made.json();
    assert_eq!(
        (&made["server"], &made["tool"], &made["effect"]),
        (&json!("there"), &json!("w*"), &json!("deny"))
    );
    let call = r#"{"server":"there","tool":"write"}"#;
    let denied = house.owner("POST", "/api/v1/tools/call", call).await;
    expect![[r#"
        403 Forbidden
        {"code":"denied","message":"a rule denies tool `write` of server `there`"}"#]]
    .assert_eq(&denied.text());
    for (body, status) in [
        (r#"{"tool":"","effect":"deny"}"#, StatusCode::BAD_REQUEST),
        (r#"{"tool":"*","effect":"maybe"}"#, StatusCode::BAD_REQUEST),
        (
            r#"{"server":"nobody","tool":"*","effect":"ask"}"#,
            StatusCode::NOT_FOUND,
        ),
    ] {
        let answer = house.owner("POST", path, body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
    let everywhere = house
        .owner("POST", path, r#"{"tool":"*","effect":"ask"}"#)
        .await;
    assert_eq!(everywhere.json()["server"], Value::Null);
    let list = house.owner("GET", path, "").await.json();
    assert_eq!(list["rules"][0], made);
    assert_eq!(list["rules"].as_array().unwrap().len(), 2);
    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    let removed = house.owner("DELETE", &one, "").await;
    assert_eq!(removed.text(), "204 No Content\n");
    let again = house.owner("DELETE", &one, "").await;
    assert_eq!(again.status, StatusCode::NOT_FOUND, "{}", again.body);
    let called = house.owner("POST", "/api/v1/tools/call", call).await;
    assert_eq!(called.status, StatusCode::OK, "{}", called.body);
    house.end().await;
}

#[tokio::test]
async fn a_client_with_its_owners_token_has_nobodys_consent() {
    let house = House::new().await;
    let server = Fickle::new(json!([write("a")])).await;
    server.add(&house).await;
    // As `archestra connect` does where no token is given.
    let house = House {
        client: house.owner.clone(),
        ..house
    };
    let deny = json!({ "decision": "deny", "reason": "who asks?" });
    let (called, decided, approval) = call_and_decide(&house, deny).await;
    assert_eq!(decided.status, StatusCode::OK, "{}", decided.body);
    assert_eq!(approval["client"], "cli");
    assert!(called.body.contains("who asks?"), "{}", called.body);
    // The same token on the command line is the person's own hand.
    let call = r#"{"server":"there","tool":"write"}"#;
    let by_hand = house.owner("POST", "/api/v1/tools/call", call).await;
    assert_eq!(by_hand.status, StatusCode::OK, "{}", by_hand.body);
    house.end().await;
}

#[tokio::test]
async fn a_call_waits_until_a_person_has_decided() {
    let house = House::new().await;
    let server = Fickle::new(json!([write("a")])).await;
    server.add(&house).await;
    let approve = json!({ "decision": "approve" });
    let (called, decided, approval) = call_and_decide(&house, approve.clone()).await;
    assert_eq!(decided.status, StatusCode::OK, "{}", decided.body);
    let result = upstream::ODD_RESULT;
    assert_eq!(
        called.body,
        format!(r#"{{"jsonrpc":"2.0","id":7,"result":{result}}}"#)
    );
    let after = decided.json();
    assert_eq!(
        (&after["state"], &after["scope"]),
        (&json!("approved"), &json!("once"))
    );
    assert_eq!(approval["client"], "client");
    assert_eq!(approval["why"], "nobody has looked at this tool yet");
    assert_eq!(approval["scopes"], json!(["once", "client", "everywhere"]));
    // As it was sent, to the last digit.
    let path = format!("/api/v1/approvals/{}", approval["id"].as_str().unwrap());
    let one = house.owner("GET", &path, "").await;
    let arguments = r#""arguments":{"text":"a\u200bb","n":12345678901234567890.10}"#;
    assert!(one.body.contains(arguments), "{}", one.body);
    assert_eq!(one.json()["definition"]["description"], "a");

    // It was decided; that holds.
    let mut again = json!({ "decision": "deny" });
    again["pin"] = approval["pin"].clone();
    let again = decide(&house, &approval, again).await;
    expect![[r#"
        409 Conflict
        {"code":"already_decided","message":"this request was approved by `owner` before"}"#]]
    .assert_eq(&again.text());

    let deny = json!({ "decision": "deny", "reason": "not on Sundays" });
    let (called, decided, _) = call_and_decide(&house, deny).await;
    assert_eq!(decided.json()["reason"], "not on Sundays");
    let called = called.json();
    assert_eq!(called["result"]["isError"], true, "{called}");
    let text = called["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("not on Sundays"), "{text}");
    let all = house.owner("GET", "/api/v1/approvals?limit=1", "").await;
    let next = all.json()["next"].as_str().unwrap().to_owned();
    let rest = format!("/api/v1/approvals?before={next}");
    let rest = house.owner("GET", &rest, "").await.json();
    assert_eq!(rest["approvals"][0]["id"], approval["id"]);
    assert_eq!(rest["next"], Value::Null);
    house.end().await;
}

#[tokio::test]
async fn a_permission_lets_calls_pass_until_it_is_revoked() {
    let house = House::new().await;
    let server = Fickle::new(json!([write("a")])).await;
    server.add(&house).await;
    let approve = json!({ "decision": "approve", "scope": "client" });
    let (called, _, approval) = call_and_decide(&house, approve).await;
    assert!(called.body.contains("content"), "{}", called.body);
    let session = begin(&house, "/mcp").await;
    let call = CALL.replace("a\\u200bb", "other");
    let unasked = house.send(house.mcp("/mcp", Some(&session), &call)).await;
    assert!(!unasked.body.contains("isError"), "{}", unasked.body);

    let list = house
        .owner("GET", "/api/v1/grants?active=true", "")
        .await
        .json();
    let grant = &list["grants"][0];
    assert_eq!(grant["scope"], "client");
    assert_eq!(grant["client"], "client");
    assert_eq!(grant["approval"], approval["id"]);
    assert_eq!(
        (&grant["server"], &grant["tool"]),
        (&json!("there"), &json!("write"))
    );
    assert_eq!(grant["is_active"], true);
    let path = format!("/api/v1/grants/{}", grant["id"].as_str().unwrap());
    let revoked = house.owner("DELETE", &path, "").await;
    assert_eq!(revoked.text(), "204 No Content\n");
    let again = house.owner("DELETE", &path, "").await;
    assert_eq!(again.status, StatusCode::NOT_FOUND, "{}", again.body);
    let active = house.owner("GET", "/api/v1/grants?active=true", "").await;
    assert_eq!(active.json()["grants"], json!([]));
    let all = house.owner("GET", "/api/v1/grants", "").await.json();
    assert_eq!(all["grants"][0]["is_active"], false);
    let deny = json!({ "decision": "deny" });
    let (called, ..) = call_and_decide(&house, deny).await;
    assert!(called.body.contains("isError"), "{}", called.body);
    house.end().await;
}

#[tokio::test]
async fn what_cannot_be_decided_says_why() {
    let house = House::new().await;
    let server = Fickle::new(json!([write("a")])).await;
    server.add(&house).await;
    let session = begin(&house, "/mcp").await;
    let call = house.send(house.mcp("/mcp", Some(&session), CALL));
    let decided = async {
        let approval = waiting(&house).await;
        let check = async |decision: &str, status: StatusCode, said: &str| {
            let mut body: Value = serde_json::from_str(decision).unwrap();
            if body["pin"].is_null() {
                body["pin"] = approval["pin"].clone();
            }
            let answer = decide(&house, &approval, body).await;
            assert_eq!(answer.status, status, "{decision}: {}", answer.body);
            assert!(answer.body.contains(said), "{decision}: {}", answer.body);
        };
        let other = format!(r#"{{"decision":"approve","pin":"{}"}}"#, "0".repeat(64));
        check(&other, StatusCode::CONFLICT, r#""code":"stale""#).await;
        for (decision, said) in [
            (r#"{"decision":"approve","reason":"x"}"#, "`reason`"),
            (r#"{"decision":"deny","scope":"once"}"#, "`scope`"),
            (
                r#"{"decision":"approve","scope":"chat"}"#,
                "not made in a chat",
            ),
            (
                r#"{"decision":"approve","arguments":{}}"#,
                "other arguments",
            ),
            (r#"{"decision":"approve","pin":"x"}"#, "64 digits"),
            (r#"{"decision":"maybe"}"#, "unknown variant"),
        ] {
            check(decision, StatusCode::BAD_REQUEST, said).await;
        }
        house.clock.now_ms.fetch_add(600_001, Ordering::Relaxed);
        let late = r#"{"decision":"approve"}"#;
        check(late, StatusCode::CONFLICT, r#""code":"expired""#).await;
    };
    tokio::select! {
        () = decided => {}
        called = call => panic!("nobody has decided, and it was answered: {}", called.body),
    }
    for (path, code) in [
        ("/api/v1/approvals/nobody", "not_found"),
        ("/api/v1/approvals?limit=101", "invalid"),
        ("/api/v1/approvals?before=x", "invalid"),
        ("/api/v1/grants?limit=0", "invalid"),
    ] {
        let answer = house.owner("GET", path, "").await;
        assert_eq!(answer.json()["code"], code, "{path}: {}", answer.body);
    }
    house.end().await;
}
