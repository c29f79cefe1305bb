//! `archestra connect` before a gateway of the tests', and before the program itself.

use std::{
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    os::unix::net::UnixStream,
    process::Stdio,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
};

use serde_json::{Value, json};

use crate::{
    bed::{Bed, Running, text},
    gateway::{Gateway, JSON, answer, events, plainly},
};

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"0"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

fn connect(bed: &Bed, gateway: &Gateway, more: &[&str]) -> Running {
    let mut args = vec!["connect", "--url", &gateway.address, "--token", "secret"];
    args.extend(more);
    bed.start(&args)
}

fn begin(running: &mut Running) -> Value {
    running.send(INITIALIZE);
    let answer = running.json();
    running.send(INITIALIZED);
    answer
}

fn call(id: usize) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "n": id } }).to_string()
}

#[test]
fn a_session_is_carried_from_its_begin_to_its_end() {
    let bed = Bed::new();
    let gateway = Gateway::start(|asked, stream| plainly(asked, stream, "s1"));
    let mut running = connect(&bed, &gateway, &["time"]);
    let answer = begin(&mut running);
    assert_eq!(answer["id"], "i");
    assert_eq!(answer["result"]["protocolVersion"], "2025-06-18");

    let asked = gateway.next("POST");
    assert_eq!(asked.path, "/mcp/time");
    assert_eq!(asked.header("authorization"), "Bearer secret");
    assert_eq!(asked.header("host"), gateway.address);
    assert_eq!(
        asked.header("accept"),
        "application/json, text/event-stream"
    );
    assert_eq!(asked.header("mcp-session-id"), "");

    let asked = gateway.next("POST");
    assert_eq!(asked.body, INITIALIZED);
    assert_eq!(asked.header("mcp-session-id"), "s1");
    assert_eq!(asked.header("mcp-protocol-version"), "2025-06-18");

    running.send(&call(7));
    let answer = running.json();
    assert_eq!(
        answer,
        json!({ "jsonrpc": "2.0", "id": 7, "result": { "echo": { "n": 7 } } })
    );

    assert_eq!(running.end(), Some(0));
    let asked = gateway.next("DELETE");
    assert_eq!(asked.header("mcp-session-id"), "s1");
}

#[test]
fn events_of_an_answer_and_of_the_program_itself_are_lines() {
    let bed = Bed::new();
    let gateway = Gateway::start(|asked, stream| {
        let message = asked.json();
        let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress" });
        let response = json!({ "jsonrpc": "2.0", "id": message["id"], "result": {} });
        match (asked.method.as_str(), message["method"].as_str()) {
            ("POST", Some("tools/call")) => events(stream, &[progress, response]),
            ("GET", _) => {
                let changed =
                    json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
                events(stream, &[changed])
            }
            _ => plainly(asked, stream, "s1"),
        }
    });
    let mut running = connect(&bed, &gateway, &[]);
    begin(&mut running);
    assert_eq!(running.json()["method"], "notifications/tools/list_changed");
    assert_eq!(gateway.next("GET").header("mcp-session-id"), "s1");
    running.send(&call(1));
    // The stream is opened again when it ends, and may say the same in between.
    let mut lines = Vec::new();
    while lines.last().is_none_or(|it: &Value| it["id"].is_null()) {
        lines.push(running.json());
    }
    lines.retain(|it| it["method"] != "notifications/tools/list_changed");
    assert_eq!(lines[0]["method"], "notifications/progress");
    assert_eq!(lines[1]["id"], 1);
}

#[test]
fn requests_are_under_way_beside_each_other() {
    let bed = Bed::new();
    let (free, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let gateway = Gateway::start(move |asked, stream| {
        if asked.json()["id"] == 1 {
            wait.lock().unwrap().recv().unwrap();
        }
        plainly(asked, stream, "s1")
    });
    let mut running = connect(&bed, &gateway, &[]);
    begin(&mut running);
    running.send(&call(1));
    running.send(&call(2));
    assert_eq!(running.json()["id"], 2);
    running
        .send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    while gateway.next("POST").json()["method"] != "notifications/cancelled" {}
    free.send(()).unwrap();
    assert_eq!(running.json()["id"], 1);
}

#[test]
fn a_session_that_was_forgotten_is_made_again_once_for_all_requests() {
    let bed = Bed::new();
    let sessions = AtomicUsize::new(0);
    let gateway = Gateway::start(move |asked, stream| {
        let message = asked.json();
        if message["method"] == "initialize" {
            let number = 1 + sessions.fetch_add(1, Ordering::Relaxed);
            return plainly(asked, stream, &format!("s{number}"));
        }
        // The first session is forgotten as soon as it is used.
        if message["method"] == "tools/call" && asked.header("mcp-session-id") == "s1" {
            let body = json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32600, "message": "no such session" } });
            return answer(stream, 404, JSON, &body.to_string());
        }
        plainly(asked, stream, "")
    });
    let mut running = connect(&bed, &gateway, &[]);
    begin(&mut running);
    running.send(&call(1));
    running.send(&call(2));
    let mut ids = [running.json()["id"].clone(), running.json()["id"].clone()];
    ids.sort_by_key(Value::as_u64);
    assert_eq!(ids, [json!(1), json!(2)]);
    assert_eq!(running.end(), Some(0));
    let asked: Vec<_> = gateway.asked.try_iter().collect();
    let begun = asked
        .iter()
        .filter(|it| it.json()["method"] == "initialize");
    assert_eq!(begun.count(), 2);
    let initialized: Vec<_> = asked
        .iter()
        .filter(|it| it.json()["method"] == "notifications/initialized")
        .map(|it| it.header("mcp-session-id").to_owned())
        .collect();
    assert_eq!(initialized, ["s1", "s2"]);
}

#[test]
fn what_goes_wrong_is_an_error_with_the_requests_identifier() {
    let bed = Bed::new();
    let gateway = Gateway::start(|asked, stream| match asked.json()["id"].as_u64() {
        Some(1) => answer(
            stream,
            500,
            JSON,
            r#"{"code":"internal","message":"it broke","hint":"see the log"}"#,
        ),
        Some(2) => {
            let body =
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32003,"message":"not allowed"}}"#;
            answer(stream, 403, JSON, body)
        }
        Some(3) => Err(std::io::ErrorKind::Other.into()),
        Some(4) => events(stream, &[]),
        Some(5) => answer(stream, 401, JSON, ""),
        _ => plainly(asked, stream, "s1"),
    });
    let mut running = connect(&bed, &gateway, &[]);
    begin(&mut running);
    let mut said = String::new();
    for id in 1..=5 {
        running.send(&call(id));
        let answer = running.json();
        assert_eq!(answer["id"], id);
        said.push_str(&format!(
            "{} {}\n",
            answer["error"]["code"], answer["error"]["message"]
        ));
    }
    for line in ["not json", r#"{"jsonrpc":"2.0","id":1}"#] {
        running.send(line);
        let answer = running.json();
        assert_eq!(answer["id"], Value::Null);
        said.push_str(&format!(
            "{} {}\n",
            answer["error"]["code"], answer["error"]["message"]
        ));
    }
    expect_test::expect![[r#"
        -32000 "it broke; see the log"
        -32003 "not allowed"
        -32000 "the connection to the program broke, and what became of the request is not known: the connection ended in the middle of an answer"
        -32000 "the stream of the answer ended before the answer"
        -32000 "the program does not take this token; make one with `archestra token create`"
        -32700 "not valid JSON: expected ident at line 1 column 2"
        -32600 "not a JSON-RPC 2.0 message: `method`, `result` and `error` are missing"
    "#]].assert_eq(&said);
}

#[test]
fn a_line_that_is_too_long_is_refused_and_the_next_one_carried() {
    let bed = Bed::new();
    let gateway = Gateway::start(|asked, stream| plainly(asked, stream, "s1"));
    let mut running = connect(&bed, &gateway, &[]);
    begin(&mut running);
    running.send(&format!("{{\"x\":\"{}\"}}", "x".repeat(17 << 20)));
    running.send(&call(2));
    let answer = running.json();
    assert_eq!(
        answer["error"]["message"],
        "a line of more than 16777216 bytes"
    );
    assert_eq!(running.json()["id"], 2);
}

#[test]
fn it_says_that_no_program_runs() {
    let bed = Bed::new();
    let mut running = bed.start(&["connect"]);
    running.send(INITIALIZE);
    let answer = running.json();
    let said = answer["error"]["message"].as_str().unwrap();
    assert!(said.contains("start it with `archestra serve`"), "{said}");
}

#[test]
fn answers_still_come_when_the_input_has_ended() {
    let bed = Bed::new();
    let gateway = Gateway::start(|asked, stream| plainly(asked, stream, "s1"));
    let input = bed.dir.path().join("input");
    std::fs::write(
        &input,
        format!("{INITIALIZE}\n{INITIALIZED}\n{}\n{}", call(1), call(2)),
    )
    .unwrap();
    // A file can neither be waited for nor be made non-blocking.
    let mut command = bed.command(&["connect", "--url", &gateway.address, "--token", "x"]);
    let output = command
        .stdin(std::fs::File::open(&input).unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout).lines().count(), 3);
}

#[test]
fn sockets_are_as_good_as_pipes_and_keep_their_mode() {
    let bed = Bed::new();
    let gateway = Gateway::start(|asked, stream| plainly(asked, stream, "s1"));
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let shared = theirs.try_clone().unwrap();
    let mut command = bed.command(&["connect", "--url", &gateway.address, "--token", "x"]);
    command.stdin(Stdio::from(OwnedFd::from(theirs.try_clone().unwrap())));
    command.stdout(Stdio::from(OwnedFd::from(theirs)));
    let mut child = command.spawn().unwrap();
    drop(command);
    ours.write_all(format!("{INITIALIZE}\n").as_bytes())
        .unwrap();
    let mut answer = [0; 16];
    ours.read_exact(&mut answer).unwrap();
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(child.wait().unwrap().success());
    let flags = rustix::fs::fcntl_getfl(&shared).unwrap();
    assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK));
}

#[test]
fn it_speaks_to_the_program_itself() {
    let bed = Bed::new();
    let (_running, _) = bed.serve(&[]);
    let mut client = bed.start(&["connect"]);
    let answer = begin(&mut client);
    assert!(answer["result"]["serverInfo"].is_object(), "{answer}");
    client.send(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#);
    check_own_tools(&client.json());
    assert_eq!(client.end(), Some(0));
}

#[test]
fn it_goes_on_after_the_program_was_started_again() {
    let bed = Bed::new();
    let (first, _) = bed.serve(&[]);
    let mut client = bed.start(&["connect"]);
    begin(&mut client);
    client.send(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#);
    assert_eq!(client.json()["id"], 2);
    drop(first);
    let (_second, _) = bed.serve(&[]);
    // Another port, another token, and no session.
    client.send(r#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#);
    let answer = client.json();
    check_own_tools(&answer);
}

/// Where there is no server there are the tools of the built-in one.
fn check_own_tools(answer: &serde_json::Value) {
    let tools = answer["result"]["tools"].as_array().unwrap();
    let is_own = |it: &serde_json::Value| it["name"].as_str().unwrap().starts_with("archestra__");
    assert!(!tools.is_empty() && tools.iter().all(is_own), "{answer}");
}
