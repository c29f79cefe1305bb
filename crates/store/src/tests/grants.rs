use std::collections::BTreeSet;

use domain::{GrantId, PrincipalName, ServerId, TokenId, ToolPin};
use futures_util::future::join_all;

use super::bed::{Bed, add_server, at, audit_kinds, event, new_approval, new_id, pin};
use crate::{
    Decided, Decision, GRANTS_MAX, GrantFilter, GrantScope, NewGrant, OnceUse, Store, StoreError,
    Verdict,
};

super::on_both!(
    a_grant_for_one_call_is_used_once_however_many_ask,
    each_of_some_equal_grants_is_used_by_one,
    a_grant_for_one_call_holds_for_the_equal_call_only,
    a_grant_is_revoked_once_and_by_whom_it_belongs_to,
    the_grants_of_a_client_are_revoked_with_it,
    grants_go_with_their_server,
    ten_thousand_grants_are_loaded_and_paged,
    there_are_never_more_grants_than_allowed,
    grants_that_hold_no_more_are_deleted,
);

fn new_grant(server: ServerId, scope: GrantScope) -> NewGrant {
    NewGrant {
        id: new_id(),
        principal: PrincipalName::owner(),
        scope,
        token: None,
        chat: None,
        server,
        tool: "read".to_owned(),
        pin: pin('a'),
        arguments_sha256: (scope == GrantScope::Once).then(|| "hash".to_owned()),
        approval: None,
        created_by: PrincipalName::owner(),
        expires_at: Some(at(10_000)),
    }
}

/// Gives a grant, by the way there is: as the answer to a request.
async fn give(store: &Store, grant: &NewGrant) -> Result<Decided, StoreError> {
    let request = new_approval(grant.server, "{}");
    let (request, _) = store
        .open_approval(&request, &event("approval.open"))
        .await?;
    let decision = Decision {
        by: PrincipalName::owner(),
        verdict: Verdict::Approve {
            scope: grant.scope,
            edited_arguments: None,
        },
        pin: pin('a'),
    };
    store
        .decide_approval(request.id, &decision, Some(grant), at(1_000), &[])
        .await
}

async fn given(store: &Store, grant: NewGrant) -> GrantId {
    let outcome = give(store, &grant).await.unwrap();
    assert!(matches!(outcome, Decided::Done(_)), "{outcome:?}");
    grant.id
}

struct Call {
    principal: PrincipalName,
    pin: ToolPin,
    token: Option<TokenId>,
    server: ServerId,
}

impl Call {
    fn of(server: ServerId) -> Self {
        Self {
            principal: PrincipalName::owner(),
            pin: pin('a'),
            token: None,
            server,
        }
    }

    fn once(&self) -> OnceUse<'_> {
        OnceUse {
            principal: &self.principal,
            token: self.token,
            chat: None,
            server: self.server,
            tool: "read",
            pin: &self.pin,
            arguments_sha256: "hash",
        }
    }
}

async fn a_grant_for_one_call_is_used_once_however_many_ask(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let id = given(&store, new_grant(server, GrantScope::Once)).await;
    let call = Call::of(server);
    let once = call.once();
    let asks = join_all((0..20).map(|_| store.use_once_grant(&once, at(2_000)))).await;
    let used: Vec<GrantId> = asks.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(used, [id]);
    let filter = GrantFilter {
        limit: 10,
        ..GrantFilter::default()
    };
    assert_eq!(
        store.grants(&filter).await.unwrap()[0].used_at,
        Some(at(2_000))
    );
    assert_eq!(store.active_grants().await.unwrap(), []);
}

async fn each_of_some_equal_grants_is_used_by_one(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let mut ids = BTreeSet::new();
    for _ in 0..5 {
        ids.insert(given(&store, new_grant(server, GrantScope::Once)).await);
    }
    let call = Call::of(server);
    let once = call.once();
    let asks = join_all((0..20).map(|_| store.use_once_grant(&once, at(2_000)))).await;
    let used: Vec<GrantId> = asks.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(used.len(), 5);
    assert_eq!(used.into_iter().collect::<BTreeSet<_>>(), ids);
}

async fn a_grant_for_one_call_holds_for_the_equal_call_only(bed: Bed) {
    let store = bed.open().await;
    let (server, other) = (
        add_server(&store, "one").await,
        add_server(&store, "two").await,
    );
    let token = Some(new_id());
    let of_client = NewGrant {
        token,
        ..new_grant(server, GrantScope::Once)
    };
    given(&store, of_client).await;
    // Grants of other scopes are not used up.
    given(&store, new_grant(server, GrantScope::Everywhere)).await;
    let call = Call {
        token,
        ..Call::of(server)
    };
    let right = call.once();
    let (someone, another_pin): (PrincipalName, ToolPin) = ("someone".parse().unwrap(), pin('b'));
    for wrong in [
        OnceUse {
            principal: &someone,
            ..right
        },
        OnceUse {
            token: None,
            ..right
        },
        OnceUse {
            token: Some(new_id()),
            ..right
        },
        OnceUse {
            chat: Some(new_id()),
            ..right
        },
        OnceUse {
            server: other,
            ..right
        },
        OnceUse {
            tool: "write",
            ..right
        },
        OnceUse {
            pin: &another_pin,
            ..right
        },
        OnceUse {
            arguments_sha256: "other",
            ..right
        },
    ] {
        let used = store.use_once_grant(&wrong, at(2_000)).await.unwrap();
        assert_eq!(used, None, "{wrong:?}");
    }
    assert_eq!(
        store.use_once_grant(&right, at(10_000)).await.unwrap(),
        None
    );
    assert!(
        store
            .use_once_grant(&right, at(9_999))
            .await
            .unwrap()
            .is_some()
    );
}

async fn a_grant_is_revoked_once_and_by_whom_it_belongs_to(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let id = given(&store, new_grant(server, GrantScope::Everywhere)).await;
    let (owner, someone) = (PrincipalName::owner(), "someone".parse().unwrap());
    let audit = event("grant.revoke");
    let revoke = |by| store.revoke_grant(id, by, at(3_000), &audit);
    assert!(!revoke(Some(&someone)).await.unwrap());
    assert_eq!(store.active_grants().await.unwrap().len(), 1);
    let revoked_at = async || store.grant(id).await.unwrap().unwrap().revoked_at;
    assert_eq!(revoked_at().await, None);
    assert!(revoke(Some(&owner)).await.unwrap());
    assert!(!revoke(None).await.unwrap());
    assert_eq!(revoked_at().await, Some(at(3_000)));
    assert_eq!(store.grant(new_id()).await.unwrap(), None);
    assert_eq!(store.active_grants().await.unwrap(), []);
    let kinds = audit_kinds(&store).await;
    assert_eq!(kinds, ["server.add", "approval.open", "grant.revoke"]);

    let once = given(&store, new_grant(server, GrantScope::Once)).await;
    assert!(
        store
            .revoke_grant(once, None, at(3_000), &audit)
            .await
            .unwrap()
    );
    let call = Call::of(server);
    let used = store.use_once_grant(&call.once(), at(3_000)).await.unwrap();
    assert_eq!(used, None);
}

async fn the_grants_of_a_client_are_revoked_with_it(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let client_token = new_id();
    let token = Some(client_token);
    let of = |scope, token| NewGrant {
        token,
        ..new_grant(server, scope)
    };
    let client = given(&store, of(GrantScope::Client, token)).await;
    let once = given(&store, of(GrantScope::Once, token)).await;
    // It was asked by the client, and is for everybody.
    let everywhere = given(&store, of(GrantScope::Everywhere, token)).await;
    let other = given(&store, of(GrantScope::Client, Some(new_id()))).await;
    let revoked = store.revoke_grants_of_token(client_token, at(3_000)).await;
    let revoked: BTreeSet<GrantId> = revoked.unwrap().into_iter().collect();
    assert_eq!(revoked, BTreeSet::from([client, once]));
    let left = store.active_grants().await.unwrap();
    let left: BTreeSet<GrantId> = left.into_iter().map(|it| it.id).collect();
    assert_eq!(left, BTreeSet::from([everywhere, other]));
}

async fn grants_go_with_their_server(bed: Bed) {
    let store = bed.open().await;
    let (server, other) = (
        add_server(&store, "one").await,
        add_server(&store, "two").await,
    );
    given(&store, new_grant(server, GrantScope::Everywhere)).await;
    let kept = given(&store, new_grant(other, GrantScope::Everywhere)).await;
    store
        .delete_server(server, &event("server.remove"))
        .await
        .unwrap();
    let left = store.active_grants().await.unwrap();
    assert_eq!(left.iter().map(|it| it.id).collect::<Vec<_>>(), [kept]);
}

/// Inserts grants for all calls of the tool `read`, in one statement.
async fn fill(store: &Store, server: ServerId, count: u64) {
    let sql = "INSERT INTO grants (id, principal, scope, server_id, tool, pin, created_by, created_at) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) SELECT '00000000-0000-0000-0000-' || substr('00000000000' || (100000 + i), length('00000000000' || (100000 + i)) - 11), 'owner', 'everywhere', $2, 'read', $3, 'owner', i / 100 FROM n";
    writing!(store, pool => {
        sqlx::query(sql)
            .bind(i64::try_from(count).unwrap())
            .bind(server.to_string())
            .bind(pin('a').to_string())
            .execute(pool)
            .await
            .unwrap();
    });
}

async fn ten_thousand_grants_are_loaded_and_paged(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    fill(&store, server, 10_000).await;
    let all = store.active_grants().await.unwrap();
    assert_eq!(all.len(), 10_000);
    let ids: BTreeSet<GrantId> = all.iter().map(|it| it.id).collect();
    assert_eq!(ids.len(), 10_000);
    let mut filter = GrantFilter {
        principal: Some(PrincipalName::owner()),
        active_only: true,
        limit: 5_000,
        ..GrantFilter::default()
    };
    let (mut pages, mut paged) = (0, Vec::new());
    loop {
        let page = store.grants(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.before = Some((last.created_at, last.id));
        assert!(page.len() <= 1_000);
        pages += 1;
        paged.extend(page);
    }
    paged.reverse();
    assert_eq!(pages, 10);
    assert_eq!(paged, all);
}

async fn there_are_never_more_grants_than_allowed(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    fill(&store, server, GRANTS_MAX - 1).await;
    given(&store, new_grant(server, GrantScope::Everywhere)).await;
    let last = new_grant(server, GrantScope::Everywhere);
    let err = give(&store, &last).await.unwrap_err();
    assert!(
        matches!(
            err,
            StoreError::TooMany {
                max: GRANTS_MAX,
                ..
            }
        ),
        "{err:?}"
    );
    // Those that hold no more do not count.
    let revoked = store.active_grants().await.unwrap().pop().unwrap().id;
    store
        .revoke_grant(revoked, None, at(1_000), &event("grant.revoke"))
        .await
        .unwrap();
    given(&store, last).await;
}

async fn grants_that_hold_no_more_are_deleted(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    given(&store, new_grant(server, GrantScope::Once)).await;
    let call = Call::of(server);
    store.use_once_grant(&call.once(), at(2_000)).await.unwrap();
    let revoked = given(&store, new_grant(server, GrantScope::Chat)).await;
    store
        .revoke_grant(revoked, None, at(3_000), &event("grant.revoke"))
        .await
        .unwrap();
    given(&store, new_grant(server, GrantScope::Client)).await;
    let for_good = NewGrant {
        expires_at: None,
        ..new_grant(server, GrantScope::Everywhere)
    };
    let kept = given(&store, for_good).await;
    for (before, deleted) in [
        (2_000, 0),
        (3_000, 1),
        (10_000, 1),
        (10_001, 1),
        (99_999, 0),
    ] {
        assert_eq!(
            store.prune_grants(at(before)).await.unwrap(),
            deleted,
            "{before}"
        );
    }
    let left = store.active_grants().await.unwrap();
    assert_eq!(left.iter().map(|it| it.id).collect::<Vec<_>>(), [kept]);
}
