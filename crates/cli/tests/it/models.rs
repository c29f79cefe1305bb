//! `archestra providers` and `archestra models`, against the scripted model.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::TcpListener,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use scripted_model::{Options, ScriptedModel};
use serde_json::Value;

use crate::bed::{Bed, Running, text};

const KEY: &str = "sk-sentinel-4711";

fn model(api_key: Option<&str>) -> ScriptedModel {
    let options = Options {
        api_key: api_key.map(str::to_owned),
        ..Options::default()
    };
    ScriptedModel::start_in_thread(options).unwrap()
}

fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a command to its end, with something on its standard input.
fn run_with(bed: &Bed, args: &[&str], stdin: &str) -> Output {
    let mut command = bed.command(args);
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stdin.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

/// Starts the program, which writes all that it can log to a file.
fn serve_with_log(bed: &Bed) -> Running {
    let mut command = bed.command(&[
        "serve",
        "--json",
        "--listen",
        "127.0.0.1:0",
        "--log",
        "trace",
    ]);
    let log = File::create(bed.dir.path().join("log")).unwrap();
    command.stderr(log);
    let mut running = started(command);
    running.line();
    running
}

fn started(mut command: Command) -> Running {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    Running {
        stdin: child.stdin.take(),
        stdout: std::io::BufReader::new(child.stdout.take().unwrap()),
        child,
    }
}

#[test]
fn a_provider_is_added_with_a_key_that_nobody_sees() {
    let (bed, model) = (Bed::new(), model(Some(KEY)));
    let mut running = serve_with_log(&bed);
    let wrong = run_with(
        &bed,
        &["providers", "add", &model.url, "--name", "Mine", "--key"],
        "sk-no\n",
    );
    assert_eq!(wrong.status.code(), Some(0), "{}", text(&wrong.stderr));
    assert_eq!(text(&wrong.stdout), "provider `Mine` is added");
    assert_eq!(
        text(&wrong.stderr),
        "`Mine` does not accept the key; give it another key in the settings of the provider"
    );
    let tested = bed.run(&["providers", "test", "mine"]);
    assert_eq!(tested.status.code(), Some(1));

    let file = bed.dir.path().join("key");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    let path = file.to_str().unwrap();
    let given = bed.run(&["providers", "key", "Mine", "--from-file", path]);
    assert_eq!(text(&given.stdout), "provider `Mine` has another key");
    let tested = bed.run(&["providers", "test", "mine"]);
    assert_eq!(
        text(&tested.stdout),
        "provider `Mine` answers, and has 1 model"
    );
    let mut from_env = bed.command(&[
        "providers",
        "add",
        &model.url,
        "--key-from-env",
        "MY_KEY",
        "--json",
    ]);
    let from_env = json(&from_env.env("MY_KEY", KEY).output().unwrap());
    assert_eq!(
        (&from_env["state"], &from_env["has_key"]),
        (&"ok".into(), &true.into())
    );

    let listed = text(&bed.run(&["providers", "list"]).stdout);
    assert!(
        listed.lines().nth(1).unwrap().starts_with("Mine  "),
        "{listed}"
    );
    let audit = text(&bed.run(&["audit", "export", "--kind", "provider"]).stdout);
    assert_eq!(audit.lines().count(), 3, "{audit}");
    running.signal(rustix::process::Signal::TERM);
    assert_eq!(running.end(), Some(0));
    let mut log = String::new();
    let mut file = File::open(bed.dir.path().join("log")).unwrap();
    file.read_to_string(&mut log).unwrap();
    assert!(
        log.contains("/v1/models") || log.contains("connect"),
        "nothing is logged"
    );
    for said in [listed, audit, log] {
        assert!(!said.contains("sentinel"), "the key is told");
    }
}

#[test]
fn models_are_listed_and_one_is_chosen() {
    let (bed, model) = (Bed::new(), model(None));
    let (_running, _) = bed.serve(&[]);
    let none = bed.run(&["models", "list"]);
    assert!(
        text(&none.stderr).starts_with("there is no model yet; "),
        "{}",
        text(&none.stderr)
    );
    for name in ["One", "Two"] {
        json(&bed.run(&["providers", "add", &model.url, "--name", name, "--json"]));
    }
    let listed = text(&bed.run(&["models", "list"]).stdout);
    let rows: Vec<String> = listed
        .lines()
        .map(|it| it.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        rows,
        [
            "MODEL PROVIDER CONTEXT TOOLS",
            "demo One - - default",
            "demo Two - -"
        ]
    );
    let several = bed.run(&["models", "default", "demo"]);
    assert_eq!(several.status.code(), Some(1));
    assert!(text(&several.stderr).contains("say which by `--provider`"));
    let chosen = bed.run(&["models", "default", "demo", "--provider", "two"]);
    assert_eq!(text(&chosen.stdout), "chats begin with `demo`");
    let default = json(&bed.run(&["models", "default", "--json"]));
    assert_eq!(default["default_chosen"], true);

    bed.run(&["providers", "disable", "Two"]);
    bed.run(&["models", "default", "--none"]);
    let default = text(&bed.run(&["models", "default"]).stdout);
    assert_eq!(
        default,
        "chats begin with `demo`, which the program has chosen"
    );
    bed.run(&["providers", "remove", "One"]);
    let listed = json(&bed.run(&["providers", "list", "--json"]));
    assert_eq!(listed["providers"].as_array().unwrap().len(), 1);
    let doctor = text(&bed.run(&["doctor"]).stdout);
    assert!(doctor.contains("models: there is no model yet"), "{doctor}");
}

#[test]
fn the_demo_model_is_offered_and_named_as_such() {
    let (bed, demo) = (Bed::new(), model(None));
    let (_running, _) = bed.serve(&["--models-demo", &demo.url]);
    let listed = text(&bed.run(&["models", "list"]).stdout);
    let row: Vec<&str> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row.join(" "), "demo Demo model - plays a model default");
    let doctor = text(&bed.run(&["doctor"]).stdout);
    let said = "models: there is only `Demo model`, which plays a model and is none";
    assert!(doctor.contains(said), "{doctor}");
    let elsewhere = bed.run(&["config", "check", "--models-demo", "http://192.0.2.1:80"]);
    assert_eq!(
        elsewhere.status.code(),
        Some(64),
        "{}",
        text(&elsewhere.stdout)
    );
}

#[test]
fn a_key_goes_to_no_other_address() {
    let first = TcpListener::bind("127.0.0.1:0").unwrap();
    let second = TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = format!("http://{}/v1/models", second.local_addr().unwrap());
    let url = format!("http://{}", first.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = first.accept().unwrap();
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).unwrap();
        assert!(String::from_utf8_lossy(&request[..read]).contains(KEY));
        let answer = format!(
            "HTTP/1.1 307 There\r\nlocation: {elsewhere}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let bed = Bed::new();
    let (_running, _) = bed.serve(&[]);
    let added = run_with(
        &bed,
        &["providers", "add", &url, "--name", "Moved", "--key"],
        KEY,
    );
    answering.join().unwrap();
    let said = text(&added.stderr);
    assert!(
        said.contains("it sends to another address; write the address at which it is"),
        "{said}"
    );
    second.set_nonblocking(true).unwrap();
    assert!(second.accept().is_err(), "the other address was asked");
}

/// A proxy that answers every request itself, with a list of one model, and counts them.
fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let line = request.lines().next().unwrap_or_default().to_owned();
            seen.lock().unwrap().push(line);
            let body = r#"{"data":[{"id":"far"}]}"#;
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, asked)
}

#[test]
fn what_is_on_this_machine_is_asked_without_the_proxy() {
    let (bed, model, (proxy, asked)) = (Bed::new(), model(None), proxy());
    let mut command = bed.command(&[
        "serve",
        "--json",
        "--listen",
        "127.0.0.1:0",
        "--log",
        "error",
    ]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env(name, &proxy);
    }
    let mut running = started(command);
    running.line();
    let near = json(&bed.run(&["providers", "add", &model.url, "--json"]));
    assert_eq!(near["state"], "ok");
    assert!(asked.lock().unwrap().is_empty());
    let far = json(&bed.run(&["providers", "add", "http://models.test/v1", "--json"]));
    assert_eq!(far["state"], "ok", "{far}");
    assert!(
        far["warnings"][0]
            .as_str()
            .unwrap()
            .contains("reads the chat"),
        "{far}"
    );
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked, ["GET http://models.test/v1/models HTTP/1.1"]);
}
