use expect_test::{Expect, expect};

use super::*;

#[track_caller]
fn check(text: &str, expected: Expect) {
    let actual = match text.parse::<HostPort>() {
        Ok(it) => format!("host={} port={} text={it}", it.host(), it.port()),
        Err(err) => format!("error: {err}"),
    };
    expected.assert_eq(&actual);
}

#[test]
fn spellings_of_one_host_are_one_value() {
    check(
        "API.Example.com.:443",
        expect!["host=api.example.com port=443 text=api.example.com:443"],
    );
    check("[::1]:80", expect!["host=::1 port=80 text=[::1]:80"]);
    check(
        "10.0.0.1:5432",
        expect!["host=10.0.0.1 port=5432 text=10.0.0.1:5432"],
    );
}

#[test]
fn what_is_no_host_and_port_is_told() {
    check(
        "example.com",
        expect!["error: `example.com` is not `host:port`, for instance `api.example.com:443`"],
    );
    check(
        "::1:80",
        expect!["error: `::1:80` is not `host:port`, for instance `api.example.com:443`"],
    );
    check(
        "exa mple.com:80",
        expect!["error: `exa mple.com` is not a host name or an IP address"],
    );
    check(
        "*.example.com:80",
        expect!["error: `*.example.com` is not a host name or an IP address"],
    );
    check(
        "a..b:80",
        expect!["error: `a..b` is not a host name or an IP address"],
    );
    check(
        "example.com:0",
        expect!["error: port `0` must be a number from 1 to 65535"],
    );
    check(
        "example.com:https",
        expect!["error: port `https` must be a number from 1 to 65535"],
    );
}
