//! `/mcp`.

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream},
    http::{StatusCode, header},
};
use expect_test::expect;
use futures_util::StreamExt as _;
use tower::ServiceExt as _;

use super::{
    House,
    api::add_and_wait,
    ask,
    upstream::{ODD_RESULT, Upstream},
    with_token,
};

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

pub(super) async fn begin(house: &House, path: &str) -> String {
    let answer = house.send(house.mcp(path, None, INITIALIZE)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "application/json");
    let session = answer.header("mcp-session-id").to_owned();
    assert!(!session.is_empty());
    let answer = house
        .send(house.mcp(path, Some(&session), INITIALIZED))
        .await;
    assert_eq!(answer.text(), "202 Accepted\n");
    session
}

async fn next(events: &mut BodyDataStream) -> Option<String> {
    let next = tokio::time::timeout(Duration::from_secs(20), events.next()).await;
    let bytes = next.expect("an event comes in time")?.unwrap();
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

/// Reads a stream to its end, which comes soon.
async fn ends(events: BodyDataStream) {
    let all = tokio::time::timeout(Duration::from_secs(20), events.count());
    all.await.expect("the stream ends in time");
}

#[tokio::test]
async fn a_session_begins_lists_calls_and_ends() {
    let house = House::new().await;
    let upstream = Upstream::new().await;
    add_and_wait(&house, &upstream).await;
    for (path, name) in [("/mcp", "there__odd"), ("/mcp/there", "odd")] {
        let session = begin(&house, path).await;
        let list = r#"{"jsonrpc":"2.0","id":"a","method":"tools/list"}"#;
        let answer = house.send(house.mcp(path, Some(&session), list)).await;
        let listed = answer.json()["result"]["tools"].take();
        let tools = listed.as_array().unwrap();
        let mut names = tools.iter().filter_map(|it| it["name"].as_str());
        let first = names.find(|it| !it.starts_with("archestra__"));
        assert_eq!(first, Some(name), "{}", answer.body);
        assert!(!answer.headers.contains_key("mcp-session-id"));

        let call = format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"{name}"}}}}"#
        );
        let answer = house.send(house.mcp(path, Some(&session), &call)).await;
        assert_eq!(
            answer.body,
            format!(r#"{{"jsonrpc":"2.0","id":7,"result":{ODD_RESULT}}}"#)
        );

        let end = with_token(ask("DELETE", path), &house.client).header("mcp-session-id", &session);
        let answer = house.send(end.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.text(), "204 No Content\n");
        let answer = house.send(house.mcp(path, Some(&session), list)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    house.end().await;
}

#[tokio::test]
async fn progress_comes_as_events_before_the_answer() {
    let house = House::new().await;
    let upstream = Upstream::new().await;
    add_and_wait(&house, &upstream).await;
    let session = begin(&house, "/mcp").await;
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"there__odd","_meta":{"progressToken":"mine"}}}"#;
    let answer = house.send(house.mcp("/mcp", Some(&session), call)).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert_eq!(answer.header("x-accel-buffering"), "no");
    expect![[r#"
        event: message
        data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":"mine"}}

        event: message
        data: {"jsonrpc":"2.0","id":7,"result":{"content":[ ],  "big":12345678901234567890.0100,"\u0061":1e2}}

    "#]].assert_eq(&answer.body);
    house.end().await;
}

#[tokio::test]
async fn what_belongs_to_no_request_is_listened_to_until_the_end() {
    let house = House::new().await;
    let upstream = Upstream::new().await;
    let session = begin(&house, "/mcp").await;
    let listen = || {
        with_token(ask("GET", "/mcp"), &house.client)
            .header(header::ACCEPT, "text/event-stream")
            .header("mcp-session-id", &session)
            .body(Body::empty())
            .unwrap()
    };
    let response = house.router.clone().oneshot(listen()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut events = response.into_body().into_data_stream();
    add_and_wait(&house, &upstream).await;
    let event = next(&mut events).await.unwrap();
    expect![[r#"
        event: message
        data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}

    "#]]
    .assert_eq(&event);

    house.shutdown.cancel();
    ends(events).await;
    house.end().await;
}

#[tokio::test]
async fn a_silent_stream_is_kept_alive_and_ends_with_its_session() {
    let house = House::with(|settings| settings.keep_alive = Duration::from_millis(20)).await;
    let session = begin(&house, "/mcp").await;
    let listen = with_token(ask("GET", "/mcp"), &house.client)
        .header(header::ACCEPT, "text/event-stream, application/json;q=0.5")
        .header("mcp-session-id", &session);
    let response = house
        .router
        .clone()
        .oneshot(listen.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let mut events = response.into_body().into_data_stream();
    assert_eq!(next(&mut events).await.unwrap(), ":\n\n");
    assert_eq!(next(&mut events).await.unwrap(), ":\n\n");
    let end = with_token(ask("DELETE", "/mcp"), &house.client).header("mcp-session-id", &session);
    let answer = house.send(end.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    ends(events).await;
}

#[tokio::test]
async fn a_revoked_token_ends_its_streams() {
    let house = House::new().await;
    let session = begin(&house, "/mcp").await;
    let listen = with_token(ask("GET", "/mcp"), &house.client)
        .header(header::ACCEPT, "text/event-stream")
        .header("mcp-session-id", &session);
    let response = house
        .router
        .clone()
        .oneshot(listen.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let mut events = response.into_body().into_data_stream();
    let answer = house.owner("DELETE", "/api/v1/tokens/client", "").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(next(&mut events).await, None);
    let answer = house
        .send(house.mcp("/mcp", Some(&session), INITIALIZED))
        .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn another_tokens_session_is_none() {
    let house = House::new().await;
    let session = begin(&house, "/mcp").await;
    let request = with_token(ask("POST", "/mcp"), &house.owner).header("mcp-session-id", &session);
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let answer = house.send(request.body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_not_mcp_is_refused_in_json_rpc() {
    let house = House::with(|settings| settings.request_bytes_max = 300).await;
    let client = |method: &str, path: &str| with_token(ask(method, path), &house.client);
    let plain = axum::http::Request::builder()
        .method("POST")
        .uri("/mcp")
        .header("host", super::HERE)
        .header("content-type", "text/plain")
        .extension(crate::LocalPort(3000));
    let requests = [
        ("no JSON", client("POST", "/mcp").body(Body::from("{"))),
        (
            "no session",
            client("POST", "/mcp").body(Body::from(INITIALIZED)),
        ),
        (
            "too long",
            client("POST", "/mcp").body(Body::from(" ".repeat(301))),
        ),
        (
            "text",
            with_token(plain, &house.client).body(Body::from(INITIALIZE)),
        ),
        (
            "unknown server",
            client("POST", "/mcp/nobody").body(Body::from(INITIALIZE)),
        ),
        (
            "no name",
            client("POST", "/mcp/A%20B").body(Body::from(INITIALIZE)),
        ),
        (
            "unknown chat",
            client("POST", "/mcp?chat=nothing").body(Body::from(INITIALIZE)),
        ),
        (
            "two chats",
            client("POST", "/mcp/archestra?chat=a&x&ch%61t=b").body(Body::from(INITIALIZE)),
        ),
        ("method", client("PUT", "/mcp").body(Body::empty())),
        ("no events", client("GET", "/mcp").body(Body::empty())),
        (
            "listen to nothing",
            client("GET", "/mcp")
                .header("accept", "text/event-stream")
                .body(Body::empty()),
        ),
        ("end nothing", client("DELETE", "/mcp").body(Body::empty())),
        (
            "end another",
            client("DELETE", "/mcp")
                .header("mcp-session-id", "x")
                .body(Body::empty()),
        ),
    ];
    let mut all = String::new();
    for (what, request) in requests {
        let answer = house.send(request.unwrap()).await;
        all.push_str(&format!("{what}: {}\n", answer.text()));
        assert_eq!(answer.header("content-type"), "application/json", "{what}");
    }
    expect![[r#"
        no JSON: 400 Bad Request
        {"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"not valid JSON: EOF while parsing an object at line 1 column 1"}}
        no session: 400 Bad Request
        {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the `Mcp-Session-Id` header is missing; begin with `initialize`"}}
        too long: 413 Payload Too Large
        {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the body has more than 300 bytes (`request_bytes_max`)"}}
        text: 415 Unsupported Media Type
        {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the body must be JSON: send `Content-Type: application/json`"}}
        unknown server: 404 Not Found
        {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"there is no server `nobody`"}}
        no name: 404 Not Found
        {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"there is no server `A B`"}}
        unknown chat: 404 Not Found
        {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"chat `nothing` not found; `?chat=` takes the identifier of one of your chats"}}
        two chats: 400 Bad Request
        {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"`chat` stands more than once in the address"}}
        method: 405 Method Not Allowed
        {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"this address takes POST, GET and DELETE, not `PUT`"}}
        no events: 406 Not Acceptable
        {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"this address answers with a stream: send `Accept: text/event-stream`"}}
        listen to nothing: 400 Bad Request
        {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the `Mcp-Session-Id` header is missing; begin with `initialize`"}}
        end nothing: 400 Bad Request
        {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the `Mcp-Session-Id` header is missing; begin with `initialize`"}}
        end another: 404 Not Found
        {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"there is no such session; begin a new one with `initialize`"}}
    "#]].assert_eq(&all);
    let answer = house
        .send(client("PUT", "/mcp").body(Body::empty()).unwrap())
        .await;
    assert_eq!(answer.header("allow"), "POST, GET, DELETE");
    let answer = house
        .send(
            client("POST", "/mcp/profiles/x")
                .body(Body::empty())
                .unwrap(),
        )
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}
