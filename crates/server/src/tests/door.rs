//! Who gets in, and where.

use std::sync::atomic::Ordering;

use axum::{
    body::Body,
    http::{Request, StatusCode, header, request::Builder},
};
use expect_test::{Expect, expect};

use super::{HERE, House, ask, with_token};
use crate::LocalPort;

/// What answers to everybody, if the request is meant for us.
const OPEN: [(&str, &str); 10] = [
    ("GET", "/"),
    ("GET", "/approvals"),
    ("GET", "/approvals/nobody"),
    ("GET", "/servers/nobody"),
    ("GET", "/assets/app-4fQ2.js"),
    ("GET", "/theme.js"),
    ("GET", "/chats/nobody"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/openapi.json"),
];

/// All routes of the description that need a caller, with something in the place of parameters.
fn closed_routes() -> Vec<(&'static str, String)> {
    let mut routes = Vec::new();
    for (path, item) in crate::description().paths.paths {
        if !path.starts_with("/api/") || path == "/api/v1/session" {
            continue;
        }
        let path = path
            .replace("{server}", "nobody")
            .replace("{host_port}", "example.com:443")
            .replace("{header}", "x-key")
            .replace("{approval}", "nobody")
            .replace("{grant}", "nobody")
            .replace("{rule}", "nobody")
            .replace("{token}", "nobody");
        let methods = [
            ("GET", item.get),
            ("POST", item.post),
            ("PUT", item.put),
            ("DELETE", item.delete),
        ];
        for (method, operation) in methods {
            if operation.is_some() {
                routes.push((method, path.clone()));
            }
        }
    }
    assert!(20 < routes.len(), "{routes:?}");
    routes
}

fn bare(request: Builder) -> Request<Body> {
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn no_route_of_the_api_answers_without_a_good_token() {
    let house = House::new().await;
    let unknown = format!("arch_{}", "A".repeat(43));
    let tokens = [None, Some("x"), Some(unknown.as_str())];
    for (method, path) in closed_routes() {
        for token in tokens {
            let mut request = ask(method, &path);
            if let Some(token) = token {
                request = with_token(request, token);
            }
            let answer = house.send(bare(request)).await;
            let asked = format!("{method} {path} with {token:?}: {}", answer.text());
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{asked}");
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{asked}");
            assert_eq!(answer.json()["code"], "unauthorized", "{asked}");
        }
    }
}

#[tokio::test]
async fn two_tokens_are_none() {
    let house = House::new().await;
    let request = with_token(
        with_token(ask("GET", "/api/v1/whoami"), &house.owner),
        &house.owner,
    );
    let answer = house.send(bare(request)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_clients_token_is_good_for_mcp_only() {
    let house = House::new().await;
    for (method, path) in closed_routes() {
        let answer = house
            .send(bare(with_token(ask(method, &path), &house.client)))
            .await;
        if path == "/api/v1/whoami" {
            assert_eq!(answer.json()["kind"], "client");
            continue;
        }
        assert_eq!(
            answer.status,
            StatusCode::FORBIDDEN,
            "{method} {path}: {}",
            answer.text()
        );
        assert_eq!(answer.json()["code"], "forbidden", "{method} {path}");
    }
}

#[tokio::test]
async fn a_cookie_changes_nothing_without_our_own_origin() {
    let house = House::new().await;
    let cookie = house.cookie().await;
    for (method, path) in closed_routes() {
        let request = ask(method, &path).header(header::COOKIE, &cookie);
        let answer = house.send(bare(request)).await;
        if method == "GET" {
            assert_ne!(
                answer.status,
                StatusCode::UNAUTHORIZED,
                "{path}: {}",
                answer.text()
            );
            assert_ne!(
                answer.status,
                StatusCode::FORBIDDEN,
                "{path}: {}",
                answer.text()
            );
            continue;
        }
        assert_eq!(
            answer.status,
            StatusCode::FORBIDDEN,
            "{method} {path}: {}",
            answer.text()
        );
        assert_eq!(answer.json()["code"], "foreign_origin", "{method} {path}");
        let request = ask(method, &path)
            .header(header::COOKIE, &cookie)
            .header(header::ORIGIN, format!("http://{HERE}"));
        let answer = house.send(bare(request)).await;
        assert_ne!(
            answer.status,
            StatusCode::FORBIDDEN,
            "{method} {path}: {}",
            answer.text()
        );
        let request = ask(method, &path)
            .header(header::COOKIE, &cookie)
            .header(header::ORIGIN, format!("http://{HERE}"))
            .header("sec-fetch-site", "same-site");
        let answer = house.send(bare(request)).await;
        assert_eq!(
            answer.status,
            StatusCode::FORBIDDEN,
            "{method} {path}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_cookie_is_no_way_into_mcp() {
    let house = House::new().await;
    let cookie = house.cookie().await;
    let request = ask("POST", "/mcp")
        .header(header::COOKIE, &cookie)
        .header(header::ORIGIN, format!("http://{HERE}"));
    assert_eq!(
        house.send(bare(request)).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn every_route_refuses_strange_hosts_and_origins() {
    let house = House::new().await;
    let mut routes = closed_routes();
    routes.extend(OPEN.map(|(method, path)| (method, path.to_owned())));
    let others = [
        ("POST", "/api/v1/session"),
        ("DELETE", "/api/v1/session"),
        ("POST", "/mcp"),
        ("GET", "/mcp"),
        ("DELETE", "/mcp/x"),
        ("OPTIONS", "/mcp"),
        ("GET", "/api/nothing"),
        ("POST", "/nothing"),
        ("POST", "/healthz"),
    ];
    routes.extend(others.map(|(method, path)| (method, path.to_owned())));
    for (method, path) in routes {
        let to = |target: &str| {
            let request = Request::builder()
                .method(method)
                .uri(target)
                .extension(LocalPort(3000));
            with_token(request, &house.owner)
        };
        let of_host = |host: &str| to(&path).header(header::HOST, host);
        let of_origin = |origin: &str| of_host(HERE).header(header::ORIGIN, origin);
        let requests = [
            to(&path),
            of_host("evil.example"),
            of_host("localhost.evil"),
            of_host("127.0.0.1:9000"),
            of_host("127.0.0.1:3000.evil.example"),
            of_host("user@127.0.0.1:3000"),
            of_host(HERE).header(header::HOST, HERE),
            to(&format!("http://{HERE}{path}")).header(header::HOST, HERE),
            of_origin("http://evil.example"),
            of_origin("http://localhost.evil"),
            of_origin("http://127.0.0.1:9000"),
            of_origin("https://127.0.0.1:3000"),
            of_origin("null"),
            of_origin(&format!("http://{HERE}")).header(header::ORIGIN, "http://evil.example"),
        ];
        for request in requests {
            let request = bare(request);
            let asked = format!("{request:?}");
            let answer = house.send(request).await;
            assert_eq!(
                answer.status,
                StatusCode::FORBIDDEN,
                "{asked}: {}",
                answer.text()
            );
            assert!(
                !answer.headers.contains_key("access-control-allow-origin"),
                "{asked}"
            );
        }
    }
}

#[tokio::test]
async fn loopback_names_and_names_that_are_set_are_ours() {
    let house = House::with(|settings| {
        settings.allowed_hosts = vec!["host.docker.internal".parse().unwrap()];
    })
    .await;
    for host in [
        "127.0.0.1:3000",
        "localhost:3000",
        "LOCALHOST:3000",
        "[::1]:3000",
        "localhost",
        "host.docker.internal:3000",
    ] {
        let request = Request::builder()
            .uri("/healthz")
            .header(header::HOST, host)
            .extension(LocalPort(3000));
        let answer = house.send(bare(request)).await;
        assert_eq!(answer.text(), "200 OK\nok\n", "{host}");
    }
}

async fn check_refused(request: Builder, expected: Expect) {
    let house = House::new().await;
    let answer = house.send(bare(request)).await;
    expected.assert_eq(&answer.text());
}

#[tokio::test]
async fn a_refusal_names_the_value_and_the_setting() {
    let get = || {
        Request::builder()
            .uri("/healthz")
            .extension(LocalPort(3000))
    };
    check_refused(
        get().header(header::HOST, "evil.example:3000"),
        expect![[r#"
            403 Forbidden
            {"code":"foreign_host","message":"`evil.example:3000` is not a name of this server; add it to `allowed_hosts` if it is"}"#]],
    )
    .await;
    check_refused(get().header(header::HOST, "a b"), expect![[r#"
        403 Forbidden
        {"code":"foreign_host","message":"the request's `Host` is not a host and a port: `a b`","hint":"use an address that the program prints at its start, or one of the setting `allowed_hosts`"}"#]]).await;
    check_refused(
        get()
            .header(header::HOST, HERE)
            .header(header::ORIGIN, "http://evil.example"),
        expect![[r#"
            403 Forbidden
            {"code":"foreign_origin","message":"the request's `Origin` is not this server's: `http://evil.example`","hint":"use an address that the program prints at its start, or one of the setting `allowed_hosts`"}"#]],
    )
    .await;
    check_refused(
        Request::builder()
            .method("POST")
            .uri("/mcp")
            .header(header::HOST, "evil.example")
            .extension(LocalPort(3000)),
        expect![[r#"
            403 Forbidden
            {"jsonrpc":"2.0","id":null,"error":{"code":-32003,"message":"`evil.example` is not a name of this server; add it to `allowed_hosts` if it is"}}"#]],
    )
    .await;
    check_refused(ask("POST", "/mcp"), expect![[r#"
        401 Unauthorized
        {"jsonrpc":"2.0","id":null,"error":{"code":-32003,"message":"a token is needed: send `Authorization: Bearer <token>`"}}"#]]).await;
}

#[tokio::test]
async fn a_login_link_is_good_once_and_gives_a_session() {
    let house = House::new().await;
    let made = house.owner("POST", "/api/v1/login-links", "").await;
    assert_eq!(made.status, StatusCode::CREATED);
    let url = made.json()["url"].as_str().unwrap().to_owned();
    let token = url
        .strip_prefix("http://127.0.0.1:3000/#login=")
        .unwrap()
        .to_owned();
    let redeem = |token: &str| {
        let body = Body::from(serde_json::json!({ "token": token }).to_string());
        let origin = format!("http://{HERE}");
        ask("POST", "/api/v1/session")
            .header(header::ORIGIN, origin)
            .body(body)
            .unwrap()
    };
    let wrong = house.send(redeem("archlink_x")).await;
    expect![[r#"
        401 Unauthorized
        {"code":"link_not_good","message":"this link was used already, or is more than a minute old","hint":"`archestra open` makes a new one"}"#]].assert_eq(&wrong.text());

    let answer = house.send(redeem(&token)).await;
    assert_eq!(answer.text(), "204 No Content\n");
    let cookie = answer.header("set-cookie");
    let (cookie, rest) = cookie.split_once("; ").unwrap();
    assert_eq!(rest, "Max-Age=2592000; Path=/; HttpOnly; SameSite=Strict");
    let again = house.send(redeem(&token)).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    assert!(!again.headers.contains_key("set-cookie"));

    let whoami = ask("GET", "/api/v1/whoami").header(header::COOKIE, format!("a=b; {cookie}"));
    let answer = house.send(bare(whoami)).await;
    expect![[r#"{"kind":"person","principal":"owner","token":null,"servers":null,"tools":null}"#]]
        .assert_eq(&answer.body);
    // A bad token is not made good by a cookie.
    let request = with_token(ask("GET", "/api/v1/whoami"), "x").header(header::COOKIE, cookie);
    assert_eq!(
        house.send(bare(request)).await.status,
        StatusCode::UNAUTHORIZED
    );

    let end = ask("DELETE", "/api/v1/session")
        .header(header::ORIGIN, format!("http://{HERE}"))
        .header(header::COOKIE, cookie);
    let answer = house.send(bare(end)).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(
        answer
            .header("set-cookie")
            .starts_with("archestra_session=; Max-Age=0;")
    );
    let whoami = ask("GET", "/api/v1/whoami").header(header::COOKIE, cookie);
    assert_eq!(
        house.send(bare(whoami)).await.status,
        StatusCode::UNAUTHORIZED
    );
    house.end().await;
}

#[tokio::test]
async fn a_login_link_is_good_for_a_minute_and_needs_an_origin() {
    let house = House::new().await;
    let token = house.orchestrator.create_login_link().await.unwrap();
    let body = serde_json::json!({ "token": token.expose() }).to_string();
    for request in [
        ask("POST", "/api/v1/session"),
        with_token(ask("POST", "/api/v1/session"), "x"),
    ] {
        let answer = house
            .send(request.body(Body::from(body.clone())).unwrap())
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    house.clock.now_ms.fetch_add(61_000, Ordering::Relaxed);
    let request = ask("POST", "/api/v1/session").header(header::ORIGIN, format!("http://{HERE}"));
    let answer = house.send(request.body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_answer_has_the_headers_that_keep_pages_apart() {
    let house = House::new().await;
    let paths = [
        "/",
        "/assets/app-4fQ2.js",
        "/healthz",
        "/openapi.json",
        "/api/v1/status",
        "/api/nothing",
        "/mcp",
        "/mcp/x",
    ];
    for path in paths {
        let answer = house.send(bare(ask("GET", path))).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(
            answer.header("cross-origin-opener-policy"),
            "same-origin",
            "{path}"
        );
        assert!(!answer.headers.contains_key("server"), "{path}");
    }
    let page = house.send(bare(ask("GET", "/"))).await;
    expect!["default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"].assert_eq(page.header("content-security-policy"));
}
