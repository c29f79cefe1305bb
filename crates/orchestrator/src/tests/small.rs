use std::sync::Arc;

use domain::{InstallId, SandboxKey, ServerId, Timestamp};

use crate::{
    logs::{LogStream, Logs},
    wants::Wants,
};

fn key() -> SandboxKey {
    SandboxKey::Fetch {
        install: InstallId::from_uuid(uuid::Uuid::now_v7()),
    }
}

#[tokio::test]
async fn a_sandbox_is_wanted_until_its_last_lease_is_dropped() {
    let wants = Arc::new(Wants::default());
    let (a, b) = (key(), key());
    let first = wants.lease(a.clone(), None);
    let second = wants.lease(a.clone(), None);
    let other = wants.lease(b.clone(), None);
    wants.activated().await;
    drop(first);
    assert_eq!(wants.all().len(), 2);
    drop(second);
    assert_eq!(wants.all(), [(b, None)]);
    drop(other);
    assert_eq!(wants.all(), []);
    wants.activated().await;
}

#[test]
fn a_log_keeps_its_last_lines_and_says_where_some_are_gone() {
    let logs = Logs::default();
    let id = ServerId::from_uuid(uuid::Uuid::now_v7());
    let log = logs.of(id);
    let push = |text: String| log.push(Timestamp::default(), LogStream::Stderr, text);
    for number in 1..=2_005 {
        push(number.to_string());
    }
    let kept = log.after(0, usize::MAX);
    assert_eq!((kept.len(), kept[0].number), (2_000, 6));
    assert_eq!(kept[0].text, "6");
    let last: Vec<u64> = log.after(2_000, 3).iter().map(|it| it.number).collect();
    assert_eq!(last, [2_003, 2_004, 2_005]);
    assert_eq!(log.after(2_005, 3), []);

    push("ä".repeat(5_000));
    let long = log.after(2_005, 1).remove(0).text;
    assert_eq!(long.len(), 4_096 + "…".len());
    for _ in 0..1_000 {
        push("x".repeat(4_096));
    }
    let bytes: usize = log
        .after(0, usize::MAX)
        .iter()
        .map(|it| it.text.len())
        .sum();
    assert!(bytes <= 1 << 20, "{bytes}");
    assert_eq!(*log.last().borrow(), 3_006);
    logs.forget(id);
    assert_eq!(logs.of(id).after(0, 1), []);
}
