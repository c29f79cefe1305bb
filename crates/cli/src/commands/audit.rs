//! `audit`: what happened, and who did it.

use std::{
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use domain::{Clock as _, Timestamp};
use serde_json::{Value, json};

use crate::{
    api::{Api, part},
    args::{AuditArgs, AuditCommand, AuditFilterArgs},
    commands::{list, text},
    moment, output,
    serve::SystemClock,
    target::Finder,
};

/// Events of one page of the API.
const PAGE_MAX: usize = 1_000;

pub(crate) async fn run(
    finder: &Finder,
    args: AuditArgs,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut api = Api::find(finder)?;
    let now = SystemClock.now();
    match args.command {
        Some(AuditCommand::Export { filter, file }) => {
            let path = format!("/audit/export?{}", query(&filter, now)?);
            export(&mut api, &path, file.as_deref()).await?;
        }
        None => {
            let events = newest(&mut api, &query(&args.filter, now)?, args.limit).await?;
            if as_json {
                output::json(&json!({ "events": events }));
            } else if events.is_empty() {
                output::note("nothing of that kind has happened");
            } else {
                let rows: Vec<_> = events.iter().rev().map(row).collect();
                let header = [
                    "TIME (UTC)",
                    "WHAT",
                    "WHO",
                    "SERVER",
                    "ABOUT",
                    "DECISION",
                    "OUTCOME",
                    "MS",
                ];
                output::table(&header, &rows);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn query(filter: &AuditFilterArgs, now: Timestamp) -> anyhow::Result<String> {
    let time = |flag: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => match moment::parse(text, now) {
            Some(at) => Ok(Some(at.unix_ms.to_string())),
            None => bail!(
                "`{flag} {text}` is no time: `2h` is two hours ago, `2026-03-01` a day, `2026-03-01T12:30` a time in UTC"
            ),
        },
    };
    let (since, until) = (
        time("--since", &filter.since)?,
        time("--until", &filter.until)?,
    );
    let pairs = [
        ("kind", &filter.kind),
        ("server", &filter.server),
        ("tool", &filter.tool),
        ("principal", &filter.principal),
        ("client", &filter.client),
        ("chat", &filter.chat),
        ("decision", &filter.decision),
        ("outcome", &filter.outcome),
        ("since_ms", &since),
        ("until_ms", &until),
        ("q", &filter.text),
    ];
    let given = pairs.into_iter().filter_map(|(key, value)| {
        let value = value.as_ref()?;
        Some(format!("{key}={}", part(value)))
    });
    Ok(given.collect::<Vec<_>>().join("&"))
}

/// Returns the newest events, the newest first.
async fn newest(api: &mut Api, query: &str, limit: usize) -> anyhow::Result<Vec<Value>> {
    let mut events: Vec<Value> = Vec::new();
    while events.len() < limit {
        let wanted = PAGE_MAX.min(limit - events.len());
        let mut path = format!("/audit?limit={wanted}&{query}");
        if let Some(last) = events.last() {
            path.push_str(&format!("&before={}", last["id"]));
        }
        let answer = api.get(&path).await?;
        let page = list(&answer, "events");
        events.extend_from_slice(page);
        if page.len() < wanted {
            break;
        }
    }
    Ok(events)
}

fn row(event: &Value) -> Vec<String> {
    let who = match event["client"].as_str() {
        Some(client) => client,
        None => text(event, "principal"),
    };
    let at = Timestamp {
        unix_ms: event["at_ms"].as_u64().unwrap_or(0),
    };
    let duration = event["duration_ms"].as_u64();
    [
        &moment::show(at),
        text(event, "kind"),
        who,
        text(event, "server_slug"),
        about(event),
        text(event, "decision"),
        text(event, "outcome"),
        &duration.map_or_else(String::new, |it| it.to_string()),
    ]
    .map(|it| match it {
        "" => "-".to_owned(),
        it => output::harmless(it).replace(['\n', '\t'], " "),
    })
    .to_vec()
}

/// Returns what an event is about: a tool, a host, or what its detail names.
fn about(event: &Value) -> &str {
    let detail = &event["detail"];
    let named = ["target", "host", "header", "name", "package"];
    let texts = named.map(|it| text(detail, it));
    let all = std::iter::once(text(event, "tool")).chain(texts);
    all.into_iter().find(|it| !it.is_empty()).unwrap_or("")
}

/// Writes the lines to a file that only its owner can read, or to standard output.
async fn export(api: &mut Api, path: &str, file: Option<&Path>) -> anyhow::Result<()> {
    let Some(name) = file else {
        let mut out = io::stdout();
        return api.download(path, &mut out).await;
    };
    let options = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(name);
    let mut file = options.with_context(|| format!("cannot write to `{}`", name.display()))?;
    api.download(path, &mut file).await?;
    file.flush()
        .with_context(|| format!("cannot write to `{}`", name.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_in_the_query() {
        let now = Timestamp {
            unix_ms: 10_000_000,
        };
        let filter = AuditFilterArgs {
            server: Some("a b&c".to_owned()),
            since: Some("1h".to_owned()),
            text: Some("ä=".to_owned()),
            ..AuditFilterArgs::default()
        };
        let asked = query(&filter, now).unwrap();
        assert_eq!(asked, "server=a%20b%26c&since_ms=6400000&q=%C3%A4%3D");
        let wrong = AuditFilterArgs {
            until: Some("soon".to_owned()),
            ..AuditFilterArgs::default()
        };
        let err = query(&wrong, now).unwrap_err().to_string();
        assert!(err.starts_with("`--until soon` is no time: "), "{err}");
    }

    #[test]
    fn a_row_says_who_did_what_with_what() {
        let check = |event: Value| row(&event).join(" | ");
        expect_test::expect![
            "1970-01-01 00:00:01 | tool.call | editor | time | now | allowed | ok | 12"
        ]
        .assert_eq(&check(json!({
            "at_ms": 1000, "kind": "tool.call", "principal": "owner", "client": "editor",
            "server_slug": "time", "tool": "now", "decision": "allowed", "outcome": "ok",
            "duration_ms": 12, "detail": null,
        })));
        expect_test::expect![
            "1970-01-01 00:00:00 | egress.refused | - | fetch | a.test:443 | - | - | -"
        ]
        .assert_eq(&check(json!({
            "kind": "egress.refused", "server_slug": "fetch", "detail": { "target": "a.test:443" },
        })));
        expect_test::expect!["1970-01-01 00:00:00 | x.y | owner | - | a�[31m b | - | - | -"]
            .assert_eq(&check(
                json!({ "kind": "x.y", "principal": "owner", "tool": "a\u{1b}[31m\nb" }),
            ));
    }
}
