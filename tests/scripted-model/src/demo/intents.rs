//! What a person may want, and by which calls.

use serde_json::{Value, json};

use crate::{
    conversation::Tool,
    demo::{Ask, arguments::call, facts, plain},
    turn::ToolCall,
};

/// Returns the next calls: of the first intent that is there and not done.
type Intent = fn(&Ask<'_>) -> Option<Vec<ToolCall>>;

const INTENTS: &[Intent] = &[
    named,
    which_tools,
    enable,
    remember,
    forget,
    recall,
    convert_time,
    time,
    write_file,
    read_file,
    list_files,
    fetch,
    git,
    echo,
    sum,
];
/// So many tools are turned on at once.
const ENABLED_MAX: usize = 10;
/// So many words in common make a tool fit a message that no intent knows.
const COMMON_MIN: usize = 2;
/// Words that tell nothing about what is wanted.
const FILLERS: &[&str] = &[
    "a", "all", "an", "and", "are", "can", "could", "do", "does", "for", "from", "get", "give",
    "how", "i", "in", "is", "it", "me", "my", "of", "on", "or", "please", "run", "tell", "the",
    "this", "that", "to", "tool", "use", "what", "with", "you", "your",
];

/// Returns the calls that come next; `None` when there is nothing more to do.
pub(super) fn next(ask: &Ask<'_>) -> Option<Vec<ToolCall>> {
    // Asking what there is, is no wish to have it done.
    if about_itself(ask) {
        return None;
    }
    let is_new = |it: &ToolCall| ask.done.iter().all(|done| done.call.name != it.name);
    let known = INTENTS.iter().find_map(|intent| {
        let mut calls = intent(ask)?;
        calls.retain(is_new);
        (!calls.is_empty()).then_some(calls)
    });
    if known.is_some() || !ask.done.is_empty() {
        return known;
    }
    by_common_words(ask).map(|tool| vec![call(tool, &[], ask.text)])
}

/// Returns whether the person asks about the model and its tools.
pub(super) fn about_itself(ask: &Ask<'_>) -> bool {
    let who = [
        "what can you do",
        "who are you",
        "what are you",
        "what can i ask",
        "help me start",
    ];
    let greeting = ["hi", "hello", "hey", "help"];
    let word = ask.lower.trim().trim_end_matches(['!', '.', '?']);
    let tools = [
        "which tools do you have",
        "what tools do you have",
        "list your tools",
    ];
    ask.says(&who) || ask.says(&tools) || greeting.contains(&word)
}

/// "use get-sum with {…}": a tool by its name.
fn named(ask: &Ask<'_>) -> Option<Vec<ToolCall>> {
    const VERBS: &[&str] = &["use", "call", "run", "try", "invoke"];
    if !ask.has_word(VERBS) {
        return None;
    }
    let text = plain(ask.text);
    let is_named = |tool: &&Tool| {
        let (whole, own) = (plain(&tool.name), plain(tool.own_name()));
        let words = || facts::words(&text);
        words().any(|it| it == whole) || words().any(|it| it == own)
    };
    let tool = ask.tools.iter().find(is_named)?;
    // What the name says is not what it is to be told.
    let rest = facts::after(ask.text, &[tool.own_name(), &tool.name.to_lowercase()]);
    let rest = rest.map(|it| {
        it.trim_start_matches(['`', '"', ',', ':', ' '])
            .trim_start_matches("tool ")
            .trim_start_matches("with ")
            .trim_start_matches("to say ")
    });
    let text = rest.filter(|it| !it.is_empty()).unwrap_or(ask.text);
    Some(vec![call(tool, &[], text)])
}

fn which_tools(ask: &Ask<'_>) -> Option<Vec<ToolCall>> {
    if !ask.says(&[
        "available tools",
        "tools are available",
        "which tools",
        "what tools",
    ]) {
        return None;
    }
    let tool = ask.tool(&["list_available_tools"])?;
    Some(vec![call(tool, &[], "")])
}

/// "enable the time tools": looks which there are, then turns on those that are meant.
fn enable(ask: &Ask<'_>) -> Option<Vec<ToolCall>> {
    let on = ask.has_word(&["enable"]) || ask.says(&["turn on", "switch on"]);
    let off = ask.has_word(&["disable"]) || ask.says(&["turn off", "switch off"]);
    if !on && !off {
        return None;
    }
    let tool = ask.tool(&[if on { "enable_tools" } else { "disable_tools" }])?;
    let Some(listed) = ask.result("list_available_tools") else {
        let list = ask.tool(&["list_available_tools"])?;
        return Some(vec![call(list, &[], "")]);
    };
    let ids = meant(&tool_ids(listed), &ask.lower);
    if ids.is_empty() {
        return None;
    }
    Some(vec![call(tool, &[("tool_ids", json!(ids))], "")])
}

/// Returns the ids in an answer of `list_available_tools`, whatever stands around them.
fn tool_ids(listed: &str) -> Vec<String> {
    fn collect(value: &Value, ids: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                let id = ["id", "tool_id", "name"]
                    .iter()
                    .find_map(|it| object.get(*it));
                // A server has tools inside of it; its own name is no tool's.
                let has_tools = object.values().any(Value::is_array);
                if let (Some(Value::String(id)), false) = (id, has_tools) {
                    ids.push(id.clone());
                }
                object.values().for_each(|it| collect(it, ids));
            }
            Value::Array(values) => values.iter().for_each(|it| match it {
                Value::String(id) => ids.push(id.clone()),
                other => collect(other, ids),
            }),
            _ => {}
        }
    }
    let mut ids = Vec::new();
    match serde_json::from_str::<Value>(listed) {
        Ok(value) => collect(&value, &mut ids),
        // Text: whatever has the form of a tool's name with its server.
        Err(_) => {
            let found = facts::words(listed).filter(|it| it.contains("__"));
            ids.extend(found.map(str::to_owned));
        }
    }
    ids.dedup();
    ids
}

/// Returns the ids that have a word of the message in them, else all; not too many.
fn meant(ids: &[String], lower: &str) -> Vec<String> {
    const ABOUT_TOOLS: &[&str] = &[
        "enable", "disable", "tools", "turn", "switch", "off", "then",
    ];
    let wanted: Vec<&str> = facts::words(lower)
        .filter(|it| it.len() > 2 && !FILLERS.contains(it) && !ABOUT_TOOLS.contains(it))
        .collect();
    let fits = |id: &&String| {
        let id = plain(id);
        wanted
            .iter()
            .any(|it| id.split('_').any(|part| part == *it))
    };
    let fitting: Vec<String> = ids.iter().filter(fits).take(ENABLED_MAX).cloned().collect();
    if fitting.is_empty() {
        return ids.iter().take(ENABLED_MAX).cloned().collect();
    }
    fitting
}

fn remember(ask: &Ask<'_>) -> Option<Vec<ToolCall>> {
    if ask.says(&[
        "do you remember",
        "what you remember",
        "can you remember what",
    ]) {
        return None;
    }
    let fact = facts::after(
        ask.text,
        &["remember that ", "remember: ", "remember, ", "remember "],
    );
    let fact = facts::sentence(fact.or_else(|| facts::after(ask.text, &["note that "]))?);
    let (name, value) = name_and_value(fact);
    if let Some(tool) = ask.tool(&["set_memory"]) {
        let known = [("name", json!(name)), ("value", json!(value))];
        return Some(vec![call(tool, &known, fact)]);
    }
    let tool = ask.tool(&["create_entities"])?;
    let entity = json!({ "name": name, "entityType": "fact", "observations": [fact] });
    Some(vec![call(tool, &[("entities", json!([entity]))], fact)])
}

/// "my favourite colour is green" is `favourite_colour` and `green`.
fn name_and_value(fact: &str) -> (String, String) {
    let parts = [" is ", " are ", " = ", ": "]
        .iter()
        .find_map(|it| fact.split_once(it));
    let (name, value) = parts.unwrap_or((fact, fact));
    (memory_name(name), value.trim().to_owned())
}

fn memory_name(text: &str) -> String {
    const WORDS_MAX: usize = 5;
    let lower = text.to_lowercase();
    let skipped = |it: &&str| !matches!(*it, "my" | "the" | "our" | "a" | "an" | "about" | "that");
    let words: Vec<&str> = facts::words(&lower)
        .filter(skipped)
        .take(WORDS_MAX)
        .collect();
    match words.is_empty() {
        true => "note".to_owned(),
        false => words.join("_"),
    }
}

fn forget(ask: &Ask<'_>) -> Option<Vec<ToolCall>> {
    let what = facts::after(
        ask.text,
        &["forget about ", "forget ", "delete the memory "],
    )?;
    let tool = ask.tool(&["delete_memory"])?;
    let name = memory_name(facts::sentence(what));
    Some(vec![call(tool, &[("name", json!(name))], "")])
}

fn recall(ask: &Ask<'_>) -> Option<Vec<ToolCall>> {
    let asks = [
        "do you remember",
        "what you remember",
        "know about me",
        "memories",
        "in your memory",
    ];
    if !ask.says(&asks) {
        return None;
    }
    let tool = ask.tool(&["list_memories", "read_graph"])?;
    Some(vec![call(tool, &[], "")])
}

/// "convert 9:30 from Berlin to Tokyo".
fn convert_time(ask: &Ask<'_>) -> Option<Vec<ToolCall>> {
    let tool = ask.tool(&["convert_time"])?;
    let (time, zones) = (facts::time_of_day(ask.text)?, facts::zones(ask.text));
    let [first, second, ..] = zones.as_slice() else {
        return None;
    };
    // "what is it in Tokyo when it is 9:30 in Berlin" has the source last.
    let (source, target) = match ask.says(&[" when it", " if it"]) {
        true => (second, first),
        false => (first, second),
    };
    let known = [
        ("source_timezone", json!(source)),
        ("target_timezone", json!(target)),
        ("time", json!(time)),
    ];
    Some(vec![call(tool, &known, ask.text)])
}

/// One call for each city.
fn time(ask: &Ask<'_>) -> Option<Vec<ToolCall>> {
    let asks = [
        "what time",
        "the time",
        "time is it",
        "time in ",
        "current time",
        "o'clock",
        "what day",
    ];
    if !ask.says(&asks) && !ask.has_word(&["date", "today"]) {
        return None;
    }
    let tool = ask.tool(&["get_current_time", "current_time", "get_time", "now"])?;
    let zones = facts::zones(ask.text);
    if zones.is_empty() {
        let zone = json!(local_zone(tool));
        return Some(vec![call(tool, &[("timezone", zone)], ask.text)]);
    }
    let one = |zone: &String| call(tool, &[("timezone", json!(zone))], zone);
    Some(zones.iter().map(one).collect())
}

/// Returns the time zone that the tool's description calls its own.
fn local_zone(tool: &Tool) -> String {
    let schema = tool.schema.to_string();
    facts::zones(&schema.replace(['"', '\'', '\\'], " "))
        .into_iter()
        .find(|_| schema.contains("local timezone"))
        .unwrap_or_else(|| "UTC".to_owned())
}

fn write_file(ask: &Ask<'_>) -> Option<Vec<ToolCall>> {
    if !ask.has_word(&["write", "create", "save"])
        || !(ask.has_word(&["file"]) || facts::path(ask.text).is_some())
    {
        return None;
    }
    let tool = ask.tool(&["write_file", "create_file", "save_file"])?;
    let path = match in_folder(ask, facts::path(ask.text).as_deref().unwrap_or("hello.txt")) {
        Ok(path) => path,
        Err(first) => return Some(first),
    };
    let phrases = [
        "that says ",
        "saying ",
        "containing ",
        "with the text ",
        "with the words ",
        "with ",
    ];
    let said = facts::quotation(ask.text).filter(|it| !path.ends_with(it.as_str()));
    let said =
        said.or_else(|| facts::after(ask.text, &phrases).map(|it| facts::sentence(it).to_owned()));
    let content = said.unwrap_or_else(|| "Hello from the demo model!".to_owned());
    let known = [
        ("path", json!(path)),
        ("content", json!(format!("{content}\n"))),
    ];
    Some(vec![call(tool, &known, ask.text)])
}

fn read_file(ask: &Ask<'_>) -> Option<Vec<ToolCall>> {
    if !ask.has_word(&["read", "show", "open", "cat"]) && !ask.says(&["what is in ", "what's in "])
    {
        return None;
    }
    let path = facts::path(ask.text).filter(|it| {
        !it.ends_with('/') && it.rsplit('/').next().is_some_and(|it| it.contains('.'))
    })?;
    let tool = ask.tool(&["read_text_file", "read_file"])?;
    match in_folder(ask, &path) {
        Ok(path) => Some(vec![call(tool, &[("path", json!(path))], ask.text)]),
        Err(first) => Some(first),
    }
}

fn list_files(ask: &Ask<'_>) -> Option<Vec<ToolCall>> {
    let lists = ask.has_word(&["list", "show", "which", "what", "see", "look"]);
    if !lists || !ask.has_word(&["files", "folder", "folders", "directory", "directories"]) {
        return None;
    }
    let tool = ask.tool(&["list_directory", "list_files", "ls"])?;
    let path = match facts::path(ask.text) {
        Some(path) => path,
        None => match in_folder(ask, "") {
            Ok(path) => path,
            Err(first) => return Some(first),
        },
    };
    Some(vec![call(tool, &[("path", json!(path))], ask.text)])
}

/// Returns a whole path, or the call that tells in which folder it may be.
fn in_folder(ask: &Ask<'_>, path: &str) -> Result<String, Vec<ToolCall>> {
    if path.starts_with('/') {
        return Ok(path.to_owned());
    }
    let Some(tool) = ask.tool(&["list_allowed_directories"]) else {
        return Ok(if path.is_empty() { "." } else { path }.to_owned());
    };
    let Some(allowed) = ask.result("list_allowed_directories") else {
        return Err(vec![call(tool, &[], "")]);
    };
    let is_folder = |it: &&str| it.starts_with('/');
    let folder = allowed.split_whitespace().find(is_folder);
    let folder = folder.unwrap_or(".").trim_end_matches(['/', ',', '"', ']']);
    Ok(
        match path.trim_start_matches("./").trim_start_matches("~/") {
            "" | "." => folder.to_owned(),
            path => format!("{folder}/{path}"),
        },
    )
}

fn fetch(ask: &Ask<'_>) -> Option<Vec<ToolCall>> {
    let url = facts::url(ask.text)?;
    let tool = ask.tool(&[
        "fetch",
        "fetch_url",
        "get_url",
        "read_url",
        "navigate",
        "browser_navigate",
    ])?;
    Some(vec![call(tool, &[("url", json!(url))], ask.text)])
}

fn git(ask: &Ask<'_>) -> Option<Vec<ToolCall>> {
    let names: &[&str] = if ask.has_word(&["commits", "commit", "log", "history"]) {
        &["git_log"]
    } else if ask.has_word(&["diff", "changes", "changed"]) {
        &["git_diff_unstaged", "git_diff"]
    } else if ask.has_word(&["branch", "branches"]) {
        &["git_branch"]
    } else if ask.has_word(&["git", "repository", "repo", "status"]) {
        &["git_status"]
    } else {
        return None;
    };
    let tool = ask.tool(names)?;
    let path = facts::path(ask.text).unwrap_or_else(|| ".".to_owned());
    let known = [
        ("repo_path", json!(path)),
        ("max_count", json!(5)),
        ("branch_type", json!("local")),
    ];
    Some(vec![call(tool, &known, ask.text)])
}

fn echo(ask: &Ask<'_>) -> Option<Vec<ToolCall>> {
    let said = facts::after(
        ask.text,
        &["echo ", "repeat after me: ", "repeat after me ", "repeat "],
    )?;
    let tool = ask.tool(&["echo"])?;
    let said =
        facts::quotation(said).unwrap_or_else(|| said.trim_start_matches([':', ' ']).to_owned());
    let known = [("text", json!(said)), ("message", json!(said))];
    Some(vec![call(tool, &known, &said)])
}

fn sum(ask: &Ask<'_>) -> Option<Vec<ToolCall>> {
    let text = ask.text.replace(['+', ',', '?', '='], " ");
    let numbers = facts::numbers(&text);
    let asks = ask.has_word(&["add", "sum", "plus"]) || ask.text.contains('+');
    if !asks || numbers.len() < 2 {
        return None;
    }
    let tool = ask.tool(&["add", "get_sum", "sum"])?;
    Some(vec![call(tool, &[], &text)])
}

/// Returns the tool whose name and description share the most words with the message, if they share
/// enough, one of its name among them.
fn by_common_words<'a>(ask: &Ask<'a>) -> Option<&'a Tool> {
    let wanted: Vec<&str> = facts::words(&ask.lower)
        .filter(|it| !FILLERS.contains(it))
        .collect();
    let score = |tool: &Tool| {
        let name = plain(tool.own_name());
        let about = tool.description.to_lowercase();
        let same = |a: &str, b: &str| a == b || a.trim_end_matches('s') == b.trim_end_matches('s');
        let in_name = |it: &&&str| name.split('_').any(|part| same(part, it));
        let in_about = |it: &&&str| facts::words(&about).any(|part| same(part, it));
        let named = wanted.iter().filter(in_name).count();
        let described = wanted.iter().filter(in_about).count();
        // Its whole name, in other words, is enough.
        let whole = name.split('_').filter(|it| !FILLERS.contains(it)).count();
        (named > 0 && (named + described >= COMMON_MIN || named == whole))
            .then_some(2 * named + described)
    };
    let scored = ask.tools.iter().filter_map(|it| Some((score(it)?, it)));
    // Of equals the first.
    let best = scored.fold(None, |best: Option<(usize, &Tool)>, it| match best {
        Some(best) if best.0 >= it.0 => Some(best),
        _ => Some(it),
    });
    best.map(|(_, tool)| tool)
}
