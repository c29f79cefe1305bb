//! Changes of a server that stays the same server, and the secrets that it is given later.

use axum::http::StatusCode;
use expect_test::expect;
use serde_json::json;

use super::{House, api::SECRET};

const THING: &str = "/api/v1/servers/thing";

/// A house with a server that is a package; whether it can be installed does not matter here.
async fn house() -> House {
    let house = House::new().await;
    let source = json!({ "kind": "package", "registry": "npm", "name": "thing" });
    let body = json!({ "source": source, "env": { "LEVEL": "1", "PLACE": "here" } });
    let body = body.to_string();
    let added = house.owner("POST", "/api/v1/servers", &body).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    house
}

#[tokio::test]
async fn what_is_named_changes_and_the_rest_stays() {
    let house = house().await;
    let before = house.owner("GET", THING, "").await.json();
    let body = json!({
        "title": "My thing",
        "args": ["--more"],
        "env": { "LEVEL": "2", "PLACE": null },
        "folders": [{ "host": "/home/me/notes", "inside": "/notes", "access": "read_only" }],
        "limits": { "pids_max": 99 },
        "isolation": "principal",
        "keep_warm": true,
    });
    let edited = house.owner("PATCH", THING, &body.to_string()).await;
    assert_eq!(edited.status, StatusCode::OK, "{}", edited.body);
    let edited = edited.json();
    for field in ["title", "args", "folders", "isolation", "keep_warm"] {
        assert_eq!(edited[field], body[field], "{field}");
    }
    assert_eq!(edited["env"], json!({ "LEVEL": "2" }));
    let mut limits = before["limits"].clone();
    limits["pids_max"] = 99.into();
    assert_eq!(edited["limits"], limits);
    for field in ["slug", "source", "secrets", "egress"] {
        assert_eq!(edited[field], before[field], "{field}");
    }

    let audit = "/api/v1/audit?kind=server.edit";
    let audit = house.owner("GET", audit, "").await.json();
    let detail = &audit["events"][0]["detail"];
    assert_eq!(detail["env"], json!(["LEVEL"]), "{audit}");
    assert_eq!(detail["title"], "My thing", "{audit}");
    house.end().await;
}

#[tokio::test]
async fn an_edit_that_is_wrong_is_refused_with_the_reason() {
    let house = house().await;
    let before = house.owner("GET", THING, "").await.json();
    let mut answers = Vec::new();
    for body in [
        r#"{"source": {"kind": "remote", "url": "http://x"}}"#,
        r#"{"limits": {"memory": 1}}"#,
        r#"{"title": "x", "limits": {"memory_bytes_max": 1}}"#,
        r#"{"env": {"1": "x"}}"#,
        r#"{"env": {"NOT_THERE": null}}"#,
        r#"{"folders": [{"host": "notes", "inside": "/notes", "access": "read_only"}]}"#,
    ] {
        answers.push(house.owner("PATCH", THING, body).await.text());
    }
    let missing = "/api/v1/servers/missing";
    answers.push(house.owner("PATCH", missing, "{}").await.text());
    let built_in = "/api/v1/servers/archestra";
    answers.push(house.owner("PATCH", built_in, "{}").await.text());
    expect![[r#"
        400 Bad Request
        {"code":"invalid","message":"`source`: unknown field `source`, expected one of `title`, `args`, `env`, `folders`, `limits`, `isolation`, `keep_warm` at line 1 column 9"}
        400 Bad Request
        {"code":"invalid","message":"`limits.memory`: unknown field `memory`, expected one of `memory_bytes_max`, `cpu_millis_max`, `pids_max`, `tmp_bytes_max`, `start_timeout_ms`, `call_timeout_ms`, `calls_max` at line 1 column 20"}
        400 Bad Request
        {"code":"invalid","message":"limit `memory_bytes_max` is 1, the least is 33554432"}
        400 Bad Request
        {"code":"invalid","message":"`env.1`: environment variable `1` must be letters, digits and _, not begin with a digit, and have at most 128 characters at line 1 column 12"}
        404 Not Found
        {"code":"not_found","message":"variable `NOT_THERE` not found"}
        400 Bad Request
        {"code":"invalid","message":"folder `notes` must be an absolute path without `..`"}
        404 Not Found
        {"code":"not_found","message":"server `missing` not found"}
        400 Bad Request
        {"code":"invalid","message":"server `archestra` is built into the program and always there","hint":"what its tools may do can be set, tool by tool"}"#]].assert_eq(&answers.join("\n"));
    let after = house.owner("GET", THING, "").await.json();
    for field in ["title", "env", "limits", "folders"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    house.end().await;
}

#[tokio::test]
async fn a_secret_is_given_once_somebody_has_said_that_the_server_may_see_it() {
    let house = house().await;
    let token = "/api/v1/servers/thing/secrets/TOKEN";
    let put = async |path: &str, body: serde_json::Value| {
        let answer = house.owner("PUT", path, &body.to_string()).await;
        assert!(!answer.body.contains(SECRET), "{}", answer.body);
        answer.text()
    };
    let given = json!({ "value": SECRET, "give_secrets_in_clear": true });
    let of_clear = "/api/v1/servers/thing/secrets/LEVEL";
    let answers = [
        put(token, json!({ "value": SECRET })).await,
        put(
            token,
            json!({ "value": [SECRET], "give_secrets_in_clear": true }),
        )
        .await,
        put("/api/v1/servers/thing/secrets/A-B", given.clone()).await,
        put(of_clear, given.clone()).await,
        put(token, given.clone()).await,
        put(token, given).await,
    ];
    expect![[r#"
        400 Bad Request
        {"code":"secrets_not_confirmed","message":"the server would see the value of `TOKEN` in clear, and `give_secrets_in_clear` is not true","hint":"set `give_secrets_in_clear` to true if this server may see them"}
        400 Bad Request
        {"code":"invalid","message":"`value` must be a text"}
        400 Bad Request
        {"code":"invalid","message":"environment variable `A-B` must be letters, digits and _, not begin with a digit, and have at most 128 characters"}
        400 Bad Request
        {"code":"invalid","message":"`LEVEL` is given both as a secret and in clear"}
        204 No Content

        204 No Content
    "#]].assert_eq(&answers.join("\n"));
    let server = house.owner("GET", THING, "").await;
    assert_eq!(server.json()["secrets"], json!(["TOKEN"]));
    assert!(!server.body.contains(SECRET), "{}", server.body);

    let removed = house.owner("DELETE", token, "").await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT, "{}", removed.body);
    let again = house.owner("DELETE", token, "").await;
    assert_eq!(again.status, StatusCode::NOT_FOUND, "{}", again.body);
    let audit = house.owner("GET", "/api/v1/audit?limit=100", "").await;
    assert!(!audit.body.contains(SECRET), "{}", audit.body);
    house.end().await;
}
