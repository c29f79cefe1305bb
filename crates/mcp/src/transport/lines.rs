//! The stdio transport: one message a line.

use async_trait::async_trait;
use bytes::Bytes;

use super::{Inbox, Incoming, Outbox, Outgoing, TransportError};

/// Gives the lines that a process writes.
#[async_trait]
pub trait LineSource: Send {
    /// Cancel safe.
    async fn next(&mut self) -> LineEvent;
}

/// Takes the lines that a process reads.
#[async_trait]
pub trait LineSink: Send {
    /// Writes `line` and an end of line after it.
    async fn line(&mut self, line: &[u8]) -> std::io::Result<()>;

    /// Tells the process to end.
    async fn close(&mut self);
}

#[derive(Debug)]
pub enum LineEvent {
    Line(Bytes),
    /// A line was longer than it may be and was dropped.
    TooLong {
        bytes: u64,
        limit: u64,
    },
    Ended {
        reason: String,
    },
}

/// Makes a transport of a process's lines.
pub fn lines(
    source: Box<dyn LineSource>,
    sink: Box<dyn LineSink>,
) -> (Box<dyn Outbox>, Box<dyn Inbox>) {
    (Box::new(Sink { sink }), Box::new(Source { source }))
}

struct Sink {
    sink: Box<dyn LineSink>,
}

struct Source {
    source: Box<dyn LineSource>,
}

#[async_trait]
impl Outbox for Sink {
    async fn send(&mut self, outgoing: Outgoing) -> Result<(), TransportError> {
        let sent = self.sink.line(&outgoing.bytes).await;
        sent.map_err(|err| TransportError {
            reason: format!("the server does not read its input: {err}"),
            // Half a line may have gone out, so that a further one would not be understood.
            is_over: true,
        })
    }

    async fn close(&mut self) {
        self.sink.close().await;
    }
}

#[async_trait]
impl Inbox for Source {
    async fn next(&mut self) -> Incoming {
        match self.source.next().await {
            LineEvent::Line(bytes) => Incoming::Message {
                bytes,
                related: None,
            },
            LineEvent::TooLong { bytes, limit } => Incoming::Lost {
                related: None,
                reason: format!(
                    "the server wrote a line of {bytes} bytes, the most is {limit} (`line_bytes_max`)"
                ),
            },
            LineEvent::Ended { reason } => Incoming::Ended {
                reason,
                refused: None,
            },
        }
    }
}
