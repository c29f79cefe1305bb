//! Clients that others have written, and clients that do what clients must not.

use std::{path::Path, process::Output};

use e2e::{Program, ProgramOptions, Registry, peer, repository};
use serde_json::Value;

fn with_misbehave(registry: &Registry) -> Program {
    let program = Program::start_with(&ProgramOptions {
        registries: Some((registry.npm(), registry.pypi())),
        ..Default::default()
    });
    program.add(&["npm:archestra-fixture-misbehave", "--name", "misbehave"]);
    program
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .filter_map(|it| serde_json::from_str(it).ok())
        .collect()
}

#[test]
fn the_official_python_client_finds_everything_that_the_protocol_has() {
    let Some(python) = peer("PYTHON") else { return };
    let registry = Registry::start(&[]);
    let program = with_misbehave(&registry);
    let token = program.token("python", &[]);
    for (path, prefix) in [("/mcp", "misbehave__"), ("/mcp/misbehave", "")] {
        let url = format!("http://{}{path}", program.address());
        let output = e2e::command(&python)
            .arg(repository().join("tests/peers/python_client.py"))
            .args([&url, &token, "--prefix", prefix, "--mode", "legacy"])
            .output()
            .unwrap();
        let checks = lines(&output);
        let failed: Vec<&Value> = checks.iter().filter(|it| it["ok"] != true).collect();
        assert!(failed.is_empty(), "at {path}: {failed:#?}");
        assert!(
            checks.len() >= 20,
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success());
    }
}

fn inspector(node: &Path, modules: &Path, args: &[&str], program: &Program) -> Output {
    let bin = node.parent().unwrap().display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    // The inspector gives a server that it starts no variables but those that it is told.
    let data = format!("ARCHESTRA_DATA_DIR={}", program.data().display());
    let config = program.directory().join("config.toml");
    let config = format!("ARCHESTRA_CONFIG={}", config.display());
    let variables: &[&str] = match args[0].starts_with("http") {
        true => &[],
        false => &["-e", &data, "-e", &config],
    };
    e2e::command(modules.join(".bin/mcp-inspector"))
        .arg("--cli")
        .args(variables)
        .args(args)
        .args(["--format", "json", "-q"])
        .env("PATH", format!("{bin}:{path}"))
        .output()
        .unwrap()
}

#[test]
fn the_inspector_lists_and_calls_over_http_and_over_connect() {
    let (Some(node), Some(modules)) = (peer("NODE"), peer("MODULES")) else {
        return;
    };
    let registry = Registry::start(&[]);
    let program = with_misbehave(&registry);
    let token = program.token("inspector", &[]);
    let bearer = format!("Authorization: Bearer {token}");
    let call = |args: &[&str], tool: &str| {
        let mut args = args.to_vec();
        args.extend([
            "--method",
            "tools/call",
            "--tool-name",
            tool,
            "--tool-arg",
            "text=hello",
        ]);
        let output = inspector(&node, &modules, &args, &program);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && text.contains("hello"),
            "{args:?}: {text} {error}"
        );
    };
    let all = format!("http://{}/mcp", program.address());
    let one = format!("{all}/misbehave");
    call(
        &[&all, "--transport", "http", "--header", &bearer],
        "misbehave__echo",
    );
    call(&[&one, "--transport", "http", "--header", &bearer], "echo");
    let archestra = program
        .command()
        .get_program()
        .to_string_lossy()
        .into_owned();
    call(&[&archestra, "connect"], "misbehave__echo");
    call(&[&archestra, "connect", "misbehave"], "echo");

    let refused = inspector(
        &node,
        &modules,
        &[&all, "--transport", "http", "--method", "tools/list"],
        &program,
    );
    assert!(!refused.status.success());
}

#[test]
fn what_clients_must_not_do_is_refused_and_the_others_go_on() {
    let registry = Registry::start(&[]);
    let program = with_misbehave(&registry);
    let ours = program.token("ours", &[]);
    let theirs = program.token("theirs", &["--principal", "somebody"]);
    let url = format!("http://{}/mcp", program.address());
    let output = e2e::command("python3")
        .arg(repository().join("tests/peers/hammer.py"))
        .args([
            &url,
            "--token",
            &ours,
            "--token",
            &theirs,
            "--prefix",
            "misbehave__",
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let cases = lines(&output);
    assert!(cases.len() > 100, "{} cases", cases.len());

    let mut wrong = Vec::new();
    for case in &cases {
        let name = case["case"].as_str().unwrap_or_default();
        let status = case["status"].as_u64();
        let (group, rest) = name.split_once('.').unwrap_or((name, ""));
        let is_right = match group {
            "wrong_host" | "wrong_origin"
                if rest.starts_with("own") || rest.starts_with("none") =>
            {
                status == Some(200)
            }
            // Names of this machine's own loopback are right ones.
            "wrong_host" if matches!(rest, "localhost" | "v6_loopback") => status == Some(200),
            "wrong_host" => {
                matches!(status, Some(400 | 403 | 404 | 421)) || case["error"].is_string()
            }
            "wrong_origin" => status == Some(403),
            "no_token" => status == Some(401),
            "foreign_session" if rest.starts_with("own") => matches!(status, Some(200 | 202 | 204)),
            "foreign_session" if matches!(rest, "none" | "twice") => status == Some(400),
            "foreign_session" => matches!(status, Some(404 | 403)),
            "after" => status == Some(200),
            // What is the server's alone is carried as it was sent; what is nobody's is left out.
            "duplicate_keys" | "case_variant_keys"
                if matches!(rest, "inside_arguments" | "unknown" | "folded") =>
            {
                status == Some(200)
            }
            "duplicate_keys" | "case_variant_keys" => {
                status == Some(400) || case["body"].to_string().contains("-326")
            }
            _ => status != Some(500),
        };
        if !is_right {
            wrong.push(case);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let crossed = cases
        .iter()
        .filter(|it| it["crossed"].as_u64().is_some_and(|it| it > 0));
    assert_eq!(crossed.count(), 0);
}

#[test]
fn a_token_opens_what_it_names_and_nothing_after_it_is_revoked() {
    let registry = Registry::start(&[]);
    let program = with_misbehave(&registry);
    let narrow = program.token("narrow", &["--tool", "misbehave/echo"]);
    let mut client = e2e::Client::connect(&program.address(), "/mcp", &narrow);
    let listed = client.request("tools/list", serde_json::json!({})).unwrap();
    assert_eq!(listed["tools"].as_array().unwrap().len(), 1, "{listed}");
    let text = serde_json::json!({ "text": "x" });
    assert!(client.call("misbehave__echo", text.clone()).is_ok());
    assert!(
        client
            .call("misbehave__whoami", serde_json::json!({}))
            .is_err()
    );

    program.json(&["token", "revoke", "narrow"]);
    let ping = serde_json::json!({ "jsonrpc": "2.0", "id": 9, "method": "ping" });
    assert_eq!(client.post(&ping).status, 401);
    let listed = program.json(&["token", "list"]).to_string();
    assert!(!listed.contains(&narrow), "{listed}");
}
