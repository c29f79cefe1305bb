use agent::{ModelErrorKind, RunEnd, RunEvent, ui::UiMessage};
use scripted_model::{Conversation, Message, Refusal, Step, Turn};
use store::{ChatChange, RunState};

use super::bed::{Bed, MODEL, held, me, said, text};
use crate::{Error, MessageContent, MessagePart, SendMessage};

fn end(events: &[RunEvent]) -> &RunEnd {
    match events.last() {
        Some(RunEvent::RunFinished { end }) => end,
        other => panic!("{other:?}"),
    }
}

/// Returns what the person and the model have said, as the model is told.
fn talk(conversation: &Conversation) -> String {
    let said = conversation.messages.iter().filter_map(|it| match it {
        Message::User { text, .. } => Some(text.as_str()),
        Message::Assistant { text, .. } => Some(text.as_str()),
        _ => None,
    });
    said.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn a_message_is_answered_and_the_answer_is_what_its_log_says() {
    let bed = Bed::new().await;
    bed.script_by(|it| Turn::text(talk(it)));
    let events = bed.ask("How are\nyou?").await;
    assert_eq!(text(&events), "How are\nyou?");
    assert_eq!(end(&events), &RunEnd::Complete);
    let events = bed.ask("And now?").await;
    assert_eq!(text(&events), "How are\nyou?/How are\nyou?/And now?");

    let shown = bed.messages().await;
    assert!(!shown.has_older && shown.active.is_none() && shown.queue.is_empty());
    let MessageContent::Assistant(answer, Some(run)) = &shown.messages[3].content else {
        panic!("{shown:?}")
    };
    assert_eq!(**answer, UiMessage::of(&run.answer.to_string(), &events));
    assert_eq!(run.state, RunState::Complete);
    let store = &bed.house.shared().store;
    let chat = store.chat(bed.chat, &me().principal).await.unwrap();
    assert_eq!(chat.unwrap().title, "How are you?");
    bed.end().await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_and_nothing_is_kept() {
    let bed = Bed::set(|it| it.settings.chat_message_bytes_max = 100).await;
    let file = |media_type: &str, url: &str| SendMessage {
        parts: vec![MessagePart::File {
            media_type: media_type.to_owned(),
            url: url.to_owned(),
            filename: None,
        }],
        model: None,
    };
    for (bad, why) in [
        (said(""), "the message is empty"),
        (said(" \n"), "the message is empty"),
        (said(&"x".repeat(101)), "`chat_message_bytes_max`"),
        (file("application/pdf", "data:x"), "cannot be shown"),
        (file("image/png", "https://example.test/x.png"), "`data:"),
        (file("image/png", "data:image/png;base64,***"), "base64"),
    ] {
        let refused = bed.house.orchestrator.send_message(bed.chat, bad, me());
        let message = match refused.await {
            Err(err @ Error::Invalid { .. }) => err.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(message.contains(why), "{message}");
    }
    assert!(bed.shown().await.is_empty());
    let nobodys = domain::ChatId::from_uuid(uuid::Uuid::now_v7());
    let refused = bed
        .house
        .orchestrator
        .send_message(nobodys, said("hello"), me());
    assert!(matches!(refused.await, Err(Error::NotFound { .. })));
    bed.end().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_model_is_in_the_answer_and_the_next_message_goes_on() {
    let bed = Bed::new().await;
    bed.script([
        Turn::refused(Refusal::Key),
        Turn::of([Step::Text("half of ".to_owned()), Step::Cut]),
        Turn::text("whole"),
    ]);
    let events = bed.ask("one").await;
    let RunEnd::Failed { error } = end(&events) else {
        panic!("{events:?}")
    };
    assert_eq!(error.kind, ModelErrorKind::Key);
    let events = bed.ask("two").await;
    assert!(matches!(end(&events), RunEnd::Failed { .. }), "{events:?}");
    assert_eq!(text(&bed.ask("three").await), "whole");
    assert_eq!(
        bed.shown().await,
        [
            "person: one",
            "failed: ",
            "person: two",
            "failed: half of ",
            "person: three",
            "complete: whole",
        ]
    );

    // A provider that is gone is told in the same way.
    let removed = bed.house.orchestrator.remove_provider(bed.provider, me());
    removed.await.unwrap();
    let events = bed.ask("four").await;
    let RunEnd::Failed { error } = end(&events) else {
        panic!("{events:?}")
    };
    assert_eq!(error.kind, ModelErrorKind::ModelMissing);
    bed.end().await;
}

#[tokio::test]
async fn a_chat_that_names_no_model_asks_the_default_one() {
    let bed = Bed::new().await;
    let none = ChatChange {
        provider: Some(None),
        model: Some(None),
        ..ChatChange::default()
    };
    let store = &bed.house.shared().store;
    let changed = store.update_chat(bed.chat, &me().principal, &none);
    assert!(changed.await.unwrap());
    bed.script([Turn::text("here")]);
    let events = bed.ask("where?").await;
    assert_eq!(text(&events), "here");
    let started = RunEvent::RunStarted {
        provider: "scripted".to_owned(),
        model: MODEL.to_owned(),
    };
    assert_eq!(events[0], started);
    bed.end().await;
}

#[tokio::test]
async fn a_run_is_stopped_at_any_time_and_what_had_arrived_is_kept() {
    let bed = Bed::new().await;
    bed.script([held("as far as this", "never"), Turn::text("after")]);
    let run = bed.send("go").await.run.unwrap().id;
    let is_text = |it: &RunEvent| matches!(it, RunEvent::TextDelta { .. });
    bed.read(run, is_text).await;
    let stopped = bed.house.orchestrator.stop_run(bed.chat, me()).await;
    assert_eq!(stopped.unwrap(), Some(run));
    let events = bed.end_of(run).await;
    assert_eq!(end(&events), &RunEnd::Stopped);
    assert_eq!(text(&events), "as far as this");
    bed.wait_for_state(run, RunState::Stopped).await;
    let nothing = bed.house.orchestrator.stop_run(bed.chat, me()).await;
    assert_eq!(nothing.unwrap(), None);
    assert_eq!(text(&bed.ask("more").await), "after");
    bed.end().await;
}

#[tokio::test]
async fn an_edited_message_and_a_second_answer_stand_beside_the_first() {
    let bed = Bed::new().await;
    bed.script_by(|it| Turn::text(format!("re {}", talk(it))));
    let this = &bed.house.orchestrator;
    let first = bed.send("one").await;
    bed.end_of(first.run.as_ref().unwrap().id).await;
    bed.ask("two").await;

    let edited = this.edit_message(bed.chat, first.message, said("uno"), me());
    let edited = edited.await.unwrap();
    let run = edited.run.unwrap();
    bed.end_of(run.id).await;
    assert_eq!(bed.shown().await, ["person: uno", "complete: re uno"]);

    let again = this.regenerate(bed.chat, run.answer, None, me());
    let again = again.await.unwrap();
    assert_eq!(again.message, edited.message);
    let second = again.run.unwrap();
    bed.end_of(second.id).await;
    let shown = bed.messages().await.messages;
    assert_eq!(shown[0].siblings, [first.message, edited.message]);
    assert_eq!(shown[1].siblings, [run.answer, second.answer]);
    assert_eq!(shown[1].id, second.answer);

    this.show_message(bed.chat, first.message, me())
        .await
        .unwrap();
    assert_eq!(
        bed.shown().await,
        [
            "person: one",
            "complete: re one",
            "person: two",
            "complete: re one/re one/two",
        ]
    );
    bed.end().await;
}

#[tokio::test]
async fn while_a_run_is_under_way_nothing_takes_its_place() {
    let bed = Bed::new().await;
    bed.script([held("now", "later")]);
    let sent = bed.send("one").await;
    let this = &bed.house.orchestrator;
    let edited = this.edit_message(bed.chat, sent.message, said("uno"), me());
    assert!(matches!(edited.await, Err(Error::Conflict { .. })));
    let again = this.regenerate(bed.chat, sent.message, None, me());
    assert!(matches!(again.await, Err(Error::Conflict { .. })));
    bed.model.release("later");
    bed.end_of(sent.run.unwrap().id).await;
    bed.end().await;
}
