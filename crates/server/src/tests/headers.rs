//! Headers of remote servers: their values come from the vault and go to that server alone.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use super::{Answer, House, upstream};

const FIRST: &str = "Bearer sentinel-4711";
const SECOND: &str = "Bearer sentinel-4712";

/// A server that lets in who sends the right value, and repeats what it refuses.
struct Picky {
    address: SocketAddr,
    wanted: Arc<watch::Sender<String>>,
    _tasks: JoinSet<()>,
}

impl Picky {
    async fn new(wanted: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let wanted = Arc::new(watch::Sender::new(wanted.to_owned()));
        let is_wanted = wanted.clone();
        let answer = async move |headers: HeaderMap, body: Bytes| -> Response {
            let got = headers.get("authorization").map(|it| it.to_str().unwrap());
            if got != Some(is_wanted.borrow().as_str()) {
                let said = format!("no good: {}", got.unwrap_or("nothing"));
                return (StatusCode::UNAUTHORIZED, said).into_response();
            }
            upstream::answer(body).await
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let router = Router::new().route("/mcp", post(answer));
            let serve = crate::serve(listener, router, Default::default());
            serve.await.unwrap();
        });
        Self {
            address,
            wanted,
            _tasks: tasks,
        }
    }

    fn body(&self, headers: serde_json::Value) -> String {
        let url = format!("http://{}/mcp", self.address);
        let source = serde_json::json!({ "kind": "remote", "url": url });
        serde_json::json!({ "slug": "there", "source": source, "headers": headers }).to_string()
    }
}

async fn wait_for(house: &House, state: &str) -> serde_json::Value {
    wait_until(house, |it| it["status"]["state"] == state).await
}

async fn wait_until(
    house: &House,
    is_so: impl Fn(&serde_json::Value) -> bool,
) -> serde_json::Value {
    let reached = async {
        loop {
            let server = house.owner("GET", "/api/v1/servers/there", "").await.json();
            if is_so(&server) {
                return server;
            }
            tokio::task::yield_now().await;
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(30), reached).await;
    reached.expect("it comes true")
}

/// Asks for everything there is, and finds no value of a secret in it.
async fn nothing_shows_a_value(house: &House) {
    for path in [
        "/api/v1/servers",
        "/api/v1/servers/there",
        "/api/v1/servers/there/logs",
        "/api/v1/tools",
        "/api/v1/audit",
        "/api/v1/status",
        "/api/v1/doctor",
    ] {
        let answer = house.owner("GET", path, "").await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        assert!(!answer.body.contains("sentinel"), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_header_goes_to_its_server_and_is_seen_by_nobody_else() {
    let house = House::new().await;
    let picky = Picky::new(FIRST).await;
    let body = picky.body(serde_json::json!({ "Authorization": FIRST, "X-Team": "a" }));
    let added = house.owner("POST", "/api/v1/servers", &body).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    let server = wait_until(&house, |it| it["tools"] == 2).await;
    assert_eq!(
        server["headers"],
        serde_json::json!(["authorization", "x-team"])
    );
    assert_eq!(server["isolation"], "principal");
    assert_eq!(server["warnings"], serde_json::json!([]));
    let call = house
        .owner(
            "POST",
            "/api/v1/tools/call",
            r#"{"server":"there","tool":"odd"}"#,
        )
        .await;
    assert_eq!(call.status, StatusCode::OK, "{}", call.body);
    nothing_shows_a_value(&house).await;

    let audit = house
        .owner("GET", "/api/v1/audit?kind=server.add", "")
        .await;
    assert!(audit.body.contains("authorization"), "{}", audit.body);
    house.end().await;
}

#[tokio::test]
async fn a_server_that_does_not_let_us_in_says_what_to_do_and_not_what_was_sent() {
    let house = House::new().await;
    let picky = Picky::new(FIRST).await;
    let body = picky.body(serde_json::json!({}));
    house.owner("POST", "/api/v1/servers", &body).await;
    let reason =
        |server: &serde_json::Value| server["status"]["reason"].as_str().unwrap().to_owned();
    let without = reason(&wait_for(&house, "failed").await);
    assert!(
        without.contains("status 401 Unauthorized; it wants credentials: `archestra servers header set there Authorization` sends them: no good: nothing"),
        "{without}"
    );

    let set = async |value: &str| -> Answer {
        let body = serde_json::json!({ "value": value }).to_string();
        let path = "/api/v1/servers/there/headers/Authorization";
        house.owner("PUT", path, &body).await
    };
    assert_eq!(set(FIRST).await.status, StatusCode::NO_CONTENT);
    wait_for(&house, "running").await;

    // Another value is another conversation, which the server refuses.
    assert_eq!(set(SECOND).await.status, StatusCode::NO_CONTENT);
    let wrong = reason(&wait_for(&house, "failed").await);
    assert!(
        wrong.contains("it wants other credentials: set them with `archestra servers header set there authorization`: no good: [redacted]"),
        "{wrong}"
    );
    nothing_shows_a_value(&house).await;
    picky.wanted.send_replace(SECOND.to_owned());
    house
        .owner("POST", "/api/v1/servers/there/restart", "")
        .await;
    wait_for(&house, "running").await;

    let remove = "/api/v1/servers/there/headers/AUTHORIZATION";
    let removed = house.owner("DELETE", remove, "").await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT, "{}", removed.body);
    let again = house.owner("DELETE", remove, "").await;
    assert_eq!(
        again.text(),
        "404 Not Found\n{\"code\":\"not_found\",\"message\":\"header `authorization` not found\"}"
    );
    let server = wait_for(&house, "failed").await;
    assert_eq!(server["headers"], serde_json::json!([]));

    let audit = house
        .owner("GET", "/api/v1/audit?limit=100", "")
        .await
        .json();
    let kinds = audit["events"].as_array().unwrap().iter();
    let kinds: Vec<&str> = kinds
        .map(|it| it["kind"].as_str().unwrap())
        .filter(|it| it.starts_with("header."))
        .collect();
    assert_eq!(kinds, ["header.remove", "header.set", "header.set"]);
    nothing_shows_a_value(&house).await;
    house.end().await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_and_not_repeated() {
    let house = House::new().await;
    let remote = r#"{"kind": "remote", "url": "http://127.0.0.1:9/"}"#;
    let package = r#"{"kind": "package", "registry": "npm", "name": "x"}"#;
    let check = async |source: &str, headers: &str| {
        let body = format!(r#"{{"source": {source}, "headers": {headers}}}"#);
        let answer = house.owner("POST", "/api/v1/servers", &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
        assert!(!answer.body.contains("sentinel"), "{}", answer.body);
        answer.json()["message"].as_str().unwrap().to_owned()
    };
    let cases = [
        (
            package,
            r#"{"A": "sentinel"}"#,
            "headers are for servers that run elsewhere",
        ),
        (
            remote,
            r#"["sentinel"]"#,
            "`headers` must be an object of names and values",
        ),
        (remote, r#"{"A": 4711}"#, "`headers.A` must be a text"),
        (
            remote,
            r#"{"A": "sentinel", "a": "sentinel"}"#,
            "`headers.a` is given twice",
        ),
        (
            remote,
            r#"{"Host": "sentinel"}"#,
            "`headers`: header `host` is set by the program itself",
        ),
        (
            remote,
            r#"{"A": "sentinel\r\nHost: x"}"#,
            "the value of header `a` cannot be sent",
        ),
        (
            remote,
            r#"{"A": "sentinel\u0000"}"#,
            "the value of header `a` cannot be sent",
        ),
        (
            remote,
            r#"{"A": " sentinel"}"#,
            "the value of header `a` cannot be sent",
        ),
        (
            remote,
            r#"{"A": "sentinel-ä"}"#,
            "the value of header `a` cannot be sent",
        ),
        (
            remote,
            r#"{"A": ""}"#,
            "the value of header `a` cannot be sent",
        ),
    ];
    for (source, headers, message) in cases {
        assert_eq!(check(source, headers).await, message, "{headers}");
    }
    let long = format!(r#"{{"A": "{}"}}"#, "x".repeat(8193));
    let message = check(remote, &long).await;
    assert_eq!(message, "the value of header `a` is longer than 8192 bytes");
    let many: Vec<String> = (0..33).map(|it| format!(r#""a{it}": "x""#)).collect();
    let many = format!("{{{}}}", many.join(","));
    assert_eq!(check(remote, &many).await, "more than 32 headers");

    let body = format!(r#"{{"slug": "there", "source": {remote}}}"#);
    house.owner("POST", "/api/v1/servers", &body).await;
    let path = "/api/v1/servers/there/headers/a";
    for body in [r#"{"value": ["sentinel"]}"#, r#"{"value": "sentinel\n"}"#] {
        let answer = house.owner("PUT", path, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
        assert!(!answer.body.contains("sentinel"), "{}", answer.body);
    }
    house.end().await;
}

#[tokio::test]
async fn who_sends_headers_unencrypted_is_warned() {
    let house = House::new().await;
    for (slug, url, is_warned) in [
        ("a", "http://example.invalid/mcp", true),
        ("b", "https://example.invalid/mcp", false),
        ("c", "http://localhost:9/mcp", false),
        ("d", "http://[::1]:9/mcp", false),
    ] {
        let body = serde_json::json!({
            "slug": slug, "source": { "kind": "remote", "url": url }, "headers": { "X-Key": "x" },
            "limits": { "start_timeout_ms": 100 },
        });
        house
            .owner("POST", "/api/v1/servers", &body.to_string())
            .await;
        let server = house
            .owner("GET", &format!("/api/v1/servers/{slug}"), "")
            .await;
        let warnings = server.json()["warnings"].as_array().unwrap().len();
        assert_eq!(warnings, usize::from(is_warned), "{url}: {}", server.body);
    }
    house.end().await;
}
