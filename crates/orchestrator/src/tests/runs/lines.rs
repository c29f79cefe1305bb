//! Messages that wait in line.

use agent::RunEvent;
use scripted_model::{Step, Turn};

use super::bed::{Bed, held, me, said, text, until};
use crate::Error;

#[tokio::test]
async fn further_messages_wait_in_line_and_start_by_themselves() {
    let bed = Bed::new().await;
    bed.script_by(|it| match it.question() {
        "one" => held("1", "one"),
        "three" => held("3", "three"),
        other => Turn::text(format!("to {other}")),
    });
    let this = &bed.house.orchestrator;
    let first = bed.send("one").await.run.unwrap().id;
    let two = bed.send("two").await;
    let three = bed.send("3").await;
    let four = bed.send("four").await;
    assert!(two.run.is_none() && three.run.is_none() && four.run.is_none());
    assert_eq!(
        bed.queued().await,
        ["person: two", "person: 3", "person: four"]
    );
    let edited = this.edit_message(bed.chat, three.message, said("three"), me());
    let edited = edited.await.unwrap();
    assert!(edited.message == three.message && edited.run.is_none());
    let removed = this.remove_queued(bed.chat, four.message, me());
    removed.await.unwrap();
    let again = this.remove_queued(bed.chat, four.message, me());
    assert!(matches!(again.await, Err(Error::NotFound { .. })));

    bed.model.release("one");
    bed.end_of(first).await;
    let third = until("the third run", async || {
        let messages = bed.messages().await;
        let active = messages.active.filter(|_| messages.queue.is_empty());
        active.map(|it| it.id)
    });
    let third = third.await;
    // Being sent, it waits no more.
    let gone = this.remove_queued(bed.chat, three.message, me());
    assert!(matches!(gone.await, Err(Error::NotFound { .. })));
    bed.model.release("three");
    bed.end_of(third).await;
    assert_eq!(
        bed.shown().await,
        [
            "person: one",
            "complete: 1",
            "person: two",
            "complete: to two",
            "person: three",
            "complete: 3",
        ]
    );
    bed.end().await;
}

#[tokio::test]
async fn a_stop_ends_one_run_and_the_next_message_follows() {
    let bed = Bed::new().await;
    bed.script([held("1", "never"), Turn::text("2")]);
    let first = bed.send("one").await.run.unwrap().id;
    bed.send("two").await;
    let is_text = |it: &RunEvent| matches!(it, RunEvent::TextDelta { .. });
    bed.read(first, is_text).await;
    bed.house
        .orchestrator
        .stop_run(bed.chat, me())
        .await
        .unwrap();
    bed.end_of(first).await;
    until("the second answer", async || {
        let shown = bed.shown().await;
        shown
            .last()
            .is_some_and(|it| it == "complete: 2")
            .then_some(())
    })
    .await;
    bed.end().await;
}

#[tokio::test]
async fn chats_run_at_once_as_many_as_there_is_room_for() {
    let bed = Bed::set(|it| it.settings.runs_max = 2).await;
    bed.script_by(|it| {
        let name = it.question().to_owned();
        Turn::of([Step::Hold(name.clone()), Step::Text(name)])
    });
    let mut runs = Vec::new();
    for name in ["a", "b", "c"] {
        let chat = bed.begin_chat().await;
        runs.push(bed.send_in(chat, name).await.run.unwrap().id);
    }
    let mut counts = bed.model.counts();
    counts.wait_for(|it| it.open_answers == 2).await.unwrap();
    assert_eq!(bed.model.counts().borrow().chats, 2, "the third one waits");
    for name in ["a", "b", "c"] {
        bed.model.release(name);
    }
    for (run, name) in runs.into_iter().zip(["a", "b", "c"]) {
        assert_eq!(text(&bed.end_of(run).await), name);
    }
    bed.end().await;
}
