use domain::{Caller, Effect, GrantId, ServerId};
use gateway::{Grant, GrantScope};
use store::{ChatChange, ToolsDefault};

use super::{
    bed::{House, person},
    bridge::Script,
    built_in::{add_tools, client, next},
};
use crate::{BeginChat, Error, Event, ToolSelection};

fn titled(title: &str) -> BeginChat {
    BeginChat {
        title: Some(title.to_owned()),
        tools_default: None,
    }
}

fn title(title: &str) -> ChatChange {
    ChatChange {
        title: Some(title.to_owned()),
        ..ChatChange::default()
    }
}

#[tokio::test]
async fn a_chat_is_begun_renamed_archived_and_deleted_and_it_is_told() {
    let house = House::new().await;
    let (this, by) = (&house.orchestrator, person());
    let mut events = this.events().subscribe(by.principal.clone(), None);
    let chat = this.create_chat(BeginChat::default(), &by).await.unwrap();
    assert_eq!(
        (chat.title.as_str(), chat.title_is_auto),
        ("New chat", true)
    );
    let renamed = this
        .change_chat(chat.id, title("  two\n words "), &by)
        .await;
    let renamed = renamed.unwrap();
    assert_eq!(
        (renamed.title.as_str(), renamed.title_is_auto),
        ("two words", false)
    );
    let archive = ChatChange {
        archived: Some(true),
        ..ChatChange::default()
    };
    this.change_chat(chat.id, archive, &by).await.unwrap();
    let there = this.chats(&by, false, None, 10).await.unwrap();
    assert!(there.is_empty());
    assert_eq!(this.chats(&by, true, None, 10).await.unwrap().len(), 1);
    this.delete_chat(chat.id, &by).await.unwrap();
    let gone = this.chat(chat.id, &by).await.unwrap_err().to_string();
    assert_eq!(gone, format!("chat `{}` not found", chat.id));
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(match next(&mut events).await {
            Event::ChatChanged { title, status, .. } => format!("{title}: {status}"),
            Event::ChatRemoved { .. } => "removed".to_owned(),
            other => panic!("{other:?}"),
        });
    }
    let expected = [
        "New chat: idle",
        "two words: idle",
        "two words: idle",
        "removed",
    ];
    assert_eq!(told, expected);
    for bad in ["", " \n ", &"x".repeat(201)] {
        let refused = this.create_chat(titled(bad), &by).await;
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    }
    house.end().await;
}

#[tokio::test]
async fn somebody_elses_chat_is_not_found() {
    let house = House::new().await;
    let (this, ada, bob) = (&house.orchestrator, client("ada"), client("bob"));
    let chat = this.create_chat(titled("of ada"), &ada).await.unwrap().id;
    let not_found = |err: Error| assert!(matches!(err, Error::NotFound { .. }), "{err:?}");
    not_found(this.chat(chat, &bob).await.unwrap_err());
    not_found(this.change_chat(chat, title("x"), &bob).await.unwrap_err());
    not_found(this.delete_chat(chat, &bob).await.unwrap_err());
    not_found(this.chat_tools(chat, &bob).await.unwrap_err());
    let choose = ToolSelection::default();
    not_found(this.set_chat_tools(chat, choose, &bob).await.unwrap_err());
    assert!(this.chats(&bob, false, None, 10).await.unwrap().is_empty());
    assert_eq!(this.chat(chat, &ada).await.unwrap().title, "of ada");
    house.end().await;
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|it| (*it).to_owned()).collect()
}

#[tokio::test]
async fn a_person_chooses_as_often_as_they_like_and_it_is_kept() {
    let house = House::new().await;
    add_tools(&house, "files", &["read", "write"]).await;
    let by = person();
    let chat = house.orchestrator.create_chat(titled("x"), &by).await;
    let chat = chat.unwrap().id;
    let choose = async |house: &House, enable: &[&str], disable: &[&str]| {
        let selection = ToolSelection {
            enable: names(enable),
            disable: names(disable),
        };
        house
            .orchestrator
            .set_chat_tools(chat, selection, &by)
            .await
    };
    for _ in 0..2 {
        let off = ["files__read", "archestra__set_memory"];
        let tools = choose(&house, &["files__write"], &off).await.unwrap();
        let disabled = tools.iter().filter(|it| !it.enabled);
        let disabled: Vec<&str> = disabled.map(|it| it.tool.advertised.as_str()).collect();
        assert_eq!(disabled, ["archestra__set_memory", "files__read"]);
    }
    let bad = choose(&house, &["files__read", "files__no"], &[]).await;
    let bad = bad.unwrap_err().to_string();
    assert_eq!(bad, "nothing was changed; not there: `files__no`");

    let house = house.restart(Script::default()).await;
    let disabled = async |house: &House| -> Vec<String> {
        let tools = house.orchestrator.chat_tools(chat, &by).await.unwrap();
        let disabled = tools.into_iter().filter(|it| !it.enabled);
        disabled.map(|it| it.tool.advertised).collect()
    };
    assert_eq!(disabled(&house).await, ["archestra__set_memory"]);
    let id = house.shared().directory.rows().keys().copied().next();
    let said = house.shared().store.chat_tools(chat).await.unwrap();
    let of_files = said.iter().filter(|it| Some(it.server) == id);
    let of_files: Vec<_> = of_files.map(|it| (it.tool.as_str(), it.enabled)).collect();
    assert_eq!(of_files, [("read", false), ("write", true)]);
    // Another default forgets what was said.
    let all = ChatChange {
        tools_default: Some(ToolsDefault::All),
        ..ChatChange::default()
    };
    house
        .orchestrator
        .change_chat(chat, all, &by)
        .await
        .unwrap();
    assert!(disabled(&house).await.is_empty());
    house.end().await;
}

#[tokio::test]
async fn what_was_permitted_for_a_chat_goes_with_it() {
    let house = House::new().await;
    let (this, by) = (&house.orchestrator, person());
    let chat = this.create_chat(titled("x"), &by).await.unwrap().id;
    let gateway = this.gateway();
    let tools = gateway.tools_of(ServerId::built_in());
    let tool = tools.iter().find(|it| it.name == "list_memories").unwrap();
    gateway.put_grant(Grant {
        id: GrantId::from_uuid(uuid::Uuid::now_v7()),
        principal: by.principal.clone(),
        scope: GrantScope::Chat(chat),
        server: ServerId::built_in(),
        tool: tool.name.clone(),
        pin: tool.pin.clone(),
    });
    let ask = crate::LookedAt {
        tool: tool.name.clone(),
        pin: tool.pin.clone(),
        setting: Some(Effect::Ask),
    };
    this.look_at_tools("archestra", vec![ask], &by)
        .await
        .unwrap();
    let model = Caller {
        kind: domain::CallerKind::Chat,
        chat: Some(chat),
        ..by.clone()
    };
    let name = "archestra__list_memories";
    let call = || gateway.call(&model, gateway::CallTarget::Advertised(name), None);
    call().await.unwrap();
    this.delete_chat(chat, &by).await.unwrap();
    call().await.unwrap_err();
    house.end().await;
}
