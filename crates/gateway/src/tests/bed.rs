//! A gateway before scripted servers, and clients of it.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    Access, ApprovalId, Caller, CallerKind, Effect, GrantId, Isolation, IsolationKey,
    PrincipalName, ServerId, ServerSlug, TokenId, ToolPin,
};
use mcp::transport::{Inbox, Incoming, Outbox, Outgoing, TransportError};
use mcp::{Object, object::elements};
use serde_json::{Value, json, value::RawValue};
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::client::Client;
use crate::{
    Approval, Approvals, AskedCall, CallEnd, CallRecord, Connect, ConnectError, Connection,
    Gateway, ListKind, OpenApproval, PinnedTool, Records, Scope, ServerLists, ServerPins,
    ServerView, Settings, Verdict,
};

pub(super) struct Bed {
    pub(super) gateway: Gateway,
    pub(super) connect: Arc<FakeConnect>,
    pub(super) records: Arc<FakeRecords>,
    pub(super) approvals: Arc<FakeApprovals>,
    pub(super) tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Bed {
    pub(super) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(super) fn with(settings: Settings) -> Self {
        let tasks = TaskTracker::new();
        let shutdown = CancellationToken::new();
        let connect = Arc::new(FakeConnect {
            scripts: Mutex::default(),
            begun: watch::Sender::default(),
            open: Arc::default(),
            input_max: AtomicUsize::new(4096),
            tasks: tasks.clone(),
        });
        let records = Arc::new(FakeRecords::default());
        let approvals = Arc::new(FakeApprovals::default());
        let gateway = Gateway::new(
            settings,
            connect.clone(),
            records.clone(),
            approvals.clone(),
            tasks.clone(),
            shutdown.clone(),
        );
        Self {
            gateway,
            connect,
            records,
            approvals,
            tasks,
            shutdown,
        }
    }

    /// Adds a server whose lists are known, and which does what `script` says when it is started.
    pub(super) fn add<F>(
        &self,
        slug: &str,
        lists: &Lists,
        script: impl Fn(Peer) -> F + Send + Sync + 'static,
    ) -> ServerView
    where
        F: Future<Output = String> + Send + 'static,
    {
        let view = view(slug, lists);
        self.script(view.id, lists, script);
        self.gateway.put_server(view.clone());
        view
    }

    pub(super) fn script<F>(
        &self,
        id: ServerId,
        lists: &Lists,
        script: impl Fn(Peer) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = String> + Send + 'static,
    {
        let script: Script = Arc::new(move |peer| Box::pin(script(peer)));
        let mut scripts = self.connect.scripts.lock().unwrap();
        scripts.insert(id, (script, lists.clone()));
    }

    /// Adds a server that answers each call with the call's own parameters.
    pub(super) fn echo(&self, slug: &str) -> ServerView {
        self.add(slug, &Lists::new(), echo)
    }

    /// Begins the session of a client that can do everything, at `/mcp`.
    pub(super) async fn client(&self) -> Client {
        Client::begin(self, caller(), Scope::All, all_capabilities()).await
    }

    /// Stops everything and shows that all tasks end.
    pub(super) async fn end(self) {
        self.shutdown.cancel();
        self.tasks.close();
        let ended = tokio::time::timeout(Duration::from_secs(3600), self.tasks.wait()).await;
        ended.expect("all tasks end after the shutdown");
        assert_eq!(self.connect.open(), 0, "open leases");
    }
}

type Script = Arc<dyn Fn(Peer) -> Pin<Box<dyn Future<Output = String> + Send>> + Send + Sync>;

pub(super) struct FakeConnect {
    scripts: Mutex<HashMap<ServerId, (Script, Lists)>>,
    /// What was begun, in order.
    begun: watch::Sender<Vec<(ServerId, IsolationKey)>>,
    /// Leases that were not dropped.
    open: Arc<AtomicUsize>,
    /// Messages that a server's input takes before it is read.
    pub(super) input_max: AtomicUsize,
    tasks: TaskTracker,
}

impl FakeConnect {
    pub(super) fn begun(&self) -> usize {
        self.begun.borrow().len()
    }

    /// Returns how many conversations are not over yet.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(super) async fn wait_begun(&self, count: usize) {
        let mut begun = self.begun.subscribe();
        begun.wait_for(|it| count <= it.len()).await.unwrap();
    }
}

#[async_trait]
impl Connect for FakeConnect {
    async fn connect(
        &self,
        server: ServerId,
        isolation: &IsolationKey,
    ) -> Result<Connection, ConnectError> {
        let mut number = 0;
        self.begun.send_modify(|it| {
            it.push((server, isolation.clone()));
            number = it.iter().filter(|(it, _)| *it == server).count();
        });
        let script = self.scripts.lock().unwrap().get(&server).cloned();
        let (script, lists) = script.ok_or_else(|| ConnectError {
            reason: "it is not installed".to_owned(),
        })?;
        let input_max = self.input_max.load(Ordering::SeqCst);
        let (to_server, from_gateway) = mpsc::channel(input_max);
        let (to_gateway, from_server) = mpsc::channel(4096);
        let peer = Peer {
            isolation: isolation.clone(),
            number,
            lists,
            inbox: from_gateway,
            outbox: to_gateway.clone(),
            next_id: 100,
        };
        self.tasks.spawn(async move {
            let reason = script(peer).await;
            // The gateway may have hung up first.
            let ended = Incoming::Ended {
                reason,
                refused: None,
            };
            let _sent = to_gateway.send(ended).await;
        });
        self.open.fetch_add(1, Ordering::SeqCst);
        Ok(Connection {
            outbox: Box::new(ToServer {
                lines: Some(to_server),
            }),
            inbox: Box::new(FromServer { lines: from_server }),
            lease: Box::new(Lease(self.open.clone())),
        })
    }
}

struct Lease(Arc<AtomicUsize>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

struct FromServer {
    lines: mpsc::Receiver<Incoming>,
}

#[async_trait]
impl Inbox for FromServer {
    async fn next(&mut self) -> Incoming {
        self.lines.recv().await.unwrap_or_else(|| Incoming::Ended {
            reason: "it closed its output".to_owned(),
            refused: None,
        })
    }
}

struct ToServer {
    lines: Option<mpsc::Sender<Bytes>>,
}

#[async_trait]
impl Outbox for ToServer {
    async fn send(&mut self, outgoing: Outgoing) -> Result<(), TransportError> {
        let line = outgoing.bytes;
        assert!(!line.contains(&b'\n'), "a message has no end of line in it");
        let lines = self.lines.as_ref().expect("nothing is sent after the end");
        let sent = lines.send(line).await;
        sent.map_err(|_| TransportError {
            reason: "the server does not read its input: broken pipe".to_owned(),
            is_over: true,
        })
    }

    async fn close(&mut self) {
        self.lines = None;
    }
}

/// A server's end of a conversation.
pub(super) struct Peer {
    pub(super) isolation: IsolationKey,
    /// Which of the server's conversations this is, from 1.
    pub(super) number: usize,
    pub(super) lists: Lists,
    inbox: mpsc::Receiver<Bytes>,
    outbox: mpsc::Sender<Incoming>,
    next_id: u64,
}

/// What a server got.
#[derive(Debug, Clone)]
pub(super) struct Got {
    pub(super) text: String,
    pub(super) value: Value,
}

impl Got {
    pub(super) fn method(&self) -> &str {
        self.value["method"].as_str().unwrap_or("")
    }

    pub(super) fn params(&self) -> &Value {
        &self.value["params"]
    }

    pub(super) fn id(&self) -> &Value {
        &self.value["id"]
    }

    /// Returns the bytes of the parameters as they came.
    pub(super) fn raw_params(&self) -> Box<RawValue> {
        #[derive(serde::Deserialize)]
        struct Whole {
            params: Box<RawValue>,
        }
        serde_json::from_str::<Whole>(&self.text).unwrap().params
    }
}

impl Peer {
    /// Waits for what the gateway sends, whatever it is.
    pub(super) async fn receive(&mut self) -> Option<Got> {
        let bytes = self.inbox.recv().await?;
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let value = to_value(text.as_bytes());
        Some(Got { text, value })
    }

    /// Answers the hello and the lists, and returns what comes else.
    pub(super) async fn next(&mut self) -> Option<Got> {
        loop {
            let got = self.receive().await?;
            let result = match got.method() {
                "initialize" => self.lists.initialize.clone(),
                "tools/list" => format!(r#"{{"tools":{}}}"#, self.lists.tools),
                "resources/list" => format!(r#"{{"resources":{}}}"#, self.lists.resources),
                "resources/templates/list" => {
                    format!(r#"{{"resourceTemplates":{}}}"#, self.lists.templates)
                }
                "prompts/list" => format!(r#"{{"prompts":{}}}"#, self.lists.prompts),
                "ping" => "{}".to_owned(),
                "notifications/initialized" => continue,
                _ => return Some(got),
            };
            self.answer_raw(&got, &result).await;
        }
    }

    /// As [`next`](Self::next), passing over what has another method.
    pub(super) async fn next_of(&mut self, method: &str) -> Option<Got> {
        loop {
            let got = self.next().await?;
            if got.method() == method {
                return Some(got);
            }
        }
    }

    pub(super) async fn answer_raw(&self, got: &Got, result: &str) {
        let id = got.id();
        self.write(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#
        ))
        .await;
    }

    pub(super) async fn answer(&self, got: &Got, result: Value) {
        self.answer_raw(got, &result.to_string()).await;
    }

    pub(super) async fn fail(&self, got: &Got, error: Value) {
        let id = got.id();
        self.write(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#))
            .await;
    }

    pub(super) async fn tell(&self, method: &str, params: Value) {
        let told = json!({"jsonrpc": "2.0", "method": method, "params": params});
        self.write(told.to_string()).await;
    }

    /// Asks the client something, and returns the server's identifier for it.
    pub(super) async fn ask(&mut self, method: &str, params: Value) -> u64 {
        self.next_id += 1;
        let asked =
            json!({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params});
        self.write(asked.to_string()).await;
        self.next_id
    }

    /// Closes its input, and stays.
    pub(super) fn close_input(&mut self) {
        self.inbox.close();
        while self.inbox.try_recv().is_ok() {}
    }

    /// Waits until the gateway has hung up.
    pub(super) async fn hung_up(&self) {
        self.outbox.closed().await;
    }

    pub(super) async fn write(&self, line: String) {
        self.write_with(None, line).await;
    }

    /// Writes on the stream of the request `related`, as over HTTP.
    pub(super) async fn write_with(&self, related: Option<u64>, line: String) {
        let bytes = line.into();
        self.event(Incoming::Message { bytes, related }).await;
    }

    pub(super) async fn event(&self, event: Incoming) {
        // The gateway may have hung up.
        let _sent = self.outbox.send(event).await;
    }
}

/// Answers each call with the call's own parameters, until the gateway hangs up.
pub(super) async fn echo(mut peer: Peer) -> String {
    while let Some(got) = peer.next().await {
        if !got.id().is_null() && !got.method().is_empty() {
            let params = got.params().clone();
            peer.answer(&got, json!({"content": [], "echo": params}))
                .await;
        }
    }
    "its input was closed".to_owned()
}

/// Reads a message. What is valid JSON and yet nothing that [`Value`] can hold becomes null.
pub(super) fn to_value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| {
        let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(bytes).unwrap();
        let fields = fields.into_iter();
        let values = fields.map(|(key, it)| {
            let value = serde_json::from_str(it.get());
            (key, value.unwrap_or(Value::Null))
        });
        values.collect()
    })
}

/// What a server has.
#[derive(Debug, Clone)]
pub(super) struct Lists {
    pub(super) initialize: String,
    pub(super) tools: String,
    pub(super) resources: String,
    pub(super) templates: String,
    pub(super) prompts: String,
}

impl Lists {
    pub(super) fn new() -> Self {
        let capabilities = json!({"tools": {}, "resources": {}, "prompts": {}, "logging": {}});
        Self {
            initialize: json!({
                "protocolVersion": "2025-11-25",
                "capabilities": capabilities,
                "serverInfo": {"name": "fake", "version": "1"},
                "x-unknown": 12345678901234567890_u64,
            })
            .to_string(),
            tools: r#"[{"name":"echo"},{"name":"look","annotations":{"readOnlyHint":true}}]"#
                .to_owned(),
            resources: "[]".to_owned(),
            templates: "[]".to_owned(),
            prompts: "[]".to_owned(),
        }
    }

    pub(super) fn tools(tools: &str) -> Self {
        Self {
            tools: tools.to_owned(),
            ..Self::new()
        }
    }

    pub(super) fn stored(&self) -> ServerLists {
        let raw = |it: &str| Arc::from(RawValue::from_string(it.to_owned()).unwrap());
        ServerLists {
            by_kind: BTreeMap::from([
                (ListKind::Initialize, raw(&self.initialize)),
                (ListKind::Tools, raw(&self.tools)),
                (ListKind::Resources, raw(&self.resources)),
                (ListKind::ResourceTemplates, raw(&self.templates)),
                (ListKind::Prompts, raw(&self.prompts)),
            ]),
        }
    }
}

pub(super) fn view(name: &str, lists: &Lists) -> ServerView {
    let mut bytes = [0; 16];
    for (at, byte) in name.bytes().take(16).enumerate() {
        bytes[at] = byte;
    }
    ServerView {
        id: ServerId::from_uuid(uuid::Uuid::from_bytes(bytes)),
        slug: slug(name),
        generation: 1,
        isolation: Isolation::Shared,
        start_timeout: Duration::from_secs(60),
        call_timeout: Duration::from_secs(60),
        calls_max: 64,
        keep_warm: false,
        lists: Some(lists.stored()),
        pins: Some(agreed(&lists.stored())),
    }
}

pub(super) fn slug(text: &str) -> ServerSlug {
    ServerSlug::new(text).unwrap()
}

pub(super) fn caller() -> Caller {
    caller_of("owner", 1)
}

pub(super) fn caller_of(principal: &str, token: u128) -> Caller {
    Caller {
        principal: principal.parse::<PrincipalName>().unwrap(),
        token: Some(TokenId::from_uuid(uuid::Uuid::from_u128(token))),
        kind: CallerKind::Client,
        chat: None,
        access: Access::default(),
    }
}

pub(super) fn all_capabilities() -> Value {
    json!({"elicitation": {}, "sampling": {}, "roots": {"listChanged": true}})
}

/// Counts what it is told, and can refuse.
#[derive(Default)]
pub(super) struct FakeRecords {
    pub(super) log: watch::Sender<Vec<String>>,
    /// Servers whose conversations were said to have changed.
    pub(super) changed: watch::Sender<Vec<ServerId>>,
    pub(super) refuses: std::sync::atomic::AtomicBool,
    /// Nobody agrees to lists that are read; else they are agreed to as they are.
    pub(super) keeps_pins: std::sync::atomic::AtomicBool,
    /// Holds whoever writes down how a call ended.
    pub(super) is_held: watch::Sender<bool>,
}

impl FakeRecords {
    pub(super) fn all(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    pub(super) async fn wait_for(&self, line: &str) {
        let mut log = self.log.subscribe();
        log.wait_for(|it| it.iter().any(|it| it == line))
            .await
            .unwrap();
    }

    fn note(&self, line: String) {
        self.log.send_modify(|it| it.push(line));
    }
}

#[async_trait]
impl Records for FakeRecords {
    async fn before_call(&self, call: &CallRecord) -> Result<(), String> {
        tokio::task::yield_now().await;
        if self.refuses.load(Ordering::SeqCst) {
            return Err("the disk is full".to_owned());
        }
        self.note(format!("before {}/{}", call.slug, call.tool));
        Ok(())
    }

    async fn after_call(&self, call: CallRecord, end: CallEnd) {
        let mut held = self.is_held.subscribe();
        held.wait_for(|it| !*it).await.unwrap();
        let (slug, tool, decision, outcome) =
            (&call.slug, &call.tool, &call.decision, &end.outcome);
        let basis = call.basis.as_deref().filter(|it| *it != "setting");
        let basis = basis.map(|it| format!(" ({it})")).unwrap_or_default();
        self.note(format!("after {slug}/{tool} {decision}{basis} {outcome}"));
    }

    async fn lists_read(&self, _server: ServerId, lists: &ServerLists) -> Option<Arc<ServerPins>> {
        let tools = lists.by_kind.get(&ListKind::Tools);
        self.note(format!("lists {}", tools.map_or("-", |it| it.get())));
        (!self.keeps_pins.load(Ordering::SeqCst)).then(|| agreed(lists))
    }

    fn server_changed(&self, server: ServerId) {
        self.changed.send_modify(|it| it.push(server));
    }
}

/// Agrees to all tools in `lists`, and allows them.
pub(super) fn agreed(lists: &ServerLists) -> Arc<ServerPins> {
    let mut pins = ServerPins::default();
    let tools = lists.by_kind.get(&ListKind::Tools);
    for definition in tools.map_or(Vec::new(), |it| elements(it).unwrap()) {
        let Some(name) = Object::parse(definition)
            .ok()
            .and_then(|it| it.text("name"))
        else {
            continue;
        };
        let pinned = PinnedTool {
            pin: ToolPin::of(definition),
            looked_at: true,
            setting: Some(Effect::Allow),
        };
        // Of two with one name, the first is the one that is listed.
        pins.tools.entry(name).or_insert(pinned);
    }
    Arc::new(pins)
}

/// Keeps requests in memory, one for each tool and arguments, and opens no second one.
#[derive(Default)]
pub(super) struct FakeApprovals {
    state: watch::Sender<Vec<FakeApproval>>,
}

#[derive(Debug, Clone)]
pub(super) struct FakeApproval {
    pub(super) id: u128,
    /// The tool and its arguments.
    pub(super) what: String,
    pub(super) verdict: Option<Verdict>,
    /// How many calls may still be made by it.
    uses: u32,
}

impl FakeApprovals {
    pub(super) fn all(&self) -> Vec<FakeApproval> {
        self.state.borrow().clone()
    }

    /// Waits until so many requests were opened.
    pub(super) async fn opened(&self, count: usize) {
        let mut state = self.state.subscribe();
        state.wait_for(|it| count <= it.len()).await.unwrap();
    }

    /// Decides about the newest request; an approval is good for `uses` calls.
    pub(super) fn decide(&self, verdict: Verdict, uses: u32) {
        self.state.send_modify(|all| {
            let last = all.last_mut().unwrap();
            last.verdict = Some(verdict);
            last.uses = uses;
        });
    }
}

#[async_trait]
impl Approvals for FakeApprovals {
    async fn ask(&self, call: &AskedCall<'_>) -> Result<Approval, String> {
        tokio::task::yield_now().await;
        let what = format!("{}/{} {}", call.slug, call.tool, call.arguments);
        let mut answer = None;
        self.state.send_modify(|all| {
            let usable = |it: &&mut FakeApproval| it.what == what && 0 < it.uses;
            if let Some(usable) = all.iter_mut().find(usable) {
                usable.uses -= 1;
                let grant = GrantId::from_uuid(uuid::Uuid::from_u128(usable.id));
                answer = Some(Approval::Granted(grant));
                return;
            }
            let is_open = |it: &&FakeApproval| it.what == what && it.verdict.is_none();
            let id = match all.iter().find(is_open) {
                Some(open) => open.id,
                None => {
                    let id = all.len() as u128 + 1;
                    let (verdict, uses) = (None, 0);
                    let what = what.clone();
                    all.push(FakeApproval {
                        id,
                        what,
                        verdict,
                        uses,
                    });
                    id
                }
            };
            let mut state = self.state.subscribe();
            answer = Some(Approval::Open(OpenApproval {
                id: ApprovalId::from_uuid(uuid::Uuid::from_u128(id)),
                address: format!("http://ui/approvals/{id}"),
                closed: Box::pin(async move {
                    let decided = |all: &Vec<FakeApproval>| {
                        all.iter().any(|it| it.id == id && it.verdict.is_some())
                    };
                    let all = state.wait_for(decided).await.unwrap();
                    let one = all.iter().find(|it| it.id == id).unwrap();
                    one.verdict.clone().unwrap()
                }),
            }));
        });
        Ok(answer.unwrap())
    }

    fn tools_address(&self, server: &ServerSlug) -> String {
        format!("http://ui/servers/{server}")
    }
}

/// Waits until `is_so`, which something that is under way makes true.
pub(super) async fn until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..100_000 {
        if is_so() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it did not come true");
}
