use domain::Registry;
use expect_test::{Expect, expect};

use super::*;

fn package(command: Option<&str>) -> PackageRef {
    PackageRef {
        registry: Registry::Npm,
        name: "@scope/server".to_owned(),
        version: None,
        command: command.map(ToOwned::to_owned),
    }
}

#[track_caller]
fn check_bin(bin: &str, command: Option<&str>, expected: Expect) {
    let manifest = format!(r#"{{"name":"x","bin":{bin}}}"#);
    let chosen = choose_bin(&manifest, &package(command));
    expected.assert_eq(&chosen.unwrap_or_else(|err| format!("error: {err}")));
}

#[test]
fn the_command_is_the_only_one_or_the_one_called_as_the_package() {
    check_bin(r#""cli.js""#, None, expect!["server"]);
    check_bin(r#"{"mcp":"a.js"}"#, None, expect!["mcp"]);
    check_bin(r#"{"mcp":"a.js","server":"b.js"}"#, None, expect!["server"]);
    check_bin(r#"{"mcp":"a.js","x":"b.js"}"#, Some("x"), expect!["x"]);
    check_bin(
        r#"{"mcp":"a.js","x":"b.js"}"#,
        None,
        expect!["error: the package has several commands; say which: mcp, x"],
    );
    check_bin(
        r#"{"mcp":"a.js"}"#,
        Some("y"),
        expect!["error: the package has no command `y`; it has: mcp"],
    );
    check_bin(
        "null",
        None,
        expect!["error: the package has no command, so it is no server that can be started"],
    );
    check_bin(
        r#"{"../evil":"a.js"}"#,
        None,
        expect!["error: the package has no command, so it is no server that can be started"],
    );
}

#[test]
fn a_lock_file_tells_version_hash_and_scripts() {
    let lock = r#"{"packages":{
        "":{"name":"archestra-install","version":"0.0.0","dependencies":{"@scope/server":"1.2.3"}},
        "node_modules/@scope/server":{"version":"1.2.3","integrity":"sha512-a"},
        "node_modules/a/node_modules/esbuild":{"version":"0.2.0","integrity":"sha512-b","hasInstallScript":true}
    }}"#;
    let resolution = read_lock(lock, "@scope/server").unwrap();
    assert_eq!(resolution.version, "1.2.3");
    assert_eq!(resolution.integrity.as_deref(), Some("sha512-a"));
    assert_eq!(resolution.build_scripts, ["esbuild@0.2.0"]);
    assert_eq!(resolution.lock_sha256.len(), 64);
    expect![[r#"{"dependencies":{"@scope/server":"1.2.3"},"name":"archestra-install","private":true,"version":"0.0.0"}"#]]
        .assert_eq(&manifest_of(lock).unwrap());
}

#[test]
fn what_has_no_hash_is_refused() {
    let lock = r#"{"packages":{"":{},"node_modules/@scope/server":{"version":"1.2.3"}}}"#;
    let err = read_lock(lock, "@scope/server").unwrap_err();
    expect!["`@scope/server` has no hash in npm's lock file, so it cannot be checked"]
        .assert_eq(&err);
    let linked =
        r#"{"packages":{"":{},"node_modules/@scope/server":{"link":true,"integrity":"x"}}}"#;
    assert!(read_lock(linked, "@scope/server").is_err());
}
