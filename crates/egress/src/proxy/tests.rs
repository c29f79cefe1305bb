use super::*;

fn settings(set: &[(&str, &str)]) -> Result<ProxySettings, ProxyError> {
    ProxySettings::from_vars(|name| {
        let (_, value) = set.iter().find(|(it, _)| *it == name)?;
        Some((*value).to_owned())
    })
}

fn proxy_for(set: &[(&str, &str)], target: &str) -> Option<String> {
    let settings = settings(set).unwrap();
    settings
        .proxy_for(&target.parse().unwrap())
        .map(ToString::to_string)
}

#[test]
fn the_port_decides_which_proxy_and_all_proxy_fills_the_gaps() {
    let both = [("HTTP_PROXY", "http://h:1"), ("HTTPS_PROXY", "http://s:2")];
    assert_eq!(
        proxy_for(&both, "a.example:80").as_deref(),
        Some("http://h:1")
    );
    assert_eq!(
        proxy_for(&both, "a.example:443").as_deref(),
        Some("http://s:2")
    );
    assert_eq!(
        proxy_for(&both, "a.example:22").as_deref(),
        Some("http://s:2")
    );
    let all = [("ALL_PROXY", "http://a:3"), ("http_proxy", "h:1")];
    assert_eq!(
        proxy_for(&all, "a.example:443").as_deref(),
        Some("http://a:3")
    );
    assert_eq!(
        proxy_for(&all, "a.example:80").as_deref(),
        Some("http://h:1")
    );
    let cases = [
        ("https_proxy", "http://low:1"),
        ("HTTPS_PROXY", "http://up:2"),
    ];
    assert_eq!(
        proxy_for(&cases, "a.example:443").as_deref(),
        Some("http://low:1")
    );
    assert_eq!(proxy_for(&[("HTTPS_PROXY", " ")], "a.example:443"), None);
    assert_eq!(proxy_for(&[], "a.example:443"), None);
}

#[test]
fn what_no_proxy_names_is_dialled_directly() {
    let direct = |no_proxy: &str, target: &str| {
        let set = [("ALL_PROXY", "http://p:1"), ("NO_PROXY", no_proxy)];
        proxy_for(&set, target).is_none()
    };
    let table = [
        ("*", "a.example:443", true),
        ("example.com", "example.com:443", true),
        ("example.com", "api.Example.com:443", true),
        (".example.com", "api.example.com:443", true),
        (".example.com", "example.com:443", true),
        ("*.example.com", "api.example.com:443", true),
        ("example.com", "notexample.com:443", false),
        ("example.com", "example.com.evil:443", false),
        ("example.com:8443", "example.com:443", false),
        ("example.com:8443", "example.com:8443", true),
        ("x, example.com ,y", "example.com:443", true),
        ("10.0.0.0/8", "10.1.2.3:443", true),
        ("10.0.0.0/8", "11.1.2.3:443", false),
        ("[::1],::2", "[::1]:443", true),
        ("[::1],::2", "[::2]:443", true),
        ("192.168.0.1", "192.168.0.1:443", true),
        ("", "a.example:443", false),
        (",, .", "a.example:443", false),
    ];
    for (no_proxy, target, expected) in table {
        assert_eq!(direct(no_proxy, target), expected, "{no_proxy} {target}");
    }
}

#[test]
fn a_password_is_decoded_sent_and_never_shown() {
    let set = [("HTTPS_PROXY", "http://us%40er:p%3Ass@proxy.example:3128")];
    let settings = settings(&set).unwrap();
    let proxy = settings
        .proxy_for(&"a.example:443".parse().unwrap())
        .unwrap();
    let sent = proxy.authorization.as_ref().unwrap().expose();
    assert_eq!(*sent, format!("Basic {}", STANDARD.encode("us@er:p:ss")));
    let shown = format!("{settings:?} {proxy}");
    assert!(
        !shown.contains("p%3Ass") && !shown.contains(sent.as_str()),
        "{shown}"
    );
}

#[test]
fn a_proxy_that_is_not_supported_is_told_without_its_value() {
    for value in [
        "https://p:1",
        "socks5://u:secret@p:1",
        "http://",
        "http://:80",
        "http://[::1",
    ] {
        let err = settings(&[("HTTPS_PROXY", value)]).unwrap_err();
        assert_eq!(err.variable, "HTTPS_PROXY", "{value}");
        assert!(!err.to_string().contains("secret"));
    }
}

#[test]
fn a_status_line_is_read_strictly() {
    let table: [(&str, Option<u16>); 8] = [
        ("HTTP/1.1 200 Connection established\r\n\r\n", Some(200)),
        ("HTTP/1.0 200\r\n\r\n", Some(200)),
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            Some(407),
        ),
        ("HTTP/1.1 +20 x\r\n\r\n", None),
        ("HTTP/2 200\r\n\r\n", None),
        ("SSH-2.0-x\r\n\r\n", None),
        ("HTTP/1.1 20\r\n\r\n", None),
        ("\r\n\r\n", None),
    ];
    for (answer, expected) in table {
        assert_eq!(status(answer.as_bytes()), expected, "{answer}");
    }
}
