//! Many who read one run.

use scripted_model::{Pace, Step, Turn};
use tokio::task::JoinSet;

use super::bed::{Bed, me, text};

#[tokio::test]
async fn ten_read_one_run_and_one_that_stalls_holds_nobody_up() {
    // So little is kept that most has to be read from the store.
    let bed = Bed::set(|it| {
        it.settings.run_live_events_max = 3;
        it.settings.run_commit_bytes = 1;
    })
    .await;
    let words: String = (0..200).map(|it| format!("{it} ")).collect();
    let steps = [Step::Hold("go".to_owned()), Step::Text(words.clone())];
    bed.script([Turn::of(steps).at(Pace::FAST)]);
    let run = bed.send("count").await.run.unwrap().id;
    let this = bed.house.orchestrator.clone();
    let mut stalls = this.read_run(run, 0, me()).await.unwrap();
    stalls.next().await.unwrap().unwrap();
    let mut readers = JoinSet::new();
    for from in 0..10 {
        let this = this.clone();
        readers.spawn(async move {
            let mut reader = this.read_run(run, 0, me()).await.unwrap();
            let mut events = Vec::new();
            while let Some(next) = reader.next().await.unwrap() {
                events.push(next.event.clone());
                // It reloads, from where it was.
                if events.len() % 7 == from % 7 {
                    reader = this.read_run(run, next.seq, me()).await.unwrap();
                }
            }
            events
        });
    }
    bed.model.release("go");
    let expected = bed.end_of(run).await;
    assert_eq!(text(&expected), words);
    while let Some(read) = readers.join_next().await {
        assert_eq!(read.unwrap(), expected);
    }
    let mut events = vec![expected[0].clone()];
    while let Some(next) = stalls.next().await.unwrap() {
        events.push(next.event.clone());
    }
    assert_eq!(events, expected);
    bed.end().await;
}

#[tokio::test]
async fn a_run_can_be_read_from_anywhere_once_it_is_over() {
    let bed = Bed::new().await;
    bed.script([Turn::text("a b c")]);
    let run = bed.send("letters").await.run.unwrap().id;
    let all = bed.end_of(run).await;
    for after in 0..all.len() + 2 {
        let reader = bed.house.orchestrator.read_run(run, after as u64, me());
        let mut reader = reader.await.unwrap();
        let mut rest = Vec::new();
        while let Some(next) = reader.next().await.unwrap() {
            rest.push(next.event.clone());
        }
        assert_eq!(rest, all[after.min(all.len())..]);
    }
    let active = bed.house.orchestrator.read_active_run(bed.chat, 0, me());
    assert!(active.await.unwrap().is_none());
    bed.end().await;
}
