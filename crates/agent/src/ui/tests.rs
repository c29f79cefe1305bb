use expect_test::expect;
use proptest::{prelude::any, prop_assert_eq, proptest};
use serde_json::Value;

use super::{Chunk, Reader, UiMessage, chunks};
use crate::{
    event::{RunEnd, RunEvent, joined},
    settle::end_events,
    state::{RunState, recording},
};

fn read(events: &[RunEvent]) -> Reader {
    let mut reader = Reader::new("m1");
    for event in events {
        for chunk in chunks("m1", event) {
            reader.apply(chunk);
        }
    }
    reader
}

#[test]
fn a_run_becomes_the_chunks_of_the_protocol() {
    let lines: Vec<String> = recording()
        .iter()
        .flat_map(|it| chunks("m1", it))
        .map(|it| serde_json::to_string(&it).unwrap())
        .collect();
    expect![[r#"
        {"type":"start","messageId":"m1","messageMetadata":{"model":"m","provider":"home"}}
        {"type":"start-step"}
        {"type":"reasoning-start","id":"0"}
        {"type":"reasoning-delta","id":"0","delta":"hm"}
        {"type":"reasoning-delta","id":"0","delta":"m"}
        {"type":"reasoning-end","id":"0"}
        {"type":"text-start","id":"1"}
        {"type":"text-delta","id":"1","delta":"I "}
        {"type":"text-delta","id":"1","delta":"look."}
        {"type":"text-end","id":"1"}
        {"type":"tool-input-start","toolCallId":"c1","toolName":"fs__read","dynamic":true}
        {"type":"tool-input-start","toolCallId":"c2","toolName":"fs__write","dynamic":true}
        {"type":"tool-input-start","toolCallId":"c3","toolName":"fs__delete","dynamic":true}
        {"type":"tool-input-delta","toolCallId":"c1","inputTextDelta":"{\"a\""}
        {"type":"tool-input-delta","toolCallId":"c1","inputTextDelta":":1}"}
        {"type":"tool-input-available","toolCallId":"c1","toolName":"fs__read","input":{"a":1},"dynamic":true}
        {"type":"tool-input-available","toolCallId":"c2","toolName":"fs__write","input":{},"dynamic":true}
        {"type":"tool-input-available","toolCallId":"c3","toolName":"fs__delete","input":{},"dynamic":true}
        {"type":"finish-step"}
        {"type":"data-usage","id":"usage-1","data":{"step":1,"finish":"tool_calls","usage":{"input_tokens":7,"output_tokens":2}}}
        {"type":"data-progress","id":"progress-c1","data":{"call_id":"c1","progress":1.0,"total":null,"message":null}}
        {"type":"tool-approval-request","approvalId":"a1","toolCallId":"c2"}
        {"type":"data-elicitation","id":"e1","data":{"call_id":"c1","message":"which?","schema":{"type":"object"},"url":null}}
        {"type":"data-elicitation-answer","id":"e1","data":{"call_id":"c1","action":"accept"}}
        {"type":"tool-output-available","toolCallId":"c1","output":{"content":[]},"dynamic":true}
        {"type":"data-outcome","id":"outcome-c1","data":{"outcome":"done","duration_ms":5,"cut_bytes":0,"facts":null}}
        {"type":"tool-approval-response","approvalId":"a1","approved":false,"reason":"no"}
        {"type":"data-approval","id":"approval-a1","data":{"call_id":"c2","by":null,"scope":null,"arguments":null}}
        {"type":"tool-output-denied","toolCallId":"c2"}
        {"type":"tool-output-error","toolCallId":"c3","errorText":"the outcome is unknown: gone","dynamic":true}
        {"type":"data-outcome","id":"outcome-c3","data":{"outcome":"unknown","duration_ms":null,"cut_bytes":0,"facts":null}}
        {"type":"start-step"}
        {"type":"text-start","id":"2"}
        {"type":"text-delta","id":"2","delta":"done"}
        {"type":"text-end","id":"2"}
        {"type":"finish-step"}
        {"type":"data-usage","id":"usage-2","data":{"step":2,"finish":"stop","usage":{"input_tokens":9}}}
        {"type":"data-end","id":"end","data":{"reason":"complete"}}
        {"type":"finish","finishReason":"stop"}"#]].assert_eq(&lines.join("\n"));
}

#[test]
fn a_message_is_what_the_chunks_say() {
    let message = UiMessage::of("m1", &recording());
    expect![[r#"
        {
          "id": "m1",
          "role": "assistant",
          "metadata": {
            "model": "m",
            "provider": "home"
          },
          "parts": [
            {
              "type": "step-start"
            },
            {
              "type": "reasoning",
              "id": "0",
              "text": "hmm",
              "state": "done"
            },
            {
              "type": "text",
              "text": "I look.",
              "state": "done"
            },
            {
              "type": "dynamic-tool",
              "toolName": "fs__read",
              "toolCallId": "c1",
              "state": "output-available",
              "input": {
                "a": 1
              },
              "output": {
                "content": []
              }
            },
            {
              "type": "dynamic-tool",
              "toolName": "fs__write",
              "toolCallId": "c2",
              "state": "output-denied",
              "input": {},
              "approval": {
                "id": "a1",
                "approved": false,
                "reason": "no"
              }
            },
            {
              "type": "dynamic-tool",
              "toolName": "fs__delete",
              "toolCallId": "c3",
              "state": "output-error",
              "input": {},
              "errorText": "the outcome is unknown: gone"
            },
            {
              "type": "data-usage",
              "id": "usage-1",
              "data": {
                "step": 1,
                "finish": "tool_calls",
                "usage": {
                  "input_tokens": 7,
                  "output_tokens": 2
                }
              }
            },
            {
              "type": "data-progress",
              "id": "progress-c1",
              "data": {
                "call_id": "c1",
                "progress": 1.0,
                "total": null,
                "message": null
              }
            },
            {
              "type": "data-elicitation",
              "id": "e1",
              "data": {
                "call_id": "c1",
                "message": "which?",
                "schema": {
                  "type": "object"
                },
                "url": null
              }
            },
            {
              "type": "data-elicitation-answer",
              "id": "e1",
              "data": {
                "call_id": "c1",
                "action": "accept"
              }
            },
            {
              "type": "data-outcome",
              "id": "outcome-c1",
              "data": {
                "outcome": "done",
                "duration_ms": 5,
                "cut_bytes": 0,
                "facts": null
              }
            },
            {
              "type": "data-approval",
              "id": "approval-a1",
              "data": {
                "call_id": "c2",
                "by": null,
                "scope": null,
                "arguments": null
              }
            },
            {
              "type": "data-outcome",
              "id": "outcome-c3",
              "data": {
                "outcome": "unknown",
                "duration_ms": null,
                "cut_bytes": 0,
                "facts": null
              }
            },
            {
              "type": "step-start"
            },
            {
              "type": "text",
              "text": "done",
              "state": "done"
            },
            {
              "type": "data-usage",
              "id": "usage-2",
              "data": {
                "step": 2,
                "finish": "stop",
                "usage": {
                  "input_tokens": 9
                }
              }
            },
            {
              "type": "data-end",
              "id": "end",
              "data": {
                "reason": "complete"
              }
            }
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&message).unwrap());
}

#[test]
fn no_piece_comes_before_its_start_whatever_the_run_is_cut_after() {
    let events = recording();
    for cut in 1..=events.len() {
        let mut events = events[..cut].to_vec();
        events.extend(end_events(&RunState::of(&events), RunEnd::Interrupted));
        let reader = read(&events);
        assert_eq!(reader.ignored, 0, "after {cut}");
        assert!(
            !format!("{:?}", reader.message).contains("Streaming"),
            "after {cut}"
        );
    }
}

#[test]
fn a_failed_run_says_so_and_may_go_on() {
    let error = crate::ModelError::new(
        crate::ModelErrorKind::Key,
        "the key is wrong",
        "give another",
    );
    let events = [
        RunEvent::RunFinished {
            end: RunEnd::Failed { error },
        },
        RunEvent::RunResumed,
        RunEvent::RunFinished {
            end: RunEnd::StepsMax { steps_max: 5 },
        },
        RunEvent::RunResumed,
        RunEvent::RunFinished {
            end: RunEnd::Stopped,
        },
    ];
    let lines: Vec<String> = events
        .iter()
        .flat_map(|it| chunks("m1", it))
        .map(|it| serde_json::to_string(&it).unwrap())
        .collect();
    expect![[r#"
        {"type":"data-end","id":"end","data":{"reason":"failed","error":{"kind":"key","message":"the key is wrong","fix":"give another"}}}
        {"type":"error","errorText":"the key is wrong"}
        {"type":"finish","finishReason":"error"}
        {"type":"start","messageId":"m1"}
        {"type":"data-end","id":"end","data":{"resumed":true}}
        {"type":"data-end","id":"end","data":{"reason":"steps_max","steps_max":5}}
        {"type":"finish","finishReason":"other"}
        {"type":"start","messageId":"m1"}
        {"type":"data-end","id":"end","data":{"resumed":true}}
        {"type":"data-end","id":"end","data":{"reason":"stopped"}}
        {"type":"abort","reason":"stopped"}"#]].assert_eq(&lines.join("\n"));
    assert_eq!(read(&events).message.parts.len(), 1);
}

proptest! {
    #[test]
    fn a_stream_that_is_taken_up_after_any_event_gives_the_same_message(
        cut in any::<proptest::sample::Index>(),
    ) {
        let events = recording();
        let cut = cut.index(events.len());
        let mut reader = read(&events[..cut]);
        // What was stored may be joined more than what was sent live.
        for event in joined(events[cut..].to_vec()) {
            for chunk in chunks("m1", &event) {
                // As it goes over the wire.
                let text = serde_json::to_string(&chunk).unwrap();
                let back: Chunk = serde_json::from_str(&text).unwrap();
                reader.apply(back);
            }
        }
        let whole = read(&events);
        prop_assert_eq!(&reader.message, &whole.message);
        let stored: Value = serde_json::to_value(&reader.message).unwrap();
        let back: UiMessage = serde_json::from_value(stored).unwrap();
        prop_assert_eq!(back, whole.message);
    }
}
