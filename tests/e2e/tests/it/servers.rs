//! Servers from npm and PyPI, as people use them.

use std::{fs, os::unix::fs::chown};

use e2e::{Client, Program, Site, wait_for};
use serde_json::json;

/// The folders that tests give to servers belong to the user inside, whoever runs the tests.
pub(crate) fn folder_for_servers(program: &Program, name: &str) -> String {
    let path = program.directory().join(name);
    fs::create_dir(&path).unwrap();
    let parent = program.directory();
    let mut mode = fs::metadata(parent).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
    fs::set_permissions(parent, mode).unwrap();
    if rustix::process::getuid().is_root() {
        chown(&path, Some(1000), Some(1000)).unwrap();
    }
    path.display().to_string()
}

#[test]
fn servers_from_npm_are_installed_and_called() {
    let program = Program::start();
    program.add(&["npm:@modelcontextprotocol/server-everything"]);
    assert_eq!(
        program
            .call("everything", "echo", r#"{"message":"hello"}"#)
            .unwrap(),
        "Echo: hello"
    );

    program.add(&[
        "npm:@modelcontextprotocol/server-memory",
        "--env",
        "MEMORY_FILE_PATH=/tmp/memory.json",
    ]);
    let entity =
        r#"{"entities":[{"name":"arch","entityType":"thing","observations":["of stone"]}]}"#;
    program.call("memory", "create_entities", entity).unwrap();
    let graph = program.call("memory", "read_graph", "{}").unwrap();
    assert!(graph.contains("of stone"), "{graph}");

    let tools = program.json(&["tools"]);
    let text = tools.to_string();
    assert!(
        text.contains("everything__echo") && text.contains("memory__read_graph"),
        "{text}"
    );
    let token = program.token("both", &[]);
    let mut client = Client::connect(&program.address(), "/mcp", &token);
    let echoed = client.call("everything__echo", json!({ "message": "from a client" }));
    assert_eq!(echoed.unwrap(), "Echo: from a client");
    let mut client = Client::connect(&program.address(), "/mcp/everything", &token);
    assert_eq!(
        client.call("echo", json!({ "message": "bare" })).unwrap(),
        "Echo: bare"
    );
    assert!(
        client
            .call("everything__echo", json!({ "message": "bare" }))
            .is_err()
    );
}

#[test]
fn a_folder_is_read_only_or_not_as_the_person_said() {
    let program = Program::start();
    let notes = folder_for_servers(&program, "notes");
    fs::write(format!("{notes}/a.txt"), "the first note").unwrap();
    let give = |access: &str| format!("{notes}:/data:{access}");

    let ro = give("ro");
    program.add(&[
        "npm:@modelcontextprotocol/server-filesystem",
        "--name",
        "fs-ro",
        "--folder",
        &ro,
        "--arg",
        "/data",
    ]);
    let read = program
        .call("fs-ro", "read_text_file", r#"{"path":"/data/a.txt"}"#)
        .unwrap();
    assert!(read.contains("the first note"), "{read}");
    let refused = program
        .call(
            "fs-ro",
            "write_file",
            r#"{"path":"/data/b.txt","content":"x"}"#,
        )
        .unwrap_err();
    assert!(
        refused.contains("EROFS") || refused.contains("read-only"),
        "{refused}"
    );

    let rw = give("rw");
    program.add(&[
        "npm:@modelcontextprotocol/server-filesystem",
        "--name",
        "fs-rw",
        "--folder",
        &rw,
        "--arg",
        "/data",
    ]);
    program
        .call(
            "fs-rw",
            "write_file",
            r#"{"path":"/data/b.txt","content":"the second"}"#,
        )
        .unwrap();
    assert_eq!(
        fs::read_to_string(format!("{notes}/b.txt")).unwrap(),
        "the second"
    );
}

#[test]
fn a_folder_that_nobody_inside_can_use_is_refused_with_the_fix() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let program = Program::start();
    let closed = folder_for_servers(&program, "closed");
    chown(&closed, Some(0), Some(0)).unwrap();
    let mut mode = fs::metadata(&closed).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o700);
    fs::set_permissions(&closed, mode).unwrap();
    let folder = format!("{closed}:/data:ro");
    let said = program.fails(&[
        "servers",
        "add",
        "npm:@modelcontextprotocol/server-filesystem",
        "--name",
        "shut",
        "--folder",
        &folder,
        "--arg",
        "/data",
        "--wait",
    ]);
    assert!(said.contains(&closed) && said.contains("ch"), "{said}");
}

#[test]
fn servers_from_pypi_are_installed_and_called() {
    let program = Program::start();
    program.add(&[
        "pypi:mcp-server-time",
        "--arg=--local-timezone",
        "--arg",
        "UTC",
    ]);
    let time = program
        .call(
            "time",
            "get_current_time",
            r#"{"timezone":"Europe/Berlin"}"#,
        )
        .unwrap();
    assert!(time.contains("Europe/Berlin"), "{time}");

    let repository = folder_for_servers(&program, "repository");
    let init = e2e::command("git")
        .args(["init", "--quiet", &repository])
        .output()
        .unwrap();
    assert!(init.status.success());
    fs::write(format!("{repository}/new.txt"), "x").unwrap();
    if rustix::process::getuid().is_root() {
        let owned = e2e::command("chown")
            .args(["-R", "1000:1000", &repository])
            .output();
        assert!(owned.unwrap().status.success());
    }
    let folder = format!("{repository}:/repository:ro");
    program.add(&[
        "pypi:mcp-server-git",
        "--folder",
        &folder,
        "--arg=--repository",
        "--arg",
        "/repository",
    ]);
    let status = program
        .call("git", "git_status", r#"{"repo_path":"/repository"}"#)
        .unwrap();
    assert!(status.contains("new.txt"), "{status}");
}

#[test]
fn a_server_reaches_the_host_that_a_person_has_allowed_and_no_other() {
    let site = Site::start();
    let other = Site::start();
    let program = Program::start();
    program.add(&[
        "pypi:mcp-server-fetch",
        "--allow",
        &site.host(),
        "--arg=--ignore-robots-txt",
    ]);
    let fetch = |site: &Site| {
        let arguments = json!({ "url": site.url("/page"), "raw": true }).to_string();
        program.call("fetch", "fetch", &arguments)
    };
    let page = fetch(&site).unwrap();
    assert!(page.contains("The quick brown fixture"), "{page}");

    let refused = fetch(&other);
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(other.requests().len(), 0);
    let audited = wait_for(
        "the refusal is in the audit",
        std::time::Duration::from_secs(5),
        || {
            let path = "/api/v1/audit?kind=egress.refused";
            let bearer = format!("Bearer {}", program.owner_token());
            let answer = e2e::http(
                &program.address(),
                "GET",
                path,
                &[("Authorization", &bearer)],
                &[],
            );
            let text = answer.unwrap().text();
            text.contains(&other.host()).then_some(text)
        },
    );
    assert!(audited.contains("fetch"), "{audited}");
    let log = program.cli(&["servers", "logs", "fetch"]);
    let log = String::from_utf8_lossy(&log.stdout).into_owned();
    assert!(log.contains("archestra servers allow fetch"), "{log}");

    // Allowed while it runs: the next connection passes, and nothing is started anew.
    program.json(&["servers", "allow", "fetch", &other.host()]);
    assert!(fetch(&other).unwrap().contains("The quick brown fixture"));
    program.json(&["servers", "disallow", "fetch", &other.host()]);
    assert!(fetch(&other).is_err());
}

#[test]
fn a_secret_reaches_the_process_and_nothing_else() {
    let registry = e2e::Registry::start(&[]);
    let program = Program::start_with(&e2e::ProgramOptions {
        registries: Some((registry.npm(), registry.pypi())),
        ..Default::default()
    });
    let add = [
        "servers",
        "add",
        "npm:archestra-fixture-misbehave",
        "--name",
        "sealed",
        "--secret",
        "API_KEY",
    ];
    let refused = program.cli_with_input(&add, "hunter2-canary\n");
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("--give-secret-in-clear"), "{said}");

    let mut add = add.to_vec();
    add.push("--give-secret-in-clear");
    let added = program.cli_with_input(&add, "hunter2-canary\n");
    assert!(
        added.status.success(),
        "{}",
        String::from_utf8_lossy(&added.stderr)
    );
    let value = program
        .call("sealed", "env", r#"{"name":"API_KEY"}"#)
        .unwrap();
    assert!(value.contains("hunter2-canary"), "{value}");

    // Not on disk, not in the log, not in any answer, not in the container's own description.
    let found = e2e::command("grep")
        .args(["-r", "-l", "hunter2-canary"])
        .arg(program.directory())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    let shown = program.json(&["servers", "show", "sealed"]).to_string();
    assert!(
        shown.contains("API_KEY") && !shown.contains("hunter2"),
        "{shown}"
    );
    let inspected = e2e::command("sh")
        .arg("-c")
        .arg("podman --url \"unix://$0\" ps -q | xargs podman --url \"unix://$0\" inspect")
        .arg(program.world().podman_socket())
        .output()
        .unwrap();
    let inspected = String::from_utf8_lossy(&inspected.stdout).into_owned();
    assert!(
        inspected.contains("archestra.key") && !inspected.contains("hunter2"),
        "{inspected}"
    );
}

#[test]
fn what_a_server_gets_and_may_take_is_changed_while_it_stays_installed() {
    let registry = e2e::Registry::start(&[]);
    let program = Program::start_with(&e2e::ProgramOptions {
        registries: Some((registry.npm(), registry.pypi())),
        ..Default::default()
    });
    let notes = folder_for_servers(&program, "notes");
    fs::write(format!("{notes}/a.txt"), "the first note").unwrap();
    program.add(&["npm:archestra-fixture-misbehave", "--name", "changing"]);
    let show = || program.json(&["servers", "show", "changing"]);
    let variable = |name: &str| {
        let arguments = json!({ "name": name }).to_string();
        let answer = program.call("changing", "env", &arguments).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer["value"].clone()
    };
    let before = show();
    assert_eq!(variable("LEVEL"), json!(null));

    let folder = format!("{notes}:/notes:ro");
    let set = ["servers", "set", "changing", "--title", "Mine"];
    let more = ["--env", "LEVEL=2", "--memory", "96MiB", "--folder", &folder];
    program.json(&[&set[..], &more[..]].concat());
    let after = show();
    assert_eq!(after["title"], "Mine");
    assert_eq!(after["install"]["id"], before["install"]["id"]);
    assert_eq!(variable("LEVEL"), "2");
    let container = e2e::command("sh")
        .arg("-c")
        .arg("podman --url \"unix://$0\" ps -q | xargs podman --url \"unix://$0\" inspect")
        .arg(program.world().podman_socket())
        .output()
        .unwrap();
    let container: serde_json::Value = serde_json::from_slice(&container.stdout).unwrap();
    let container = container.as_array().unwrap().iter();
    let mut container = container.filter(|it| it.to_string().contains(&program.instance()));
    let container = container.next().expect("it runs");
    assert_eq!(container["HostConfig"]["Memory"], 96 << 20);
    assert!(container["Mounts"].to_string().contains("/notes"));

    let secret = ["servers", "secret", "set", "changing", "API_KEY"];
    let refused = program.cli_with_input(&secret, "hunter2-canary\n");
    assert!(!refused.status.success());
    let secret = [&secret[..], &["--give-secret-in-clear"]].concat();
    for value in ["hunter2-canary", "hunter3-canary"] {
        program.json_with_input(&secret, &format!("{value}\n"));
        assert_eq!(variable("API_KEY"), value);
    }
    program.json(&["servers", "secret", "remove", "changing", "API_KEY"]);
    assert_eq!(variable("API_KEY"), json!(null));
}
