//! What a process in a sandbox can reach: nothing.

use e2e::{Program, ProgramOptions, Registry, Site};
use serde_json::Value;

/// What the prober finds possible, each with the reason why that is no way out.
const POSSIBLE: [&str; 13] = [
    // A server can end its own sandbox, and nobody else's.
    "pid1.signal",
    // The socket takes a connection and ends it at once: it is not the bridge's. Nothing answers.
    "line.connect",
    // The host that a person has allowed.
    "proxy.connect.allowed",
    "proxy.request.allowed",
    // The bridge's program, which is no secret; its memory and environment are not readable.
    "read.bridge",
    // Memory of the sandbox itself, bounded by its limit.
    "scratch./dev/mqueue",
    "scratch./dev/shm",
    "scratch./tmp",
    "write.cwd",
    "write.home",
    // Open under the container runtime's default seccomp profile, and of no use without a network
    // and capabilities; a tighter profile comes with stronger isolation.
    "net.vsock.socket",
    "read./proc/kallsyms",
    "keyctl",
];

/// Attempts about the process itself, which tell and open nothing.
const ABOUT_ITSELF: [&str; 5] = ["env", "mounts", "cgroup", "net.loopback", "namespace"];

#[test]
fn a_process_in_a_sandbox_tries_everything_and_gets_nowhere() {
    let registry = Registry::start(&[]);
    let site = Site::start();
    let program = Program::start_with(&ProgramOptions {
        registries: Some((registry.npm(), registry.pypi())),
        ..Default::default()
    });
    program.add(&[
        "pypi:archestra-fixture-probe",
        "--name",
        "probe",
        "--allow",
        &site.host(),
        "--call-timeout",
        "120s",
    ]);
    let arguments = format!(r#"{{"allowed":"{}"}}"#, site.host());
    let text = program.call("probe", "probe", &arguments).unwrap();
    let tried: Value = serde_json::from_str(&text).unwrap_or_else(|err| panic!("{err}: {text}"));
    let tried = tried.as_object().unwrap();
    assert!(tried.len() > 30, "{} attempts", tried.len());

    let escaped: Vec<_> = tried
        .iter()
        .filter(|(_, it)| it["ok"] == true)
        .filter(|(name, _)| !POSSIBLE.contains(&name.as_str()))
        .filter(|(name, _)| !ABOUT_ITSELF.iter().any(|it| name.starts_with(it)))
        .collect();
    assert!(escaped.is_empty(), "{escaped:#?}");
    let unsure: Vec<_> = tried.iter().filter(|(_, it)| it["ok"].is_null()).collect();
    assert!(unsure.len() <= 3, "{unsure:#?}");

    // What crossed the door is in the audit, and what did not is there as refused.
    let path = "/api/v1/audit?kind=egress.refused";
    let bearer = format!("Bearer {}", program.owner_token());
    let audit = e2e::http(
        &program.address(),
        "GET",
        path,
        &[("Authorization", &bearer)],
        &[],
    );
    let audit = audit.unwrap().text();
    assert!(audit.contains("169.254.169.254"), "{audit}");

    let bounded: Value =
        serde_json::from_str(&program.call("probe", "forks", r#"{"n":2000}"#).unwrap()).unwrap();
    assert!(bounded["succeeded"].as_u64() < Some(300), "{bounded}");
    let bounded: Value =
        serde_json::from_str(&program.call("probe", "fill", r#"{"mb":2000}"#).unwrap()).unwrap();
    assert!(bounded["written_mb"].as_u64() <= Some(256), "{bounded}");
}

#[test]
fn a_package_that_is_hostile_when_installed_and_when_run_takes_nothing_away() {
    let registry = Registry::start(&[]);
    let program = Program::start_with(&ProgramOptions {
        registries: Some((registry.npm(), registry.pypi())),
        ..Default::default()
    });
    let added = program.cli(&[
        "servers",
        "add",
        "npm:archestra-fixture-hostile",
        "--name",
        "hostile",
        "--build-scripts",
        "run",
        "--wait",
    ]);
    assert!(
        added.status.success(),
        "{}",
        String::from_utf8_lossy(&added.stderr)
    );
    let attempts = program.call("hostile", "attempts", "{}").unwrap();
    let attempts: Value =
        serde_json::from_str(&attempts).unwrap_or_else(|err| panic!("{err}: {attempts}"));
    let text = attempts.to_string();
    let mut got_away = Vec::new();
    collect(&attempts, &mut got_away);
    assert!(got_away.is_empty(), "{got_away:#?}");
    assert!(text.contains("exfil.test"), "{text}");
    let path = "/api/v1/audit?kind=egress.refused&limit=500";
    let bearer = format!("Bearer {}", program.owner_token());
    let audit = e2e::http(
        &program.address(),
        "GET",
        path,
        &[("Authorization", &bearer)],
        &[],
    );
    assert!(audit.unwrap().text().contains("exfil.test"));
}

/// Collects the network attempts that say that they succeeded.
fn collect(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(map) => {
            let what = map.get("what").and_then(Value::as_str).unwrap_or_default();
            let is_network =
                !what.starts_with("read") && !what.starts_with("environment") && !what.is_empty();
            if is_network && map.get("ok") == Some(&Value::Bool(true)) {
                found.push(value.clone());
            }
            map.values().for_each(|it| collect(it, found));
        }
        Value::Array(all) => all.iter().for_each(|it| collect(it, found)),
        _ => {}
    }
}
