//! Clients of the gateway, and what they are answered.

use bytes::Bytes;
use domain::Caller;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::bed::{Bed, to_value};
use crate::{Gateway, Post, PostReply, Refusal, Scope};

/// A client with a session.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) gateway: Gateway,
    pub(super) caller: Caller,
    pub(super) scope: Scope,
    pub(super) session: Option<String>,
}

/// What came for a POST.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    /// What came before the answer.
    pub(super) before: Vec<Value>,
    /// `None` where nothing was answered.
    pub(super) answer: Option<Value>,
    /// The answer's bytes.
    pub(super) text: String,
}

impl Reply {
    #[track_caller]
    pub(super) fn result(&self) -> &Value {
        let answer = self.answer.as_ref().expect("an answer");
        assert!(answer.get("error").is_none(), "{answer}");
        &answer["result"]
    }

    #[track_caller]
    pub(super) fn error(&self) -> (i64, &str) {
        let error = &self.answer.as_ref().expect("an answer")["error"];
        let code = error["code"].as_i64().expect("an error");
        (code, error["message"].as_str().unwrap())
    }
}

impl Client {
    pub(super) async fn begin(
        bed: &Bed,
        caller: Caller,
        scope: Scope,
        capabilities: Value,
    ) -> Self {
        Self::begin_with(bed, caller, scope, capabilities, "2025-11-25").await
    }

    pub(super) async fn begin_with(
        bed: &Bed,
        caller: Caller,
        scope: Scope,
        capabilities: Value,
        version: &str,
    ) -> Self {
        let mut client = Self {
            gateway: bed.gateway.clone(),
            caller,
            scope,
            session: None,
        };
        let params = json!({"protocolVersion": version, "capabilities": capabilities,
            "clientInfo": {"name": "test", "version": "1"}});
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        match client.post(&body.to_string()).await {
            PostReply::Message { session, .. } => client.session = session,
            other => panic!("{other:?}"),
        }
        assert!(client.session.is_some());
        client.tell("notifications/initialized", json!({})).await;
        client
    }

    pub(super) fn to_post(&self, body: &str) -> Post {
        Post {
            scope: self.scope.clone(),
            caller: self.caller.clone(),
            session: self.session.clone(),
            version: Some("2025-11-25".to_owned()),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    pub(super) async fn post(&self, body: &str) -> PostReply {
        self.gateway.post(self.to_post(body)).await
    }

    /// Sends a request and reads all that comes for it.
    pub(super) async fn request(&self, id: impl Into<Value>, method: &str, params: Value) -> Reply {
        let body = json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params});
        self.send(&body.to_string()).await
    }

    pub(super) async fn call(&self, tool: &str, arguments: Value) -> Reply {
        let params = json!({"name": tool, "arguments": arguments});
        self.request(1, "tools/call", params).await
    }

    pub(super) async fn send(&self, body: &str) -> Reply {
        read(self.post(body).await).await
    }

    /// Sends a request on a task, so that other things can be done meanwhile.
    pub(super) fn spawn(
        &self,
        bed: &Bed,
        id: impl Into<Value>,
        method: &'static str,
        params: Value,
    ) -> tokio::task::JoinHandle<Reply> {
        let (client, id) = (self.clone(), id.into());
        bed.tasks
            .spawn(async move { client.request(id, method, params).await })
    }

    /// Sends a notification.
    pub(super) async fn tell(&self, method: &str, params: Value) {
        let body = json!({"jsonrpc": "2.0", "method": method, "params": params});
        let reply = self.post(&body.to_string()).await;
        assert!(matches!(reply, PostReply::Accepted), "{reply:?}");
    }

    /// Answers a question.
    pub(super) async fn answer(&self, question: &Value, result: Value) {
        let body = json!({"jsonrpc": "2.0", "id": question["id"], "result": result});
        let reply = self.post(&body.to_string()).await;
        assert!(matches!(reply, PostReply::Accepted), "{reply:?}");
    }

    pub(super) fn listen(&self) -> Stream {
        let session = self.session.as_deref();
        let listened = self.gateway.listen(&self.scope, &self.caller, session);
        Stream {
            messages: listened.unwrap().0,
        }
    }

    /// Sends a request whose answer comes as a stream.
    pub(super) async fn open(&self, id: u64, method: &str, params: Value) -> Stream {
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        match self.post(&body.to_string()).await {
            PostReply::Stream(messages) => Stream { messages },
            other => panic!("{other:?}"),
        }
    }
}

/// Messages to a client.
pub(super) struct Stream {
    pub(super) messages: mpsc::Receiver<Bytes>,
}

impl Stream {
    pub(super) async fn next(&mut self) -> Option<Value> {
        let bytes = self.messages.recv().await?;
        Some(to_value(&bytes))
    }

    /// Returns what is there already.
    pub(super) fn rest(&mut self) -> Vec<Value> {
        let mut all = Vec::new();
        while let Ok(bytes) = self.messages.try_recv() {
            all.push(to_value(&bytes));
        }
        all
    }
}

pub(super) async fn read(reply: PostReply) -> Reply {
    let mut reply = match reply {
        PostReply::Accepted => vec![],
        PostReply::Message { bytes, .. } | PostReply::Refused(_, bytes) => vec![bytes],
        PostReply::Stream(mut stream) => {
            let mut all = Vec::new();
            while let Some(bytes) = stream.recv().await {
                all.push(bytes);
            }
            all
        }
    };
    let is_answer = |it: &Bytes| {
        let value = to_value(it);
        value.get("method").is_none()
    };
    let answer = reply.pop_if(|it| is_answer(it));
    Reply {
        before: reply.iter().map(|it| to_value(it)).collect(),
        text: answer
            .as_ref()
            .map_or(String::new(), |it| String::from_utf8(it.to_vec()).unwrap()),
        answer: answer.map(|it| to_value(&it)),
    }
}

#[track_caller]
pub(super) fn refused(reply: PostReply) -> (Refusal, i64, String) {
    let PostReply::Refused(refusal, bytes) = reply else {
        panic!("{reply:?}");
    };
    let error: Value = serde_json::from_slice(&bytes).unwrap();
    let error = &error["error"];
    let message = error["message"].as_str().unwrap().to_owned();
    (refusal, error["code"].as_i64().unwrap(), message)
}
