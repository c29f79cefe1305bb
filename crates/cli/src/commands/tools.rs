//! `tools` and `call`.

use std::{io::Read as _, process::ExitCode};

use anyhow::{Context as _, bail};
use domain::ServerSlug;
use serde_json::{Map, Value, json};

use crate::{
    api::Api,
    commands::{list, text},
    output,
    target::Finder,
};

/// Of a tool that says that it failed.
const TOOL_FAILED: u8 = 2;
/// The longest arguments that are read from standard input, in bytes.
const ARGUMENTS_BYTES_MAX: u64 = 16 << 20;
const DESCRIPTION_CHARS_MAX: usize = 80;

/// Lists the tools of all servers, or of one.
pub(crate) async fn list_tools(
    finder: &Finder,
    server: Option<&ServerSlug>,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut api = Api::find(finder)?;
    if let Some(server) = server {
        // It says so where there is no such server.
        api.get(&format!("/servers/{server}")).await?;
    }
    let tools = api.get("/tools").await?;
    let is_wanted = |it: &&Value| server.is_none_or(|slug| text(it, "server") == slug.as_str());
    let tools: Vec<&Value> = list(&tools, "tools").iter().filter(is_wanted).collect();
    if as_json {
        output::json(&json!({ "tools": tools }));
    } else if tools.is_empty() {
        output::note("no tools; `archestra servers list` says how the servers are");
    } else {
        let rows: Vec<_> = tools.iter().map(|it| row(it)).collect();
        let header = ["SERVER", "TOOL", "NAME AMONG ALL", "SET TO", "DESCRIPTION"];
        output::table(&header, &rows);
    }
    Ok(ExitCode::SUCCESS)
}

fn row(tool: &Value) -> Vec<String> {
    let description = text(&tool["definition"], "description");
    let first_line = description.lines().next().unwrap_or_default();
    let mut short: String = first_line.chars().take(DESCRIPTION_CHARS_MAX).collect();
    if short.len() < description.len() {
        short.push('…');
    }
    let fields = [
        text(tool, "server"),
        text(tool, "name"),
        text(tool, "advertised"),
        tool["setting"].as_str().unwrap_or("(not looked at)"),
        &short,
    ];
    fields.map(output::visible).to_vec()
}

/// Calls a tool and shows its result.
pub(crate) async fn call(
    finder: &Finder,
    words: &[String],
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let body = call_body(words)?;
    let answer = Api::find(finder)?
        .post_patiently("/tools/call", &body)
        .await?;
    let result = &answer["result"];
    let is_error = answer["is_error"].as_bool().unwrap_or(false);
    if as_json {
        output::json(result);
    } else {
        output::line(output::harmless(&readable(result)));
    }
    Ok(match is_error {
        true => ExitCode::from(TOOL_FAILED),
        false => ExitCode::SUCCESS,
    })
}

/// Understands `SERVER TOOL [JSON]` and `NAME [JSON]`.
fn call_body(words: &[String]) -> anyhow::Result<Value> {
    let is_json = |it: &str| it == "-" || it.trim_start().starts_with('{');
    let (names, arguments) = match words.split_last() {
        Some((last, names)) if !names.is_empty() && is_json(last) => (names, Some(last)),
        _ => (words, None),
    };
    let arguments = match arguments.map(String::as_str) {
        None => Value::Object(Map::new()),
        Some("-") => {
            let mut text = String::new();
            let mut stdin = std::io::stdin().take(ARGUMENTS_BYTES_MAX);
            stdin
                .read_to_string(&mut text)
                .context("cannot read standard input")?;
            parse(&text)?
        }
        Some(text) => parse(text)?,
    };
    match names {
        [name] => Ok(json!({ "name": name, "arguments": arguments })),
        [server, tool] => {
            let server: ServerSlug = server.parse()?;
            Ok(json!({ "server": server, "tool": tool, "arguments": arguments }))
        }
        _ => bail!(
            "it is `call SERVER TOOL [JSON]` or `call NAME [JSON]`; arguments are an object like `{{\"a\": 1}}`"
        ),
    }
}

fn parse(text: &str) -> anyhow::Result<Value> {
    let value: Value = serde_json::from_str(text).context("the arguments are not JSON")?;
    if !value.is_object() {
        bail!("the arguments must be an object like `{{\"a\": 1}}`");
    }
    Ok(value)
}

/// Returns a result as people read it.
fn readable(result: &Value) -> String {
    let mut parts = Vec::new();
    for block in list(result, "content") {
        parts.push(match text(block, "type") {
            "text" => text(block, "text").to_owned(),
            "image" | "audio" => {
                let bytes = text(block, "data").len() / 4 * 3;
                format!(
                    "[{} of about {bytes} bytes; `--json` has it]",
                    text(block, "mimeType")
                )
            }
            "resource_link" => format!("[{}]", text(block, "uri")),
            "resource" => {
                let resource = &block["resource"];
                match resource["text"].as_str() {
                    Some(inner) => format!("[{}]\n{inner}", text(resource, "uri")),
                    None => format!("[{}; `--json` has it]", text(resource, "uri")),
                }
            }
            _ => block.to_string(),
        });
    }
    if parts.is_empty() {
        parts.push(match result.get("structuredContent") {
            Some(structured) => format!("{structured:#}"),
            None => format!("{result:#}"),
        });
    }
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
        match call_body(&words) {
            Ok(body) => body.to_string(),
            Err(err) => format!("error: {err:#}"),
        }
    }

    #[test]
    fn a_tool_is_named_in_two_ways() {
        expect_test::expect![[r#"
            {"arguments":{"a":1},"server":"time","tool":"now"}
            {"arguments":{},"server":"time","tool":"now"}
            {"arguments":{"a":1},"name":"time__now"}
            {"arguments":{},"name":"time__now"}
            error: the arguments are not JSON: EOF while parsing an object at line 1 column 1
            error: it is `call SERVER TOOL [JSON]` or `call NAME [JSON]`; arguments are an object like `{"a": 1}`"#]]
        .assert_eq(
            &[
                body(&["time", "now", "{\"a\":1}"]),
                body(&["time", "now"]),
                body(&["time__now", "{\"a\":1}"]),
                body(&["time__now"]),
                body(&["time__now", "{"]),
                body(&["time", "now", "[]"]),
            ]
            .join("\n"),
        );
    }

    #[test]
    fn a_result_is_shown_as_text() {
        let result = json!({ "content": [
            { "type": "text", "text": "a" },
            { "type": "image", "mimeType": "image/png", "data": "AAAAAAAA" },
            { "type": "resource", "resource": { "uri": "file:///x", "text": "b" } },
        ] });
        assert_eq!(
            readable(&result),
            "a\n[image/png of about 6 bytes; `--json` has it]\n[file:///x]\nb"
        );
        assert_eq!(
            readable(&json!({ "content": [] })),
            "{\n  \"content\": []\n}"
        );
    }
}
