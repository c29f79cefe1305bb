use domain::PrincipalName;
use futures_util::future::join_all;

use super::bed::{Bed, at, audit_kinds, event, new_chat, new_id};
use crate::{
    KeyChange, ModelDefault, NewChat, NewProvider, NewSecret, PROVIDERS_MAX, ProviderChange,
    ProviderKind, StoreError,
};

super::on_both!(
    a_provider_is_kept_with_its_key,
    a_key_takes_the_place_of_the_one_before,
    what_is_changed_is_changed_and_nothing_else,
    a_deleted_provider_takes_its_key_and_leaves_its_chats,
    somebody_elses_provider_is_not_listed,
    there_are_never_more_providers_than_allowed,
    a_principals_default_model_is_its_own_and_goes_with_the_provider,
);

fn key(byte: u8) -> NewSecret {
    NewSecret {
        id: new_id(),
        server: None,
        provider: None,
        name: "API key".to_owned(),
        sealed: vec![byte; 10],
        given_by: PrincipalName::owner(),
    }
}

fn new_provider(key: Option<NewSecret>) -> NewProvider {
    NewProvider {
        id: new_id(),
        principal: None,
        kind: ProviderKind::Ollama,
        name: "Ollama".to_owned(),
        base_url: "http://127.0.0.1:11434".to_owned(),
        key,
        default_model: None,
        enabled: true,
        found: true,
    }
}

async fn a_provider_is_kept_with_its_key(bed: Bed) {
    let store = bed.open().await;
    let new = new_provider(Some(key(1)));
    let made = store
        .create_provider(&new, &event("provider.add"))
        .await
        .unwrap();
    assert_eq!(store.provider(new.id).await.unwrap().as_ref(), Some(&made));
    let all = store.providers(None).await.unwrap();
    assert_eq!(all, std::slice::from_ref(&made));
    let secret = store.secret(made.key.unwrap()).await.unwrap().unwrap();
    assert_eq!(secret.sealed, [1; 10]);
    assert_eq!(secret.info.provider, Some(new.id));
    // It is nobody else's, and is not among those that stand alone.
    assert_eq!(store.secret_infos(None).await.unwrap(), []);
    assert!(store.has_secrets().await.unwrap());
    let audit = event("secret.delete");
    store.delete_secret(secret.info.id, &audit).await.unwrap();
    let without = store.provider(new.id).await.unwrap().unwrap();
    assert_eq!(without.key, None);
    let bare = new_provider(None);
    let made = store
        .create_provider(&bare, &event("provider.add"))
        .await
        .unwrap();
    assert_eq!(made.key, None);
    assert_eq!(store.provider(new_id()).await.unwrap(), None);
}

async fn a_key_takes_the_place_of_the_one_before(bed: Bed) {
    let store = bed.open().await;
    let (old, new) = (key(1), key(2));
    let id = new_provider(None).id;
    let provider = NewProvider {
        id,
        ..new_provider(Some(old.clone()))
    };
    store
        .create_provider(&provider, &event("provider.add"))
        .await
        .unwrap();
    let audit = event("provider.change");
    let set = |key| ProviderChange {
        key,
        ..ProviderChange::default()
    };
    for (change, expected) in [
        (KeyChange::Keep, Some(old.id)),
        (KeyChange::Set(new.clone()), Some(new.id)),
        (
            KeyChange::Set(NewSecret {
                sealed: vec![3],
                ..new.clone()
            }),
            Some(new.id),
        ),
        (KeyChange::Remove, None),
        (KeyChange::Remove, None),
    ] {
        let removes = change == KeyChange::Remove;
        assert!(
            store
                .update_provider(id, &set(change), &audit)
                .await
                .unwrap()
        );
        assert_eq!(store.provider(id).await.unwrap().unwrap().key, expected);
        assert_eq!(store.has_secrets().await.unwrap(), !removes);
        if expected == Some(new.id) {
            assert_eq!(store.secret(old.id).await.unwrap(), None);
        }
    }
    assert_eq!(store.secret(new.id).await.unwrap(), None);
    let huge = KeyChange::Set(NewSecret {
        sealed: vec![0; (64 << 10) + 1],
        ..key(1)
    });
    let err = store
        .update_provider(id, &set(huge), &audit)
        .await
        .unwrap_err();
    assert!(matches!(err, StoreError::TooLarge { .. }), "{err:?}");
}

async fn what_is_changed_is_changed_and_nothing_else(bed: Bed) {
    let store = bed.open().await;
    let new = new_provider(Some(key(1)));
    let mut expected = store
        .create_provider(&new, &event("provider.add"))
        .await
        .unwrap();
    let audit = event("provider.change");
    bed.clock.advance(5);
    expected.updated_at = at(1_005);
    let none = ProviderChange::default();
    let steps = [
        none.clone(),
        ProviderChange {
            name: Some("Mine".to_owned()),
            ..none.clone()
        },
        ProviderChange {
            default_model: Some(Some("qwen".to_owned())),
            ..none.clone()
        },
        ProviderChange {
            enabled: Some(false),
            base_url: Some("http://[::1]".to_owned()),
            ..none.clone()
        },
        ProviderChange {
            default_model: Some(None),
            ..none.clone()
        },
    ];
    for (n, change) in steps.iter().enumerate() {
        assert!(store.update_provider(new.id, change, &audit).await.unwrap());
        match n {
            1 => expected.name = "Mine".to_owned(),
            2 => expected.default_model = Some("qwen".to_owned()),
            3 => (expected.enabled, expected.base_url) = (false, "http://[::1]".to_owned()),
            4 => expected.default_model = None,
            _ => {}
        }
        let stored = store.provider(new.id).await.unwrap();
        assert_eq!(stored.as_ref(), Some(&expected), "{n}");
    }
    assert!(
        !store
            .update_provider(new_id(), &none, &audit)
            .await
            .unwrap()
    );
    let odd = ProviderChange {
        name: Some("a\0b".to_owned()),
        ..none
    };
    let err = store
        .update_provider(new.id, &odd, &audit)
        .await
        .unwrap_err();
    assert!(matches!(err, StoreError::NotStorable { .. }), "{err:?}");
    assert_eq!(audit_kinds(&store).await.len(), 6);
}

async fn a_deleted_provider_takes_its_key_and_leaves_its_chats(bed: Bed) {
    let store = bed.open().await;
    let owner = PrincipalName::owner();
    let new = new_provider(Some(key(1)));
    store
        .create_provider(&new, &event("provider.add"))
        .await
        .unwrap();
    let chat = NewChat {
        provider: Some(new.id),
        ..new_chat("one")
    };
    let chat = store.create_chat(&chat).await.unwrap();
    assert_eq!(
        store.chat(chat.id, &owner).await.unwrap(),
        Some(chat.clone())
    );
    let audit = event("provider.remove");
    assert!(store.delete_provider(new.id, &audit).await.unwrap());
    assert!(!store.delete_provider(new.id, &audit).await.unwrap());
    assert!(!store.has_secrets().await.unwrap());
    let chat = store.chat(chat.id, &owner).await.unwrap().unwrap();
    assert_eq!(chat.provider, None);
    assert_eq!(
        audit_kinds(&store).await,
        ["provider.add", "provider.remove"]
    );
}

async fn somebody_elses_provider_is_not_listed(bed: Bed) {
    let store = bed.open().await;
    let someone: PrincipalName = "someone".parse().unwrap();
    let theirs = NewProvider {
        principal: Some(someone.clone()),
        ..new_provider(None)
    };
    let for_all = new_provider(None);
    for provider in [&theirs, &for_all] {
        store
            .create_provider(provider, &event("provider.add"))
            .await
            .unwrap();
        bed.clock.advance(1);
    }
    for (principal, expected) in [
        (None, &[theirs.id, for_all.id] as &[_]),
        (Some(&someone), &[theirs.id, for_all.id]),
        (Some(&PrincipalName::owner()), &[for_all.id]),
    ] {
        let found = store.providers(principal).await.unwrap();
        let found: Vec<_> = found.into_iter().map(|it| it.id).collect();
        assert_eq!(found, expected, "{principal:?}");
    }
}

async fn there_are_never_more_providers_than_allowed(bed: Bed) {
    let store = bed.open().await;
    // All but one, in one statement.
    let fill = "INSERT INTO providers (id, kind, name, base_url, enabled, found, created_at, updated_at) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) SELECT 'x' || i, 'openai', '', '', TRUE, FALSE, 0, 0 FROM n";
    let all_but_one = i64::try_from(PROVIDERS_MAX).unwrap() - 1;
    writing!(store, pool => {
        sqlx::query(fill).bind(all_but_one).execute(pool).await.unwrap();
    });
    let news: Vec<NewProvider> = (0..30).map(|_| new_provider(None)).collect();
    let audit = event("provider.add");
    let outcomes = join_all(news.iter().map(|it| store.create_provider(it, &audit))).await;
    assert_eq!(outcomes.iter().filter(|it| it.is_ok()).count(), 1);
    let err = outcomes.into_iter().find_map(Result::err).unwrap();
    assert!(
        matches!(
            err,
            StoreError::TooMany {
                max: PROVIDERS_MAX,
                ..
            }
        ),
        "{err:?}"
    );
}

async fn a_principals_default_model_is_its_own_and_goes_with_the_provider(bed: Bed) {
    let store = bed.open().await;
    let (owner, someone) = (PrincipalName::owner(), "someone".parse().unwrap());
    let audit = event("model.default");
    let (one, two) = (new_provider(None), new_provider(None));
    for provider in [&one, &two] {
        let added = store
            .create_provider(provider, &event("provider.add"))
            .await;
        added.unwrap();
    }
    assert_eq!(store.model_default(&owner).await.unwrap(), None);
    let default = |provider, model: &str| ModelDefault {
        provider,
        model: model.to_owned(),
    };
    let steps = [
        (&owner, default(one.id, "a")),
        (&someone, default(one.id, "b")),
        (&owner, default(two.id, "c")),
    ];
    for (principal, default) in &steps {
        let set = store
            .set_model_default(principal, Some(default), &audit)
            .await;
        set.unwrap();
        let kept = store.model_default(principal).await.unwrap();
        assert_eq!(kept.as_ref(), Some(default));
    }
    let removed = store
        .delete_provider(one.id, &event("provider.remove"))
        .await;
    assert!(removed.unwrap());
    assert_eq!(store.model_default(&someone).await.unwrap(), None);
    assert_eq!(
        store.model_default(&owner).await.unwrap(),
        Some(default(two.id, "c"))
    );
    for _ in 0..2 {
        let removed = store.set_model_default(&owner, None, &audit).await;
        removed.unwrap();
        assert_eq!(store.model_default(&owner).await.unwrap(), None);
    }
    let long = default(two.id, &"x".repeat(513));
    let refused = store.set_model_default(&owner, Some(&long), &audit).await;
    assert!(
        matches!(refused, Err(StoreError::TooLarge { .. })),
        "{refused:?}"
    );
}
