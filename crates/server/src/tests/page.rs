//! The UI's files, and the page at the addresses that people are sent to.

use axum::{
    body::Body,
    http::{StatusCode, header, request::Builder},
};
use expect_test::{Expect, expect};

use super::{Answer, House, ask};

async fn asked(house: &House, request: Builder) -> Answer {
    house.send(request.body(Body::empty()).unwrap()).await
}

/// What a browser sends when somebody opens an address.
fn open(path: &str) -> Builder {
    ask("GET", path).header(header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")
}

fn told(answer: &Answer) -> String {
    let names = [
        "content-type",
        "cache-control",
        "etag",
        "vary",
        "content-encoding",
    ];
    let headers = names.iter().filter(|it| !answer.header(it).is_empty());
    let headers: String = headers
        .map(|it| format!("{it}: {}\n", answer.header(it)))
        .collect();
    format!("{}\n{headers}{}", answer.status, answer.body)
}

async fn check(request: Builder, expected: Expect) {
    let house = House::new().await;
    expected.assert_eq(&told(&asked(&house, request).await));
    house.end().await;
}

#[tokio::test]
async fn the_page_is_at_every_address_that_is_not_something_else() {
    let house = House::new().await;
    for (path, is_page) in [
        ("/", true),
        ("/approvals/apr_0123", true),
        ("/chats/c1", true),
        ("/settings/models", true),
        ("/nothing/that/the/page/knows", true),
        ("/index.html", true),
        ("/api", false),
        ("/api/v1/nothing", false),
        ("/oauth/callback", false),
        ("/metrics", false),
        ("/.well-known/oauth-protected-resource", false),
        ("/assets/", false),
        ("/assets/app-old0.js", false),
        ("/favicon.ico", false),
        ("/chats/../etc/passwd.txt", false),
        ("//evil.example/x.js", false),
    ] {
        let answer = asked(&house, open(path)).await;
        if is_page {
            assert!(
                answer.body.contains("<title>Archestra"),
                "{path}: {}",
                answer.text()
            );
            assert_eq!(answer.status, StatusCode::OK, "{path}");
        } else {
            assert_eq!(
                answer.status,
                StatusCode::NOT_FOUND,
                "{path}: {}",
                answer.text()
            );
            assert_eq!(answer.json()["code"], "not_found", "{path}");
        }
    }
    house.end().await;
}

#[tokio::test]
async fn who_cannot_read_a_page_is_told_that_there_is_nothing() {
    let house = House::new().await;
    for (accept, is_page) in [
        ("text/html", true),
        ("*/*", true),
        ("text/event-stream", false),
        ("application/json", false),
    ] {
        let request = ask("GET", "/mpc").header(header::ACCEPT, accept);
        let answer = asked(&house, request).await;
        assert_eq!(answer.status == StatusCode::OK, is_page, "{accept}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        let answer = asked(&house, ask(method, "/approvals/x")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method}");
    }
    let answer = asked(&house, ask("POST", "/")).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.header("allow"), "GET,HEAD");
    assert_eq!(answer.json()["code"], "method_not_allowed");
    house.end().await;
}

#[tokio::test]
async fn what_has_a_hash_in_its_name_is_kept_for_ever_and_the_page_never() {
    check(
        ask("GET", "/assets/app-4fQ2.js").header(header::ACCEPT_ENCODING, "gzip, deflate, br"),
        expect![[r#"
            200 OK
            content-type: text/javascript; charset=utf-8
            cache-control: public, max-age=31536000, immutable
            etag: W/"aa"
            vary: accept-encoding
            content-encoding: gzip
            compressed"#]],
    )
    .await;
    for encodings in ["", "br, gzip;q=0", "gzippy"] {
        check(
            ask("GET", "/assets/app-4fQ2.js").header(header::ACCEPT_ENCODING, encodings),
            expect![[r#"
                200 OK
                content-type: text/javascript; charset=utf-8
                cache-control: public, max-age=31536000, immutable
                etag: W/"aa"
                vary: accept-encoding
                export {};"#]],
        )
        .await;
    }
    check(
        open("/chats/c1"),
        expect![[r#"
            200 OK
            content-type: text/html; charset=utf-8
            cache-control: no-cache
            etag: W/"bb"
            <!doctype html><title>Archestra</title>"#]],
    )
    .await;
    check(
        open("/chats/c1").header(header::IF_NONE_MATCH, "\"x\", W/\"bb\""),
        expect![[r#"
            304 Not Modified
            cache-control: no-cache
            etag: W/"bb"
        "#]],
    )
    .await;
    check(
        open("/").header(header::IF_NONE_MATCH, "W/\"old\""),
        expect![[r#"
            200 OK
            content-type: text/html; charset=utf-8
            cache-control: no-cache
            etag: W/"bb"
            <!doctype html><title>Archestra</title>"#]],
    )
    .await;
}

#[tokio::test]
async fn the_page_may_be_shown_nowhere_else_and_asks_a_browser_for_nothing() {
    let house = House::new().await;
    for path in ["/", "/assets/app-4fQ2.js"] {
        let answer = asked(&house, open(path)).await;
        assert!(
            answer
                .header("content-security-policy")
                .contains("frame-ancestors 'none'")
        );
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
        assert!(answer.header("permissions-policy").contains("camera=()"));
    }
    house.end().await;
}

#[tokio::test]
async fn a_program_without_the_ui_says_so_and_how_to_have_it() {
    let house = House::with(|settings| settings.web = &[]).await;
    for path in ["/", "/approvals/x"] {
        let answer = asked(&house, open(path)).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert!(
            answer.body.contains("<code>make run</code>"),
            "{}",
            answer.body
        );
        // Its policy allows nothing inline.
        for inline in ["<style", "style=", "<script"] {
            assert!(!answer.body.contains(inline), "{inline}");
        }
    }
    let answer = asked(&house, open("/assets/app-4fQ2.js")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    house.end().await;
}
