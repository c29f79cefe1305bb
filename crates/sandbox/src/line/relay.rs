use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, sleep},
};

use super::Stream;

const BUFFER_BYTES: usize = 16 << 10;
/// How long nothing may move on a connection of which one direction has ended. A stream whose own
/// direction has ended cannot be reset (`yamux` has no word for it), so nobody tells us that the
/// other end has gone.
const HALF_CLOSED_IDLE_MAX: Duration = Duration::from_secs(120);

/// Copies both ways until both directions have ended. The end of one is passed on.
///
/// # Errors
///
/// Either side breaks, the stream is reset, or nothing moves after one direction has ended.
pub(super) async fn relay<S>(stream: &mut Stream, socket: &mut S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut outward = Pump::new();
    let mut inward = Pump::new();
    let mut idle = pin!(sleep(HALF_CLOSED_IDLE_MAX));
    let mut moved_seen = u64::MAX;
    poll_fn(|cx| {
        let out = outward.poll(cx, Pin::new(&mut *socket), Pin::new(&mut *stream))?;
        let back = inward.poll(cx, Pin::new(&mut *stream), Pin::new(&mut *socket))?;
        if out.is_ready() && back.is_ready() {
            return Poll::Ready(Ok(()));
        }
        if out.is_pending() && inward.has_read_all && stream.get_ref().is_closed() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if out.is_ready() || back.is_ready() {
            let moved = outward.moved + inward.moved;
            if moved != moved_seen {
                moved_seen = moved;
                idle.as_mut().reset(Instant::now() + HALF_CLOSED_IDLE_MAX);
            }
            ready!(idle.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    })
    .await
}

/// One direction.
struct Pump {
    buffer: Box<[u8]>,
    begin: usize,
    end: usize,
    moved: u64,
    has_read_all: bool,
    is_done: bool,
}

impl Pump {
    fn new() -> Self {
        Self {
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            begin: 0,
            end: 0,
            moved: 0,
            has_read_all: false,
            is_done: false,
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut from: Pin<&mut impl AsyncRead>,
        mut to: Pin<&mut impl AsyncWrite>,
    ) -> Poll<io::Result<()>> {
        while !self.is_done {
            if self.begin < self.end {
                let bytes = &self.buffer[self.begin..self.end];
                let len = ready!(to.as_mut().poll_write(cx, bytes))?;
                if len == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.begin += len;
                self.moved += len as u64;
            } else if self.has_read_all {
                ready!(to.as_mut().poll_shutdown(cx))?;
                self.is_done = true;
            } else {
                let mut read = ReadBuf::new(&mut self.buffer);
                match from.as_mut().poll_read(cx, &mut read) {
                    Poll::Ready(result) => result?,
                    Poll::Pending => {
                        // What a writer keeps back must not wait for the next piece.
                        ready!(to.as_mut().poll_flush(cx))?;
                        return Poll::Pending;
                    }
                }
                self.begin = 0;
                self.end = read.filled().len();
                self.has_read_all = self.end == 0;
            }
        }
        Poll::Ready(Ok(()))
    }
}
