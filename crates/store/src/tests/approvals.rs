use domain::{ApprovalId, PrincipalName, ServerId};
use futures_util::future::join_all;

use super::bed::{Bed, add_server, at, audit_kinds, event, new_approval, new_id, pin};
use crate::{
    APPROVALS_OPEN_MAX, APPROVALS_OPEN_OF_TOKEN_MAX, ApprovalFilter, ApprovalState, ApprovalsOf,
    ApprovedTool, Decided, Decision, GrantFilter, GrantScope, NewApproval, NewGrant, NewPin, Store,
    StoreError, Verdict,
};

super::on_both!(
    an_equal_request_is_found_again_and_lasts_longer,
    of_many_that_ask_for_the_same_at_a_time_one_is_kept,
    what_differs_in_anything_is_another_request,
    one_principal_has_a_bounded_number_open,
    a_client_that_asks_without_end_leaves_room_for_others,
    a_decision_is_taken_once_with_its_grant_and_its_audit,
    of_many_decisions_at_a_time_one_is_taken,
    a_decision_too_late_or_about_another_pin_is_not_taken,
    a_denial_keeps_its_reason,
    requests_are_closed_with_what_they_are_about,
    pages_are_newest_first_and_by_state,
    closed_requests_are_deleted_after_a_while,
    twenty_that_wait_are_there_after_opening_again,
);

fn decision(verdict: Verdict) -> Decision {
    Decision {
        by: PrincipalName::owner(),
        verdict,
        pin: pin('a'),
    }
}

fn approve(scope: GrantScope) -> Decision {
    decision(Verdict::Approve {
        scope,
        edited_arguments: None,
    })
}

fn grant(of: &NewApproval, scope: GrantScope) -> NewGrant {
    NewGrant {
        id: new_id(),
        principal: of.principal.clone(),
        scope,
        token: of.token,
        chat: None,
        server: of.server,
        tool: of.tool.clone(),
        pin: of.pin.clone(),
        arguments_sha256: Some(of.arguments_sha256.clone()),
        approval: Some(of.id),
        created_by: PrincipalName::owner(),
        expires_at: None,
    }
}

async fn open(store: &Store, server: ServerId, arguments: &str) -> NewApproval {
    let new = new_approval(server, arguments);
    let (_, is_new) = store
        .open_approval(&new, &event("approval.open"))
        .await
        .unwrap();
    assert!(is_new);
    new
}

async fn state(store: &Store, id: ApprovalId) -> ApprovalState {
    store.approval(id).await.unwrap().unwrap().state
}

async fn grants(store: &Store) -> usize {
    let filter = GrantFilter {
        limit: 1_000,
        ..GrantFilter::default()
    };
    store.grants(&filter).await.unwrap().len()
}

async fn an_equal_request_is_found_again_and_lasts_longer(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let first = open(&store, server, "{\"a\":\"€\"}").await;
    let mut again = NewApproval {
        id: new_id(),
        expires_at: Some(at(20_000)),
        ..first.clone()
    };
    let (found, is_new) = store
        .open_approval(&again, &event("approval.open"))
        .await
        .unwrap();
    assert_eq!((found.id, is_new), (first.id, false));
    assert_eq!(found.expires_at, Some(at(20_000)));
    assert_eq!(&*found.arguments, "{\"a\":\"€\"}");
    assert_eq!(found.created_at, at(1_000));
    // Never for a shorter time than was told.
    again.expires_at = Some(at(15_000));
    let (found, _) = store
        .open_approval(&again, &event("approval.open"))
        .await
        .unwrap();
    assert_eq!(found.expires_at, Some(at(20_000)));
    let definition = store.approval_definition(first.id).await.unwrap();
    assert_eq!(definition.as_deref(), Some(r#"{"name":"read"}"#));
    assert_eq!(audit_kinds(&store).await, ["server.add", "approval.open"]);

    // When its time is over, the next one is another.
    bed.clock.advance(19_000);
    again.expires_at = Some(at(30_000));
    let (found, is_new) = store
        .open_approval(&again, &event("approval.open"))
        .await
        .unwrap();
    assert_eq!((found.id, is_new), (again.id, true));
    assert_eq!(state(&store, first.id).await, ApprovalState::Expired);
    again.expires_at = None;
    let (found, _) = store
        .open_approval(&again, &event("approval.open"))
        .await
        .unwrap();
    assert_eq!(found.expires_at, None);
    again.expires_at = Some(at(40_000));
    let (found, _) = store
        .open_approval(&again, &event("approval.open"))
        .await
        .unwrap();
    assert_eq!(found.expires_at, None);
}

async fn of_many_that_ask_for_the_same_at_a_time_one_is_kept(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let (equal, audit) = (new_approval(server, "{}"), event("approval.open"));
    let news: Vec<NewApproval> = (0..20)
        .map(|_| NewApproval {
            id: new_id(),
            ..equal.clone()
        })
        .collect();
    let outcomes = join_all(news.iter().map(|it| store.open_approval(it, &audit))).await;
    let opened: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(opened.iter().filter(|(_, is_new)| *is_new).count(), 1);
    assert!(opened.iter().all(|(it, _)| it.id == opened[0].0.id));
    assert_eq!(audit_kinds(&store).await, ["server.add", "approval.open"]);
}

async fn what_differs_in_anything_is_another_request(bed: Bed) {
    let store = bed.open().await;
    let (server, other) = (
        add_server(&store, "one").await,
        add_server(&store, "two").await,
    );
    let base = new_approval(server, "{}");
    let another = || NewApproval {
        id: new_id(),
        ..base.clone()
    };
    let someone = "someone".parse().unwrap();
    let differing = [
        base.clone(),
        NewApproval {
            principal: someone,
            ..another()
        },
        NewApproval {
            token: Some(new_id()),
            ..another()
        },
        NewApproval {
            chat: Some(new_id()),
            ..another()
        },
        NewApproval {
            server: other,
            ..another()
        },
        NewApproval {
            tool: "write".to_owned(),
            ..another()
        },
        NewApproval {
            pin: pin('b'),
            ..another()
        },
        NewApproval {
            arguments_sha256: "another".to_owned(),
            ..another()
        },
    ];
    for new in &differing {
        let (_, is_new) = store
            .open_approval(new, &event("approval.open"))
            .await
            .unwrap();
        assert!(is_new, "{new:?}");
    }
    let huge = NewApproval {
        arguments: "x".repeat((1 << 20) + 1).into(),
        ..another()
    };
    let err = store
        .open_approval(&huge, &event("approval.open"))
        .await
        .unwrap_err();
    assert!(matches!(err, StoreError::TooLarge { .. }), "{err:?}");
}

async fn one_principal_has_a_bounded_number_open(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    // All but one, in one statement.
    let fill = "INSERT INTO approvals (id, principal, server_id, server_slug, tool, pin, definition, why, arguments, arguments_sha256, state, created_at, expires_at, open_key) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) SELECT 'x' || i, 'owner', 's', 's', 't', 'p', '', '', '', '', 'open', 0, 9000, 'k' || i FROM n";
    let all_but_one = i64::try_from(APPROVALS_OPEN_MAX).unwrap() - 1;
    writing!(store, pool => {
        sqlx::query(fill).bind(all_but_one).execute(pool).await.unwrap();
    });
    let audit = event("approval.open");
    let news: Vec<NewApproval> = (0..30)
        .map(|n| new_approval(server, &format!("[{n}]")))
        .collect();
    let outcomes = join_all(news.iter().map(|it| store.open_approval(it, &audit))).await;
    assert_eq!(outcomes.iter().filter(|it| it.is_ok()).count(), 1);
    let err = outcomes.into_iter().find_map(Result::err).unwrap();
    assert!(
        matches!(
            err,
            StoreError::TooMany {
                max: APPROVALS_OPEN_MAX,
                ..
            }
        ),
        "{err:?}"
    );
    let others = NewApproval {
        principal: "someone".parse().unwrap(),
        ..new_approval(server, "{}")
    };
    store.open_approval(&others, &audit).await.unwrap();
    // What has expired does not count.
    bed.clock.advance(8_500);
    open(&store, server, "[99]").await;
}

async fn a_client_that_asks_without_end_leaves_room_for_others(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let audit = event("approval.open");
    let token = Some(new_id());
    let ask = |n: u64| NewApproval {
        token,
        ..new_approval(server, &format!("[{n}]"))
    };
    for n in 0..APPROVALS_OPEN_OF_TOKEN_MAX {
        store.open_approval(&ask(n), &audit).await.unwrap();
    }
    let err = store.open_approval(&ask(1_000), &audit).await.unwrap_err();
    assert!(
        matches!(
            err,
            StoreError::TooMany {
                max: APPROVALS_OPEN_OF_TOKEN_MAX,
                ..
            }
        ),
        "{err:?}"
    );
    // An equal one is found again, and another client and a chat of the same person can ask.
    let (_, is_new) = store.open_approval(&ask(0), &audit).await.unwrap();
    assert!(!is_new);
    for other in [
        NewApproval {
            token: Some(new_id()),
            ..ask(0)
        },
        NewApproval {
            token: None,
            chat: Some(new_id()),
            ..ask(0)
        },
    ] {
        store.open_approval(&other, &audit).await.unwrap();
    }
}

async fn a_decision_is_taken_once_with_its_grant_and_its_audit(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let new = open(&store, server, "{}").await;
    let once = grant(&new, GrantScope::Once);
    let edited = decision(Verdict::Approve {
        scope: GrantScope::Once,
        edited_arguments: Some("[1]".into()),
    });
    let audit = [event("approval.grant"), event("grant.add")];
    let decided = store
        .decide_approval(new.id, &edited, Some(&once), at(5_000), &audit)
        .await
        .unwrap();
    let Decided::Done(stored) = decided else {
        panic!("{decided:?}");
    };
    assert_eq!(stored.state, ApprovalState::Approved);
    assert_eq!(stored.decided_by, Some(PrincipalName::owner()));
    assert_eq!(stored.decided_at, Some(at(5_000)));
    assert_eq!(stored.scope, Some(GrantScope::Once));
    assert_eq!(stored.edited_arguments.as_deref(), Some("[1]"));
    assert_eq!(store.approval(new.id).await.unwrap(), Some(*stored));
    assert_eq!(grants(&store).await, 1);
    let kinds = ["server.add", "approval.open", "approval.grant", "grant.add"];
    assert_eq!(audit_kinds(&store).await, kinds);

    let another = grant(&new, GrantScope::Everywhere);
    let again = store
        .decide_approval(
            new.id,
            &approve(GrantScope::Everywhere),
            Some(&another),
            at(6_000),
            &audit,
        )
        .await
        .unwrap();
    let already = Decided::Already {
        state: ApprovalState::Approved,
        by: Some(PrincipalName::owner()),
        at: Some(at(5_000)),
    };
    assert_eq!(again, already);
    assert_eq!(grants(&store).await, 1);
    assert_eq!(audit_kinds(&store).await, kinds);
    let nowhere = store
        .decide_approval(new_id(), &edited, None, at(1), &[])
        .await;
    assert_eq!(nowhere.unwrap(), Decided::NotFound);
}

async fn of_many_decisions_at_a_time_one_is_taken(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let new = open(&store, server, "{}").await;
    let (decision, audit) = (approve(GrantScope::Everywhere), [event("approval.grant")]);
    let given: Vec<NewGrant> = (0..10)
        .map(|_| grant(&new, GrantScope::Everywhere))
        .collect();
    let decisions = given
        .iter()
        .map(|it| store.decide_approval(new.id, &decision, Some(it), at(2_000), &audit));
    let outcomes = join_all(decisions).await;
    let done = outcomes
        .iter()
        .filter(|it| matches!(it, Ok(Decided::Done(_))));
    assert_eq!(done.count(), 1);
    let already = outcomes
        .iter()
        .filter(|it| matches!(it, Ok(Decided::Already { .. })));
    assert_eq!(already.count(), 9);
    assert_eq!(grants(&store).await, 1);
}

async fn a_decision_too_late_or_about_another_pin_is_not_taken(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let new = open(&store, server, "{}").await;
    let yes = approve(GrantScope::Everywhere);
    let given = grant(&new, GrantScope::Everywhere);
    let decide = |decision: Decision, now| {
        let (store, given) = (&store, &given);
        async move {
            let audit = [event("approval.grant")];
            let decided = store.decide_approval(new.id, &decision, Some(given), now, &audit);
            decided.await.unwrap()
        }
    };
    assert_eq!(decide(yes.clone(), at(10_000)).await, Decided::Expired);
    let another = Decision {
        pin: pin('b'),
        ..yes.clone()
    };
    assert_eq!(decide(another, at(2_000)).await, Decided::Stale);
    // The tool is pinned as something else.
    let pinned = NewPin {
        tool: "read".to_owned(),
        pin: pin('c'),
        definition: "{}".into(),
    };
    store
        .pin_first(server, vec![pinned], &event("tools.pin"))
        .await
        .unwrap();
    assert_eq!(decide(yes.clone(), at(2_000)).await, Decided::Stale);
    let back = ApprovedTool {
        tool: "read".to_owned(),
        expected: Some(pin('c')),
        pin: pin('a'),
        definition: "{}".into(),
        setting: None,
        looked_by: None,
    };
    store
        .approve_tools(server, vec![back], Vec::new(), &event("tools.approve"))
        .await
        .unwrap();
    assert_eq!(state(&store, new.id).await, ApprovalState::Open);
    assert_eq!(grants(&store).await, 0);

    store
        .delete_server(server, &event("server.remove"))
        .await
        .unwrap();
    assert_eq!(decide(yes.clone(), at(2_000)).await, Decided::Withdrawn);
    // A request that came in just after its server went cannot be granted.
    let late = new_approval(server, "{}");
    store
        .open_approval(&late, &event("approval.open"))
        .await
        .unwrap();
    let audit = [event("approval.grant")];
    let decided = store.decide_approval(late.id, &yes, Some(&given), at(2_000), &audit);
    assert_eq!(decided.await.unwrap(), Decided::Withdrawn);
    assert_eq!(state(&store, late.id).await, ApprovalState::Open);
    assert!(
        !audit_kinds(&store)
            .await
            .contains(&"approval.grant".to_owned())
    );
}

async fn a_denial_keeps_its_reason(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let new = open(&store, server, "{}").await;
    let no = decision(Verdict::Deny {
        reason: Some("€".repeat(2_000)),
    });
    store
        .decide_approval(new.id, &no, None, at(2_000), &[event("approval.deny")])
        .await
        .unwrap();
    let stored = store.approval(new.id).await.unwrap().unwrap();
    assert_eq!(stored.state, ApprovalState::Denied);
    assert_eq!(stored.reason, Some("€".repeat(1_365)));
    assert_eq!(stored.scope, None);
    // What was decided is asked anew.
    open(&store, server, "{}").await;
}

async fn requests_are_closed_with_what_they_are_about(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let (token, chat) = (new_id(), new_id());
    let audit = event("approval.open");
    let by_token = NewApproval {
        token: Some(token),
        ..new_approval(server, "1")
    };
    let by_chat = NewApproval {
        chat: Some(chat),
        ..new_approval(server, "2")
    };
    let plain = new_approval(server, "3");
    let other_pin = NewApproval {
        pin: pin('b'),
        ..new_approval(server, "4")
    };
    let single = new_approval(server, "6");
    for new in [&by_token, &by_chat, &plain, &other_pin, &single] {
        store.open_approval(new, &audit).await.unwrap();
    }
    let tool = ApprovalsOf::Tool {
        server,
        tool: "read".to_owned(),
        but: Some(pin('a')),
    };
    for (of, id, expected) in [
        (
            ApprovalsOf::Token(token),
            by_token.id,
            ApprovalState::Withdrawn,
        ),
        (
            ApprovalsOf::Chat(chat),
            by_chat.id,
            ApprovalState::Withdrawn,
        ),
        (tool, other_pin.id, ApprovalState::Stale),
        (
            ApprovalsOf::One(single.id),
            single.id,
            ApprovalState::Withdrawn,
        ),
        (
            ApprovalsOf::Server(server),
            plain.id,
            ApprovalState::Withdrawn,
        ),
    ] {
        assert_eq!(
            store.close_approvals(&of, at(3_000)).await.unwrap(),
            [id],
            "{of:?}"
        );
        assert_eq!(state(&store, id).await, expected);
        assert_eq!(store.close_approvals(&of, at(3_000)).await.unwrap(), []);
    }
    assert_eq!(store.tools_asked_for(server).await.unwrap(), [""; 0]);
    let last = open(&store, server, "5").await;
    assert_eq!(store.tools_asked_for(server).await.unwrap(), ["read"]);
    assert_eq!(store.tools_asked_for(new_id()).await.unwrap(), [""; 0]);
    store
        .delete_server(server, &event("server.remove"))
        .await
        .unwrap();
    assert_eq!(state(&store, last.id).await, ApprovalState::Withdrawn);
}

async fn pages_are_newest_first_and_by_state(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let mut ids = Vec::new();
    for n in 0..7 {
        // Some at the same time.
        bed.clock.advance(n % 2);
        ids.push(open(&store, server, &n.to_string()).await.id);
    }
    let mut seen = Vec::new();
    let mut filter = ApprovalFilter {
        limit: 2,
        ..ApprovalFilter::default()
    };
    loop {
        let page = store.approvals(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.before = Some((last.created_at, last.id));
        assert!(
            page.windows(2)
                .all(|it| it[1].created_at <= it[0].created_at)
        );
        seen.extend(page.iter().map(|it| it.id));
    }
    let sorted = |ids: &[ApprovalId]| {
        let mut ids = ids.to_vec();
        ids.sort();
        ids
    };
    assert_eq!(sorted(&seen), sorted(&ids));
    assert_eq!(seen.len(), 7);

    let no = decision(Verdict::Deny { reason: None });
    store
        .decide_approval(ids[0], &no, None, at(2_000), &[])
        .await
        .unwrap();
    let open_only = ApprovalFilter {
        open_only: true,
        limit: 100,
        ..ApprovalFilter::default()
    };
    assert_eq!(store.approvals(&open_only).await.unwrap().len(), 6);
    let someone = ApprovalFilter {
        principal: Some("someone".parse().unwrap()),
        ..open_only.clone()
    };
    assert_eq!(store.approvals(&someone).await.unwrap(), []);
    let in_chat = ApprovalFilter {
        chat: Some(new_id()),
        ..open_only.clone()
    };
    assert_eq!(store.approvals(&in_chat).await.unwrap(), []);
    bed.clock.advance(20_000);
    assert_eq!(store.approvals(&open_only).await.unwrap(), []);
    assert_eq!(store.expire_approvals(at(21_000)).await.unwrap().len(), 6);
    assert_eq!(store.expire_approvals(at(21_000)).await.unwrap(), []);
    assert_eq!(state(&store, ids[1]).await, ApprovalState::Expired);
}

async fn closed_requests_are_deleted_after_a_while(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let (old, young, still_open) = (
        open(&store, server, "1").await,
        open(&store, server, "2").await,
        open(&store, server, "3").await,
    );
    let no = decision(Verdict::Deny { reason: None });
    for (id, now) in [(old.id, 2_000), (young.id, 3_000)] {
        store
            .decide_approval(id, &no, None, at(now), &[])
            .await
            .unwrap();
    }
    assert_eq!(store.prune_approvals(at(3_000)).await.unwrap(), 1);
    assert_eq!(store.approval(old.id).await.unwrap(), None);
    assert_eq!(store.prune_approvals(at(u64::MAX)).await.unwrap(), 1);
    assert_eq!(state(&store, still_open.id).await, ApprovalState::Open);
}

async fn twenty_that_wait_are_there_after_opening_again(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    for n in 0..20 {
        open(&store, server, &n.to_string()).await;
    }
    let filter = ApprovalFilter {
        principal: Some(PrincipalName::owner()),
        open_only: true,
        limit: 100,
        ..ApprovalFilter::default()
    };
    let before = store.approvals(&filter).await.unwrap();
    store.close().await;
    let store = bed.open().await;
    assert_eq!(before.len(), 20);
    assert_eq!(store.approvals(&filter).await.unwrap(), before);
    let decided = store
        .decide_approval(
            before[7].id,
            &approve(GrantScope::Once),
            None,
            at(2_000),
            &[],
        )
        .await;
    assert!(matches!(decided, Ok(Decided::Done(_))), "{decided:?}");
}
