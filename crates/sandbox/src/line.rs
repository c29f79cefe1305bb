//! The host's end of the line to a sandbox.
//!
//! ```text
//!   Listener ── a connection from the expected process ──> Line::start
//!                                                                 │ one task
//!   Line::open_process ── a stream, one process ──┐               v
//!   Line::health ─────── a stream, one message ───┼──────── yamux, domain::wire ──> bridge
//!   EgressHandler <───── a stream of the bridge's ┘
//! ```
//!
//! What comes over a line may have been written by whatever runs in the sandbox: nothing of it is
//! believed. A frame that is not what was agreed on ends its stream or the line, with an error for
//! the one who waits; the next line is another task and another `yamux`.
//!
//! **Invariant:** nothing that the other end sends makes this end panic, nor keep more than
//! [`WINDOW_BYTES_MAX`](domain::wire::WINDOW_BYTES_MAX) of it per line that nobody has asked for.
//!
//! **Invariant:** a stream is never closed here while the other end may still send on it: it is
//! dropped, and that resets it. (`yamux` has no way to reset a stream after its own end has been
//! sent, and a bridge whose stream nobody reads would wait for room forever.)

mod driver;
mod egress;
mod error;
mod listener;
mod process;
mod relay;

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use domain::wire::{self, Health, HostOpen, ProcessOpen};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};
use tokio_util::{
    compat::{Compat, FuturesAsyncReadCompatExt},
    sync::CancellationToken,
    task::TaskTracker,
};

pub use self::{
    egress::{Duplex, EgressError, EgressHandler},
    error::LineError,
    listener::{Authorize, Listener},
    process::{Process, ProcessEvent, ProcessReader, ProcessWriter},
};

/// Streams that wait to be opened by the line's task.
const OPENING_MAX: usize = 8;

type Stream = Compat<yamux::Stream>;

/// A line that is or was up. Cheap to clone; the clones are the same line.
///
/// It is not closed by dropping it: it belongs to who has started it.
#[derive(Debug, Clone)]
pub struct Line {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    openings: mpsc::Sender<oneshot::Sender<yamux::Stream>>,
    /// Streams that the host may still open.
    streams: Arc<Semaphore>,
    /// Cancelled when the line ends, and by [`Line::close`] to end it.
    ended: CancellationToken,
    reason: OnceLock<String>,
}

impl Line {
    /// Begins to speak with the bridge at the other end of `transport`.
    ///
    /// Ends when either end of `transport` does, when `shutdown` is cancelled, or by
    /// [`close`](Self::close). Its tasks are on `tasks`.
    pub fn start<T>(
        transport: T,
        egress: Arc<dyn EgressHandler>,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (openings, wanted) = mpsc::channel(OPENING_MAX);
        let shared = Arc::new(Shared {
            openings,
            streams: Arc::new(Semaphore::new(wire::HOST_STREAMS_MAX)),
            ended: shutdown.child_token(),
            reason: OnceLock::new(),
        });
        let driver = driver::Driver {
            shared: Arc::clone(&shared),
            wanted,
            egress,
            tasks: tasks.clone(),
        };
        tasks.spawn(driver.run(transport));
        Self { shared }
    }

    /// Starts a process in the sandbox. Returns when it runs.
    ///
    /// Cancel safe: when the future is dropped, the bridge stops what it may have started.
    ///
    /// # Errors
    ///
    /// [`LineError::StartFailed`] says why it cannot be started. The others are about the line.
    pub async fn open_process(&self, open: ProcessOpen) -> Result<Process, LineError> {
        let line_bytes_max = open.line_bytes_max as usize;
        let message = wire::encode_message(&HostOpen::Process(open))
            .map_err(|source| LineError::Request { source })?;
        let permit = Arc::clone(&self.shared.streams)
            .try_acquire_owned()
            .map_err(|_full| self.too_many_streams())?;
        let mut stream = self.open_stream().await?;
        stream
            .write_all(&message)
            .await
            .map_err(|_io| self.lost())?;
        Process::started(stream, line_bytes_max, self.clone(), permit).await
    }

    /// Asks the bridge how it is, for at most `limit`. Cancel safe.
    pub async fn health(&self, limit: Duration) -> Result<Health, LineError> {
        timeout(limit, self.ask_health())
            .await
            .map_err(|_elapsed| LineError::Timeout { limit })?
    }

    async fn ask_health(&self) -> Result<Health, LineError> {
        let _permit = self
            .shared
            .streams
            .try_acquire()
            .map_err(|_full| self.too_many_streams())?;
        let message = wire::encode_message(&HostOpen::Health)
            .map_err(|source| LineError::Request { source })?;
        let mut stream = self.open_stream().await?;
        stream
            .write_all(&message)
            .await
            .map_err(|_io| self.lost())?;
        let bytes = read_message(&mut stream).await.map_err(|err| match err {
            ReadMessageError::Io => self.lost(),
            ReadMessageError::Wire(source) => LineError::Answer { source },
        })?;
        wire::decode_message(&bytes).map_err(|source| LineError::Answer { source })
    }

    /// Ends the line. The bridge stops its processes and dials again.
    pub fn close(&self) {
        self.shared.end("it was closed by the host");
    }

    /// Waits until the line has ended. Cancel safe.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
        self.shared.ended.clone().cancelled_owned()
    }

    /// Whether the line has ended.
    pub fn is_closed(&self) -> bool {
        self.shared.ended.is_cancelled()
    }

    async fn open_stream(&self) -> Result<Stream, LineError> {
        let (reply, stream) = oneshot::channel();
        let sent = self.shared.openings.send(reply).await;
        sent.map_err(|_closed| self.lost())?;
        let stream = stream.await.map_err(|_closed| self.lost())?;
        Ok(stream.compat())
    }

    fn too_many_streams(&self) -> LineError {
        LineError::TooManyStreams {
            max: wire::HOST_STREAMS_MAX,
        }
    }

    /// Returns the error of whoever finds that a stream has ended: that of the line, if it has.
    fn lost(&self) -> LineError {
        match self.shared.reason.get() {
            Some(reason) => LineError::Closed {
                reason: reason.clone(),
            },
            None if self.is_closed() => LineError::Closed {
                reason: "the host shuts down".to_owned(),
            },
            None => LineError::StreamReset,
        }
    }
}

impl Shared {
    /// Ends the line; the first reason counts.
    fn end(&self, reason: &str) {
        if !self.ended.is_cancelled() {
            // Another one was first.
            self.reason.set(reason.to_owned()).ok();
        }
        self.ended.cancel();
    }
}

enum ReadMessageError {
    Io,
    Wire(wire::WireError),
}

/// Reads the bytes of a message. Takes no memory but for what has come.
async fn read_message(stream: &mut Stream) -> Result<Vec<u8>, ReadMessageError> {
    let mut header = [0; 4];
    let read = stream.read_exact(&mut header).await;
    read.map_err(|_io| ReadMessageError::Io)?;
    let len = wire::message_len(header).map_err(ReadMessageError::Wire)?;
    let mut bytes = Vec::new();
    let read = stream.take(len as u64).read_to_end(&mut bytes).await;
    match read {
        Ok(it) if it == len => Ok(bytes),
        Ok(_) | Err(_) => Err(ReadMessageError::Io),
    }
}
