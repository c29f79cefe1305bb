//! Installs: consent, retry, a disk that is full, a program that is killed in the middle.

use std::time::Duration;

use e2e::{Counts, Program, ProgramOptions, Registry, wait_for};
use serde_json::Value;

fn program(registry: &Registry, config: &[&str]) -> Program {
    Program::start_with(&ProgramOptions {
        registries: Some((registry.npm(), registry.pypi())),
        config: config.iter().map(|it| (*it).to_owned()).collect(),
        ..Default::default()
    })
}

fn wait_for_status(program: &Program, slug: &str, wanted: &[&str]) -> Value {
    wait_for(
        &format!("`{slug}` is one of {wanted:?}"),
        Duration::from_secs(60),
        || {
            let shown = program.json(&["servers", "show", slug]);
            let status = shown["status"]["state"].as_str().unwrap_or_default();
            wanted.contains(&status).then_some(shown)
        },
    )
}

#[test]
fn a_packages_own_scripts_run_after_consent_and_without_a_way_out() {
    let registry = Registry::start(&[]);
    let program = program(&registry, &[]);
    program.json(&[
        "servers",
        "add",
        "npm:archestra-fixture-needs-build",
        "--name",
        "asks",
        "--no-wait",
    ]);
    let waiting = wait_for_status(&program, "asks", &["waiting_for_consent"]);
    assert!(
        waiting["status"]["reason"]
            .to_string()
            .contains("archestra-fixture-needs-build"),
        "{waiting}"
    );
    program.json(&["servers", "consent", "asks", "--run"]);
    wait_for_status(&program, "asks", &["running", "ready"]);
    let built = wait_for("it answers", Duration::from_secs(20), || {
        program.call("asks", "built", "{}").ok()
    });
    let built: Value = serde_json::from_str(&built).unwrap();
    assert_eq!(built["built"], true, "{built}");
    assert_ne!(built["network"], true, "{built}");

    program.json(&[
        "servers",
        "add",
        "npm:archestra-fixture-needs-build",
        "--name",
        "skips",
        "--build-scripts",
        "skip",
        "--no-wait",
    ]);
    wait_for_status(&program, "skips", &["running", "ready"]);
    let built = wait_for("it answers", Duration::from_secs(20), || {
        program.call("skips", "built", "{}").ok()
    });
    assert!(built.contains("\"built\":false"), "{built}");
}

#[test]
fn a_failed_step_is_told_and_can_be_tried_again() {
    let registry = Registry::start(&["--fail-tarballs", "1"]);
    let program = program(&registry, &[]);
    let said = program.fails(&[
        "servers",
        "add",
        "npm:archestra-fixture-misbehave",
        "--name",
        "again",
        "--wait",
    ]);
    assert!(said.contains("fetch"), "{said}");
    let failed = wait_for_status(&program, "again", &["install_failed"]);
    assert!(failed.to_string().contains("\"failed\""), "{failed}");
    wait_for("its volume is gone", Duration::from_secs(20), || {
        (Counts::of(&program).volumes == 0).then_some(())
    });
    program.json(&["servers", "retry", "again"]);
    wait_for_status(&program, "again", &["running", "ready"]);
    assert!(program.call("again", "echo", r#"{"text":"x"}"#).is_ok());

    let wrong = Registry::start(&["--wrong-integrity", "archestra-fixture-misbehave"]);
    let program = self::program(&wrong, &[]);
    let said = program.fails(&[
        "servers",
        "add",
        "npm:archestra-fixture-misbehave",
        "--name",
        "bad",
        "--wait",
    ]);
    assert!(
        said.contains("EINTEGRITY") || said.contains("not what the lock file names"),
        "{said}"
    );
}

#[test]
fn an_install_that_is_too_large_is_ended_and_leaves_nothing() {
    let program = Program::start_with(&ProgramOptions {
        config: vec!["install_bytes_max = \"4MiB\"".to_owned()],
        ..Default::default()
    });
    let said = program.fails(&[
        "servers",
        "add",
        "npm:@modelcontextprotocol/server-everything",
        "--wait",
    ]);
    assert!(said.contains("install_bytes_max"), "{said}");
    wait_for("no volume is left", Duration::from_secs(20), || {
        (Counts::of(&program).volumes == 0).then_some(())
    });
}

#[test]
fn a_program_that_is_killed_at_any_step_of_an_install_finishes_it_after_its_next_start() {
    let registry = Registry::start(&["--slow", "150"]);
    let mut program = program(&registry, &[]);
    for (at, step) in ["prepare", "resolve", "fetch", "build", "check"]
        .iter()
        .enumerate()
    {
        let slug = format!("killed-{at}");
        program.json(&[
            "servers",
            "add",
            "npm:archestra-fixture-needs-build",
            "--name",
            &slug,
            "--build-scripts",
            "run",
            "--no-wait",
        ]);
        wait_for(&format!("step `{step}`"), Duration::from_secs(60), || {
            let shown = program.json(&["servers", "show", &slug]);
            let is_there = shown["status"]["reason"].to_string().contains(step);
            let is_past = shown["status"]["state"] != "installing";
            (is_there || is_past).then_some(())
        });
        program.kill();
        program.launch();
        wait_for_status(&program, &slug, &["running", "ready"]);
        let built = wait_for("it answers", Duration::from_secs(20), || {
            program.call(&slug, "built", "{}").ok()
        });
        assert!(built.contains("\"built\":true"), "{built}");
        program.json(&["servers", "remove", &slug]);
    }
    wait_for("nothing is left", Duration::from_secs(30), || {
        let counts = Counts::of(&program);
        (counts.volumes == 0 && counts.containers == 0).then_some(())
    });
}

#[test]
fn a_disk_that_gets_full_during_an_install_is_told_and_everything_else_goes_on() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let registry = Registry::start(&[]);
    let socket = e2e::world().podman_with_small_disk(24 << 20);
    let program = Program::start_with(&ProgramOptions {
        config: vec!["install_free_bytes_min = \"1MiB\"".to_owned()],
        podman_socket: Some(socket.clone()),
        ..Default::default()
    });
    let said = program.fails(&["servers", "add", "pypi:mcp-server-time", "--wait"]);
    assert!(said.contains("disk") && said.contains("room"), "{said}");
    let volumes = || {
        let socket = format!("unix://{}", socket.display());
        let output = e2e::command("podman")
            .args(["--url", &socket, "volume", "ls", "-q"])
            .output();
        output.unwrap().stdout.len()
    };
    wait_for("nothing of it is left", Duration::from_secs(30), || {
        (volumes() == 0).then_some(())
    });
    // A small package fits, on the same disk.
    drop(program);
    let program = Program::start_with(&ProgramOptions {
        config: vec!["install_free_bytes_min = \"1MiB\"".to_owned()],
        registries: Some((registry.npm(), registry.pypi())),
        podman_socket: Some(socket.clone()),
        ..Default::default()
    });
    program.add(&["npm:archestra-fixture-misbehave", "--name", "fits"]);
    assert!(program.call("fits", "echo", r#"{"text":"x"}"#).is_ok());

    // Too little room from the start is told before anything is fetched.
    let full = Program::start_with(&ProgramOptions {
        config: vec!["install_free_bytes_min = \"1GiB\"".to_owned()],
        podman_socket: Some(socket.clone()),
        ..Default::default()
    });
    let said = full.fails(&["servers", "add", "pypi:mcp-server-time", "--wait"]);
    assert!(said.contains("install_free_bytes_min"), "{said}");
}
