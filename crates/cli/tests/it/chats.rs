//! `archestra memories` and `archestra chats`.

use std::{
    io::Write as _,
    process::{Output, Stdio},
};

use serde_json::{Value, json};

use crate::bed::{Bed, http, text};

fn parsed(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn said(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn refused(output: &Output) -> String {
    assert_ne!(output.status.code(), Some(0), "{}", text(&output.stdout));
    text(&output.stderr)
}

#[test]
fn memories_are_those_of_people_and_of_tools() {
    let bed = Bed::new();
    let (_running, _) = bed.serve(&["--memories-max", "3"]);
    let none = bed.run(&["memories", "list"]);
    assert_eq!(said(&none), "");
    assert_eq!(text(&none.stderr), "nothing is remembered");
    let set = bed.run(&["memories", "set", "home city", "Lisbon"]);
    assert_eq!(said(&set), "memory `home city` is set");
    let mut command = bed.command(&["memories", "set", "größe/☂"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all("1,80 m\nor so\n".as_bytes()).unwrap();
    drop(stdin);
    said(&child.wait_with_output().unwrap());
    let by_tool = r#"{"name":"of a tool","value":"x"}"#;
    said(&bed.run(&["call", "archestra", "set_memory", by_tool]));

    let listed = parsed(&bed.run(&["memories", "list", "--json"]));
    let listed = listed["memories"].as_array().unwrap().iter();
    let values: Vec<[&str; 2]> = listed
        .map(|it| ["name", "value"].map(|key| it[key].as_str().unwrap()))
        .collect();
    let expected = [
        ["größe/☂", "1,80 m\nor so"],
        ["home city", "Lisbon"],
        ["of a tool", "x"],
    ];
    assert_eq!(values, expected);
    let by_tool = bed.run(&["call", "archestra", "list_memories", "--json"]);
    let by_tool = parsed(&by_tool)["structuredContent"]["memories"].take();
    assert_eq!(by_tool.as_array().unwrap().len(), 3);

    let full = refused(&bed.run(&["memories", "set", "one more", "x"]));
    assert!(
        full.contains("there are 3 memories, which is the most (`memories_max`)"),
        "{full}"
    );
    let deleted = bed.run(&["memories", "delete", "größe/☂"]);
    assert_eq!(said(&deleted), "memory `größe/☂` is deleted");
    let again = refused(&bed.run(&["memories", "delete", "größe/☂"]));
    assert!(
        again.contains("`archestra memories list` shows all of them"),
        "{again}"
    );
}

#[test]
fn chats_are_listed_renamed_put_away_and_deleted_and_have_tools_of_their_own() {
    let bed = Bed::new();
    let (_running, _) = bed.serve(&[]);
    let access = bed.access();
    let (address, token) = (
        access["address"].as_str().unwrap(),
        access["token"].as_str().unwrap(),
    );
    let begin = || {
        let request = format!(
            "POST /api/v1/chats HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        );
        let (status, body) = http(address, &request);
        assert_eq!(status, 201, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        body["id"].as_str().unwrap().to_owned()
    };
    let (one, two) = (begin(), begin());
    let renamed = bed.run(&["chats", "rename", &one, "About umbrellas ☂"]);
    assert_eq!(said(&renamed), "chat `About umbrellas ☂` is renamed");
    let found = parsed(&bed.run(&["chats", "list", "--search", "umbrella", "--json"]));
    assert_eq!(found["chats"].as_array().unwrap().len(), 1);
    assert_eq!(found["chats"][0]["id"], one);
    let shown = said(&bed.run(&["chats", "show", &one]));
    assert!(
        shown.starts_with("About umbrellas ☂\nidle, the default model"),
        "{shown}"
    );

    let off = ["chats", "tools", &one, "--disable", "archestra/set_memory"];
    let chosen = bed.run(&off);
    assert_eq!(text(&chosen.stderr), "5 of 6 tools");
    let disabled = |chat: &str| -> Vec<String> {
        let tools = parsed(&bed.run(&["chats", "tools", chat, "--json"]))["tools"].take();
        let tools = tools.as_array().unwrap().iter();
        let disabled = tools.filter(|it| it["enabled"] == false);
        disabled
            .map(|it| it["tool"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(disabled(&one), ["set_memory"]);
    assert!(disabled(&two).is_empty());
    let unknown = ["chats", "tools", &one, "--enable", "archestra/nothing"];
    let unknown = refused(&bed.run(&unknown));
    assert!(
        unknown.contains("not there: `archestra__nothing`"),
        "{unknown}"
    );

    said(&bed.run(&["chats", "archive", &two]));
    let ids = |more: &[&str]| -> Vec<Value> {
        let args = [&["chats", "list", "--json"], more].concat();
        let chats = parsed(&bed.run(&args))["chats"].take();
        chats
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["id"].clone())
            .collect()
    };
    assert_eq!(ids(&[]), [json!(one)]);
    assert_eq!(ids(&["--archived"]), [json!(two)]);
    said(&bed.run(&["chats", "unarchive", &two]));
    assert_eq!(ids(&["-n", "1"]).len(), 1);
    assert_eq!(ids(&[]).len(), 2);
    said(&bed.run(&["chats", "delete", &one]));
    let gone = refused(&bed.run(&["chats", "show", &one]));
    assert!(gone.contains("`archestra chats list` shows them"), "{gone}");
}
