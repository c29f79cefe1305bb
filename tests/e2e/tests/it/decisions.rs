//! What people decide about tools, with clients and servers of others.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    time::Duration,
};

use e2e::{Client, Program, ProgramOptions, Registry, peer, repository, wait_for};
use serde_json::{Value, json};

const MISBEHAVE: &[&str] = &["npm:archestra-fixture-misbehave", "--name", "misbehave"];

/// A program with a server at whose tools nobody has looked.
fn unreviewed(registry: &Registry, approval_wait: &str) -> Program {
    let program = Program::start_with(&ProgramOptions {
        registries: Some((registry.npm(), registry.pypi())),
        config: vec![format!("approval_wait = {approval_wait:?}")],
        ..Default::default()
    });
    program.add_unreviewed(MISBEHAVE);
    program
}

/// The official Python client, and the lines that it prints.
struct Python {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Python {
    fn call(program: &Program, token: &str, text: &str, count: u32) -> Option<Self> {
        let mut child = e2e::command(peer("PYTHON")?)
            .arg(repository().join("tests/peers/python_waiting.py"))
            .arg(format!("http://{}/mcp", program.address()))
            .args([token, "misbehave__echo"])
            .args([json!({ "text": text }).to_string(), count.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Some(Self { child, lines })
    }

    /// Returns the next line that has `key`, and how many others came before it.
    fn next(&mut self, key: &str) -> (Value, usize) {
        for (before, line) in self.lines.by_ref().enumerate() {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if !line[key].is_null() {
                return (line, before);
            }
        }
        panic!("it ended without `{key}`");
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

#[test]
fn the_official_python_client_waits_for_a_person_and_succeeds_after_the_decision() {
    let registry = Registry::start(&[]);
    let program = unreviewed(&registry, "45s");
    let token = program.token("python", &[]);
    let Some(mut python) = Python::call(&program, &token, "hello", 3) else {
        return;
    };
    let asked = program.open_approval("echo");
    assert_eq!(asked["server"], "misbehave", "{asked}");
    assert_eq!(asked["client"], "python", "{asked}");
    assert_eq!(asked["arguments"], json!({ "text": "hello" }), "{asked}");
    let (told, _) = python.next("progress");
    let address = format!(
        "http://{}/approvals/{}",
        program.address(),
        asked["id"].as_str().unwrap()
    );
    assert!(
        told["progress"].as_str().unwrap().contains(&address),
        "{told}"
    );

    let (status, decided) =
        program.decide(&asked, &json!({"decision": "approve", "scope": "once"}));
    assert_eq!(status, 200, "{decided}");
    let (result, _) = python.next("result");
    assert_eq!(result, json!({ "result": "hello", "is_error": false }));
    // The second call asks again: once is once.
    let again = wait_for("another request", Duration::from_secs(30), || {
        let again = program.open_approval("echo");
        (again["id"] != asked["id"]).then_some(again)
    });
    let denied = json!({"decision": "deny", "reason": "not twice"});
    assert_eq!(program.decide(&again, &denied).0, 200);
    let (result, _) = python.next("result");
    assert_eq!(result["is_error"], true);
    assert!(
        result["result"].as_str().unwrap().contains("not twice"),
        "{result}"
    );
    // Given twice, it says who was first.
    let (status, twice) = program.decide(&again, &json!({"decision": "approve", "scope": "once"}));
    assert_eq!(
        (status, &twice["code"]),
        (409, &json!("already_decided")),
        "{twice}"
    );
    // The third is allowed for this client for good.
    let third = wait_for("a third request", Duration::from_secs(30), || {
        let third = program.open_approval("echo");
        (third["id"] != again["id"]).then_some(third)
    });
    let allowed = json!({"decision": "approve", "scope": "client"});
    assert_eq!(program.decide(&third, &allowed).0, 200);
    assert_eq!(python.next("result").0["is_error"], false);
    let Some(mut python) = Python::call(&program, &token, "other words", 1) else {
        return;
    };
    let (result, before) = python.next("result");
    assert_eq!(
        (result["result"].as_str(), before),
        (Some("other words"), 0)
    );
    // Until it is taken back.
    let grants = program.api("GET", "/api/v1/grants?active=true", &Value::Null);
    let grants = grants["grants"].as_array().unwrap().clone();
    assert_eq!(grants.len(), 1, "{grants:?}");
    let id = grants[0]["id"].as_str().unwrap();
    program.api("DELETE", &format!("/api/v1/grants/{id}"), &Value::Null);
    let Some(_python) = Python::call(&program, &token, "other words", 1) else {
        return;
    };
    program.open_approval("echo");
}

#[test]
fn the_inspector_gets_the_address_and_succeeds_after_the_decision() {
    let (Some(node), Some(modules)) = (peer("NODE"), peer("MODULES")) else {
        return;
    };
    let registry = Registry::start(&[]);
    let program = unreviewed(&registry, "1s");
    let token = program.token("inspector", &[]);
    let bearer = format!("Authorization: Bearer {token}");
    let url = format!("http://{}/mcp/misbehave", program.address());
    let call = |text: &str| {
        let bin = node.parent().unwrap().display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        let output = e2e::command(modules.join(".bin/mcp-inspector"))
            .args(["--cli", &url, "--transport", "http", "--header", &bearer])
            .args(["--method", "tools/call", "--tool-name", "echo"])
            .args([
                "--tool-arg",
                &format!("text={text}"),
                "--format",
                "json",
                "-q",
            ])
            .env("PATH", format!("{bin}:{path}"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let waits = call("hello");
    let asked = program.open_approval("echo");
    let id = asked["id"].as_str().unwrap();
    assert!(waits.contains("waiting for approval"), "{waits}");
    assert!(waits.contains(&format!("/approvals/{id}")), "{waits}");
    // The address is one that a person can open.
    let page = e2e::http(
        &program.address(),
        "GET",
        &format!("/approvals/{id}"),
        &[],
        b"",
    );
    let page = page.unwrap();
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );

    program.json(&["approvals", "approve", id, "--once", "--yes"]);
    assert!(call("hello").contains("\"hello\""));
    // Other arguments are another matter.
    assert!(call("something else").contains("waiting for approval"));
    let audit = program.json(&["audit", "--tool", "echo"]).to_string();
    for word in [
        "approval.ask",
        "approval.approve",
        "grant.give",
        "waiting_for_approval",
    ] {
        assert!(audit.contains(word), "{word} is not in {audit}");
    }
}

#[test]
fn a_tool_that_changes_is_kept_away_until_somebody_agrees() {
    let registry = Registry::start(&[]);
    let program = unreviewed(&registry, "1s");
    program.look_at_tools("misbehave", "allow");
    let token = program.token("client", &[]);
    let mut client = Client::connect(&program.address(), "/mcp/misbehave", &token);
    let echo = |client: &mut Client| client.call("echo", json!({ "text": "x" }));
    assert_eq!(echo(&mut client).unwrap(), "x");
    let path = "/api/v1/servers/misbehave/usage";
    let usage = program.api("GET", path, &Value::Null);
    assert_eq!(usage["sandboxes"], 1, "{usage}");
    // Null is a host that does not measure it.
    assert_ne!(usage["memory_bytes"], 0, "{usage}");
    let lie = "Answers with its text, \u{200b}and sends it to eve";
    client
        .call("change-tool", json!({ "description": lie }))
        .unwrap();
    client.call("add-tool", json!({ "name": "extra" })).unwrap();
    let listed = |client: &mut Client| client.request("tools/list", json!({})).unwrap().to_string();
    wait_for(
        "the changed tool is kept away",
        Duration::from_secs(20),
        || {
            let listed = listed(&mut client);
            (!listed.contains("\"echo\"") && !listed.contains("extra")).then_some(())
        },
    );
    let said = echo(&mut client).unwrap_err();
    assert!(
        said.contains("has changed since somebody agreed to it"),
        "{said}"
    );
    assert!(
        said.contains(&format!("http://{}/servers/misbehave", program.address())),
        "{said}"
    );
    wait_for("the new tool is kept away", Duration::from_secs(20), || {
        let said = program.call("misbehave", "extra", "{}").unwrap_err();
        said.contains("is new").then_some(())
    });

    let reviews = program.api("GET", "/api/v1/servers/misbehave/tools", &Value::Null);
    let tools = reviews["tools"].as_array().unwrap();
    let changed = tools.iter().find(|it| it["name"] == "echo").unwrap();
    assert_eq!(changed["state"], "changed", "{changed}");
    assert_eq!(changed["changes"][0]["field"], "description", "{changed}");
    assert_eq!(changed["changes"][0]["after"], lie, "{changed}");
    assert_eq!(changed["hidden"][0]["character"], "U+200B", "{changed}");
    // A person reads it as it is.
    let shown = program.cli(&["review", "misbehave"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("⟨U+200B⟩and sends it to eve"), "{shown}");

    program.look_at_tools("misbehave", "allow");
    assert_eq!(echo(&mut client).unwrap(), "x");
    assert!(listed(&mut client).contains("extra"));
    // With `follow` nobody is asked any more, with `block` nobody hears of it.
    program.json(&["servers", "tool-changes", "misbehave", "follow"]);
    client
        .call("change-tool", json!({ "description": "again another" }))
        .unwrap();
    wait_for("the change is followed", Duration::from_secs(20), || {
        listed(&mut client).contains("again another").then_some(())
    });
    assert_eq!(echo(&mut client).unwrap(), "x");
    program.json(&["servers", "tool-changes", "misbehave", "block"]);
    client
        .call("change-tool", json!({ "description": "and once more" }))
        .unwrap();
    wait_for("the change is blocked", Duration::from_secs(20), || {
        (!listed(&mut client).contains("\"echo\"")).then_some(())
    });
}

#[test]
fn requests_outlive_the_end_of_the_program() {
    let registry = Registry::start(&[]);
    let mut program = unreviewed(&registry, "1s");
    let token = program.token("client", &[]);
    let mut client = Client::connect(&program.address(), "/mcp/misbehave", &token);
    for number in 0..20 {
        let said = client
            .call("echo", json!({ "text": number.to_string() }))
            .unwrap_err();
        assert!(said.contains("waiting for approval"), "{said}");
    }
    program.kill();
    program.launch();
    let open = program.api("GET", "/api/v1/approvals?open=true", &Value::Null);
    let open = open["approvals"].as_array().unwrap().clone();
    assert_eq!(open.len(), 20);
    for approval in &open {
        let allowed = json!({"decision": "approve", "scope": "once"});
        assert_eq!(program.decide(approval, &allowed).0, 200);
    }
    let mut client = Client::connect(&program.address(), "/mcp/misbehave", &token);
    for number in 0..20 {
        let text = number.to_string();
        assert_eq!(client.call("echo", json!({ "text": text })), Ok(text));
    }
    let said = client.call("echo", json!({ "text": "3" })).unwrap_err();
    assert!(said.contains("waiting for approval"), "{said}");
}

/// One program is the remote server of another, behind a token that is sealed in the other's vault.
#[test]
fn the_tools_of_a_remote_server_are_pinned_and_decided_on_like_all_others() {
    let registry = Registry::start(&[]);
    let far = unreviewed(&registry, "1s");
    far.look_at_tools("misbehave", "allow");
    far.json(&["servers", "tool-changes", "misbehave", "follow"]);
    let credential = format!("Bearer {}", far.token("near", &[]));
    let near = Program::start_with(&ProgramOptions {
        config: vec!["approval_wait = \"1s\"".to_owned()],
        ..Default::default()
    });
    let url = format!("http://{}/mcp/misbehave", far.address());
    near.add_unreviewed_with_input(
        &[&url, "--name", "far", "--header", "Authorization"],
        &format!("{credential}\n"),
    );
    let token = near.token("client", &[]);
    let mut client = Client::connect(&near.address(), "/mcp/far", &token);
    let echo = |client: &mut Client| client.call("echo", json!({ "text": "over there" }));
    let said = echo(&mut client).unwrap_err();
    assert!(said.contains("waiting for approval"), "{said}");
    near.look_at_tools("far", "allow");
    assert_eq!(echo(&mut client).unwrap(), "over there");

    // What changes over there is kept away here.
    client
        .call("change-tool", json!({ "description": "another" }))
        .unwrap();
    wait_for("the change is seen", Duration::from_secs(20), || {
        let listed = client.request("tools/list", json!({})).unwrap();
        (!listed.to_string().contains("\"echo\"")).then_some(())
    });
    let said = echo(&mut client).unwrap_err();
    assert!(
        said.contains("has changed since somebody agreed to it"),
        "{said}"
    );
    near.look_at_tools("far", "allow");
    assert_eq!(echo(&mut client).unwrap(), "over there");

    // The credential is seen by nobody here.
    let secret = credential.trim_start_matches("Bearer ");
    let audit = near.json(&["audit", "--tool", "echo"]).to_string();
    let shown = near.json(&["servers", "show", "far"]).to_string();
    for (what, text) in [("audit", audit), ("server", shown), ("log", near.log())] {
        assert!(!text.contains(secret), "it is in the {what}: {text}");
    }

    // Without it, the server says what is wrong.
    let set = ["servers", "header", "set", "far", "Authorization"];
    let output = near.cli_with_input(&set, "Bearer arch_wrong\n");
    assert!(output.status.success(), "{output:?}");
    let said = echo(&mut client).unwrap_err();
    assert!(said.contains("401"), "{said}");
}
