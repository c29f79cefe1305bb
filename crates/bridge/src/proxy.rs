//! The way out for programs that know HTTP proxies.
//!
//! `CONNECT host:port` becomes a stream to the host. A request with a whole address
//! (`GET http://host/path`) becomes one, too, and goes on it as the origin expects it. Which
//! addresses are allowed, and what they resolve to, is decided by the host.

mod head;

use std::{io, net::Ipv4Addr, sync::Arc, time::Duration};

use domain::wire::{self, BridgeOpen, EGRESS_STREAMS_MAX, EgressReply};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use tokio_util::{compat::FuturesAsyncReadCompatExt, sync::CancellationToken, task::TaskTracker};

use self::head::{Head, HeadError};
use crate::{
    Bridge, Counted,
    line::{Opener, read_message, send_message},
    log::report,
    relay::relay,
};

/// Connections to the proxy at a time. Over it the answer is 503 at once.
const CONNECTIONS_MAX: usize = 128;
/// How long a connection waits until one of the others is done, when there are as many streams as
/// there may be.
const STREAM_TIMEOUT: Duration = Duration::from_secs(10);
/// From the connection to the end of the request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client that has been refused may still send.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);
/// How long nothing is accepted after the system could not.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Proxy {
    listener: TcpListener,
}

/// What the connections share.
struct Shared {
    bridge: Arc<Bridge>,
    line: watch::Receiver<Option<Opener>>,
    connections: Semaphore,
    streams: Semaphore,
}

/// Why a client gets no connection.
#[derive(Debug)]
struct Refusal {
    status: &'static str,
    reason: String,
}

impl Proxy {
    pub(crate) async fn bind(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        Ok(Self { listener })
    }

    pub(crate) fn port(&self) -> io::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// Serves until `shutdown` is cancelled.
    pub(crate) async fn run(
        self,
        bridge: Arc<Bridge>,
        line: watch::Receiver<Option<Opener>>,
        shutdown: CancellationToken,
    ) {
        let shared = Arc::new(Shared {
            bridge,
            line,
            connections: Semaphore::new(CONNECTIONS_MAX),
            streams: Semaphore::new(EGRESS_STREAMS_MAX),
        });
        let clients = TaskTracker::new();
        while let Some(accepted) = shutdown.run_until_cancelled(self.listener.accept()).await {
            match accepted {
                Ok((client, _)) => {
                    let shared = Arc::clone(&shared);
                    let shutdown = shutdown.clone();
                    clients.spawn(async move {
                        shutdown.run_until_cancelled(serve(client, &shared)).await;
                    });
                }
                Err(err) => {
                    report("cannot accept a connection to the proxy", &err);
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        clients.close();
        clients.wait().await;
    }
}

async fn serve(mut client: TcpStream, shared: &Shared) {
    // Small pieces are to go at once; without it they are only later.
    client.set_nodelay(true).ok();
    let Ok(_connection) = shared.connections.try_acquire() else {
        let reason = format!("more than {CONNECTIONS_MAX} connections at a time");
        refuse(&mut client, &Refusal::unavailable(reason)).await;
        return;
    };
    let head = match timeout(HEAD_TIMEOUT, read_head(&mut client)).await {
        Ok(Ok(Some(head))) => head,
        Ok(Ok(None) | Err(ReadHeadError::Io)) => return,
        Ok(Err(ReadHeadError::Head(err))) => {
            refuse(&mut client, &Refusal::bad_request(err.to_string())).await;
            return;
        }
        Err(_elapsed) => {
            let reason = format!("no whole request within {HEAD_TIMEOUT:?}");
            refuse(&mut client, &Refusal::bad_request(reason)).await;
            return;
        }
    };

    let Ok(permit) = timeout(STREAM_TIMEOUT, shared.streams.acquire()).await else {
        let reason = format!("more than {EGRESS_STREAMS_MAX} connections out at a time");
        refuse(&mut client, &Refusal::unavailable(reason)).await;
        return;
    };
    let _counted = Counted::new(&shared.bridge.egress);
    match open(shared, &head).await {
        Ok(stream) => {
            let mut stream = stream.compat();
            let begun = async {
                client.write_all(head.answer()).await?;
                stream.write_all(head.forward()).await
            };
            if begun.await.is_ok() {
                // Both sides have been closed by it, and there is no third one to be told why.
                relay(&mut stream, &mut client).await.ok();
            }
        }
        Err(refusal) => refuse(&mut client, &refusal).await,
    }
    drop(permit);
}

#[derive(Debug)]
enum ReadHeadError {
    Io,
    Head(HeadError),
}

/// Returns `None` where the client has gone before it asked for anything.
async fn read_head(client: &mut TcpStream) -> Result<Option<Head>, ReadHeadError> {
    let mut bytes = Vec::with_capacity(2 << 10);
    loop {
        let len = client
            .read_buf(&mut bytes)
            .await
            .map_err(|_io| ReadHeadError::Io)?;
        if len == 0 {
            return Ok(None);
        }
        if let Some(head) = head::parse(&bytes).map_err(ReadHeadError::Head)? {
            return Ok(Some(head));
        }
    }
}

/// Asks the host for a connection.
async fn open(shared: &Shared, head: &Head) -> Result<yamux::Stream, Refusal> {
    let failed = |reason: &str| Refusal {
        status: "502 Bad Gateway",
        reason: reason.to_owned(),
    };
    let opener = shared.line.borrow().clone();
    let opener = opener.ok_or_else(|| failed("there is no line to the host"))?;
    let stream = opener.open().await;
    let mut stream = stream.ok_or_else(|| failed("the line to the host has ended"))?;
    let message = wire::encode_message(&BridgeOpen::Egress {
        host: head.host.clone(),
        port: head.port,
    });
    let reply = async {
        send_message(&mut stream, message).await?;
        let reply = read_message(&mut stream).await?;
        wire::decode_message(&reply).map_err(io::Error::other)
    };
    match reply.await {
        Ok(EgressReply::Open) => Ok(stream),
        Ok(EgressReply::Refused { reason }) => Err(Refusal {
            status: "403 Forbidden",
            reason,
        }),
        Ok(EgressReply::Failed { reason }) => Err(failed(&reason)),
        Err(err) => Err(failed(&format!("the host has not answered: {err}"))),
    }
}

impl Refusal {
    fn unavailable(reason: String) -> Self {
        Self {
            status: "503 Service Unavailable",
            reason,
        }
    }

    fn bad_request(reason: String) -> Self {
        Self {
            status: "400 Bad Request",
            reason,
        }
    }
}

async fn refuse(client: &mut TcpStream, refusal: &Refusal) {
    let Refusal { status, reason } = refusal;
    let len = reason.len() + 1;
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {len}\r\nConnection: close\r\n\r\n{reason}\n"
    );
    let told = async {
        client.write_all(answer.as_bytes()).await?;
        client.shutdown().await?;
        // A connection that is closed while something of the client's is unread is reset, and the
        // client does not see the answer.
        tokio::io::copy(client, &mut tokio::io::sink()).await
    };
    // A client that does not want to know is not made to.
    timeout(LINGER_TIMEOUT, told).await.ok();
}
