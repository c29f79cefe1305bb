//! Clients by hand that do as little as possible themselves: over a kept connection, and over pipes.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use crate::Failure;

const READ_TIMEOUT: Duration = Duration::from_secs(60);
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"0"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// What is echoed: 64 bytes.
pub(crate) const TEXT: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Returns a call of a tool that takes `text`, without its end of line.
pub(crate) fn call(id: u64, tool: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{"text":"{TEXT}"}}}}}}"#
    )
}

/// As [`call`], of a tool that answers with the `_meta` of its call.
pub(crate) fn call_meta(id: u64) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"meta","arguments":{{}},"_meta":{{"text":"{TEXT}"}}}}}}"#
    )
}

/// A session over HTTP on one kept connection.
pub(crate) struct Session {
    connection: BufReader<TcpStream>,
    head: String,
    next_id: u64,
    sent: Vec<u8>,
    body: Vec<u8>,
}

impl Session {
    pub(crate) fn begin(address: &str, path: &str, token: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        let mut this = Self {
            connection: BufReader::new(stream),
            head: format!(
                "{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
            ),
            next_id: 1,
            sent: Vec::new(),
            body: Vec::new(),
        };
        let (status, session) = this.post(INITIALIZE)?;
        if status != 200 {
            return Err(format!("`initialize` at {path}: {status} {}", this.text()).into());
        }
        if let Some(session) = session {
            this.head
                .push_str(&format!("Mcp-Session-Id: {session}\r\n"));
        }
        this.head.push_str("MCP-Protocol-Version: 2025-11-25\r\n");
        this.post(INITIALIZED)?;
        Ok(this)
    }

    /// Sends one message and reads the whole answer; returns its status and session.
    pub(crate) fn post(&mut self, message: &str) -> Result<(u16, Option<String>), Failure> {
        self.sent.clear();
        write!(
            self.sent,
            "POST {}Content-Length: {}\r\n\r\n{message}",
            self.head,
            message.len()
        )?;
        self.connection.get_mut().write_all(&self.sent)?;
        let head = read_head(&mut self.connection)?;
        read_body(&mut self.connection, &head, &mut self.body)?;
        Ok((head.status, head.session))
    }

    /// Calls a tool with 64 bytes that come back.
    pub(crate) fn echo(&mut self, tool: &str) -> Result<(), Failure> {
        self.next_id += 1;
        self.checked(&call(self.next_id, tool))
    }

    /// Calls a tool that is not marked as one that only reads.
    pub(crate) fn meta(&mut self) -> Result<(), Failure> {
        self.next_id += 1;
        self.checked(&call_meta(self.next_id))
    }

    fn checked(&mut self, message: &str) -> Result<(), Failure> {
        let (status, _) = self.post(message)?;
        let has_text = self
            .body
            .windows(TEXT.len())
            .any(|it| it == TEXT.as_bytes());
        match status == 200 && has_text {
            true => Ok(()),
            false => Err(format!("{status} {}", self.text()).into()),
        }
    }

    /// The body of the last answer.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Opens the stream for what the gateway says by itself, on a connection of its own.
    pub(crate) fn listen(&self) -> Result<TcpStream, Failure> {
        let address = self.connection.get_ref().peer_addr()?;
        let mut stream = BufReader::new(TcpStream::connect(address)?);
        let head = format!("GET {}\r\n", self.head);
        stream.get_mut().set_read_timeout(Some(READ_TIMEOUT))?;
        stream.get_mut().write_all(head.as_bytes())?;
        match read_head(&mut stream)?.status {
            200 => Ok(stream.into_inner()),
            status => Err(format!("a stream: {status}").into()),
        }
    }
}

struct Head {
    status: u16,
    length: Option<usize>,
    session: Option<String>,
}

fn read_head(reader: &mut impl BufRead) -> Result<Head, Failure> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).ok_or("no status")?.parse()?;
    let mut head = Head {
        status,
        length: Some(0),
        session: None,
    };
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            return Ok(head);
        };
        if name.eq_ignore_ascii_case("content-length") {
            head.length = Some(value.parse()?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            head.length = None;
        } else if name.eq_ignore_ascii_case("mcp-session-id") {
            head.session = Some(value.to_owned());
        }
    }
}

fn read_body(reader: &mut impl BufRead, head: &Head, body: &mut Vec<u8>) -> Result<(), Failure> {
    body.clear();
    if let Some(length) = head.length {
        body.resize(length, 0);
        reader.read_exact(body)?;
        return Ok(());
    }
    let mut line = String::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim(), 16)?;
        let start = body.len();
        // With the end of the line after it.
        body.resize(start + length + 2, 0);
        reader.read_exact(&mut body[start..])?;
        body.truncate(start + length);
        if length == 0 {
            return Ok(());
        }
    }
}

/// A session over the pipes of a process, which is ended with it.
pub(crate) struct Piped {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    next_id: u64,
    line: String,
}

impl Piped {
    pub(crate) fn begin(command: &mut Command) -> Result<Self, Failure> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = BufReader::new(child.stdout.take().ok_or("a pipe")?);
        let mut this = Self {
            stdin: child.stdin.take(),
            child,
            stdout,
            next_id: 1,
            line: String::new(),
        };
        this.send(INITIALIZE)?;
        this.read("\"serverInfo\"")?;
        this.send(INITIALIZED)?;
        Ok(this)
    }

    pub(crate) fn echo(&mut self, tool: &str) -> Result<(), Failure> {
        self.next_id += 1;
        self.send(&call(self.next_id, tool))?;
        self.read(TEXT)
    }

    pub(crate) fn meta(&mut self) -> Result<(), Failure> {
        self.next_id += 1;
        self.send(&call_meta(self.next_id))?;
        self.read(TEXT)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn send(&mut self, message: &str) -> Result<(), Failure> {
        let stdin = self.stdin.as_mut().ok_or("it is open")?;
        Ok(stdin.write_all(format!("{message}\n").as_bytes())?)
    }

    fn read(&mut self, expected: &str) -> Result<(), Failure> {
        self.line.clear();
        self.stdout.read_line(&mut self.line)?;
        match self.line.contains(expected) {
            true => Ok(()),
            false => Err(format!("`{}` instead of an answer", self.line.trim_end()).into()),
        }
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        // It ends when its input does; what is left is read so that it can.
        self.stdin = None;
        let _rest = self.stdout.read_to_string(&mut self.line);
        let _ended = self.child.wait();
    }
}
