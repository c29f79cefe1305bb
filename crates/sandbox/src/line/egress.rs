use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::wire::{self, BridgeOpen, EgressReply, FIRST_MESSAGE_TIMEOUT};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::{Stream, read_message, relay::relay};

/// From the bridge's wish to the connection or the reason why there is none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Makes the connections that processes in one sandbox ask for.
///
/// Whoever implements it knows which sandbox it is for, and decides what is allowed.
#[async_trait]
pub trait EgressHandler: Send + Sync + 'static {
    /// Connects to `host`, which is as the process has written it.
    ///
    /// Must be cancel safe: it is dropped when the process gives up, the line ends, or after 30 s.
    async fn connect(&self, host: String, port: u16) -> Result<Box<dyn Duplex>, EgressError>;
}

/// Why there is no connection. The reason is told to the process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// It is not allowed. HTTP clients inside see status 403.
    #[error("{reason}")]
    Refused { reason: String },
    /// It is allowed and could not be made. HTTP clients inside see status 502.
    #[error("{reason}")]
    Failed { reason: String },
}

/// Serves a stream that the bridge has opened. The stream is reset where it makes no sense.
pub(super) async fn serve(mut stream: Stream, handler: Arc<dyn EgressHandler>) {
    let Ok(Ok(message)) = timeout(FIRST_MESSAGE_TIMEOUT, read_message(&mut stream)).await else {
        tracing::debug!("A stream from a sandbox did not say what it is");
        return;
    };
    let (host, port) = match wire::decode_message(&message) {
        Ok(BridgeOpen::Egress { host, port }) => (host, port),
        Err(err) => {
            tracing::debug!(
                error = &err as &dyn std::error::Error,
                "A stream from a sandbox is not understood"
            );
            return;
        }
    };

    let mut early = [0];
    let connected = tokio::select! {
        it = timeout(CONNECT_TIMEOUT, handler.connect(host, port)) => it,
        // The bridge waits for the answer and says nothing; this is the stream's end.
        _ = stream.read(&mut early) => return,
    };
    let connected = connected.unwrap_or_else(|_elapsed| {
        Err(EgressError::Failed {
            reason: format!("no connection within {CONNECT_TIMEOUT:?}"),
        })
    });
    match connected {
        Ok(mut socket) => {
            if reply(&mut stream, &EgressReply::Open).await {
                let ended = relay(&mut stream, &mut socket).await;
                tracing::debug!(
                    is_whole = ended.is_ok(),
                    "A connection from a sandbox ended"
                );
            }
        }
        Err(EgressError::Refused { reason }) => {
            reply(&mut stream, &EgressReply::Refused { reason }).await;
        }
        Err(EgressError::Failed { reason }) => {
            reply(&mut stream, &EgressReply::Failed { reason }).await;
        }
    }
}

/// Returns whether the answer could be sent.
async fn reply(stream: &mut Stream, reply: &EgressReply) -> bool {
    match wire::encode_message(reply) {
        Ok(bytes) => stream.write_all(&bytes).await.is_ok(),
        Err(err) => {
            tracing::warn!(
                error = &err as &dyn std::error::Error,
                "The reason for having no connection is too long to be told"
            );
            false
        }
    }
}
