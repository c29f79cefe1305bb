use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
};

use domain::wire::{self, Exit, FRAME_HEADER_BYTES, Frame, FrameHeader, HostOpen, ProcessOpen};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::watch,
    task::JoinSet,
};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};
use yamux::{Config, Connection, Mode};

use super::tool_server::ToolServer;

/// What the commands in sandboxes do: as npm would, but for what the test has changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    commands: Vec<String>,
    fails: Vec<(String, String)>,
    hangs_at: Option<String>,
    has_scripts: bool,
    server: Option<ToolServer>,
}

impl Script {
    /// Makes the next command that has `part` in it fail with a message.
    pub(crate) fn fail_next(&self, part: &str, message: &str) {
        let mut state = self.shared.state.lock().unwrap();
        state.fails.push((part.to_owned(), message.to_owned()));
    }

    /// Makes commands that have `part` in them never end, until `None`.
    pub(crate) fn hang_at(&self, part: Option<&str>) {
        self.shared.state.lock().unwrap().hangs_at = part.map(ToOwned::to_owned);
    }

    /// Makes the package have scripts of its own.
    pub(crate) fn with_scripts(self) -> Self {
        self.shared.state.lock().unwrap().has_scripts = true;
        self
    }

    /// Makes the package an MCP server.
    pub(crate) fn serving(self, server: &ToolServer) -> Self {
        self.shared.state.lock().unwrap().server = Some(server.clone());
        self
    }

    /// Tells what was run since this was asked last.
    pub(crate) fn take_commands(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.state.lock().unwrap().commands)
    }

    /// Waits until a command that has `part` in it was begun.
    pub(crate) async fn wait_for(&self, part: &str) {
        let mut changed = self.shared.changed.subscribe();
        let has_come = |_: &()| {
            let state = self.shared.state.lock().unwrap();
            state.commands.iter().any(|it| it.contains(part))
        };
        changed.wait_for(has_come).await.unwrap();
    }

    /// `None` for a command that never ends, else its output, its message and its exit code.
    fn play(&self, open: &ProcessOpen) -> Option<(String, String, i32)> {
        let command = open.argv.join(" ");
        let mut state = self.shared.state.lock().unwrap();
        state.commands.push(command.clone());
        let lock = lock(state.has_scripts);
        let hangs = state
            .hangs_at
            .as_ref()
            .is_some_and(|it| command.contains(it));
        let fails = state.fails.iter().position(|it| command.contains(&it.0));
        let fails = fails.map(|at| state.fails.remove(at).1);
        drop(state);
        self.shared.changed.send_replace(());
        if hangs {
            return None;
        }
        if let Some(message) = fails {
            return Some((String::new(), message, 1));
        }
        let output = match command.as_str() {
            it if it.contains("df -B1") => "10000000000".to_owned(),
            it if it.starts_with("du ") => "4242\t/install".to_owned(),
            it if it.ends_with("/package-lock.json") && it.starts_with("cat ") => lock,
            it if it.ends_with("/package.json") && it.starts_with("cat ") => {
                r#"{"name":"thing","bin":{"thing":"index.js"}}"#.to_owned()
            }
            it if it.starts_with("/install/app/node_modules/.bin/") => {
                return Some((String::new(), "no server".to_owned(), 3));
            }
            _ => String::new(),
        };
        Some((output, String::new(), 0))
    }
}

fn lock(has_scripts: bool) -> String {
    let package = |version: &str| {
        serde_json::json!({
            "version": version, "integrity": "sha512-AAAA", "hasInstallScript": has_scripts,
        })
    };
    serde_json::json!({
        "lockfileVersion": 3,
        "packages": {
            "": { "name": "archestra-install", "dependencies": { "thing": "1.2.3" } },
            "node_modules/thing": package("1.2.3"),
        },
    })
    .to_string()
}

/// The bridge's end of a line, until that ends.
pub(crate) async fn run(transport: DuplexStream, script: Script) {
    let mut config = Config::default();
    config.set_max_num_streams(wire::YAMUX_STREAMS_MAX);
    config.set_max_connection_receive_window(Some(wire::WINDOW_BYTES_MAX));
    let mut connection = Connection::new(transport.compat(), config, Mode::Client);
    let mut streams = JoinSet::new();
    while let Some(Ok(stream)) = poll_fn(|cx| connection.poll_next_inbound(cx)).await {
        let script = script.clone();
        streams.spawn(async move {
            serve(stream.compat(), &script).await.ok();
        });
    }
}

async fn serve(mut stream: Compat<yamux::Stream>, script: &Script) -> std::io::Result<()> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let mut message = vec![0; wire::message_len(header).unwrap()];
    stream.read_exact(&mut message).await?;
    let HostOpen::Process(open) = wire::decode_message(&message).unwrap() else {
        return Ok(());
    };
    let mut out = Vec::new();
    Frame::Started { pid: 2 }.encode(&mut out);
    stream.write_all(&out).await?;
    let played = script.play(&open);
    let server = script.shared.state.lock().unwrap().server.clone();
    if let Some(server) = server.filter(|_| open.argv[0].contains("/.bin/")) {
        return server.run(stream).await;
    }
    // The server itself is broken and ends without having read anything.
    if !open.argv[0].contains("/.bin/") {
        read_input(&mut stream).await?;
    }
    let Some((output, message, code)) = played else {
        // Until the host has enough of it.
        return read_input(&mut stream).await;
    };
    let mut out = Vec::new();
    for line in output.lines() {
        Frame::Stdout(line.as_bytes()).encode(&mut out);
    }
    for line in message.lines() {
        Frame::Stderr(line.as_bytes()).encode(&mut out);
    }
    let exit = Exit {
        code: Some(code),
        signal: None,
    };
    Frame::Exited(exit).encode(&mut out);
    stream.write_all(&out).await?;
    // It is the host who drops the stream.
    stream.read_u8().await.map(drop)
}

/// Reads frames to the end of standard input, or the wish to stop.
async fn read_input(stream: &mut Compat<yamux::Stream>) -> std::io::Result<()> {
    loop {
        let mut header = [0; FRAME_HEADER_BYTES];
        stream.read_exact(&mut header).await?;
        let header = FrameHeader::decode(header, wire::LINE_BYTES_MAX).unwrap();
        let mut payload = vec![0; header.payload_len()];
        stream.read_exact(&mut payload).await?;
        let frame = header.decode_payload(&payload).unwrap();
        if matches!(frame, Frame::StdinEnd | Frame::Stop) {
            return Ok(());
        }
    }
}
