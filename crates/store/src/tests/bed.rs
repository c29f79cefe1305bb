use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use domain::{
    ChatId, Clock, HostPort, Id, InstallId, PackageRef, PrincipalName, Registry, ServerId,
    ServerSlug, ServerSpec, Source, Timestamp, ToolPin,
};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    AuditEvent, AuditFilter, Begun, DatabaseLocation, NewApproval, NewChat, NewInstall, NewMessage,
    NewRun, NewServer, RunOf, Store, StoredRun, ToolsDefault, tests::cluster,
};

/// A place for one test: a database of its own and a clock that the test moves.
pub(crate) struct Bed {
    pub(crate) location: DatabaseLocation,
    pub(crate) clock: Arc<TestClock>,
    _dir: Option<TempDir>,
}

#[derive(Debug)]
pub(crate) struct TestClock {
    unix_ms: AtomicU64,
}

impl Bed {
    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            location: DatabaseLocation::Sqlite(dir.path().join("test.db")),
            clock: Arc::new(TestClock::new()),
            _dir: Some(dir),
        }
    }

    /// Returns `None` where there is no PostgreSQL, which is said, and fails in CI.
    pub(crate) async fn postgres() -> Option<Self> {
        Some(Self {
            location: DatabaseLocation::Postgres(cluster::new_database().await?),
            clock: Arc::new(TestClock::new()),
            _dir: None,
        })
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.location, Arc::clone(&self.clock) as Arc<dyn Clock>)
            .await
            .unwrap()
    }
}

impl TestClock {
    fn new() -> Self {
        Self {
            unix_ms: AtomicU64::new(1_000),
        }
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.unix_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp {
            unix_ms: self.unix_ms.load(Ordering::Relaxed),
        }
    }
}

pub(crate) fn new_id<K>() -> Id<K> {
    Id::from_uuid(Uuid::new_v4())
}

pub(crate) fn package() -> PackageRef {
    PackageRef {
        registry: Registry::Npm,
        name: "@modelcontextprotocol/server-everything".to_owned(),
        version: Some("1.2.3".to_owned()),
        command: None,
    }
}

pub(crate) fn new_server(slug: &str) -> NewServer {
    let mut spec = ServerSpec::new(Source::Package(package()));
    spec.egress
        .insert(HostPort::new("example.com", 443).unwrap());
    NewServer {
        id: new_id(),
        slug: ServerSlug::new(slug).unwrap(),
        title: "A server".to_owned(),
        spec,
        enabled: true,
        secrets: Vec::new(),
    }
}

/// Adds a server and returns its identifier.
pub(crate) async fn add_server(store: &Store, slug: &str) -> ServerId {
    let server = new_server(slug);
    store
        .create_server(&server, None, &event("server.add"))
        .await
        .unwrap();
    server.id
}

/// Returns the pin that has this digit everywhere.
pub(crate) fn pin(digit: char) -> ToolPin {
    String::from(digit).repeat(64).parse().unwrap()
}

/// Returns what the tool `read` of a server would be called with, by the owner.
pub(crate) fn new_approval(server: ServerId, arguments: &str) -> NewApproval {
    NewApproval {
        id: new_id(),
        principal: PrincipalName::owner(),
        token: None,
        chat: None,
        server,
        server_slug: "one".to_owned(),
        tool: "read".to_owned(),
        pin: pin('a'),
        definition: r#"{"name":"read"}"#.into(),
        why: "nobody has looked at it".to_owned(),
        arguments: arguments.into(),
        arguments_sha256: format!("hash of {arguments}"),
        expires_at: Some(at(10_000)),
    }
}

pub(crate) fn new_chat(title: &str) -> NewChat {
    NewChat {
        id: new_id(),
        principal: PrincipalName::owner(),
        title: title.to_owned(),
        title_is_auto: true,
        tools_default: ToolsDefault::All,
        provider: None,
        model: None,
    }
}

/// Adds a chat of the owner and returns its identifier.
pub(crate) async fn add_chat(store: &Store, title: &str) -> ChatId {
    store.create_chat(&new_chat(title)).await.unwrap().id
}

pub(crate) fn new_message(text: &str) -> NewMessage {
    NewMessage {
        id: new_id(),
        content: format!("[{text:?}]").into(),
        text: text.to_owned(),
    }
}

pub(crate) fn new_run() -> NewRun {
    NewRun {
        id: new_id(),
        answer: new_id(),
        model: "a model".to_owned(),
        provider: None,
    }
}

/// Sends a message to a chat in which no run is under way.
pub(crate) async fn send(store: &Store, chat: ChatId, text: &str) -> StoredRun {
    let of = RunOf::New(new_message(text));
    match store.begin_run(chat, &of, &new_run()).await.unwrap() {
        Begun::Started(run) => run,
        other => panic!("{other:?}"),
    }
}

/// Returns the kinds of all rows of the audit.
pub(crate) async fn audit_kinds(store: &Store) -> Vec<String> {
    let filter = AuditFilter {
        limit: 1_000,
        ..AuditFilter::default()
    };
    let rows = store.audit_page(&filter).await.unwrap();
    let kinds = rows.iter().rev().map(|it| it.event.kind.to_string());
    kinds.collect()
}

pub(crate) fn new_install() -> NewInstall {
    let id: InstallId = new_id();
    NewInstall {
        id,
        volume: format!("volume-{}", id.short()),
        package: package(),
        steps: vec!["lock".to_owned(), "fetch".to_owned()],
    }
}

pub(crate) fn event(kind: &'static str) -> AuditEvent {
    AuditEvent::new(Timestamp { unix_ms: 1 }, kind)
}

pub(crate) fn at(unix_ms: u64) -> Timestamp {
    Timestamp { unix_ms }
}
