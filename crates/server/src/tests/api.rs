//! The REST API.

use std::time::Duration;

use axum::{body::Body, http::StatusCode};
use expect_test::{Expect, expect, expect_file};

use super::{
    House, ask, person,
    upstream::{ODD_RESULT, Upstream},
    with_token,
};

pub(super) const SECRET: &str = "sentinel-4711";

/// `UPDATE_EXPECT=1 cargo test -p server` writes the file.
#[tokio::test]
async fn the_description_is_checked_in_and_served() {
    let text = crate::description_text();
    expect_file!["../../openapi.json"].assert_eq(&text);
    let house = House::new().await;
    let answer = house
        .send(ask("GET", "/openapi.json").body(Body::empty()).unwrap())
        .await;
    assert_eq!(answer.header("content-type"), "application/json");
    // The whole of it would be too long to be read.
    assert!(answer.body == text, "it is not what is checked in");
}

#[tokio::test]
async fn a_server_is_added_listed_shown_changed_and_removed() {
    let house = House::new().await;
    let upstream = Upstream::new().await;
    let body = serde_json::json!({
        "slug": "there",
        "source": { "kind": "remote", "url": upstream.url() },
        "env": { "LEVEL": "debug" },
        "egress": ["api.example.com:443"],
    });
    let added = house
        .owner("POST", "/api/v1/servers", &body.to_string())
        .await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    let added = added.json();
    assert_eq!(added["slug"], "there");
    let id = added["id"].as_str().unwrap();

    let again = house
        .owner("POST", "/api/v1/servers", &body.to_string())
        .await;
    expect![[r#"
        409 Conflict
        {"code":"conflict","message":"a server with the name `there` exists; choose another name"}"#]].assert_eq(&again.text());

    let list = house.owner("GET", "/api/v1/servers", "").await.json();
    assert_eq!(list["servers"][0]["id"], id);
    assert_eq!(list["servers"][0]["path"], "/mcp/there");
    assert_eq!(list["servers"].as_array().unwrap().len(), 1);

    for (method, path) in [
        ("PUT", "/api/v1/servers/there/egress/b.example:443"),
        ("DELETE", "/api/v1/servers/there/egress/api.example.com:443"),
        ("PUT", "/api/v1/servers/there/egress/%5B%3A%3A1%5D:80"),
        ("POST", "/api/v1/servers/there/restart"),
        ("POST", "/api/v1/servers/there/disable"),
    ] {
        let answer = house.owner(method, path, "").await;
        assert_eq!(answer.text(), "204 No Content\n", "{method} {path}");
    }
    let shown = house
        .owner("GET", &format!("/api/v1/servers/{id}"), "")
        .await
        .json();
    assert_eq!(
        shown["egress"],
        serde_json::json!(["[::1]:80", "b.example:443"])
    );
    assert_eq!(shown["status"]["state"], "disabled");
    assert_eq!(shown["enabled"], false);
    assert_eq!(shown["env"]["LEVEL"], "debug");
    assert_eq!(shown["isolation"], "shared");
    let answer = house
        .owner("POST", "/api/v1/servers/there/enable", "")
        .await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);

    let status = house.owner("GET", "/api/v1/status", "").await.json();
    assert_eq!(status["version"], "1.2.3");
    assert_eq!(status["servers"]["total"], 1);
    assert_eq!(status["addresses"][0], "http://127.0.0.1:3000");

    let answer = house.owner("DELETE", "/api/v1/servers/there", "").await;
    assert_eq!(answer.text(), "204 No Content\n");
    let gone = house.owner("GET", "/api/v1/servers/there", "").await;
    expect![[r#"
        404 Not Found
        {"code":"not_found","message":"server `there` not found"}"#]]
    .assert_eq(&gone.text());

    let audit = house
        .owner("GET", "/api/v1/audit?limit=100", "")
        .await
        .json();
    let kinds: Vec<&str> = audit["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["kind"].as_str().unwrap())
        .collect();
    for kind in [
        "server.add",
        "egress.allow",
        "egress.disallow",
        "server.restart",
        "server.remove",
    ] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    let of_kind = house
        .owner(
            "GET",
            &format!("/api/v1/audit?kind=server.add&server={id}"),
            "",
        )
        .await;
    assert_eq!(
        of_kind.json()["events"].as_array().unwrap().len(),
        1,
        "{}",
        of_kind.body
    );
    house.end().await;
}

#[tokio::test]
async fn a_package_shows_its_install_and_no_answer_shows_a_secret() {
    let house = House::new().await;
    let body = serde_json::json!({
        "source": { "kind": "package", "registry": "npm", "name": "@scope/server-thing", "version": "1.2.3" },
        "secrets": { "API_KEY": SECRET },
        "give_secrets_in_clear": true,
        "limits": { "memory_bytes_max": 100_000_000 },
        "build_scripts": "skip",
    });
    let added = house
        .owner("POST", "/api/v1/servers", &body.to_string())
        .await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    assert_eq!(added.json()["slug"], "thing");
    let shown = house.owner("GET", "/api/v1/servers/thing", "").await;
    let json = shown.json();
    assert_eq!(json["secrets"], serde_json::json!(["API_KEY"]));
    assert_eq!(json["isolation"], "principal");
    assert_eq!(json["limits"]["memory_bytes_max"], 100_000_000);
    assert_eq!(json["limits"]["pids_max"], 256);
    assert_eq!(json["build_scripts"], "skip");
    assert!(!json["install"]["steps"].as_array().unwrap().is_empty());
    for path in [
        "/api/v1/servers",
        "/api/v1/servers/thing",
        "/api/v1/servers/thing/logs",
        "/api/v1/tools",
        "/api/v1/audit",
        "/api/v1/status",
        "/api/v1/tokens",
        "/api/v1/doctor",
    ] {
        let answer = house.owner("GET", path, "").await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        assert!(!answer.body.contains(SECRET), "{path}: {}", answer.body);
    }
    let answer = house
        .owner("POST", "/api/v1/servers/thing/consent", r#"{"run":true}"#)
        .await;
    expect![[r#"
        409 Conflict
        {"code":"conflict","message":"server `thing` waits for no decision"}"#]]
    .assert_eq(&answer.text());
    let answer = house.owner("DELETE", "/api/v1/servers/thing", "").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    house.end().await;
}

async fn check(house: &House, method: &str, path: &str, body: &str, expected: Expect) {
    let answer = house.owner(method, path, body).await;
    expected.assert_eq(&answer.text());
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let house = House::new().await;
    let check = |method, path, body, expected| check(&house, method, path, body, expected);
    check(
        "GET",
        "/api/v1/servers/x/logs?lines=3000",
        "",
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"`lines` is 3000, the most is 2000"}"#]],
    )
    .await;
    check(
        "GET",
        "/api/v1/servers/x/logs?lines=a",
        "",
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"the query is not understood: lines: invalid digit found in string"}"#]],
    )
    .await;
    check(
        "GET",
        "/api/v1/servers/x/logs?wait_s=26",
        "",
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"`wait_s` is 26, the most is 25"}"#]],
    )
    .await;
    check(
        "GET",
        "/api/v1/servers/x/logs?follow=1",
        "",
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"the query is not understood: follow: unknown field `follow`, expected one of `after`, `lines`, `wait_s`"}"#]],
    )
    .await;
    check(
        "GET",
        "/api/v1/servers/x/logs",
        "",
        expect![[r#"
        404 Not Found
        {"code":"not_found","message":"server `x` not found"}"#]],
    )
    .await;
    check(
        "GET",
        "/api/v1/audit?limit=1001",
        "",
        expect![[r#"
        400 Bad Request
        {"code":"invalid","message":"`limit` is 1001, the most is 1000"}"#]],
    )
    .await;
    check(
        "GET",
        "/api/v1/audit?after=1&before=2",
        "",
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"`after` and `before` cannot be given together"}"#]],
    )
    .await;
    check(
        "PUT",
        "/api/v1/servers/x/egress/nohost",
        "",
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"`nohost` is not `host:port`, for instance `api.example.com:443`"}"#]],
    )
    .await;
    check(
        "POST",
        "/api/v1/tools/call",
        r#"{"server":"x"}"#,
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"a tool is named by `server` and `tool`, or by `name` alone"}"#]],
    )
    .await;
    check(
        "POST",
        "/api/v1/tools/call",
        r#"{"name":"x","arguments":[]}"#,
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"`arguments` must be an object"}"#]],
    )
    .await;
    check(
        "POST",
        "/api/v1/tools/call",
        r#"{"name":"x"}"#,
        expect![[r#"
            404 Not Found
            {"code":"not_found","message":"there is no tool `x`"}"#]],
    )
    .await;
    check(
        "POST",
        "/api/v1/tokens",
        r#"{"name":""}"#,
        expect![[r#"
        400 Bad Request
        {"code":"invalid","message":"a token's name has 1 to 64 characters"}"#]],
    )
    .await;
    check(
        "POST",
        "/api/v1/tokens",
        r#"{"name":"a","principal":"a b"}"#,
        expect![[r#"
            400 Bad Request
            {"code":"invalid","message":"`principal`: principal `a b` must have 1 to 64 characters out of a-z, 0-9 and .-_@ at line 1 column 30"}"#]],
    )
    .await;
    check(
        "DELETE",
        "/api/v1/tokens/x",
        "",
        expect![[r#"
        404 Not Found
        {"code":"not_found","message":"token `x` not found"}"#]],
    )
    .await;
    check(
        "PATCH",
        "/api/v1/servers",
        "",
        expect![[r#"
        405 Method Not Allowed
        {"code":"method_not_allowed","message":"`/api/v1/servers` does not take `PATCH`"}"#]],
    )
    .await;
    check("GET", "/api/v2", "", expect![[r#"
        404 Not Found
        {"code":"not_found","message":"there is nothing at `/api/v2`","hint":"`/openapi.json` lists what there is"}"#]]).await;
    let answer = house.owner("PATCH", "/api/v1/servers", "").await;
    assert_eq!(answer.header("allow"), "GET,HEAD,POST");
}

#[tokio::test]
async fn a_body_has_a_type_and_a_bound() {
    let house = House::with(|settings| settings.request_bytes_max = 100).await;
    let long = format!(r#"{{"name":"{}"}}"#, "a".repeat(100));
    check(
        &house,
        "POST",
        "/api/v1/tokens",
        &long,
        expect![[r#"
        413 Payload Too Large
        {"code":"too_large","message":"the body has more than 100 bytes (`request_bytes_max`)"}"#]],
    )
    .await;
    let request = with_token(axum::http::Request::builder(), &house.owner)
        .method("POST")
        .uri("/api/v1/tokens")
        .header("host", super::HERE)
        .header("content-type", "text/plain")
        .extension(crate::LocalPort(3000));
    let answer = house
        .send(request.body(Body::from(r#"{"name":"a"}"#)).unwrap())
        .await;
    expect![[r#"
        415 Unsupported Media Type
        {"code":"unsupported_media_type","message":"the body must be JSON","hint":"send `Content-Type: application/json`"}"#]].assert_eq(&answer.text());
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let house = House::with(|settings| settings.request_timeout = Duration::from_millis(20)).await;
    let stream = futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
    let request = with_token(ask("POST", "/api/v1/tokens"), &house.owner);
    let answer = house
        .send(request.body(Body::from_stream(stream)).unwrap())
        .await;
    expect![[r#"
        408 Request Timeout
        {"code":"too_slow","message":"the body did not arrive in time (`request_timeout`)"}"#]]
    .assert_eq(&answer.text());
}

#[tokio::test]
async fn a_token_is_shown_once_listed_and_revoked() {
    let house = House::new().await;
    let body = r#"{"name":"claude","servers":["a"],"tools":[{"server":"a","tool":"*"}]}"#;
    let made = house.owner("POST", "/api/v1/tokens", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let token = made.json()["token"].as_str().unwrap().to_owned();
    let whoami = with_token(ask("GET", "/api/v1/whoami"), &token);
    let answer = house.send(whoami.body(Body::empty()).unwrap()).await.json();
    assert_eq!(answer["kind"], "client");
    assert_eq!(answer["servers"], serde_json::json!(["a"]));
    let twice = house.owner("POST", "/api/v1/tokens", body).await;
    assert_eq!(twice.status, StatusCode::CONFLICT, "{}", twice.body);

    let list = house.owner("GET", "/api/v1/tokens", "").await;
    assert!(
        !list.body.contains(&token) && !list.body.contains("arch_"),
        "{}",
        list.body
    );
    let names: Vec<_> = list.json()["tokens"].as_array().unwrap().clone();
    assert!(
        names
            .iter()
            .any(|it| it["name"] == "claude" && it["revoked_at_ms"].is_null())
    );

    let answer = house.owner("DELETE", "/api/v1/tokens/claude", "").await;
    assert_eq!(answer.text(), "204 No Content\n");
    let whoami = with_token(ask("GET", "/api/v1/whoami"), &token);
    let answer = house.send(whoami.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    house.end().await;
}

#[tokio::test]
async fn a_tool_is_called_and_its_result_is_as_it_was_sent() {
    let house = House::new().await;
    let upstream = Upstream::new().await;
    add_and_wait(&house, &upstream).await;
    let tools = house.owner("GET", "/api/v1/tools", "").await.json();
    let odd = tools["tools"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == "odd")
        .unwrap();
    assert_eq!(odd["advertised"], "there__odd");
    assert_eq!(odd["definition"]["annotations"]["readOnlyHint"], true);

    let called = format!(r#"{{"is_error":false,"result":{ODD_RESULT}}}"#);
    for body in [
        r#"{"name":"there__odd"}"#,
        r#"{"server":"there","tool":"odd","arguments":{"a":1}}"#,
    ] {
        let answer = house.owner("POST", "/api/v1/tools/call", body).await;
        assert_eq!(answer.text(), format!("200 OK\n{called}"));
    }
    let answer = house
        .owner("POST", "/api/v1/tools/call", r#"{"name":"there__fails"}"#)
        .await;
    assert_eq!(answer.json()["is_error"], true);
    house.end().await;
}

#[tokio::test]
async fn logs_are_followed_by_asking_again() {
    let house = House::new().await;
    // Nobody listens there, and the server's log says so.
    let body = r#"{"slug":"gone","source":{"kind":"remote","url":"http://127.0.0.1:1/mcp"}}"#;
    let added = house.owner("POST", "/api/v1/servers", body).await;
    assert_eq!(added.status, StatusCode::CREATED);
    let logs = house
        .owner("GET", "/api/v1/servers/gone/logs?wait_s=25", "")
        .await
        .json();
    assert_eq!(logs["lines"][0]["stream"], "archestra", "{logs}");
    let after = logs["after"].as_u64().unwrap();
    assert!(0 < after);
    // A wait ends with the program.
    let path = format!("/api/v1/servers/gone/logs?wait_s=25&after={}", after + 100);
    let asked = house.owner("GET", &path, "");
    let (answer, ()) = tokio::join!(asked, async { house.shutdown.cancel() });
    assert_eq!(answer.json()["lines"], serde_json::json!([]));
    house.end().await;
}

/// Adds the upstream as `there` and waits until its tools are known.
pub(super) async fn add_and_wait(house: &House, upstream: &Upstream) {
    let source = serde_json::json!({ "kind": "remote", "url": upstream.url() });
    let body = serde_json::json!({ "slug": "there", "source": source });
    let added = house
        .owner("POST", "/api/v1/servers", &body.to_string())
        .await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    let known = async {
        let slug = "there".parse().unwrap();
        let owner = domain::PrincipalName::owner();
        house
            .orchestrator
            .gateway()
            .refresh(&slug, &owner)
            .await
            .unwrap();
    };
    tokio::time::timeout(Duration::from_secs(20), known)
        .await
        .unwrap();
    allow_all_tools(house).await;
}

/// Looks at all tools of the server, and allows them.
async fn allow_all_tools(house: &House) {
    let reviews = house.orchestrator.tool_reviews("there").await.unwrap();
    let looked_at = reviews.into_iter().map(|it| orchestrator::LookedAt {
        tool: it.name,
        pin: it.told.unwrap().pin,
        setting: Some(domain::Effect::Allow),
    });
    let looked_at = looked_at.collect();
    house
        .orchestrator
        .look_at_tools("there", looked_at, &person())
        .await
        .unwrap();
}
