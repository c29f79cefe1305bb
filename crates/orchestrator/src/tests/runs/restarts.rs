//! The program ends, and is started anew.

use agent::{ElicitationAction, RunEvent};
use domain::Effect;
use scripted_model::Turn;
use serde_json::json;
use store::RunState;

use super::{
    bed::{Bed, call, held, me, results, text, until},
    calls::{asked, decide},
};
use crate::{ApprovalVerdict, Error, GrantScope};

#[tokio::test]
async fn a_run_under_way_is_interrupted_with_what_had_arrived_and_the_line_goes_on() {
    let bed = Bed::new().await;
    bed.script_by(|it| match it.question() {
        "one" => held("as far as this", "never"),
        _ => Turn::text("here"),
    });
    let run = bed.send("one").await.run.unwrap().id;
    bed.send("two").await;
    let is_text = |it: &RunEvent| matches!(it, RunEvent::TextDelta { .. });
    bed.read(run, is_text).await;
    let bed = bed.restart().await;
    until("the next answer", async || {
        let shown = bed.shown().await;
        (shown.len() == 4 && shown[3] == "complete: here").then_some(())
    })
    .await;
    let shown = bed.shown().await;
    assert_eq!(shown[1], "interrupted: as far as this");
    bed.end_of(run).await;
    bed.end().await;
}

#[tokio::test]
async fn a_call_under_way_is_never_made_again_and_that_is_said() {
    let bed = Bed::new().await;
    bed.add_tools(Effect::Allow).await;
    bed.script([call("thing__wait", json!({})), Turn::text("what now")]);
    let run = bed.send("go").await.run.unwrap().id;
    bed.server.wait_for_calls(1).await;
    let bed = bed.restart().await;
    let events = bed.end_of(run).await;
    let told = results(&events);
    assert!(told[0].starts_with("unknown: "), "{told:?}");
    bed.wait_for_state(run, RunState::Interrupted).await;
    bed.wait_for_tools().await;
    assert_eq!(text(&bed.ask("and?").await), "what now");
    let last = bed.model.chats().pop().unwrap().body.to_string();
    assert!(last.contains("not known"), "the model is told: {last}");
    assert_eq!(bed.server.calls().len(), 1);
    bed.end().await;
}

#[tokio::test]
async fn a_run_that_waits_for_a_decision_waits_on_and_then_goes_on() {
    let bed = Bed::new().await;
    bed.add_tools(Effect::Ask).await;
    bed.script([
        call("thing__echo", json!({ "text": "yes" })),
        Turn::text("done"),
    ]);
    let run = bed.send("go").await.run.unwrap().id;
    let id = asked(&bed, run).await;
    let bed = bed.restart().await;
    bed.wait_for_tools().await;
    bed.wait_for_state(run, RunState::Parked).await;
    let once = ApprovalVerdict::Approve {
        scope: GrantScope::Once,
        arguments: None,
    };
    decide(&bed, id, once).await.unwrap();
    let events = bed.end_of(run).await;
    assert_eq!(results(&events), ["yes"]);
    assert_eq!(text(&events), "done");
    assert_eq!(bed.server.calls().len(), 1);
    bed.end().await;
}

#[tokio::test]
async fn a_question_of_a_server_that_is_gone_has_no_answer_and_the_model_goes_on() {
    let bed = Bed::new().await;
    bed.add_tools(Effect::Allow).await;
    bed.script([call("thing__ask", json!({})), Turn::text("never mind")]);
    let run = bed.send("go").await.run.unwrap().id;
    let is_asked = |it: &RunEvent| matches!(it, RunEvent::ElicitationAsked { .. });
    let events = bed.read(run, is_asked).await;
    let Some(RunEvent::ElicitationAsked { question, .. }) = events.last() else {
        panic!("{events:?}")
    };
    bed.wait_for_state(run, RunState::Parked).await;
    let bed = bed.restart().await;
    let events = bed.end_of(run).await;
    assert_eq!(text(&events), "never mind");
    let told = results(&events);
    assert!(told[0].contains("started anew"), "{told:?}");
    let late = bed.house.orchestrator.answer_question(
        bed.chat,
        &question.elicitation_id,
        ElicitationAction::Decline,
        None,
        me(),
    );
    assert!(matches!(late.await, Err(Error::Conflict { .. })));
    assert_eq!(bed.server.calls().len(), 1);
    bed.end().await;
}

#[tokio::test]
async fn a_run_that_was_interrupted_goes_on_in_the_same_message_when_a_person_says_so() {
    let bed = Bed::new().await;
    bed.script([held("as far ", "never"), Turn::text("as this")]);
    let run = bed.send("go").await.run.unwrap();
    let is_text = |it: &RunEvent| matches!(it, RunEvent::TextDelta { .. });
    bed.read(run.id, is_text).await;
    let this = &bed.house.orchestrator;
    let busy = this.resume_run(bed.chat, me()).await;
    assert!(matches!(busy, Err(Error::Conflict { .. })), "{busy:?}");
    let bed = bed.restart().await;
    bed.wait_for_state(run.id, RunState::Interrupted).await;
    let before = bed.end_of(run.id).await;

    let this = &bed.house.orchestrator;
    let resumed = this.resume_run(bed.chat, me()).await.unwrap();
    assert_eq!(resumed.after, before.len() as u64);
    assert_eq!(resumed.run.unwrap().answer, run.answer);
    bed.wait_for_state(run.id, RunState::Complete).await;
    let all = bed.end_of(run.id).await;
    assert_eq!(all[..before.len()], before);
    assert_eq!(all[before.len()], RunEvent::RunResumed);
    assert_eq!(text(&all), "as far as this");
    assert_eq!(
        bed.shown().await,
        ["person: go", "complete: as far |as this"]
    );
    let whole = this.resume_run(bed.chat, me()).await;
    assert!(matches!(whole, Err(Error::Conflict { .. })), "{whole:?}");
    bed.end().await;
}
