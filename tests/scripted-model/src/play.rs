//! Acts, done on a connection at a pace. The only part that knows time.

use std::{collections::HashSet, future::pending, io, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use tokio::{sync::watch, time::Instant};

use crate::{server::Counted, wire::Act};

/// Of a response.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

struct Playing {
    acts: std::vec::IntoIter<Act>,
    delay: Duration,
    /// When the next piece is due.
    due: Instant,
    released: watch::Receiver<HashSet<String>>,
    _answering: Counted,
}

/// Returns a body that does the acts when it is read.
pub(crate) fn body(
    acts: Vec<Act>,
    delay: Duration,
    released: watch::Receiver<HashSet<String>>,
    answering: Counted,
) -> Body {
    let playing = Playing {
        acts: acts.into_iter(),
        delay,
        due: Instant::now(),
        released,
        _answering: answering,
    };
    let frames = stream::unfold(playing, |mut playing| async {
        let frame = playing.next().await?;
        Some((frame.map(Frame::data), playing))
    });
    StreamBody::new(frames).boxed_unsync()
}

impl Playing {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            match self.acts.next()? {
                Act::Write(bytes) => {
                    self.wait_until_due().await;
                    return Some(Ok(bytes));
                }
                Act::Wait(wait) => {
                    tokio::time::sleep(wait).await;
                    self.due = Instant::now();
                }
                Act::Hold(name) => {
                    let mut released = self.released.clone();
                    // The sender is gone when the server is, and then nobody reads this.
                    drop(released.wait_for(|it| it.contains(&name)).await);
                    self.due = Instant::now();
                }
                Act::Stall => pending().await,
                Act::Cut => {
                    tokio::task::yield_now().await;
                    return Some(Err(io::Error::other("cut, as the scenario says")));
                }
            }
        }
    }

    /// Pieces are due at fixed times, so that a late one makes none of the others later.
    async fn wait_until_due(&mut self) {
        if self.delay.is_zero() {
            // What was written before goes out on its own.
            tokio::task::yield_now().await;
            return;
        }
        self.due += self.delay;
        tokio::time::sleep_until(self.due).await;
    }
}
