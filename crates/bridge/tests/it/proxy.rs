use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use sandbox::line::Authorize;

use crate::{Bridge, Egress, PATIENCE, Rig, next_line, open, shell, soon};

/// A server that reads to the end of what it is sent, and sends it back with its own word before.
async fn server() -> (TcpListener, Egress) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, Egress { port })
}

async fn proxy_port(rig: &Rig) -> u16 {
    let mut ask = shell("echo $HTTPS_PROXY");
    ask.proxy = true;
    let line = rig.line().await;
    let (mut reader, _writer) = open(&line, ask).await.split();
    let address = next_line(&mut reader).await;
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

async fn send(port: u16, request: &str) -> TcpStream {
    let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    client
}

async fn read_all(client: &mut TcpStream) -> String {
    let mut text = String::new();
    soon(client.read_to_string(&mut text)).await.unwrap();
    text
}

async fn read_head(client: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(soon(client.read_u8()).await.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn connect_carries_bytes_both_ways_and_each_end_of_its_own() {
    let (server, egress) = server().await;
    let rig = Rig::with(egress, Authorize::Anybody);
    let port = proxy_port(&rig).await;

    let early = "CONNECT allowed.test:443 HTTP/1.1\r\nHost: allowed.test:443\r\n\r\nearly ";
    let mut client = send(port, early).await;
    let (mut peer, _) = soon(server.accept()).await.unwrap();
    assert_eq!(
        read_head(&mut client).await,
        "HTTP/1.1 200 Connection established\r\n\r\n"
    );
    let large = "x".repeat(3_000_000);
    let sending = async {
        client.write_all(large.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
    };
    let (received, ()) = soon(async { tokio::join!(read_all(&mut peer), sending) }).await;
    assert!(received == format!("early {large}"));
    // Its direction has ended, and the other one goes on.
    let line = rig.line().await;
    assert_eq!(line.health(PATIENCE).await.unwrap().egress, 1);
    let answering = async {
        peer.write_all(large.as_bytes()).await.unwrap();
        peer.shutdown().await.unwrap();
    };
    let (answer, ()) = soon(async { tokio::join!(read_all(&mut client), answering) }).await;
    assert!(answer == large);
    while line.health(PATIENCE).await.unwrap().egress != 0 {}
    rig.end().await;
}

#[tokio::test]
async fn a_request_with_a_whole_address_goes_to_its_origin() {
    let (server, egress) = server().await;
    let rig = Rig::with(egress, Authorize::Anybody);
    let port = proxy_port(&rig).await;
    let request = "POST http://allowed.test:81/path?query HTTP/1.1\r\nHost: other\r\n\
        Proxy-Connection: keep-alive\r\nContent-Length: 4\r\n\r\nbody";
    let mut client = send(port, request).await;
    let (mut peer, _) = soon(server.accept()).await.unwrap();
    assert_eq!(
        read_head(&mut peer).await,
        "POST /path?query HTTP/1.1\r\nHost: allowed.test:81\r\nContent-Length: 4\r\n\
         Connection: close\r\n\r\n"
    );
    let mut body = [0; 4];
    soon(peer.read_exact(&mut body)).await.unwrap();
    assert_eq!(&body, b"body");
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    peer.write_all(answer.as_bytes()).await.unwrap();
    drop(peer);
    assert_eq!(read_all(&mut client).await, answer);
    drop(client);
    rig.end().await;
}

#[tokio::test]
async fn what_is_refused_or_fails_is_told_with_its_reason() {
    let rig = Rig::start();
    let port = proxy_port(&rig).await;
    for (request, status, reason) in [
        (
            "CONNECT evil.test:443 HTTP/1.1\r\n\r\n",
            "403 Forbidden",
            "`evil.test:443` is not allowed",
        ),
        (
            "POST http://evil.test/ HTTP/1.1\r\nContent-Length: 9\r\n\r\nsecret = ",
            "403 Forbidden",
            "`evil.test:80` is not allowed",
        ),
        (
            "CONNECT down.test:443 HTTP/1.1\r\n\r\n",
            "502 Bad Gateway",
            "nobody is there",
        ),
        (
            "GET / HTTP/1.1\r\n\r\n",
            "400 Bad Request",
            "the target `/`",
        ),
        ("garbage\r\n\r\n", "400 Bad Request", "not HTTP/1"),
    ] {
        let mut client = send(port, request).await;
        client.shutdown().await.unwrap();
        let answer = read_all(&mut client).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{answer}"
        );
        assert!(answer.contains(reason), "{answer}");
    }
    let mut client = send(
        port,
        &format!("GET http://a/ HTTP/1.1\r\nX: {}", "x".repeat(20_000)),
    )
    .await;
    let answer = read_all(&mut client).await;
    assert!(answer.contains("longer than 16384 bytes"), "{answer}");
    rig.end().await;
}

#[tokio::test]
async fn without_a_line_the_answer_is_502() {
    let rig = Rig::start();
    let port = proxy_port(&rig).await;
    let Rig {
        bridge,
        listener,
        shutdown,
        ..
    } = rig;
    let line = crate::line(&listener).await;
    shutdown.cancel();
    soon(line.closed()).await;
    let answer = soon(async {
        loop {
            let mut client = send(port, "CONNECT allowed.test:443 HTTP/1.1\r\n\r\n").await;
            let answer = read_all(&mut client).await;
            if answer.contains("there is no line to the host") {
                break answer;
            }
        }
    });
    assert!(answer.await.starts_with("HTTP/1.1 502 "));
    drop::<Bridge>(bridge);
}

#[tokio::test]
async fn one_connection_too_many_waits_for_its_turn() {
    let (server, egress) = server().await;
    let rig = Rig::with(egress, Authorize::Anybody);
    let port = proxy_port(&rig).await;
    let mut clients = Vec::new();
    let mut peers = Vec::new();
    for _ in 0..domain::wire::EGRESS_STREAMS_MAX {
        let mut client = send(port, "CONNECT allowed.test:443 HTTP/1.1\r\n\r\n").await;
        peers.push(soon(server.accept()).await.unwrap());
        assert!(read_head(&mut client).await.starts_with("HTTP/1.1 200 "));
        clients.push(client);
    }
    let mut late = send(port, "CONNECT allowed.test:443 HTTP/1.1\r\n\r\n").await;
    // A process still starts, whatever the way out is busy with.
    rig.line().await.health(PATIENCE).await.unwrap();
    clients.pop();
    peers.pop();
    let _peer = soon(server.accept()).await.unwrap();
    assert!(read_head(&mut late).await.starts_with("HTTP/1.1 200 "));
    rig.end().await;
}

#[tokio::test]
async fn connections_that_break_off_leave_nothing() {
    let (server, egress) = server().await;
    let rig = Rig::with(egress, Authorize::Anybody);
    let port = proxy_port(&rig).await;
    let line = rig.line().await;
    while line.health(PATIENCE).await.unwrap().processes != 0 {}
    let fds = rig.bridge.fds();
    for round in 0..200 {
        let mut client = send(port, "CONNECT allowed.test:443 HTTP/1.1\r\n\r\n").await;
        let (peer, _) = soon(server.accept()).await.unwrap();
        assert!(
            read_head(&mut client).await.starts_with("HTTP/1.1 200 "),
            "{round}"
        );
        // A close without linger is a reset: neither end says goodbye.
        let broken = if round % 2 == 0 { &client } else { &peer };
        broken.set_zero_linger().unwrap();
        drop((client, peer));
    }
    while line.health(PATIENCE).await.unwrap().egress != 0 {}
    crate::eventually("the descriptors are as before", || rig.bridge.fds() == fds).await;
    rig.end().await;
}
