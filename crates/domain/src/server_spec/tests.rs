use expect_test::expect;

use super::*;

/// The stored form. A change that makes this test fail needs a migration.
#[test]
fn the_stored_form_stays() {
    let mut spec = ServerSpec::new(Source::Package(PackageRef {
        registry: Registry::Npm,
        name: "server".to_owned(),
        version: Some("1.0.0".to_owned()),
        command: None,
    }));
    spec.env.insert("LOG".parse().unwrap(), "info".to_owned());
    spec.egress.insert("example.com:443".parse().unwrap());
    spec.folders.push(HostFolder {
        host: "/srv/notes".into(),
        inside: "/notes".to_owned(),
        access: FolderAccess::ReadOnly,
    });
    let text = serde_json::to_string(&spec).unwrap();
    expect![[r#"{"source":{"kind":"package","registry":"npm","name":"server","version":"1.0.0","command":null},"args":[],"env":{"LOG":"info"},"secrets":{},"folders":[{"host":"/srv/notes","inside":"/notes","access":"read_only"}],"egress":["example.com:443"],"isolation":null,"limits":{"memory_bytes_max":1073741824,"cpu_millis_max":1000,"pids_max":256,"tmp_bytes_max":268435456,"start_timeout_ms":60000,"call_timeout_ms":60000,"calls_max":64},"keep_warm":false,"build_scripts":"ask"}"#]]
    .assert_eq(&text);
    assert_eq!(serde_json::from_str::<ServerSpec>(&text).unwrap(), spec);
}

#[test]
fn a_server_that_holds_a_secret_is_not_shared() {
    let remote = |headers| {
        ServerSpec::new(Source::Remote {
            url: "https://example.com/mcp".to_owned(),
            headers,
        })
    };
    let secret = SecretId::from_uuid(uuid::Uuid::nil());
    let authorization = ("authorization".parse().unwrap(), secret);
    let with_header = remote([authorization].into());
    assert_eq!(with_header.isolation(), Isolation::Principal);
    let mut spec = remote(BTreeMap::new());
    assert_eq!(spec.isolation(), Isolation::Shared);
    spec.secrets.insert(
        "TOKEN".parse().unwrap(),
        SecretId::from_uuid(uuid::Uuid::nil()),
    );
    assert_eq!(spec.isolation(), Isolation::Principal);
    spec.isolation = Some(Isolation::Shared);
    assert_eq!(spec.isolation(), Isolation::Shared);
}

/// The stored form of remote servers, the one from before they had headers included.
#[test]
fn the_stored_form_of_a_remote_server_stays() {
    let check = |text: &str| {
        let source: Source = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&source).unwrap(), text);
    };
    check(r#"{"kind":"remote","url":"https://example.com/mcp"}"#);
    check(
        r#"{"kind":"remote","url":"https://example.com/mcp","headers":{"authorization":"00000000-0000-0000-0000-000000000000"}}"#,
    );
}

#[test]
fn a_sandbox_is_found_by_its_label() {
    let nil = uuid::Uuid::nil();
    let keys = [
        SandboxKey::Server {
            server: ServerId::from_uuid(nil),
            isolation: IsolationKey::Shared,
        },
        SandboxKey::Server {
            server: ServerId::from_uuid(nil),
            isolation: IsolationKey::Principal(PrincipalName::owner()),
        },
        SandboxKey::Fetch {
            install: InstallId::from_uuid(nil),
        },
        SandboxKey::Build {
            install: InstallId::from_uuid(nil),
        },
    ];
    for key in keys {
        assert_eq!(key.to_string().parse(), Ok(key));
    }
    assert!("pod/x".parse::<SandboxKey>().is_err());
}

use crate::PrincipalName;
