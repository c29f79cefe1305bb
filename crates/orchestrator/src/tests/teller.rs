//! An MCP server elsewhere that tells the tools that a test gives it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use domain::{PrincipalName, ServerSlug, ServerSpec, Source};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::bed::{House, package, person};
use crate::AddServer;

/// It ends when it is dropped.
pub(crate) struct Teller {
    address: SocketAddr,
    state: Told,
    _tasks: JoinSet<()>,
}

#[derive(Clone, Default)]
struct Told {
    tools: Arc<Mutex<Vec<Value>>>,
    calls: Arc<Mutex<Vec<Value>>>,
}

impl Teller {
    pub(crate) async fn new(tools: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Told::default();
        *state.tools.lock().unwrap() = tools.to_vec();
        let router = Router::new().route("/mcp", post(answer));
        let router = router.with_state(state.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            state,
            _tasks: tasks,
        }
    }

    /// Adds it to a program, and waits until its tools are known.
    pub(crate) async fn add_to(&self, house: &House, slug: &str) {
        let source = Source::Remote {
            url: format!("http://{}/mcp", self.address),
            headers: Default::default(),
        };
        let add = AddServer {
            slug: Some(ServerSlug::new(slug).unwrap()),
            spec: ServerSpec::new(source),
            ..package("x")
        };
        let added = house.orchestrator.add_server(add, &person()).await;
        added.unwrap();
        refresh(house, slug).await;
    }

    /// Tells other tools, and waits until the program has heard of them.
    pub(crate) async fn tell(&self, house: &House, slug: &str, tools: &[Value]) {
        self.change(tools);
        refresh(house, slug).await;
    }

    /// Tells other tools when it is asked the next time.
    pub(crate) fn change(&self, tools: &[Value]) {
        *self.state.tools.lock().unwrap() = tools.to_vec();
    }

    /// Returns what was called since this was asked last: `tool arguments`.
    pub(crate) fn take_calls(&self) -> Vec<String> {
        let calls = std::mem::take(&mut *self.state.calls.lock().unwrap());
        let text = |it: &Value| format!("{} {}", it["name"].as_str().unwrap(), it["arguments"]);
        calls.iter().map(text).collect()
    }
}

async fn refresh(house: &House, slug: &str) {
    let (slug, owner) = (ServerSlug::new(slug).unwrap(), PrincipalName::owner());
    let refreshed = house.orchestrator.gateway().refresh(&slug, &owner);
    refreshed.await.unwrap();
}

async fn answer(State(told): State<Told>, Json(message): Json<Value>) -> axum::response::Response {
    let result = match message["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": "2025-06-18",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "teller", "version": "1" },
        }),
        Some("tools/list") => json!({ "tools": *told.tools.lock().unwrap() }),
        Some("tools/call") => {
            told.calls.lock().unwrap().push(message["params"].clone());
            json!({ "content": [{ "type": "text", "text": "done" }] })
        }
        _ => return StatusCode::ACCEPTED.into_response(),
    };
    Json(json!({ "jsonrpc": "2.0", "id": message["id"], "result": result })).into_response()
}
