//! An MCP server elsewhere, for the gateway to call.

use std::net::SocketAddr;

use axum::{
    Router,
    body::Bytes,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

/// What `odd` answers: bytes that only survive if nobody reads and writes them anew.
pub(super) const ODD_RESULT: &str =
    r#"{"content":[ ],  "big":12345678901234567890.0100,"\u0061":1e2}"#;

/// It ends when it is dropped.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Upstream {
    pub(super) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let router = Router::new().route("/mcp", post(answer));
            let serve = crate::serve(listener, router, Default::default());
            serve.await.unwrap();
        });
        Self {
            address,
            _tasks: tasks,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}

pub(super) async fn answer(body: Bytes) -> Response {
    let message: Value = serde_json::from_slice(&body).unwrap();
    let Some(id) = message.get("id") else {
        return StatusCode::ACCEPTED.into_response();
    };
    let result = match message["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": "2025-06-18",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "upstream", "version": "1" },
        }),
        Some("tools/list") => {
            let tools = ["odd", "fails"].map(|name| {
                json!({
                    "name": name,
                    "inputSchema": { "type": "object" },
                    "annotations": { "readOnlyHint": true },
                })
            });
            json!({ "tools": tools })
        }
        Some("tools/call") => return call(id, &message["params"]),
        _ => {
            let error = json!({ "code": -32601, "message": "no such method" });
            let answer = json!({ "jsonrpc": "2.0", "id": id, "error": error });
            return as_json(answer.to_string());
        }
    };
    as_json(json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string())
}

fn call(id: &Value, params: &Value) -> Response {
    let result = match params["name"].as_str() {
        Some("fails") => r#"{"content":[{"type":"text","text":"no"}],"isError":true}"#,
        _ => ODD_RESULT,
    };
    let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    let token = &params["_meta"]["progressToken"];
    if token.is_null() {
        return as_json(answer);
    }
    let progress = json!({
        "jsonrpc": "2.0",
        "method": "notifications/progress",
        "params": { "progressToken": token, "progress": 1 },
    });
    let events = format!("data: {progress}\n\ndata: {answer}\n\n");
    ([(header::CONTENT_TYPE, "text/event-stream")], events).into_response()
}

pub(super) fn as_json(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
