use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use domain::wire::{self, Exit, FRAME_HEADER_BYTES, Frame, FrameHeader};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf},
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::compat::Compat;

/// Far more than anything takes that ends at all.
const LONG: Duration = Duration::from_secs(30);

type Stream = Compat<yamux::Stream>;

/// An MCP server in a sandbox whose tools do what their names say:
///
/// * `echo` returns its argument `text`, `fail` reports an error,
/// * `wait` never returns,
/// * `ask` asks the person for a number and returns what it was told,
/// * `count` tells how far it is, twice, and returns when [`ToolServer::release`] was called,
/// * `die` ends the server.
#[derive(Debug, Clone, Default)]
pub(crate) struct ToolServer {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    seen: watch::Sender<Vec<(String, Value)>>,
    released: watch::Sender<bool>,
    /// More of them, by name.
    more: Mutex<Vec<String>>,
}

const TOOLS: [&str; 6] = ["echo", "fail", "wait", "ask", "count", "die"];

impl ToolServer {
    /// Has tools of these names, too, which do nothing.
    pub(crate) fn with(self, names: impl IntoIterator<Item = String>) -> Self {
        self.shared.more.lock().unwrap().extend(names);
        self
    }

    /// Returns the calls so far: tools with their arguments.
    pub(crate) fn calls(&self) -> Vec<(String, Value)> {
        self.shared.seen.borrow().clone()
    }

    /// Waits until there were so many calls.
    pub(crate) async fn wait_for_calls(&self, count: usize) {
        let mut seen = self.shared.seen.subscribe();
        let reached = timeout(LONG, seen.wait_for(|it| count <= it.len()));
        reached.await.expect("there are so many calls").unwrap();
    }

    /// Lets `count` return.
    pub(crate) fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// Speaks at the end of a process's streams until that is ended.
    pub(crate) async fn run(&self, stream: Stream) -> std::io::Result<()> {
        let (mut input, mut output) = tokio::io::split(stream);
        let (sender, mut lines) = mpsc::unbounded_channel::<Option<Value>>();
        let (heard, mut messages) = mpsc::unbounded_channel();
        let mut asked = Vec::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok(Some(message)) = read_line(&mut input).await {
                heard.send(message).ok();
            }
        });
        loop {
            let line = tokio::select! {
                line = lines.recv() => line.flatten(),
                message = messages.recv() => {
                    let Some(message) = message else { return Ok(()) };
                    self.take(&message, &sender, &mut asked, &mut tasks);
                    continue;
                }
            };
            let mut out = Vec::new();
            match &line {
                Some(line) => Frame::Stdout(line.to_string().as_bytes()).encode(&mut out),
                None => Frame::Exited(Exit {
                    code: Some(1),
                    signal: None,
                })
                .encode(&mut out),
            }
            output.write_all(&out).await?;
            if line.is_none() {
                // It is the host who drops the stream.
                while messages.recv().await.is_some() {}
                return Ok(());
            }
        }
    }

    fn take(
        &self,
        message: &Value,
        sender: &mpsc::UnboundedSender<Option<Value>>,
        asked: &mut Vec<Value>,
        tasks: &mut JoinSet<()>,
    ) {
        let id = &message["id"];
        let say = |result: Value| {
            let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
            sender.send(Some(answer)).unwrap();
        };
        match message["method"].as_str() {
            Some("initialize") => say(json!({
                "protocolVersion": "2025-06-18",
                "capabilities": { "tools": {} },
                "serverInfo": { "name": "tools", "version": "1" },
            })),
            Some("tools/list") => say(json!({ "tools": self.tools() })),
            Some("tools/call") => {
                let call = message["params"].clone();
                let name = call["name"].as_str().unwrap().to_owned();
                self.shared
                    .seen
                    .send_modify(|it| it.push((name.clone(), call["arguments"].clone())));
                match name.as_str() {
                    "ask" => {
                        asked.push(id.clone());
                        sender.send(Some(question())).unwrap();
                    }
                    "die" => sender.send(None).unwrap(),
                    _ => {
                        let (this, id, sender) = (self.clone(), id.clone(), sender.clone());
                        tasks.spawn(async move { this.call(&name, &call, id, &sender).await });
                    }
                }
            }
            Some("ping") => say(json!({})),
            Some(_) => {}
            // The answer to what it has asked.
            None => {
                if let Some(id) = asked.pop() {
                    let text = message["result"].to_string();
                    let result = text_result(&text, false);
                    let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
                    sender.send(Some(answer)).unwrap();
                }
            }
        }
    }

    async fn call(
        &self,
        name: &str,
        call: &Value,
        id: Value,
        sender: &mpsc::UnboundedSender<Option<Value>>,
    ) {
        if name == "wait" {
            std::future::pending::<()>().await;
        }
        if name == "count" {
            for progress in [1, 2] {
                let params = json!({
                    "progressToken": call["_meta"]["progressToken"],
                    "progress": progress, "total": 2,
                });
                let told = json!({
                    "jsonrpc": "2.0", "method": "notifications/progress", "params": params,
                });
                sender.send(Some(told)).unwrap();
            }
            let mut released = self.shared.released.subscribe();
            released.wait_for(|it| *it).await.unwrap();
        }
        let text = match name {
            "echo" => call["arguments"]["text"].as_str().unwrap_or("nothing"),
            "fail" => "it did not go well",
            _ => "done",
        };
        let result = text_result(text, name == "fail");
        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        // The server may have ended meanwhile.
        sender.send(Some(answer)).ok();
    }

    fn tools(&self) -> Vec<Value> {
        let more = self.shared.more.lock().unwrap().clone();
        let names = TOOLS.into_iter().map(str::to_owned).chain(more);
        let tool = |name: String| {
            let schema = match name.as_str() {
                "echo" => json!({
                    "type": "object",
                    "properties": { "text": { "type": "string" } },
                    "required": ["text"],
                }),
                _ => json!({ "type": "object" }),
            };
            json!({ "name": name, "description": "for a test", "inputSchema": schema })
        };
        names.map(tool).collect()
    }
}

fn question() -> Value {
    let schema = json!({
        "type": "object",
        "properties": { "number": { "type": "integer" } },
        "required": ["number"],
    });
    json!({
        "jsonrpc": "2.0", "id": "question-1", "method": "elicitation/create",
        "params": { "message": "which number?", "requestedSchema": schema },
    })
}

fn text_result(text: &str, is_error: bool) -> Value {
    json!({ "content": [{ "type": "text", "text": text }], "isError": is_error })
}

/// `None` when the process is to end.
async fn read_line(stream: &mut ReadHalf<Stream>) -> std::io::Result<Option<Value>> {
    let mut header = [0; FRAME_HEADER_BYTES];
    stream.read_exact(&mut header).await?;
    let header = FrameHeader::decode(header, wire::LINE_BYTES_MAX).unwrap();
    let mut payload = vec![0; header.payload_len()];
    stream.read_exact(&mut payload).await?;
    Ok(match header.decode_payload(&payload).unwrap() {
        Frame::Stdin(line) => Some(serde_json::from_slice(line).unwrap()),
        _ => None,
    })
}
