use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::ModelError;

/// Something that happened in a run. The log of a run is a list of these, each with a number.
///
/// Messages of people are not among them: a run begins where a message has been stored.
///
/// Numbers of parts and identifiers of calls are unique within a run, and a run has one answer, so
/// they are what a view of it needs. Opaque `metadata` is what a provider wants to have back with
/// the part; only its codec looks into it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RunEvent {
    RunStarted {
        provider: String,
        model: String,
    },
    /// A run that had an end goes on.
    RunResumed,
    /// The model is asked for the `step`th time, counted from one.
    StepStarted {
        step: u32,
    },
    TextStarted {
        part: u32,
    },
    TextDelta {
        part: u32,
        text: String,
    },
    TextEnded {
        part: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metadata: Option<Value>,
    },
    ReasoningStarted {
        part: u32,
    },
    ReasoningDelta {
        part: u32,
        text: String,
    },
    ReasoningEnded {
        part: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metadata: Option<Value>,
    },
    /// The model begins to write a call. `tool` is the name that people see, or what the model
    /// wrote where there is no such tool.
    ToolInputStarted {
        call_id: String,
        tool: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    },
    ToolInputDelta {
        call_id: String,
        text: String,
    },
    /// The call is written whole. It may be sent from here on.
    ToolCallReady {
        call_id: String,
        tool: String,
        /// What the model called it, fit for the provider.
        provider_name: String,
        arguments: Value,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metadata: Option<Value>,
    },
    /// What the model wrote is no call: it is cut, or not JSON. This is the call's end.
    ToolInputFailed {
        call_id: String,
        tool: String,
        provider_name: String,
        /// The beginning of what the model wrote.
        input: String,
        message: String,
    },
    /// Logged before it is sent. Where no end of the call follows, its outcome is unknown.
    ToolCallSent {
        call_id: String,
    },
    ToolProgress {
        call_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        progress: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// The call was not made, since somebody has to allow it first.
    ToolApprovalNeeded {
        call_id: String,
        approval_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// "No" is the call's end.
    ToolApprovalAnswered {
        call_id: String,
        approval_id: String,
        approved: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
        /// What is sent in place of the model's arguments.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arguments: Option<Value>,
        /// What the model is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The server wants to know something before it goes on with the call.
    ElicitationAsked {
        call_id: String,
        #[serde(flatten)]
        question: Question,
    },
    ElicitationAnswered {
        call_id: String,
        elicitation_id: String,
        action: ElicitationAction,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<Value>,
    },
    /// The call's end.
    ToolResult {
        call_id: String,
        /// The MCP result, bounded.
        content: Value,
        is_error: bool,
        duration_ms: u64,
        /// What the bound took away, in bytes.
        #[serde(default)]
        cut_bytes: u64,
        /// What people are told of the call (server, rule and the like); not for the model.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        facts: Option<Value>,
    },
    /// The call was not made, and this is its end.
    ToolCallRefused {
        call_id: String,
        why: RefusedWhy,
        message: String,
    },
    /// The call was sent, and nobody knows what became of it. This is its end.
    ToolOutcomeUnknown {
        call_id: String,
        why: String,
    },
    /// The model's part of a step is over. Results of its calls follow.
    StepFinished {
        step: u32,
        usage: Usage,
        finish: FinishReason,
    },
    Notice {
        kind: NoticeKind,
        text: String,
    },
    /// No call of a run that has an end waits for anything.
    RunFinished {
        end: RunEnd,
    },
}

/// Why a call was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedWhy {
    /// There is no such tool.
    Missing,
    /// The arguments do not fit the tool's schema.
    Arguments,
    /// The model wants more calls at once than it may.
    TooMany,
    /// The run ended before.
    RunEnded,
}

/// A question of a server (MCP, "Elicitation"): a form by its schema, or an address to visit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    pub elicitation_id: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What whoever makes the call wants back with the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ElicitationAction {
    Accept,
    Decline,
    Cancel,
}

/// What a step cost, as far as the provider told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Of the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// Of the input, what the provider had already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
}

/// Why the model stopped writing. What we do not know is `Other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    Stop,
    Length,
    ContentFilter,
    ToolCalls,
    /// The stream was cut, by us or by the other side.
    Cut,
    Other,
}

/// What a notice is about, for a program. Its text is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The model did not see all of the conversation, or may not have.
    ContextCut,
    ToolsLeftOut,
    ImagesLeftOut,
    /// The model cannot call tools and was asked without them.
    NoToolSupport,
    /// The provider asked for patience.
    Waiting,
    /// The answer ended before the model wanted to.
    AnswerCut,
    AnswerEmpty,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum RunEnd {
    Complete,
    /// Somebody stopped it.
    Stopped,
    /// The model wanted to go on for longer than it may.
    StepsMax {
        steps_max: u32,
    },
    Failed {
        error: ModelError,
    },
    /// The program ended in the middle of it.
    Interrupted,
}

impl RunEvent {
    /// Returns whether the event may be joined with its like or lost in a crash. Anything else is
    /// durable, with all that came before it, when [`Log::append`](crate::Log::append) returns.
    pub const fn is_delta(&self) -> bool {
        matches!(
            self,
            Self::TextDelta { .. }
                | Self::ReasoningDelta { .. }
                | Self::ToolInputDelta { .. }
                | Self::ToolProgress { .. }
        )
    }

    /// Returns the call that the event is about, if it is about one.
    pub fn call_id(&self) -> Option<&str> {
        match self {
            Self::ToolInputStarted { call_id, .. }
            | Self::ToolInputDelta { call_id, .. }
            | Self::ToolCallReady { call_id, .. }
            | Self::ToolInputFailed { call_id, .. }
            | Self::ToolCallSent { call_id }
            | Self::ToolProgress { call_id, .. }
            | Self::ToolApprovalNeeded { call_id, .. }
            | Self::ToolApprovalAnswered { call_id, .. }
            | Self::ElicitationAsked { call_id, .. }
            | Self::ElicitationAnswered { call_id, .. }
            | Self::ToolResult { call_id, .. }
            | Self::ToolCallRefused { call_id, .. }
            | Self::ToolOutcomeUnknown { call_id, .. } => Some(call_id),
            _ => None,
        }
    }

    /// Takes `next` in if both are pieces of one text, else gives it back.
    fn join(&mut self, next: Self) -> Option<Self> {
        match (&mut *self, next) {
            (Self::TextDelta { part, text }, Self::TextDelta { part: p, text: t })
            | (Self::ReasoningDelta { part, text }, Self::ReasoningDelta { part: p, text: t })
                if *part == p =>
            {
                text.push_str(&t);
                None
            }
            (
                Self::ToolInputDelta { call_id, text },
                Self::ToolInputDelta {
                    call_id: c,
                    text: t,
                },
            ) if *call_id == c => {
                text.push_str(&t);
                None
            }
            (_, next) => Some(next),
        }
    }
}

/// Joins neighbouring pieces of one text. The fold of what comes back is that of what went in.
pub fn joined(events: Vec<RunEvent>) -> Vec<RunEvent> {
    let mut out: Vec<RunEvent> = Vec::with_capacity(events.len());
    for event in events {
        let rest = match out.last_mut() {
            Some(last) => last.join(event),
            None => Some(event),
        };
        out.extend(rest);
    }
    out
}

impl Usage {
    /// Adds `other`. What neither knows stays unknown.
    pub fn add(&mut self, other: &Self) {
        fn sum(a: &mut Option<u64>, b: Option<u64>) {
            *a = match (*a, b) {
                (Some(a), Some(b)) => Some(a.saturating_add(b)),
                (a, b) => a.or(b),
            };
        }
        let Self {
            input_tokens,
            output_tokens,
            reasoning_tokens,
            cached_tokens,
        } = other;
        sum(&mut self.input_tokens, *input_tokens);
        sum(&mut self.output_tokens, *output_tokens);
        sum(&mut self.reasoning_tokens, *reasoning_tokens);
        sum(&mut self.cached_tokens, *cached_tokens);
    }
}
