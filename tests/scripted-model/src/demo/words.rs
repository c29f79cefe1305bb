//! What the demo model says, in Markdown.

use serde_json::Value;

use crate::{
    conversation::{Done, Tool, own_name},
    demo::{Ask, intents},
    turn::ToolCall,
};

/// Of a result, in characters.
const QUOTE_CHARS_MAX: usize = 600;
const QUOTE_LINES_MAX: usize = 14;
/// Of a tool's description, in a table.
const ABOUT_CHARS_MAX: usize = 90;
const TOOLS_SHOWN_MAX: usize = 12;
const SERVERS_SHOWN_MAX: usize = 12;
/// So many lines of a result are looked at for what it amounts to.
const HEAD_LINES: usize = 3;
const TITLE_WORDS_MAX: usize = 6;

/// What a tool's answer amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Fine,
    Failed,
    /// A person or a rule has said no.
    Denied,
    /// A person has not said anything yet.
    Waiting,
}

impl Outcome {
    /// Reads it from a result's first lines: neither API has a field for it, so programs say it in
    /// words.
    pub(super) fn of(text: &str) -> Self {
        let lower = text.trim_start().to_lowercase();
        let first: Vec<&str> = lower.lines().take(HEAD_LINES).collect();
        let reports_error = first
            .iter()
            .any(|it| it.starts_with("the tool reports an error"));
        // A result may say anything, so that only its beginning counts, or what is told as an error.
        let head = match reports_error || first.len() == 1 {
            true => first.join(" "),
            false => first.first().copied().unwrap_or_default().to_owned(),
        };
        let says = |any: &[&str]| any.iter().any(|it| head.contains(it));
        let begins = |any: &[&str]| any.iter().any(|it| head.starts_with(it));
        if says(&[
            "waiting for approval",
            "waits for approval",
            "needs approval",
        ]) {
            return Self::Waiting;
        }
        let denied = [
            "did not allow this call",
            "was not approved",
            "was denied",
            "has denied",
            "is set to deny",
            "a rule denies",
            "does not allow tool",
        ];
        if begins(&["denied", "not allowed", "refused", "declined"]) || says(&denied) {
            return Self::Denied;
        }
        let failed = [
            "error",
            "failed",
            "mcp error",
            "the call was not made",
            "this is not a call",
            "the outcome of this call is unknown",
            "there is no tool",
            "unknown tool",
        ];
        let json: Option<Value> = serde_json::from_str(text).ok();
        let says_error = |it: Value| {
            let set = |key: &str| it.get(key).is_some_and(|it| !it.is_null() && it != false);
            set("isError") || set("is_error") || set("error")
        };
        if reports_error || begins(&failed) || json.is_some_and(says_error) {
            return Self::Failed;
        }
        Self::Fine
    }
}

/// Returns what is thought and said before calls.
pub(super) fn before(calls: &[ToolCall], is_first: bool) -> (String, Option<String>) {
    let names: Vec<String> = calls
        .iter()
        .map(|it| own_name(&it.name).to_owned())
        .collect();
    let thought = match (names.as_slice(), is_first) {
        ([name], true) => {
            format!("The message asks for something that the tool `{name}` does. I call it.")
        }
        ([name], false) => format!("That was the first part. Next comes `{name}`."),
        (names, _) => format!(
            "This takes {} calls. I make them at the same time.",
            names.len()
        ),
    };
    let count = names.len();
    let text = match (names.first().map_or("", String::as_str), is_first) {
        (_, false) => return (thought, None),
        ("list_allowed_directories", _) => "First I look where I may work.".to_owned(),
        ("list_available_tools", _) => "I look which tools there are.".to_owned(),
        ("set_memory", _) => "I will remember that.".to_owned(),
        ("get_current_time", _) if count > 1 => format!("I look at {count} clocks."),
        (name, _) if count == 1 => format!("I ask the tool `{name}`."),
        _ => format!("I call {count} tools."),
    };
    (thought, Some(text))
}

pub(super) fn thought_about(done: &[Done]) -> String {
    let bad = done
        .iter()
        .filter(|it| Outcome::of(&it.text) != Outcome::Fine)
        .count();
    match (done.len(), bad) {
        (1, 0) => "The tool has answered. I say what it said.".to_owned(),
        (1, _) => "That did not work. I say so plainly.".to_owned(),
        (count, 0) => format!("All {count} calls have answered. I say what they said."),
        (count, bad) => format!("Of {count} calls {bad} did not work. I say which."),
    }
}

/// Returns what came of the calls.
pub(super) fn about(done: &[Done]) -> String {
    // A look at the folders or the tools was only on the way, if anything came after it.
    let on_the_way = ["list_allowed_directories", "list_available_tools"];
    let matters = |it: &&Done| {
        done.len() == 1
            || !on_the_way.contains(&own_name(&it.call.name))
            || Outcome::of(&it.text) != Outcome::Fine
    };
    let mut shown: Vec<&Done> = done.iter().filter(matters).collect();
    if shown.is_empty() {
        shown = done.iter().rev().take(1).collect();
    }
    let parts: Vec<String> = shown.into_iter().map(one_result).collect();
    parts.join("\n\n")
}

fn one_result(done: &Done) -> String {
    let (name, text) = (own_name(&done.call.name), done.text.as_str());
    let quoted = quote(text);
    match Outcome::of(text) {
        Outcome::Denied => {
            return format!(
                "I was not allowed to call `{name}`, so I did not do it. The answer was:\n\n{quoted}\n\n\
                 Ask again if you have changed your mind."
            );
        }
        Outcome::Waiting => {
            return format!(
                "`{name}` still waits for somebody to approve it:\n\n{quoted}\n\nDecide it, then ask me again."
            );
        }
        Outcome::Failed => {
            return format!(
                "`{name}` did not work. This is what it said:\n\n{quoted}\n\n\
                 I have not tried it again. The details are in its card above."
            );
        }
        Outcome::Fine => {}
    }
    let of = |argument: &str| {
        done.call.arguments[argument]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let data: Value = serde_json::from_str(text).unwrap_or_default();
    match name {
        "get_current_time" | "convert_time" => {
            clock(&data).unwrap_or_else(|| format!("The clock says:\n\n{quoted}"))
        }
        "set_memory" => format!(
            "I will remember **{}**: {}.\n\nIt is there in every new chat, and under Memories, where you can \
             change it.",
            of("name").replace('_', " "),
            of("value")
        ),
        "delete_memory" => format!("I have forgotten **{}**.", of("name").replace('_', " ")),
        "list_memories" => {
            memories(&data).unwrap_or_else(|| format!("This is what I remember:\n\n{quoted}"))
        }
        "write_file" => format!(
            "I have written `{}`. It holds:\n\n{}",
            of("path"),
            quote(&of("content"))
        ),
        "read_text_file" | "read_file" => format!("`{}` begins so:\n\n{quoted}", of("path")),
        "list_directory" => format!(
            "In `{}` there are {}:\n\n{quoted}",
            of("path"),
            counted(text, "entry", "entries")
        ),
        "fetch" => format!("I have read {}. It begins so:\n\n{quoted}", of("url")),
        "echo" => format!("The server has sent it back:\n\n{quoted}"),
        "enable_tools" => format!("These tools are on now, in this chat:\n\n{quoted}"),
        "disable_tools" => format!("These tools are off now, in this chat:\n\n{quoted}"),
        "list_available_tools" => format!("These tools are there:\n\n{quoted}"),
        _ if text.trim().is_empty() => format!("`{name}` has answered, with nothing in it."),
        _ => format!("`{name}` has answered:\n\n{quoted}"),
    }
}

/// "In **Asia/Tokyo** it is **14:03**", from the answers of the reference server for time.
fn clock(data: &Value) -> Option<String> {
    fn at(data: &Value) -> Option<(&str, &str, &str)> {
        let (date, time) = data["datetime"].as_str()?.split_once('T')?;
        Some((data["timezone"].as_str()?, date, time.get(..5)?))
    }
    if let (Some(source), Some(target)) = (at(&data["source"]), at(&data["target"])) {
        return Some(format!(
            "When it is **{}** in {}, it is **{}** in {} ({}).",
            source.2,
            source.0,
            target.2,
            target.0,
            data["time_difference"].as_str().unwrap_or(target.1)
        ));
    }
    let (zone, date, time) = at(data)?;
    Some(format!("In **{zone}** it is **{time}** on {date}."))
}

fn memories(data: &Value) -> Option<String> {
    let list = data.as_array().or_else(|| data["memories"].as_array())?;
    if list.is_empty() {
        return Some("I remember nothing yet. Tell me something: *remember that my favourite colour is green*.".to_owned());
    }
    let row = |it: &Value| {
        let (name, value) = (it["name"].as_str()?, it["value"].as_str()?);
        Some(format!(
            "| {} | {} |",
            cell(&name.replace('_', " ")),
            cell(value)
        ))
    };
    let rows: Option<Vec<String>> = list.iter().take(TOOLS_SHOWN_MAX).map(row).collect();
    let head = "This is what I remember:\n\n| what | |\n|---|---|\n";
    let more = match list.len().saturating_sub(TOOLS_SHOWN_MAX) {
        0 => String::new(),
        more => format!("\n\nAnd {more} more."),
    };
    Some(format!("{head}{}{more}", rows?.join("\n")))
}

pub(super) fn thought_without_tool(ask: &Ask<'_>) -> String {
    match (intents::about_itself(ask), ask.tools.is_empty()) {
        (true, _) => "Somebody wants to know who I am and what I can do.".to_owned(),
        (false, true) => "There are no tools in this chat, and I know nothing myself.".to_owned(),
        (false, false) => {
            "None of the tools fits this message, and I know nothing myself.".to_owned()
        }
    }
}

/// Returns the answer to a message that no tool fits.
pub(super) fn without_tool(ask: &Ask<'_>, images: usize) -> String {
    if ask.says(&["which tools", "what tools", "list your tools"]) {
        return format!("{}\n", tool_list(ask.tools));
    }
    if intents::about_itself(ask) {
        return format!(
            "# Hello\n\n{WHO}\n\n{}\n\n{}",
            tool_list(ask.tools),
            suggestions(ask)
        );
    }
    if ask.says(&["markdown", "a table", "some code", "format"]) {
        return TOUR.to_owned();
    }
    let seen = match images {
        0 => String::new(),
        1 => "I was given your picture, but cannot see.\n\n".to_owned(),
        count => format!("I was given your {count} pictures, but cannot see.\n\n"),
    };
    format!(
        "{seen}I have no answer to that of my own. {WHO}\n\n{}",
        suggestions(ask)
    )
}

const WHO: &str = "I am a **scripted demo model**, not an AI: a small program that looks for words it \
    knows. What my tools do is real, though: each call runs in its server's sandbox, and asks you first \
    where you have said so.";

const TOUR: &str = r#"# What an answer can look like

Text with **bold**, *italic* and `code`, and lists:

1. a model reads your message,
2. it asks for a tool,
3. you decide, and the tool runs in its sandbox.

| part | runs where |
|------|------------|
| model | wherever you have one |
| server | in a container without a network |
| this text | in a script |

```python
def greet(name: str) -> str:
    return f"Hello, {name}!"
```

> I am a scripted demo model. A real one writes better prose.
"#;

/// Returns the tools by server.
fn tool_list(tools: &[Tool]) -> String {
    if tools.is_empty() {
        return "## Tools\n\nNo tools are on in this chat. Add a server, for instance `npm:@modelcontextprotocol/\
                server-everything` or `pypi:mcp-server-time`, and turn its tools on."
            .to_owned();
    }
    let mut servers: Vec<(&str, Vec<&Tool>)> = Vec::new();
    for tool in tools {
        match servers.iter_mut().find(|(it, _)| *it == tool.server()) {
            Some((_, theirs)) => theirs.push(tool),
            None => servers.push((tool.server(), vec![tool])),
        }
    }
    let mut text = match servers.len() {
        1 => format!("## {} tools of one server\n", tools.len()),
        count => format!("## {} tools of {count} servers\n", tools.len()),
    };
    for (server, theirs) in servers.iter().take(SERVERS_SHOWN_MAX) {
        let server = if server.is_empty() {
            "without a server"
        } else {
            server
        };
        text.push_str(&format!(
            "\n### {server}\n\n| tool | what it does |\n|------|--------------|\n"
        ));
        for tool in theirs.iter().take(TOOLS_SHOWN_MAX) {
            text.push_str(&format!(
                "| `{}` | {} |\n",
                tool.own_name(),
                cell(first_sentence(&tool.description))
            ));
        }
        if theirs.len() > TOOLS_SHOWN_MAX {
            text.push_str(&format!("\nAnd {} more.\n", theirs.len() - TOOLS_SHOWN_MAX));
        }
    }
    if servers.len() > SERVERS_SHOWN_MAX {
        text.push_str(&format!(
            "\nAnd {} more servers.\n",
            servers.len() - SERVERS_SHOWN_MAX
        ));
    }
    text.trim_end().to_owned()
}

/// Returns what to write, as far as the tools on offer make it possible.
fn suggestions(ask: &Ask<'_>) -> String {
    const TRY: &[(&str, &str)] = &[
        (
            "get_current_time",
            "What time is it in Tokyo and in Berlin?",
        ),
        ("convert_time", "Convert 9:30 from Berlin to New York"),
        ("set_memory", "Remember that my favourite colour is green"),
        ("list_memories", "What do you remember?"),
        ("list_directory", "Which files are there?"),
        (
            "write_file",
            "Write a file hello.txt saying \"hello from the sandbox\"",
        ),
        ("fetch", "Fetch https://example.com/"),
        ("git_log", "Show the last commits of /repo"),
        ("echo", "Echo hello"),
        ("get_sum", "Add 19 and 23"),
        ("enable_tools", "Enable the time tools"),
    ];
    let mut lines: Vec<String> = TRY
        .iter()
        .filter(|(tool, _)| ask.tool(&[tool]).is_some())
        .map(|(_, text)| format!("- {text}"))
        .collect();
    lines.push("- Show me some Markdown".to_owned());
    lines.push("- What can you do?".to_owned());
    format!("## Things to try\n\n{}", lines.join("\n"))
}

/// Returns a result as a block of code, cut, and says what was cut.
pub(crate) fn quote(text: &str) -> String {
    let text = text.trim_end();
    let mut shown: String = text
        .lines()
        .take(QUOTE_LINES_MAX)
        .collect::<Vec<_>>()
        .join("\n");
    if let Some((end, _)) = shown.char_indices().nth(QUOTE_CHARS_MAX) {
        shown.truncate(end);
    }
    let left = text.chars().count() - shown.chars().count();
    let fence = fence(&shown);
    let kind = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(_) | Value::Array(_)) => "json",
        _ => "text",
    };
    let more = match left {
        0 => String::new(),
        left => format!("\n\n… and {left} characters more."),
    };
    format!("{fence}{kind}\n{shown}\n{fence}{more}")
}

/// Returns a fence that is longer than any in the text.
fn fence(text: &str) -> String {
    let longest = text
        .split(|it| it != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    "`".repeat(longest.max(2) + 1)
}

/// Returns a title for a chat that begins with this message.
pub(super) fn title(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().take(TITLE_WORDS_MAX).collect();
    let title = words.join(" ");
    let title = title.trim_end_matches(['.', '?', '!', ',', ':']);
    if title.is_empty() { "New chat" } else { title }.to_owned()
}

fn counted(text: &str, one: &str, more: &str) -> String {
    match text.lines().filter(|it| !it.trim().is_empty()).count() {
        1 => format!("one {one}"),
        count => format!("{count} {more}"),
    }
}

fn first_sentence(text: &str) -> &str {
    let text = text.trim();
    let end = text
        .find(". ")
        .or_else(|| text.find('\n'))
        .unwrap_or(text.len());
    text[..end].trim_end_matches('.')
}

/// Returns a text that stays inside of its cell.
fn cell(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let escaped = one_line.replace('\\', "\\\\").replace('|', "\\|");
    match escaped.char_indices().nth(ABOUT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", escaped[..end].trim_end_matches('\\')),
        None => escaped,
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn what_a_result_amounts_to_is_read_from_its_first_lines() {
        #[track_caller]
        fn check(text: &str, expected: Outcome) {
            assert_eq!(Outcome::of(text), expected, "{text}");
        }
        check("Echo: hi", Outcome::Fine);
        check("{\"error\": null, \"value\": 1}", Outcome::Fine);
        check(
            "One line.\nError: of somebody else, in a log",
            Outcome::Fine,
        );
        check("{\"error\": \"no disk\"}", Outcome::Failed);
        check("Error: no disk", Outcome::Failed);
        check("The tool reports an error:\nno disk", Outcome::Failed);
        check(
            "The call was not made: there is no tool `x`",
            Outcome::Failed,
        );
        check(
            "This is not a call: the arguments are not JSON",
            Outcome::Failed,
        );
        check(
            "The outcome of this call is unknown: the server ended.",
            Outcome::Failed,
        );
        check(
            "The person did not allow this call, and it was not made.",
            Outcome::Denied,
        );
        check("(The person changed it.)\nEcho: hi", Outcome::Fine);
        check(
            "The tool reports an error:\na rule denies tool `x` of server `y`",
            Outcome::Denied,
        );
        check(
            "The tool reports an error:\nthe call of `x` was not approved: not now",
            Outcome::Denied,
        );
        check(
            "The tool reports an error:\nthe call of `x` is waiting for approval: …",
            Outcome::Waiting,
        );
    }
}
