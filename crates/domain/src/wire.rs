//! What the bridge inside a sandbox and the host say to each other.
//!
//! Between them is one line (a Unix socket with `yamux` on it) that carries many streams. Each
//! stream begins with one **message** from the side that opened it, which says what it is:
//!
//! | opened by | first message | then |
//! |---|---|---|
//! | host | [`HostOpen::Process`] | [`Frame`]s both ways: one stream, one process |
//! | host | [`HostOpen::Health`] | one message back, [`Health`], and the end |
//! | bridge | [`BridgeOpen::Egress`] | one message back, [`EgressReply`], then bytes both ways |
//!
//! ```text
//! message   length: u32 BE (1..=MESSAGE_BYTES_MAX) | JSON
//! frame     type: u8 | length: u32 BE | payload
//! ```
//!
//! The host reads what a hostile process may have written: a length over its bound, a type that is
//! not known and JSON that does not fit are errors, never a panic and never an allocation of that
//! length.

use serde::{Deserialize, Serialize};

/// The longest first message, in bytes: room for an environment and arguments.
pub const MESSAGE_BYTES_MAX: usize = 256 << 10;
/// The longest line of a process that any setting may allow, in bytes.
pub const LINE_BYTES_MAX: usize = 64 << 20;
/// The longest line of standard error, in bytes. What is longer is cut into several.
pub const STDERR_LINE_BYTES_MAX: usize = 16 << 10;
/// The longest reason for which a process could not be started, in bytes.
pub const REASON_BYTES_MAX: usize = 4 << 10;
/// Streams on one line at a time, both directions together.
pub const STREAMS_MAX: usize = HOST_STREAMS_MAX + EGRESS_STREAMS_MAX;
/// Streams that the host may have open at a time. One more is refused before it is opened.
pub const HOST_STREAMS_MAX: usize = 16;
/// Streams that the bridge may have open at a time. It has its clients wait for one more.
pub const EGRESS_STREAMS_MAX: usize = 48;
/// What `yamux` is told to take, since more than that ends the line: twice as many, so that streams
/// which one end has dropped and the other has not yet do no harm.
pub const YAMUX_STREAMS_MAX: usize = 2 * STREAMS_MAX;
/// Bytes of all streams on one line that may be on their way unread, per direction.
pub const WINDOW_BYTES_MAX: usize = 32 << 20;
/// From the opening of a stream to its first message. A stream that is silent for longer is reset.
pub const FIRST_MESSAGE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
/// The bytes before a frame's payload.
pub const FRAME_HEADER_BYTES: usize = 5;

/// Where the host's socket is inside a sandbox.
pub const LINE_SOCKET: &str = "/run/archestra/line.sock";
/// Where the bridge is inside a sandbox.
pub const BRIDGE_PATH: &str = "/.archestra/bridge";
/// Where the bridge answers CONNECT inside a sandbox.
pub const PROXY_PORT: u16 = 3128;

/// The first message on a stream that the host has opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostOpen {
    Process(ProcessOpen),
    Health,
}

/// A process to be started. Its environment is exactly what is here, and what the bridge adds so
/// that programs find its proxy.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessOpen {
    /// The program and its arguments; never empty. No shell takes part.
    pub argv: Vec<String>,
    pub env: Vec<(String, String)>,
    pub cwd: String,
    /// Over this a line of standard output is dropped and [`Frame::LineTooLong`] sent for it.
    pub line_bytes_max: u32,
    /// Whether the proxy's address is put into the environment.
    pub proxy: bool,
    /// From the end of standard input to `SIGTERM`, and from that to `SIGKILL`.
    pub stop_grace_ms: u32,
}

/// Values of the environment may be secrets.
impl std::fmt::Debug for ProcessOpen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ProcessOpen")
            .field("argv", &self.argv)
            .field("env", &names)
            .field("cwd", &self.cwd)
            .finish_non_exhaustive()
    }
}

/// The first message on a stream that the bridge has opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BridgeOpen {
    /// A connection to `host`, which is as the process has written it.
    Egress { host: String, port: u16 },
}

/// The host's answer to [`BridgeOpen::Egress`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EgressReply {
    /// What follows are the bytes of the connection.
    Open,
    /// It is not allowed, for this reason. HTTP clients inside see status 403.
    Refused { reason: String },
    /// It is allowed and could not be made, for this reason. HTTP clients inside see status 502.
    Failed { reason: String },
}

/// How a bridge is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Processes that streams have started and that still run.
    pub processes: u32,
    /// Connections through the proxy.
    pub egress: u32,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub signal: Option<i32>,
}

/// What goes over a process's stream after its first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<'a> {
    // From the bridge.
    /// The process runs and has this number inside the sandbox.
    Started { pid: u32 },
    /// It could not be started, for this reason. Nothing follows.
    StartFailed { reason: &'a str },
    /// A line of standard output, without its end.
    Stdout(&'a [u8]),
    /// A line of standard error, without its end; at most [`STDERR_LINE_BYTES_MAX`].
    Stderr(&'a [u8]),
    /// A line of standard output had this many bytes and was dropped.
    LineTooLong { bytes: u64 },
    /// It has ended. Nothing follows.
    Exited(Exit),
    // From the host.
    /// A line for standard input, without its end.
    Stdin(&'a [u8]),
    /// Standard input ends.
    StdinEnd,
    /// The process is to end: its standard input ends, then come the signals.
    Stop,
}

const STARTED: u8 = 1;
const START_FAILED: u8 = 2;
const STDOUT: u8 = 3;
const STDERR: u8 = 4;
const LINE_TOO_LONG: u8 = 5;
const EXITED: u8 = 6;
const STDIN: u8 = 16;
const STDIN_END: u8 = 17;
const STOP: u8 = 18;

/// What a frame's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    kind: u8,
    payload_len: u32,
}

/// What the other side has sent is not what is agreed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error("a message of {len} bytes, the most is {MESSAGE_BYTES_MAX}")]
    MessageLength { len: u32 },
    #[error("a message that is not understood: {reason}")]
    Message { reason: String },
    #[error("a frame of the unknown type {kind}")]
    FrameKind { kind: u8 },
    #[error("a frame of type {kind} with {len} bytes, the most is {max}")]
    FrameLength { kind: u8, len: u32, max: usize },
    #[error("a frame of type {kind} with a payload that does not fit")]
    FramePayload { kind: u8 },
}

/// Returns the bytes of a message, its length before it.
pub fn encode_message<T: Serialize>(message: &T) -> Result<Vec<u8>, WireError> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message).map_err(|err| WireError::Message {
        reason: err.to_string(),
    })?;
    let len = u32::try_from(bytes.len() - 4).unwrap_or(u32::MAX);
    if MESSAGE_BYTES_MAX < bytes.len() - 4 {
        return Err(WireError::MessageLength { len });
    }
    bytes[..4].copy_from_slice(&len.to_be_bytes());
    Ok(bytes)
}

/// Returns how many bytes a message has, from the four bytes before it.
pub fn message_len(header: [u8; 4]) -> Result<usize, WireError> {
    let len = u32::from_be_bytes(header);
    if len == 0 || MESSAGE_BYTES_MAX < len as usize {
        return Err(WireError::MessageLength { len });
    }
    Ok(len as usize)
}

/// Reads a message without its length.
pub fn decode_message<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, WireError> {
    serde_json::from_slice(bytes).map_err(|err| WireError::Message {
        reason: err.to_string(),
    })
}

impl Frame<'_> {
    /// Appends the frame's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut put = |kind: u8, payload: &[u8]| {
            let len = u32::try_from(payload.len()).expect("lines are bounded far below 4 GiB");
            out.reserve(FRAME_HEADER_BYTES + payload.len());
            out.push(kind);
            out.extend_from_slice(&len.to_be_bytes());
            out.extend_from_slice(payload);
        };
        match self {
            Self::Started { pid } => put(STARTED, &pid.to_be_bytes()),
            Self::StartFailed { reason } => put(START_FAILED, reason.as_bytes()),
            Self::Stdout(line) => put(STDOUT, line),
            Self::Stderr(line) => put(STDERR, line),
            Self::LineTooLong { bytes } => put(LINE_TOO_LONG, &bytes.to_be_bytes()),
            Self::Exited(Exit { code, signal }) => {
                let mut payload = [0; 10];
                payload[0] = u8::from(code.is_some());
                payload[1..5].copy_from_slice(&code.unwrap_or(0).to_be_bytes());
                payload[5] = u8::from(signal.is_some());
                payload[6..].copy_from_slice(&signal.unwrap_or(0).to_be_bytes());
                put(EXITED, &payload);
            }
            Self::Stdin(line) => put(STDIN, line),
            Self::StdinEnd => put(STDIN_END, &[]),
            Self::Stop => put(STOP, &[]),
        }
    }
}

impl FrameHeader {
    /// Reads a header. `line_bytes_max` bounds the lines of standard input and output.
    pub fn decode(
        bytes: [u8; FRAME_HEADER_BYTES],
        line_bytes_max: usize,
    ) -> Result<Self, WireError> {
        let [kind, len @ ..] = bytes;
        let len = u32::from_be_bytes(len);
        let max = match kind {
            STARTED => 4,
            START_FAILED => REASON_BYTES_MAX,
            STDOUT | STDIN => line_bytes_max.min(LINE_BYTES_MAX),
            STDERR => STDERR_LINE_BYTES_MAX,
            LINE_TOO_LONG => 8,
            EXITED => 10,
            STDIN_END | STOP => 0,
            _ => return Err(WireError::FrameKind { kind }),
        };
        if max < len as usize {
            return Err(WireError::FrameLength { kind, len, max });
        }
        Ok(Self {
            kind,
            payload_len: len,
        })
    }

    /// Returns how many bytes the payload has.
    pub fn payload_len(self) -> usize {
        self.payload_len as usize
    }

    /// Whether it is a [`Frame::Stdin`], whose payload can be passed on as it comes.
    pub fn is_stdin(self) -> bool {
        self.kind == STDIN
    }

    /// Reads the payload, which has [`payload_len`](Self::payload_len) bytes.
    pub fn decode_payload(self, payload: &[u8]) -> Result<Frame<'_>, WireError> {
        let kind = self.kind;
        let wrong = || WireError::FramePayload { kind };
        if payload.len() != self.payload_len() {
            return Err(wrong());
        }
        let frame = match kind {
            STARTED => Frame::Started {
                pid: u32::from_be_bytes(payload.try_into().map_err(|_| wrong())?),
            },
            START_FAILED => Frame::StartFailed {
                reason: std::str::from_utf8(payload).map_err(|_| wrong())?,
            },
            STDOUT => Frame::Stdout(payload),
            STDERR => Frame::Stderr(payload),
            LINE_TOO_LONG => Frame::LineTooLong {
                bytes: u64::from_be_bytes(payload.try_into().map_err(|_| wrong())?),
            },
            EXITED => {
                let payload: [u8; 10] = payload.try_into().map_err(|_| wrong())?;
                let number = |at: usize| {
                    let bytes = payload[at + 1..at + 5].try_into().map_err(|_| wrong())?;
                    match payload[at] {
                        0 => Ok(None),
                        1 => Ok(Some(i32::from_be_bytes(bytes))),
                        _ => Err(wrong()),
                    }
                };
                Frame::Exited(Exit {
                    code: number(0)?,
                    signal: number(5)?,
                })
            }
            STDIN => Frame::Stdin(payload),
            STDIN_END => Frame::StdinEnd,
            STOP => Frame::Stop,
            _ => return Err(WireError::FrameKind { kind }),
        };
        Ok(frame)
    }
}

#[cfg(test)]
mod tests;
