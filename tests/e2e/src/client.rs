//! A client by hand: HTTP/1.1 over a socket, and MCP of the `initialize` era on it.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::{Value, json};

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(it, _)| it.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The last message of the body, whether it is JSON or a stream of events.
    pub fn messages(&self) -> Vec<Value> {
        let text = self.text();
        if self
            .header("content-type")
            .is_some_and(|it| it.starts_with("text/event-stream"))
        {
            let data = text.lines().filter_map(|it| it.strip_prefix("data: "));
            return data
                .filter_map(|it| serde_json::from_str(it).ok())
                .collect();
        }
        serde_json::from_str(&text).into_iter().collect()
    }
}

/// Sends one request and reads the whole answer.
pub fn http(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        head.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if method != "GET" {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    // The other end may refuse the head and close before it has read the body.
    if let Err(err) = stream.write_all(body)
        && err.kind() != std::io::ErrorKind::BrokenPipe
        && err.kind() != std::io::ErrorKind::ConnectionReset
    {
        return Err(err);
    }
    read_answer(&mut BufReader::new(stream))
}

fn read_answer(reader: &mut impl BufRead) -> std::io::Result<Answer> {
    let bad = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|it| it.parse().ok());
    let status = status.ok_or_else(|| bad(&format!("no status in `{line}`")))?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut raw = Vec::new();
    reader.read_to_end(&mut raw)?;
    let is_chunked = headers
        .iter()
        .any(|(name, value)| name.eq_ignore_ascii_case("transfer-encoding") && value == "chunked");
    let body = if is_chunked { unchunk(&raw) } else { raw };
    Ok(Answer {
        status,
        headers,
        body,
    })
}

fn unchunk(mut raw: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = raw.windows(2).position(|it| it == b"\r\n") {
        let len = std::str::from_utf8(&raw[..end]).unwrap_or("0");
        let len = usize::from_str_radix(len.trim(), 16).unwrap_or(0);
        let rest = &raw[end + 2..];
        if len == 0 || rest.len() < len {
            break;
        }
        body.extend_from_slice(&rest[..len]);
        raw = rest.get(len + 2..).unwrap_or(&[]);
    }
    body
}

/// A session at a gateway.
#[derive(Debug)]
pub struct Client {
    address: String,
    path: String,
    token: String,
    session: String,
    next_id: u64,
}

impl Client {
    /// Begins a session at `path`, for instance `/mcp`.
    pub fn connect(address: &str, path: &str, token: &str) -> Self {
        Self::connect_with(address, path, token, json!({}))
    }

    /// As [`connect`](Self::connect), with the capabilities of a client.
    pub fn connect_with(address: &str, path: &str, token: &str, capabilities: Value) -> Self {
        let mut this = Self {
            address: address.to_owned(),
            path: path.to_owned(),
            token: token.to_owned(),
            session: String::new(),
            next_id: 1,
        };
        let hello = json!({
            "jsonrpc": "2.0", "id": 0, "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": capabilities,
                "clientInfo": { "name": "e2e", "version": "0" },
            },
        });
        let answer = this.post(&hello);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let session = answer.header("mcp-session-id").expect("a session begins");
        this.session = session.to_owned();
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(this.post(&ready).status, 202);
        this
    }

    pub fn session(&self) -> &str {
        &self.session
    }

    /// Asks for something; `Err` is the error that came back.
    pub fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.next_id += 1;
        let id = self.next_id;
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let answer = self.post(&body);
        let messages = answer.messages();
        let found = messages.iter().find(|it| it["id"] == id);
        let Some(found) = found else {
            return Err(json!({ "status": answer.status, "body": answer.text() }));
        };
        match found.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(found["result"].clone()),
        }
    }

    /// Calls a tool and returns the text of its answer.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Result<String, String> {
        let params = json!({ "name": tool, "arguments": arguments });
        let result = self
            .request("tools/call", params)
            .map_err(|it| it.to_string())?;
        let text = result["content"][0]["text"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if result["isError"] == true {
            Err(text)
        } else {
            Ok(text)
        }
    }

    pub fn post(&self, message: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
        ];
        if !self.session.is_empty() {
            headers.push(("Mcp-Session-Id", self.session.as_str()));
        }
        let body = message.to_string();
        http(&self.address, "POST", &self.path, &headers, body.as_bytes())
            .expect("the gateway answers")
    }
}
