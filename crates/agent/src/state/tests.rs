use serde_json::{Value, json};

use super::{CallState, Part, RunState};
use crate::{
    conversation::{Conversation, HistoryItem, UserPart},
    event::{RunEnd, RunEvent, joined},
    settle::{crash_events, end_events, resume_events},
};

/// A run with everything in it: a call that is done, one that is denied and one that nobody knows
/// the end of.
pub(crate) fn recording() -> Vec<RunEvent> {
    let events = json!([
        { "type": "run_started", "provider": "home", "model": "m" },
        { "type": "step_started", "step": 1 },
        { "type": "reasoning_started", "part": 0 },
        { "type": "reasoning_delta", "part": 0, "text": "hm" },
        { "type": "reasoning_delta", "part": 0, "text": "m" },
        { "type": "reasoning_ended", "part": 0, "metadata": { "sig": 1 } },
        { "type": "text_started", "part": 1 },
        { "type": "text_delta", "part": 1, "text": "I " },
        { "type": "text_delta", "part": 1, "text": "look." },
        { "type": "text_ended", "part": 1 },
        { "type": "tool_input_started", "call_id": "c1", "tool": "fs__read" },
        { "type": "tool_input_started", "call_id": "c2", "tool": "fs__write" },
        { "type": "tool_input_started", "call_id": "c3", "tool": "fs__delete" },
        { "type": "tool_input_delta", "call_id": "c1", "text": "{\"a\"" },
        { "type": "tool_input_delta", "call_id": "c1", "text": ":1}" },
        { "type": "tool_call_ready", "call_id": "c1", "tool": "fs__read",
          "provider_name": "fs__read", "arguments": { "a": 1 } },
        { "type": "tool_call_ready", "call_id": "c2", "tool": "fs__write",
          "provider_name": "fs__write", "arguments": {} },
        { "type": "tool_call_ready", "call_id": "c3", "tool": "fs__delete",
          "provider_name": "fs__delete", "arguments": {} },
        { "type": "step_finished", "step": 1, "finish": "tool_calls",
          "usage": { "input_tokens": 7, "output_tokens": 2 } },
        { "type": "tool_call_sent", "call_id": "c1" },
        { "type": "tool_call_sent", "call_id": "c2" },
        { "type": "tool_call_sent", "call_id": "c3" },
        { "type": "tool_progress", "call_id": "c1", "progress": 1.0 },
        { "type": "tool_approval_needed", "call_id": "c2", "approval_id": "a1" },
        { "type": "elicitation_asked", "call_id": "c1", "elicitation_id": "e1", "message": "which?",
          "schema": { "type": "object" } },
        { "type": "elicitation_answered", "call_id": "c1", "elicitation_id": "e1",
          "action": "accept", "content": { "x": 1 } },
        { "type": "tool_call_sent", "call_id": "c1" },
        { "type": "tool_result", "call_id": "c1", "content": { "content": [] }, "is_error": false,
          "duration_ms": 5 },
        { "type": "tool_approval_answered", "call_id": "c2", "approval_id": "a1",
          "approved": false, "reason": "no" },
        { "type": "tool_outcome_unknown", "call_id": "c3", "why": "gone" },
        { "type": "step_started", "step": 2 },
        { "type": "text_started", "part": 2 },
        { "type": "text_delta", "part": 2, "text": "done" },
        { "type": "text_ended", "part": 2 },
        { "type": "step_finished", "step": 2, "finish": "stop", "usage": { "input_tokens": 9 } },
        { "type": "run_finished", "end": { "reason": "complete" } },
    ]);
    serde_json::from_value(events).unwrap()
}

#[test]
fn a_run_survives_being_written_down_at_every_event() {
    let mut state = RunState::default();
    let mut log: Vec<Value> = Vec::new();
    for event in recording() {
        state.apply(&event);
        log.push(serde_json::to_value(&event).unwrap());
        let read: Vec<RunEvent> = serde_json::from_value(Value::Array(log.clone())).unwrap();
        assert_eq!(RunState::of(&read), state);
    }
    assert_eq!(state.usage.input_tokens, Some(16));
    assert_eq!(state.step_usage.input_tokens, Some(9));
    assert_eq!(state.end, Some(RunEnd::Complete));
}

#[test]
fn joined_deltas_make_the_same_run() {
    let events = recording();
    let shorter = joined(events.clone());
    assert_eq!(shorter.len(), events.len() - 3);
    assert_eq!(RunState::of(&shorter), RunState::of(&events));
}

#[test]
fn an_answer_to_another_approval_or_given_twice_changes_nothing() {
    let events = recording();
    let asked = events
        .iter()
        .position(|it| matches!(it, RunEvent::ToolApprovalNeeded { .. }));
    let mut state = RunState::of(&events[..=asked.unwrap()]);
    let answer = |approval_id: &str, approved| RunEvent::ToolApprovalAnswered {
        call_id: "c2".to_owned(),
        approval_id: approval_id.to_owned(),
        approved,
        by: None,
        scope: None,
        arguments: Some(json!({ "edited": true })),
        reason: None,
    };
    let before = state.clone();
    state.apply(&answer("a2", true));
    assert_eq!(state, before);
    state.apply(&answer("a1", false));
    let denied = state.clone();
    state.apply(&answer("a1", true));
    assert_eq!(state, denied);
    assert_eq!(state.call("c2").unwrap().state, CallState::Denied);
}

#[test]
fn whatever_a_run_is_cut_after_its_end_leaves_nothing_open() {
    let events = recording();
    for cut in 1..events.len() {
        let mut state = RunState::of(&events[..cut]);
        for event in end_events(&state, RunEnd::Stopped) {
            state.apply(&event);
        }
        assert_eq!(state.end, Some(RunEnd::Stopped), "after {cut}");
        assert!(!state.step_open, "after {cut}");
        assert!(state.calls().all(|it| it.state.is_end()), "after {cut}");
        let open = |it: &Part| matches!(it, Part::Text(it) | Part::Reasoning(it) if it.open);
        assert!(!state.parts.iter().any(open), "after {cut}");
    }
}

#[test]
fn after_a_crash_a_run_is_complete_or_parked_or_interrupted() {
    let events = recording();
    for cut in 1..=events.len() {
        let before = RunState::of(&events[..cut]);
        let mut state = before.clone();
        for event in crash_events(&state) {
            state.apply(&event);
        }
        let expected = match before.end {
            Some(end) => Some(end),
            None if before.waiting().next().is_some() => None,
            None => Some(RunEnd::Interrupted),
        };
        assert_eq!(state.end, expected, "after {cut}");
        assert_eq!(state.is_parked(), expected.is_none(), "after {cut}");
        assert_eq!(crash_events(&state), [], "after {cut}");
    }
}

#[test]
fn what_was_sent_is_never_ready_again() {
    let events = recording();
    for cut in 1..events.len() {
        let before = RunState::of(&events[..cut]);
        let mut state = before.clone();
        for event in resume_events(&before) {
            state.apply(&event);
        }
        for call in before.calls().filter(|it| it.state == CallState::Sent) {
            let after = &state.call(&call.call_id).unwrap().state;
            assert!(matches!(after, CallState::Unknown { .. }), "after {cut}");
        }
    }
}

#[test]
fn the_model_reads_each_call_with_its_end_in_every_state() {
    use crate::conversation::Message;
    let history = [HistoryItem::User(vec![UserPart::Text("hi".to_owned())])];
    let conversation = Conversation::new(String::new(), &history, "home", "m");
    let events = recording();
    for cut in 1..=events.len() {
        let run = RunState::of(&events[..cut]);
        let messages = conversation.with_run(&run, "home", "m").messages;
        assert!(!matches!(messages.last(), Some(Message::Assistant { .. })));
        let count = |calls: &dyn Fn(&Message) -> usize| messages.iter().map(calls).sum::<usize>();
        let asked = count(&|it| match it {
            Message::Assistant { parts } => parts
                .iter()
                .filter(|it| matches!(it, crate::conversation::AssistantPart::Call { .. }))
                .count(),
            _ => 0,
        });
        let answered = count(&|it| match it {
            Message::Answers { answers } => answers.len(),
            _ => 0,
        });
        assert_eq!(asked, answered, "after {cut}");
        assert_eq!(asked, run.calls().count(), "after {cut}");
    }
}
