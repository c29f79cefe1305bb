//! Connections: how many there may be, how slow they may be, and how they end.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{Router, extract::Request, response::Response};
use hyper::{body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::Service as _;

/// Connections to one listener at a time.
pub const CONNECTIONS_MAX: usize = 4_096;
/// From the moment that a request can be sent to the end of its headers. It ends idle connections,
/// too, which clients open again.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Of all headers together; there are at most 100 of them.
const HEADER_BYTES_MAX: usize = 64 << 10;
/// How long requests that are under way at shutdown may go on.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// The wait after a connection could not be accepted, for instance for want of a descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The port of the listener that a request came in at. It is an extension of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalPort(pub u16);

/// Keeps a connection counted and waited for while it is held, also when it is no longer HTTP. It is
/// an extension of each request that wants to make something else of its connection.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    _connection: mpsc::Sender<Infallible>,
}

/// Serves `router` until `shutdown`, then lets what is under way end, for 5 s at most.
///
/// At most [`CONNECTIONS_MAX`] connections are open at a time; one more is told so and closed.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    serve_bounded(listener, router, shutdown, CONNECTIONS_MAX).await
}

pub(crate) async fn serve_bounded(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
    connections_max: usize,
) -> io::Result<()> {
    let port = LocalPort(listener.local_addr()?.port());
    let places = Arc::new(Semaphore::new(connections_max));
    // Dropped with this future, which ends the connections.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => match places.clone().try_acquire_owned() {
                Ok(place) => {
                    let (router, shutdown) = (router.clone(), shutdown.clone());
                    connections.spawn(connection(stream, router, port, place, shutdown));
                }
                Err(_) => turn_away(&stream, connections_max),
            },
            Err(err) => {
                tracing::warn!(
                    error = &err as &dyn std::error::Error,
                    "A connection is not accepted"
                );
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, ended).await.is_err() {
        tracing::warn!(
            http.connections = connections.len(),
            "Connections are closed in the middle of a request"
        );
    }
    Ok(())
}

async fn connection(
    stream: TcpStream,
    router: Router,
    port: LocalPort,
    _place: OwnedSemaphorePermit,
    shutdown: CancellationToken,
) {
    if let Err(err) = stream.set_nodelay(true) {
        tracing::debug!(
            error = &err as &dyn std::error::Error,
            "A connection stays slow"
        );
    }
    let (holder, mut held) = mpsc::channel(1);
    http(
        stream,
        router,
        port,
        Held {
            _connection: holder,
        },
        shutdown,
    )
    .await;
    // Nothing is ever sent: this waits until nobody holds it any more.
    let _none = held.recv().await;
}

async fn http(
    stream: TcpStream,
    router: Router,
    port: LocalPort,
    held: Held,
    shutdown: CancellationToken,
) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(port);
        if request.headers().contains_key(header::UPGRADE) {
            request.extensions_mut().insert(held.clone());
        }
        let answered = router
            .clone()
            .call(request.map(axum::body::Body::new) as Request);
        async move { answered.await as Result<Response, Infallible> }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_header_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = &mut served => ended,
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(err) = ended {
        tracing::debug!(
            error = &err as &dyn std::error::Error,
            "A connection ended early"
        );
    }
}

fn turn_away(stream: &TcpStream, connections_max: usize) {
    let body = format!(
        r#"{{"code":"too_many_connections","message":"there are {connections_max} connections, the most there may be (`connections_max`)"}}"#
    );
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // It is small and the first that is written; if it does not fit, the connection just ends.
    let _sent = stream.try_write(answer.as_bytes());
}
