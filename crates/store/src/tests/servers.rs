use domain::{PrincipalName, ServerId, ServerSlug, ToolChanges};

use super::bed::{Bed, add_server, audit_kinds, event, new_id, new_install, new_server};
use crate::{ListKind, ListsPut, NewSecret, StoreError};

super::on_both!(
    a_taken_name_is_told_and_nothing_of_the_second_stays,
    a_generation_is_never_given_twice,
    each_change_is_a_new_generation,
    another_title_is_no_new_generation_and_another_spec_is_one,
    how_changed_tools_are_met_is_no_new_generation,
    the_built_in_server_is_not_among_those_that_people_add,
    what_is_not_there_is_not_changed,
    deleting_a_server_takes_all_that_is_its_own,
    lists_are_kept_byte_for_byte,
    secrets_are_kept_sealed_and_replaced,
    a_server_and_its_secrets_change_together,
    a_row_that_is_not_understood_hides_no_other,
);

fn secret(server: Option<ServerId>, name: &str) -> NewSecret {
    NewSecret {
        id: new_id(),
        server,
        provider: None,
        name: name.to_owned(),
        sealed: vec![1, 0, 255],
        given_by: PrincipalName::owner(),
    }
}

async fn a_taken_name_is_told_and_nothing_of_the_second_stays(bed: Bed) {
    let store = bed.open().await;
    let add = event("server.add");
    store
        .create_server(&new_server("one"), None, &add)
        .await
        .unwrap();
    let second = new_server("one");
    let err = store
        .create_server(&second, Some(&new_install()), &add)
        .await
        .unwrap_err();
    assert!(
        matches!(&err, StoreError::SlugTaken { slug } if slug.as_str() == "one"),
        "{err:?}"
    );
    assert_eq!(store.server(second.id).await.unwrap(), None);
    assert_eq!(store.unfinished_installs().await.unwrap(), []);
    assert_eq!(audit_kinds(&store).await, ["server.add"]);
}

async fn a_generation_is_never_given_twice(bed: Bed) {
    let store = bed.open().await;
    let mut last = 0;
    for round in 0..3 {
        let server = new_server("same");
        let stored = store
            .create_server(&server, None, &event("server.add"))
            .await
            .unwrap();
        assert!(last < stored.generation, "round {round}");
        last = store.touch_server(server.id).await.unwrap().unwrap();
        assert!(stored.generation < last, "round {round}");
        assert!(
            store
                .delete_server(server.id, &event("server.remove"))
                .await
                .unwrap()
        );
    }
}

async fn each_change_is_a_new_generation(bed: Bed) {
    let store = bed.open().await;
    let mut server = new_server("one");
    let first = store
        .create_server(&server, None, &event("server.add"))
        .await
        .unwrap();
    assert_eq!(
        store.server(server.id).await.unwrap().as_ref(),
        Some(&first)
    );
    assert_eq!(
        store.server_by_slug(&server.slug).await.unwrap(),
        Some(first.clone())
    );
    bed.clock.advance(5);
    server.spec.keep_warm = true;
    let audit = event("server.change");
    let second = store
        .update_server_spec(server.id, &server.spec, &audit)
        .await
        .unwrap()
        .unwrap();
    let third = store
        .set_enabled(server.id, false, &audit)
        .await
        .unwrap()
        .unwrap();
    assert!(first.generation < second && second < third);
    let stored = store.server(server.id).await.unwrap().unwrap();
    assert_eq!(stored.spec, server.spec);
    assert!(!stored.enabled);
    assert_eq!(stored.generation, third);
    assert_eq!(stored.updated_at.unix_ms, first.created_at.unix_ms + 5);
    assert_eq!(
        audit_kinds(&store).await,
        ["server.add", "server.change", "server.change"]
    );
}

async fn another_title_is_no_new_generation_and_another_spec_is_one(bed: Bed) {
    let store = bed.open().await;
    let mut server = new_server("one");
    let first = store
        .create_server(&server, None, &event("server.add"))
        .await
        .unwrap();
    bed.clock.advance(5);
    let audit = event("server.edit");
    assert!(
        store
            .edit_server(server.id, "Another", None, &audit)
            .await
            .unwrap()
    );
    let titled = store.server(server.id).await.unwrap().unwrap();
    assert_eq!(titled.title, "Another");
    assert_eq!(titled.generation, first.generation);
    assert_eq!(titled.updated_at.unix_ms, first.created_at.unix_ms + 5);

    server.spec.keep_warm = true;
    let edited = store.edit_server(server.id, "Both", Some(&server.spec), &audit);
    assert!(edited.await.unwrap());
    let both = store.server(server.id).await.unwrap().unwrap();
    assert_eq!((both.title.as_str(), &both.spec), ("Both", &server.spec));
    assert!(first.generation < both.generation);
    assert_eq!(
        audit_kinds(&store).await,
        ["server.add", "server.edit", "server.edit"]
    );
}

async fn how_changed_tools_are_met_is_no_new_generation(bed: Bed) {
    let store = bed.open().await;
    let id = add_server(&store, "one").await;
    let before = store.server(id).await.unwrap().unwrap();
    assert_eq!(before.tool_changes, ToolChanges::Ask);
    let audit = event("server.change");
    for changes in [ToolChanges::Follow, ToolChanges::Block, ToolChanges::Ask] {
        assert!(store.set_tool_changes(id, changes, &audit).await.unwrap());
        let after = store.server(id).await.unwrap().unwrap();
        assert_eq!(after.tool_changes, changes);
        assert_eq!(after.generation, before.generation);
    }
    assert!(
        !store
            .set_tool_changes(new_id(), ToolChanges::Ask, &audit)
            .await
            .unwrap()
    );
    assert_eq!(audit_kinds(&store).await.len(), 4);
}

async fn the_built_in_server_is_not_among_those_that_people_add(bed: Bed) {
    let store = bed.open().await;
    let id = ServerId::built_in();
    assert_eq!(store.servers().await.unwrap(), []);
    assert_eq!(store.server(id).await.unwrap(), None);
    let slug = ServerSlug::built_in();
    assert_eq!(store.server_by_slug(&slug).await.unwrap(), None);
    assert!(
        !store
            .delete_server(id, &event("server.remove"))
            .await
            .unwrap()
    );
    let taken = new_server("archestra");
    let err = store
        .create_server(&taken, None, &event("server.add"))
        .await
        .unwrap_err();
    assert!(matches!(err, StoreError::SlugTaken { .. }), "{err:?}");
    // It has the same tables as all others.
    assert!(
        store
            .pin_first(id, Vec::new(), &event("tools.pin"))
            .await
            .unwrap()
    );
}

async fn what_is_not_there_is_not_changed(bed: Bed) {
    let store = bed.open().await;
    let (id, audit) = (new_id(), event("server.change"));
    let spec = new_server("x").spec;
    assert_eq!(
        store.update_server_spec(id, &spec, &audit).await.unwrap(),
        None
    );
    assert_eq!(store.set_enabled(id, true, &audit).await.unwrap(), None);
    assert_eq!(store.touch_server(id).await.unwrap(), None);
    assert!(!store.delete_server(id, &audit).await.unwrap());
    assert!(!store.create_install(id, &new_install()).await.unwrap());
    assert!(!store.delete_secret(new_id(), &audit).await.unwrap());
    assert!(audit_kinds(&store).await.is_empty());
}

async fn deleting_a_server_takes_all_that_is_its_own(bed: Bed) {
    let store = bed.open().await;
    let mut servers = Vec::new();
    for slug in ["one", "two"] {
        let mut server = new_server(slug);
        server.secrets = vec![secret(Some(server.id), "TOKEN")];
        let install = new_install();
        store
            .create_server(&server, Some(&install), &event("server.add"))
            .await
            .unwrap();
        store.begin_step(install.id, 0, "lock").await.unwrap();
        store
            .put_lists(server.id, vec![(ListKind::Tools, "[]".into())])
            .await
            .unwrap();
        servers.push((server, install));
    }
    let free = secret(None, "KEY");
    store
        .put_secret(&free, &event("secret.give"))
        .await
        .unwrap();
    let (gone, gone_install) = &servers[0];
    let (kept, kept_install) = &servers[1];
    assert!(
        store
            .delete_server(gone.id, &event("server.remove"))
            .await
            .unwrap()
    );

    assert_eq!(store.install(gone_install.id).await.unwrap(), None);
    assert_eq!(store.install_steps(gone_install.id).await.unwrap(), []);
    assert_eq!(store.lists_of(gone.id).await.unwrap(), []);
    assert_eq!(store.secret(gone.secrets[0].id).await.unwrap(), None);
    assert_eq!(
        store.referenced_volumes().await.unwrap(),
        vec![kept_install.volume.clone()]
    );
    assert_eq!(store.lists().await.unwrap().len(), 1);
    assert_eq!(store.secret_infos(Some(kept.id)).await.unwrap().len(), 1);
    assert_eq!(store.secret_infos(None).await.unwrap()[0].name, "KEY");
    // An install that is still under way when its server goes writes into the void.
    store.begin_step(gone_install.id, 1, "fetch").await.unwrap();
    store
        .append_step_log(gone_install.id, 1, "text")
        .await
        .unwrap();
    let put = store
        .put_lists(gone.id, vec![(ListKind::Tools, "[]".into())])
        .await;
    assert_eq!(put.unwrap(), ListsPut::NoServer);
    assert!(!store.finish_install(gone_install.id, &[], 1).await.unwrap());
}

async fn lists_are_kept_byte_for_byte(bed: Bed) {
    let store = bed.open().await;
    let server = new_server("one");
    store
        .create_server(&server, None, &event("server.add"))
        .await
        .unwrap();
    let body = r#"{"z":1, "a":"\u0000 €","unknown": [1.0, 1e2]}"#;
    let put = |body: &str| {
        let lists = vec![
            (ListKind::Tools, body.into()),
            (ListKind::Prompts, "[]".into()),
        ];
        store.put_lists(server.id, lists)
    };
    assert_eq!(put(body).await.unwrap(), ListsPut::Changed);
    bed.clock.advance(1);
    assert_eq!(put(body).await.unwrap(), ListsPut::Unchanged);
    let lists = store.lists_of(server.id).await.unwrap();
    assert_eq!(&*lists[1].body, body);
    assert_eq!(lists[1].kind, ListKind::Tools);
    assert_eq!(lists[1].updated_at.unix_ms, 1_000);
    assert_eq!(put("[]").await.unwrap(), ListsPut::Changed);
    let lists = store.lists().await.unwrap();
    assert_eq!(&*lists[1].body, "[]");
    assert_eq!(lists[0].sha256, lists[1].sha256);
    let huge = "x".repeat((16 << 20) + 1);
    let err = put(&huge).await.unwrap_err();
    assert!(matches!(err, StoreError::TooLarge { .. }), "{err:?}");
}

async fn secrets_are_kept_sealed_and_replaced(bed: Bed) {
    let store = bed.open().await;
    assert!(!store.has_secrets().await.unwrap());
    let mut one = secret(None, "KEY");
    store.put_secret(&one, &event("secret.give")).await.unwrap();
    assert!(store.has_secrets().await.unwrap());
    one.sealed = vec![7; 100];
    store.put_secret(&one, &event("secret.give")).await.unwrap();
    let stored = store.secret(one.id).await.unwrap().unwrap();
    assert_eq!(stored.sealed, vec![7; 100]);
    assert_eq!(stored.info.given_by, PrincipalName::owner());
    assert!(
        store
            .delete_secret(one.id, &event("secret.delete"))
            .await
            .unwrap()
    );
    assert!(!store.has_secrets().await.unwrap());
    assert_eq!(
        audit_kinds(&store).await,
        ["secret.give", "secret.give", "secret.delete"]
    );
    one.sealed = vec![0; (64 << 10) + 1];
    let err = store
        .put_secret(&one, &event("secret.give"))
        .await
        .unwrap_err();
    assert!(matches!(err, StoreError::TooLarge { .. }), "{err:?}");
}

async fn a_row_that_is_not_understood_hides_no_other(bed: Bed) {
    let store = bed.open().await;
    let (odd, fine) = (new_server("odd"), new_server("fine"));
    for server in [&odd, &fine] {
        store
            .create_server(server, None, &event("server.add"))
            .await
            .unwrap();
    }
    let sql = "UPDATE servers SET spec = '{}' WHERE slug = 'odd'";
    writing!(store, pool => { sqlx::query(sql).execute(pool).await.unwrap(); });
    let servers = store.servers().await.unwrap();
    assert_eq!(
        servers.iter().map(|it| it.id).collect::<Vec<_>>(),
        [fine.id]
    );
    let err = store.server(odd.id).await.unwrap_err();
    assert!(matches!(err, StoreError::Corrupt { .. }), "{err:?}");
}

async fn a_server_and_its_secrets_change_together(bed: Bed) {
    let store = bed.open().await;
    let (one, two) = (new_server("one"), new_server("two"));
    let others = secret(Some(two.id), "others");
    for (server, secrets) in [(&one, vec![]), (&two, vec![others.clone()])] {
        let server = crate::NewServer {
            secrets,
            ..server.clone()
        };
        let add = event("server.add");
        store.create_server(&server, None, &add).await.unwrap();
    }
    let (first, second) = (
        secret(Some(one.id), "first"),
        secret(Some(one.id), "second"),
    );
    let set = event("header.set");
    let change = async |id, put: Option<&NewSecret>, forget: &[domain::SecretId]| {
        let changed = store.update_server_secrets(id, &one.spec, put, forget, &set);
        changed.await.unwrap()
    };
    let generation = change(one.id, Some(&first), &[]).await.unwrap();
    // One of another server is not its own to forget.
    let later = change(one.id, Some(&second), &[first.id, others.id]).await;
    assert!(Some(generation) < later);
    assert_eq!(
        store.server(one.id).await.unwrap().unwrap().generation,
        later.unwrap()
    );
    assert_eq!(store.secret(first.id).await.unwrap(), None);
    let kept = store.secret(second.id).await.unwrap().unwrap();
    assert_eq!(kept.sealed, second.sealed);
    assert!(store.secret(others.id).await.unwrap().is_some());
    assert_eq!(change(new_id(), Some(&first), &[second.id]).await, None);
    assert_eq!(store.secret(first.id).await.unwrap(), None);
    let count = audit_kinds(&store)
        .await
        .iter()
        .filter(|it| *it == "header.set")
        .count();
    assert_eq!(count, 2);
}
