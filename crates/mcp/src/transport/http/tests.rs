//! The transport before a server that is written by hand, byte for byte.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use expect_test::{Expect, expect};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::*;

const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#;
const HELLO_ANSWER: &str =
    r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// What a server got, of which a test looks at this.
#[derive(Debug, Clone)]
struct Got {
    method: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(it, _)| it == name);
        found.map_or("-", |(_, value)| value)
    }
}

/// Answers one request on its connection, and says whether the connection stays.
type Handler =
    Arc<dyn Fn(Got, Answerer) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The connection of one request.
#[derive(Clone)]
struct Answerer {
    stream: Arc<tokio::sync::Mutex<TcpStream>>,
}

impl Answerer {
    async fn write(&self, bytes: &str) {
        // The client may have hung up.
        let _written = self.stream.lock().await.write_all(bytes.as_bytes()).await;
    }

    async fn json(&self, status: &str, headers: &str, body: &str) {
        let len = body.len();
        self.write(&format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json; charset=utf-8\r\n{headers}content-length: {len}\r\n\r\n{body}"
        ))
        .await;
    }

    async fn status(&self, status: &str) {
        self.write(&format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n"))
            .await;
    }

    async fn events(&self) {
        self.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
    }

    async fn chunk(&self, text: &str) {
        self.write(&format!("{:x}\r\n{text}\r\n", text.len())).await;
    }

    async fn event(&self, message: &str) {
        self.chunk(&format!("data: {message}\n\n")).await;
    }

    async fn end(&self) {
        self.write("0\r\n\r\n").await;
    }

    async fn cut(&self) {
        // It may be cut already.
        let _cut = self.stream.lock().await.shutdown().await;
    }

    /// Waits until the client has hung up.
    async fn hung_up(&self) {
        let mut byte = [0];
        // Nothing comes while a request is answered, so that this is the end.
        let _end = self.stream.lock().await.read(&mut byte).await;
    }
}

struct Bed {
    outbox: Box<dyn Outbox>,
    inbox: Box<dyn Inbox>,
    got: watch::Receiver<Vec<Got>>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Bed {
    async fn new<F>(handler: impl Fn(Got, Answerer) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |got, answerer| Box::pin(handler(got, answerer)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (all_got, got) = watch::channel(Vec::new());
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let serving = serve(listener, handler, Arc::new(all_got), tasks.clone());
        let stop = shutdown.clone();
        tasks.spawn(async move { stop.run_until_cancelled(serving).await });
        let (outbox, inbox) = http(endpoint(address), limits());
        Self {
            outbox,
            inbox,
            got,
            tasks,
            shutdown,
        }
    }

    async fn send(&mut self, body: &str, request: Option<u64>) -> Result<(), TransportError> {
        let outgoing = Outgoing {
            bytes: Bytes::copy_from_slice(body.as_bytes()),
            request,
            cancels: None,
        };
        self.outbox.send(outgoing).await
    }

    async fn next(&mut self) -> String {
        show(self.inbox.next().await)
    }

    /// Sends the hello and takes its answer.
    async fn greet(&mut self) {
        self.send(HELLO, Some(0)).await.unwrap();
        assert_eq!(self.next().await, format!("0 {HELLO_ANSWER}"));
        self.send(INITIALIZED, None).await.unwrap();
    }

    async fn ask(&mut self, id: u64) {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call"}}"#);
        self.send(&body, Some(id)).await.unwrap();
    }

    async fn wait_got(&mut self, is_it: impl Fn(&Got) -> bool) -> Got {
        let got = self.got.wait_for(|it| it.iter().any(&is_it)).await.unwrap();
        got.iter().find(|it| is_it(it)).unwrap().clone()
    }

    async fn end(mut self) {
        self.outbox.close().await;
        drop((self.outbox, self.inbox));
        self.shutdown.cancel();
        self.tasks.close();
        let ended = tokio::time::timeout(Duration::from_secs(20), self.tasks.wait()).await;
        ended.expect("all connections end");
    }
}

fn show(incoming: Incoming) -> String {
    let number = |it: Option<u64>| it.map_or("-".to_owned(), |it| it.to_string());
    match incoming {
        Incoming::Message { bytes, related } => {
            format!("{} {}", number(related), String::from_utf8_lossy(&bytes))
        }
        Incoming::Lost { related, reason } => format!("{} lost: {reason}", number(related)),
        Incoming::Ended { reason, refused } => format!("{} ended: {reason}", number(refused)),
    }
}

fn endpoint(address: SocketAddr) -> HttpEndpoint {
    // Another test may have been first.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut headers = HeaderMap::new();
    let mut value = HeaderValue::from_static("Bearer sentinel-4711");
    value.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, value);
    HttpEndpoint {
        client,
        url: format!("http://{address}/mcp").parse().unwrap(),
        headers,
        unauthorized_hint: "set `Authorization`".to_owned(),
    }
}

fn limits() -> HttpLimits {
    HttpLimits {
        message_bytes_max: 1000,
        head_timeout: Duration::from_secs(10),
    }
}

async fn serve(
    listener: TcpListener,
    handler: Handler,
    all_got: Arc<watch::Sender<Vec<Got>>>,
    tasks: TaskTracker,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (handler, all_got) = (handler.clone(), all_got.clone());
        tasks.spawn(async move {
            let answerer = Answerer {
                stream: Arc::new(tokio::sync::Mutex::new(stream)),
            };
            loop {
                let got = read_request(&mut *answerer.stream.lock().await).await;
                let Some(got) = got else { return };
                all_got.send_modify(|it| it.push(got.clone()));
                handler(got, answerer.clone()).await;
            }
        });
    }
}

/// Reads one request; `None` at the end of the connection.
async fn read_request(stream: &mut TcpStream) -> Option<Got> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let method = lines.next()?.split(' ').next()?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|it| it.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let len = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; len.map_or(0, |(_, it)| it.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(Got {
        method,
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}

/// Answers the hello, notifications, GET and DELETE as most servers do; `false` for all else.
async fn is_usual(got: &Got, answerer: &Answerer) -> bool {
    if got.method == "GET" {
        answerer.status("405 Method Not Allowed").await;
    } else if got.method == "DELETE" {
        answerer.status("200 OK").await;
    } else if got.body == HELLO {
        let session = "mcp-session-id: s1\r\n";
        answerer.json("200 OK", session, HELLO_ANSWER).await;
    } else if !got.body.contains("\"id\"") {
        answerer.status("202 Accepted").await;
    } else {
        return false;
    }
    true
}

/// Makes a server that answers `tools/call` as `answer` says.
async fn bed_with<F>(answer: impl Fn(Answerer) -> F + Send + Sync + Clone + 'static) -> Bed
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut bed = Bed::new(move |got, answerer| {
        let answer = answer.clone();
        async move {
            if !is_usual(&got, &answerer).await {
                answer(answerer).await;
            }
        }
    })
    .await;
    bed.greet().await;
    bed
}

/// Asks once, and shows what comes until it is answered or lost.
async fn check<F>(
    answer: impl Fn(Answerer) -> F + Send + Sync + Clone + 'static,
    count: usize,
    expected: Expect,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut bed = bed_with(answer).await;
    bed.ask(7).await;
    let mut actual = String::new();
    for _ in 0..count {
        let line = bed.next().await;
        if line.len() < 1000 {
            writeln!(actual, "{line}").unwrap();
        } else {
            writeln!(actual, "{}... ({} bytes)", &line[..60], line.len()).unwrap();
        }
    }
    expected.assert_eq(&actual);
    bed.end().await;
}

#[tokio::test]
async fn the_session_and_the_version_are_carried_from_the_hello_on_and_ended_at_the_close() {
    let mut bed = bed_with(|answerer| async move {
        let answer = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
        // Another session in the middle is not taken over.
        let session = "mcp-session-id: s2\r\n";
        answerer.json("200 OK", session, answer).await;
    })
    .await;
    bed.ask(7).await;
    bed.next().await;
    bed.ask(7).await;
    bed.next().await;
    bed.wait_got(|it| it.method == "GET").await;
    bed.outbox.close().await;
    let got = bed.got.borrow().clone();
    let shown: Vec<String> = got
        .iter()
        .filter(|it| it.method != "GET")
        .map(|it| {
            format!(
                "{} {} {} {} {} {}",
                it.method,
                it.header("mcp-session-id"),
                it.header("mcp-protocol-version"),
                it.header("authorization"),
                it.header("accept"),
                it.body
            )
        })
        .collect();
    expect![[r#"
        POST - - Bearer sentinel-4711 application/json, text/event-stream {"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}
        POST s1 2025-06-18 Bearer sentinel-4711 application/json, text/event-stream {"jsonrpc":"2.0","method":"notifications/initialized"}
        POST s1 2025-06-18 Bearer sentinel-4711 application/json, text/event-stream {"jsonrpc":"2.0","id":7,"method":"tools/call"}
        POST s1 2025-06-18 Bearer sentinel-4711 application/json, text/event-stream {"jsonrpc":"2.0","id":7,"method":"tools/call"}
        DELETE s1 2025-06-18 Bearer sentinel-4711 */* 
    "#]]
    .assert_eq(&(shown.join("\n") + "\n"));
    bed.end().await;
}

#[tokio::test]
async fn an_answer_comes_as_json_or_after_other_messages_as_events() {
    check(
        |answerer| async move {
            let answer = r#"{"jsonrpc":"2.0","id":7,"result":{"a":1}}"#;
            answerer.json("200 OK", "", answer).await;
        },
        1,
        expect![[r#"
            7 {"jsonrpc":"2.0","id":7,"result":{"a":1}}
        "#]],
    )
    .await;
    check(
        |answerer| async move {
            answerer.events().await;
            answerer.chunk("id: 1\ndata:\n\n: hello\n\n").await;
            answerer
                .event(r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#)
                .await;
            answerer
                .event(r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#)
                .await;
            answerer.chunk("data: {\"jsonrpc\":\"2.0\",").await;
            answerer.chunk("\"id\":7,\"result\":{}}\n\n").await;
            answerer.end().await;
        },
        3,
        expect![[r#"
            7 {"jsonrpc":"2.0","method":"notifications/progress"}
            7 {"jsonrpc":"2.0","id":"q","method":"roots/list"}
            7 {"jsonrpc":"2.0","id":7,"result":{}}
        "#]],
    )
    .await;
}

#[tokio::test]
async fn what_is_no_answer_is_lost_and_says_why() {
    check(
        |answerer| async move { answerer.status("500 Internal Server Error").await },
        1,
        expect![[r#"
            7 lost: the server answered with status 500 Internal Server Error
        "#]],
    )
    .await;
    check(
        |answerer| async move { answerer.status("202 Accepted").await },
        1,
        expect![[r#"
            7 lost: the server answered with status 202 Accepted
        "#]],
    )
    .await;
    check(
        |answerer| async move {
            let answer = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"no"}}"#;
            answerer.json("400 Bad Request", "", answer).await;
        },
        1,
        expect![[r#"
            7 lost: the server answered with status 400 Bad Request and the error {"code":-1,"message":"no"}
        "#]],
    )
    .await;
    check(
        |answerer| async move {
            let answer = r#"{"jsonrpc":"2.0","id":8,"result":{}}"#;
            answerer.json("200 OK", "", answer).await;
        },
        1,
        expect![[r#"
            7 lost: the server answered with status 200 OK and what is no answer to the request
        "#]],
    )
    .await;
    check(
        |answerer| async move {
            let answer = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"no"}}"#;
            answerer.json("400 Bad Request", "", answer).await;
        },
        1,
        expect![[r#"
            7 {"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"no"}}
        "#]],
    )
    .await;
    check(
        |answerer| async move {
            let body = format!("<html>{}", "x".repeat(10_000));
            let len = body.len();
            answerer
                .write(&format!(
                    "HTTP/1.1 502 Bad Gateway\r\ncontent-length: {len}\r\n\r\n{body}"
                ))
                .await;
        },
        1,
        expect![[r#"
            7 lost: the server answered with status 502 Bad Gateway: <ht... (4153 bytes)
        "#]],
    )
    .await;
}

#[tokio::test]
async fn what_is_too_large_or_cut_is_lost() {
    check(
        |answerer| async move {
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":7,"result":"{}"}}"#,
                "x".repeat(1000)
            );
            answerer.json("200 OK", "", &body).await;
        },
        1,
        expect![[r#"
            7 lost: the server sent a message of more than 1000 bytes (`message_bytes_max`)
        "#]],
    )
    .await;
    check(
        |answerer| async move {
            answerer.events().await;
            answerer.event(&"x".repeat(2000)).await;
        },
        1,
        expect![[r#"
            7 lost: the server sent an event of more than 1000 bytes (`message_bytes_max`)
        "#]],
    )
    .await;
    check(
        |answerer| async move {
            answerer.events().await;
            answerer
                .event(r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#)
                .await;
            answerer.end().await;
        },
        2,
        expect![[r#"
            7 {"jsonrpc":"2.0","method":"notifications/progress"}
            7 lost: the server ended the stream without an answer
        "#]],
    )
    .await;
    let mut bed = bed_with(|answerer| async move {
        answerer.events().await;
        answerer.chunk("data: {").await;
        answerer.cut().await;
    })
    .await;
    bed.ask(7).await;
    let lost = bed.next().await;
    assert!(
        lost.starts_with("7 lost: the connection to the server broke: "),
        "{lost}"
    );
    bed.end().await;
}

#[tokio::test]
async fn a_stream_that_stays_open_after_its_answer_is_left() {
    let ended = Arc::new(tokio::sync::Notify::new());
    let has_ended = ended.clone();
    let mut bed = bed_with(move |answerer| {
        let ended = ended.clone();
        async move {
            answerer.events().await;
            answerer
                .event(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#)
                .await;
            answerer.hung_up().await;
            ended.notify_one();
        }
    })
    .await;
    bed.ask(7).await;
    assert_eq!(
        bed.next().await,
        r#"7 {"jsonrpc":"2.0","id":7,"result":{}}"#
    );
    has_ended.notified().await;
    bed.end().await;
}

#[tokio::test]
async fn a_request_that_is_taken_back_is_not_read_any_more() {
    let ended = Arc::new(tokio::sync::Notify::new());
    let has_ended = ended.clone();
    let mut bed = bed_with(move |answerer| {
        let ended = ended.clone();
        async move {
            answerer.events().await;
            answerer
                .event(r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#)
                .await;
            answerer.hung_up().await;
            ended.notify_one();
        }
    })
    .await;
    bed.ask(7).await;
    bed.next().await;
    let outgoing = Outgoing {
        bytes: r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#.into(),
        request: None,
        cancels: Some(7),
    };
    bed.outbox.send(outgoing).await.unwrap();
    has_ended.notified().await;
    bed.end().await;
}

#[tokio::test]
async fn a_session_that_the_server_has_forgotten_is_over_and_the_request_was_not_taken() {
    check(
        |answerer| async move { answerer.status("404 Not Found").await },
        1,
        expect![[r#"
            7 ended: the server has forgotten the session
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_server_without_sessions_says_404_of_its_address() {
    let mut bed = Bed::new(|got, answerer| async move {
        if got.body == HELLO {
            answerer.json("200 OK", "", HELLO_ANSWER).await;
        } else if !is_usual(&got, &answerer).await {
            answerer.status("404 Not Found").await;
        }
    })
    .await;
    bed.greet().await;
    bed.ask(7).await;
    let lost = "7 lost: the server answered with status 404 Not Found";
    assert_eq!(bed.next().await, lost);
    bed.outbox.close().await;
    let got = bed.got.borrow().clone();
    assert!(
        got.iter().all(|it| it.method != "DELETE"),
        "there is nothing to end"
    );
    bed.end().await;
}

#[tokio::test]
async fn what_the_server_says_unasked_comes_on_a_stream_that_begins_after_the_hello() {
    let early = Arc::new(Mutex::new(true));
    let is_early = early.clone();
    let mut bed = Bed::new(move |got, answerer| {
        let early = early.clone();
        async move {
            if got.method == "GET" {
                assert!(!*early.lock().unwrap(), "it came before the hello was over");
                answerer.events().await;
                answerer
                    .event(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#)
                    .await;
                answerer.hung_up().await;
            } else {
                is_usual(&got, &answerer).await;
            }
        }
    })
    .await;
    bed.send(HELLO, Some(0)).await.unwrap();
    bed.next().await;
    // The words are in it, and yet it is another message.
    let decoy = r#"{"jsonrpc":"2.0","method":"x","params":{"a":"notifications/initialized"}}"#;
    bed.send(decoy, None).await.unwrap();
    tokio::task::yield_now().await;
    *is_early.lock().unwrap() = false;
    bed.send(
        r#"{"method":"notifications\/initialized","jsonrpc":"2.0"}"#,
        None,
    )
    .await
    .unwrap();
    assert_eq!(
        bed.next().await,
        r#"- {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#
    );
    let get = bed.wait_got(|it| it.method == "GET").await;
    assert_eq!(get.header("mcp-session-id"), "s1");
    assert_eq!(get.header("accept"), "text/event-stream");
    bed.end().await;
}

#[tokio::test]
async fn a_message_that_is_refused_says_so_and_the_next_is_sent() {
    let mut bed = Bed::new(|got, answerer| async move {
        if got.body.contains("bad") {
            answerer.json("403 Forbidden", "", "no").await;
        } else {
            is_usual(&got, &answerer).await;
        }
    })
    .await;
    bed.greet().await;
    let bad = r#"{"jsonrpc":"2.0","method":"bad"}"#;
    let err = bed.send(bad, None).await.unwrap_err();
    assert!(!err.is_over);
    assert_eq!(
        err.reason,
        "the server answered with status 403 Forbidden; set `Authorization`: no"
    );
    bed.send(r#"{"jsonrpc":"2.0","method":"good"}"#, None)
        .await
        .unwrap();
    bed.end().await;
}

#[tokio::test]
async fn a_server_that_cannot_be_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (mut outbox, mut inbox) = http(endpoint(address), limits());
    let hello = Outgoing {
        bytes: HELLO.into(),
        request: Some(0),
        cancels: None,
    };
    outbox.send(hello).await.unwrap();
    let lost = show(inbox.next().await);
    assert!(
        lost.starts_with("0 lost: the server cannot be reached: "),
        "{lost}"
    );
    drop(outbox);
    assert_eq!(
        show(inbox.next().await),
        "- ended: the connection was closed"
    );
}

#[tokio::test]
async fn what_was_sent_is_not_repeated_and_what_to_do_is_said() {
    let mut bed = Bed::new(async |got: Got, answerer: Answerer| {
        let said = format!("no: {}, or sentinel-4711", got.header("authorization"));
        let len = said.len();
        let status = if got.body.contains(r#""id":8"#) {
            "500 Oh"
        } else {
            "401 Unauthorized"
        };
        answerer
            .write(&format!(
                "HTTP/1.1 {status}\r\ncontent-length: {len}\r\n\r\n{said}"
            ))
            .await;
    })
    .await;
    bed.ask(7).await;
    assert_eq!(
        bed.next().await,
        "7 lost: the server answered with status 401 Unauthorized; set `Authorization`: no: [redacted], or [redacted]"
    );
    bed.ask(8).await;
    assert_eq!(
        bed.next().await,
        "8 lost: the server answered with status 500 Internal Server Error: no: [redacted], or [redacted]"
    );
    let err = bed.send(INITIALIZED, None).await.unwrap_err();
    assert!(!err.reason.contains("sentinel"), "{}", err.reason);
    bed.end().await;
}
