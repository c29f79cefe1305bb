use std::{future::poll_fn, sync::Arc, task::Poll};

use domain::wire;
use tokio::{
    io::{AsyncRead, AsyncWrite, BufStream},
    sync::{Semaphore, mpsc, oneshot},
};
use tokio_util::{
    compat::{Compat, FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt},
    task::TaskTracker,
};
use yamux::{Config, Connection, ConnectionError, Mode};

use super::{
    Shared,
    egress::{self, EgressHandler},
};

/// Room for the largest piece that `yamux` sends at a time and its header, so that both are one
/// system call.
const BUFFER_BYTES: usize = (16 << 10) + 64;

/// Streams of the bridge's at a time; one more is reset. A bridge of ours has half as many, but it
/// may have ended some whose end is still to be seen here.
const INBOUND_MAX: usize = 2 * wire::EGRESS_STREAMS_MAX;
const _: () = assert!(INBOUND_MAX + wire::HOST_STREAMS_MAX < wire::YAMUX_STREAMS_MAX);

type Opening = oneshot::Sender<yamux::Stream>;

/// The task that a line is.
pub(super) struct Driver {
    pub(super) shared: Arc<Shared>,
    pub(super) wanted: mpsc::Receiver<Opening>,
    pub(super) egress: Arc<dyn EgressHandler>,
    pub(super) tasks: TaskTracker,
}

/// Ends the line when its task does, however that comes about.
struct EndOnDrop(Arc<Shared>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end("its task has failed");
    }
}

impl Driver {
    pub(super) async fn run<T>(mut self, transport: T)
    where
        T: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let end = EndOnDrop(Arc::clone(&self.shared));
        let connecting = connection(transport);
        let ended = self.shared.ended.clone();
        let reason = match ended.run_until_cancelled(self.drive(connecting)).await {
            None => "the host shuts down".to_owned(),
            Some(Ok(())) => "the sandbox has closed it".to_owned(),
            Some(Err(err)) => err.to_string(),
        };
        end.0.end(&reason);
        // Streams that were asked for and not opened are told by this.
        drop(self);
    }

    async fn drive<T>(
        &mut self,
        mut connection: Connection<Compat<BufStream<T>>>,
    ) -> Result<(), ConnectionError>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let inbound = Arc::new(Semaphore::new(INBOUND_MAX));
        let mut opening = None;
        while let Some(stream) = next_stream(&mut connection, &mut self.wanted, &mut opening).await
        {
            let stream = stream?;
            if let Ok(permit) = Arc::clone(&inbound).try_acquire_owned() {
                let served = egress::serve(stream.compat(), Arc::clone(&self.egress));
                let ended = self.shared.ended.clone();
                self.tasks.spawn(async move {
                    ended.run_until_cancelled(served).await;
                    drop(permit);
                });
            }
        }
        Ok(())
    }
}

fn connection<T>(transport: T) -> Connection<Compat<BufStream<T>>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut config = Config::default();
    config.set_max_num_streams(wire::YAMUX_STREAMS_MAX);
    config.set_max_connection_receive_window(Some(wire::WINDOW_BYTES_MAX));
    let transport = BufStream::with_capacity(BUFFER_BYTES, BUFFER_BYTES, transport).compat();
    Connection::new(transport, config, Mode::Server)
}

/// Drives the line until the other end opens a stream. `None` is the line's end.
async fn next_stream<T>(
    connection: &mut Connection<Compat<BufStream<T>>>,
    wanted: &mut mpsc::Receiver<Opening>,
    opening: &mut Option<Opening>,
) -> Option<Result<yamux::Stream, ConnectionError>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    poll_fn(|cx| {
        loop {
            if opening.is_none()
                && let Poll::Ready(Some(next)) = wanted.poll_recv(cx)
            {
                *opening = Some(next);
            }
            if opening.is_none() {
                break;
            }
            let Poll::Ready(result) = connection.poll_new_outbound(cx) else {
                break;
            };
            match (result, opening.take()) {
                // Whoever wanted it may be gone: then it is dropped here, before a byte was sent.
                (Ok(stream), Some(reply)) => drop(reply.send(stream)),
                (Ok(stream), None) => drop(stream),
                (Err(err), _) => return Poll::Ready(Some(Err(err))),
            }
        }
        connection.poll_next_inbound(cx)
    })
    .await
}
