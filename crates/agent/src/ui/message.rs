use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Chunk, DataPart, chunks};
use crate::event::RunEvent;

/// A message as the AI SDK's own reader puts it together from the chunks of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UiMessage {
    pub id: String,
    /// Always `assistant`.
    pub role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    pub parts: Vec<UiPart>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum UiPart {
    StepStart,
    Text {
        text: String,
        state: PartState,
    },
    Reasoning {
        id: String,
        text: String,
        state: PartState,
    },
    DynamicTool(ToolPart),
    #[serde(untagged)]
    Data(DataPart),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartState {
    Streaming,
    Done,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolPart {
    pub tool_name: String,
    pub tool_call_id: String,
    /// `input-streaming`, `input-available`, `approval-requested`, `approval-responded`,
    /// `output-available`, `output-error` or `output-denied`.
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ToolApproval>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolApproval {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Puts a message together from chunks, as a browser does.
#[derive(Debug, Clone, PartialEq)]
pub struct Reader {
    pub message: UiMessage,
    /// Identifiers of texts that are being written, with their places among the parts.
    open: Vec<(String, usize)>,
    /// Chunks that made no sense where they came.
    pub ignored: usize,
}

impl UiMessage {
    /// Returns the message that a run is, from its log.
    pub fn of<'a>(message_id: &str, events: impl IntoIterator<Item = &'a RunEvent>) -> Self {
        let mut reader = Reader::new(message_id);
        for event in events {
            for chunk in chunks(message_id, event) {
                reader.apply(chunk);
            }
        }
        reader.message
    }
}

impl Reader {
    pub fn new(message_id: &str) -> Self {
        Self {
            message: UiMessage {
                id: message_id.to_owned(),
                role: "assistant".to_owned(),
                metadata: None,
                parts: Vec::new(),
            },
            open: Vec::new(),
            ignored: 0,
        }
    }

    pub fn apply(&mut self, chunk: Chunk) {
        match chunk {
            Chunk::Start {
                message_id,
                message_metadata,
            } => {
                self.message.id = message_id;
                if message_metadata.is_some() {
                    self.message.metadata = message_metadata;
                }
            }
            Chunk::StartStep => self.message.parts.push(UiPart::StepStart),
            Chunk::FinishStep => self.open.clear(),
            Chunk::Finish { .. } | Chunk::Abort { .. } | Chunk::Error { .. } => {}
            Chunk::Data(data) => self.data(data),
            chunk @ (Chunk::TextStart { .. }
            | Chunk::TextDelta { .. }
            | Chunk::TextEnd { .. }
            | Chunk::ReasoningStart { .. }
            | Chunk::ReasoningDelta { .. }
            | Chunk::ReasoningEnd { .. }) => self.text(chunk),
            chunk => self.tool(chunk),
        }
    }

    fn data(&mut self, data: DataPart) {
        let id = data_id(&data).map(str::to_owned);
        let same = self.message.parts.iter_mut().find_map(|it| match it {
            UiPart::Data(there)
                if std::mem::discriminant(there) == std::mem::discriminant(&data)
                    && id.is_some()
                    && data_id(there) == id.as_deref() =>
            {
                Some(there)
            }
            _ => None,
        });
        match same {
            Some(there) => *there = data,
            None => self.message.parts.push(UiPart::Data(data)),
        }
    }

    fn text(&mut self, chunk: Chunk) {
        let (text, state) = (String::new(), PartState::Streaming);
        match chunk {
            Chunk::TextStart { id } => self.start(id, UiPart::Text { text, state }),
            Chunk::ReasoningStart { id } => {
                let part = UiPart::Reasoning {
                    id: id.clone(),
                    text,
                    state,
                };
                self.start(id, part);
            }
            Chunk::TextDelta { id, delta } | Chunk::ReasoningDelta { id, delta } => {
                match self.open_text(&id) {
                    Some((text, _)) => text.push_str(&delta),
                    None => self.ignored += 1,
                }
            }
            Chunk::TextEnd { id } | Chunk::ReasoningEnd { id } => match self.open_text(&id) {
                Some((_, state)) => {
                    *state = PartState::Done;
                    self.open.retain(|it| it.0 != id);
                }
                None => self.ignored += 1,
            },
            _ => self.ignored += 1,
        }
    }

    fn start(&mut self, id: String, part: UiPart) {
        self.open.push((id, self.message.parts.len()));
        self.message.parts.push(part);
    }

    fn open_text(&mut self, id: &str) -> Option<(&mut String, &mut PartState)> {
        let (_, place) = self.open.iter().rev().find(|it| it.0 == id)?;
        match self.message.parts.get_mut(*place) {
            Some(UiPart::Text { text, state } | UiPart::Reasoning { text, state, .. }) => {
                Some((text, state))
            }
            _ => None,
        }
    }

    fn tool(&mut self, chunk: Chunk) {
        match chunk {
            Chunk::ToolInputStart {
                tool_call_id,
                tool_name,
                title,
                ..
            } => {
                let mut part = ToolPart::new(tool_call_id, tool_name);
                part.title = title;
                self.message.parts.push(UiPart::DynamicTool(part));
            }
            Chunk::ToolInputDelta { tool_call_id, .. } => {
                // A browser shows the arguments as far as they are written; they are kept when they
                // are whole.
                if self.part(&tool_call_id).is_none() {
                    self.ignored += 1;
                }
            }
            Chunk::ToolApprovalResponse {
                approval_id,
                approved,
                reason,
            } => self.approval_response(&approval_id, approved, reason),
            chunk => self.change_part(chunk),
        }
    }

    fn approval_response(&mut self, approval_id: &str, approved: bool, reason: Option<String>) {
        let asked = self.message.parts.iter_mut().rev().find_map(|it| match it {
            UiPart::DynamicTool(part) => part
                .approval
                .as_ref()
                .is_some_and(|it| it.id == approval_id)
                .then_some(part),
            _ => None,
        });
        let Some(part) = asked else {
            self.ignored += 1;
            return;
        };
        "approval-responded".clone_into(&mut part.state);
        part.approval = Some(ToolApproval {
            id: approval_id.to_owned(),
            approved: Some(approved),
            reason,
        });
    }

    fn change_part(&mut self, chunk: Chunk) {
        let (Chunk::ToolInputAvailable { tool_call_id, .. }
        | Chunk::ToolInputError { tool_call_id, .. }
        | Chunk::ToolApprovalRequest { tool_call_id, .. }
        | Chunk::ToolOutputAvailable { tool_call_id, .. }
        | Chunk::ToolOutputError { tool_call_id, .. }
        | Chunk::ToolOutputDenied { tool_call_id }) = &chunk
        else {
            self.ignored += 1;
            return;
        };
        let Some(part) = self.part(tool_call_id) else {
            self.ignored += 1;
            return;
        };
        part.apply(chunk);
    }

    fn part(&mut self, tool_call_id: &str) -> Option<&mut ToolPart> {
        let mut parts = self.message.parts.iter_mut().rev();
        parts.find_map(|it| match it {
            UiPart::DynamicTool(part) if part.tool_call_id == tool_call_id => Some(part),
            _ => None,
        })
    }
}

impl ToolPart {
    fn new(tool_call_id: String, tool_name: String) -> Self {
        Self {
            tool_name,
            tool_call_id,
            state: "input-streaming".to_owned(),
            title: None,
            input: None,
            output: None,
            error_text: None,
            approval: None,
        }
    }

    fn apply(&mut self, chunk: Chunk) {
        let state = match chunk {
            Chunk::ToolInputAvailable { input, .. } => {
                self.input = Some(input);
                "input-available"
            }
            Chunk::ToolInputError {
                input, error_text, ..
            } => {
                self.input = Some(input);
                self.error_text = Some(error_text);
                "output-error"
            }
            Chunk::ToolApprovalRequest {
                approval_id,
                reason,
                ..
            } => {
                self.approval = Some(ToolApproval {
                    id: approval_id,
                    approved: None,
                    reason,
                });
                "approval-requested"
            }
            Chunk::ToolOutputAvailable { output, .. } => {
                self.output = Some(output);
                "output-available"
            }
            Chunk::ToolOutputError { error_text, .. } => {
                self.error_text = Some(error_text);
                "output-error"
            }
            Chunk::ToolOutputDenied { .. } => "output-denied",
            _ => return,
        };
        state.clone_into(&mut self.state);
    }
}

fn data_id(data: &DataPart) -> Option<&str> {
    match data {
        DataPart::Notice { .. } => None,
        DataPart::Usage { id, .. }
        | DataPart::Progress { id, .. }
        | DataPart::Approval { id, .. }
        | DataPart::Elicitation { id, .. }
        | DataPart::ElicitationAnswer { id, .. }
        | DataPart::Outcome { id, .. }
        | DataPart::End { id, .. } => Some(id),
    }
}
