use std::slice::from_ref;

use domain::{PrincipalName, ServerId};
use futures_util::future::join_all;

use super::bed::{Bed, add_chat, add_server, event, new_chat, new_id};
use crate::{CHAT_TOOLS_MAX, ChatTool, ChatToolsSet, IfAlready, NewChat, StoreError, ToolsDefault};

super::on_both!(
    what_is_so_already_is_told_or_refuses_it_all,
    of_two_that_enable_one_tool_one_is_told,
    what_is_gone_is_told_and_nothing_is_set,
    those_of_the_built_in_server_are_there_by_default,
    two_thousand_tools_are_set_at_once,
    tools_go_with_their_server,
);

fn tool(server: ServerId, tool: &str, enabled: bool) -> ChatTool {
    ChatTool {
        server,
        tool: tool.to_owned(),
        enabled,
    }
}

async fn what_is_so_already_is_told_or_refuses_it_all(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let by_default = NewChat {
        tools_default: ToolsDefault::None,
        ..new_chat("none by default")
    };
    let chat = store.create_chat(&by_default).await.unwrap().id;
    let set = async |tools: &[ChatTool], if_already| {
        store.set_chat_tools(chat, tools, if_already).await.unwrap()
    };
    let (read, write) = (tool(server, "read", true), tool(server, "write", true));
    let none = || ChatToolsSet::Done {
        already: Vec::new(),
    };
    assert_eq!(set(from_ref(&read), IfAlready::Refuse).await, none());
    // One of the two is enabled.
    let both = [write.clone(), read.clone()];
    let refused = ChatToolsSet::Already(vec![read.clone()]);
    assert_eq!(set(&both, IfAlready::Refuse).await, refused);
    assert_eq!(store.chat_tools(chat).await.unwrap(), from_ref(&read));
    let done = ChatToolsSet::Done {
        already: vec![read.clone()],
    };
    assert_eq!(set(&both, IfAlready::Proceed).await, done);
    assert_eq!(
        store.chat_tools(chat).await.unwrap(),
        [read.clone(), write.clone()]
    );
    // By the default, what was never said something about is so already.
    let off = tool(server, "other", false);
    let refused = ChatToolsSet::Already(vec![off.clone()]);
    assert_eq!(set(&[off], IfAlready::Refuse).await, refused);
    let read_off = tool(server, "read", false);
    assert_eq!(set(from_ref(&read_off), IfAlready::Refuse).await, none());
    assert_eq!(store.chat_tools(chat).await.unwrap(), [read_off, write]);

    // Another chat has its own, and all by default.
    let other = add_chat(&store, "all by default").await;
    assert_eq!(store.chat_tools(other).await.unwrap(), []);
    let wanted = [read];
    let refused = store.set_chat_tools(other, &wanted, IfAlready::Refuse);
    assert_eq!(
        refused.await.unwrap(),
        ChatToolsSet::Already(wanted.to_vec())
    );
}

async fn of_two_that_enable_one_tool_one_is_told(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let chat = add_chat(&store, "one").await;
    let off = [tool(server, "read", false)];
    let sets = (0..8).map(|_| store.set_chat_tools(chat, &off, IfAlready::Refuse));
    let outcomes = join_all(sets).await;
    let done = outcomes
        .iter()
        .filter(|it| matches!(it, Ok(ChatToolsSet::Done { .. })));
    assert_eq!(done.count(), 1);
    let told = outcomes
        .iter()
        .filter(|it| matches!(it, Ok(ChatToolsSet::Already(_))));
    assert_eq!(told.count(), 7);
}

async fn what_is_gone_is_told_and_nothing_is_set(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let chat = add_chat(&store, "one").await;
    let both = [tool(server, "read", false), tool(new_id(), "read", false)];
    let outcome = store.set_chat_tools(chat, &both, IfAlready::Proceed).await;
    assert_eq!(outcome.unwrap(), ChatToolsSet::NoServer);
    assert_eq!(store.chat_tools(chat).await.unwrap(), []);
    let outcome = store
        .set_chat_tools(new_id(), &both, IfAlready::Proceed)
        .await;
    assert_eq!(outcome.unwrap(), ChatToolsSet::NoChat);
    // Those of the built-in server are like all others.
    let built_in = [tool(ServerId::built_in(), "set_memory", false)];
    let outcome = store
        .set_chat_tools(chat, &built_in, IfAlready::Refuse)
        .await;
    assert!(
        matches!(outcome, Ok(ChatToolsSet::Done { .. })),
        "{outcome:?}"
    );
}

async fn those_of_the_built_in_server_are_there_by_default(bed: Bed) {
    let store = bed.open().await;
    let by_default = NewChat {
        tools_default: ToolsDefault::None,
        ..new_chat("none by default")
    };
    let chat = store.create_chat(&by_default).await.unwrap().id;
    let [on, off] = [true, false].map(|it| tool(ServerId::built_in(), "set_memory", it));
    let set = async |one: &ChatTool| {
        let set = store.set_chat_tools(chat, from_ref(one), IfAlready::Refuse);
        set.await.unwrap()
    };
    let done = ChatToolsSet::Done {
        already: Vec::new(),
    };
    assert_eq!(set(&on).await, ChatToolsSet::Already(vec![on.clone()]));
    assert_eq!(set(&off).await, done);
    assert_eq!(set(&off).await, ChatToolsSet::Already(vec![off.clone()]));
    assert_eq!(set(&on).await, done);
}

async fn two_thousand_tools_are_set_at_once(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let chat = add_chat(&store, "one").await;
    let tools = |count: u64, enabled| -> Vec<ChatTool> {
        (0..count)
            .map(|n| tool(server, &format!("tool {n:05}"), enabled))
            .collect()
    };
    let many = tools(2_000, false);
    store
        .set_chat_tools(chat, &many, IfAlready::Refuse)
        .await
        .unwrap();
    assert_eq!(store.chat_tools(chat).await.unwrap(), many);
    // Of two words about one tool the last counts.
    let twice = [
        tool(server, "tool 00000", false),
        tool(server, "tool 00000", true),
    ];
    let outcome = store.set_chat_tools(chat, &twice, IfAlready::Refuse).await;
    assert!(
        matches!(outcome, Ok(ChatToolsSet::Done { .. })),
        "{outcome:?}"
    );
    let too_many = tools(CHAT_TOOLS_MAX + 1, true);
    let err = store
        .set_chat_tools(chat, &too_many, IfAlready::Proceed)
        .await
        .unwrap_err();
    assert!(
        matches!(
            err,
            StoreError::TooMany {
                max: CHAT_TOOLS_MAX,
                ..
            }
        ),
        "{err:?}"
    );
    assert_eq!(store.chat_tools(chat).await.unwrap().len(), 2_000);
}

async fn tools_go_with_their_server(bed: Bed) {
    let store = bed.open().await;
    let (server, other) = (
        add_server(&store, "one").await,
        add_server(&store, "two").await,
    );
    let chat = add_chat(&store, "one").await;
    let tools = [tool(server, "read", false), tool(other, "read", false)];
    store
        .set_chat_tools(chat, &tools, IfAlready::Refuse)
        .await
        .unwrap();
    store
        .delete_server(server, &event("server.remove"))
        .await
        .unwrap();
    assert_eq!(store.chat_tools(chat).await.unwrap(), tools[1..]);
    let audit = event("chat.delete");
    assert!(
        store
            .delete_chat(chat, &PrincipalName::owner(), &audit)
            .await
            .unwrap()
    );
    assert_eq!(store.chat_tools(chat).await.unwrap(), []);
}
