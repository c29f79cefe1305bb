//! Checks of the code base that no compiler makes. They are tests, so that nothing runs them but
//! `cargo test`.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use serde_json::Value;

use crate::command::{cargo, output, root};

/// Which crate may use which of ours. An arrow that is not here is not there.
const MAY_USE: &[(&str, &[&str])] = &[
    ("agent", &["domain"]),
    ("auth", &["domain"]),
    ("bridge", &["domain"]),
    (
        "cli",
        &[
            "auth",
            "domain",
            "egress",
            "gateway",
            // `connect` carries messages, and nobody else knows what one looks like.
            "mcp",
            "orchestrator",
            "sandbox",
            "server",
            "store",
        ],
    ),
    ("domain", &[]),
    ("e2e", EVERYTHING),
    ("egress", &["domain"]),
    ("gateway", &["domain", "mcp"]),
    ("mcp", &["domain"]),
    (
        "orchestrator",
        &[
            "agent", "auth", "domain", "egress", "gateway", "mcp", "sandbox", "store",
        ],
    ),
    ("sandbox", &["domain"]),
    // Outside of the house, too: it is what the program talks to.
    ("scripted-model", &[]),
    (
        "server",
        &["auth", "domain", "gateway", "mcp", "orchestrator"],
    ),
    ("store", &["domain"]),
    ("xtask", &[]),
];

/// The end-to-end tests stand outside of the house.
const EVERYTHING: &[&str] = &[
    "agent",
    "auth",
    "bridge",
    "cli",
    "domain",
    "egress",
    "gateway",
    "mcp",
    "orchestrator",
    "sandbox",
    "scripted-model",
    "server",
    "store",
];

/// What of others is for some of our crates only: who knows SQL, HTTP's server side, and so on.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("anyhow", &["cli", "xtask", "e2e"]),
    ("axum", &["cli", "server"]),
    ("chacha20poly1305", &["auth"]),
    ("clap", &["cli"]),
    ("rmcp", &["orchestrator"]),
    ("sqlx", &["store"]),
    ("utoipa", &["server"]),
    ("yamux", &["bridge", "sandbox"]),
];

const FILE_BYTES_MAX: u64 = 1 << 20;
const MODULE_PAGE_LINES_MIN: usize = 8;

// Each is put together here, so that this file does not contain it.
const REGISTRIES: &[&str] = &[
    concat!("registry.npm", "js.org"),
    concat!("registry.yarn", "pkg.com"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("deb.debian", ".org"),
    concat!("security.debian", ".org"),
];
/// Folders that only one machine has.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/tmp/", "slot"),
    concat!("/fa", "rm/"),
    concat!("/ro", "ot/."),
];
const OPEN_ENDS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!"),
];

#[test]
fn crates_use_each_other_in_one_direction() {
    let packages = packages();
    let name = |it: &Value| it["name"].as_str().unwrap().to_owned();
    let ours: BTreeSet<String> = packages.iter().map(name).collect();
    let mut violations = Vec::new();
    for package in &packages {
        let name = name(package);
        let Some((_, may_use)) = MAY_USE.iter().find(|(it, _)| *it == name) else {
            violations.push(format!("`{name}` is not in MAY_USE"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let used = dependency["name"].as_str().unwrap();
            // Tests may reach further: they fake the outermost edge.
            if dependency["kind"] == "dev" {
                continue;
            }
            if ours.contains(used) && !may_use.contains(&used) {
                violations.push(format!("`{name}` must not use `{used}`"));
            }
            let only_in = ONLY_IN.iter().find(|(it, _)| *it == used);
            if only_in.is_some_and(|(_, them)| !them.contains(&name.as_str())) {
                violations.push(format!(
                    "`{name}` must not use `{used}`, which is not its matter"
                ));
            }
        }
    }
    none(&violations);
}

#[test]
fn every_crate_begins_with_a_page_about_it() {
    let mut violations = Vec::new();
    for package in packages() {
        let targets = package["targets"].as_array().unwrap();
        let of_kind = |kind: &str| targets.iter().find(|it| it["kind"][0] == kind);
        let Some(target) = of_kind("lib").or_else(|| of_kind("bin")) else {
            continue;
        };
        let path = target["src_path"].as_str().unwrap();
        let source = fs::read_to_string(path).unwrap_or_else(|err| panic!("`{path}`: {err}"));
        let lines = page_lines(&source);
        if lines < MODULE_PAGE_LINES_MIN {
            violations.push(format!("`{path}` has {lines} lines about the crate"));
        }
    }
    none(&violations);
}

#[test]
fn no_file_is_larger_than_it_should_be() {
    let large = |path: &PathBuf| fs::metadata(path).unwrap().len() > FILE_BYTES_MAX;
    let large = files().into_iter().filter(large);
    none(&large.map(|it| it.display().to_string()).collect::<Vec<_>>());
}

#[test]
fn no_line_says_what_it_must_not() {
    let mut violations = Vec::new();
    for path in files() {
        let name = path.file_name().unwrap().to_string_lossy();
        let is_rust = path.extension().is_some_and(|it| it == "rs");
        let is_lock = name == "Cargo.lock" || name == "package-lock.json";
        // What is not text has no lines.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            if let Some(why) = objection(line, is_rust, is_lock) {
                violations.push(format!("{}:{}: {why}", path.display(), number + 1));
            }
        }
    }
    none(&violations);
}

#[test]
fn ci_can_start() {
    let path = root().join(".ci/run");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "`.ci/run` cannot be executed");
}

#[test]
fn the_objections_are_raised() {
    #[track_caller]
    fn check(line: &str, raised: bool) {
        assert_eq!(objection(line, true, false).is_some(), raised, "{line}");
    }
    let (open, path, host) = (OPEN_ENDS[0], MACHINE_PATHS[0], REGISTRIES[1]);
    check(&format!("// {open}: later"), true);
    check(&format!("// {open}(#12): later"), false);
    check(&format!("const {open}S: usize = 1;"), false);
    check(&format!("cd {path}main"), true);
    check(&format!("\"$dir{path}main\""), false);
    check(&format!("https://{host}/x"), true);
    check(concat!("#[al", "low(dead_code)]"), true);
    check(concat!("#![al", "low(dead_code)]"), true);
    check(concat!("    #[ig", "nore = \"slow\"]"), true);
    check("#[expect(dead_code, reason = \"\")]", false);
}

/// Returns what is wrong with a line.
fn objection(line: &str, is_rust: bool, is_lock: bool) -> Option<String> {
    let contains = |it: &&&str| line.contains(**it);
    if let Some(it) = REGISTRIES.iter().find(contains) {
        return Some(format!(
            "names the registry `{it}`; npm, pip, cargo and apt know theirs"
        ));
    }
    if is_lock {
        return None;
    }
    if let Some(it) = MACHINE_PATHS.iter().find(|it| has_path(line, it)) {
        return Some(format!("names `{it}`, which only one machine has"));
    }
    if let Some(it) = OPEN_ENDS
        .iter()
        .find(|it| has_word(line, it) && !names_an_issue(line))
    {
        return Some(format!(
            "has `{it}` without an issue; write `{it}(#number)`"
        ));
    }
    let line = line.trim_start();
    let attributes = [
        concat!("#[al", "low("),
        concat!("#![al", "low("),
        concat!("#[ig", "nore"),
    ];
    let attribute = attributes
        .iter()
        .find(|it| is_rust && line.starts_with(**it));
    attribute.map(|it| format!("has `{it}`; see CONTRIBUTING.md"))
}

fn has_path(line: &str, path: &str) -> bool {
    let mut places = line.match_indices(path);
    // After a letter it is a folder in another one.
    places.any(|(at, _)| {
        !line[..at].ends_with(|it: char| it.is_alphanumeric() || it == '_' || it == '}')
    })
}

fn has_word(line: &str, word: &str) -> bool {
    let part_of_word = |it: char| it.is_alphanumeric() || it == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(part_of_word) && !line[at + word.len()..].starts_with(part_of_word)
    })
}

fn names_an_issue(line: &str) -> bool {
    let number =
        |(at, it): (usize, &str)| line[at + it.len()..].starts_with(|it: char| it.is_ascii_digit());
    line.match_indices('#').any(number) || line.match_indices("/issues/").any(number)
}

fn page_lines(source: &str) -> usize {
    source
        .lines()
        .take_while(|it| it.starts_with("//!"))
        .count()
}

/// Returns all files of the checkout but what is made from others.
fn files() -> Vec<PathBuf> {
    const MADE: &[&str] = &[
        ".git",
        ".venv",
        "__pycache__",
        "artifacts",
        "corpus",
        "coverage",
        "dist",
        "dist-demo",
        "node_modules",
        "target",
    ];
    let mut files = Vec::new();
    let mut dirs = vec![root()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            // In a second working tree `.git` is a file, with a path of this machine.
            if MADE.contains(&entry.file_name().to_str().unwrap()) {
                continue;
            }
            let kind = entry.file_type().unwrap();
            if kind.is_file() {
                files.push(entry.path());
            } else if kind.is_dir() {
                dirs.push(entry.path());
            }
        }
    }
    files.sort();
    files
}

fn packages() -> Vec<Value> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&output(&mut metadata).unwrap()).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

#[track_caller]
fn none(violations: &[String]) {
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}
