//! A client: what came, and how it ended.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Request, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinSet};

/// Of everything that a test waits for.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
    /// The body has ended as it should.
    pub whole: bool,
}

/// A request whose answer is read piece by piece.
pub(crate) struct Open {
    pub response: hyper::Response<Incoming>,
    _connection: JoinSet<()>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|err| panic!("{err}: {}", self.body))
    }

    /// Returns the data of all events.
    pub(crate) fn events(&self) -> Vec<&str> {
        let data = |it: &'_ str| it.starts_with("data: ");
        let lines = self.body.lines().filter(|it| data(it));
        lines.map(|it| &it["data: ".len()..]).collect()
    }

    /// Returns all events that are JSON.
    pub(crate) fn chunks(&self) -> Vec<Value> {
        let chunks = self.events().into_iter();
        chunks
            .filter_map(|it| serde_json::from_str(it).ok())
            .collect()
    }

    /// Returns all lines that are JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let lines = self.body.lines();
        lines
            .filter_map(|it| serde_json::from_str(it).ok())
            .collect()
    }

    /// Returns the text of one field of all chunks or lines.
    pub(crate) fn joined(&self, pointer: &str) -> String {
        let mut all = self.chunks();
        if all.is_empty() {
            all = self.lines();
        }
        let text = |it: &Value| {
            it.pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        all.iter().filter_map(text).collect()
    }
}

pub(crate) async fn open(url: &str, method: &str, key: Option<&str>, body: &Value) -> Open {
    let (host, _) = url["http://".len()..].split_once('/').unwrap();
    let stream = TcpStream::connect(host).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let mut connections = JoinSet::new();
    connections.spawn(async move { drop(connection.await) });
    let mut request = Request::builder()
        .method(method)
        .uri(url)
        .header("host", host);
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let body = match body {
        Value::Null => Bytes::new(),
        body => body.to_string().into(),
    };
    let request = request.body(Full::new(body)).unwrap();
    Open {
        response: sender.send_request(request).await.unwrap(),
        _connection: connections,
    }
}

pub(crate) async fn ask(url: &str, method: &str, key: Option<&str>, body: &Value) -> Answer {
    let answer = async {
        let mut open = open(url, method, key, body).await;
        let (mut bytes, mut whole) = (Vec::new(), true);
        while let Some(frame) = open.response.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap()),
                Err(_) => whole = false,
            }
            if !whole {
                break;
            }
        }
        Answer {
            status: open.response.status().as_u16(),
            headers: open.response.headers().clone(),
            body: String::from_utf8(bytes).unwrap(),
            whole,
        }
    };
    tokio::time::timeout(LIMIT, answer).await.unwrap()
}

pub(crate) async fn get(url: &str) -> Answer {
    ask(url, "GET", None, &Value::Null).await
}

/// Returns a request of one question.
pub(crate) fn question(model: &str, text: &str, stream: bool) -> Value {
    json!({
        "model": model,
        "stream": stream,
        "messages": [{ "role": "user", "content": text }],
    })
}

/// Adds a tool to a request. Both APIs have the same form.
pub(crate) fn with_tool(mut request: Value, name: &str) -> Value {
    let schema = json!({
        "type": "object",
        "properties": { "text": { "type": "string" } },
        "required": ["text"],
    });
    let function = json!({ "name": name, "description": "", "parameters": schema });
    let tool = json!({ "type": "function", "function": function });
    match request["tools"].as_array_mut() {
        Some(tools) => tools.push(tool),
        None => request["tools"] = json!([tool]),
    }
    request
}
