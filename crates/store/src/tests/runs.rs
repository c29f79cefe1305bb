use domain::{PrincipalName, RunId};
use futures_util::future::join_all;

use super::bed::{Bed, add_chat, at, new_id, new_message, new_run, send};
use crate::{
    AnswerContent, Appended, Begun, NewRun, RUN_EVENT_BYTES_MAX, RUN_EVENTS_MAX, RunOf, RunState,
    RunUpdate, Store, StoreError, StoredRun,
};

super::on_both!(
    a_chat_has_one_run_under_way_however_many_begin,
    events_are_numbered_and_read_from_any_place,
    of_two_that_write_one_run_one_is_refused,
    a_run_changes_together_with_its_events,
    a_run_that_has_ended_is_written_no_more,
    the_last_run_that_is_over_can_go_on,
    what_is_too_long_or_too_much_is_refused_and_the_end_is_not,
    runs_are_there_after_opening_again,
    the_events_of_runs_that_ended_are_deleted_after_a_while,
);

fn to(state: RunState) -> RunUpdate {
    RunUpdate {
        state: Some(state),
        ..RunUpdate::default()
    }
}

fn texts(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|n| format!("{{\"n\":{n}}}")).collect()
}

async fn append(store: &Store, run: RunId, after: u64, events: Vec<String>) -> Appended {
    store
        .append_run_events(run, after, events, &RunUpdate::default())
        .await
        .unwrap()
}

async fn all_events(store: &Store, run: RunId) -> Vec<(u64, String)> {
    let (mut last, mut all) = (0, Vec::new());
    loop {
        let page = store.run_events(run, last, 400).await.unwrap();
        let Some(event) = page.last() else {
            return all;
        };
        last = event.seq;
        all.extend(page.into_iter().map(|it| (it.seq, it.body.into_string())));
    }
}

async fn a_chat_has_one_run_under_way_however_many_begin(bed: Bed) {
    let store = bed.open().await;
    let chat = add_chat(&store, "one").await;
    let begins = (0..10).map(|n| {
        let store = &store;
        async move {
            let of = RunOf::New(new_message(&n.to_string()));
            store.begin_run(chat, &of, &new_run()).await.unwrap()
        }
    });
    let outcomes = join_all(begins).await;
    let started: Vec<&StoredRun> = outcomes
        .iter()
        .filter_map(|it| match it {
            Begun::Started(run) => Some(run),
            _ => None,
        })
        .collect();
    assert_eq!(started.len(), 1);
    let queued = outcomes.iter().filter(|it| **it == Begun::Queued);
    assert_eq!(queued.count(), 9);
    let active = store.active_run(chat).await.unwrap();
    assert_eq!(active.as_ref(), Some(started[0]));
    assert_eq!(store.runs_of(chat).await.unwrap().len(), 1);
    // One for the answer.
    assert_eq!(store.message_tree(chat).await.unwrap().len(), 11);
    let of = RunOf::New(new_message("x"));
    let nowhere = store.begin_run(new_id(), &of, &new_run()).await;
    assert_eq!(nowhere.unwrap(), Begun::NotFound);
}

async fn events_are_numbered_and_read_from_any_place(bed: Bed) {
    let store = bed.open().await;
    let chat = add_chat(&store, "one").await;
    let run = send(&store, chat, "x").await.id;
    assert_eq!(append(&store, run, 0, texts(1..4)).await, Appended::Done(3));
    bed.clock.advance(5);
    // More than one statement takes.
    let many = append(&store, run, 3, texts(4..2_501)).await;
    assert_eq!(many, Appended::Done(2_500));
    assert_eq!(
        append(&store, run, 2_500, Vec::new()).await,
        Appended::Done(2_500)
    );
    let expected: Vec<(u64, String)> = (1..2_501).zip(texts(1..2_501)).collect();
    assert_eq!(all_events(&store, run).await, expected);
    let two = store.run_events(run, 2, 2).await.unwrap();
    assert_eq!((two[0].seq, two[0].at), (3, at(1_000)));
    assert_eq!((two[1].seq, two[1].at), (4, at(1_005)));
    assert_eq!(store.run_events(run, 2_500, 10).await.unwrap(), []);
    assert_eq!(store.run(run).await.unwrap().unwrap().last_seq, 2_500);
}

async fn of_two_that_write_one_run_one_is_refused(bed: Bed) {
    let store = bed.open().await;
    let chat = add_chat(&store, "one").await;
    let run = send(&store, chat, "x").await.id;
    // Ten tasks, each of which goes on from where it knows the log to be until it is refused.
    let writers = (0..10).map(|writer| {
        let store = &store;
        async move {
            let mut last = 0;
            for n in 0..20 {
                let events = vec![format!("{writer} {n}")];
                match append(store, run, last, events).await {
                    Appended::Done(seq) => last = seq,
                    Appended::Refused => return None,
                }
            }
            Some(writer)
        }
    });
    let winners: Vec<u32> = join_all(writers).await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    let events = all_events(&store, run).await;
    let expected = (0..20).map(|n| (n + 1, format!("{} {n}", winners[0])));
    assert_eq!(events, expected.collect::<Vec<_>>());
    assert_eq!(
        append(&store, run, 19, texts(0..1)).await,
        Appended::Refused
    );
    assert_eq!(
        append(&store, run, 21, texts(0..1)).await,
        Appended::Refused
    );
    assert_eq!(
        append(&store, new_id(), 0, texts(0..1)).await,
        Appended::Refused
    );
}

async fn a_run_changes_together_with_its_events(bed: Bed) {
    let store = bed.open().await;
    let owner = PrincipalName::owner();
    let chat = add_chat(&store, "one").await;
    let run = send(&store, chat, "x").await;
    let parked = RunUpdate {
        answer: Some(AnswerContent {
            content: "[\"so far\"]".into(),
            text: "so far".to_owned(),
        }),
        ..to(RunState::Parked)
    };
    bed.clock.advance(5);
    store
        .append_run_events(run.id, 0, texts(1..2), &parked)
        .await
        .unwrap();
    let stored = store.run(run.id).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.last_seq), (RunState::Parked, 1));
    assert_eq!(stored.updated_at, at(1_005));
    let answer = store.message(chat, run.answer).await.unwrap().unwrap();
    assert_eq!(&*answer.content, "[\"so far\"]");
    let hits = store.search_chats(&owner, "so far", 10).await.unwrap();
    assert_eq!(hits[0].message, Some(run.answer));
    let of_chat = store.chat(chat, &owner).await.unwrap().unwrap();
    assert_eq!(of_chat.active, Some((run.id, RunState::Parked)));
    assert_eq!(of_chat.updated_at, at(1_005));

    // A refused one changes nothing.
    let late = RunUpdate {
        error: Some("{}".into()),
        ..to(RunState::Failed)
    };
    bed.clock.advance(5);
    let refused = store.append_run_events(run.id, 0, texts(1..2), &late).await;
    assert_eq!(refused.unwrap(), Appended::Refused);
    assert_eq!(store.run(run.id).await.unwrap(), Some(stored));
    assert_eq!(store.chat(chat, &owner).await.unwrap(), Some(of_chat));
    store
        .append_run_events(run.id, 1, texts(2..3), &late)
        .await
        .unwrap();
    let stored = store.run(run.id).await.unwrap().unwrap();
    assert_eq!(stored.state, RunState::Failed);
    assert_eq!(stored.error.as_deref(), Some("{}"));
    let answer = store.message(chat, run.answer).await.unwrap().unwrap();
    assert_eq!(&*answer.content, "[\"so far\"]");
}

async fn a_run_that_has_ended_is_written_no_more(bed: Bed) {
    let store = bed.open().await;
    let chat = add_chat(&store, "one").await;
    for state in [
        RunState::Complete,
        RunState::Stopped,
        RunState::Failed,
        RunState::Interrupted,
    ] {
        assert!(!state.is_active());
        let run = send(&store, chat, "x").await.id;
        let ended = store
            .append_run_events(run, 0, texts(1..2), &to(state))
            .await;
        assert_eq!(ended.unwrap(), Appended::Done(1));
        assert_eq!(append(&store, run, 1, texts(2..3)).await, Appended::Refused);
        let back = store
            .append_run_events(run, 1, Vec::new(), &to(RunState::Running))
            .await;
        assert_eq!(back.unwrap(), Appended::Refused);
        assert_eq!(store.run(run).await.unwrap().unwrap().state, state);
        assert_eq!(store.active_run(chat).await.unwrap(), None);
    }
}

async fn the_last_run_that_is_over_can_go_on(bed: Bed) {
    let store = bed.open().await;
    let chat = add_chat(&store, "one").await;
    let reopen = async |run: &StoredRun, after: u64| {
        let reopened = store.reopen_run(run.id, after, "{}").await;
        reopened.unwrap()
    };
    let first = send(&store, chat, "x").await;
    append(&store, first.id, 0, texts(1..2)).await;
    assert_eq!(reopen(&first, 1).await, Appended::Refused, "it runs");
    let end = to(RunState::Interrupted);
    let ended = store.append_run_events(first.id, 1, texts(2..3), &end);
    ended.await.unwrap();
    assert_eq!(reopen(&first, 1).await, Appended::Refused, "another place");
    assert_eq!(reopen(&first, 2).await, Appended::Done(3));
    let again = store.run(first.id).await.unwrap().unwrap();
    assert_eq!((again.state, again.last_seq), (RunState::Running, 3));
    assert_eq!(all_events(&store, first.id).await.len(), 3);
    let ended = store.append_run_events(first.id, 3, Vec::new(), &end);
    ended.await.unwrap();

    let second = send(&store, chat, "y").await;
    assert_eq!(reopen(&first, 3).await, Appended::Refused, "another runs");
    let ended = store.append_run_events(second.id, 0, Vec::new(), &end);
    ended.await.unwrap();
    assert_eq!(reopen(&first, 3).await, Appended::Refused, "not the last");
    assert_eq!(reopen(&second, 0).await, Appended::Refused, "no log");
}

async fn what_is_too_long_or_too_much_is_refused_and_the_end_is_not(bed: Bed) {
    let store = bed.open().await;
    let chat = add_chat(&store, "one").await;
    let run = send(&store, chat, "x").await.id;
    let huge = vec!["x".repeat(RUN_EVENT_BYTES_MAX + 1)];
    let err = store
        .append_run_events(run, 0, huge, &RunUpdate::default())
        .await
        .unwrap_err();
    assert!(matches!(err, StoreError::TooLarge { .. }), "{err:?}");
    let fill = "UPDATE runs SET last_seq = $1";
    let most = i64::try_from(RUN_EVENTS_MAX).unwrap();
    writing!(store, pool => { sqlx::query(fill).bind(most).execute(pool).await.unwrap(); });
    let err = store
        .append_run_events(run, RUN_EVENTS_MAX, texts(0..1), &to(RunState::Parked))
        .await
        .unwrap_err();
    assert!(
        matches!(
            err,
            StoreError::TooMany {
                max: RUN_EVENTS_MAX,
                ..
            }
        ),
        "{err:?}"
    );
    let ended = store
        .append_run_events(run, RUN_EVENTS_MAX, texts(0..1), &to(RunState::Failed))
        .await;
    assert_eq!(ended.unwrap(), Appended::Done(RUN_EVENTS_MAX + 1));
}

async fn runs_are_there_after_opening_again(bed: Bed) {
    let store = bed.open().await;
    let mut runs = Vec::new();
    for state in [RunState::Running, RunState::Parked, RunState::Complete] {
        bed.clock.advance(1);
        let chat = add_chat(&store, "one").await;
        let new = NewRun {
            provider: Some(new_id()),
            ..new_run()
        };
        let of = RunOf::New(new_message("x"));
        let Begun::Started(run) = store.begin_run(chat, &of, &new).await.unwrap() else {
            panic!("nothing is under way");
        };
        store
            .append_run_events(run.id, 0, texts(1..3), &to(state))
            .await
            .unwrap();
        runs.push(store.run(run.id).await.unwrap().unwrap());
    }
    store.close().await;
    let store = bed.open().await;
    for (run, state) in runs
        .iter()
        .zip([RunState::Running, RunState::Parked, RunState::Complete])
    {
        let found = store.runs_in_state(state).await.unwrap();
        assert_eq!(found, std::slice::from_ref(run));
        assert_eq!(all_events(&store, run.id).await.len(), 2);
    }
    assert_eq!(store.runs_in_state(RunState::Stopped).await.unwrap(), []);
    assert_eq!(
        append(&store, runs[0].id, 2, texts(3..4)).await,
        Appended::Done(3)
    );
}

async fn the_events_of_runs_that_ended_are_deleted_after_a_while(bed: Bed) {
    let store = bed.open().await;
    let mut runs = Vec::new();
    for n in 0..50 {
        let chat = add_chat(&store, "one").await;
        let run = send(&store, chat, "x").await.id;
        let state = if n == 0 {
            RunState::Parked
        } else {
            RunState::Complete
        };
        store
            .append_run_events(run, 0, texts(1..3), &to(state))
            .await
            .unwrap();
        runs.push(run);
    }
    bed.clock.advance(10);
    let chat = add_chat(&store, "one").await;
    let young = send(&store, chat, "x").await.id;
    store
        .append_run_events(young, 0, texts(1..3), &to(RunState::Complete))
        .await
        .unwrap();
    assert_eq!(store.prune_run_events(at(1_000)).await.unwrap(), 0);
    assert_eq!(store.prune_run_events(at(1_010)).await.unwrap(), 98);
    assert_eq!(store.prune_run_events(at(1_010)).await.unwrap(), 0);
    assert_eq!(all_events(&store, runs[0]).await.len(), 2);
    assert_eq!(all_events(&store, runs[1]).await.len(), 0);
    assert_eq!(all_events(&store, young).await.len(), 2);
    assert_eq!(store.run(runs[1]).await.unwrap().unwrap().last_seq, 2);
}
