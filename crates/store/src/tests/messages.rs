use domain::{ChatId, MessageId, PrincipalName, RunId};

use super::bed::{Bed, add_chat, new_id, new_message, new_run, send};
use crate::{
    Appended, Begun, MESSAGES_MAX, MessageState, QUEUED_MAX, Role, RunOf, RunState, RunUpdate,
    Store, StoreError,
};

super::on_both!(
    a_message_and_its_answer_follow_what_was_said,
    an_edited_message_stands_beside_the_earlier_one,
    a_message_is_answered_once_more_beside_the_first_answer,
    what_waits_gets_its_place_when_its_turn_comes,
    what_waits_can_be_taken_out,
    pages_and_paths_are_bounded,
    a_chat_has_a_bounded_number_of_messages,
);

async fn end(store: &Store, run: RunId) {
    let update = RunUpdate {
        state: Some(RunState::Complete),
        ..RunUpdate::default()
    };
    let last = store.run(run).await.unwrap().unwrap().last_seq;
    let outcome = store
        .append_run_events(run, last, Vec::new(), &update)
        .await;
    assert_eq!(outcome.unwrap(), Appended::Done(last));
}

/// Sends a message and has it answered.
async fn said(store: &Store, chat: ChatId, text: &str) -> (MessageId, MessageId) {
    let run = send(store, chat, text).await;
    end(store, run.id).await;
    (run.message, run.answer)
}

async fn leaf(store: &Store, chat: ChatId) -> Option<MessageId> {
    let chat = store.chat(chat, &PrincipalName::owner()).await.unwrap();
    chat.unwrap().leaf
}

async fn path(store: &Store, chat: ChatId) -> Vec<MessageId> {
    let leaf = leaf(store, chat).await.unwrap();
    let path = store.message_path(chat, leaf, 1_000).await.unwrap();
    path.into_iter().map(|it| it.node.id).collect()
}

async fn started(store: &Store, chat: ChatId, of: RunOf) -> (MessageId, MessageId) {
    match store.begin_run(chat, &of, &new_run()).await.unwrap() {
        Begun::Started(run) => {
            end(store, run.id).await;
            (run.message, run.answer)
        }
        other => panic!("{other:?}"),
    }
}

async fn a_message_and_its_answer_follow_what_was_said(bed: Bed) {
    let store = bed.open().await;
    let chat = add_chat(&store, "one").await;
    let (q1, a1) = said(&store, chat, "first").await;
    let (q2, a2) = said(&store, chat, "second").await;
    assert_eq!(path(&store, chat).await, [q1, a1, q2, a2]);
    let all = store.messages(chat, None, 10).await.unwrap();
    assert_eq!(&*all[0].content, "[\"first\"]");
    assert_eq!(&*all[1].content, "[]");
    assert_eq!(all[0].node.role, Role::User);
    assert_eq!(all[1].node.role, Role::Assistant);
    assert!(all[0].node.run.is_none() && all[1].node.run.is_some());
    assert_eq!(all[0].node.parent, None);
    let positions: Vec<u64> = all.iter().map(|it| it.node.position).collect();
    assert_eq!(positions, [0, 1, 2, 3]);
    let nodes: Vec<_> = all.into_iter().map(|it| it.node).collect();
    assert_eq!(store.message_tree(chat).await.unwrap(), nodes);
    assert_eq!(store.message(new_id(), q1).await.unwrap(), None);
    assert_eq!(store.message_path(new_id(), a2, 10).await.unwrap(), []);
}

async fn an_edited_message_stands_beside_the_earlier_one(bed: Bed) {
    let store = bed.open().await;
    let chat = add_chat(&store, "one").await;
    let (q1, a1) = said(&store, chat, "first").await;
    let (q2, a2) = said(&store, chat, "second").await;
    let instead = |of| RunOf::Instead {
        of,
        message: new_message("edited"),
    };
    let (q3, a3) = started(&store, chat, instead(q2)).await;
    assert_eq!(path(&store, chat).await, [q1, a1, q3, a3]);
    let (q4, a4) = started(&store, chat, instead(q1)).await;
    assert_eq!(path(&store, chat).await, [q4, a4]);
    // The earlier ones are still there, and can be shown again.
    assert!(store.set_leaf(chat, a2).await.unwrap());
    assert_eq!(path(&store, chat).await, [q1, a1, q2, a2]);
    let (q5, a5) = said(&store, chat, "third").await;
    assert_eq!(path(&store, chat).await, [q1, a1, q2, a2, q5, a5]);
    // An answer is no message of the person's.
    for of in [instead(a1), instead(new_id()), RunOf::Existing(a1)] {
        let begun = store.begin_run(chat, &of, &new_run()).await.unwrap();
        assert_eq!(begun, Begun::NotFound);
    }
    let other = add_chat(&store, "two").await;
    let begun = store.begin_run(other, &instead(q1), &new_run()).await;
    assert_eq!(begun.unwrap(), Begun::NotFound);
    assert!(!store.set_leaf(other, a1).await.unwrap());
    assert_eq!(leaf(&store, other).await, None);
}

async fn a_message_is_answered_once_more_beside_the_first_answer(bed: Bed) {
    let store = bed.open().await;
    let chat = add_chat(&store, "one").await;
    let (q1, a1) = said(&store, chat, "first").await;
    let (_, a2) = said(&store, chat, "second").await;
    let (message, again) = started(&store, chat, RunOf::Existing(q1)).await;
    assert_eq!(message, q1);
    assert_eq!(path(&store, chat).await, [q1, again]);
    assert_ne!(again, a1);
    let runs = store.runs_of(chat).await.unwrap();
    assert_eq!(runs.iter().filter(|it| it.message == q1).count(), 2);

    // While a run is under way, nothing else begins, and what is shown stays.
    let busy = send(&store, chat, "third").await;
    for of in [
        RunOf::Existing(q1),
        RunOf::Instead {
            of: q1,
            message: new_message("edited"),
        },
    ] {
        let begun = store.begin_run(chat, &of, &new_run()).await.unwrap();
        assert_eq!(begun, Begun::Busy);
    }
    assert!(!store.set_leaf(chat, a2).await.unwrap());
    assert_eq!(
        path(&store, chat).await,
        [q1, again, busy.message, busy.answer]
    );
}

async fn what_waits_gets_its_place_when_its_turn_comes(bed: Bed) {
    let store = bed.open().await;
    let chat = add_chat(&store, "one").await;
    let run = send(&store, chat, "first").await;
    let waiting = [new_message("second"), new_message("third")];
    for message in &waiting {
        let of = RunOf::New(message.clone());
        let begun = store.begin_run(chat, &of, &new_run()).await.unwrap();
        assert_eq!(begun, Begun::Queued);
    }
    assert_eq!(store.next_queued(chat).await.unwrap(), None);
    assert_eq!(store.queued_chats().await.unwrap(), []);
    let of = RunOf::Existing(waiting[0].id);
    let busy = store.begin_run(chat, &of, &new_run()).await.unwrap();
    assert_eq!(busy, Begun::Busy);
    assert!(!store.set_leaf(chat, waiting[0].id).await.unwrap());
    end(&store, run.id).await;

    assert_eq!(store.queued_chats().await.unwrap(), [chat]);
    // Nobody overtakes those that wait.
    let late = new_message("fourth");
    let begun = store
        .begin_run(chat, &RunOf::New(late.clone()), &new_run())
        .await;
    assert_eq!(begun.unwrap(), Begun::Queued);
    let mut expected = vec![run.message, run.answer];
    for message in waiting.iter().chain([&late]) {
        let next = store.next_queued(chat).await.unwrap().unwrap();
        assert_eq!(next.node.id, message.id);
        assert_eq!(next.node.state, MessageState::Queued);
        assert_eq!(next.content, message.content);
        let (message, answer) = started(&store, chat, RunOf::Existing(message.id)).await;
        expected.extend([message, answer]);
    }
    assert_eq!(path(&store, chat).await, expected);
    assert_eq!(store.next_queued(chat).await.unwrap(), None);
    assert_eq!(store.queued_chats().await.unwrap(), []);
}

async fn what_waits_can_be_taken_out(bed: Bed) {
    let store = bed.open().await;
    let chat = add_chat(&store, "one").await;
    let run = send(&store, chat, "first").await;
    let waiting = new_message("second");
    let of = RunOf::New(waiting.clone());
    store.begin_run(chat, &of, &new_run()).await.unwrap();
    assert!(!store.remove_queued(new_id(), waiting.id).await.unwrap());
    assert!(store.remove_queued(chat, waiting.id).await.unwrap());
    assert!(!store.remove_queued(chat, waiting.id).await.unwrap());
    assert!(!store.remove_queued(chat, run.message).await.unwrap());
    end(&store, run.id).await;
    assert_eq!(store.next_queued(chat).await.unwrap(), None);
    let begun = store
        .begin_run(chat, &RunOf::Existing(waiting.id), &new_run())
        .await;
    assert_eq!(begun.unwrap(), Begun::NotFound);
}

async fn pages_and_paths_are_bounded(bed: Bed) {
    let store = bed.open().await;
    let chat = add_chat(&store, "one").await;
    let mut all = Vec::new();
    for n in 0..4 {
        let (message, answer) = said(&store, chat, &n.to_string()).await;
        all.extend([message, answer]);
    }
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = store.messages(chat, after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 3);
        after = Some(last.node.position);
        seen.extend(page.iter().map(|it| it.node.id));
    }
    assert_eq!(seen, all);
    let near = store.message_path(chat, all[7], 3).await.unwrap();
    let near: Vec<MessageId> = near.into_iter().map(|it| it.node.id).collect();
    assert_eq!(near, all[5..]);
}

async fn a_chat_has_a_bounded_number_of_messages(bed: Bed) {
    let store = bed.open().await;
    let chat = add_chat(&store, "one").await;
    send(&store, chat, "first").await;
    let fill = "INSERT INTO messages (id, chat_id, position, role, content, text, state, created_at) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) SELECT $3 || i, $2, 100000 + $4 + i, 'user', '[]', '', $3, 0 FROM n";
    let fill = async |count: u64, state: &str, from: i64| {
        writing!(store, pool => {
            sqlx::query(fill)
                .bind(i64::try_from(count).unwrap())
                .bind(chat.to_string())
                .bind(state.to_owned())
                .bind(from)
                .execute(pool)
                .await
                .unwrap();
        });
    };
    let begin = async || {
        let of = RunOf::New(new_message("x"));
        store.begin_run(chat, &of, &new_run()).await
    };
    fill(QUEUED_MAX - 1, "queued", 0).await;
    assert_eq!(begin().await.unwrap(), Begun::Queued);
    let err = begin().await.unwrap_err();
    assert!(
        matches!(
            err,
            StoreError::TooMany {
                max: QUEUED_MAX,
                ..
            }
        ),
        "{err:?}"
    );
    fill(MESSAGES_MAX, "sent", 100_000).await;
    let err = begin().await.unwrap_err();
    assert!(
        matches!(
            err,
            StoreError::TooMany {
                max: MESSAGES_MAX,
                ..
            }
        ),
        "{err:?}"
    );
    let huge = RunOf::New(crate::NewMessage {
        content: "x".repeat((16 << 20) + 1).into(),
        ..new_message("x")
    });
    let err = store.begin_run(chat, &huge, &new_run()).await.unwrap_err();
    assert!(matches!(err, StoreError::TooLarge { .. }), "{err:?}");
}
