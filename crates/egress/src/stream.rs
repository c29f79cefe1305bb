use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use domain::HostPort;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};

use crate::broker::{EgressAudit, EgressEvent, Happened, Slot, Who};

/// A connection to the outside. When it is dropped, its end is told to the audit.
///
/// After `idle_timeout` without a byte in either direction, reading and writing are an error of the
/// kind `TimedOut`.
pub struct EgressStream {
    stream: TcpStream,
    /// What has come with the proxy's answer and was not read yet.
    early: Vec<u8>,
    idle_timeout: Duration,
    last_byte: Instant,
    // Fires no earlier than the timeout; looks at `last_byte` then, so that no byte costs a timer.
    idle: Pin<Box<Sleep>>,
    report: Report,
}

/// Tells the end.
struct Report {
    audit: Arc<dyn EgressAudit>,
    who: Who,
    target: HostPort,
    since: Instant,
    sent_bytes: u64,
    received_bytes: u64,
    timed_out: bool,
    _slot: Slot,
}

/// What a stream is made of.
pub(crate) struct Opened {
    pub(crate) stream: TcpStream,
    pub(crate) early: Vec<u8>,
    pub(crate) idle_timeout: Duration,
    pub(crate) audit: Arc<dyn EgressAudit>,
    pub(crate) who: Who,
    pub(crate) target: HostPort,
    pub(crate) slot: Slot,
}

impl EgressStream {
    pub(crate) fn new(opened: Opened) -> Self {
        let now = Instant::now();
        Self {
            stream: opened.stream,
            early: opened.early,
            idle_timeout: opened.idle_timeout,
            last_byte: now,
            idle: Box::pin(tokio::time::sleep(opened.idle_timeout)),
            report: Report {
                audit: opened.audit,
                who: opened.who,
                target: opened.target,
                since: now,
                sent_bytes: 0,
                received_bytes: 0,
                timed_out: false,
                _slot: opened.slot,
            },
        }
    }

    /// Returns the address at the other end, which is the proxy's where there is one.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    pub const fn sent_bytes(&self) -> u64 {
        self.report.sent_bytes
    }

    pub const fn received_bytes(&self) -> u64 {
        self.report.received_bytes
    }

    /// Is ready, with an error, once no byte has gone either way for too long.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let due = self.last_byte + self.idle_timeout;
            if self.idle.deadline() < due {
                self.idle.as_mut().reset(due);
            }
            ready!(self.idle.as_mut().poll(cx));
            if self.last_byte + self.idle_timeout <= Instant::now() {
                self.report.timed_out = true;
                let text = "no byte in either direction for too long";
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, text));
            }
        }
    }
}

impl AsyncRead for EgressStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = if this.early.is_empty() {
            Pin::new(&mut this.stream).poll_read(cx, buf)
        } else {
            let len = this.early.len().min(buf.remaining());
            buf.put_slice(&this.early[..len]);
            this.early.drain(..len);
            Poll::Ready(Ok(()))
        };
        if read.is_pending() {
            return this.poll_idle(cx).map(Err);
        }
        let len = buf.filled().len() - before;
        this.report.received_bytes += len as u64;
        this.last_byte = Instant::now();
        read
    }
}

impl AsyncWrite for EgressStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        match &written {
            Poll::Pending => return this.poll_idle(cx).map(Err),
            Poll::Ready(Ok(len)) => {
                this.report.sent_bytes += *len as u64;
                this.last_byte = Instant::now();
            }
            Poll::Ready(Err(_)) => {}
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.audit.record(EgressEvent {
            who: self.who.clone(),
            target: self.target.to_string(),
            happened: Happened::Closed {
                sent_bytes: self.sent_bytes,
                received_bytes: self.received_bytes,
                duration: self.since.elapsed(),
                timed_out: self.timed_out,
            },
        });
    }
}

impl fmt::Debug for EgressStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EgressStream")
            .field("target", &self.report.target)
            .field("sent_bytes", &self.report.sent_bytes)
            .field("received_bytes", &self.report.received_bytes)
            .finish_non_exhaustive()
    }
}
