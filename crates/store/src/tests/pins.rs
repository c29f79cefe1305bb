use domain::{Effect, PrincipalName, ServerId, ToolPin};
use futures_util::future::join_all;

use super::bed::{Bed, add_server, at, audit_kinds, event, new_approval, new_id, pin};
use crate::{
    ApprovalState, ApprovedTool, NewPin, PinsPut, Store, StoreError, StoredPin, ToolSetting,
};

super::on_both!(
    the_first_list_is_pinned_once,
    an_empty_first_list_is_a_pinned_one,
    what_cannot_be_kept_is_not_pinned,
    approving_is_all_or_nothing,
    of_two_that_approve_one_is_stale,
    what_is_approved_unseen_keeps_what_was_known_of_looking,
    a_setting_needs_the_pin_that_was_seen,
    what_waits_for_another_pin_is_closed,
);

fn new_pin(tool: &str, digit: char) -> NewPin {
    NewPin {
        tool: tool.to_owned(),
        pin: pin(digit),
        definition: format!(r#"{{"name":"{tool}","n":"{digit}"}}"#).into(),
    }
}

fn approved(tool: &str, expected: Option<ToolPin>, digit: char) -> ApprovedTool {
    ApprovedTool {
        tool: tool.to_owned(),
        expected,
        pin: pin(digit),
        definition: "{}".into(),
        setting: Some(Effect::Allow),
        looked_by: Some(PrincipalName::owner()),
    }
}

async fn server_with(store: &Store, tools: &[(&str, char)]) -> ServerId {
    let server = add_server(store, "one").await;
    let tools = tools.iter().map(|(tool, digit)| new_pin(tool, *digit));
    assert!(
        store
            .pin_first(server, tools.collect(), &event("tools.pin"))
            .await
            .unwrap()
    );
    server
}

/// Returns the tools of a server and the first digit of each pin.
async fn tools(store: &Store, server: ServerId) -> Vec<(String, String)> {
    let pins = store.pins_of(server).await.unwrap();
    let digit = |it: &StoredPin| it.info.pin.as_str()[..1].to_owned();
    let tools = pins.iter().map(|it| (it.info.tool.clone(), digit(it)));
    tools.collect()
}

fn named(tools: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    tools.iter().map(owned).collect()
}

async fn the_first_list_is_pinned_once(bed: Bed) {
    let store = bed.open().await;
    let server = server_with(&store, &[("write", 'b'), ("read", 'a'), ("read", 'c')]).await;
    let first = store.pins_of(server).await.unwrap();
    assert_eq!(
        tools(&store, server).await,
        named(&[("read", "a"), ("write", "b")])
    );
    assert_eq!(&*first[0].definition, r#"{"name":"read","n":"a"}"#);
    assert_eq!(first[0].info.looked_at, None);
    assert_eq!(first[0].info.setting, None);
    assert_eq!(first[0].info.pinned_at, at(1_000));
    let audit = event("tools.pin");
    let other = vec![new_pin("other", 'd')];
    assert!(!store.pin_first(server, other, &audit).await.unwrap());
    assert_eq!(store.pins_of(server).await.unwrap(), first);
    let infos: Vec<_> = first.into_iter().map(|it| it.info).collect();
    assert_eq!(store.pins().await.unwrap(), infos);
    assert_eq!(audit_kinds(&store).await, ["server.add", "tools.pin"]);
    assert!(!store.pin_first(new_id(), Vec::new(), &audit).await.unwrap());

    store
        .delete_server(server, &event("server.remove"))
        .await
        .unwrap();
    assert_eq!(store.pins().await.unwrap(), []);
}

async fn an_empty_first_list_is_a_pinned_one(bed: Bed) {
    let store = bed.open().await;
    let server = server_with(&store, &[]).await;
    let stored = store.server(server).await.unwrap().unwrap();
    assert_eq!(stored.pinned_at, Some(at(1_000)));
    let (later, audit) = (vec![new_pin("read", 'a')], event("tools.pin"));
    assert!(!store.pin_first(server, later, &audit).await.unwrap());
    assert_eq!(store.pins_of(server).await.unwrap(), []);
}

async fn what_cannot_be_kept_is_not_pinned(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let large = NewPin {
        definition: "x".repeat((1 << 20) + 1).into(),
        ..new_pin("large", 'a')
    };
    let long = "x".repeat(513);
    let mut list = vec![new_pin("a\0b", 'a'), new_pin(&long, 'a'), large];
    // More than one statement takes.
    list.extend((0..2_500).map(|n| new_pin(&format!("tool {n}"), 'b')));
    assert!(
        store
            .pin_first(server, list, &event("tools.pin"))
            .await
            .unwrap()
    );
    let pins = store.pins().await.unwrap();
    assert_eq!(pins.len(), 2_500);
    assert!(pins.iter().all(|it| it.tool.starts_with("tool ")));
    let mut errors = Vec::new();
    for tool in ["a\0b", &long] {
        let approve = vec![approved(tool, None, 'a')];
        let outcome = store
            .approve_tools(server, approve, Vec::new(), &event("tools.approve"))
            .await;
        errors.push(outcome.unwrap_err());
    }
    assert!(
        matches!(errors[0], StoreError::NotStorable { .. }),
        "{errors:?}"
    );
    assert!(
        matches!(errors[1], StoreError::TooLarge { .. }),
        "{errors:?}"
    );
}

async fn approving_is_all_or_nothing(bed: Bed) {
    let store = bed.open().await;
    let server = server_with(&store, &[("read", 'a'), ("write", 'b')]).await;
    let audit = event("tools.approve");
    let approve = |tools, removed| store.approve_tools(server, tools, removed, &audit);
    let done = PinsPut::Done { closed: Vec::new() };
    for (stale, name) in [
        (approved("write", Some(pin('f')), 'c'), "write"),
        (approved("write", None, 'c'), "write"),
        (approved("new", Some(pin('f')), 'c'), "new"),
    ] {
        let list = vec![approved("read", Some(pin('a')), 'c'), stale];
        let tool = name.to_owned();
        let outcome = approve(list, vec!["read".to_owned()]).await.unwrap();
        assert_eq!(outcome, PinsPut::Stale { tool });
        assert_eq!(
            tools(&store, server).await,
            named(&[("read", "a"), ("write", "b")])
        );
    }
    bed.clock.advance(5);
    let list = vec![
        approved("read", Some(pin('a')), 'c'),
        approved("new", None, 'd'),
    ];
    let removed = vec!["write".to_owned(), "never was".to_owned()];
    assert_eq!(approve(list, removed).await.unwrap(), done);
    assert_eq!(
        tools(&store, server).await,
        named(&[("new", "d"), ("read", "c")])
    );
    let info = store.pins_of(server).await.unwrap().remove(1).info;
    assert_eq!(info.setting, Some(Effect::Allow));
    assert_eq!(info.looked_by, Some(PrincipalName::owner()));
    assert_eq!(info.looked_at, Some(at(1_005)));
    let nowhere = store.approve_tools(new_id(), Vec::new(), Vec::new(), &audit);
    assert_eq!(nowhere.await.unwrap(), PinsPut::NoServer);
    let kinds = audit_kinds(&store).await;
    assert_eq!(kinds, ["server.add", "tools.pin", "tools.approve"]);
}

async fn of_two_that_approve_one_is_stale(bed: Bed) {
    let store = bed.open().await;
    let server = server_with(&store, &[("read", 'a')]).await;
    let audit = event("tools.approve");
    let approvals = ['b', 'c', 'd', 'e'].map(|digit| {
        let tools = vec![
            approved("read", Some(pin('a')), digit),
            approved("new", None, digit),
        ];
        store.approve_tools(server, tools, Vec::new(), &audit)
    });
    let outcomes = join_all(approvals).await;
    let done = outcomes
        .iter()
        .filter(|it| matches!(it, Ok(PinsPut::Done { .. })));
    assert_eq!(done.count(), 1);
    let stale = outcomes
        .iter()
        .filter(|it| matches!(it, Ok(PinsPut::Stale { .. })));
    assert_eq!(stale.count(), 3);
    let tools = tools(&store, server).await;
    assert_eq!(tools[0].1, tools[1].1, "of one approval");
}

async fn what_is_approved_unseen_keeps_what_was_known_of_looking(bed: Bed) {
    let store = bed.open().await;
    let server = server_with(&store, &[("read", 'a'), ("write", 'b')]).await;
    let owner = PrincipalName::owner();
    let seen = ToolSetting {
        tool: "read".to_owned(),
        expected: pin('a'),
        setting: Some(Effect::Ask),
    };
    store
        .set_tool_settings(server, vec![seen], &owner, &event("tools.set"))
        .await
        .unwrap();
    bed.clock.advance(5);
    let unseen = |tool, expected, digit| ApprovedTool {
        looked_by: None,
        setting: Some(Effect::Ask),
        ..approved(tool, expected, digit)
    };
    let list = vec![
        unseen("read", Some(pin('a')), 'c'),
        unseen("write", Some(pin('b')), 'd'),
        unseen("new", None, 'e'),
    ];
    store
        .approve_tools(server, list, Vec::new(), &event("tools.follow"))
        .await
        .unwrap();
    let looked = store.pins().await.unwrap();
    let looked: Vec<_> = looked
        .into_iter()
        .map(|it| (it.tool, it.looked_at, it.looked_by))
        .collect();
    let expected = [
        ("new".to_owned(), None, None),
        ("read".to_owned(), Some(at(1_000)), Some(owner)),
        ("write".to_owned(), None, None),
    ];
    assert_eq!(looked, expected);
}

async fn a_setting_needs_the_pin_that_was_seen(bed: Bed) {
    let store = bed.open().await;
    let server = server_with(&store, &[("read", 'a'), ("write", 'b')]).await;
    let (owner, audit) = (PrincipalName::owner(), event("tools.set"));
    let set = |tool: &str, digit, setting| ToolSetting {
        tool: tool.to_owned(),
        expected: pin(digit),
        setting,
    };
    let list = vec![
        set("read", 'a', Some(Effect::Deny)),
        set("write", 'f', Some(Effect::Deny)),
    ];
    let outcome = store.set_tool_settings(server, list, &owner, &audit).await;
    let tool = "write".to_owned();
    assert_eq!(outcome.unwrap(), PinsPut::Stale { tool });
    let infos = store.pins().await.unwrap();
    assert!(
        infos
            .iter()
            .all(|it| it.setting.is_none() && it.looked_at.is_none())
    );

    let list = vec![
        set("read", 'a', Some(Effect::Deny)),
        set("write", 'b', None),
    ];
    let outcome = store.set_tool_settings(server, list, &owner, &audit).await;
    assert_eq!(outcome.unwrap(), PinsPut::Done { closed: Vec::new() });
    let infos = store.pins().await.unwrap();
    assert_eq!(infos[0].setting, Some(Effect::Deny));
    assert_eq!(infos[1].setting, None);
    assert!(infos.iter().all(|it| it.looked_by == Some(owner.clone())));
    let outcome = store
        .set_tool_settings(new_id(), Vec::new(), &owner, &audit)
        .await;
    assert_eq!(outcome.unwrap(), PinsPut::NoServer);
}

async fn what_waits_for_another_pin_is_closed(bed: Bed) {
    let store = bed.open().await;
    let server = server_with(&store, &[("read", 'a'), ("write", 'a'), ("keep", 'a')]).await;
    let mut open = Vec::new();
    for tool in ["read", "write", "keep"] {
        let mut new = new_approval(server, "{}");
        new.tool = tool.to_owned();
        open.push(new.id);
        store
            .open_approval(&new, &event("approval.open"))
            .await
            .unwrap();
    }
    let list = vec![
        approved("read", Some(pin('a')), 'b'),
        approved("keep", Some(pin('a')), 'a'),
    ];
    let outcome = store
        .approve_tools(
            server,
            list,
            vec!["write".to_owned()],
            &event("tools.approve"),
        )
        .await
        .unwrap();
    let closed = open[..2].to_vec();
    assert_eq!(outcome, PinsPut::Done { closed });
    for (id, expected) in open.into_iter().zip([
        ApprovalState::Stale,
        ApprovalState::Stale,
        ApprovalState::Open,
    ]) {
        let stored = store.approval(id).await.unwrap().unwrap();
        assert_eq!(stored.state, expected);
    }
}
