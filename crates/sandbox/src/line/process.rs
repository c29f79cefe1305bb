use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use domain::wire::{Exit, FRAME_HEADER_BYTES, Frame, FrameHeader, LINE_BYTES_MAX, WireError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::OwnedSemaphorePermit,
};

use super::{Line, LineError, Stream};

/// What is read at a time, in bytes.
const READ_BYTES: usize = 16 << 10;
/// Capacity for a frame that a writer keeps, in bytes.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// A process in a sandbox, running when this was made.
///
/// Dropping it stops the process: standard input ends, and the signals follow. When it is split,
/// dropping both parts does.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    reader: ProcessReader,
    writer: ProcessWriter,
}

/// What a process does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessEvent {
    /// A line of standard output, without its end.
    Stdout(Bytes),
    /// A line of standard error, without its end, or a piece of a long one.
    Stderr(Bytes),
    /// A line of standard output had this many bytes and was dropped.
    LineTooLong { bytes: u64 },
    /// It has ended, and what was left of its group has been killed. The last event.
    Exited(Exit),
}

/// What comes from a process.
#[derive(Debug)]
pub struct ProcessReader {
    stream: ReadHalf<Stream>,
    buffer: BytesMut,
    line_bytes_max: usize,
    has_exited: bool,
    line: Line,
    _permit: Arc<OwnedSemaphorePermit>,
}

/// What goes to a process.
#[derive(Debug)]
pub struct ProcessWriter {
    stream: WriteHalf<Stream>,
    frame: Vec<u8>,
    // Invariant: at most `frame.len()`.
    sent: usize,
    line: Line,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Process {
    /// Waits for the bridge to say that the process runs.
    pub(super) async fn started(
        stream: Stream,
        line_bytes_max: usize,
        line: Line,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, LineError> {
        let permit = Arc::new(permit);
        let (read, write) = tokio::io::split(stream);
        let mut reader = ProcessReader {
            stream: read,
            buffer: BytesMut::new(),
            line_bytes_max,
            has_exited: false,
            line: line.clone(),
            _permit: Arc::clone(&permit),
        };
        let writer = ProcessWriter {
            stream: write,
            frame: Vec::new(),
            sent: 0,
            line,
            _permit: permit,
        };
        let (header, payload) = reader.frame().await?;
        let frame = header.decode_payload(&payload);
        match frame.map_err(|source| LineError::Answer { source })? {
            Frame::Started { pid } => Ok(Self {
                pid,
                reader,
                writer,
            }),
            Frame::StartFailed { reason } => Err(LineError::StartFailed {
                reason: reason.to_owned(),
            }),
            _ => Err(unexpected("a frame before the process has started")),
        }
    }

    /// Returns the number that the process has inside the sandbox.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn split(self) -> (ProcessReader, ProcessWriter) {
        (self.reader, self.writer)
    }
}

impl ProcessReader {
    /// Returns what comes next; `None` after [`ProcessEvent::Exited`].
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// The line or the stream has ended before the process has, or what came makes no sense. The
    /// same is then returned again.
    pub async fn next(&mut self) -> Result<Option<ProcessEvent>, LineError> {
        if self.has_exited {
            return Ok(None);
        }
        let (header, payload) = self.frame().await?;
        let frame = header.decode_payload(&payload);
        let event = match frame.map_err(|source| LineError::Answer { source })? {
            Frame::Stdout(_) => ProcessEvent::Stdout(payload),
            Frame::Stderr(_) => ProcessEvent::Stderr(payload),
            Frame::LineTooLong { bytes } => ProcessEvent::LineTooLong { bytes },
            Frame::Exited(exit) => {
                self.has_exited = true;
                ProcessEvent::Exited(exit)
            }
            _ => return Err(unexpected("a frame that only comes at the beginning")),
        };
        Ok(Some(event))
    }

    /// Reads a frame. Cancel safe: what has come is kept in `buffer` until the frame is whole.
    async fn frame(&mut self) -> Result<(FrameHeader, Bytes), LineError> {
        loop {
            let missing = match self.buffer.first_chunk::<FRAME_HEADER_BYTES>() {
                None => FRAME_HEADER_BYTES - self.buffer.len(),
                Some(header) => {
                    let header = FrameHeader::decode(*header, self.line_bytes_max)
                        .map_err(|source| LineError::Answer { source })?;
                    let len = FRAME_HEADER_BYTES + header.payload_len();
                    if len <= self.buffer.len() {
                        let frame = self.buffer.split_to(len).freeze();
                        return Ok((header, frame.slice(FRAME_HEADER_BYTES..)));
                    }
                    len - self.buffer.len()
                }
            };
            // No more than what may come at once: the length is what the other end claims.
            self.buffer.reserve(missing.min(READ_BYTES));
            let read = self.stream.read_buf(&mut self.buffer).await;
            if !matches!(read, Ok(1..)) {
                return Err(self.line.lost());
            }
        }
    }
}

impl ProcessWriter {
    /// Sends a line to standard input; `line` is without its end.
    ///
    /// Returns when there is room for it on the way, which is not when the process has read it.
    /// When the future is dropped before, the line is sent whole, or not at all where it had to wait
    /// for the one before.
    ///
    /// # Errors
    ///
    /// The process or the line has ended, or the line is too long or none.
    pub async fn line(&mut self, line: &[u8]) -> Result<(), LineError> {
        if LINE_BYTES_MAX < line.len() {
            return Err(LineError::LineTooLong {
                bytes: line.len(),
                max: LINE_BYTES_MAX,
            });
        }
        if line.contains(&b'\n') {
            return Err(LineError::LineBreak);
        }
        self.send(&Frame::Stdin(line)).await
    }

    /// Ends standard input, after the lines before. As with [`line`](Self::line), dropping the
    /// future leaves nothing half sent.
    pub async fn end(&mut self) -> Result<(), LineError> {
        self.send(&Frame::StdinEnd).await
    }

    /// Asks for the process's end: standard input ends, then come the signals. As with
    /// [`line`](Self::line), dropping the future leaves nothing half sent.
    ///
    /// It waits behind lines that the process does not read. Dropping writer and reader does not.
    pub async fn stop(&mut self) -> Result<(), LineError> {
        self.send(&Frame::Stop).await
    }

    async fn send(&mut self, frame: &Frame<'_>) -> Result<(), LineError> {
        // What was left by a call that was dropped.
        self.flush().await?;
        frame.encode(&mut self.frame);
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), LineError> {
        while self.sent < self.frame.len() {
            match self.stream.write(&self.frame[self.sent..]).await {
                Ok(len @ 1..) => self.sent += len,
                Ok(0) | Err(_) => return Err(self.line.lost()),
            }
        }
        self.sent = 0;
        self.frame.clear();
        self.frame.shrink_to(KEPT_BYTES_MAX);
        Ok(())
    }
}

fn unexpected(what: &str) -> LineError {
    LineError::Answer {
        source: WireError::Message {
            reason: what.to_owned(),
        },
    }
}
