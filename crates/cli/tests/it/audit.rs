//! `archestra audit`.

use crate::bed::{Bed, mode, text};

#[test]
fn what_happened_is_shown_and_carried_out() {
    let bed = Bed::new();
    let (_running, _) = bed.serve(&[]);
    for name in ["editor", "other"] {
        let created = bed.run(&["token", "create", name]);
        assert_eq!(created.status.code(), Some(0), "{}", text(&created.stderr));
    }
    bed.run(&["token", "revoke", "other"]);

    let shown = text(
        &bed.run(&["audit", "--kind", "token", "--client", "command line"])
            .stdout,
    );
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 4, "{shown}");
    assert!(lines[0].starts_with("TIME (UTC)"), "{shown}");
    let words = |line: &str| {
        let words = line.split_whitespace().skip(2);
        words.take(4).collect::<Vec<_>>().join(" ")
    };
    assert!(lines[1].contains(" editor "), "{shown}");
    // The newest is the last.
    assert_eq!(words(lines[1]), "token.create command line -");
    assert_eq!(words(lines[3]), "token.revoke command line -");
    let newest = bed.run(&["audit", "--kind=token.create", "-n", "1", "--json"]);
    let newest: serde_json::Value = serde_json::from_slice(&newest.stdout).unwrap();
    assert_eq!(newest["events"][0]["detail"]["name"], "other");
    let none = bed.run(&["audit", "--since", "1h", "--until", "30m"]);
    assert_eq!(text(&none.stdout), "");
    let wrong = bed.run(&["audit", "--since", "soon"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("`--since soon` is no time"));

    let lines = |bytes: &str| -> Vec<String> {
        let lines = bytes.lines().map(|it| {
            let event: serde_json::Value = serde_json::from_str(it).unwrap();
            event["kind"].as_str().unwrap().to_owned()
        });
        lines.collect()
    };
    let export = bed.run(&[
        "audit",
        "export",
        "--kind",
        "token",
        "--client",
        "command line",
    ]);
    let expected = ["token.create", "token.create", "token.revoke"];
    assert_eq!(lines(&text(&export.stdout)), expected);
    let file = bed.data().join("audit.jsonl");
    let path = file.to_str().unwrap();
    let export = bed.run(&[
        "audit",
        "export",
        "--kind=token",
        "--client=command line",
        "--output",
        path,
    ]);
    assert_eq!(export.status.code(), Some(0), "{}", text(&export.stderr));
    assert_eq!(lines(&std::fs::read_to_string(&file).unwrap()), expected);
    assert_eq!(mode(&file), 0o600);
    let missing = bed.run(&["audit", "export", "--server", "nothing"]);
    assert_eq!(missing.status.code(), Some(1));
    assert_eq!(text(&missing.stderr), "error: server `nothing` not found");
}
