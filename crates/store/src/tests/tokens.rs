use std::collections::BTreeSet;

use domain::{Access, PrincipalName, ServerSlug};
use futures_util::future::join_all;

use super::bed::{Bed, at, event, new_id};
use crate::{AuditEvent, AuditFilter, NewToken, StoreError, TokenKind};

super::on_both!(
    a_token_is_found_by_its_hash_until_it_is_revoked,
    a_name_is_free_again_after_its_token_is_revoked,
    what_a_client_did_is_found_by_its_name_and_its_identifier,
    the_last_use_only_moves_forward,
    a_login_link_lets_in_one_of_many_that_ask_at_a_time,
    a_login_link_that_has_expired_lets_nobody_in,
    a_session_ends_by_time_or_by_hand,
);

fn token(name: &str) -> NewToken {
    let servers = BTreeSet::from([ServerSlug::new("one").unwrap()]);
    NewToken {
        id: new_id(),
        name: name.to_owned(),
        hash: format!("hash of {name} {}", new_id::<()>()),
        principal: PrincipalName::owner(),
        kind: TokenKind::Client,
        access: Access {
            servers: Some(servers),
            tools: None,
        },
    }
}

async fn a_token_is_found_by_its_hash_until_it_is_revoked(bed: Bed) {
    let store = bed.open().await;
    let token = token("cursor");
    store
        .create_token(&token, &event("token.create"))
        .await
        .unwrap();
    let stored = store.token_by_hash(&token.hash).await.unwrap().unwrap();
    assert_eq!((stored.id, &stored.access), (token.id, &token.access));
    assert_eq!(store.token_by_hash("another").await.unwrap(), None);
    assert!(
        store
            .revoke_token(token.id, &event("token.revoke"))
            .await
            .unwrap()
    );
    assert!(
        !store
            .revoke_token(token.id, &event("token.revoke"))
            .await
            .unwrap()
    );
    assert_eq!(store.token_by_hash(&token.hash).await.unwrap(), None);
    assert!(store.tokens().await.unwrap()[0].revoked_at.is_some());
}

async fn a_name_is_free_again_after_its_token_is_revoked(bed: Bed) {
    let store = bed.open().await;
    let first = token("cursor");
    store
        .create_token(&first, &event("token.create"))
        .await
        .unwrap();
    let err = store
        .create_token(&token("cursor"), &event("token.create"))
        .await
        .unwrap_err();
    assert!(
        matches!(&err, StoreError::NameTaken { name } if name == "cursor"),
        "{err:?}"
    );
    store
        .revoke_token(first.id, &event("token.revoke"))
        .await
        .unwrap();
    store
        .create_token(&token("cursor"), &event("token.create"))
        .await
        .unwrap();
}

async fn the_last_use_only_moves_forward(bed: Bed) {
    let store = bed.open().await;
    let token = token("cursor");
    store
        .create_token(&token, &event("token.create"))
        .await
        .unwrap();
    for (used, expected) in [(50, 50), (40, 50), (60, 60)] {
        store
            .touch_tokens(vec![(token.id, at(used))])
            .await
            .unwrap();
        let stored = store.token_by_hash(&token.hash).await.unwrap().unwrap();
        assert_eq!(stored.last_used_at, Some(at(expected)));
    }
    store.touch_tokens(vec![(new_id(), at(1))]).await.unwrap();
}

async fn a_login_link_lets_in_one_of_many_that_ask_at_a_time(bed: Bed) {
    let store = bed.open().await;
    store.create_login_link("link", at(2_000)).await.unwrap();
    let asks = (0..20).map(|_| store.redeem_login_link("link", at(1_500)));
    let let_in = join_all(asks)
        .await
        .into_iter()
        .filter(|it| *it.as_ref().unwrap());
    assert_eq!(let_in.count(), 1);
    assert!(!store.redeem_login_link("another", at(1_500)).await.unwrap());
}

async fn a_login_link_that_has_expired_lets_nobody_in(bed: Bed) {
    let store = bed.open().await;
    store.create_login_link("link", at(2_000)).await.unwrap();
    assert!(!store.redeem_login_link("link", at(2_000)).await.unwrap());
    store.prune_sessions(at(2_000)).await.unwrap();
    assert!(!store.redeem_login_link("link", at(1_000)).await.unwrap());
}

async fn a_session_ends_by_time_or_by_hand(bed: Bed) {
    let store = bed.open().await;
    let owner = PrincipalName::owner();
    for hash in ["one", "two", "three"] {
        store
            .create_web_session(hash, &owner, at(2_000))
            .await
            .unwrap();
    }
    let session = store.web_session("one", at(1_999)).await.unwrap().unwrap();
    assert_eq!(session.principal, owner);
    assert_eq!(store.web_session("one", at(2_000)).await.unwrap(), None);
    assert!(store.revoke_web_session("one").await.unwrap());
    assert!(!store.revoke_web_session("one").await.unwrap());
    assert_eq!(store.web_session("one", at(1)).await.unwrap(), None);
    assert_eq!(store.revoke_web_sessions_of(&owner).await.unwrap(), 2);
    assert_eq!(store.web_session("two", at(1)).await.unwrap(), None);
    store.prune_sessions(at(1)).await.unwrap();
}

async fn what_a_client_did_is_found_by_its_name_and_its_identifier(bed: Bed) {
    let store = bed.open().await;
    let tokens = [token("cursor"), token("cursor"), token("code")];
    for (n, token) in (1..).zip(&tokens) {
        let create = event("token.create");
        store.create_token(token, &create).await.unwrap();
        let did = AuditEvent {
            token: Some(token.id),
            ..AuditEvent::new(at(n), "tool.call")
        };
        store.write_audit(&[did]).await.unwrap();
        let revoke = event("token.revoke");
        assert!(store.revoke_token(token.id, &revoke).await.unwrap());
    }
    let found = async |client: &str| {
        let filter = AuditFilter {
            client: Some(client.to_owned()),
            limit: 10,
            ..AuditFilter::default()
        };
        let rows = store.audit_page(&filter).await.unwrap();
        rows.iter()
            .map(|it| it.event.at.unix_ms)
            .collect::<Vec<_>>()
    };
    assert_eq!(found("cursor").await, [2, 1]);
    assert_eq!(found("code").await, [3]);
    assert_eq!(found(&tokens[0].id.to_string()).await, [1]);
    assert_eq!(found("nobody").await, [0; 0]);
}
