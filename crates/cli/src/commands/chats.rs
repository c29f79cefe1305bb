//! `chats`: what was said, and which tools each chat has.

use std::process::ExitCode;

use domain::{Timestamp, ToolRule};
use serde_json::{Value, json};

use crate::{
    api::{Api, part},
    args::chats::{ChatToolsArgs, ChatsCommand},
    commands::{list, or_look, text},
    moment, output,
    target::Finder,
};

/// The most of one answer of the API.
const PAGE_MAX: usize = 100;
const LOOK: &str = "`archestra chats list` shows them with their identifiers";

pub(crate) async fn run(
    finder: &Finder,
    command: ChatsCommand,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut api = Api::find(finder)?;
    let api = &mut api;
    match command {
        ChatsCommand::List {
            search,
            archived,
            limit,
        } => {
            let query = match search {
                Some(search) => format!("q={}", part(&search)),
                None => format!("archived={archived}"),
            };
            let chats = chats(api, &query, limit).await?;
            show_all(&chats, as_json);
        }
        ChatsCommand::Show { chat } => {
            let shown = or_look(api.get(&path(&chat)).await, LOOK)?;
            match as_json {
                true => output::json(&shown),
                false => show(&shown),
            }
        }
        ChatsCommand::Rename { chat, title } => {
            change(
                api,
                &chat,
                &json!({ "title": title }),
                "is renamed",
                as_json,
            )
            .await?;
        }
        ChatsCommand::Archive { chat } => {
            change(
                api,
                &chat,
                &json!({ "archived": true }),
                "is put away",
                as_json,
            )
            .await?;
        }
        ChatsCommand::Unarchive { chat } => {
            change(
                api,
                &chat,
                &json!({ "archived": false }),
                "is back",
                as_json,
            )
            .await?;
        }
        ChatsCommand::Delete { chat } => {
            or_look(api.delete(&path(&chat)).await, LOOK)?;
            if !as_json {
                output::line(format!("chat `{}` is deleted", output::harmless(&chat)));
            }
        }
        ChatsCommand::Tools(args) => tools(api, args, as_json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn path(chat: &str) -> String {
    format!("/chats/{}", part(chat))
}

/// Returns as many chats as are wanted, page by page.
async fn chats(api: &mut Api, query: &str, limit: usize) -> anyhow::Result<Vec<Value>> {
    let mut chats: Vec<Value> = Vec::new();
    let mut before = String::new();
    while chats.len() < limit {
        let page = PAGE_MAX.min(limit - chats.len());
        let answer = api
            .get(&format!("/chats?{query}&limit={page}{before}"))
            .await?;
        chats.extend_from_slice(list(&answer, "chats"));
        match answer["next"].as_str() {
            Some(next) => before = format!("&before={}", part(next)),
            None => break,
        }
    }
    Ok(chats)
}

fn show_all(chats: &[Value], as_json: bool) {
    if as_json {
        output::json(&json!({ "chats": chats }));
    } else if chats.is_empty() {
        output::note("no chats");
    } else {
        let rows: Vec<_> = chats.iter().map(row).collect();
        output::table(&["CHAT", "STATUS", "LAST (UTC)", "TITLE"], &rows);
    }
}

fn row(chat: &Value) -> Vec<String> {
    let title = match text(chat, "excerpt") {
        "" => text(chat, "title").to_owned(),
        excerpt => format!("{}: {}", text(chat, "title"), excerpt.replace('\n', " ")),
    };
    vec![
        text(chat, "id").to_owned(),
        text(chat, "status").to_owned(),
        time(&chat["updated_at_ms"]),
        output::visible(&title),
    ]
}

fn time(unix_ms: &Value) -> String {
    moment::show(Timestamp {
        unix_ms: unix_ms.as_u64().unwrap_or_default(),
    })
}

fn show(chat: &Value) {
    output::line(output::visible(text(chat, "title")));
    let model = match text(&chat["model"], "model") {
        "" => "the default model",
        model => model,
    };
    output::line(format!(
        "{}, {}, begun {}",
        text(chat, "status"),
        output::harmless(model),
        time(&chat["created_at_ms"])
    ));
    if chat["has_older"] == true {
        output::line("\n(there is more before this)");
    }
    for message in list(chat, "messages") {
        output::line(format!("\n{}", said(message)));
    }
}

/// Returns who has said what, for people.
fn said(message: &Value) -> String {
    let who = match text(message, "role") {
        "user" => "you",
        _ => "answer",
    };
    let parts = list(message, "parts").iter().filter_map(|it| {
        let kind = text(it, "type");
        let tool = || kind.strip_prefix("tool-").unwrap_or(text(it, "toolName"));
        match kind {
            "text" => Some(text(it, "text").to_owned()),
            "file" => Some(format!("[file {}]", text(it, "filename"))),
            _ if it.get("toolCallId").is_some() => {
                Some(format!("[tool {}, {}]", tool(), text(it, "state")))
            }
            _ => None,
        }
    });
    let parts: Vec<String> = parts.collect();
    output::visible(&format!("{who}: {}", parts.join("\n")))
}

async fn change(
    api: &mut Api,
    chat: &str,
    body: &Value,
    done: &str,
    as_json: bool,
) -> anyhow::Result<()> {
    let changed = or_look(api.patch(&path(chat), body).await, LOOK)?;
    match as_json {
        true => output::json(&changed),
        false => output::line(format!(
            "chat `{}` {done}",
            output::visible(text(&changed, "title"))
        )),
    }
    Ok(())
}

async fn tools(api: &mut Api, args: ChatToolsArgs, as_json: bool) -> anyhow::Result<()> {
    let path = format!("{}/tools", path(&args.chat));
    let answer = match choice(&args) {
        None => or_look(api.get(&path).await, LOOK)?,
        Some(body) => or_look(api.put_body(&path, &body).await, LOOK)?,
    };
    if as_json {
        output::json(&answer);
        return Ok(());
    }
    let tools = list(&answer, "tools");
    let rows: Vec<_> = tools.iter().map(tool_row).collect();
    output::table(&["", "SERVER", "TOOL"], &rows);
    let enabled = tools.iter().filter(|it| it["enabled"] == true).count();
    output::note(format!("{enabled} of {} tools", tools.len()));
    Ok(())
}

/// Returns what is to be different, if anything is.
fn choice(args: &ChatToolsArgs) -> Option<Value> {
    let one = |it: &ToolRule, enabled: bool| json!({ "server": it.server, "tool": it.tool, "enabled": enabled });
    let enable = args.enable.iter().map(|it| one(it, true));
    let disable = args.disable.iter().map(|it| one(it, false));
    let tools: Vec<Value> = enable.chain(disable).collect();
    if tools.is_empty() && args.default.is_none() {
        return None;
    }
    let mut body = json!({ "tools": tools });
    if let Some(default) = args.default {
        body["default"] = default.word().into();
    }
    Some(body)
}

fn tool_row(tool: &Value) -> Vec<String> {
    let mark = if tool["enabled"] == true { "on" } else { "off" };
    vec![
        mark.to_owned(),
        text(tool, "server").to_owned(),
        output::visible(text(tool, "tool")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::chats::DefaultWord;

    fn rule(tool: &str) -> ToolRule {
        ToolRule {
            server: "files".parse().unwrap(),
            tool: tool.to_owned(),
        }
    }

    #[test]
    fn what_is_chosen_is_sent_and_nothing_is_not() {
        let mut args = ChatToolsArgs {
            chat: "x".to_owned(),
            enable: Vec::new(),
            disable: Vec::new(),
            default: None,
        };
        assert_eq!(choice(&args), None);
        args.default = Some(DefaultWord::None);
        assert_eq!(
            choice(&args),
            Some(json!({ "default": "none", "tools": [] }))
        );
        args.enable.push(rule("read"));
        args.disable.push(rule("write"));
        args.default = None;
        let expected = json!({ "tools": [
            { "server": "files", "tool": "read", "enabled": true },
            { "server": "files", "tool": "write", "enabled": false },
        ] });
        assert_eq!(choice(&args), Some(expected));
    }

    #[test]
    fn a_message_is_told_in_words() {
        let answer = json!({ "role": "assistant", "parts": [
            { "type": "step-start" },
            { "type": "text", "text": "Let me look\u{200b}" },
            { "type": "dynamic-tool", "toolName": "files__read", "toolCallId": "1", "state": "output-available" },
            { "type": "text", "text": "There \u{1b}[31mit is" },
        ] });
        assert_eq!(
            said(&answer),
            output::visible(
                "answer: Let me look\u{200b}\n[tool files__read, output-available]\nThere \u{1b}[31mit is"
            )
        );
        assert!(!said(&answer).contains('\u{1b}'));
        let person = json!({ "role": "user", "parts": [
            { "type": "text", "text": "look" }, { "type": "file", "filename": "a.png" },
        ] });
        assert_eq!(said(&person), "you: look\n[file a.png]");
    }

    #[test]
    fn a_chat_is_one_line() {
        let chat = json!({
            "id": "c", "status": "idle", "updated_at_ms": 0, "title": "T", "excerpt": "…a\nb",
        });
        assert_eq!(row(&chat), ["c", "idle", "1970-01-01 00:00:00", "T: …a b"]);
    }
}
