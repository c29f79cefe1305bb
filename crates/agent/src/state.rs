use serde_json::Value;

use crate::{
    event::{
        ElicitationAction, FinishReason, NoticeKind, Question, RefusedWhy, RunEnd, RunEvent, Usage,
    },
    tools::Progress,
};

/// What a run is: the fold of its log.
///
/// Two pieces of a text are as good as one that joins them, so it does not matter how whoever
/// stores deltas joins them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunState {
    pub provider: String,
    pub model: String,
    /// In the order in which they began.
    pub parts: Vec<Part>,
    /// Of all steps.
    pub usage: Usage,
    /// Of the last step that told it.
    pub step_usage: Usage,
    /// The number of the last step.
    pub step: u32,
    /// Steps since the run began or somebody let it go on.
    pub turn_steps: u32,
    /// Calls of tools that are not there since then.
    pub missing_tool_calls: u32,
    pub started: bool,
    pub step_open: bool,
    /// How the last step ended; nothing after somebody let the run go on.
    pub finish: Option<FinishReason>,
    pub end: Option<RunEnd>,
    parts_made: u32,
    calls_made: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// A step begins here.
    Step {
        step: u32,
    },
    Text(Text),
    Reasoning(Text),
    Call(Box<Call>),
    Notice {
        kind: NoticeKind,
        text: String,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    pub part: u32,
    pub text: String,
    /// More may come.
    pub open: bool,
    pub metadata: Option<Value>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub call_id: String,
    /// The name that people see.
    pub tool: String,
    pub title: Option<String>,
    pub provider_name: String,
    /// What the model has written so far; empty when `arguments` is there.
    pub input: String,
    /// What is sent.
    pub arguments: Option<Value>,
    pub metadata: Option<Value>,
    pub state: CallState,
    pub progress: Option<Progress>,
    /// The last one that was asked for.
    pub approval: Option<Approval>,
    pub answers: Vec<Answered>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum CallState {
    /// The model is writing it.
    Input,
    /// It may be sent: it was not yet, or somebody has allowed or answered what it waited for.
    Ready,
    Sent,
    NeedsApproval,
    NeedsAnswer(Question),
    Done {
        content: Value,
        is_error: bool,
        duration_ms: u64,
        cut_bytes: u64,
        facts: Option<Value>,
    },
    Denied,
    Refused {
        why: RefusedWhy,
        message: String,
    },
    InputFailed {
        message: String,
    },
    Unknown {
        why: String,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    pub approval_id: String,
    pub reason: Option<String>,
    pub answer: Option<ApprovalAnswer>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ApprovalAnswer {
    pub approved: bool,
    pub by: Option<String>,
    pub scope: Option<String>,
    pub reason: Option<String>,
    /// The arguments are not the model's.
    pub edited: bool,
}

/// A question of a server with the person's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    pub question: Question,
    pub action: ElicitationAction,
    pub content: Option<Value>,
}

impl CallState {
    /// Returns whether nothing more happens to the call.
    pub const fn is_end(&self) -> bool {
        match self {
            Self::Input | Self::Ready | Self::Sent | Self::NeedsApproval | Self::NeedsAnswer(_) => {
                false
            }
            Self::Done { .. }
            | Self::Denied
            | Self::Refused { .. }
            | Self::InputFailed { .. }
            | Self::Unknown { .. } => true,
        }
    }

    /// Returns whether a person has to do something first.
    pub const fn waits(&self) -> bool {
        matches!(self, Self::NeedsApproval | Self::NeedsAnswer(_))
    }
}

impl RunState {
    pub fn of<'a>(events: impl IntoIterator<Item = &'a RunEvent>) -> Self {
        let mut state = Self::default();
        for event in events {
            state.apply(event);
        }
        state
    }

    /// Takes the next event in. An event about a part that is not there changes nothing.
    pub fn apply(&mut self, event: &RunEvent) {
        match event {
            RunEvent::RunStarted { provider, model } => {
                self.started = true;
                self.provider.clone_from(provider);
                self.model.clone_from(model);
            }
            RunEvent::RunResumed => {
                self.end = None;
                self.finish = None;
                self.turn_steps = 0;
                self.missing_tool_calls = 0;
            }
            RunEvent::StepStarted { step } => {
                self.step = *step;
                self.turn_steps += 1;
                self.step_open = true;
                self.finish = None;
                self.parts.push(Part::Step { step: *step });
            }
            RunEvent::StepFinished { usage, finish, .. } => {
                self.step_open = false;
                self.finish = Some(*finish);
                self.usage.add(usage);
                if *usage != Usage::default() {
                    self.step_usage = *usage;
                }
            }
            RunEvent::Notice { kind, text } => self.parts.push(Part::Notice {
                kind: *kind,
                text: text.clone(),
            }),
            RunEvent::RunFinished { end } => self.end = Some(end.clone()),
            RunEvent::TextStarted { .. }
            | RunEvent::TextDelta { .. }
            | RunEvent::TextEnded { .. }
            | RunEvent::ReasoningStarted { .. }
            | RunEvent::ReasoningDelta { .. }
            | RunEvent::ReasoningEnded { .. } => self.apply_to_text(event),
            RunEvent::ToolInputStarted { .. }
            | RunEvent::ToolInputDelta { .. }
            | RunEvent::ToolCallReady { .. }
            | RunEvent::ToolInputFailed { .. } => self.apply_to_input(event),
            event => {
                if let RunEvent::ToolCallRefused { why, .. } = event
                    && *why == RefusedWhy::Missing
                {
                    self.missing_tool_calls += 1;
                }
                if let Some(call) = event.call_id().and_then(|it| self.call_mut(it)) {
                    call.apply(event);
                }
            }
        }
    }

    fn apply_to_text(&mut self, event: &RunEvent) {
        match event {
            RunEvent::TextStarted { part } => {
                self.parts_made = self.parts_made.max(part + 1);
                self.parts.push(Part::Text(Text::new(*part)));
            }
            RunEvent::ReasoningStarted { part } => {
                self.parts_made = self.parts_made.max(part + 1);
                self.parts.push(Part::Reasoning(Text::new(*part)));
            }
            RunEvent::TextDelta { part, text } | RunEvent::ReasoningDelta { part, text } => {
                if let Some(it) = self.text_mut(*part) {
                    it.text.push_str(text);
                }
            }
            RunEvent::TextEnded { part, metadata }
            | RunEvent::ReasoningEnded { part, metadata } => {
                if let Some(it) = self.text_mut(*part) {
                    it.open = false;
                    it.metadata.clone_from(metadata);
                }
            }
            _ => {}
        }
    }

    fn apply_to_input(&mut self, event: &RunEvent) {
        match event {
            RunEvent::ToolInputStarted {
                call_id,
                tool,
                title,
            } => {
                self.calls_made += 1;
                let mut call = Call::new(call_id, tool);
                call.title.clone_from(title);
                self.parts.push(Part::Call(Box::new(call)));
            }
            RunEvent::ToolInputDelta { call_id, text } => {
                if let Some(call) = self.call_mut(call_id) {
                    call.input.push_str(text);
                }
            }
            RunEvent::ToolCallReady {
                call_id,
                provider_name,
                arguments,
                metadata,
                ..
            } => {
                if let Some(call) = self.call_mut(call_id) {
                    call.provider_name.clone_from(provider_name);
                    call.arguments = Some(arguments.clone());
                    call.metadata.clone_from(metadata);
                    call.input = String::new();
                    call.state = CallState::Ready;
                }
            }
            RunEvent::ToolInputFailed {
                call_id,
                provider_name,
                input,
                message,
                ..
            } => {
                if let Some(call) = self.call_mut(call_id) {
                    call.provider_name.clone_from(provider_name);
                    call.input.clone_from(input);
                    call.state = CallState::InputFailed {
                        message: message.clone(),
                    };
                }
            }
            _ => {}
        }
    }

    pub fn calls(&self) -> impl DoubleEndedIterator<Item = &Call> {
        self.parts.iter().filter_map(|it| match it {
            Part::Call(call) => Some(&**call),
            _ => None,
        })
    }

    pub fn call(&self, call_id: &str) -> Option<&Call> {
        // What happens, happens to one of the last.
        self.calls().rev().find(|it| it.call_id == call_id)
    }

    /// Returns the calls that a person has to allow or answer.
    pub fn waiting(&self) -> impl Iterator<Item = &Call> {
        self.calls().filter(|it| it.state.waits())
    }

    /// Returns whether the run has no end, waits for a person and has nothing under way. Where
    /// somebody has answered one of several, that call may be sent now.
    pub fn is_parked(&self) -> bool {
        let under_way = |it: &Call| matches!(it.state, CallState::Input | CallState::Sent);
        self.end.is_none()
            && !self.step_open
            && self.waiting().next().is_some()
            && !self.calls().any(under_way)
    }

    /// Returns the number of the next part of text.
    pub const fn next_part(&self) -> u32 {
        self.parts_made
    }

    /// Returns the number of the next call, counted from one.
    pub const fn next_call(&self) -> u32 {
        self.calls_made + 1
    }

    fn call_mut(&mut self, call_id: &str) -> Option<&mut Call> {
        self.parts.iter_mut().rev().find_map(|it| match it {
            Part::Call(call) if call.call_id == call_id => Some(&mut **call),
            _ => None,
        })
    }

    fn text_mut(&mut self, part: u32) -> Option<&mut Text> {
        self.parts.iter_mut().rev().find_map(|it| match it {
            Part::Text(text) | Part::Reasoning(text) if text.part == part => Some(text),
            _ => None,
        })
    }
}

impl Text {
    fn new(part: u32) -> Self {
        Self {
            part,
            text: String::new(),
            open: true,
            metadata: None,
        }
    }
}

impl Call {
    fn new(call_id: &str, tool: &str) -> Self {
        Self {
            call_id: call_id.to_owned(),
            tool: tool.to_owned(),
            title: None,
            provider_name: tool.to_owned(),
            input: String::new(),
            arguments: None,
            metadata: None,
            state: CallState::Input,
            progress: None,
            approval: None,
            answers: Vec::new(),
        }
    }

    /// Takes in what happens to a call that is written whole.
    fn apply(&mut self, event: &RunEvent) {
        match event {
            RunEvent::ToolCallSent { .. } => self.state = CallState::Sent,
            RunEvent::ToolProgress {
                progress,
                total,
                message,
                ..
            } => {
                self.progress = Some(Progress {
                    progress: *progress,
                    total: *total,
                    message: message.clone(),
                });
            }
            RunEvent::ToolApprovalNeeded {
                approval_id,
                reason,
                ..
            } => {
                self.approval = Some(Approval {
                    approval_id: approval_id.clone(),
                    reason: reason.clone(),
                    answer: None,
                });
                self.state = CallState::NeedsApproval;
            }
            RunEvent::ToolApprovalAnswered { .. } => self.answer_approval(event),
            RunEvent::ElicitationAsked { question, .. } => {
                self.state = CallState::NeedsAnswer(question.clone());
            }
            RunEvent::ElicitationAnswered {
                elicitation_id,
                action,
                content,
                ..
            } => {
                if let CallState::NeedsAnswer(question) = &self.state
                    && question.elicitation_id == *elicitation_id
                {
                    self.answers.push(Answered {
                        question: question.clone(),
                        action: *action,
                        content: content.clone(),
                    });
                    self.state = CallState::Ready;
                }
            }
            RunEvent::ToolResult {
                content,
                is_error,
                duration_ms,
                cut_bytes,
                facts,
                ..
            } => {
                self.state = CallState::Done {
                    content: content.clone(),
                    is_error: *is_error,
                    duration_ms: *duration_ms,
                    cut_bytes: *cut_bytes,
                    facts: facts.clone(),
                };
            }
            RunEvent::ToolCallRefused { why, message, .. } => {
                self.state = CallState::Refused {
                    why: *why,
                    message: message.clone(),
                };
            }
            RunEvent::ToolOutcomeUnknown { why, .. } => {
                self.state = CallState::Unknown { why: why.clone() };
            }
            _ => {}
        }
    }

    /// Only the approval that the call waits for counts, so that an answer given twice changes
    /// nothing.
    fn answer_approval(&mut self, event: &RunEvent) {
        let RunEvent::ToolApprovalAnswered {
            approval_id,
            approved,
            by,
            scope,
            arguments,
            reason,
            ..
        } = event
        else {
            return;
        };
        let Some(approval) = &mut self.approval else {
            return;
        };
        if self.state != CallState::NeedsApproval || approval.approval_id != *approval_id {
            return;
        }
        approval.answer = Some(ApprovalAnswer {
            approved: *approved,
            by: by.clone(),
            scope: scope.clone(),
            reason: reason.clone(),
            edited: arguments.is_some(),
        });
        if let Some(arguments) = arguments {
            self.arguments = Some(arguments.clone());
        }
        self.state = if *approved {
            CallState::Ready
        } else {
            CallState::Denied
        };
    }
}

#[cfg(test)]
pub(crate) use self::tests::recording;

#[cfg(test)]
mod tests;
