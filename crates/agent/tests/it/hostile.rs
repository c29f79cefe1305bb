//! Servers that are no providers of models, and mean no good.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agent::{ClientSettings, ModelErrorKind, ProviderKind};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{interval, timeout},
};

use crate::server::client;

/// Far more than anything takes that has a bound.
const LONG: Duration = Duration::from_secs(30);

/// What is sent again and again after the beginning, for as long as somebody reads.
#[derive(Clone, Copy)]
struct Endless {
    beginning: &'static str,
    piece: &'static [u8],
    /// From piece to piece; none where they come as fast as they can.
    delay: Option<Duration>,
}

struct Server {
    address: SocketAddr,
    sent: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn new(endless: Endless) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sent = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        let counted = sent.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let sent = counted.clone();
                connections.spawn(async move {
                    // The client goes when it has had enough.
                    let _gone = send(stream, endless, &sent).await;
                });
            }
        });
        Self {
            address,
            sent,
            _tasks: tasks,
        }
    }
}

async fn send(mut stream: TcpStream, endless: Endless, sent: &AtomicUsize) -> std::io::Result<()> {
    let _request = stream.read(&mut [0; 4_096]).await?;
    stream.write_all(endless.beginning.as_bytes()).await?;
    let mut ticks = endless.delay.map(interval);
    loop {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        stream.write_all(endless.piece).await?;
        sent.fetch_add(endless.piece.len(), Ordering::Relaxed);
    }
}

/// Asks for a list of models, with bounds that a test can wait for.
async fn ask(server: &Server, kind: ProviderKind) -> ModelErrorKind {
    let settings = ClientSettings {
        list_timeout: Duration::from_secs(1),
        list_bytes_max: 1 << 20,
        ..ClientSettings::default()
    };
    let client = client(kind, &format!("http://{}", server.address), settings);
    let listed = timeout(LONG, client.list_models()).await;
    listed.expect("it has a bound").unwrap_err().kind
}

#[tokio::test]
async fn a_body_without_an_end_is_read_up_to_its_bound() {
    let endless = Endless {
        beginning: "HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n{\"data\":[",
        piece: &[b' '; 64 << 10],
        delay: None,
    };
    for kind in [ProviderKind::OpenAi, ProviderKind::Ollama] {
        let server = Server::new(endless).await;
        assert_eq!(ask(&server, kind).await, ModelErrorKind::Limit);
        // What lies in the buffers of both sides is no more than this.
        let sent = server.sent.load(Ordering::Relaxed);
        assert!(sent < 64 << 20, "{sent} bytes were taken");
    }
}

#[tokio::test]
async fn one_that_drips_is_not_waited_for() {
    let delay = Some(Duration::from_millis(20));
    let slow_head = Endless {
        beginning: "HTTP/1.1 200 OK\r\n",
        piece: b"x-more: 1\r\n",
        delay,
    };
    let server = Server::new(slow_head).await;
    let kind = ask(&server, ProviderKind::OpenAi).await;
    // Whichever comes first: the time is over, or there are too many headers.
    assert!(
        matches!(kind, ModelErrorKind::Silent | ModelErrorKind::Unreachable),
        "{kind:?}"
    );
    let slow_body = Endless {
        beginning: "HTTP/1.1 200 OK\r\n\r\n{\"data\":[",
        piece: b" ",
        delay,
    };
    let server = Server::new(slow_body).await;
    let kind = ask(&server, ProviderKind::OpenAi).await;
    assert_eq!(kind, ModelErrorKind::Silent);
}

#[tokio::test]
async fn headers_without_an_end_are_not_kept() {
    let endless = Endless {
        beginning: "HTTP/1.1 200 OK\r\nx: ",
        piece: &[b'x'; 64 << 10],
        delay: None,
    };
    let server = Server::new(endless).await;
    let kind = ask(&server, ProviderKind::OpenAi).await;
    assert!(
        matches!(kind, ModelErrorKind::Unreachable | ModelErrorKind::Silent),
        "{kind:?}"
    );
    let sent = server.sent.load(Ordering::Relaxed);
    assert!(sent < 64 << 20, "{sent} bytes were taken");
}
