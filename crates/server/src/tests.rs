//! The real routes over the real use cases and a real database; only the sandbox is a fake.

mod api;
mod audit;
mod bodies;
mod built_in;
mod chats;
mod connections;
mod decisions;
mod door;
mod edits;
mod endpoint;
mod events_socket;
mod headers;
mod models;
mod page;
mod upstream;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header, request::Builder},
};
use domain::{Access, Caller, CallerKind, Clock, PrincipalName, Timestamp};
use http_body_util::BodyExt as _;
use orchestrator::{NewClient, Orchestrator, Parts};
use sandbox::FakeSandbox;
use store::{AuditQueue, AuditSettings, DatabaseLocation, Store};
use tempfile::TempDir;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use crate::{LocalPort, ServerSettings, WebFile};

const HERE: &str = "127.0.0.1:3000";
/// A small UI.
const WEB: &[WebFile] = &[
    WebFile {
        path: "/assets/app-4fQ2.js",
        bytes: b"export {};",
        gzip: Some(b"compressed"),
        hash: "aa",
    },
    WebFile {
        path: "/index.html",
        bytes: b"<!doctype html><title>Archestra</title>",
        gzip: None,
        hash: "bb",
    },
    WebFile {
        path: "/theme.js",
        bytes: b"let theme;",
        gzip: None,
        hash: "cc",
    },
];

/// A program that runs, without its listeners.
struct House {
    orchestrator: Orchestrator,
    router: Router,
    clock: Arc<TestClock>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    /// The command line's token.
    owner: String,
    /// An MCP client's.
    client: String,
    _dir: TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

#[derive(Debug)]
struct TestClock {
    now_ms: AtomicU64,
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp {
            unix_ms: self.now_ms.load(Ordering::Relaxed),
        }
    }
}

impl House {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut ServerSettings)) -> Self {
        Self::of(|_| {}, change).await
    }

    /// As [`with`](Self::with), with other settings of the use cases, too.
    async fn of(
        change_use_cases: impl FnOnce(&mut orchestrator::Settings),
        change: impl FnOnce(&mut ServerSettings),
    ) -> Self {
        // Another test may have been first.
        let _first = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock {
            now_ms: AtomicU64::new(1_700_000_000_000),
        });
        let location = DatabaseLocation::Sqlite(dir.path().join("archestra.db"));
        let store = Store::open(&location, clock.clone()).await.unwrap();
        let (audit, writer) = AuditQueue::new(store.clone(), AuditSettings::default());
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(writer.run(shutdown.clone()));
        let mut settings =
            orchestrator::Settings::new(dir.path().to_owned(), "image".to_owned(), "0".repeat(64));
        change_use_cases(&mut settings);
        let orchestrator = Orchestrator::start(Parts {
            settings,
            store,
            audit,
            vault: auth::Vault::open(&dir.path().join("key"), false).unwrap(),
            sandbox: Arc::new(FakeSandbox::new("a".repeat(32).parse().unwrap())),
            directory: Arc::default(),
            clock: clock.clone(),
            http: Box::new(|_| reqwest::Client::builder().no_proxy().build().unwrap()),
            gateway: gateway::Settings::default(),
            tasks: tasks.clone(),
            shutdown: shutdown.clone(),
        });
        let orchestrator = orchestrator.await.unwrap();
        let owner = orchestrator
            .create_owner_token("cli")
            .await
            .unwrap()
            .text
            .into_exposed();
        let client = NewClient {
            name: "client".to_owned(),
            principal: PrincipalName::owner(),
            access: Access::default(),
        };
        let client = orchestrator.create_token(client, &person()).await.unwrap();
        let addresses = vec![format!("http://{HERE}"), "http://127.0.0.1:9000".to_owned()];
        let mut settings = ServerSettings::new("1.2.3", addresses);
        settings.web = WEB;
        change(&mut settings);
        Self {
            router: crate::router(orchestrator.clone(), settings, shutdown.clone()),
            orchestrator,
            clock,
            shutdown,
            tasks,
            owner,
            client: client.text.into_exposed(),
            _dir: dir,
        }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Asks as the command line does.
    async fn owner(&self, method: &str, path: &str, body: &str) -> Answer {
        let request = with_token(ask(method, path), &self.owner);
        self.send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    /// Sends what an MCP client does.
    fn mcp(&self, path: &str, session: Option<&str>, body: &str) -> Request<Body> {
        let mut request = with_token(ask("POST", path), &self.client)
            .header(header::ACCEPT, "application/json, text/event-stream");
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        request.body(Body::from(body.to_owned())).unwrap()
    }

    /// Begins a browser's session and returns its cookie.
    async fn cookie(&self) -> String {
        let token = self.orchestrator.create_login_link().await.unwrap();
        let session = self
            .orchestrator
            .redeem_login_link(token.expose())
            .await
            .unwrap()
            .unwrap();
        format!("archestra_session={}", session.expose())
    }

    /// Ends all that runs, and shows that it ends.
    async fn end(self) {
        self.shutdown.cancel();
        self.tasks.close();
        let ended = tokio::time::timeout(Duration::from_secs(20), self.tasks.wait()).await;
        assert!(ended.is_ok(), "{} tasks are left", self.tasks.len());
    }
}

impl Answer {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|err| panic!("{err}: {}", self.body))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }

    /// The status and the body, for comparing.
    fn text(&self) -> String {
        format!("{}\n{}", self.status, self.body)
    }
}

fn ask(method: &str, path: &str) -> Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, HERE)
        .header(header::CONTENT_TYPE, "application/json")
        .extension(LocalPort(3000))
}

fn with_token(request: Builder, token: &str) -> Builder {
    request.header(header::AUTHORIZATION, format!("Bearer {token}"))
}

fn person() -> Caller {
    Caller {
        principal: PrincipalName::owner(),
        token: None,
        kind: CallerKind::Person,
        chat: None,
        access: Access::default(),
    }
}
