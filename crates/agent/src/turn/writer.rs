use serde_json::{Map, Value};

use super::offer::Offer;
use crate::{
    error::{ModelError, ModelErrorKind},
    event::{FinishReason, NoticeKind, RefusedWhy, RunEvent, Usage},
    model::ModelEvent,
    settings::TurnSettings,
    settle::excerpt,
    validate,
};

/// Turns what a model writes in one step into the run's events. It does no IO.
pub(super) struct Writer<'a> {
    settings: &'a TurnSettings,
    offer: &'a Offer,
    step: u32,
    next_part: u32,
    next_call: u32,
    open: Option<Open>,
    calls: Vec<Call>,
    answer_bytes: usize,
    has_text: bool,
    /// What is kept for the reasoning that is open.
    metadata: Option<Value>,
}

/// The text that the model is writing.
#[derive(Clone, Copy)]
struct Open {
    part: u32,
    is_reasoning: bool,
}

struct Call {
    index: u32,
    call_id: String,
    tool: String,
    provider_name: String,
    input: String,
    metadata: Option<Value>,
}

impl<'a> Writer<'a> {
    /// Parts and calls are numbered on from `next_part` and `next_call`.
    pub(super) const fn new(
        settings: &'a TurnSettings,
        offer: &'a Offer,
        step: u32,
        next_part: u32,
        next_call: u32,
    ) -> Self {
        Self {
            settings,
            offer,
            step,
            next_part,
            next_call,
            open: None,
            calls: Vec::new(),
            answer_bytes: 0,
            has_text: false,
            metadata: None,
        }
    }

    /// Takes the model's next event. An error says that the model writes more than it may.
    pub(super) fn take(
        &mut self,
        event: ModelEvent,
        out: &mut Vec<RunEvent>,
    ) -> Result<(), ModelError> {
        match event {
            ModelEvent::Text { text } => self.text(text, false, out)?,
            ModelEvent::Reasoning { text } => self.text(text, true, out)?,
            ModelEvent::ReasoningMetadata { metadata } => {
                if !self.open.is_some_and(|it| it.is_reasoning) {
                    self.close(out);
                    self.start(true, out);
                }
                self.metadata = Some(metadata);
            }
            ModelEvent::CallStarted { index, name } => {
                self.close(out);
                self.start_call(index, &name, out);
            }
            ModelEvent::CallArguments { index, text } => self.arguments(index, text, out)?,
            ModelEvent::CallMetadata { index, metadata } => {
                if let Some(call) = self.calls.iter_mut().find(|it| it.index == index) {
                    call.metadata = Some(metadata);
                }
            }
            ModelEvent::Notice { kind, text } => out.push(RunEvent::Notice { kind, text }),
            ModelEvent::Finished { reason, usage } => self.finish(reason, usage, out),
        }
        Ok(())
    }

    fn text(
        &mut self,
        text: String,
        is_reasoning: bool,
        out: &mut Vec<RunEvent>,
    ) -> Result<(), ModelError> {
        if text.is_empty() {
            return Ok(());
        }
        self.answer_bytes += text.len();
        let limit = self.settings.answer_bytes_max;
        if limit < self.answer_bytes {
            return Err(ModelError::new(
                ModelErrorKind::Limit,
                format!("the model wrote more than {limit} bytes in one answer"),
                "ask it for less at a time",
            ));
        }
        if self.open.is_none_or(|it| it.is_reasoning != is_reasoning) {
            self.close(out);
            self.start(is_reasoning, out);
        }
        if let Some(Open { part, .. }) = self.open {
            self.has_text |= !is_reasoning;
            out.push(if is_reasoning {
                RunEvent::ReasoningDelta { part, text }
            } else {
                RunEvent::TextDelta { part, text }
            });
        }
        Ok(())
    }

    fn start(&mut self, is_reasoning: bool, out: &mut Vec<RunEvent>) {
        let part = self.next_part;
        self.next_part += 1;
        self.open = Some(Open { part, is_reasoning });
        out.push(if is_reasoning {
            RunEvent::ReasoningStarted { part }
        } else {
            RunEvent::TextStarted { part }
        });
    }

    fn close(&mut self, out: &mut Vec<RunEvent>) {
        let Some(Open { part, is_reasoning }) = self.open.take() else {
            return;
        };
        out.push(if is_reasoning {
            let metadata = self.metadata.take();
            RunEvent::ReasoningEnded { part, metadata }
        } else {
            let metadata = None;
            RunEvent::TextEnded { part, metadata }
        });
    }

    fn start_call(&mut self, index: u32, name: &str, out: &mut Vec<RunEvent>) {
        let call_id = format!("c{}", self.next_call);
        self.next_call += 1;
        let named = self.offer.find(name);
        out.push(RunEvent::ToolInputStarted {
            call_id: call_id.clone(),
            tool: named.tool.clone(),
            title: named.spec.and_then(|it| it.title.clone()),
        });
        self.calls.push(Call {
            index,
            call_id,
            tool: named.tool,
            provider_name: named.provider_name,
            input: String::new(),
            metadata: None,
        });
    }

    fn arguments(
        &mut self,
        index: u32,
        text: String,
        out: &mut Vec<RunEvent>,
    ) -> Result<(), ModelError> {
        let Some(call) = self.calls.iter_mut().find(|it| it.index == index) else {
            return Ok(());
        };
        let limit = self.settings.tool_arguments_bytes_max;
        if limit < call.input.len() + text.len() {
            let tool = &call.tool;
            return Err(ModelError::new(
                ModelErrorKind::Limit,
                format!("the model wrote more than {limit} bytes of arguments for `{tool}`"),
                "ask it for less at a time, or choose another model",
            ));
        }
        call.input.push_str(&text);
        if !text.is_empty() {
            out.push(RunEvent::ToolInputDelta {
                call_id: call.call_id.clone(),
                text,
            });
        }
        Ok(())
    }

    fn finish(&mut self, reason: FinishReason, usage: Usage, out: &mut Vec<RunEvent>) {
        self.close(out);
        let calls = std::mem::take(&mut self.calls);
        let has_calls = !calls.is_empty();
        for (place, call) in calls.into_iter().enumerate() {
            self.end_call(place, call, reason, out);
        }
        let notice = match reason {
            FinishReason::Length => Some((
                NoticeKind::AnswerCut,
                "the answer ends at the most that the model may write at once; ask it to go on",
            )),
            FinishReason::ContentFilter => Some((
                NoticeKind::AnswerCut,
                "the provider's content filter ended the answer",
            )),
            _ if !has_calls && !self.has_text => Some((
                NoticeKind::AnswerEmpty,
                "the model gave an empty answer; ask again, or choose another model",
            )),
            _ => None,
        };
        out.extend(notice.map(|(kind, text)| RunEvent::Notice {
            kind,
            text: text.to_owned(),
        }));
        out.push(RunEvent::StepFinished {
            step: self.step,
            usage,
            finish: reason,
        });
    }

    /// Ends the writing of a call, and the call itself where it is not to be made.
    fn end_call(&self, place: usize, call: Call, reason: FinishReason, out: &mut Vec<RunEvent>) {
        let arguments = match arguments(&call.input) {
            Ok(arguments) => arguments,
            Err(message) => {
                let cut = match reason {
                    FinishReason::Length => "; the model may not write more at once",
                    _ => "",
                };
                out.push(RunEvent::ToolInputFailed {
                    input: excerpt(&call.input).to_owned(),
                    call_id: call.call_id,
                    tool: call.tool,
                    provider_name: call.provider_name,
                    message: format!("{message}{cut}"),
                });
                return;
            }
        };
        let arguments = Value::Object(arguments);
        let refusal = self.refusal(place, &call.tool, &arguments);
        out.push(RunEvent::ToolCallReady {
            call_id: call.call_id.clone(),
            tool: call.tool,
            provider_name: call.provider_name,
            arguments,
            metadata: call.metadata,
        });
        out.extend(refusal.map(|(why, message)| RunEvent::ToolCallRefused {
            call_id: call.call_id,
            why,
            message,
        }));
    }

    fn refusal(&self, place: usize, tool: &str, arguments: &Value) -> Option<(RefusedWhy, String)> {
        let Some(schema) = self.offer.schema(tool) else {
            return Some((RefusedWhy::Missing, self.offer.missing(tool)));
        };
        let limit = self.settings.tool_calls_step_max;
        if limit <= place {
            let message = format!("only {limit} calls may be made at once; make it again alone");
            return Some((RefusedWhy::TooMany, message));
        }
        let mismatches = validate::mismatches(schema, arguments);
        if mismatches.is_empty() {
            return None;
        }
        let message = format!(
            "the arguments do not fit the tool's schema: {}",
            mismatches.join("; ")
        );
        Some((RefusedWhy::Arguments, message))
    }
}

/// Reads what a model wrote as arguments. Nothing stands for none.
fn arguments(input: &str) -> Result<Map<String, Value>, String> {
    if input.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(input) {
        Ok(Value::Object(arguments)) => Ok(arguments),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err("the arguments are not a JSON object".to_owned()),
        Err(err) => Err(format!("the arguments are not JSON: {err}")),
    }
}
