use domain::FolderAccess;
use expect_test::{Expect, expect};

use super::*;

fn package(registry: Registry, name: &str) -> PackageRef {
    PackageRef {
        registry,
        name: name.to_owned(),
        version: None,
        command: None,
    }
}

fn spec() -> ServerSpec {
    ServerSpec::new(Source::Package(package(Registry::Npm, "thing")))
}

fn refusal(result: Result<(), Error>) -> String {
    result.map_or_else(|err| err.to_string(), |()| "fine".to_owned())
}

fn check(spec: &ServerSpec, expected: Expect) {
    expected.assert_eq(&refusal(check_spec(spec, Path::new("/home/me/.archestra"))));
}

#[test]
fn names_of_packages() {
    let npm = ["thing", "@scope/thing", "a.b-c_d~e", "UPPER"];
    let pypi = ["mcp-server-time", "a.b", "Flask"];
    for name in npm {
        assert_eq!(
            refusal(check_package(&package(Registry::Npm, name))),
            "fine"
        );
    }
    for name in pypi {
        assert_eq!(
            refusal(check_package(&package(Registry::Pypi, name))),
            "fine"
        );
    }
    let longest = "a".repeat(215);
    let npm = [
        "",
        ".",
        "..",
        "-g",
        "--prefix",
        "_a",
        "@",
        "@/",
        "@a",
        "@a/",
        "@/b",
        "@-a/b",
        "@a/b/c",
        "a/b",
        "a@1",
        "npm:b",
        "https://a.test/b.tgz",
        "./a",
        "a b",
        "a\nb",
        "ä",
        &longest,
    ];
    for name in npm {
        let told = refusal(check_package(&package(Registry::Npm, name)));
        assert_eq!(told, format!("`{name}` is no name of a package of npm"));
    }
    for name in ["", "-r", "a@b", "a/b", "a[b]", "a==1", "a;b", "@a/b", "_a"] {
        let told = refusal(check_package(&package(Registry::Pypi, name)));
        assert_eq!(told, format!("`{name}` is no name of a package of pypi"));
    }
}

#[test]
fn versions_and_commands() {
    let with = |version: Option<&str>, command: Option<&str>| {
        refusal(check_package(&PackageRef {
            version: version.map(ToOwned::to_owned),
            command: command.map(ToOwned::to_owned),
            ..package(Registry::Npm, "thing")
        }))
    };
    for version in ["1.2.3", "latest", "^1.2", "~1", ">=1.0", "1.0.0-rc.1+b2"] {
        assert_eq!(with(Some(version), None), "fine");
    }
    for version in ["", "-1", "npm:b@1", "../a", "1 || 2", "git+ssh://a", "1\0"] {
        let told = format!("`{version}` is no version of a package");
        assert_eq!(with(Some(version), None), told);
    }
    assert_eq!(with(None, Some("mcp-server")), "fine");
    for command in ["", "-x", ".x", "../x", "a/b", "a b"] {
        let told = format!("`{command}` is no name of a command");
        assert_eq!(with(None, Some(command)), told);
    }
}

#[test]
fn addresses() {
    for url in ["https://a.test/mcp", "http://127.0.0.1:8000/"] {
        assert_eq!(refusal(check_url(url)), "fine");
    }
    let told: Vec<String> = ["", "a.test", "file:///etc/passwd", "https://me:pw@a.test/"]
        .iter()
        .map(|url| refusal(check_url(url)))
        .collect();
    expect![[r#"
        `` is no address: relative URL without a base
        `a.test` is no address: relative URL without a base
        `file:///etc/passwd` must begin with http:// or https://
        `a.test` must not hold a user name or password"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn folders() {
    let with = |host: &str, inside: &str| {
        let mut spec = spec();
        spec.folders = vec![HostFolder {
            host: host.into(),
            inside: inside.to_owned(),
            access: FolderAccess::ReadOnly,
        }];
        spec
    };
    check(&with("/home/me/notes", "/data"), expect!["fine"]);
    check(
        &with("notes", "/data"),
        expect!["folder `notes` must be an absolute path without `..`"],
    );
    check(
        &with("/home/me/../you", "/data"),
        expect!["folder `/home/me/../you` must be an absolute path without `..`"],
    );
    for host in [
        "/home/me/.archestra",
        "/home/me/.archestra/key",
        "/home/me",
        "/",
    ] {
        let told = refusal(check_spec(
            &with(host, "/data"),
            Path::new("/home/me/.archestra"),
        ));
        assert_eq!(
            told,
            format!("folder `{host}` holds this program's own data")
        );
    }
    let taken = [
        "/",
        "data",
        "",
        "/data/../etc",
        "/install",
        "/install/app",
        "/.archestra",
        "/run/x",
        "/proc",
        "/sys",
        "/dev/shm",
        "/tmp",
        "/etc/ssl",
        "/usr/bin",
        "/bin",
        "/lib",
        "/archestra-ca.pem",
    ];
    for inside in taken {
        let told = refusal(check_spec(
            &with("/srv", inside),
            Path::new("/home/me/.archestra"),
        ));
        assert_eq!(
            told,
            format!("`{inside}` cannot be a folder's place inside")
        );
    }
    let mut twice = with("/srv/a", "/data");
    twice.folders.extend(with("/srv/b", "/data/").folders);
    check(&twice, expect!["`/data/` is the place of two folders"]);
}

#[test]
fn limits() {
    let mut many = spec();
    many.args = vec![String::new(); 65];
    check(&many, expect!["more than 64 arguments"]);
    let mut long = spec();
    long.args = vec!["x".repeat((32 << 10) + 1)];
    let told =
        expect!["an argument or a value is longer than 32768 bytes or has a zero byte in it"];
    check(&long, told);
    let mut zero = spec();
    zero.env.insert("A".parse().unwrap(), "a\0b".to_owned());
    check(
        &zero,
        expect!["an argument or a value is longer than 32768 bytes or has a zero byte in it"],
    );
    let mut small = spec();
    small.limits.memory_bytes_max = 1;
    check(
        &small,
        expect!["limit `memory_bytes_max` is 1, the least is 33554432"],
    );
    let mut none = spec();
    none.limits.calls_max = 0;
    check(&none, expect!["limit `calls_max` is 0, the least is 1"]);
    let mut large = spec();
    large.limits.memory_bytes_max = u64::MAX;
    check(
        &large,
        expect!["limit `memory_bytes_max` is 18446744073709551615, the most is 17592186044416"],
    );
    let mut endless = spec();
    endless.limits.call_timeout_ms = 86_400_001;
    check(
        &endless,
        expect!["limit `call_timeout_ms` is 86400001, the most is 86400000"],
    );
}
