use proptest::prelude::*;

use super::*;

fn allowed() -> Vec<AllowedHost> {
    let hosts = [
        "host.docker.internal",
        "archestra.example:8443",
        "[fd00::1]:3000",
    ];
    hosts.map(|it| it.parse().unwrap()).to_vec()
}

fn host(values: &[&str]) -> Result<String, Refusal> {
    check_host(values, 3000, &allowed()).map(|it| it.to_string())
}

#[test]
fn hosts_of_ours_are_let_in() {
    let table = [
        ("localhost", "localhost"),
        ("localhost:3000", "localhost:3000"),
        ("LocalHost:3000", "localhost:3000"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1:3000", "127.0.0.1:3000"),
        ("[::1]", "[::1]"),
        ("[::1]:3000", "[::1]:3000"),
        ("[0:0:0:0:0:0:0:1]:3000", "[::1]:3000"),
        ("host.docker.internal", "host.docker.internal"),
        ("host.docker.internal:3000", "host.docker.internal:3000"),
        ("HOST.docker.internal:9", "host.docker.internal:9"),
        ("archestra.example:8443", "archestra.example:8443"),
        ("[FD00:0::1]:3000", "[fd00::1]:3000"),
    ];
    for (value, expected) in table {
        assert_eq!(host(&[value]).as_deref(), Ok(expected), "{value}");
    }
}

#[test]
fn hosts_of_others_are_refused() {
    let foreign = [
        "evil.example",
        "evil.example:3000",
        "null",
        "localhost:3001",
        "localhost:80",
        "localhost.evil",
        "localhost.evil:3000",
        "evil.localhost",
        "127.0.0.1.evil",
        "127.0.0.1.nip.io:3000",
        "127.0.0.2",
        "0.0.0.0:3000",
        "[::]:3000",
        "[::2]",
        "[::ffff:127.0.0.1]:3000",
        "169.254.169.254",
        "archestra.example",
        "archestra.example:3000",
        "sub.host.docker.internal",
        "[fd00::1]",
        "localhost_:3000",
    ];
    for value in foreign {
        let refusal = host(&[value]).unwrap_err();
        assert!(
            matches!(refusal, Refusal::HostForeign { .. }),
            "{value}: {refusal:?}"
        );
    }
}

#[test]
fn what_is_no_host_is_refused() {
    let wrong = [
        "",
        " ",
        ":3000",
        "localhost:",
        "localhost:0",
        "localhost:03000",
        "localhost:+3000",
        "localhost:65536",
        "localhost:3000:3000",
        "localhost.",
        "localhost.:3000",
        ".localhost",
        "localhost ",
        " localhost",
        "local host",
        "localhost\t",
        "localhost,evil",
        "localhost/",
        "localhost/@evil",
        "user@localhost",
        "user:pass@localhost:3000",
        "evil@localhost:3000",
        "http://localhost:3000",
        "http://localhost:3000/",
        "//localhost",
        "localhost#",
        "localhost?",
        "localhost\\",
        "local%68ost",
        "::1",
        "::1:3000",
        "[::1",
        "[::1]3000",
        "[::1]:",
        "[::1%lo]:3000",
        "[127.0.0.1]",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.0.0.1.",
        "ⓛocalhost",
        "localhost。",
    ];
    for value in wrong {
        assert_eq!(host(&[value]), Err(Refusal::HostForm), "{value}");
    }
}

#[test]
fn none_and_two_hosts_are_refused() {
    assert_eq!(host(&[]), Err(Refusal::HostMissing));
    assert_eq!(host(&["localhost", "localhost"]), Err(Refusal::HostTwice));
    assert_eq!(host(&["localhost:3000", "evil"]), Err(Refusal::HostTwice));
}

fn origin(of: &str, origins: &[&str], changing: bool, sites: &[&str]) -> Result<(), Refusal> {
    check_origin(origins, &of.parse().unwrap(), changing, sites)
}

#[test]
fn a_change_from_our_own_page_is_let_in() {
    let table = [
        ("localhost:3000", "http://localhost:3000"),
        ("127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("[::1]:3000", "http://[::1]:3000"),
        ("localhost", "http://localhost"),
        ("localhost", "http://localhost:80"),
        ("archestra.example", "https://archestra.example"),
        ("archestra.example", "http://archestra.example"),
        ("archestra.example:8443", "https://archestra.example:8443"),
    ];
    for (host, from) in table {
        for sites in [&[][..], &["same-origin"]] {
            assert_eq!(origin(host, &[from], true, sites), Ok(()), "{host} {from}");
        }
    }
}

#[test]
fn a_request_from_another_page_is_refused_whatever_it_does() {
    let foreign = [
        "null",
        "",
        "evil.example",
        "http://evil.example",
        "http://evil.example:3000",
        "http://localhost",
        "http://localhost:3001",
        "http://127.0.0.1:3000",
        "http://[::1]:3000",
        "https://localhost:3000",
        "HTTP://localhost:3000",
        "http://localhost:3000/",
        "http://localhost:3000.evil",
        "http://localhost.evil:3000",
        "http://localhost.:3000",
        "http://evil@localhost:3000",
        "http://localhost:3000@evil",
        "http://localhost:3000 http://evil.example",
        "http://localhost:3000,http://evil.example",
        " http://localhost:3000",
        "file://",
        "chrome-extension://abcdef",
        "ws://localhost:3000",
        "//localhost:3000",
        "localhost:3000",
    ];
    for from in foreign {
        for changing in [true, false] {
            let refusal = origin("localhost:3000", &[from], changing, &["same-origin"]);
            assert_eq!(refusal, Err(Refusal::OriginForeign), "{from} {changing}");
        }
    }
}

#[test]
fn without_an_origin_one_may_read_and_not_change() {
    assert_eq!(origin("localhost:3000", &[], false, &[]), Ok(()));
    assert_eq!(
        origin("localhost:3000", &[], true, &[]),
        Err(Refusal::OriginMissing)
    );
    let ours = ["http://localhost:3000"; 2];
    for changing in [true, false] {
        let twice = origin("localhost:3000", &ours, changing, &[]);
        assert_eq!(twice, Err(Refusal::OriginTwice));
    }
}

#[test]
fn a_change_that_the_browser_says_is_from_elsewhere_is_refused() {
    let ours = ["http://localhost:3000"];
    for site in [
        "cross-site",
        "same-site",
        "none",
        "",
        "Same-Origin",
        "same-origin, x",
    ] {
        let refusal = origin("localhost:3000", &ours, true, &[site]);
        assert_eq!(refusal, Err(Refusal::CrossSite), "{site}");
    }
    // A link on another page may lead here.
    assert_eq!(
        origin("localhost:3000", &[], false, &["cross-site"]),
        Ok(())
    );
    let twice = origin(
        "localhost:3000",
        &ours,
        true,
        &["same-origin", "cross-site"],
    );
    assert_eq!(twice, Err(Refusal::OriginTwice));
}

proptest! {
    #[test]
    fn nothing_else_than_the_names_passes(text in "[a-z0-9.:@/\\[\\]%# -]{0,30}") {
        if let Ok(host) = check_host(&[&text], 3000, &[]) {
            let names = ["localhost", "127.0.0.1", "[::1]"];
            prop_assert!(names.contains(&host.host()));
            prop_assert!(host.port().is_none_or(|it| it == 3000));
        }
    }
}
