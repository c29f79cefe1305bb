//! What others have written and the tests use as it is: the AI SDK's reader, llama.cpp's server.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Stdio},
};

use serde_json::{Value, json};

use crate::{
    counts::new_command,
    world::{peer, repository},
};

/// The bytes of one run, as they came.
#[derive(Debug, Clone)]
pub struct Recording {
    pub name: String,
    pub sse: String,
    /// The message so far, as the AI SDK has it, where this is what came after a resume.
    pub message: Option<Value>,
}

/// A real local model server, with a tiny model of random weights.
#[derive(Debug)]
pub struct TinyModel {
    /// For instance `http://127.0.0.1:4321`; OpenAI's API is at `/v1`, the model's name is `tiny`.
    pub url: String,
    child: Child,
}

impl Recording {
    pub fn new(name: impl Into<String>, sse: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            sse: sse.into(),
            message: None,
        }
    }
}

/// Has the AI SDK read runs, all in one process, and returns what `tests/peers/ui_stream.mjs` says
/// of each, in their order; `None` where the SDK was not prepared, which is a failure in CI.
///
/// # Panics
///
/// When the reader does not answer each of them. That one is not ok is for the caller to see.
pub fn read_ui_streams(recordings: &[Recording]) -> Option<Vec<Value>> {
    let (node, modules) = (peer("NODE")?, peer("MODULES")?);
    let mut reader = new_command(node)
        .arg(repository().join("tests/peers/ui_stream.mjs"))
        .env("ARCHESTRA_PEERS_MODULES", modules)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node was prepared");
    let mut stdin = reader.stdin.take().expect("it is piped");
    let lines = recordings.iter().map(|it| {
        let mut line = json!({ "name": it.name, "sse": it.sse });
        if let Some(message) = &it.message {
            line["message"] = message.clone();
        }
        format!("{line}\n")
    });
    let lines: String = lines.collect();
    // Not in this thread: it answers while it is still being told.
    let told = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let stdout = reader.stdout.take().expect("it is piped");
    let answers: Vec<Value> = BufReader::new(stdout)
        .lines()
        .map(|it| serde_json::from_str(&it.expect("text")).expect("a line is JSON"))
        .collect();
    let written = told.join().expect("writing does not panic");
    written.expect("it reads all that it is told");
    // Its exit code says what the lines say.
    let _status = reader.wait().expect("it ends");
    assert_eq!(answers.len(), recordings.len(), "not all were answered");
    Some(answers)
}

impl TinyModel {
    /// Starts a server; with `calls` the model calls the tools that it is offered, now and then.
    /// `None` where llama.cpp was not prepared, which is a failure in CI.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start(calls: bool) -> Option<Self> {
        let python = peer("PYTHON")?;
        let mut command = new_command(python);
        command
            .arg(repository().join("tests/peers/tiny_model.py"))
            .args(["--port", "0", "--until-eof"])
            .args(calls.then_some("--calls"));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python was prepared");
        let stdout = child.stdout.take().expect("it is piped");
        let mut url = String::new();
        BufReader::new(stdout)
            .read_line(&mut url)
            .expect("its address is text");
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "it did not start");
        Some(Self { url, child })
    }

    /// Returns `host:port`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }
}

impl Drop for TinyModel {
    fn drop(&mut self) {
        // Its temporary folder goes when it is told to end, not when it is killed.
        drop(self.child.stdin.take());
        let _reaped = self.child.wait();
    }
}
