//! Real connections.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, extract::Request, routing::get};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::House;
use crate::{listen::serve_bounded, local_port};

pub(super) struct Listening {
    pub(super) address: SocketAddr,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

impl Listening {
    pub(super) async fn new(router: Router, connections_max: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let served = serve_bounded(listener, router, shutdown.clone(), connections_max);
        tasks.spawn(async move { served.await.unwrap() });
        Self {
            address,
            shutdown,
            tasks,
        }
    }

    pub(super) async fn open(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(super) async fn end(mut self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(20), self.tasks.join_next()).await;
        ended.expect("it ends in time").unwrap().unwrap();
    }
}

/// Reads until the other end closes.
pub(super) async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // What is closed in the middle of a request is reset.
    let _end = stream.read_to_end(&mut text).await;
    String::from_utf8(text).unwrap()
}

async fn port_of(request: Request) -> String {
    local_port(&request).to_string()
}

#[tokio::test]
async fn the_port_that_host_is_compared_with_is_the_listeners() {
    let listening = Listening::new(Router::new().route("/", get(port_of)), 10).await;
    let mut stream = listening.open().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let answer = rest(&mut stream).await;
    assert!(
        answer.ends_with(&format!("\r\n\r\n{}", listening.address.port())),
        "{answer}"
    );
    assert!(
        !answer.to_ascii_lowercase().contains("\r\nserver:"),
        "{answer}"
    );
    listening.end().await;
}

#[tokio::test]
async fn the_whole_program_answers_over_a_connection() {
    let house = House::new().await;
    let listening = Listening::new(house.router.clone(), 10).await;
    let port = listening.address.port();
    for (host, status) in [
        (format!("127.0.0.1:{port}"), "200 OK"),
        ("127.0.0.1:3000".to_owned(), "403 Forbidden"),
    ] {
        let mut stream = listening.open().await;
        let request = format!("GET /healthz HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{answer}"
        );
    }
    listening.end().await;
    house.end().await;
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let listening = Listening::new(Router::new().route("/", get(port_of)), 1).await;
    let mut first = listening.open().await;
    first
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    let mut second = listening.open().await;
    let answer = rest(&mut second).await;
    assert!(
        answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
        "{answer}"
    );
    assert!(answer.contains("(`connections_max`)"), "{answer}");
    listening.end().await;
}

#[tokio::test]
async fn headers_that_are_too_long_are_refused() {
    let listening = Listening::new(Router::new().route("/", get(port_of)), 10).await;
    let mut stream = listening.open().await;
    let request = format!(
        "GET / HTTP/1.1\r\nhost: x\r\na: {}\r\n\r\n",
        "a".repeat(100 << 10)
    );
    // It may be closed before all is written.
    let _sent = stream.write_all(request.as_bytes()).await;
    let answer = rest(&mut stream).await;
    assert!(!answer.contains("200 OK"), "{answer}");
    listening.end().await;
}

#[tokio::test(start_paused = true)]
async fn headers_that_do_not_come_are_not_waited_for() {
    let listening = Listening::new(Router::new().route("/", get(port_of)), 10).await;
    let mut stream = listening.open().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
    listening.end().await;
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end() {
    let listening = Listening::new(Router::new().route("/", get(port_of)), 10).await;
    let mut stream = listening.open().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut byte = [0];
    stream.read_exact(&mut byte).await.unwrap();
    listening.end().await;
}

#[tokio::test]
async fn an_open_stream_is_ended_properly_by_the_end() {
    let house = House::new().await;
    let session = super::endpoint::begin(&house, "/mcp").await;
    let listening = Listening::new(house.router.clone(), 10).await;
    let mut stream = listening.open().await;
    let request = format!(
        "GET /mcp HTTP/1.1\r\nhost: {}\r\naccept: text/event-stream\r\nauthorization: Bearer {}\r\nmcp-session-id: {session}\r\n\r\n",
        listening.address, house.client
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut status = [0; 15];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200 OK");
    house.shutdown.cancel();
    listening.end().await;
    let answer = rest(&mut stream).await;
    assert!(answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
    house.end().await;
}
