//! `archestra serve`, without Podman.

use std::net::TcpListener;

use rustix::process::Signal;

use crate::bed::{Bed, http, mode, text};

#[test]
fn it_answers_and_its_files_are_for_its_owner_only() {
    let bed = Bed::new();
    let (mut running, said) = bed.serve(&["--listen", "127.0.0.1:0"]);
    let access = bed.access();
    let addresses = access["addresses"].as_array().unwrap();
    assert_eq!(addresses.len(), 2);
    assert_eq!(access["address"], addresses[0]);
    assert_eq!(
        said["addresses"][0],
        format!("http://{}", access["address"].as_str().unwrap())
    );
    assert_eq!(mode(&bed.data()), 0o700);
    for name in ["access.json", "vault.key", "archestra.db", "lock"] {
        assert_eq!(mode(&bed.data().join(name)), 0o600, "{name}");
    }
    for address in addresses {
        let address = address.as_str().unwrap();
        let request =
            format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        assert_eq!(http(address, &request), (200, "ok\n".to_owned()));
    }

    running.signal(Signal::TERM);
    assert_eq!(running.end(), Some(0));
    assert!(!bed.data().join("access.json").exists());
}

#[test]
fn the_address_of_an_approval_is_a_page_with_or_without_the_ui() {
    let bed = Bed::new();
    let (_running, _) = bed.serve(&[]);
    let address = bed.access()["address"].as_str().unwrap().to_owned();
    let get = |path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/html\r\n");
        http(&address, &format!("{head}Connection: close\r\n\r\n"))
    };
    let (status, page) = get("/approvals/apr_1");
    assert!(matches!(status, 200 | 503), "{status}");
    assert!(page.contains("<title>Archestra</title>"), "{page}");
    // All that it names is carried, too.
    for name in page.split('"').filter(|it| it.starts_with('/')) {
        assert_eq!(get(name).0, 200, "{name}");
    }
}

#[test]
fn the_command_line_talks_to_it() {
    let bed = Bed::new();
    let (_running, _) = bed.serve(&[]);
    let servers = bed.run(&["servers", "list", "--json"]);
    assert_eq!(
        text(&servers.stdout),
        "{\"servers\":[]}",
        "{}",
        text(&servers.stderr)
    );

    let created = bed.run(&[
        "token", "create", "editor", "--server", "time", "--tool", "time/now",
    ]);
    assert_eq!(created.status.code(), Some(0), "{}", text(&created.stderr));
    let token = text(&created.stdout);
    let listed = text(&bed.run(&["token", "list"]).stdout);
    assert!(
        listed.contains("editor") && listed.contains("time/now"),
        "{listed}"
    );
    assert!(!listed.contains(&token));
    let again = bed.run(&["token", "create", "editor"]);
    assert!(
        text(&again.stderr).contains("`editor` exists"),
        "{}",
        text(&again.stderr)
    );
    assert_eq!(
        bed.run(&["token", "revoke", "editor"]).status.code(),
        Some(0)
    );

    let link = text(&bed.run(&["open", "--print"]).stdout);
    let address = bed.access()["address"].as_str().unwrap().to_owned();
    assert!(
        link.starts_with(&format!("http://{address}/#login=")),
        "{link}"
    );

    let missing = bed.run(&["servers", "show", "nothing"]);
    assert_eq!(missing.status.code(), Some(1));
    assert_eq!(text(&missing.stderr), "error: server `nothing` not found");
}

#[test]
fn a_second_one_points_to_the_first() {
    let bed = Bed::new();
    let (mut first, _) = bed.serve(&[]);
    let address = bed.access()["address"].as_str().unwrap().to_owned();
    let second = bed.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(0), "{}", text(&second.stderr));
    let said = text(&second.stdout);
    let pid = first.child.id();
    assert!(
        said.starts_with(&format!(
            "Archestra already answers at http://{address} (process {pid})\n"
        )),
        "{said}"
    );
    assert!(said.contains("/#login="), "{said}");
    first.signal(Signal::INT);
    assert_eq!(first.end(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_told_with_its_holder() {
    let bed = Bed::new();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let output = bed.run(&["serve", "--listen", &format!("127.0.0.1:{port}")]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    let pid = std::process::id();
    assert!(
        said.contains(&format!("error: port {port} is taken by `")),
        "{said}"
    );
    assert!(said.contains(&format!("(process {pid})")), "{said}");
    assert!(
        said.contains(&format!("`--listen 127.0.0.1:{}`", port + 1)),
        "{said}"
    );
}

#[test]
fn after_a_kill_it_starts_again() {
    let bed = Bed::new();
    let (mut first, _) = bed.serve(&[]);
    let token = bed.access()["token"].clone();
    first.signal(Signal::KILL);
    assert_eq!(first.end(), None);
    let (_second, _) = bed.serve(&[]);
    assert_ne!(bed.access()["token"], token);
    assert_eq!(bed.run(&["servers", "list"]).status.code(), Some(0));
}

#[test]
fn a_database_that_is_no_database_ends_the_start_with_a_reason() {
    let bed = Bed::new();
    let path = bed.dir.path().join("notes.txt");
    std::fs::write(&path, "these are notes").unwrap();
    let output = bed.run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database",
        path.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("notes.txt"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "these are notes");
}

#[test]
fn the_doctor_finds_that_podman_is_missing_with_and_without_the_program() {
    let bed = Bed::new();
    let without = bed.run(&["doctor", "--json", "--listen", "127.0.0.1:0"]);
    let (_running, _) = bed.serve(&[]);
    let with = bed.run(&["doctor", "--json"]);
    for output in [without, with] {
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = said["findings"].as_array().unwrap();
        let podman = findings.iter().find(|it| it["check"] == "podman").unwrap();
        assert_eq!(podman["level"], "problem", "{podman}");
        assert!(podman["fix"].is_string(), "{podman}");
    }
}
