use std::borrow::Cow;

use domain::PrincipalName;

use super::bed::{Bed, at, event, new_id};
use crate::{AuditEvent, AuditFilter, AuditFrom, Store};

super::on_both!(
    an_event_comes_back_as_it_was,
    a_page_goes_both_ways_and_by_server_and_kind,
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
        decision: Some("allow".into()),
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
