use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
};

use domain::Id;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_util::task::AbortOnDropHandle;

use super::*;

/// Answers of a name server, one after the other; the last again and again.
#[derive(Default)]
struct Answers {
    answers: Vec<Vec<&'static str>>,
    asked: AtomicUsize,
    hangs: bool,
}

#[async_trait]
impl Resolver for Answers {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        let at = self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answers.get(at).or(self.answers.last());
        let answer = answer.ok_or_else(|| io::Error::other("no such name"))?;
        Ok(answer.iter().map(|it| it.parse().unwrap()).collect())
    }
}

#[derive(Default)]
struct Events {
    events: Mutex<Vec<EgressEvent>>,
}

impl EgressAudit for Events {
    fn record(&self, event: EgressEvent) {
        self.events.lock().unwrap().push(event);
    }
}

impl Events {
    fn kinds(&self) -> Vec<&'static str> {
        let events = self.events.lock().unwrap();
        let kind = |it: &EgressEvent| match it.happened {
            Happened::Refused { .. } => "refused",
            Happened::Failed { .. } => "failed",
            Happened::Connected { .. } => "connected",
            Happened::Closed { .. } => "closed",
        };
        events.iter().map(kind).collect()
    }

    fn last(&self) -> EgressEvent {
        self.events.lock().unwrap().last().unwrap().clone()
    }
}

/// What is allowed, for one server.
struct Listed {
    subject: Subject,
    targets: BTreeSet<String>,
}

impl AllowList for Listed {
    fn allowed(&self, who: &Who, target: &HostPort) -> bool {
        who.subject == self.subject && self.targets.contains(&target.to_string())
    }
}

struct Bed {
    broker: Broker,
    who: Who,
    events: Arc<Events>,
    resolver: Arc<Answers>,
    port: u16,
    _echo: AbortOnDropHandle<()>,
}

struct Setup {
    targets: &'static [&'static str],
    answers: Vec<Vec<&'static str>>,
    ranges: &'static [&'static str],
    proxies: ProxySettings,
    hangs: bool,
    settings: EgressSettings,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            targets: &["site.example"],
            answers: vec![vec!["127.0.0.1"]],
            ranges: &["127.0.0.1/32"],
            proxies: ProxySettings::default(),
            hangs: false,
            settings: EgressSettings::default(),
        }
    }
}

fn server(n: u128) -> Subject {
    Subject::Server(Id::from_uuid(uuid::Uuid::from_u128(n)))
}

#[expect(clippy::disallowed_methods, reason = "aborted when the test ends")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    let handle: JoinHandle<()> = tokio::spawn(task);
    AbortOnDropHandle::new(handle)
}

async fn echo() -> (u16, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = async move {
        let mut open = tokio::task::JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            open.spawn(async move {
                let (mut read, mut write) = stream.split();
                // The test sees on its side what came of it.
                let _ended = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    };
    (port, spawn(serve))
}

impl Bed {
    /// Targets are allowed at the port of a server that sends back what it gets.
    async fn new(setup: Setup) -> Self {
        let (port, echo) = echo().await;
        let who = Who {
            subject: server(1),
            label: "one".to_owned(),
        };
        let targets = setup.targets.iter().map(|it| format!("{it}:{port}"));
        let allow_list = Listed {
            subject: who.subject,
            targets: targets.collect(),
        };
        let settings = EgressSettings {
            allow_ranges: setup.ranges.iter().map(|it| it.parse().unwrap()).collect(),
            ..setup.settings
        };
        let resolver = Arc::new(Answers {
            answers: setup.answers,
            hangs: setup.hangs,
            ..Answers::default()
        });
        let events = Arc::new(Events::default());
        let broker = Broker::new(
            settings,
            setup.proxies,
            Arc::new(allow_list),
            Arc::clone(&resolver) as Arc<dyn Resolver>,
            Arc::clone(&events) as Arc<dyn EgressAudit>,
        );
        Self {
            broker,
            who,
            events,
            resolver,
            port,
            _echo: echo,
        }
    }

    async fn connect(&self, host: &str) -> Result<EgressStream, Refusal> {
        self.broker.connect(&self.who, host, self.port).await
    }
}

async fn round_trip(stream: &mut EgressStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, text.as_bytes());
}

#[tokio::test]
async fn an_allowed_connection_carries_bytes_and_is_audited_to_its_end() {
    let bed = Bed::new(Setup::default()).await;
    let mut stream = bed.connect("Site.Example.").await.unwrap();
    round_trip(&mut stream, "hello").await;
    assert_eq!(bed.events.kinds(), ["connected"]);
    drop(stream);
    assert_eq!(bed.events.kinds(), ["connected", "closed"]);
    let event = bed.events.last();
    assert_eq!(event.target, format!("site.example:{}", bed.port));
    assert_eq!(event.who.label, "one");
    let Happened::Closed {
        sent_bytes,
        received_bytes,
        timed_out,
        ..
    } = event.happened
    else {
        panic!("{event:?}");
    };
    assert_eq!((sent_bytes, received_bytes, timed_out), (5, 5, false));
}

#[tokio::test]
async fn what_is_not_on_the_list_is_neither_resolved_nor_dialled() {
    let bed = Bed::new(Setup::default()).await;
    let other = Who {
        subject: server(2),
        label: "two".to_owned(),
    };
    let by_other = bed.broker.connect(&other, "site.example", bed.port).await;
    let refusals = [
        bed.connect("other.example").await.unwrap_err(),
        bed.connect("sub.site.example").await.unwrap_err(),
        bed.connect("127.0.0.1").await.unwrap_err(),
        bed.broker
            .connect(&bed.who, "site.example", 1)
            .await
            .unwrap_err(),
        by_other.unwrap_err(),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, Refusal::NotAllowed { .. }), "{refusal:?}");
        assert!(refusal.is_forbidden());
    }
    assert_eq!(bed.resolver.asked.load(Ordering::Relaxed), 0);
    assert_eq!(bed.events.kinds(), ["refused"; 5]);
}

#[tokio::test]
async fn what_is_no_target_is_refused_and_told_without_its_control_characters() {
    let bed = Bed::new(Setup::default()).await;
    let hosts = [
        "",
        "a b",
        "a\r\nHost: x",
        "user@site.example",
        "site.example/",
        "fe80::1%eth0",
    ];
    for host in hosts {
        let refusal = bed.connect(host).await.unwrap_err();
        assert!(matches!(refusal, Refusal::Target(_)), "{host}: {refusal:?}");
        assert!(!bed.events.last().target.contains(['\r', '\n']));
    }
    let refusal = bed.connect(&"x".repeat(100_000)).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Target(_)));
    assert!(bed.events.last().target.len() < 300);
    assert!(
        bed.broker
            .connect(&bed.who, "site.example", 0)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_number_that_is_no_plain_address_is_refused_even_when_listed() {
    const ODD: [&str; 4] = ["127.1", "2130706433", "0x7f000001", "0177.0.0.1"];
    let bed = Bed::new(Setup {
        targets: &ODD,
        ..Setup::default()
    })
    .await;
    for host in ODD {
        let refusal = bed.connect(host).await.unwrap_err();
        assert!(
            matches!(refusal, Refusal::OddAddress { .. }),
            "{host}: {refusal:?}"
        );
    }
}

#[tokio::test]
async fn a_listed_name_that_means_an_internal_address_is_refused() {
    let internal = [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "::1",
        "::ffff:127.0.0.1",
        "fd00::1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "0.0.0.0",
    ];
    for address in internal {
        let setup = Setup {
            answers: vec![vec![address]],
            ranges: &[],
            ..Setup::default()
        };
        let bed = Bed::new(setup).await;
        let refusal = bed.connect("site.example").await.unwrap_err();
        assert!(
            matches!(refusal, Refusal::Address { .. }),
            "{address}: {refusal:?}"
        );
        assert_eq!(bed.events.kinds(), ["refused"]);
    }
}

#[tokio::test]
async fn a_listed_internal_address_needs_its_range_too() {
    const TARGETS: [&str; 2] = ["127.0.0.1", "[::1]"];
    let bed = Bed::new(Setup {
        targets: &TARGETS,
        ranges: &[],
        ..Setup::default()
    })
    .await;
    for host in ["127.0.0.1", "[::1]", "0:0:0:0:0:0:0:1"] {
        let refusal = bed.connect(host).await.unwrap_err();
        assert!(
            matches!(refusal, Refusal::Address { .. }),
            "{host}: {refusal:?}"
        );
    }
    let bed = Bed::new(Setup {
        targets: &TARGETS,
        ..Setup::default()
    })
    .await;
    round_trip(&mut bed.connect("127.0.0.1").await.unwrap(), "x").await;
    assert_eq!(bed.resolver.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_name_that_flips_between_check_and_use_gains_nothing() {
    let flip = vec![vec!["127.0.0.1"], vec!["169.254.169.254"]];
    let bed = Bed::new(Setup {
        answers: flip,
        ..Setup::default()
    })
    .await;
    let stream = bed.connect("site.example").await.unwrap();
    assert_eq!(
        bed.resolver.asked.load(Ordering::Relaxed),
        1,
        "one look-up per connection"
    );
    assert_eq!(stream.peer_addr().unwrap().ip().to_string(), "127.0.0.1");
    let refusal = bed.connect("site.example").await.unwrap_err();
    assert!(matches!(refusal, Refusal::Address { .. }), "{refusal:?}");
}

#[tokio::test]
async fn of_several_addresses_only_those_that_may_be_are_dialled() {
    let mixed = vec![vec!["10.0.0.1", "127.0.0.2", "127.0.0.1"]];
    let bed = Bed::new(Setup {
        answers: mixed,
        ..Setup::default()
    })
    .await;
    let stream = bed.connect("site.example").await.unwrap();
    assert_eq!(stream.peer_addr().unwrap().ip().to_string(), "127.0.0.1");
}

#[tokio::test]
async fn a_name_that_is_not_there_or_never_answers_is_a_failure_and_no_refusal() {
    let bed = Bed::new(Setup {
        answers: vec![],
        ..Setup::default()
    })
    .await;
    let refusal = bed.connect("site.example").await.unwrap_err();
    assert!(matches!(refusal, Refusal::Resolve { .. }), "{refusal:?}");
    assert!(!refusal.is_forbidden() && refusal.is_transient());
    let none = Bed::new(Setup {
        answers: vec![vec![]],
        ..Setup::default()
    })
    .await;
    assert!(matches!(
        none.connect("site.example").await,
        Err(Refusal::Resolve { .. })
    ));
    let settings = EgressSettings {
        resolve_timeout: Duration::from_millis(20),
        ..EgressSettings::default()
    };
    let hung = Bed::new(Setup {
        hangs: true,
        settings,
        ..Setup::default()
    })
    .await;
    assert!(matches!(
        hung.connect("site.example").await,
        Err(Refusal::Timeout { .. })
    ));
    assert_eq!(hung.events.kinds(), ["failed"]);
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_a_failure() {
    let bed = Bed::new(Setup::default()).await;
    let Bed {
        broker,
        who,
        events,
        port,
        _echo: echo,
        ..
    } = bed;
    echo.abort();
    assert!(echo.await.unwrap_err().is_cancelled());
    let refusal = broker
        .connect(&who, "site.example", port)
        .await
        .unwrap_err();
    assert!(matches!(refusal, Refusal::Connect { .. }), "{refusal:?}");
    let Happened::Failed { reason } = events.last().happened else {
        panic!("{:?}", events.last());
    };
    assert!(reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn a_server_has_no_more_connections_than_its_bound() {
    let settings = EgressSettings {
        connections_per_server_max: 3,
        ..EgressSettings::default()
    };
    let bed = Bed::new(Setup {
        settings,
        ..Setup::default()
    })
    .await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(bed.connect("site.example").await.unwrap());
    }
    let refusal = bed.connect("site.example").await.unwrap_err();
    assert!(
        matches!(refusal, Refusal::TooMany { max: 3 }),
        "{refusal:?}"
    );
    open.pop();
    bed.connect("site.example").await.unwrap();
    drop(open);
    // A refused or failed one takes no place.
    for _ in 0..10 {
        bed.connect("other.example").await.unwrap_err();
    }
    assert!(bed.broker.inner.open.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_connection_without_a_byte_for_too_long_ends() {
    let settings = EgressSettings {
        idle_timeout: Duration::from_millis(50),
        ..EgressSettings::default()
    };
    let bed = Bed::new(Setup {
        settings,
        ..Setup::default()
    })
    .await;
    let mut stream = bed.connect("site.example").await.unwrap();
    round_trip(&mut stream, "still here").await;
    let err = stream.read_u8().await.unwrap_err();
    assert_eq!(err.kind(), io::ErrorKind::TimedOut);
    drop(stream);
    let Happened::Closed {
        timed_out,
        sent_bytes,
        ..
    } = bed.events.last().happened
    else {
        panic!("{:?}", bed.events.last());
    };
    assert_eq!((timed_out, sent_bytes), (true, 10));
}

/// A proxy that answers one request with `answer` and then sends back what it gets. What it was
/// asked comes out of the task.
async fn proxy(
    answer: &'static str,
) -> (
    u16,
    tokio::sync::oneshot::Receiver<String>,
    AbortOnDropHandle<()>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, asked) = tokio::sync::oneshot::channel();
    let serve = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        tell.send(String::from_utf8(request).unwrap()).unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        let (mut read, mut write) = stream.split();
        // The test sees on its side what came of it.
        let _ended = tokio::io::copy(&mut read, &mut write).await;
    };
    (port, asked, spawn(serve))
}

fn by_proxy(port: u16) -> ProxySettings {
    ProxySettings::from_vars(|name| {
        (name == "HTTPS_PROXY").then(|| format!("http://user:pass@127.0.0.1:{port}"))
    })
    .unwrap()
}

#[tokio::test]
async fn the_hosts_proxy_is_asked_and_resolves_by_itself() {
    let (port, asked, _proxy) = proxy("HTTP/1.1 200 OK\r\nX: y\r\n\r\nearly").await;
    let bed = Bed::new(Setup {
        proxies: by_proxy(port),
        ..Setup::default()
    })
    .await;
    let mut stream = bed.connect("site.example").await.unwrap();
    let target = format!("site.example:{}", bed.port);
    let expected = format!(
        "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n"
    );
    assert_eq!(asked.await.unwrap(), expected);
    assert_eq!(bed.resolver.asked.load(Ordering::Relaxed), 0);
    let mut early = [0; 5];
    stream.read_exact(&mut early).await.unwrap();
    assert_eq!(&early, b"early");
    round_trip(&mut stream, "hello").await;
    assert_eq!((stream.sent_bytes(), stream.received_bytes()), (5, 10));
    let event = bed.events.last();
    assert!(
        matches!(event.happened, Happened::Connected { by_proxy: true, .. }),
        "{event:?}"
    );
}

#[tokio::test]
async fn behind_a_proxy_the_list_holds_and_internal_addresses_are_refused() {
    let (port, asked, _proxy) = proxy("HTTP/1.1 200 OK\r\n\r\n").await;
    let setup = Setup {
        targets: &["10.0.0.1", "169.254.169.254", "2130706433"],
        proxies: by_proxy(port),
        ..Setup::default()
    };
    let bed = Bed::new(setup).await;
    for host in ["site.example", "10.0.0.1", "169.254.169.254", "2130706433"] {
        let refusal = bed.connect(host).await.unwrap_err();
        assert!(refusal.is_forbidden(), "{host}: {refusal:?}");
    }
    drop(_proxy);
    assert!(asked.await.is_err(), "the proxy was asked");
}

#[tokio::test]
async fn a_proxy_that_refuses_or_talks_nonsense_is_a_failure() {
    let (port, _asked, _proxy) = proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    let bed = Bed::new(Setup {
        proxies: by_proxy(port),
        ..Setup::default()
    })
    .await;
    let refusal = bed.connect("site.example").await.unwrap_err();
    assert!(
        matches!(refusal, Refusal::Proxy { status: 407, .. }),
        "{refusal:?}"
    );
    assert!(!refusal.is_forbidden() && !refusal.is_transient());
    let (port, _asked, _proxy) = proxy("SSH-2.0-x\r\n\r\n").await;
    let bed = Bed::new(Setup {
        proxies: by_proxy(port),
        ..Setup::default()
    })
    .await;
    let refusal = bed.connect("site.example").await.unwrap_err();
    assert!(matches!(refusal, Refusal::Connect { .. }), "{refusal:?}");
    assert_eq!(bed.events.kinds(), ["failed"]);
}

#[tokio::test]
async fn the_system_resolves_this_machines_name() {
    let found = SystemResolver.resolve("localhost").await.unwrap();
    assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
}
