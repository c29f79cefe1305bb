//! Servers that do not do what servers should: a clear error to the one who can act, and the others
//! go on.

use std::time::Duration;

use e2e::{Client, Counts, Program, ProgramOptions, Registry, wait_for};
use serde_json::json;

fn program(registry: &Registry, config: &[&str]) -> Program {
    Program::start_with(&ProgramOptions {
        registries: Some((registry.npm(), registry.pypi())),
        config: config.iter().map(|it| (*it).to_owned()).collect(),
        ..Default::default()
    })
}

/// Adds the fixture in a mode in which it does not get to listing tools.
fn add_mode(program: &Program, name: &str, mode: &str) -> String {
    let output = program.cli(&[
        "servers",
        "add",
        "npm:archestra-fixture-misbehave",
        "--name",
        name,
        "--arg",
        mode,
        "--wait",
    ]);
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

fn reason(program: &Program, name: &str) -> String {
    wait_for(
        &format!("`{name}` has failed"),
        Duration::from_secs(30),
        || {
            let shown = program.json(&["servers", "show", name]);
            (shown["status"]["state"] == "failed").then(|| shown["status"]["reason"].to_string())
        },
    )
}

#[test]
fn servers_that_misbehave_are_told_apart_and_disturb_no_other() {
    let registry = Registry::start(&[]);
    let program = program(&registry, &["handshake_timeout = \"6s\""]);
    program.add(&["npm:archestra-fixture-misbehave", "--name", "good"]);

    add_mode(&program, "exits", "exit");
    let exits = reason(&program, "exits");
    assert!(
        exits.contains("exited with code 7") && exits.contains("last lines"),
        "{exits}"
    );
    add_mode(&program, "silent", "silent");
    let silent = reason(&program, "silent");
    assert!(
        silent.contains("initialize") && silent.contains("handshake_timeout"),
        "{silent}"
    );
    add_mode(&program, "noise", "garbage-only");
    let noise = reason(&program, "noise");
    assert!(noise.contains("initialize"), "{noise}");
    add_mode(&program, "endless", "endless-pages");

    program.add(&[
        "npm:archestra-fixture-misbehave",
        "--name",
        "garbage",
        "--arg",
        "garbage",
    ]);
    assert!(
        program
            .call("garbage", "echo", r#"{"text":"still"}"#)
            .unwrap()
            .contains("still")
    );
    program.add(&[
        "npm:archestra-fixture-misbehave",
        "--name",
        "flood",
        "--arg",
        "stderr-flood",
    ]);
    assert!(
        program
            .call("flood", "echo", r#"{"text":"dry"}"#)
            .unwrap()
            .contains("dry")
    );
    program.add(&[
        "npm:archestra-fixture-misbehave",
        "--name",
        "slow",
        "--arg",
        "slow-start",
    ]);
    program.add(&[
        "npm:archestra-fixture-misbehave",
        "--name",
        "paged",
        "--arg",
        "paged",
    ]);
    program.add(&[
        "npm:archestra-fixture-misbehave",
        "--name",
        "long",
        "--arg",
        "long-line",
    ]);
    let long = program.call("long", "echo", r#"{"text":"x"}"#).unwrap_err();
    assert!(
        long.contains("line_bytes_max") && long.contains("long"),
        "{long}"
    );

    let crashed = program.call("good", "crash", "{}").unwrap_err();
    assert!(
        crashed.contains("good") && crashed.contains("code 3"),
        "{crashed}"
    );
    let again = wait_for("the server comes back", Duration::from_secs(20), || {
        program.call("good", "echo", r#"{"text":"back"}"#).ok()
    });
    assert!(again.contains("back"), "{again}");

    let status = std::fs::read_to_string(format!("/proc/{}/status", program.pid())).unwrap();
    let peak = status
        .lines()
        .find_map(|it| it.strip_prefix("VmHWM:"))
        .unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(
        peak < 300 << 10,
        "a 100 MB line took the program to {peak} kB"
    );
}

#[test]
fn a_call_that_takes_too_long_ends_with_its_limit_and_the_server_hears_of_it() {
    let registry = Registry::start(&[]);
    let program = program(&registry, &[]);
    program.add(&[
        "npm:archestra-fixture-misbehave",
        "--name",
        "late",
        "--call-timeout",
        "500ms",
    ]);
    let token = program.token("late", &[]);
    let mut client = Client::connect(&program.address(), "/mcp/late", &token);
    let late = client.request(
        "tools/call",
        json!({ "name": "sleep", "arguments": { "ms": 30_000 } }),
    );
    let late = late.unwrap_err().to_string();
    assert!(
        late.contains("call_timeout_ms") && late.contains("late"),
        "{late}"
    );
    let whoami = wait_for("the server has heard of it", Duration::from_secs(5), || {
        let whoami = client.call("whoami", json!({})).unwrap();
        whoami.contains("\"cancelled\":1").then_some(whoami)
    });
    assert!(whoami.contains("uid"), "{whoami}");
    // Progress keeps the deadline away.
    let params =
        json!({ "name": "sleep", "arguments": { "ms": 1500 }, "_meta": { "progressToken": "p" } });
    assert!(client.request("tools/call", params).is_ok());
}

#[test]
fn what_cannot_be_installed_is_told_and_leaves_nothing() {
    let registry = Registry::start(&[]);
    let program = program(&registry, &[]);
    let before = Counts::of(&program);
    let missing = program.fails(&[
        "servers",
        "add",
        "npm:archestra-there-is-no-such-package",
        "--wait",
    ]);
    assert!(missing.contains("no such package"), "{missing}");
    let version = program.fails(&[
        "servers",
        "add",
        "npm:archestra-fixture-misbehave@99.0.0",
        "--wait",
        "--name",
        "v",
    ]);
    assert!(version.contains("no such version"), "{version}");
    let missing = program.fails(&[
        "servers",
        "add",
        "pypi:archestra-there-is-no-such-package",
        "--wait",
        "--name",
        "p",
    ]);
    assert!(missing.contains("no such package"), "{missing}");
    let sdist = program.fails(&[
        "servers",
        "add",
        "pypi:archestra-fixture-hostile",
        "--wait",
        "--name",
        "s",
    ]);
    assert!(sdist.contains("wheel"), "{sdist}");
    for odd in [
        "npm:../x",
        "npm:file:/etc",
        "npm:--registry=x",
        "pypi:-r",
        "npm:a@--x",
        "ftp://x",
    ] {
        let refused = program.cli(&["servers", "add", odd]);
        assert!(!refused.status.success(), "{odd}");
    }
    for slug in ["archestra-there-is-no-such-package", "v", "p", "s"] {
        // The slug is made of the package's name, cut where it is too long.
        let slug: String = slug.chars().take(24).collect();
        program.cli(&["servers", "remove", slug.trim_end_matches('-')]);
    }
    wait_for("nothing is left", Duration::from_secs(20), || {
        let after = Counts::of(&program);
        (after.containers == before.containers && after.volumes == before.volumes).then_some(())
    });
}

#[test]
fn without_podman_everything_else_works_and_the_reason_is_told() {
    let registry = Registry::start(&[]);
    let program = Program::start_with(&ProgramOptions {
        registries: Some((registry.npm(), registry.pypi())),
        config: vec!["podman_program = \"/nowhere/podman\"".to_owned()],
        no_podman_socket: true,
        ..Default::default()
    });
    let said = program.fails(&[
        "servers",
        "add",
        "npm:archestra-fixture-misbehave",
        "--wait",
    ]);
    assert!(
        said.contains("/nowhere/podman") && said.contains("install"),
        "{said}"
    );
    let doctor = program.cli(&["doctor"]);
    let text = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(text.contains("podman"), "{text}");

    let refused = Program::start_with(&ProgramOptions {
        podman_socket: Some("/nowhere/podman.sock".into()),
        ..Default::default()
    });
    let said = refused.fails(&[
        "servers",
        "add",
        "npm:archestra-fixture-misbehave",
        "--wait",
    ]);
    assert!(said.contains("/nowhere/podman.sock"), "{said}");
}
