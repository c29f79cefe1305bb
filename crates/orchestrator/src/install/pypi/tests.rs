use domain::Registry;
use expect_test::expect;

use super::*;

#[test]
fn a_list_tells_version_and_hash_of_the_package_itself() {
    let lock = "anyio==4.1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nmcp-server-time==2026.10.19 ; python_version >= '3.10' \\\n    --hash=sha256:cc \\\n    --hash=sha256:dd\nzipp==1.0\n";
    let resolution = read_lock(lock, "MCP_Server.Time").unwrap();
    assert_eq!(resolution.version, "2026.10.19");
    assert_eq!(resolution.integrity.as_deref(), Some("sha256:cc"));
    let err = read_lock(lock, "other").unwrap_err();
    expect!["uv's list does not name `other`"].assert_eq(&err);
}

#[test]
fn the_command_is_the_only_one_or_the_one_called_as_the_package() {
    let mut package = PackageRef {
        registry: Registry::Pypi,
        name: "mcp_server_time".to_owned(),
        version: None,
        command: None,
    };
    assert_eq!(
        choose(&["mcp-server-time", "x"], &package).unwrap(),
        "mcp-server-time"
    );
    assert_eq!(choose(&["x"], &package).unwrap(), "x");
    assert!(choose(&[], &package).is_err());
    assert!(choose(&["x", "y"], &package).is_err());
    package.command = Some("y".to_owned());
    assert_eq!(choose(&["x", "y"], &package).unwrap(), "y");
}
