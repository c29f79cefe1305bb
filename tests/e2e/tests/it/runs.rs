//! Chats of the real program, over its API: killed at any moment, read by others' readers, answered by
//! a real model.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use e2e::{
    Program, Recording, TinyModel, http, read_ui_streams,
    scripted_model::{Options, Pace, SCENARIOS, ScriptedModel, Step, ToolCall, Turn},
    wait_for,
};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(60);

/// An MCP server elsewhere that keeps what it was told with each call. It ends with the test's process.
struct Notes {
    url: String,
    told: Arc<Mutex<Vec<String>>>,
}

impl Notes {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let told = Arc::<Mutex<Vec<String>>>::default();
        let kept = told.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = kept.clone();
                // Whoever calls may be killed in the middle of it.
                std::thread::spawn(move || serve(stream, &kept).ok());
            }
        });
        Self { url, told }
    }
}

fn serve(mut stream: TcpStream, told: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let tool = |name: &str| {
        let schema = json!({ "type": "object", "properties": { "text": { "type": "string" } } });
        json!({ "name": name, "description": "keeps a note", "inputSchema": schema })
    };
    let result = match message["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": "2025-06-18",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "notes", "version": "1" },
        }),
        Some("tools/list") => json!({ "tools": [tool("note"), tool("careful_note")] }),
        Some("tools/call") => {
            let text = message["params"]["arguments"]["text"].as_str();
            told.lock().unwrap().push(text.unwrap_or("").to_owned());
            json!({ "content": [{ "type": "text", "text": "kept" }] })
        }
        _ => {
            return stream.write_all(
                b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
    };
    let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(answer.as_bytes())
}

/// Adds a provider and returns its identifier.
fn provider(program: &Program, url: &str) -> String {
    let body = json!({ "kind": "openai", "base_url": url });
    let added = program.api("POST", "/api/v1/providers", &body);
    added["id"].as_str().unwrap().to_owned()
}

/// Begins a chat and returns its path.
fn chat(program: &Program, provider: &str, model: &str) -> String {
    let body = json!({ "model": { "provider": provider, "model": model } });
    let chat = program.api("POST", "/api/v1/chats", &body);
    format!("/api/v1/chats/{}", chat["id"].as_str().unwrap())
}

/// Sends a message and returns the path of its run.
fn send(program: &Program, chat: &str, text: &str) -> String {
    let body = json!({ "text": text });
    let sent = program.api("POST", &format!("{chat}/messages"), &body);
    let run = sent["run"].as_str();
    format!("/api/v1/runs/{}", run.unwrap_or_else(|| panic!("{sent}")))
}

fn state(program: &Program, run: &str) -> String {
    let shown = program.api("GET", run, &Value::Null);
    shown["state"].as_str().unwrap().to_owned()
}

/// Reads the stream of a run to its end.
fn stream(program: &Program, run: &str) -> String {
    let bearer = format!("Bearer {}", program.owner_token());
    let headers = [("Authorization", bearer.as_str())];
    let path = format!("{run}/stream");
    let answer = http(&program.address(), "GET", &path, &headers, b"").unwrap();
    assert_eq!(answer.status, 200);
    answer.text()
}

/// A number that nobody has thought of, and the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// The model: three calls, one after the other, and an answer. One in five asks first, in the end.
fn worker(it: &e2e::scripted_model::Conversation) -> Turn {
    let question = it.question();
    let pace = Pace {
        piece_chars: 4,
        delay: Duration::from_millis(3),
    };
    let turn = match it.rounds() {
        round @ 0..3 => {
            let is_careful = round == 2 && question.ends_with('0');
            let name = match is_careful {
                true => "notes__careful_note",
                false => "notes__note",
            };
            let text = format!("{question}-{round}");
            let call = ToolCall::new(name, json!({ "text": text }));
            Turn::of([
                Step::Text(format!("now {question}, part {round}")),
                Step::Calls(vec![call]),
            ])
        }
        _ => Turn::text(format!("that was {question}")),
    };
    turn.at(pace)
}

#[test]
fn of_a_hundred_runs_that_are_killed_each_is_whole_or_parked_or_interrupted() {
    const ROUNDS: u64 = 10;
    const CHATS: u64 = 10;
    let (notes, mut chance) = (Notes::start(), Chance(4_711));
    let model = ScriptedModel::start_in_thread(Options::default()).unwrap();
    model.script_by("worker", worker);
    let mut program = Program::start();
    let source = json!({ "kind": "remote", "url": notes.url });
    let body = json!({ "slug": "notes", "source": source });
    program.api("POST", "/api/v1/servers", &body);
    wait_for("the server has tools", LONG, || {
        let tools = program.api("GET", "/api/v1/servers/notes/tools", &Value::Null);
        (tools["tools"].as_array()?.len() == 2).then_some(())
    });
    program.look_at_tools("notes", "allow");
    let rule = json!({ "server": "notes", "tool": "careful_*", "effect": "ask" });
    program.api("POST", "/api/v1/policy/rules", &rule);
    let provider = provider(&program, &model.openai_url());

    let mut runs = BTreeMap::new();
    for round in 0..ROUNDS {
        for number in 0..CHATS {
            let chat = chat(&program, &provider, "worker");
            let name = format!("{round}.{number}");
            runs.insert(name.clone(), send(&program, &chat, &name));
        }
        // Any moment will do: that is what is tested.
        std::thread::sleep(Duration::from_millis(chance.below(500)));
        program.kill();
        program.launch();
        for (name, run) in &runs {
            let state = state(&program, run);
            assert!(
                ["complete", "parked", "interrupted"].contains(&state.as_str()),
                "{name} is {state} after kill {round}"
            );
        }
    }
    // What waits for a person goes on when they have decided, whatever was between.
    let is_open = |program: &Program| {
        let open = program.api("GET", "/api/v1/approvals?open=true", &Value::Null);
        open["approvals"].as_array().unwrap().clone()
    };
    let open = is_open(&program);
    assert!(!open.is_empty(), "none of them is parked");
    for approval in open {
        let (status, decided) = program.decide(&approval, &json!({ "decision": "approve" }));
        assert_eq!(status, 200, "{decided}");
    }
    wait_for("what was parked is over", LONG, || {
        let mut states = runs.values().map(|it| state(&program, it));
        (!states.any(|it| it == "parked" || it == "running")).then_some(())
    });

    let told = notes.told.lock().unwrap().clone();
    let once: BTreeSet<&String> = told.iter().collect();
    assert_eq!(
        once.len(),
        told.len(),
        "something was called twice: {told:?}"
    );
    let mut recordings = Vec::new();
    let mut complete = 0;
    for (name, run) in &runs {
        let shown = program.api("GET", run, &Value::Null);
        let sse = stream(&program, run);
        // The last event of the log is the last one of the stream.
        let last = sse.lines().rev().find_map(|it| it.strip_prefix("id: "));
        let run_id = shown["id"].as_str().unwrap();
        assert_eq!(
            last,
            Some(format!("{run_id}.{}", shown["seq"]).as_str()),
            "{name}"
        );
        let of_run = |it: &&&String| it.starts_with(&format!("{name}-"));
        let calls = once.iter().filter(of_run).count();
        let is_complete = shown["state"] == "complete";
        complete += u32::from(is_complete);
        if is_complete {
            assert_eq!(calls, 3, "{name}");
        }
        recordings.push(Recording::new(name.clone(), sse));
    }
    assert!(
        0 < complete && complete < 100,
        "{complete} of them are complete"
    );
    check_read(&recordings);
    assert!(program.stop());
}

/// Has the AI SDK read recordings of whole runs.
fn check_read(recordings: &[Recording]) {
    let Some(read) = read_ui_streams(recordings) else {
        return;
    };
    for it in read {
        assert_eq!(it["ok"], true, "{it:#}");
        assert_eq!(it["finished"], true, "{it:#}");
        assert_eq!(it["done"], true, "{it:#}");
    }
}

#[test]
fn the_ai_sdk_reads_a_run_of_each_scenario() {
    // Those that end by a stop only, or when a test has no more patience.
    let endless = ["stall", "silent", "firehose", "slow", "rate-limited"];
    let model = ScriptedModel::start_in_thread(Options::default()).unwrap();
    let mut program = Program::start();
    let provider = provider(&program, &model.openai_url());
    let played = SCENARIOS.iter().filter(|it| !endless.contains(&it.name));
    let runs: Vec<(&str, String)> = played
        .map(|it| {
            let chat = chat(&program, &provider, &format!("scenario:{}", it.name));
            (it.name, send(&program, &chat, "go on"))
        })
        .collect();
    // It gives up before the model does.
    let lost = chat(&program, &provider, "scenario:missing-tool?n=100");
    let lost = ("lost", send(&program, &lost, "go on"));
    let stalled = chat(&program, &provider, "scenario:stall");
    let stalled_run = send(&program, &stalled, "go on");
    wait_for("it has begun to write", LONG, || {
        let shown = program.api("GET", &stalled, &Value::Null);
        let parts = shown["messages"][1]["parts"].as_array()?.clone();
        parts.iter().any(|it| it["type"] == "text").then_some(())
    });
    program.api("POST", &format!("{stalled}/stop"), &Value::Null);
    let runs = runs.into_iter().chain([("stopped", stalled_run), lost]);
    let recordings: Vec<Recording> = runs
        .map(|(name, run)| Recording::new(name, stream(&program, &run)))
        .collect();
    check_read(&recordings);

    let model = ["--provider", &provider, "--model", "scenario:echo"];
    let said = program.cli(&[&["chat", "said at the command line"], &model[..]].concat());
    let printed = String::from_utf8_lossy(&said.stdout);
    assert_eq!(printed.trim(), "said at the command line");
    let failed = program.cli(&[
        "chat",
        "x",
        "--provider",
        &provider,
        "--model",
        "scenario:error",
    ]);
    assert!(!failed.status.success());
    let answer = program.json(&[&["chat", "as JSON"], &model[..]].concat());
    assert_eq!(answer["state"], "complete");
    let texts = answer["answer"]["parts"].as_array().unwrap();
    assert!(texts.iter().any(|it| it["text"] == "as JSON"), "{answer}");
    assert!(program.stop());
}

#[test]
fn a_real_model_answers_in_a_chat_and_is_stopped() {
    let Some(model) = TinyModel::start(false) else {
        return;
    };
    let mut program = Program::start();
    let provider = provider(&program, &format!("{}/v1", model.url));
    let chat = chat(&program, &provider, "tiny");
    let run = send(&program, &chat, "hello");
    // Of random weights: what it says and when it ends is nobody's choice.
    wait_for("it says something", LONG, || {
        let shown = program.api("GET", &chat, &Value::Null);
        let parts = shown["messages"][1]["parts"].as_array()?.clone();
        let has_text = |it: &Value| it["text"].as_str().is_some_and(|it| !it.is_empty());
        (parts.iter().any(has_text) || state(&program, &run) != "running").then_some(())
    });
    program.api("POST", &format!("{chat}/stop"), &Value::Null);
    let recording = Recording::new("tiny", stream(&program, &run));
    let state = state(&program, &run);
    assert!(
        ["stopped", "complete"].contains(&state.as_str()),
        "{state}: {}",
        recording.sse
    );
    check_read(&[recording]);
    assert!(program.stop());
}
