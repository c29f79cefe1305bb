//! A gateway of the tests': it answers as it is told, and tells what it was asked.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use serde_json::{Value, json};

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

pub(crate) struct Gateway {
    pub(crate) address: String,
    pub(crate) asked: Receiver<Asked>,
}

type Answer = dyn Fn(&Asked, &mut TcpStream) -> std::io::Result<()> + Send + Sync;

impl Gateway {
    /// Starts one. Its threads end with the process.
    pub(crate) fn start(
        answer: impl Fn(&Asked, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, asked) = channel();
        let answer: Arc<Answer> = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, sender) = (answer.clone(), sender.clone());
                thread::spawn(move || serve(stream, &*answer, &sender));
            }
        });
        Self { address, asked }
    }

    /// Returns the next request with this method.
    pub(crate) fn next(&self, method: &str) -> Asked {
        loop {
            let asked = self.asked.recv().unwrap();
            if asked.method == method {
                return asked;
            }
        }
    }
}

impl Asked {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

fn serve(stream: TcpStream, answer: &Answer, sender: &Sender<Asked>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read(&mut reader) {
        // The test may look no more.
        let _looking = sender.send(asked.clone());
        if answer(&asked, &mut writer).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let len = headers
        .get("content-length")
        .and_then(|it| it.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; len];
    reader.read_exact(&mut body).ok()?;
    Some(Asked {
        method,
        path,
        headers,
        body: String::from_utf8(body).ok()?,
    })
}

/// Answers with a body of a known length.
pub(crate) fn answer(
    stream: &mut TcpStream,
    status: u16,
    headers: &str,
    body: &str,
) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status} Said\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) const JSON: &str = "Content-Type: application/json\r\n";

/// Answers with events, in chunks.
pub(crate) fn events(stream: &mut TcpStream, messages: &[Value]) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )?;
    for message in messages {
        let event = format!("event: message\ndata: {message}\n\n");
        // In two chunks, to show that the pieces do not matter.
        let (first, second) = event.split_at(event.len() / 2);
        for piece in [first, second] {
            write!(stream, "{:x}\r\n{piece}\r\n", piece.len())?;
        }
    }
    write!(stream, "0\r\n\r\n")
}

/// Answers as a gateway that has no stream of its own and gives out `session`.
pub(crate) fn plainly(asked: &Asked, stream: &mut TcpStream, session: &str) -> std::io::Result<()> {
    let message = asked.json();
    match (asked.method.as_str(), message["method"].as_str()) {
        ("POST", Some("initialize")) => {
            let headers = format!("{JSON}Mcp-Session-Id: {session}\r\n");
            let result = json!({ "protocolVersion": "2025-06-18", "capabilities": {} });
            let body = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
            answer(stream, 200, &headers, &body.to_string())
        }
        ("POST", Some(_)) if !message["id"].is_null() => {
            let result = json!({ "echo": message["params"] });
            let body = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
            // Ends of lines, which may be in JSON and not in a line.
            answer(stream, 200, JSON, &format!("{body:#}"))
        }
        ("POST", _) => answer(stream, 202, "", ""),
        ("GET", _) => answer(stream, 405, "", ""),
        _ => answer(stream, 204, "", ""),
    }
}
