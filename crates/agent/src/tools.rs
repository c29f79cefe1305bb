use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{event::Question, state::Answered};

/// The tools of a chat. Whoever has them fills this.
#[async_trait]
pub trait Tools: Send + Sync {
    /// Returns the tools that are enabled now. It is asked anew at each step, so that what a tool
    /// enables can be used in the same turn. Where there are too many, the first ones are offered,
    /// so the order has to be the same each time, with what is never to be missing in front.
    ///
    /// Cancel safe.
    async fn list(&self) -> Vec<ToolSpec>;

    /// Makes the call. Whatever fails is a result with `is_error`; only where a call went out and
    /// nobody knows what became of it is the outcome unknown.
    ///
    /// When `cancel` is cancelled it has a moment to end by itself and is dropped then; the outcome
    /// of a call that was dropped is unknown.
    async fn call(
        &self,
        call: &ToolCall,
        progress: ProgressSink,
        cancel: &CancellationToken,
    ) -> ToolOutcome;
}

/// A tool as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// Unique among the chat's tools.
    pub name: String,
    pub title: Option<String>,
    pub description: Option<String>,
    /// The server's own; arguments are checked against this one.
    pub input_schema: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// Unique in the run.
    pub call_id: String,
    /// [`ToolSpec::name`].
    pub tool: String,
    pub arguments: Map<String, Value>,
    /// The approval that allowed it, if it had to be asked for.
    pub approval_id: Option<String>,
    /// Answers to what the server asked when this call was made before.
    pub answers: Vec<Answered>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ToolOutcome {
    Result(ToolResult),
    /// It was not made. It comes again when somebody has allowed it.
    NeedsApproval {
        approval_id: String,
        reason: Option<String>,
    },
    /// The server waits, or has forgotten the call. It comes again, with the answer.
    NeedsAnswer(Question),
    Unknown {
        why: String,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct ToolResult {
    /// The MCP result whole: `content`, `structuredContent` and whatever else came.
    pub content: Value,
    pub is_error: bool,
    /// What people are told of the call; not for the model.
    pub facts: Option<Value>,
}

impl ToolResult {
    /// Returns what the model is told when a call fails on our side.
    pub fn error(message: &str) -> Self {
        Self {
            content: serde_json::json!({ "content": [{ "type": "text", "text": message }] }),
            is_error: true,
            facts: None,
        }
    }
}

/// How far a call is (MCP, "Progress").
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    pub progress: Option<f64>,
    pub total: Option<f64>,
    pub message: Option<String>,
}

/// Takes the progress of one call. What comes faster than it can be kept is dropped.
#[derive(Debug, Clone)]
pub struct ProgressSink {
    call_id: String,
    sender: mpsc::Sender<(String, Progress)>,
}

impl ProgressSink {
    pub fn new(call_id: String, sender: mpsc::Sender<(String, Progress)>) -> Self {
        Self { call_id, sender }
    }

    pub fn send(&self, progress: Progress) {
        // Full or closed: progress is worth nothing when it is late.
        let _kept = self.sender.try_send((self.call_id.clone(), progress));
    }
}
