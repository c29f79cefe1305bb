use std::{future::poll_fn, io, path::Path, sync::Arc, task::Poll, time::Duration};

use domain::wire::{self, HostOpen, WireError};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use tokio::{
    io::BufStream,
    net::UnixStream,
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::{
    compat::{Compat, TokioAsyncReadCompatExt},
    sync::CancellationToken,
    task::TaskTracker,
};
use yamux::{Config, Connection, Mode};

use crate::{Bridge, log::report, process};

const BACK_OFF_MIN: Duration = Duration::from_millis(50);
const BACK_OFF_MAX: Duration = Duration::from_secs(2);
/// A line that was up for this long was a success; a shorter one counts as a failure to dial.
const LASTED: Duration = Duration::from_secs(10);
/// Room for the largest piece that `yamux` sends at a time and its header, so that both are one
/// system call.
const BUFFER_BYTES: usize = (16 << 10) + 64;
/// Streams that may wait to be opened; whoever wants one more waits for its turn.
const OPENING_MAX: usize = 8;

type Transport = Compat<BufStream<UnixStream>>;
type Opening = oneshot::Sender<yamux::Stream>;

/// Opens streams to the host.
#[derive(Debug, Clone)]
pub(crate) struct Opener(mpsc::Sender<Opening>);

impl Opener {
    /// Returns `None` when the line has ended. Cancel safe.
    pub(crate) async fn open(&self) -> Option<yamux::Stream> {
        let (reply, stream) = oneshot::channel();
        self.0.send(reply).await.ok()?;
        stream.await.ok()
    }
}

pub(crate) type LineState = watch::Sender<Option<Opener>>;

/// Returns where the line that is up is told, and where that can be seen.
pub(crate) fn state() -> (LineState, watch::Receiver<Option<Opener>>) {
    watch::channel(None)
}

/// Keeps a line to the host until `stop` is cancelled. No process of a line outlives it, and the
/// next one begins when all of them are gone.
pub(crate) async fn dial_again_and_again(
    socket: &Path,
    bridge: &Arc<Bridge>,
    state: &LineState,
    stop: &CancellationToken,
) {
    let mut back_off = BACK_OFF_MIN;
    let mut told = String::new();
    while !stop.is_cancelled() {
        let began = Instant::now();
        let ended = match stop.run_until_cancelled(UnixStream::connect(socket)).await {
            None => return,
            Some(Err(err)) => Err(err),
            Some(Ok(transport)) => serve(transport, bridge, state, stop).await,
        };
        if stop.is_cancelled() {
            return;
        }
        let err = ended
            .err()
            .unwrap_or_else(|| io::ErrorKind::ConnectionAborted.into());
        // The same again every two seconds tells nobody anything.
        if told != err.to_string() {
            report("no line to the host, dialling again", &err);
            told = err.to_string();
        }
        if LASTED <= began.elapsed() {
            back_off = BACK_OFF_MIN;
            told.clear();
        }
        if stop.run_until_cancelled(sleep(back_off)).await.is_none() {
            return;
        }
        back_off = (back_off * 2).min(BACK_OFF_MAX);
    }
}

/// Serves one line until it ends, and then waits until its processes have.
async fn serve(
    transport: UnixStream,
    bridge: &Arc<Bridge>,
    state: &LineState,
    stop: &CancellationToken,
) -> io::Result<()> {
    let lost = CancellationToken::new();
    let streams = TaskTracker::new();
    let (opener, mut openings) = mpsc::channel(OPENING_MAX);
    let mut connection = connection(transport);
    state.send_replace(Some(Opener(opener)));

    let mut opening = None;
    let ended = loop {
        let next = next_stream(&mut connection, &mut openings, &mut opening);
        match stop.run_until_cancelled(next).await {
            None | Some(None) => break Ok(()),
            Some(Some(Err(err))) => break Err(io::Error::other(err)),
            Some(Some(Ok(stream))) => {
                streams.spawn(serve_stream(stream, Arc::clone(bridge), lost.clone()));
            }
        }
    };

    state.send_replace(None);
    drop(connection);
    lost.cancel();
    streams.close();
    streams.wait().await;
    process::kill_the_rest();
    ended
}

fn connection(transport: UnixStream) -> Connection<Transport> {
    let mut config = Config::default();
    config.set_max_num_streams(wire::YAMUX_STREAMS_MAX);
    config.set_max_connection_receive_window(Some(wire::WINDOW_BYTES_MAX));
    let transport = BufStream::with_capacity(BUFFER_BYTES, BUFFER_BYTES, transport).compat();
    Connection::new(transport, config, Mode::Client)
}

/// Drives the line until the host opens a stream. `None` is the line's end.
async fn next_stream(
    connection: &mut Connection<Transport>,
    openings: &mut mpsc::Receiver<Opening>,
    opening: &mut Option<Opening>,
) -> Option<Result<yamux::Stream, yamux::ConnectionError>> {
    poll_fn(|cx| {
        loop {
            if opening.is_none()
                && let Poll::Ready(Some(next)) = openings.poll_recv(cx)
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

async fn serve_stream(mut stream: yamux::Stream, bridge: Arc<Bridge>, lost: CancellationToken) {
    let message = timeout(wire::FIRST_MESSAGE_TIMEOUT, read_message(&mut stream)).await;
    let open = message
        .map_err(io::Error::from)
        .and_then(|it| it)
        .and_then(|it| wire::decode_message::<HostOpen>(&it).map_err(io::Error::other));
    match open {
        Ok(HostOpen::Process(open)) => process::serve(stream, open, &bridge, lost).await,
        Ok(HostOpen::Health) => {
            let message = wire::encode_message(&bridge.health());
            if let Err(err) = send_message(&mut stream, message).await {
                report("cannot answer for its health", &err);
            }
        }
        Err(_) if lost.is_cancelled() => {}
        Err(err) => report("a stream that is not understood", &err),
    }
}

/// Reads the bytes of a message.
pub(crate) async fn read_message(stream: &mut yamux::Stream) -> io::Result<Vec<u8>> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let len = wire::message_len(header).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Sends a message that has been encoded.
pub(crate) async fn send_message(
    stream: &mut yamux::Stream,
    message: Result<Vec<u8>, WireError>,
) -> io::Result<()> {
    stream.write_all(&message.map_err(io::Error::other)?).await
}
