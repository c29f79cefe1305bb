//! Beginning, finding and ending sessions, and what is no message.

use domain::Access;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::{bed::*, client::*};
use crate::{PostReply, Refusal, Scope, Settings};

#[tokio::test(start_paused = true)]
async fn each_version_is_agreed_on_and_another_becomes_the_newest() {
    let bed = Bed::new();
    for (asked, agreed) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("nonsense", "2025-11-25"),
    ] {
        let mut client = bed.client().await;
        client.session = None;
        let reply = client
            .request(0, "initialize", json!({"protocolVersion": asked}))
            .await;
        assert_eq!(reply.result()["protocolVersion"], agreed);
        assert_eq!(reply.result()["serverInfo"]["name"], "archestra");
    }
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_servers_hello_is_its_own_with_the_version_that_was_agreed_on() {
    let bed = Bed::new();
    bed.echo("a");
    let mut client = bed.client().await;
    client.session = None;
    client.scope = Scope::One(slug("a"));
    let reply = client
        .request("x", "initialize", json!({"protocolVersion": "2025-06-18"}))
        .await;
    assert_eq!(reply.result()["protocolVersion"], "2025-06-18");
    assert_eq!(reply.result()["serverInfo"]["name"], "fake");
    assert!(reply.text.contains(r#""x-unknown":12345678901234567890"#));
    assert_eq!(bed.connect.begun(), 0, "the stored hello is enough");
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_never_read_is_started_for_its_hello() {
    let bed = Bed::new();
    let lists = Lists::new();
    let mut unread = view("a", &lists);
    unread.lists = None;
    bed.script(unread.id, &lists, echo);
    bed.gateway.put_server(unread.clone());
    let one = Scope::One(slug("a"));
    let client = Client::begin(&bed, caller(), one, json!({})).await;
    until(|| !bed.gateway.tools(&caller()).is_empty()).await;
    client.call("echo", json!({})).await.result();
    assert_eq!(bed.connect.begun(), 1);
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_is_nobodys_but_its_own_callers() {
    let bed = Bed::new();
    bed.echo("a");
    bed.echo("b");
    let own = bed.client().await;
    let at_one = Client::begin(&bed, caller(), Scope::One(slug("a")), json!({})).await;
    let with = |caller: domain::Caller, scope: Scope, session: &Client| Client {
        caller,
        scope,
        ..session.clone()
    };
    let thieves = [
        (
            "other principal",
            with(caller_of("eve", 1), Scope::All, &own),
        ),
        ("other token", with(caller_of("owner", 2), Scope::All, &own)),
        (
            "a browser",
            with(
                domain::Caller {
                    token: None,
                    ..caller()
                },
                Scope::All,
                &own,
            ),
        ),
        ("other scope", with(caller(), Scope::One(slug("a")), &own)),
        ("wider scope", with(caller(), Scope::All, &at_one)),
        (
            "other server",
            with(caller(), Scope::One(slug("b")), &at_one),
        ),
        (
            "a guess",
            Client {
                session: Some("0".repeat(32)),
                ..own.clone()
            },
        ),
    ];
    for (who, thief) in &thieves {
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let (refusal, _, _) = refused(thief.post(ping).await);
        assert_eq!(refusal, Refusal::UnknownSession, "{who}");
        let (scope, session) = (&thief.scope, thief.session.as_deref());
        let listened = bed.gateway.listen(scope, &thief.caller, session);
        assert_eq!(listened.unwrap_err(), Refusal::UnknownSession, "{who}");
        let ended = bed.gateway.end_session(scope, &thief.caller, session);
        assert_eq!(ended.unwrap_err(), Refusal::UnknownSession, "{who}");
    }
    own.request(1, "ping", json!({})).await.result();
    at_one.request(1, "ping", json!({})).await.result();
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_ended_or_whose_token_was_revoked_is_unknown() {
    let bed = Bed::new();
    let (ended, revoked) = (bed.client().await, bed.client().await);
    let other = Client::begin(&bed, caller_of("owner", 2), Scope::All, all_capabilities()).await;
    let (scope, session) = (&ended.scope, ended.session.as_deref());
    bed.gateway
        .end_session(scope, &ended.caller, session)
        .unwrap();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let (refusal, _, _) = refused(ended.post(ping).await);
    assert_eq!(refusal, Refusal::UnknownSession);
    let mut stream = revoked.listen();
    bed.gateway.end_sessions_of(caller().token.unwrap());
    let (refusal, _, _) = refused(revoked.post(ping).await);
    assert_eq!(refusal, Refusal::UnknownSession);
    assert!(stream.next().await.is_none(), "its stream ends");
    other.request(1, "ping", json!({})).await.result();
    assert_eq!(bed.gateway.sessions(), 1);
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn headers_that_do_not_fit_are_refused_with_what_to_do() {
    let bed = Bed::new();
    let client = bed.client().await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let mut post = client.to_post(ping);
    post.session = None;
    let (refusal, _, reason) = refused(bed.gateway.post(post).await);
    assert_eq!(refusal, Refusal::Malformed);
    expect!["the `Mcp-Session-Id` header is missing; begin with `initialize`"].assert_eq(&reason);
    let mut post = client.to_post(ping);
    post.version = Some("2026-07-28".to_owned());
    let (refusal, _, reason) = refused(bed.gateway.post(post).await);
    assert_eq!(refusal, Refusal::Malformed);
    expect!["protocol version `2026-07-28` is not spoken here; the versions are 2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25"].assert_eq(&reason);
    let mut post = client.to_post(ping);
    post.version = None;
    let reply = bed.gateway.post(post).await;
    assert!(matches!(reply, PostReply::Message { .. }));
    let missing = bed.gateway.listen(&Scope::All, &client.caller, None);
    assert_eq!(missing.unwrap_err(), Refusal::Malformed);
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_the_caller_may_not_use_is_as_one_that_is_not_there() {
    let bed = Bed::new();
    bed.echo("a");
    let mut limited = caller();
    limited.access = Access {
        servers: Some([slug("b")].into()),
        tools: None,
    };
    for (caller, name) in [(&limited, "a"), (&limited, "b"), (&caller(), "c")] {
        let client = Client {
            gateway: bed.gateway.clone(),
            caller: caller.clone(),
            scope: Scope::One(slug(name)),
            session: None,
        };
        let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#;
        let (refusal, _, reason) = refused(client.post(hello).await);
        assert_eq!(refusal, Refusal::UnknownServer);
        assert_eq!(reason, format!("there is no server `{name}`"));
    }
    bed.end().await;
}

async fn check(client: &Client, body: &str, expected: Expect) {
    let actual = match client.post(body).await {
        PostReply::Refused(refusal, bytes) => {
            format!("{refusal:?} {}", String::from_utf8_lossy(&bytes))
        }
        PostReply::Accepted => "accepted".to_owned(),
        reply => read(reply).await.text,
    };
    expected.assert_eq(&actual);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_is_refused() {
    let bed = Bed::new();
    bed.echo("a");
    let client = bed.client().await;
    check(&client, "", expect![[r#"Malformed {"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"not valid JSON: EOF while parsing a value at line 1 column 0"}}"#]]).await;
    check(&client, r#"{"jsonrpc":"2.0","id":1,"method":"ping""#, expect![[r#"Malformed {"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"not valid JSON: EOF while parsing an object at line 1 column 39"}}"#]]).await;
    check(&client, "\u{feff}{}", expect![[r#"Malformed {"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"not valid JSON: expected value at line 1 column 1"}}"#]]).await;
    check(&client, r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#, expect![[r#"Malformed {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"not a JSON-RPC 2.0 message: key `method` stands twice at line 1 column 62"}}"#]]).await;
    check(&client, r#"{"jsonrpc":"2.0","id":1,"method":"ping","Params":{}}"#, expect![[r#"Malformed {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"not a JSON-RPC 2.0 message: key `Params` must be written `params` at line 1 column 48"}}"#]]).await;
    check(&client, r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, expect![[r#"Malformed {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"not a JSON-RPC 2.0 message: `id` must be a text or a number of at most 1024 bytes"}}"#]]).await;
    // The name that is decided on is the name that is sent on: there is one, in one spelling.
    check(&client, r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a__look","name":"a__echo"}}"#, expect![[r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"the parameters are not understood: key `name` stands twice at line 1 column 24"}}"#]]).await;
    check(&client, r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a__look","Name":"a__echo"}}"#, expect![[r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"the parameters are not understood: keys `name` and `Name` differ in letter case alone at line 1 column 24"}}"#]]).await;
    check(&client, r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}"#, expect![[r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"the parameters are not understood: invalid type: sequence, expected an object at line 1 column 0"}}"#]]).await;
    check(&client, r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, expect![[r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"the parameters are not understood: `name` is missing"}}"#]]).await;
    check(
        &client,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        expect!["accepted"],
    )
    .await;
    check(
        &client,
        r#"{"jsonrpc":"2.0","method":"notifications/whatever"}"#,
        expect!["accepted"],
    )
    .await;
    check(&client, r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#, expect![[r#"Malformed {"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"`initialize` names no `protocolVersion`"}}"#]]).await;
    assert_eq!(bed.connect.begun(), 0);
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn batches_are_of_one_version() {
    let bed = Bed::new();
    bed.echo("a");
    let batch = r#" [{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"tools/list"},{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"a__echo"}},{"jsonrpc":"2.0","method":"notifications/x"},{"jsonrpc":"2.0","id":4,"method":"initialize","params":{"protocolVersion":"2025-03-26"}}]"#;
    for version in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        let client = Client::begin_with(&bed, caller(), Scope::All, json!({}), version).await;
        let (refusal, _, reason) = refused(client.post(batch).await);
        assert_eq!(refusal, Refusal::Malformed);
        let says = format!("protocol version {version} has no batches; send one message at a time");
        assert_eq!(reason, says);
    }
    for scope in [Scope::All, Scope::One(slug("a"))] {
        let client =
            Client::begin_with(&bed, caller(), scope.clone(), json!({}), "2025-03-26").await;
        let batch = match scope {
            Scope::All => batch.to_owned(),
            Scope::One(_) => batch.replace("a__echo", "echo"),
        };
        let PostReply::Stream(mut messages) = client.post(&batch).await else {
            panic!("no stream");
        };
        let mut answers: Vec<Value> = Vec::new();
        while let Some(bytes) = messages.recv().await {
            answers.push(serde_json::from_slice(&bytes).unwrap());
        }
        answers.sort_by_key(|it| it["id"].as_u64());
        assert_eq!(answers.len(), 4);
        assert_eq!(answers[0]["result"], json!({}));
        assert_eq!(answers[1]["result"]["tools"].as_array().unwrap().len(), 2);
        assert_eq!(answers[2]["result"]["echo"]["name"], "echo");
        // It never reaches a server, whose session it would begin anew.
        assert_eq!(answers[3]["error"]["code"], -32600);
    }
    let client = Client::begin_with(&bed, caller(), Scope::All, json!({}), "2025-03-26").await;
    check(&client, "[]", expect![[r#"Malformed {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"a batch has 1 to 64 messages"}}"#]]).await;
    check(&client, "[", expect![[r#"Malformed {"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"the batch is not valid JSON: EOF while parsing a list at line 1 column 1"}}"#]]).await;
    check(
        &client,
        r#"[{"jsonrpc":"2.0","method":"notifications/x"}]"#,
        expect!["accepted"],
    )
    .await;
    let same = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a__echo"}}"#;
    let PostReply::Stream(mut messages) = client.post(&format!("[{same},{same}]")).await else {
        panic!("no stream");
    };
    let mut texts = Vec::new();
    while let Some(bytes) = messages.recv().await {
        texts.push(String::from_utf8(bytes.to_vec()).unwrap());
    }
    assert_eq!(texts.len(), 2);
    assert!(texts[0].contains("a request with the id 7 is already under way"));
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_shows_no_more_tools_than_a_single_request() {
    let bed = Bed::new();
    bed.echo("a");
    let mut limited = caller();
    limited.access.tools = Some(
        [domain::ToolRule {
            server: slug("a"),
            tool: "look".into(),
        }]
        .into(),
    );
    let one = Scope::One(slug("a"));
    let client = Client::begin_with(&bed, limited, one, json!({}), "2025-03-26").await;
    let PostReply::Stream(mut messages) = client
        .post(r#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]"#)
        .await
    else {
        panic!("no stream");
    };
    let text = String::from_utf8(messages.recv().await.unwrap().to_vec()).unwrap();
    assert!(text.contains("look") && !text.contains("echo"), "{text}");
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_uses_is_forgotten_and_one_that_is_listened_to_is_not() {
    let bed = Bed::with(Settings {
        session_idle: std::time::Duration::from_secs(600),
        ..Settings::default()
    });
    let (_idle, listening) = (bed.client().await, bed.client().await);
    let stream = listening.listen();
    assert_eq!(bed.gateway.sessions(), 2);
    tokio::time::sleep(std::time::Duration::from_secs(700)).await;
    assert_eq!(bed.gateway.sessions(), 1);
    drop(stream);
    tokio::time::sleep(std::time::Duration::from_secs(700)).await;
    assert_eq!(bed.gateway.sessions(), 0);
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn when_there_are_too_many_sessions_the_callers_own_oldest_goes_first() {
    let bed = Bed::with(Settings {
        sessions_max: 3,
        ..Settings::default()
    });
    let second = std::time::Duration::from_secs(1);
    let others = Client::begin(&bed, caller_of("eve", 2), Scope::All, json!({})).await;
    tokio::time::advance(second).await;
    let used = bed.client().await;
    let stream = used.listen();
    tokio::time::advance(second).await;
    let oldest = bed.client().await;
    tokio::time::advance(second).await;
    let newest = bed.client().await;
    assert_eq!(bed.gateway.sessions(), 3);
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let (refusal, _, _) = refused(oldest.post(ping).await);
    assert_eq!(refusal, Refusal::UnknownSession);
    for client in [&others, &used, &newest] {
        client.request(1, "ping", json!({})).await.result();
    }
    let streams = (others.listen(), newest.listen());
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#;
    let (refusal, _, reason) = refused(newest.post(hello).await);
    assert_eq!(refusal, Refusal::TooManySessions);
    expect!["there are 3 sessions, the most there may be (`sessions_max`)"].assert_eq(&reason);
    drop((stream, streams));
    bed.end().await;
}
