//! Ways to a server: the lines of a process, and streamable HTTP.
//!
//! Both come down to one shape. What goes to the server is handed to an [`Outbox`]; what comes from
//! it is read from an [`Inbox`], one task for each. A transport knows nothing of what the messages
//! mean, but for HTTP, where it has to know which stream belongs to which request.

mod http;
mod lines;

use async_trait::async_trait;
use bytes::Bytes;

pub use self::http::{HttpEndpoint, HttpLimits, http};
pub use self::lines::{LineEvent, LineSink, LineSource, lines};

/// Takes what goes to a server.
#[async_trait]
pub trait Outbox: Send {
    /// Sends one message, which has no end of line in it.
    ///
    /// Not cancel safe: when the future is dropped, half a message may have gone out.
    async fn send(&mut self, outgoing: Outgoing) -> Result<(), TransportError>;

    /// Ends the conversation in the transport's own way.
    async fn close(&mut self);
}

/// Gives what comes from a server.
#[async_trait]
pub trait Inbox: Send {
    /// Waits for the next thing; after [`Incoming::Ended`] there is nothing more.
    ///
    /// Cancel safe.
    async fn next(&mut self) -> Incoming;
}

/// A message to a server.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub bytes: Bytes,
    /// Our number for the request that this is; `None` for notifications and responses.
    pub request: Option<u64>,
    /// The request that this takes back: what still comes for it is not wanted.
    pub cancels: Option<u64>,
}

/// What comes from a server.
#[derive(Debug)]
pub enum Incoming {
    Message {
        bytes: Bytes,
        /// The request on whose stream it came; `None` where the transport does not tell.
        related: Option<u64>,
    },
    /// One message was lost and the conversation goes on.
    Lost {
        /// The request that it would have been the answer to, where the transport tells.
        related: Option<u64>,
        reason: String,
    },
    /// The conversation is over, for this reason.
    Ended {
        reason: String,
        /// The request that the server has not taken for it, where the transport tells. It may be
        /// made again in another conversation.
        refused: Option<u64>,
    },
}

/// A message could not be sent.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct TransportError {
    pub reason: String,
    /// Whether nothing can be sent after it.
    pub is_over: bool,
}
