use std::borrow::Cow;

use domain::PrincipalName;

use super::bed::{Bed, at, event, new_id};
use crate::{AuditEvent, AuditFilter, AuditFrom, Store};

super::on_both!(
    an_event_comes_back_as_it_was,
    a_page_goes_both_ways_and_by_server_and_kind,
    each_filter_lets_through_what_it_is_about,
    a_text_is_found_as_it_is_and_in_any_case,
    old_rows_and_too_many_rows_are_deleted,
    what_is_too_long_is_cut,
);

fn page(from: AuditFrom, limit: u32) -> AuditFilter {
    AuditFilter {
        from,
        limit,
        ..AuditFilter::default()
    }
}

async fn times(store: &Store, filter: &AuditFilter) -> Vec<u64> {
    let rows = store.audit_page(filter).await.unwrap();
    rows.iter().map(|it| it.event.at.unix_ms).collect()
}

async fn an_event_comes_back_as_it_was(bed: Bed) {
    let store = bed.open().await;
    let full = AuditEvent {
        at: at(7),
        kind: Cow::Borrowed("tool.call"),
        principal: Some(PrincipalName::owner()),
        token: Some(new_id()),
        server: Some(new_id()),
        server_slug: Some("one".to_owned()),
        tool: Some("echo €".to_owned()),
        pin: Some("ab".repeat(32)),
        decision: Some("allow".into()),
        basis: Some("grant".into()),
        chat: Some(new_id()),
        outcome: Some("ok".into()),
        duration_ms: Some(12),
        request_bytes: Some(64),
        response_bytes: Some(u64::MAX >> 1),
        detail: Some(serde_json::json!({ "a": ["\0", 1] })),
    };
    store
        .write_audit(&[full.clone(), event("bare")])
        .await
        .unwrap();
    store.write_audit(&[]).await.unwrap();
    let rows = store
        .audit_page(&page(AuditFrom::After(0), 10))
        .await
        .unwrap();
    let events: Vec<AuditEvent> = rows.into_iter().map(|it| it.event).collect();
    assert_eq!(events, [full, event("bare")]);
}

async fn a_page_goes_both_ways_and_by_server_and_kind(bed: Bed) {
    let store = bed.open().await;
    let server = new_id();
    let events: Vec<AuditEvent> = (1..=10)
        .map(|n| AuditEvent {
            at: at(n),
            server: (n % 2 == 0).then_some(server),
            ..AuditEvent::new(at(n), if n <= 5 { "low" } else { "high" })
        })
        .collect();
    store.write_audit(&events).await.unwrap();
    assert_eq!(times(&store, &page(AuditFrom::Newest, 3)).await, [10, 9, 8]);
    let rows = store.audit_page(&page(AuditFrom::Newest, 3)).await.unwrap();
    let last = rows[2].id;
    assert_eq!(
        times(&store, &page(AuditFrom::Before(last), 2)).await,
        [7, 6]
    );
    assert_eq!(
        times(&store, &page(AuditFrom::After(last), 5)).await,
        [9, 10]
    );
    let filter = AuditFilter {
        kind: Some("low".to_owned()),
        server: Some(server),
        ..page(AuditFrom::Newest, 100)
    };
    assert_eq!(times(&store, &filter).await, [4, 2]);
}

async fn each_filter_lets_through_what_it_is_about(bed: Bed) {
    let store = bed.open().await;
    let (token, chat) = (new_id(), new_id());
    let someone: PrincipalName = "someone".parse().unwrap();
    let events = [
        AuditEvent {
            principal: Some(PrincipalName::owner()),
            tool: Some("read".to_owned()),
            decision: Some("allow".into()),
            outcome: Some("ok".into()),
            ..AuditEvent::new(at(1), "tool.call")
        },
        AuditEvent {
            principal: Some(someone.clone()),
            token: Some(token),
            tool: Some("write".to_owned()),
            decision: Some("deny".into()),
            ..AuditEvent::new(at(2), "tool.call")
        },
        AuditEvent {
            chat: Some(chat),
            outcome: Some("ok".into()),
            ..AuditEvent::new(at(3), "tool.change")
        },
        AuditEvent::new(at(4), "toolbox"),
        AuditEvent::new(at(5), "server.add"),
    ];
    store.write_audit(&events).await.unwrap();
    let all = page(AuditFrom::After(0), 100);
    let cases: [(AuditFilter, &[u64]); 11] = [
        (all.clone(), &[1, 2, 3, 4, 5]),
        (
            AuditFilter {
                kind: Some("tool.".to_owned()),
                ..all.clone()
            },
            &[1, 2, 3],
        ),
        (
            AuditFilter {
                kind: Some("tool".to_owned()),
                ..all.clone()
            },
            &[],
        ),
        (
            AuditFilter {
                kind: Some("toolbox".to_owned()),
                ..all.clone()
            },
            &[4],
        ),
        (
            AuditFilter {
                tool: Some("read".to_owned()),
                ..all.clone()
            },
            &[1],
        ),
        (
            AuditFilter {
                principal: Some(someone),
                ..all.clone()
            },
            &[2],
        ),
        (
            AuditFilter {
                token: Some(token),
                ..all.clone()
            },
            &[2],
        ),
        (
            AuditFilter {
                chat: Some(chat),
                ..all.clone()
            },
            &[3],
        ),
        (
            AuditFilter {
                decision: Some("deny".to_owned()),
                ..all.clone()
            },
            &[2],
        ),
        (
            AuditFilter {
                outcome: Some("ok".to_owned()),
                ..all.clone()
            },
            &[1, 3],
        ),
        (
            AuditFilter {
                since: Some(at(2)),
                until: Some(at(4)),
                ..all.clone()
            },
            &[2, 3],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(times(&store, &filter).await, expected, "{filter:?}");
    }
    let both = AuditFilter {
        kind: Some("tool.".to_owned()),
        outcome: Some("ok".to_owned()),
        ..page(AuditFrom::Newest, 1)
    };
    assert_eq!(times(&store, &both).await, [3]);
}

async fn a_text_is_found_as_it_is_and_in_any_case(bed: Bed) {
    let store = bed.open().await;
    let events = [
        AuditEvent {
            server_slug: Some("git-hub".to_owned()),
            ..AuditEvent::new(at(1), "tool.call")
        },
        AuditEvent {
            tool: Some("Read_100%".to_owned()),
            ..AuditEvent::new(at(2), "tool.call")
        },
        AuditEvent {
            tool: Some("read\\x".to_owned()),
            detail: Some(serde_json::json!({ "host": "Example.com" })),
            principal: Some(PrincipalName::owner()),
            ..AuditEvent::new(at(3), "egress.refused")
        },
    ];
    store.write_audit(&events).await.unwrap();
    for (text, expected) in [
        ("HUB", &[1_u64] as &[u64]),
        ("tool.c", &[1, 2]),
        ("read", &[2, 3]),
        ("read_", &[2]),
        ("0%", &[2]),
        ("%", &[2]),
        ("_", &[2]),
        ("\\", &[3]),
        ("example.COM", &[3]),
        ("own", &[3]),
        ("nowhere", &[]),
        ("'; --", &[]),
        ("\0", &[]),
        ("", &[1, 2, 3]),
    ] {
        let filter = AuditFilter {
            text: Some(text.to_owned()),
            ..page(AuditFrom::After(0), 100)
        };
        assert_eq!(times(&store, &filter).await, expected, "{text:?}");
    }
    let long = AuditFilter {
        text: Some("€".repeat(100_000)),
        ..page(AuditFrom::Newest, 100)
    };
    assert!(times(&store, &long).await.is_empty());
}

async fn old_rows_and_too_many_rows_are_deleted(bed: Bed) {
    let store = bed.open().await;
    let events: Vec<AuditEvent> = (1..=20).map(|n| AuditEvent::new(at(n), "x")).collect();
    store.write_audit(&events).await.unwrap();
    assert_eq!(store.prune_audit(at(6), 1_000).await.unwrap(), 5);
    assert_eq!(store.prune_audit(at(0), 4).await.unwrap(), 11);
    assert_eq!(
        times(&store, &page(AuditFrom::After(0), 100)).await,
        [17, 18, 19, 20]
    );
    assert_eq!(store.prune_audit(at(0), 4).await.unwrap(), 0);
    assert_eq!(store.prune_audit(at(100), 4).await.unwrap(), 4);
}

async fn what_is_too_long_is_cut(bed: Bed) {
    let store = bed.open().await;
    let long = AuditEvent {
        tool: Some("€".repeat(1_000)),
        detail: Some("x".repeat(100_000).into()),
        ..event("tool.call")
    };
    store.write_audit(&[long]).await.unwrap();
    let rows = store.audit_page(&page(AuditFrom::Newest, 1)).await.unwrap();
    assert_eq!(rows[0].event.tool, Some("€".repeat(170)));
    let expected = serde_json::json!({ "left_out_bytes": 100_002 });
    assert_eq!(rows[0].event.detail, Some(expected));
}
