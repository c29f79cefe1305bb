//! The demo's decisions, as tables.

use serde_json::{Value, json};

use super::answer;
use crate::{
    conversation::{Call, Conversation, Message, Tool},
    turn::{Answer, Step, Turn},
};

fn tool(name: &str, description: &str, properties: Value, required: &[&str]) -> Tool {
    Tool {
        name: name.to_owned(),
        description: description.to_owned(),
        schema: json!({ "type": "object", "properties": properties, "required": required }),
    }
}

/// What the servers offer that people meet first.
fn tools() -> Vec<Tool> {
    let text = json!({ "type": "string" });
    let one = |name: &'static str| json!({ name: text });
    let zone = json!({ "timezone": { "type": "string", "description":
        "IANA timezone name. Use 'Europe/Vienna' as local timezone if no timezone provided." } });
    let convert = json!({ "source_timezone": text, "time": text, "target_timezone": text });
    vec![
        tool(
            "time__get_current_time",
            "Get current time in a specific timezone",
            zone,
            &["timezone"],
        ),
        tool(
            "time__convert_time",
            "Convert time between timezones",
            convert,
            &["source_timezone", "time", "target_timezone"],
        ),
        tool(
            "archestra__set_memory",
            "Remembers something.",
            json!({ "name": text, "value": text }),
            &["name", "value"],
        ),
        tool(
            "archestra__list_memories",
            "Lists what is remembered.",
            json!({}),
            &[],
        ),
        tool(
            "archestra__delete_memory",
            "Forgets something.",
            one("name"),
            &["name"],
        ),
        tool(
            "archestra__list_available_tools",
            "Lists tools.",
            one("mcp_server"),
            &[],
        ),
        tool(
            "archestra__enable_tools",
            "Turns tools on.",
            json!({ "tool_ids": { "type": "array", "items": text } }),
            &["tool_ids"],
        ),
        tool(
            "archestra__disable_tools",
            "Turns tools off.",
            json!({ "tool_ids": { "type": "array", "items": text } }),
            &["tool_ids"],
        ),
        tool(
            "files__list_allowed_directories",
            "Returns the directories.",
            json!({}),
            &[],
        ),
        tool(
            "files__list_directory",
            "Lists a directory.",
            one("path"),
            &["path"],
        ),
        tool(
            "files__read_text_file",
            "Reads a file.",
            one("path"),
            &["path"],
        ),
        tool(
            "files__write_file",
            "Writes a file.",
            json!({ "path": text, "content": text }),
            &["path", "content"],
        ),
        tool("fetch__fetch", "Fetches a URL.", one("url"), &["url"]),
        tool(
            "git__git_log",
            "Shows the commit logs.",
            json!({ "repo_path": text, "max_count": { "type": "integer" } }),
            &["repo_path"],
        ),
        tool(
            "git__git_status",
            "Shows the status.",
            one("repo_path"),
            &["repo_path"],
        ),
        tool(
            "everything__echo",
            "Echoes back the input string",
            one("message"),
            &["message"],
        ),
        tool(
            "everything__get-sum",
            "Returns the sum of two numbers",
            json!({ "a": { "type": "number" }, "b": { "type": "number" } }),
            &["a", "b"],
        ),
        tool(
            "tickets__create_ticket",
            "Creates a ticket in the tracker.",
            json!({ "title": text, "priority": { "enum": ["low", "high"] }, "labels": { "type": "array", "items": text } }),
            &["title", "priority", "labels"],
        ),
    ]
}

fn asked(text: &str, tools: Vec<Tool>) -> Conversation {
    Conversation {
        model: "demo".to_owned(),
        messages: vec![Message::User {
            text: text.to_owned(),
            images: 0,
        }],
        tools,
        stream: true,
        include_usage: false,
        context_tokens: None,
        think: None,
    }
}

fn steps(turn: Turn) -> Vec<Step> {
    match turn.answer {
        Answer::Steps(steps) => steps,
        other => panic!("{other:?}"),
    }
}

fn calls_of(steps: &[Step]) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for step in steps {
        if let Step::Calls(calls) = step {
            let call = |it: &crate::ToolCall| {
                (
                    it.name.clone(),
                    serde_json::from_str(&it.arguments).unwrap(),
                )
            };
            found.extend(calls.iter().map(call));
        }
    }
    found
}

fn text_of(steps: &[Step]) -> String {
    let text = |it: &Step| match it {
        Step::Text(text) => Some(text.clone()),
        _ => None,
    };
    steps.iter().filter_map(text).collect()
}

/// Adds a round to a conversation: the model's calls and their results, in this order.
fn answered(conversation: &mut Conversation, results: &[&str]) {
    let calls = calls_of(&steps(answer(conversation)));
    assert_eq!(calls.len(), results.len(), "{calls:?}");
    let round = conversation.messages.len();
    let ids: Vec<String> = (0..calls.len()).map(|it| format!("{round}-{it}")).collect();
    let calls = calls
        .into_iter()
        .zip(&ids)
        .map(|((name, arguments), id)| Call {
            id: id.clone(),
            name,
            arguments,
        });
    let calls = calls.collect();
    conversation.messages.push(Message::Assistant {
        text: String::new(),
        calls,
    });
    for (id, text) in ids.into_iter().zip(results) {
        conversation.messages.push(Message::Tool {
            id,
            text: (*text).to_owned(),
        });
    }
}

#[test]
fn a_message_leads_to_the_call_that_fits_it() {
    #[track_caller]
    fn check(text: &str, name: &str, arguments: Value) {
        let calls = calls_of(&steps(answer(&asked(text, tools()))));
        assert_eq!(calls, [(name.to_owned(), arguments)], "{text}");
    }
    let now = "time__get_current_time";
    check(
        "What time is it in Tokyo?",
        now,
        json!({ "timezone": "Asia/Tokyo" }),
    );
    check(
        "what's the time in Europe/Berlin",
        now,
        json!({ "timezone": "Europe/Berlin" }),
    );
    check(
        "What time is it?",
        now,
        json!({ "timezone": "Europe/Vienna" }),
    );
    let convert = "time__convert_time";
    let zones = json!({ "source_timezone": "Europe/Berlin", "time": "09:30", "target_timezone": "America/New_York" });
    check(
        "Convert 9:30 from Berlin to New York",
        convert,
        zones.clone(),
    );
    check(
        "What is it in New York when it is 9:30 in Berlin?",
        convert,
        zones,
    );
    let set = "archestra__set_memory";
    let colour = json!({ "name": "favourite_colour", "value": "green" });
    check(
        "remember that my favourite colour is green",
        set,
        colour.clone(),
    );
    check(
        "Please remember that my favourite colour is green. Thanks!",
        set,
        colour,
    );
    check(
        "Remember: buy milk",
        set,
        json!({ "name": "buy_milk", "value": "buy milk" }),
    );
    check(
        "What do you remember?",
        "archestra__list_memories",
        json!({}),
    );
    check(
        "what do you know about me",
        "archestra__list_memories",
        json!({}),
    );
    check(
        "Forget my favourite colour",
        "archestra__delete_memory",
        json!({ "name": "favourite_colour" }),
    );
    check(
        "Which tools are available?",
        "archestra__list_available_tools",
        json!({}),
    );
    check(
        "enable the time tools",
        "archestra__list_available_tools",
        json!({}),
    );
    check(
        "Which files are there?",
        "files__list_allowed_directories",
        json!({}),
    );
    check(
        "list the files in /data/photos",
        "files__list_directory",
        json!({ "path": "/data/photos" }),
    );
    check(
        "read /data/notes.txt",
        "files__read_text_file",
        json!({ "path": "/data/notes.txt" }),
    );
    check(
        "write a file /data/a.txt saying \"good morning\"",
        "files__write_file",
        json!({ "path": "/data/a.txt", "content": "good morning\n" }),
    );
    check(
        "Fetch https://example.com/page.",
        "fetch__fetch",
        json!({ "url": "https://example.com/page" }),
    );
    check(
        "Show the last commits of /repo",
        "git__git_log",
        json!({ "repo_path": "/repo", "max_count": 5 }),
    );
    check(
        "git status of /repo",
        "git__git_status",
        json!({ "repo_path": "/repo" }),
    );
    check(
        "echo hello there",
        "everything__echo",
        json!({ "message": "hello there" }),
    );
    check(
        "use the echo tool with good morning",
        "everything__echo",
        json!({ "message": "good morning" }),
    );
    check(
        "Add 19 and 23",
        "everything__get-sum",
        json!({ "a": 19, "b": 23 }),
    );
    check(
        "what is 2 + 2.5?",
        "everything__get-sum",
        json!({ "a": 2, "b": 2.5 }),
    );
    check(
        "call everything__get-sum {\"a\": 1, \"b\": 2}",
        "everything__get-sum",
        json!({ "a": 1, "b": 2 }),
    );
    check(
        "create a ticket: \"printer on fire\", high priority",
        "tickets__create_ticket",
        json!({ "title": "printer on fire", "priority": "high", "labels": ["printer on fire"] }),
    );
}

#[test]
fn two_cities_are_two_calls_at_once() {
    let calls = calls_of(&steps(answer(&asked(
        "What time is it in Tokyo and in Berlin?",
        tools(),
    ))));
    let zones: Vec<&str> = calls
        .iter()
        .filter_map(|(_, it)| it["timezone"].as_str())
        .collect();
    assert_eq!(zones, ["Asia/Tokyo", "Europe/Berlin"]);
}

#[test]
fn without_a_tool_that_fits_it_says_what_it_is_and_what_to_try() {
    #[track_caller]
    fn check(text: &str, tools: Vec<Tool>, has: &[&str]) {
        let steps = steps(answer(&asked(text, tools)));
        assert!(calls_of(&steps).is_empty(), "{steps:?}");
        let said = text_of(&steps);
        for it in has {
            assert!(said.contains(it), "`{it}` is not in: {said}");
        }
    }
    check(
        "What is the meaning of life?",
        tools(),
        &[
            "scripted demo model",
            "not an AI",
            "What time is it in Tokyo",
        ],
    );
    check(
        "hello",
        tools(),
        &[
            "# Hello",
            "18 tools of 7 servers",
            "### archestra",
            "| `set_memory` | Remembers something |",
        ],
    );
    check(
        "What can you do?",
        Vec::new(),
        &["No tools are on in this chat"],
    );
    check("Which tools do you have?", tools(), &["### files"]);
    check("What time is it?", Vec::new(), &["scripted demo model"]);
    check("show me some markdown", tools(), &["```python", "| part |"]);
    check("", Vec::new(), &["scripted demo model"]);
}

#[test]
fn a_result_is_told_in_words() {
    #[track_caller]
    fn check(text: &str, result: &str, has: &[&str]) {
        let mut conversation = asked(text, tools());
        answered(&mut conversation, &[result]);
        let steps = steps(answer(&conversation));
        assert!(calls_of(&steps).is_empty(), "{steps:?}");
        let said = text_of(&steps);
        for it in has {
            assert!(said.contains(it), "`{it}` is not in: {said}");
        }
    }
    let clock = json!({ "timezone": "Asia/Tokyo", "datetime": "2026-03-01T14:03:22+09:00", "is_dst": false });
    check(
        "time in Tokyo?",
        &clock.to_string(),
        &["In **Asia/Tokyo** it is **14:03** on 2026-03-01."],
    );
    check(
        "remember that my favourite colour is green",
        "ok",
        &["**favourite colour**: green"],
    );
    check("what do you remember?", "[]", &["nothing yet"]);
    let memories = json!({ "memories": [{ "name": "favourite_colour", "value": "green | blue" }] });
    check(
        "what do you remember?",
        &memories.to_string(),
        &["| favourite colour | green \\| blue |"],
    );
    check("echo ```", "```", &["````text\n```\n````"]);
    check("echo hi", &"line\n".repeat(100), &["characters more"]);
    check(
        "echo hi",
        "Error: the server has stopped",
        &["did not work", "the server has stopped"],
    );
    check(
        "echo hi",
        "Denied by the person: not now",
        &["not allowed to call `echo`", "not now"],
    );
    check(
        "echo hi",
        "waiting for approval at http://127.0.0.1:3000/approvals/1",
        &["still waits"],
    );
    check("echo hi", "", &["sent it back"]);
}

#[test]
fn what_the_program_says_in_the_persons_place_is_no_question() {
    let mut conversation = asked("echo one", tools());
    answered(&mut conversation, &["one"]);
    for aside in [
        "The images of these results:",
        "Your answer was cut off here. Go on where it ends.",
    ] {
        let text = aside.to_owned();
        conversation
            .messages
            .push(Message::User { text, images: 1 });
        let steps = steps(answer(&conversation));
        assert!(text_of(&steps).contains("sent it back"), "{steps:?}");
    }
}

#[test]
fn a_failure_ends_the_rounds() {
    let mut conversation = asked("Which files are there?", tools());
    answered(&mut conversation, &["Error: no directories"]);
    let steps = steps(answer(&conversation));
    assert!(calls_of(&steps).is_empty());
    assert!(text_of(&steps).contains("did not work"));
}

#[test]
fn some_things_take_several_rounds() {
    #[track_caller]
    fn check(text: &str, rounds: &[(&str, Value, &str)], ends_with: &str) {
        let mut conversation = asked(text, tools());
        for (name, arguments, result) in rounds {
            let calls = calls_of(&steps(answer(&conversation)));
            assert_eq!(calls, [((*name).to_owned(), arguments.clone())], "{text}");
            answered(&mut conversation, &[result]);
        }
        let steps = steps(answer(&conversation));
        assert!(calls_of(&steps).is_empty(), "{steps:?}");
        let said = text_of(&steps);
        assert!(said.contains(ends_with), "{said}");
    }
    check(
        "write a file hello.txt saying \"hello\"",
        &[
            (
                "files__list_allowed_directories",
                json!({}),
                "Allowed directories:\n/data",
            ),
            (
                "files__write_file",
                json!({ "path": "/data/hello.txt", "content": "hello\n" }),
                "Successfully wrote",
            ),
        ],
        "I have written `/data/hello.txt`",
    );
    check(
        "what files do you see?",
        &[
            (
                "files__list_allowed_directories",
                json!({}),
                "Allowed directories:\n/data\n/more",
            ),
            (
                "files__list_directory",
                json!({ "path": "/data" }),
                "[FILE] a.txt\n[DIR] b",
            ),
        ],
        "In `/data` there are 2 entries",
    );
    check(
        "enable the time tools, then tell me what time it is in Oslo",
        &[
            (
                "archestra__list_available_tools",
                json!({}),
                "{\"tools\":[{\"id\":\"time__convert_time\"},{\"id\":\"git__git_log\"}]}",
            ),
            (
                "archestra__enable_tools",
                json!({ "tool_ids": ["time__convert_time"] }),
                "enabled",
            ),
            (
                "time__get_current_time",
                json!({ "timezone": "Europe/Oslo" }),
                "{}",
            ),
        ],
        "These tools are on now",
    );
    check(
        "remember that my city is Oslo and then tell me the time in Oslo",
        &[
            (
                "archestra__set_memory",
                json!({ "name": "city", "value": "Oslo" }),
                "ok",
            ),
            (
                "time__get_current_time",
                json!({ "timezone": "Europe/Oslo" }),
                "12:00",
            ),
        ],
        "**city**: Oslo",
    );
}

#[test]
fn what_was_called_for_an_earlier_message_does_not_count() {
    let mut conversation = asked("echo one", tools());
    answered(&mut conversation, &["one"]);
    conversation.messages.push(Message::User {
        text: "echo two".to_owned(),
        images: 0,
    });
    let calls = calls_of(&steps(answer(&conversation)));
    assert_eq!(
        calls,
        [("everything__echo".to_owned(), json!({ "message": "two" }))]
    );
}

#[test]
fn a_title_is_the_beginning_of_the_message() {
    let mut conversation = asked("What time is it in Tokyo and in Berlin?", Vec::new());
    let system = "Write a title for this chat.".to_owned();
    conversation.messages.insert(0, Message::System(system));
    assert_eq!(
        text_of(&steps(answer(&conversation))),
        "What time is it in Tokyo"
    );
}
