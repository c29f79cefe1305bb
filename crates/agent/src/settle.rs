//! What has to be in a log before a run goes on, or ends: nothing is left open.

use crate::{
    event::{FinishReason, RefusedWhy, RunEnd, RunEvent, Usage},
    state::{Call, CallState, Part, RunState},
};

const INPUT_CUT: &str = "the model was cut off before it had written the whole call";
const SENT_BEFORE: &str =
    "the program ended while the call was under way; whether it took effect is not known";
const STOPPED_IN_CALL: &str =
    "the run was stopped while the call was under way; whether it took effect is not known";
/// The beginning of what a model wrote, kept in the log for people.
pub(crate) const INPUT_EXCERPT_BYTES_MAX: usize = 2_000;

/// Returns what a turn logs first when it takes a run up again: the ends of what was cut off.
///
/// Calls that may be sent stay as they are, and so do those that wait for a person.
pub fn resume_events(state: &RunState) -> Vec<RunEvent> {
    let mut events = Vec::new();
    if state.end.is_some() {
        events.push(RunEvent::RunResumed);
    }
    events.extend(close_parts(state, SENT_BEFORE));
    events
}

/// Returns the events with which a run ends here, whatever is open or waits.
pub fn end_events(state: &RunState, end: RunEnd) -> Vec<RunEvent> {
    let sent = match end {
        RunEnd::Interrupted => SENT_BEFORE,
        _ => STOPPED_IN_CALL,
    };
    let mut events = close_parts(state, sent);
    for call in state.calls() {
        let message = match call.state {
            CallState::NeedsApproval => {
                "the call was not made: the run ended before it was allowed"
            }
            CallState::NeedsAnswer(_) => "the run ended before the server's question was answered",
            CallState::Ready => "the call was not made: the run ended before",
            _ => continue,
        };
        events.push(RunEvent::ToolCallRefused {
            call_id: call.call_id.clone(),
            why: RefusedWhy::RunEnded,
            message: message.to_owned(),
        });
    }
    events.push(RunEvent::RunFinished { end });
    events
}

/// Returns what a program that starts logs for a run that had no end when the last one ended.
///
/// A run that only waits for people goes on waiting, and nothing happens to it. Calls that were
/// under way beside have an unknown outcome. Any other run is interrupted.
pub fn crash_events(state: &RunState) -> Vec<RunEvent> {
    if state.end.is_some() {
        Vec::new()
    } else if state.waiting().next().is_some() {
        close_parts(state, SENT_BEFORE)
    } else {
        end_events(state, RunEnd::Interrupted)
    }
}

fn close_parts(state: &RunState, sent: &str) -> Vec<RunEvent> {
    let mut events: Vec<RunEvent> = state
        .parts
        .iter()
        .filter_map(|it| close_part(it, sent))
        .collect();
    if state.step_open {
        events.push(RunEvent::StepFinished {
            step: state.step,
            usage: Usage::default(),
            finish: FinishReason::Cut,
        });
    }
    events
}

fn close_part(part: &Part, sent: &str) -> Option<RunEvent> {
    match part {
        Part::Text(text) if text.open => Some(RunEvent::TextEnded {
            part: text.part,
            metadata: None,
        }),
        Part::Reasoning(text) if text.open => Some(RunEvent::ReasoningEnded {
            part: text.part,
            metadata: None,
        }),
        Part::Call(call) => close_call(call, sent),
        _ => None,
    }
}

fn close_call(call: &Call, sent: &str) -> Option<RunEvent> {
    match call.state {
        CallState::Input => Some(RunEvent::ToolInputFailed {
            call_id: call.call_id.clone(),
            tool: call.tool.clone(),
            provider_name: call.provider_name.clone(),
            input: excerpt(&call.input).to_owned(),
            message: INPUT_CUT.to_owned(),
        }),
        CallState::Sent => Some(RunEvent::ToolOutcomeUnknown {
            call_id: call.call_id.clone(),
            why: sent.to_owned(),
        }),
        _ => None,
    }
}

pub(crate) fn excerpt(input: &str) -> &str {
    &input[..input.floor_char_boundary(INPUT_EXCERPT_BYTES_MAX)]
}
