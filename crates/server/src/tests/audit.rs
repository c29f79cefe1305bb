//! The audit as the API has it.

use std::time::Duration;

use axum::http::StatusCode;
use domain::{Access, PrincipalName};
use expect_test::{Expect, expect};
use orchestrator::NewClient;
use serde_json::Value;

use super::{House, person, upstream::Upstream};

/// Makes a program in which something has happened.
async fn house() -> (House, Upstream) {
    let house = House::new().await;
    let upstream = Upstream::new().await;
    for slug in ["one", "two"] {
        let source = serde_json::json!({ "kind": "remote", "url": upstream.url() });
        let body = serde_json::json!({ "slug": slug, "source": source });
        let added = house
            .owner("POST", "/api/v1/servers", &body.to_string())
            .await;
        assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    }
    for path in [
        "/api/v1/servers/one/egress/a.example:443",
        "/api/v1/servers/two/egress/b.example:443",
    ] {
        let answer = house.owner("PUT", path, "").await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.body);
    }
    (house, upstream)
}

/// In short: the kind, the server and the client.
fn short(event: &Value) -> String {
    let text = |key: &str| event[key].as_str().unwrap_or("-").to_owned();
    format!(
        "{} {} {}",
        text("kind"),
        text("server_slug"),
        text("client")
    )
}

#[tokio::test]
async fn events_are_found_by_what_is_known_of_them() {
    let (house, _upstream) = house().await;
    let check = async |query: &str, expected: Expect| {
        let answer = house
            .owner("GET", &format!("/api/v1/audit?{query}"), "")
            .await;
        let text = match answer.status {
            StatusCode::OK => {
                let json = answer.json();
                let events = json["events"].as_array().unwrap().iter().map(short);
                events.collect::<Vec<_>>().join("\n")
            }
            _ => answer.text(),
        };
        expected.assert_eq(&text);
    };
    check("kind=server.add&server=one", expect!["server.add one cli"]).await;
    check(
        "kind=server&after=0",
        expect![[r#"
        server.add one cli
        server.add two cli"#]],
    )
    .await;
    check("q=B.EXAMPLE", expect!["egress.allow two cli"]).await;
    check(
        "kind=egress&client=cli&limit=1",
        expect!["egress.allow two cli"],
    )
    .await;
    check("kind=egress&client=client", expect![]).await;
    check(
        "kind=egress&principal=owner&since_ms=1700000000000",
        expect![[r#"
            egress.allow two cli
            egress.allow one cli"#]],
    )
    .await;
    check("kind=egress&until_ms=1700000000000", expect![]).await;
    check("kind=egress&decision=denied", expect![]).await;
    check("kind=egress&outcome=ok", expect![]).await;
    check("kind=egress&tool=x", expect![]).await;
    check("chat=00000000-0000-0000-0000-000000000000", expect![]).await;
    check(
        "server=three",
        expect![[r#"
        404 Not Found
        {"code":"not_found","message":"server `three` not found"}"#]],
    )
    .await;
    check(
        "client=nobody",
        expect![[r#"
        404 Not Found
        {"code":"not_found","message":"token `nobody` not found"}"#]],
    )
    .await;
    check("chat=x", expect![[r#"
        400 Bad Request
        {"code":"invalid","message":"the query is not understood: chat: invalid character: found `x` at 0"}"#]]).await;
    check("principal=%00", expect![[r#"
        400 Bad Request
        {"code":"invalid","message":"the query is not understood: principal: principal `\u0000` must have 1 to 64 characters out of a-z, 0-9 and .-_@"}"#]]).await;
    check(
        "after=1&before=2",
        expect![[r#"
        400 Bad Request
        {"code":"invalid","message":"`after` and `before` cannot be given together"}"#]],
    )
    .await;
    check("sauce=1", expect![[r#"
        400 Bad Request
        {"code":"invalid","message":"the query is not understood: sauce: unknown field `sauce`, expected one of `kind`, `server`, `tool`, `principal`, `client`, `chat`, `decision`, `outcome`, `since_ms`, `until_ms`, `q`, `after`, `before`, `limit`"}"#]]).await;
    house.end().await;
}

#[tokio::test]
async fn an_export_is_lines_of_json_of_all_that_matches() {
    let (house, _upstream) = house().await;
    let path = "/api/v1/audit/export?kind=egress";
    let answer = house.owner("GET", path, "").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    assert!(
        answer
            .header("content-disposition")
            .starts_with("attachment")
    );
    let lines: Vec<Value> = answer
        .body
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    let texts: Vec<String> = lines.iter().map(short).collect();
    assert_eq!(texts, ["egress.allow one cli", "egress.allow two cli"]);
    assert_eq!(lines[0]["detail"]["host"], "a.example:443");

    let after = lines[0]["id"].as_i64().unwrap();
    let rest = house
        .owner("GET", &format!("{path}&after={after}"), "")
        .await;
    assert_eq!(rest.body.lines().count(), 1);
    let none = house.owner("GET", "/api/v1/audit/export?kind=x", "").await;
    assert_eq!((none.status, none.body.as_str()), (StatusCode::OK, ""));
    for query in ["limit=1", "before=3", "server=three"] {
        let path = format!("/api/v1/audit/export?{query}");
        let answer = house.owner("GET", &path, "").await;
        assert!(answer.status.is_client_error(), "{query}: {}", answer.body);
    }
    // Whoever takes it all with them is written down.
    let written = async {
        loop {
            let answer = house
                .owner("GET", "/api/v1/audit?kind=audit.export", "")
                .await;
            if answer.json()["events"].as_array().unwrap().len() == 3 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let written = tokio::time::timeout(Duration::from_secs(30), written).await;
    written.expect("each export is written down");
    house.end().await;
}

#[tokio::test]
async fn a_long_export_comes_whole() {
    let house = House::new().await;
    for n in 0..450 {
        let client = NewClient {
            name: format!("client-{n}"),
            principal: PrincipalName::owner(),
            access: Access::default(),
        };
        house
            .orchestrator
            .create_token(client, &person())
            .await
            .unwrap();
    }
    let path = "/api/v1/audit/export?kind=token.create&q=client-";
    let answer = house.owner("GET", path, "").await;
    let names: Vec<String> = answer
        .body
        .lines()
        .map(|it| serde_json::from_str::<Value>(it).unwrap())
        .map(|it| it["detail"]["name"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<String> = (0..450).map(|it| format!("client-{it}")).collect();
    assert_eq!(names, expected);
    house.end().await;
}
