//! Servers that speak streamable HTTP, in this process: `/mcp/0`, `/mcp/1`, … each with so many
//! tools, of which each echoes its `text`.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};

use crate::Failure;

/// None of them hangs.
const NOBODY: usize = usize::MAX;

pub(crate) struct Upstream {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    tools: usize,
    /// Which one takes requests and never answers.
    hung: AtomicUsize,
}

impl Upstream {
    pub(crate) fn start(tools: usize) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let shared = Arc::new(Shared {
            tools,
            hung: AtomicUsize::new(NOBODY),
        });
        let of_listener = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = of_listener.clone();
                // A client that is gone ends its connection, and nothing else.
                std::thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        Ok(Self { address, shared })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn hang(&self, index: usize) {
        self.shared.hung.store(index, Ordering::SeqCst);
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let is_post = line.starts_with("POST");
        let path = line.split(' ').nth(1).unwrap_or_default();
        let index: usize = path
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .parse()
            .unwrap_or(0);
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
        if shared.hung.load(Ordering::SeqCst) == index {
            // Until the other end closes.
            while reader.read_line(&mut line)? != 0 {}
            return Ok(());
        }
        let answer = match is_post {
            true => answer(&body, shared.tools)?,
            false => None,
        };
        let answer = match answer {
            Some(answer) => format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: bench-{index}\r\nContent-Length: {}\r\n\r\n{answer}",
                answer.len()
            ),
            None if is_post => "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned(),
            None => "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n".to_owned(),
        };
        reader.get_mut().write_all(answer.as_bytes())?;
    }
}

/// `None` for what is not answered.
fn answer(body: &[u8], tools: usize) -> Result<Option<String>, Failure> {
    let message: Value = serde_json::from_slice(body)?;
    let Some(id) = message.get("id") else {
        return Ok(None);
    };
    let result = match message["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "bench", "version": "0" },
        }),
        Some("tools/list") => json!({ "tools": (0..tools).map(tool).collect::<Vec<_>>() }),
        Some("tools/call") => {
            let text = &message["params"]["arguments"]["text"];
            json!({ "content": [{ "type": "text", "text": text }] })
        }
        _ => json!({}),
    };
    Ok(Some(
        json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string(),
    ))
}

fn tool(index: usize) -> Value {
    let name = match index {
        0 => "echo".to_owned(),
        _ => format!("tool-{index}"),
    };
    json!({
        "name": name,
        "description": "Answers with the text that it is given, as it was given",
        "inputSchema": {
            "type": "object",
            "properties": { "text": { "type": "string", "description": "What to answer with" } },
            "required": ["text"],
        },
        "annotations": { "readOnlyHint": true },
    })
}
