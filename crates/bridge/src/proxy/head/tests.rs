use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn check(request: &str, expected: Expect) {
    let request = request.replace('\n', "\r\n");
    let text = match parse(request.as_bytes()) {
        Ok(None) => "more".to_owned(),
        Ok(Some(head)) => {
            let forward = String::from_utf8_lossy(&head.forward).replace('\r', "");
            format!(
                "{} {} connect={}\n{forward}",
                head.host, head.port, head.is_connect
            )
        }
        Err(err) => format!("error: {err}"),
    };
    expected.assert_eq(&text);
}

#[test]
fn connect_names_a_host_and_a_port() {
    check(
        "CONNECT Example.com:443 HTTP/1.1\nHost: example.com\n\nrest",
        expect![[r#"
            Example.com 443 connect=true
            rest"#]],
    );
    check(
        "CONNECT [::1]:443 HTTP/1.1\n\n",
        expect![[r#"
            ::1 443 connect=true
        "#]],
    );
}

#[test]
fn connect_without_a_port_or_with_a_wrong_one_is_refused() {
    for target in [
        "example.com",
        "example.com:",
        "example.com:0",
        "example.com:65536",
        ":443",
        "::1:443",
        "[::1]",
        "user@example.com:443",
        "http://example.com:443/",
    ] {
        let request = format!("CONNECT {target} HTTP/1.1\r\n\r\n");
        assert_eq!(
            parse(request.as_bytes()),
            Err(HeadError::Target(target.to_owned()))
        );
    }
}

#[test]
fn a_whole_address_becomes_a_path() {
    check(
        "GET http://example.com/a?b HTTP/1.1\nHost: other\nProxy-Authorization: x\nAccept: */*\nConnection: keep-alive\n\n",
        expect![[r#"
            example.com 80 connect=false
            GET /a?b HTTP/1.1
            Host: example.com
            Accept: */*
            Connection: close

        "#]],
    );
    check(
        "POST HTTP://example.com:8080?q#f HTTP/1.0\nContent-Length: 2\n\nhi",
        expect![[r#"
            example.com 8080 connect=false
            POST /?q HTTP/1.0
            Host: example.com:8080
            Content-Length: 2
            Connection: close

            hi"#]],
    );
}

#[test]
fn what_is_no_request_to_a_proxy_is_refused() {
    check(
        "GET / HTTP/1.1\n\n",
        expect!["error: the target `/` must be `host:port` for CONNECT, or begin with `http://`"],
    );
    check(
        "GET https://example.com/ HTTP/1.1\n\n",
        expect![
            "error: the target `https://example.com/` must be `host:port` for CONNECT, or begin with `http://`"
        ],
    );
    check(
        "\u{1}\u{2}\n\n",
        expect!["error: the request is not HTTP/1: invalid token"],
    );
    check("CONNECT example.com:443 HTTP/1.1\nHo", expect!["more"]);
}

#[test]
fn a_head_without_an_end_is_refused_at_its_bound() {
    let mut request = b"GET http://example.com/ HTTP/1.1\r\nX: ".to_vec();
    request.resize(HEAD_BYTES_MAX - 1, b'x');
    assert_eq!(parse(&request), Ok(None));
    request.push(b'x');
    assert_eq!(parse(&request), Err(HeadError::TooLong));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        parse(&bytes).ok();
    }

    #[test]
    fn no_target_makes_it_panic(target in "[ -~]{0,60}", method in "(GET|CONNECT)") {
        parse(format!("{method} {target} HTTP/1.1\r\n\r\n").as_bytes()).ok();
    }
}
