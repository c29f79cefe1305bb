mod fakes;

use std::{sync::Arc, time::Duration};

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::fakes::{FakeTools, MemoryLog, Script, call, calls, done, story, text};
use super::{Turn, TurnEnd, run_turn};
use crate::{
    conversation::{Conversation, HistoryItem, Message, UserPart},
    error::{ModelError, ModelErrorKind},
    event::{FinishReason, RunEnd, RunEvent},
    model::{ModelEvent, ModelOptions},
    settings::TurnSettings,
    settle::{crash_events, end_events},
    state::{CallState, RunState},
};

/// A chat with one model and its tools.
struct World {
    settings: TurnSettings,
    script: Script,
    log: Arc<MemoryLog>,
    tools: FakeTools,
    cancel: CancellationToken,
}

impl World {
    fn new(script: Script) -> Self {
        let log = Arc::new(MemoryLog::default());
        Self {
            settings: TurnSettings::default(),
            script,
            tools: FakeTools::new(Arc::clone(&log)),
            log,
            cancel: CancellationToken::new(),
        }
    }

    /// Makes a turn from what the log says, as after a restart.
    async fn turn(&self) -> TurnEnd {
        let mut state = self.log.state();
        let end = self.turn_from(&mut state).await;
        assert_eq!(self.log.state(), state, "the live state is not the log's");
        end
    }

    async fn turn_from(&self, state: &mut RunState) -> TurnEnd {
        let history = [HistoryItem::User(vec![UserPart::Text("hi".to_owned())])];
        let history = Conversation::new("be kind".to_owned(), &history, "fake", "m");
        let turn = Turn {
            settings: &self.settings,
            model: &self.script,
            options: &ModelOptions::default(),
            history: &history,
            tools: &self.tools,
            log: &*self.log,
            cancel: &self.cancel,
        };
        run_turn(turn, state).await.unwrap()
    }

    fn answer_approval(&self, approved: bool, arguments: Option<Value>, reason: Option<&str>) {
        let state = self.log.state();
        let call = state.waiting().next().unwrap();
        self.log.push(RunEvent::ToolApprovalAnswered {
            call_id: call.call_id.clone(),
            approval_id: call.approval.as_ref().unwrap().approval_id.clone(),
            approved,
            by: Some("ada".to_owned()),
            scope: Some("once".to_owned()),
            arguments,
            reason: reason.map(str::to_owned),
        });
    }

    fn answer_question(&self, content: Value) {
        let state = self.log.state();
        let call = state.waiting().next().unwrap();
        let CallState::NeedsAnswer(question) = &call.state else {
            panic!("{call:?}")
        };
        self.log.push(RunEvent::ElicitationAnswered {
            call_id: call.call_id.clone(),
            elicitation_id: question.elicitation_id.clone(),
            action: crate::event::ElicitationAction::Accept,
            content: Some(content),
        });
    }

    #[track_caller]
    fn check(&self, expected: Expect) {
        expected.assert_eq(&story(&self.log.events()));
    }
}

fn complete() -> TurnEnd {
    TurnEnd::Finished(RunEnd::Complete)
}

#[track_caller]
fn failure(end: TurnEnd) -> ModelError {
    match end {
        TurnEnd::Finished(RunEnd::Failed { error }) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_turn_calls_tools_and_ends_with_the_answer() {
    let world = World::new(Script::new([
        calls(&[call("echo", r#"{"x":1}"#), call("echo", r#"{"x":2}"#)]),
        text("both are there"),
    ]));
    assert_eq!(world.turn().await, complete());
    world.check(expect![[r#"
        run_started
        step_started 1
        tool_input_started c1 echo
        tool_input_delta c1
        tool_input_started c2 echo
        tool_input_delta c2
        tool_call_ready c1 {"x":1}
        tool_call_ready c2 {"x":2}
        step_finished 1 tool_calls
        tool_call_sent c1
        tool_call_sent c2
        tool_result c1 {"x":1}
        tool_result c2 {"x":2}
        step_started 2
        text_started 0
        text_delta 0
        text_ended 0
        step_finished 2 stop
        run_finished complete
    "#]]);
    let second = world.script.request(1);
    assert_eq!(second.conversation.system, "be kind");
    assert_eq!(second.conversation.messages.len(), 3);
    assert!(
        matches!(&second.conversation.messages[2], Message::Answers { answers } if answers.len() == 2)
    );
}

#[tokio::test(start_paused = true)]
async fn calls_run_side_by_side_and_not_more_than_allowed() {
    let many: Vec<_> = (0..20).map(|_| call("slow", "{}")).collect();
    let mut world = World::new(Script::new([calls(&many), text("done")]));
    world.settings.tool_calls_parallel_max = 5;
    assert_eq!(world.turn().await, complete());
    assert_eq!(world.tools.most_at_once(), 5);
    assert_eq!(world.tools.sent(), 20);
}

#[tokio::test]
async fn a_run_parks_and_goes_on_with_the_decision() {
    let world = World::new(Script::new([
        calls(&[call("guarded", r#"{"x":1}"#), call("echo", "{}")]),
        text("done"),
    ]));
    assert_eq!(world.turn().await, TurnEnd::Parked);
    assert!(world.log.state().is_parked());
    // Nothing has changed, so nothing happens.
    assert_eq!(world.turn().await, TurnEnd::Parked);
    assert_eq!(world.tools.sent(), 1);
    world.answer_approval(true, Some(json!({ "x": 2 })), None);
    assert_eq!(world.turn().await, complete());
    assert_eq!(world.tools.arguments("c1"), json!({ "x": 2 }));
    world.check(expect![[r#"
        run_started
        step_started 1
        tool_input_started c1 guarded
        tool_input_delta c1
        tool_input_started c2 echo
        tool_input_delta c2
        tool_call_ready c1 {"x":1}
        tool_call_ready c2 {}
        step_finished 1 tool_calls
        tool_call_sent c1
        tool_call_sent c2
        tool_approval_needed c1 a-c1
        tool_result c2 {}
        tool_approval_answered c1 true
        tool_call_sent c1
        tool_result c1 {"x":2}
        step_started 2
        text_started 0
        text_delta 0
        text_ended 0
        step_finished 2 stop
        run_finished complete
    "#]]);
}

#[tokio::test]
async fn a_run_waits_for_each_of_several_decisions() {
    let world = World::new(Script::new([
        calls(&[call("guarded", "{}"), call("guarded", "{}")]),
        text("done"),
    ]));
    assert_eq!(world.turn().await, TurnEnd::Parked);
    world.answer_approval(true, None, None);
    assert_eq!(world.turn().await, TurnEnd::Parked);
    assert_eq!(world.tools.sent(), 1);
    world.answer_approval(false, None, Some("not today"));
    assert_eq!(world.turn().await, complete());
    assert_eq!(world.tools.sent(), 1);
    let told = world.script.told(1);
    assert!(told.contains("Their reason: not today"), "{told}");
}

#[tokio::test]
async fn a_question_of_a_server_is_answered_and_the_call_goes_on() {
    let world = World::new(Script::new([calls(&[call("curious", "{}")]), text("done")]));
    assert_eq!(world.turn().await, TurnEnd::Parked);
    world.answer_question(json!({ "city": "Oslo" }));
    assert_eq!(world.turn().await, complete());
    let told = world.script.told(1);
    assert!(told.contains("Oslo"), "{told}");
}

#[tokio::test]
async fn what_a_tool_enables_can_be_used_in_the_same_turn() {
    let world = World::new(Script::new([
        calls(&[call("enable", "{}")]),
        calls(&[call("new_tool", "{}")]),
        text("done"),
    ]));
    assert_eq!(world.turn().await, complete());
    assert_eq!(world.tools.sent(), 2);
    let had = |request: usize| world.script.request(request).tools.len();
    assert_eq!(had(1), had(0) + 1);
}

#[tokio::test]
async fn what_fails_is_told_to_the_model() {
    let world = World::new(Script::new([
        calls(&[
            call("echo", r#"{"x": "#),
            call("echo", "[1]"),
            call("strict", r#"{"n": "one"}"#),
            call("nowhere", "{}"),
            call("broken", "{}"),
            call("lost", "{}"),
            call("echo", ""),
        ]),
        text("oh"),
    ]));
    assert_eq!(world.turn().await, complete());
    expect![[r#"
        This is not a call: the arguments are not JSON: EOF while parsing a value at line 1 column 6
        This is not a call: the arguments are not a JSON object
        The call was not made: the arguments do not fit the tool's schema: `n` must be of type `integer` and is `"one"`
        The call was not made: there is no tool `nowhere`; there are broken, curious, echo, enable, guarded, hang, large, lost, slow, strict
        The tool reports an error:
        the server is down
        The outcome of this call is unknown: the line broke. It may or may not have taken effect. Find out before you make it again.
        {}"#]]
    .assert_eq(&world.script.told(1));
}

#[tokio::test]
async fn a_model_that_goes_round_in_circles_ends() {
    let mut world = World::new(Script::forever(calls(&[call("echo", "{}")])));
    world.settings.turn_steps_max = 3;
    let end = world.turn().await;
    assert_eq!(end, TurnEnd::Finished(RunEnd::StepsMax { steps_max: 3 }));
    assert_eq!(world.tools.sent(), 3);
    // Somebody lets it go on.
    let end = world.turn().await;
    assert_eq!(end, TurnEnd::Finished(RunEnd::StepsMax { steps_max: 3 }));
    assert_eq!(world.tools.sent(), 6);
}

#[tokio::test]
async fn a_model_that_calls_a_missing_tool_again_and_again_ends() {
    let hundred: Vec<_> = (0..100).map(|_| call("nowhere", "{}")).collect();
    let world = World::new(Script::forever(calls(&hundred)));
    let error = failure(world.turn().await);
    assert_eq!(error.kind, ModelErrorKind::Limit);
    expect!["the model called tools that are not there 100 times"].assert_eq(&error.message);
    let world = World::new(Script::forever(calls(&[call("nowhere", "{}")])));
    assert_eq!(failure(world.turn().await).kind, ModelErrorKind::Limit);
    assert_eq!(world.script.requests(), 10);
}

#[tokio::test]
async fn a_model_that_writes_without_end_is_cut_off() {
    let mut events = vec![ModelEvent::CallStarted {
        index: 0,
        name: "echo".to_owned(),
    }];
    events.extend((0..50).map(|_| ModelEvent::CallArguments {
        index: 0,
        text: "x".repeat(1 << 20),
    }));
    let world = World::new(Script::new([events]));
    let error = failure(world.turn().await);
    expect!["the model wrote more than 1048576 bytes of arguments for `echo`"]
        .assert_eq(&error.message);
    let logged: usize = world
        .log
        .events()
        .iter()
        .map(|it| format!("{it:?}").len())
        .sum();
    assert!(logged < 2 << 20, "{logged}");

    let endless: Vec<_> = (0..20)
        .map(|_| ModelEvent::Text {
            text: "x".repeat(1 << 20),
        })
        .collect();
    let world = World::new(Script::new([endless]));
    let error = failure(world.turn().await);
    expect!["the model wrote more than 8388608 bytes in one answer"].assert_eq(&error.message);
}

#[tokio::test]
async fn of_two_thousand_tools_the_first_are_offered_and_the_rest_is_said() {
    let world = World::new(Script::new([calls(&[call("echo", "{}")]), text("done")]));
    world.tools.add_tools(2_000);
    assert_eq!(world.turn().await, complete());
    assert_eq!(world.script.request(0).tools.len(), 128);
    assert_eq!(world.script.request(0).tools, world.script.request(1).tools);
    let notices = world.log.notices();
    expect![[
        r#"the model gets the first 128 of 2010 tools, and 1882 were left out; disable those that this chat does not need"#
    ]]
    .assert_eq(&notices.join("\n"));
}

#[tokio::test]
async fn a_long_result_is_cut_and_says_so() {
    let world = World::new(Script::new([calls(&[call("large", "{}")]), text("done")]));
    assert_eq!(world.turn().await, complete());
    let state = world.log.state();
    let CallState::Done { cut_bytes, .. } = state.call("c1").unwrap().state else {
        panic!("{state:?}")
    };
    assert!(cut_bytes > 0);
    let told = world.script.told(1);
    assert!(told.len() < 140 << 10, "{}", told.len());
    assert!(told.contains("bytes were cut here"));
}

#[tokio::test(start_paused = true)]
async fn stop_keeps_what_came_and_waits_a_moment_for_calls() {
    let world = World::new(Script::new([calls(&[
        call("hang", "{}"),
        call("guarded", "{}"),
    ])]));
    let stop = async {
        world.tools.hanging().await;
        world.cancel.cancel();
    };
    let (end, ()) = tokio::join!(world.turn(), stop);
    assert_eq!(end, TurnEnd::Finished(RunEnd::Stopped));
    let state = world.log.state();
    assert!(matches!(
        state.call("c1").unwrap().state,
        CallState::Unknown { .. }
    ));
    assert!(matches!(
        state.call("c2").unwrap().state,
        CallState::Refused { .. }
    ));

    let mut half = text("half an answer");
    half.pop();
    let world = World::new(Script::new([half]).that_hangs());
    let stop = async {
        world
            .log
            .has(|it| matches!(it, RunEvent::TextDelta { .. }))
            .await;
        world.cancel.cancel();
    };
    let (end, ()) = tokio::join!(world.turn(), stop);
    assert_eq!(end, TurnEnd::Finished(RunEnd::Stopped));
    world.check(expect![[r#"
        run_started
        step_started 1
        text_started 0
        text_delta 0
        text_ended 0
        step_finished 1 cut
        run_finished stopped
    "#]]);
}

#[tokio::test]
async fn an_answer_that_is_cut_goes_on_where_it_ends() {
    let mut half = text("half an answer");
    half.pop();
    let world = World::new(Script::new([half, text("the rest")]));
    assert_eq!(failure(world.turn().await).kind, ModelErrorKind::Malformed);
    assert_eq!(world.turn().await, complete());
    let messages = &world.script.request(1).conversation.messages;
    expect![[r#"[User { parts: [Text("hi")] }, Assistant { parts: [Text { text: "half an answer", metadata: None }] }, User { parts: [Text("Your answer was cut off here. Go on where it ends.")] }]"#]]
        .assert_eq(&format!("{messages:?}"));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_asks_for_patience_is_asked_again() {
    let mut busy = ModelError::new(ModelErrorKind::RateLimit, "too many requests", "wait");
    busy.retry_after_ms = Some(7_000);
    let world =
        World::new(Script::new([text("done")]).that_fails_first(&[busy.clone(), busy.clone()]));
    let start = tokio::time::Instant::now();
    assert_eq!(world.turn().await, complete());
    assert_eq!(start.elapsed(), Duration::from_secs(14));
    expect![[r#"
        too many requests; it is asked again in 7 s (try 1 of 3)
        too many requests; it is asked again in 7 s (try 2 of 3)"#]]
    .assert_eq(&world.log.notices().join("\n"));

    busy.retry_after_ms = Some(3_600_000);
    let world = World::new(Script::new([]).that_fails_first(&[busy.clone()]));
    let error = failure(world.turn().await);
    assert_eq!(error.retry_after_ms, Some(3_600_000));
}

#[tokio::test]
async fn a_model_without_tool_support_is_asked_without_tools() {
    let no = ModelError::new(ModelErrorKind::NoToolSupport, "no tools", "choose another");
    let world = World::new(Script::new([text("done")]).that_fails_first(&[no]));
    assert_eq!(world.turn().await, complete());
    assert_ne!(world.script.request(0).tools, []);
    assert_eq!(world.script.request(1).tools, []);
    expect!["`m` cannot call tools, so it was asked without them; choose a model that can"]
        .assert_eq(&world.log.notices().join("\n"));
}

#[tokio::test]
async fn an_empty_answer_and_a_cut_one_are_said() {
    let world = World::new(Script::new([vec![done(FinishReason::Stop)]]));
    assert_eq!(world.turn().await, complete());
    expect!["the model gave an empty answer; ask again, or choose another model"]
        .assert_eq(&world.log.notices().join("\n"));
    let mut long = text("la la");
    *long.last_mut().unwrap() = done(FinishReason::Length);
    let world = World::new(Script::new([long]));
    assert_eq!(world.turn().await, complete());
    expect!["the answer ends at the most that the model may write at once; ask it to go on"]
        .assert_eq(&world.log.notices().join("\n"));
}

/// A run with parallel calls, an approval, a question, progress and several steps.
async fn long_run() -> Arc<MemoryLog> {
    let world = World::new(long_script());
    assert_eq!(world.turn().await, TurnEnd::Parked);
    world.answer_approval(true, None, None);
    assert_eq!(world.turn().await, TurnEnd::Parked);
    world.answer_question(json!({ "city": "Oslo" }));
    assert_eq!(world.turn().await, complete());
    world.log
}

fn long_script() -> Script {
    Script::new([
        calls(&[
            call("echo", "{}"),
            call("guarded", "{}"),
            call("slow", "{}"),
        ]),
        calls(&[call("curious", "{}"), call("nowhere", "{}")]),
        text("done"),
    ])
}

#[tokio::test(start_paused = true)]
async fn a_turn_goes_on_from_any_prefix_and_never_sends_a_call_twice() {
    let whole = long_run().await.events();
    for cut in 0..=whole.len() {
        // Written down and read again, as after a crash.
        let written = serde_json::to_string(&whole[..cut]).unwrap();
        let prefix: Vec<RunEvent> = serde_json::from_str(&written).unwrap();
        let world = World::new(long_script().that_is_at(RunState::of(&prefix).step));
        world.log.replace(prefix.clone());
        world.tools.forbid_what_was_sent(&prefix);
        for _ in 0..10 {
            if world.turn().await != TurnEnd::Parked {
                break;
            }
            let state = world.log.state();
            let waiting = state.waiting().next().unwrap();
            if waiting.state == CallState::NeedsApproval {
                world.answer_approval(true, None, None);
            } else {
                world.answer_question(json!({}));
            }
        }
        let state = world.log.state();
        assert!(
            state.end.is_some(),
            "after {cut}: {}",
            story(&world.log.events())
        );
        assert!(state.calls().all(|it| it.state.is_end()), "after {cut}");

        // And so it is with what a start of the program makes of it.
        let mut crashed = RunState::of(&prefix);
        for event in crash_events(&crashed) {
            crashed.apply(&event);
        }
        assert!(crashed.end.is_some() || crashed.is_parked(), "after {cut}");
        for event in end_events(&crashed, RunEnd::Stopped) {
            crashed.apply(&event);
        }
        assert!(crashed.calls().all(|it| it.state.is_end()), "after {cut}");
    }
}

#[tokio::test]
async fn a_log_that_fails_ends_the_turn_and_no_call_goes_out_unlogged() {
    let appends = {
        let world = World::new(long_script());
        assert_eq!(world.turn().await, TurnEnd::Parked);
        world.log.appends()
    };
    for nth in 1..=appends {
        let world = World::new(long_script());
        world.log.fail_from(nth);
        let mut state = RunState::default();
        let history = Conversation::default();
        let turn = Turn {
            settings: &world.settings,
            model: &world.script,
            options: &ModelOptions::default(),
            history: &history,
            tools: &world.tools,
            log: &*world.log,
            cancel: &world.cancel,
        };
        // The fake tools look into the log at each call.
        run_turn(turn, &mut state).await.unwrap_err();
        assert_eq!(world.log.state(), state);
    }
}
