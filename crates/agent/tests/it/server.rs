use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use agent::{ClientSettings, ModelClient, Provider, ProviderKind, base_url};
use domain::Secret;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// What a server does with a request.
#[derive(Clone)]
pub(crate) enum Step {
    Send(Vec<u8>),
    /// It says nothing more until the client goes.
    Stall,
}

/// A server that plays what it is told to, and closes the connection after each answer.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    /// Clients that went while the server was silent.
    gone: watch::Receiver<usize>,
    /// Stops when it is dropped.
    _tasks: JoinSet<()>,
}

pub(crate) fn head(status: &str, headers: &str) -> Step {
    let text = format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\n\r\n");
    Step::Send(text.into_bytes())
}

pub(crate) fn respond(status: &str, headers: &str, body: &str) -> Vec<Step> {
    let length = format!("{headers}Content-Length: {}\r\n", body.len());
    vec![head(status, &length), Step::Send(body.as_bytes().to_vec())]
}

pub(crate) fn ok(body: &str) -> Vec<Step> {
    respond("200 OK", "", body)
}

/// A body without a length, whose end is the connection's.
pub(crate) fn open_ended(pieces: &[&str]) -> Vec<Step> {
    let mut steps = vec![head("200 OK", "")];
    steps.extend(pieces.iter().map(|it| Step::Send(it.as_bytes().to_vec())));
    steps
}

impl TestServer {
    pub(crate) async fn new(play: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (gone_sender, gone) = watch::channel(0);
        let mut tasks = JoinSet::new();
        let (play, seen) = (Arc::new(play), Arc::clone(&requests));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (play, seen, gone) =
                    (Arc::clone(&play), Arc::clone(&seen), gone_sender.clone());
                connections.spawn(async move {
                    // A client may go at any moment.
                    let _result = serve(stream, &*play, &seen, &gone).await;
                });
            }
        });
        Self {
            address,
            requests,
            gone,
            _tasks: tasks,
        }
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) async fn a_client_is_gone(&mut self) {
        self.gone.wait_for(|it| *it != 0).await.unwrap();
    }

    pub(crate) fn client(&self, kind: ProviderKind) -> ModelClient {
        self.client_with(kind, |_| {})
    }

    pub(crate) fn client_with(
        &self,
        kind: ProviderKind,
        change: impl FnOnce(&mut ClientSettings),
    ) -> ModelClient {
        let mut settings = ClientSettings::default();
        change(&mut settings);
        client(kind, &format!("http://{}", self.address), settings)
    }
}

pub(crate) fn client(kind: ProviderKind, address: &str, settings: ClientSettings) -> ModelClient {
    let provider = Provider {
        name: "home".to_owned(),
        kind,
        base_url: base_url(kind, address).unwrap(),
        key: Some(Secret::new("sk-secret".to_owned())),
        context_tokens_max: None,
    };
    ModelClient::new(http(), provider, settings)
}

pub(crate) fn http() -> reqwest::Client {
    // The first test in a process installs it.
    let _first = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn serve(
    mut stream: TcpStream,
    play: &(dyn Fn(&str) -> Vec<Step> + Send + Sync),
    seen: &Mutex<Vec<String>>,
    gone: &watch::Sender<usize>,
) -> std::io::Result<()> {
    let request = read_request(&mut stream).await?;
    seen.lock().unwrap().push(request.clone());
    for step in play(&request) {
        match step {
            Step::Send(bytes) => {
                stream.write_all(&bytes).await?;
                stream.flush().await?;
            }
            Step::Stall => {
                // Nothing more comes from a client but its end.
                let _bytes = stream.read(&mut [0; 1]).await;
                gone.send_modify(|it| *it += 1);
                return Ok(());
            }
        }
    }
    stream.shutdown().await
}

async fn read_request(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4_096];
    loop {
        let count = stream.read(&mut piece).await?;
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            assert_ne!(count, 0, "the client went before its request was whole");
            continue;
        };
        let length = head.lines().find_map(|it| {
            let (name, value) = it.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().unwrap())
        });
        if length.unwrap_or(0) <= body.len() {
            return Ok(text);
        }
    }
}
