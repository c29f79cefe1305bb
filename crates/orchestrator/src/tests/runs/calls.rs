//! Calls of tools, and the people who are asked about them.

use agent::{ElicitationAction, RunEnd, RunEvent};
use domain::{ApprovalId, Effect, RunId};
use scripted_model::{ToolCall, Turn};
use serde_json::{Value, json, value::to_raw_value};
use store::{ApprovalState, RunState};

use super::bed::{Bed, call, me, results, text};
use crate::{ApprovalDecision, ApprovalVerdict, Error, GrantScope, tests::tool_server::ToolServer};

const APPROVE: ApprovalVerdict = ApprovalVerdict::Approve {
    scope: GrantScope::Once,
    arguments: None,
};

fn echo(text: &str) -> Turn {
    call("thing__echo", json!({ "text": text }))
}

/// Waits until a run waits for a person, and returns what for.
pub(super) async fn asked(bed: &Bed, run: RunId) -> ApprovalId {
    let is_asked = |it: &RunEvent| matches!(it, RunEvent::ToolApprovalNeeded { .. });
    let events = bed.read(run, is_asked).await;
    bed.wait_for_state(run, RunState::Parked).await;
    match events.last().unwrap() {
        RunEvent::ToolApprovalNeeded { approval_id, .. } => approval_id.parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn decide(
    bed: &Bed,
    id: ApprovalId,
    verdict: ApprovalVerdict,
) -> Result<(), Error> {
    let shown = bed.house.shared().store.approval(id).await.unwrap();
    let pin = shown.unwrap().pin;
    let decision = ApprovalDecision { pin, verdict };
    let decided = bed.house.orchestrator.decide_approval(id, decision, me());
    decided.await.map(drop)
}

async fn question(bed: &Bed, run: RunId) -> String {
    let is_asked = |it: &RunEvent| matches!(it, RunEvent::ElicitationAsked { .. });
    let events = bed.read(run, is_asked).await;
    bed.wait_for_state(run, RunState::Parked).await;
    match events.last().unwrap() {
        RunEvent::ElicitationAsked { question, .. } => {
            assert_eq!(question.message, "which number?");
            question.elicitation_id.clone()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_model_calls_tools_and_answers_with_what_they_say() {
    let bed = Bed::new().await;
    bed.add_tools(Effect::Allow).await;
    bed.script_by(|it| match it.rounds() {
        0 => Turn::calls([
            ToolCall::new("thing__echo", json!({ "text": "one" })),
            ToolCall::new("thing__count", json!({})),
            ToolCall::new("thing__fail", json!({})),
        ]),
        _ => Turn::text(
            it.done()
                .into_iter()
                .map(|it| it.text)
                .collect::<Vec<_>>()
                .join("+"),
        ),
    });
    let run = bed.send("go").await.run.unwrap().id;
    let has_progress = |it: &RunEvent| matches!(it, RunEvent::ToolProgress { .. });
    bed.read(run, has_progress).await;
    bed.server.release();
    let events = bed.end_of(run).await;
    let answer = text(&events);
    assert!(
        answer.contains("one+done+") && answer.contains("it did not go well"),
        "{answer}"
    );
    let mut told = results(&events);
    told.sort();
    assert_eq!(told, ["done", "error: it did not go well", "one"]);
    let facts = events.iter().find_map(|it| match it {
        RunEvent::ToolResult { facts, .. } => facts.clone(),
        _ => None,
    });
    let facts = facts.unwrap();
    assert_eq!(facts["server"], "thing");
    assert_eq!(facts["runs_in"], "sandbox");
    assert_eq!(facts["allowed_by"], "setting");
    bed.end().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_a_result_for_the_model() {
    let bed = Bed::new().await;
    bed.add_tools(Effect::Allow).await;
    bed.script([
        call("thing__nothing", json!({})),
        call("thing__echo", json!({ "text": 7 })),
        Turn::calls([ToolCall::raw("thing__echo", "{\"text\": ")]),
        call("thing__die", json!({})),
        echo("too soon"),
        Turn::text("enough"),
    ]);
    let events = bed.ask("go").await;
    assert_eq!(text(&events), "enough");
    let told = results(&events);
    assert!(told[0].starts_with("refused: "), "{told:?}");
    assert!(told[1].starts_with("refused: "), "{told:?}");
    assert!(told[2].starts_with("unknown: "), "{told:?}");
    assert!(told[3].contains("it is tried again in"), "{told:?}");
    let failed = |it: &RunEvent| matches!(it, RunEvent::ToolInputFailed { .. });
    assert!(events.iter().any(failed));
    assert_eq!(bed.server.calls().len(), 1);
    bed.end().await;
}

#[tokio::test]
async fn a_run_waits_for_a_decision_without_a_task_and_goes_on_by_itself() {
    let bed = Bed::new().await;
    bed.add_tools(Effect::Ask).await;
    bed.script([echo("yes"), echo("no"), echo("other"), Turn::text("done")]);
    let run = bed.send("go").await.run.unwrap().id;
    let first = asked(&bed, run).await;
    assert!(bed.server.calls().is_empty());
    decide(&bed, first, APPROVE).await.unwrap();

    let two = |it: &[RunEvent]| {
        let asked = |it: &&RunEvent| matches!(it, RunEvent::ToolApprovalNeeded { .. });
        it.iter().filter(asked).count()
    };
    let next = async |count: usize| {
        let ids = super::bed::until("the next question", async || {
            let store = &bed.house.shared().store;
            let rows = store.run_events(run, 0, 1_000).await.unwrap();
            let event = |it: &store::StoredRunEvent| serde_json::from_str(&it.body).unwrap();
            let events: Vec<RunEvent> = rows.iter().map(event).collect();
            (two(&events) == count).then_some(events)
        });
        let events = ids.await;
        bed.wait_for_state(run, RunState::Parked).await;
        let id = events.iter().rev().find_map(|it| match it {
            RunEvent::ToolApprovalNeeded { approval_id, .. } => Some(approval_id.clone()),
            _ => None,
        });
        id.unwrap().parse::<ApprovalId>().unwrap()
    };
    let second = next(2).await;
    let no = ApprovalVerdict::Deny {
        reason: Some("not this one".to_owned()),
    };
    decide(&bed, second, no).await.unwrap();
    let third = next(3).await;
    let edited = ApprovalVerdict::Approve {
        scope: GrantScope::Once,
        arguments: Some(to_raw_value(&json!({ "text": "edited" })).unwrap()),
    };
    decide(&bed, third, edited).await.unwrap();

    let events = bed.end_of(run).await;
    assert_eq!(text(&events), "done");
    assert_eq!(results(&events), ["yes", "edited"]);
    let sent: Vec<Value> = bed.server.calls().into_iter().map(|it| it.1).collect();
    assert_eq!(
        sent,
        [json!({ "text": "yes" }), json!({ "text": "edited" })]
    );
    let last = bed.model.chats().pop().unwrap().body.to_string();
    assert!(last.contains("not this one"), "{last}");
    bed.end().await;
}

#[tokio::test]
async fn what_a_stopped_run_asked_for_is_asked_no_more() {
    let bed = Bed::new().await;
    bed.add_tools(Effect::Ask).await;
    bed.script([echo("never")]);
    let run = bed.send("go").await.run.unwrap().id;
    let id = asked(&bed, run).await;
    bed.house
        .orchestrator
        .stop_run(bed.chat, me())
        .await
        .unwrap();
    let events = bed.end_of(run).await;
    let end = RunEvent::RunFinished {
        end: RunEnd::Stopped,
    };
    assert_eq!(events.last(), Some(&end));
    let store = &bed.house.shared().store;
    super::bed::until("the request is withdrawn", async || {
        let approval = store.approval(id).await.unwrap().unwrap();
        (approval.state == ApprovalState::Withdrawn).then_some(())
    })
    .await;
    assert!(decide(&bed, id, APPROVE).await.is_err());
    assert!(bed.server.calls().is_empty());
    bed.end().await;
}

#[tokio::test]
async fn a_call_under_way_when_its_run_is_stopped_has_an_unknown_outcome() {
    let bed = Bed::new().await;
    bed.add_tools(Effect::Allow).await;
    bed.script([call("thing__wait", json!({})), Turn::text("later")]);
    let run = bed.send("go").await.run.unwrap().id;
    bed.server.wait_for_calls(1).await;
    bed.house
        .orchestrator
        .stop_run(bed.chat, me())
        .await
        .unwrap();
    let told = results(&bed.end_of(run).await);
    assert!(
        told[0].starts_with("unknown: the run was stopped"),
        "{told:?}"
    );
    bed.ask("and?").await;
    assert_eq!(bed.server.calls().len(), 1, "it is not called again");
    bed.end().await;
}

#[tokio::test]
async fn a_server_that_asks_in_the_middle_of_a_call_gets_the_persons_answer() {
    let bed = Bed::new().await;
    bed.add_tools(Effect::Allow).await;
    bed.script([call("thing__ask", json!({})), Turn::text("thanks")]);
    let this = &bed.house.orchestrator;
    let run = bed.send("go").await.run.unwrap().id;
    let question = question(&bed, run).await;
    let answer = async |content: Value| {
        let accept = ElicitationAction::Accept;
        let content = Some(content);
        this.answer_question(bed.chat, &question, accept, content, me())
            .await
    };
    for bad in [json!({}), json!({ "number": "seven" }), json!(7)] {
        let refused = answer(bad).await;
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    }
    answer(json!({ "number": 7 })).await.unwrap();
    let events = bed.end_of(run).await;
    let told: Value = serde_json::from_str(&results(&events)[0]).unwrap();
    assert_eq!(
        told,
        json!({ "action": "accept", "content": { "number": 7 } })
    );
    assert_eq!(text(&events), "thanks");
    let late = answer(json!({ "number": 7 })).await;
    assert!(matches!(late, Err(Error::Conflict { .. })), "{late:?}");
    bed.end().await;
}

#[tokio::test]
async fn a_question_that_nobody_wants_to_answer_is_declined() {
    let bed = Bed::new().await;
    bed.add_tools(Effect::Allow).await;
    bed.script([call("thing__ask", json!({})), Turn::text("then not")]);
    let run = bed.send("go").await.run.unwrap().id;
    let question = question(&bed, run).await;
    let no = ElicitationAction::Decline;
    let answered = bed
        .house
        .orchestrator
        .answer_question(bed.chat, &question, no, None, me());
    answered.await.unwrap();
    let told = results(&bed.end_of(run).await);
    assert_eq!(told, [r#"{"action":"decline"}"#]);
    bed.end().await;
}

#[tokio::test]
async fn a_model_that_loops_is_ended_and_says_why() {
    let bed = Bed::set(|it| it.settings.turn.turn_steps_max = 5).await;
    bed.add_tools(Effect::Allow).await;
    bed.model
        .script_forever(super::bed::MODEL, vec![echo("again")]);
    let events = bed.ask("go").await;
    let end = RunEvent::RunFinished {
        end: RunEnd::StepsMax { steps_max: 5 },
    };
    assert_eq!(events.last(), Some(&end));
    assert_eq!(bed.server.calls().len(), 5);
    bed.model
        .script_forever(super::bed::MODEL, vec![call("missing", json!({}))]);
    let events = bed.ask("go").await;
    assert!(
        matches!(
            events.last(),
            Some(RunEvent::RunFinished {
                end: RunEnd::Failed { .. } | RunEnd::StepsMax { .. }
            })
        ),
        "{events:?}"
    );
    bed.end().await;
}

#[tokio::test]
async fn of_two_thousand_tools_as_many_are_offered_as_fit_and_that_is_told() {
    let server = ToolServer::default().with((6..2_000).map(|it| format!("more-{it}")));
    let bed = Bed::with(server, |_| {}).await;
    bed.add_tools(Effect::Allow).await;
    bed.script_by(|it| Turn::text(it.tools.len().to_string()));
    let events = bed.ask("how many?").await;
    assert_eq!(text(&events), "128");
    let told = events.iter().find_map(|it| match it {
        RunEvent::Notice { text, .. } => Some(text.clone()),
        _ => None,
    });
    assert!(told.is_some_and(|it| it.contains("128")), "{events:?}");
    bed.end().await;
}
