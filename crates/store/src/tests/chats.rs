use domain::{ChatId, PrincipalName};

use super::bed::{
    Bed, add_chat, add_server, at, audit_kinds, event, new_approval, new_chat, new_id, new_message,
    send,
};
use crate::{
    ApprovalState, ChatChange, ChatFilter, ChatTool, IfAlready, MessageState, NewApproval, NewChat,
    RunState, RunUpdate, Store, ToolsDefault,
};

super::on_both!(
    a_chat_is_its_principals_only,
    what_is_changed_is_changed_and_nothing_else,
    a_title_that_a_person_chose_stays,
    chats_come_in_the_order_of_the_last_word,
    a_deleted_chat_takes_all_that_is_its_own,
    a_text_is_found_in_titles_and_messages,
);

fn someone() -> PrincipalName {
    "someone".parse().unwrap()
}

fn newest(limit: u32) -> ChatFilter {
    ChatFilter {
        principal: PrincipalName::owner(),
        archived: false,
        before: None,
        limit,
    }
}

async fn titles(store: &Store, filter: &ChatFilter) -> Vec<String> {
    let chats = store.chats(filter).await.unwrap();
    chats.into_iter().map(|it| it.title).collect()
}

async fn a_chat_is_its_principals_only(bed: Bed) {
    let store = bed.open().await;
    let new = NewChat {
        model: Some("qwen".to_owned()),
        ..new_chat("one")
    };
    let chat = store.create_chat(&new).await.unwrap();
    let owner = PrincipalName::owner();
    assert_eq!(
        store.chat(chat.id, &owner).await.unwrap(),
        Some(chat.clone())
    );
    let all = store.chats(&newest(10)).await.unwrap();
    assert_eq!(all, std::slice::from_ref(&chat));
    assert_eq!(store.chat(chat.id, &someone()).await.unwrap(), None);
    let change = ChatChange {
        title: Some("mine".to_owned()),
        ..ChatChange::default()
    };
    assert!(
        !store
            .update_chat(chat.id, &someone(), &change)
            .await
            .unwrap()
    );
    let audit = event("chat.delete");
    assert!(
        !store
            .delete_chat(chat.id, &someone(), &audit)
            .await
            .unwrap()
    );
    assert!(
        store
            .search_chats(&someone(), "one", 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.chat(chat.id, &owner).await.unwrap(), Some(chat));
}

async fn what_is_changed_is_changed_and_nothing_else(bed: Bed) {
    let store = bed.open().await;
    let owner = PrincipalName::owner();
    let server = add_server(&store, "one").await;
    let mut expected = store.create_chat(&new_chat("one")).await.unwrap();
    let tool = ChatTool {
        server,
        tool: "read".to_owned(),
        enabled: false,
    };
    store
        .set_chat_tools(expected.id, &[tool], IfAlready::Proceed)
        .await
        .unwrap();
    bed.clock.advance(5);
    let none = ChatChange::default();
    let steps = [
        none.clone(),
        ChatChange {
            model: Some(Some("qwen".to_owned())),
            ..none.clone()
        },
        ChatChange {
            archived: Some(true),
            ..none.clone()
        },
        ChatChange {
            archived: Some(false),
            model: Some(None),
            ..none.clone()
        },
    ];
    for (n, change) in steps.into_iter().enumerate() {
        assert!(
            store
                .update_chat(expected.id, &owner, &change)
                .await
                .unwrap()
        );
        (expected.model, expected.archived) = match n {
            1 => (Some("qwen".to_owned()), false),
            2 => (Some("qwen".to_owned()), true),
            _ => (None, false),
        };
        let stored = store.chat(expected.id, &owner).await.unwrap();
        assert_eq!(stored.as_ref(), Some(&expected), "{n}");
    }
    assert_eq!(store.chat_tools(expected.id).await.unwrap().len(), 1);
    let change = ChatChange {
        tools_default: Some(ToolsDefault::None),
        ..none
    };
    store
        .update_chat(expected.id, &owner, &change)
        .await
        .unwrap();
    let stored = store.chat(expected.id, &owner).await.unwrap().unwrap();
    assert_eq!(stored.tools_default, ToolsDefault::None);
    assert_eq!(store.chat_tools(expected.id).await.unwrap(), []);
}

async fn a_title_that_a_person_chose_stays(bed: Bed) {
    let store = bed.open().await;
    let owner = PrincipalName::owner();
    let id = add_chat(&store, "New chat").await;
    assert!(store.set_auto_title(id, &"€".repeat(1_000)).await.unwrap());
    let change = ChatChange {
        title: Some("chosen".to_owned()),
        ..ChatChange::default()
    };
    store.update_chat(id, &owner, &change).await.unwrap();
    assert!(!store.set_auto_title(id, "another").await.unwrap());
    let chat = store.chat(id, &owner).await.unwrap().unwrap();
    assert_eq!((chat.title.as_str(), chat.title_is_auto), ("chosen", false));
}

async fn chats_come_in_the_order_of_the_last_word(bed: Bed) {
    let store = bed.open().await;
    let mut ids = Vec::new();
    for title in ["a", "b", "c", "d", "e"] {
        // The last two at the same time.
        bed.clock.advance(if title == "e" { 0 } else { 1 });
        ids.push(add_chat(&store, title).await);
    }
    store
        .create_chat(&NewChat {
            principal: someone(),
            ..new_chat("theirs")
        })
        .await
        .unwrap();
    bed.clock.advance(1);
    let run = send(&store, ids[0], "hello").await;
    let first = store.chats(&newest(1)).await.unwrap().remove(0);
    assert_eq!(first.id, ids[0]);
    assert_eq!(first.active, Some((run.id, RunState::Running)));
    let change = ChatChange {
        archived: Some(true),
        ..ChatChange::default()
    };
    store
        .update_chat(ids[1], &PrincipalName::owner(), &change)
        .await
        .unwrap();
    let mut filter = newest(2);
    let mut seen: Vec<ChatId> = Vec::new();
    loop {
        let page = store.chats(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.before = Some((last.updated_at, last.id));
        seen.extend(page.iter().map(|it| it.id));
    }
    let mut tied = [ids[3], ids[4]];
    tied.sort();
    assert_eq!(seen, [ids[0], tied[1], tied[0], ids[2]]);
    let archived = ChatFilter {
        archived: true,
        ..newest(10)
    };
    assert_eq!(titles(&store, &archived).await, ["b"]);
}

async fn a_deleted_chat_takes_all_that_is_its_own(bed: Bed) {
    let store = bed.open().await;
    let owner = PrincipalName::owner();
    let server = add_server(&store, "one").await;
    let (chat, kept) = (add_chat(&store, "one").await, add_chat(&store, "two").await);
    let (run, kept_run) = (send(&store, chat, "x").await, send(&store, kept, "y").await);
    for run in [run.id, kept_run.id] {
        store
            .append_run_events(run, 0, vec!["{}".to_owned()], &RunUpdate::default())
            .await
            .unwrap();
    }
    let asked = NewApproval {
        chat: Some(chat),
        ..new_approval(server, "{}")
    };
    store
        .open_approval(&asked, &event("approval.open"))
        .await
        .unwrap();
    let audit = event("chat.delete");
    assert!(store.delete_chat(chat, &owner, &audit).await.unwrap());
    assert!(!store.delete_chat(chat, &owner, &audit).await.unwrap());

    assert_eq!(store.run(run.id).await.unwrap(), None);
    assert_eq!(store.run_events(run.id, 0, 10).await.unwrap(), []);
    assert_eq!(store.messages(chat, None, 10).await.unwrap(), []);
    let asked = store.approval(asked.id).await.unwrap().unwrap();
    assert_eq!(asked.state, ApprovalState::Withdrawn);
    assert_eq!(store.run_events(kept_run.id, 0, 10).await.unwrap().len(), 1);
    assert_eq!(store.messages(kept, None, 10).await.unwrap().len(), 2);
    assert_eq!(titles(&store, &newest(10)).await, ["two"]);
    let kinds = audit_kinds(&store).await;
    assert_eq!(kinds, ["server.add", "approval.open", "chat.delete"]);
}

async fn a_text_is_found_in_titles_and_messages(bed: Bed) {
    let store = bed.open().await;
    let owner = PrincipalName::owner();
    let mut chats = Vec::new();
    for (title, said) in [
        ("Trains", "when does the 100% express leave"),
        ("Weather", "will it rain on the train_station"),
        ("Empty", "nothing"),
    ] {
        bed.clock.advance(1);
        let chat = add_chat(&store, title).await;
        send(&store, chat, said).await;
        chats.push(chat);
    }
    // In one chat the newest message counts.
    store
        .begin_run(
            chats[2],
            &crate::RunOf::New(new_message("NOTHING at all")),
            &super::bed::new_run(),
        )
        .await
        .unwrap();
    for (text, expected) in [
        ("TRAIN", &[1_usize, 0] as &[usize]),
        ("n_s", &[1]),
        ("0%", &[0]),
        ("%", &[0]),
        ("trains", &[0]),
        ("nothing", &[2]),
        ("nowhere", &[]),
        ("\\", &[]),
        ("'", &[]),
    ] {
        let hits = store.search_chats(&owner, text, 10).await.unwrap();
        let found: Vec<ChatId> = hits.iter().map(|it| it.chat).collect();
        let expected: Vec<ChatId> = expected.iter().map(|it| chats[*it]).collect();
        assert_eq!(found, expected, "{text:?}");
    }
    let hits = store.search_chats(&owner, "nothing", 10).await.unwrap();
    assert_eq!(hits[0].excerpt, "NOTHING at all");
    let message = store
        .message(chats[2], hits[0].message.unwrap())
        .await
        .unwrap();
    assert_eq!(message.unwrap().node.state, MessageState::Queued);
    let hits = store.search_chats(&owner, "weath", 10).await.unwrap();
    assert_eq!((hits[0].message, hits[0].excerpt.as_str()), (None, ""));
    assert_eq!(hits[0].updated_at, at(1_002));
    assert_eq!(store.search_chats(&owner, "", 2).await.unwrap().len(), 2);
    let long = "x".repeat(100_000);
    assert!(
        store
            .search_chats(&owner, &long, 2)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.chat(new_id(), &owner).await.unwrap(), None);
}
