use std::fmt::Write as _;

use domain::{IsolationKey, Limits, SandboxSpec};
use expect_test::{Expect, expect};

use super::*;

/// Plans from one line for what should run and one for what does, and compares the actions.
///
/// `1=a 2=b` means: the sandbox of server 1 by image `a`, that of server 2 by image `b`. `f1` and
/// `b1` are those that install 1 fetches and builds in. A `?` after the image means that it has no
/// line, a `!` that it has exited, a `*` that its label cannot be read.
#[track_caller]
fn check(desired: &str, observed: &str, expected: Expect) {
    let desired = entries(desired)
        .map(|(key, image, _)| (key, sandbox(image)))
        .collect();
    let observed: Vec<Observed> = entries(observed)
        .map(|(key, image, mark)| Observed {
            key,
            generation: 1,
            spec_hash: (mark != Some('*')).then(|| sandbox(image).spec.hash()),
            state: match mark {
                Some('?') => ObservedState::Starting,
                Some('!') => ObservedState::Exited {
                    code: Some(1),
                    out_of_memory: false,
                },
                _ => ObservedState::Running,
            },
        })
        .collect();

    let mut actual = String::new();
    for action in plan(&desired, &observed) {
        let name = name(action.key());
        match action {
            Action::Start { desired, .. } => {
                writeln!(actual, "start {name}={}", desired.spec.image)
            }
            Action::Stop { .. } => writeln!(actual, "stop {name}"),
        }
        .unwrap();
    }
    expected.assert_eq(&actual);
}

#[test]
fn starts_what_is_missing_and_stops_what_is_not_wanted() {
    check(
        "1=a",
        "2=b",
        expect![[r#"
        stop 2
        start 1=a
    "#]],
    );
}

#[test]
fn leaves_alone_what_runs_as_it_should() {
    check("1=a 2=b f3=c", "1=a 2=b f3=c", expect![""]);
}

#[test]
fn stops_a_sandbox_whose_spec_changed_and_starts_it_when_it_is_gone() {
    check(
        "1=b",
        "1=a",
        expect![[r#"
            stop 1
        "#]],
    );
    check(
        "1=b",
        "",
        expect![[r#"
            start 1=b
        "#]],
    );
}

#[test]
fn starts_again_what_exited_and_waits_for_what_has_no_line() {
    check(
        "1=a 2=a",
        "1=a! 2=a?",
        expect![[r#"
            start 1=a
            start 2=a
        "#]],
    );
}

#[test]
fn stops_what_it_cannot_read_and_what_an_install_left_behind() {
    check(
        "1=a",
        "1=a* f2=a b2=a!",
        expect![[r#"
            stop 1
            stop f2
            stop b2
        "#]],
    );
}

fn entries(line: &str) -> impl Iterator<Item = (SandboxKey, &str, Option<char>)> {
    line.split_whitespace().map(|entry| {
        let (name, image) = entry.split_once('=').unwrap();
        let number = name.trim_start_matches(['f', 'b']);
        let id = format!("{:032x}", number.parse::<u128>().unwrap());
        let key = match &name[..1] {
            "f" => SandboxKey::Fetch {
                install: id.parse().unwrap(),
            },
            "b" => SandboxKey::Build {
                install: id.parse().unwrap(),
            },
            _ => SandboxKey::Server {
                server: id.parse().unwrap(),
                isolation: IsolationKey::Shared,
            },
        };
        let mark = image.chars().last().filter(|it| "?!*".contains(*it));
        (key, image.trim_end_matches(['?', '!', '*']), mark)
    })
}

fn name(key: &SandboxKey) -> String {
    match key {
        SandboxKey::Server { server, .. } => server.as_uuid().as_u128().to_string(),
        SandboxKey::Fetch { install } => format!("f{}", install.as_uuid().as_u128()),
        SandboxKey::Build { install } => format!("b{}", install.as_uuid().as_u128()),
    }
}

fn sandbox(image: &str) -> DesiredSandbox {
    DesiredSandbox {
        generation: 1,
        spec: SandboxSpec {
            image: image.to_owned(),
            bridge_hash: "00".to_owned(),
            mounts: Vec::new(),
            limits: Limits::default(),
        },
    }
}
