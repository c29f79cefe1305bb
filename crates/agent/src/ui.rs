//! A run as a browser reads it: the AI SDK's UI message stream (version 7, "Stream Protocols").
//!
//! Each event becomes its chunks without a look at any other, so a stream may begin after any event:
//! who has read up to there goes on, and who reads from the start gets the same message. One run is
//! one message of the assistant's. What the protocol has no word for is a `data-…` part, whose inside
//! is written as the rest of the API is.
//!
//! A call's arguments as a person edited them are in `data-approval`; the protocol's own part keeps
//! what the model wrote.

mod message;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::message::{PartState, Reader, ToolApproval, ToolPart, UiMessage, UiPart};
use crate::{
    conversation::result_text,
    event::{ElicitationAction, FinishReason, NoticeKind, RunEnd, RunEvent, Usage},
};

/// The name of the response header that says which protocol this is, and its value.
pub const STREAM_HEADER: (&str, &str) = ("x-vercel-ai-ui-message-stream", "v1");
/// What a stream's last `data:` says.
pub const STREAM_END: &str = "[DONE]";

/// One piece of a UI message stream, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Chunk {
    Start {
        message_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_metadata: Option<Value>,
    },
    Finish {
        finish_reason: UiFinishReason,
    },
    Abort {
        reason: String,
    },
    Error {
        error_text: String,
    },
    StartStep,
    FinishStep,
    TextStart {
        id: String,
    },
    TextDelta {
        id: String,
        delta: String,
    },
    TextEnd {
        id: String,
    },
    ReasoningStart {
        id: String,
    },
    ReasoningDelta {
        id: String,
        delta: String,
    },
    ReasoningEnd {
        id: String,
    },
    ToolInputStart {
        tool_call_id: String,
        tool_name: String,
        dynamic: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    },
    ToolInputDelta {
        tool_call_id: String,
        input_text_delta: String,
    },
    ToolInputAvailable {
        tool_call_id: String,
        tool_name: String,
        input: Value,
        dynamic: bool,
    },
    ToolInputError {
        tool_call_id: String,
        tool_name: String,
        input: Value,
        error_text: String,
        dynamic: bool,
    },
    ToolApprovalRequest {
        approval_id: String,
        tool_call_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    ToolApprovalResponse {
        approval_id: String,
        approved: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    ToolOutputAvailable {
        tool_call_id: String,
        /// The MCP result.
        output: Value,
        dynamic: bool,
    },
    ToolOutputError {
        tool_call_id: String,
        error_text: String,
        dynamic: bool,
    },
    ToolOutputDenied {
        tool_call_id: String,
    },
    #[serde(untagged)]
    Data(DataPart),
}

/// What the protocol has no word for. A part with the `id` of one that is there replaces it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum DataPart {
    #[serde(rename = "data-notice")]
    Notice { data: NoticeData },
    /// One for each step.
    #[serde(rename = "data-usage")]
    Usage { id: String, data: UsageData },
    /// One for each call, the last one.
    #[serde(rename = "data-progress")]
    Progress { id: String, data: ProgressData },
    #[serde(rename = "data-approval")]
    Approval { id: String, data: ApprovalData },
    #[serde(rename = "data-elicitation")]
    Elicitation { id: String, data: ElicitationData },
    #[serde(rename = "data-elicitation-answer")]
    ElicitationAnswer { id: String, data: AnswerData },
    /// One for each call that has an end.
    #[serde(rename = "data-outcome")]
    Outcome { id: String, data: OutcomeData },
    /// One for the run.
    #[serde(rename = "data-end")]
    End { id: String, data: EndData },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoticeData {
    pub kind: NoticeKind,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageData {
    pub step: u32,
    pub finish: FinishReason,
    pub usage: Usage,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProgressData {
    pub call_id: String,
    pub progress: Option<f64>,
    pub total: Option<f64>,
    pub message: Option<String>,
}

/// What the protocol's own answer to an approval does not say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalData {
    pub call_id: String,
    pub by: Option<String>,
    pub scope: Option<String>,
    /// What was sent in place of the model's arguments.
    pub arguments: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ElicitationData {
    pub call_id: String,
    pub message: String,
    pub schema: Option<Value>,
    pub url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerData {
    pub call_id: String,
    pub action: ElicitationAction,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutcomeData {
    pub outcome: Outcome,
    pub duration_ms: Option<u64>,
    pub cut_bytes: u64,
    pub facts: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done,
    /// The tool reports an error.
    Error,
    /// The call was not made.
    Refused,
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EndData {
    /// The run had an end and goes on.
    Resumed {
        resumed: bool,
    },
    End(RunEnd),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UiFinishReason {
    Stop,
    Error,
    Interrupted,
    Other,
}

/// Returns the chunks of one event of the run that is the message `message_id`.
pub fn chunks(message_id: &str, event: &RunEvent) -> Vec<Chunk> {
    match event {
        RunEvent::RunStarted { provider, model } => vec![Chunk::Start {
            message_id: message_id.to_owned(),
            message_metadata: Some(json!({ "provider": provider, "model": model })),
        }],
        RunEvent::RunResumed => vec![
            Chunk::Start {
                message_id: message_id.to_owned(),
                message_metadata: None,
            },
            end(EndData::Resumed { resumed: true }),
        ],
        RunEvent::StepStarted { .. } => vec![Chunk::StartStep],
        RunEvent::StepFinished {
            step,
            usage,
            finish,
        } => vec![
            Chunk::FinishStep,
            Chunk::Data(DataPart::Usage {
                id: format!("usage-{step}"),
                data: UsageData {
                    step: *step,
                    finish: *finish,
                    usage: *usage,
                },
            }),
        ],
        RunEvent::Notice { kind, text } => vec![Chunk::Data(DataPart::Notice {
            data: NoticeData {
                kind: *kind,
                text: text.clone(),
            },
        })],
        RunEvent::RunFinished { end } => end_chunks(end),
        event => text_chunk(event)
            .map(|it| vec![it])
            .or_else(|| input_chunk(event).map(|it| vec![it]))
            .unwrap_or_else(|| call_chunks(event)),
    }
}

fn end(data: EndData) -> Chunk {
    let id = "end".to_owned();
    Chunk::Data(DataPart::End { id, data })
}

fn end_chunks(it: &RunEnd) -> Vec<Chunk> {
    let data = end(EndData::End(it.clone()));
    let finish = |finish_reason| Chunk::Finish { finish_reason };
    match it {
        RunEnd::Complete => vec![data, finish(UiFinishReason::Stop)],
        RunEnd::Stopped => {
            let reason = "stopped".to_owned();
            vec![data, Chunk::Abort { reason }]
        }
        RunEnd::StepsMax { .. } => vec![data, finish(UiFinishReason::Other)],
        RunEnd::Interrupted => vec![data, finish(UiFinishReason::Interrupted)],
        RunEnd::Failed { error } => {
            let error_text = error.message.clone();
            let error = Chunk::Error { error_text };
            vec![data, error, finish(UiFinishReason::Error)]
        }
    }
}

fn text_chunk(event: &RunEvent) -> Option<Chunk> {
    Some(match event {
        RunEvent::TextStarted { part } => Chunk::TextStart {
            id: part.to_string(),
        },
        RunEvent::TextDelta { part, text } => Chunk::TextDelta {
            id: part.to_string(),
            delta: text.clone(),
        },
        RunEvent::TextEnded { part, .. } => Chunk::TextEnd {
            id: part.to_string(),
        },
        RunEvent::ReasoningStarted { part } => Chunk::ReasoningStart {
            id: part.to_string(),
        },
        RunEvent::ReasoningDelta { part, text } => Chunk::ReasoningDelta {
            id: part.to_string(),
            delta: text.clone(),
        },
        RunEvent::ReasoningEnded { part, .. } => Chunk::ReasoningEnd {
            id: part.to_string(),
        },
        _ => return None,
    })
}

fn input_chunk(event: &RunEvent) -> Option<Chunk> {
    Some(match event {
        RunEvent::ToolInputStarted {
            call_id,
            tool,
            title,
        } => Chunk::ToolInputStart {
            tool_call_id: call_id.clone(),
            tool_name: tool.clone(),
            dynamic: true,
            title: title.clone(),
        },
        RunEvent::ToolInputDelta { call_id, text } => Chunk::ToolInputDelta {
            tool_call_id: call_id.clone(),
            input_text_delta: text.clone(),
        },
        RunEvent::ToolCallReady {
            call_id,
            tool,
            arguments,
            ..
        } => Chunk::ToolInputAvailable {
            tool_call_id: call_id.clone(),
            tool_name: tool.clone(),
            input: arguments.clone(),
            dynamic: true,
        },
        RunEvent::ToolInputFailed {
            call_id,
            tool,
            input,
            message,
            ..
        } => Chunk::ToolInputError {
            tool_call_id: call_id.clone(),
            tool_name: tool.clone(),
            input: Value::String(input.clone()),
            error_text: message.clone(),
            dynamic: true,
        },
        _ => return None,
    })
}

/// What happens to a call that is written whole.
fn call_chunks(event: &RunEvent) -> Vec<Chunk> {
    match event {
        RunEvent::ToolProgress {
            call_id,
            progress,
            total,
            message,
        } => vec![Chunk::Data(DataPart::Progress {
            id: format!("progress-{call_id}"),
            data: ProgressData {
                call_id: call_id.clone(),
                progress: *progress,
                total: *total,
                message: message.clone(),
            },
        })],
        RunEvent::ToolResult { .. }
        | RunEvent::ToolCallRefused { .. }
        | RunEvent::ToolOutcomeUnknown { .. } => outcome_chunks(event),
        _ => question_chunks(event),
    }
}

/// What a person has to do with a call, and has done.
fn question_chunks(event: &RunEvent) -> Vec<Chunk> {
    match event {
        RunEvent::ToolApprovalNeeded {
            call_id,
            approval_id,
            reason,
        } => vec![Chunk::ToolApprovalRequest {
            approval_id: approval_id.clone(),
            tool_call_id: call_id.clone(),
            reason: reason.clone(),
        }],
        RunEvent::ToolApprovalAnswered {
            call_id,
            approval_id,
            approved,
            by,
            scope,
            arguments,
            reason,
        } => {
            let response = Chunk::ToolApprovalResponse {
                approval_id: approval_id.clone(),
                approved: *approved,
                reason: reason.clone(),
            };
            let data = Chunk::Data(DataPart::Approval {
                id: format!("approval-{approval_id}"),
                data: ApprovalData {
                    call_id: call_id.clone(),
                    by: by.clone(),
                    scope: scope.clone(),
                    arguments: arguments.clone(),
                },
            });
            let denied = (!approved).then(|| Chunk::ToolOutputDenied {
                tool_call_id: call_id.clone(),
            });
            [response, data].into_iter().chain(denied).collect()
        }
        RunEvent::ElicitationAsked { call_id, question } => {
            vec![Chunk::Data(DataPart::Elicitation {
                id: question.elicitation_id.clone(),
                data: ElicitationData {
                    call_id: call_id.clone(),
                    message: question.message.clone(),
                    schema: question.schema.clone(),
                    url: question.url.clone(),
                },
            })]
        }
        RunEvent::ElicitationAnswered {
            call_id,
            elicitation_id,
            action,
            ..
        } => vec![Chunk::Data(DataPart::ElicitationAnswer {
            id: elicitation_id.clone(),
            data: AnswerData {
                call_id: call_id.clone(),
                action: *action,
            },
        })],
        _ => Vec::new(),
    }
}

fn outcome_chunks(event: &RunEvent) -> Vec<Chunk> {
    let failed = |call_id: &String, text: &str| Chunk::ToolOutputError {
        tool_call_id: call_id.clone(),
        error_text: text.to_owned(),
        dynamic: true,
    };
    let without_result = |outcome| OutcomeData {
        outcome,
        duration_ms: None,
        cut_bytes: 0,
        facts: None,
    };
    let (call_id, output, data) = match event {
        RunEvent::ToolResult {
            call_id,
            content,
            is_error,
            duration_ms,
            cut_bytes,
            facts,
        } => {
            let output = if *is_error {
                failed(call_id, &result_text(content))
            } else {
                Chunk::ToolOutputAvailable {
                    tool_call_id: call_id.clone(),
                    output: content.clone(),
                    dynamic: true,
                }
            };
            let outcome = if *is_error {
                Outcome::Error
            } else {
                Outcome::Done
            };
            let data = OutcomeData {
                outcome,
                duration_ms: Some(*duration_ms),
                cut_bytes: *cut_bytes,
                facts: facts.clone(),
            };
            (call_id, output, data)
        }
        RunEvent::ToolCallRefused {
            call_id, message, ..
        } => {
            let output = failed(call_id, message);
            (call_id, output, without_result(Outcome::Refused))
        }
        RunEvent::ToolOutcomeUnknown { call_id, why } => {
            let output = failed(call_id, &format!("the outcome is unknown: {why}"));
            (call_id, output, without_result(Outcome::Unknown))
        }
        _ => return Vec::new(),
    };
    let id = format!("outcome-{call_id}");
    vec![output, Chunk::Data(DataPart::Outcome { id, data })]
}

#[cfg(test)]
mod tests;
