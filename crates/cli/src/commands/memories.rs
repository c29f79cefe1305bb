//! `memories`: what all chats are told.

use std::{io::Read as _, process::ExitCode};

use anyhow::Context as _;
use domain::Timestamp;
use serde_json::{Value, json};

use crate::{
    api::{Api, part},
    args::chats::MemoriesCommand,
    commands::{list, or_look, text},
    moment, output,
    target::Finder,
};

/// What is read of standard input; the program takes less.
const VALUE_BYTES_MAX: u64 = 64 << 10;

pub(crate) async fn run(
    finder: &Finder,
    command: MemoriesCommand,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut api = Api::find(finder)?;
    match command {
        MemoriesCommand::List => show_all(&api.get("/memories").await?, as_json),
        MemoriesCommand::Set { name, value } => {
            let value = match value {
                Some(value) => value,
                None => from_input()?,
            };
            let body = json!({ "value": value });
            let set = api.put_body(&path(&name), &body).await?;
            if as_json {
                output::json(&set);
            } else {
                output::line(format!("memory `{}` is set", output::visible(&name)));
            }
        }
        MemoriesCommand::Delete { name } => {
            let deleted = api.delete(&path(&name)).await;
            or_look(deleted, "`archestra memories list` shows all of them")?;
            if !as_json {
                output::line(format!("memory `{}` is deleted", output::visible(&name)));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn path(name: &str) -> String {
    // A client would take these for steps on the way.
    let part = match name {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        name => part(name),
    };
    format!("/memories/{part}")
}

/// Reads a value without the end of its last line.
fn from_input() -> anyhow::Result<String> {
    let mut value = String::new();
    let mut stdin = std::io::stdin().take(VALUE_BYTES_MAX);
    let read = stdin.read_to_string(&mut value);
    read.context("cannot read standard input")?;
    let end = value.trim_end_matches(['\n', '\r']).len();
    value.truncate(end);
    Ok(value)
}

fn show_all(answer: &Value, as_json: bool) {
    if as_json {
        output::json(answer);
        return;
    }
    let memories = list(answer, "memories");
    if memories.is_empty() {
        output::note("nothing is remembered");
        return;
    }
    let rows: Vec<_> = memories.iter().map(row).collect();
    output::table(&["NAME", "CHANGED (UTC)", "VALUE"], &rows);
}

fn row(memory: &Value) -> Vec<String> {
    let unix_ms = memory["updated_at_ms"].as_u64().unwrap_or_default();
    // One line each: a value may have many.
    let value = text(memory, "value").replace('\n', " ");
    vec![
        output::visible(text(memory, "name")),
        moment::show(Timestamp { unix_ms }),
        output::visible(&value),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_the_path() {
        assert_eq!(path("home city"), "/memories/home%20city");
        assert_eq!(path("a/../b?c#d%"), "/memories/a%2F..%2Fb%3Fc%23d%25");
        assert_eq!(path(".."), "/memories/%2E%2E");
        assert_eq!(path("größe"), "/memories/gr%C3%B6%C3%9Fe");
    }

    #[test]
    fn a_memory_is_one_line_and_hides_nothing() {
        let memory = json!({
            "name": "a\u{200b}", "value": "one\ntwo \u{1b}[2J", "updated_at_ms": 0,
        });
        let expected = [
            "a⟨U+200B⟩",
            "1970-01-01 00:00:00",
            &output::visible("one two \u{1b}[2J"),
        ];
        assert_eq!(row(&memory), expected);
    }
}
