//! What is killed and removed by others while the program runs, and what is left after that.

use std::time::Duration;

use e2e::{Client, Counts, Program, ProgramOptions, Registry, pids_with, wait_for};
use serde_json::json;

fn with_misbehave(registry: &Registry) -> Program {
    let program = Program::start_with(&ProgramOptions {
        registries: Some((registry.npm(), registry.pypi())),
        ..Default::default()
    });
    program.add(&["npm:archestra-fixture-misbehave", "--name", "victim"]);
    program.add(&["npm:archestra-fixture-misbehave", "--name", "bystander"]);
    program
}

fn podman(program: &Program, args: &[&str]) -> String {
    let output = e2e::command("podman")
        .arg("--url")
        .arg(format!(
            "unix://{}",
            program.world().podman_socket().display()
        ))
        .args(args)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Returns the container of a server.
fn container(program: &Program, slug: &str) -> String {
    let shown = program.json(&["servers", "show", slug]);
    let id = shown["id"].as_str().unwrap().to_owned();
    let instance = format!("label=archestra.instance={}", program.instance());
    let key = format!("label=archestra.key=server/{id}/shared");
    podman(
        program,
        &["ps", "--quiet", "--filter", &instance, "--filter", &key],
    )
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

fn comes_back(program: &Program, slug: &str) {
    let text = wait_for(
        &format!("`{slug}` answers"),
        Duration::from_secs(60),
        || program.call(slug, "echo", r#"{"text":"back"}"#).ok(),
    );
    assert!(text.contains("back"), "{text}");
}

#[test]
fn whatever_is_killed_comes_back_and_the_others_do_not_notice() {
    let registry = Registry::start(&[]);
    let program = with_misbehave(&registry);
    let token = program.token("client", &[]);
    let mut bystander = Client::connect(&program.address(), "/mcp/bystander", &token);
    let before = bystander.call("whoami", json!({})).unwrap();
    let inspect = |format: &str| {
        let container = container(&program, "victim");
        podman(&program, &["inspect", "--format", format, &container])
    };
    type Attack<'a> = (&'a str, Box<dyn Fn() + 'a>);
    let attacks: [Attack<'_>; 4] = [
        (
            "the server's process",
            Box::new(|| {
                let bridge: u32 = inspect("{{.State.Pid}}").parse().unwrap();
                let below = e2e::descendants(bridge);
                assert!(!below.is_empty());
                below.into_iter().for_each(kill);
            }),
        ),
        (
            "the bridge",
            Box::new(|| kill(inspect("{{.State.Pid}}").parse().unwrap())),
        ),
        (
            "conmon",
            Box::new(|| {
                let id = inspect("{{.Id}}");
                let conmon = pids_with(&id).into_iter().find(|pid| {
                    std::fs::read_to_string(format!("/proc/{pid}/comm"))
                        .is_ok_and(|it| it.trim() == "conmon")
                });
                kill(conmon.unwrap());
                kill(inspect("{{.State.Pid}}").parse().unwrap());
            }),
        ),
        (
            "the container, by hand",
            Box::new(|| {
                let id = container(&program, "victim");
                podman(&program, &["rm", "--force", "--time", "0", &id]);
            }),
        ),
    ];
    for (what, attack) in &attacks {
        comes_back(&program, "victim");
        // A call that is under way fails with a reason, and is not made twice.
        let (address, token) = (program.address(), token.clone());
        let under_way = std::thread::spawn(move || {
            let mut client = Client::connect(&address, "/mcp/victim", &token);
            client.request(
                "tools/call",
                json!({ "name": "sleep", "arguments": { "ms": 30_000 } }),
            )
        });
        wait_for("the call is under way", Duration::from_secs(10), || {
            let shown = program.json(&["servers", "show", "victim"]);
            (shown["status"]["requests"].as_u64() > Some(0)).then_some(())
        });
        attack();
        let failed = under_way.join().unwrap().unwrap_err().to_string();
        assert!(failed.contains("victim"), "after killing {what}: {failed}");
    }
    comes_back(&program, "victim");
    let after = bystander.call("whoami", json!({})).unwrap();
    assert_eq!(before, after, "the bystander was started anew");
}

#[test]
fn a_program_that_is_killed_leaves_nothing_that_its_next_start_does_not_clear_away() {
    let registry = Registry::start(&[]);
    let mut program = with_misbehave(&registry);
    comes_back(&program, "victim");
    assert_eq!(Counts::of(&program).containers, 2);
    program.kill();
    program.launch();
    wait_for(
        "containers that nobody uses are gone",
        Duration::from_secs(60),
        || (Counts::of(&program).containers == 0).then_some(()),
    );
    // Lists come from the store; the server starts with the first call.
    let tools = program.json(&["tools"]).to_string();
    assert!(tools.contains("victim__echo"), "{tools}");
    comes_back(&program, "victim");
    assert_eq!(Counts::of(&program).volumes, 2);
    assert!(program.stop());
}

#[test]
fn what_is_begun_and_ended_many_times_leaves_no_process_container_or_descriptor() {
    let registry = Registry::start(&[]);
    let program = with_misbehave(&registry);
    let token = program.token("client", &[]);
    let round = || {
        let mut client = Client::connect(&program.address(), "/mcp", &token);
        assert!(client.call("victim__crash", json!({})).is_err());
        comes_back(&program, "victim");
        program.json(&["servers", "restart", "bystander"]);
        comes_back(&program, "bystander");
        let bearer = format!("Bearer {token}");
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Mcp-Session-Id", client.session()),
        ];
        let ended = e2e::http(&program.address(), "DELETE", "/mcp", &headers, &[]).unwrap();
        assert_eq!(ended.status, 204);
    };
    round();
    let before = Counts::of(&program);
    for _ in 0..4 {
        round();
    }
    wait_for("as many as before", Duration::from_secs(30), || {
        let after = Counts::of(&program);
        let is_same = after.containers == before.containers
            && after.volumes == before.volumes
            && after.children == before.children
            && after.descriptors <= before.descriptors + 2;
        is_same.then_some(())
    });
    for slug in ["victim", "bystander"] {
        program.json(&["servers", "remove", slug]);
    }
    wait_for("nothing is left", Duration::from_secs(30), || {
        let after = Counts::of(&program);
        (after.containers == 0 && after.volumes == 0).then_some(())
    });
}
