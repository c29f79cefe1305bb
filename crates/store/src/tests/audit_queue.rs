use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::bed::{Bed, at, event};
use crate::{AuditEvent, AuditFilter, AuditFrom, AuditQueue, AuditSettings, Store};

super::on_both!(
    of_many_events_none_is_lost_and_each_callers_order_is_kept,
    a_full_queue_holds_callers_back_and_loses_nothing,
    what_comes_after_the_end_is_written_too,
    an_event_is_written_within_the_interval_also_after_a_pause,
    a_crash_loses_no_more_than_what_was_not_yet_committed,
    while_the_database_fails_rows_are_kept_and_written_later,
);

fn numbered(caller: u64, n: u64) -> AuditEvent {
    AuditEvent {
        duration_ms: Some(caller),
        ..AuditEvent::new(at(n), "tool.call")
    }
}

async fn all(store: &Store) -> Vec<AuditEvent> {
    let mut events = Vec::new();
    let mut last = 0;
    loop {
        let filter = AuditFilter {
            from: AuditFrom::After(last),
            limit: 1_000,
            ..AuditFilter::default()
        };
        let rows = store.audit_page(&filter).await.unwrap();
        let Some(row) = rows.last() else {
            return events;
        };
        last = row.id;
        events.extend(rows.into_iter().map(|it| it.event));
    }
}

/// Waits until there are `count` rows.
async fn until_written(store: &Store, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while all(store).await.len() < count {
        assert!(Instant::now() < deadline, "{count} rows never came");
        tokio::task::yield_now().await;
    }
}

struct Writing {
    queue: AuditQueue,
    tasks: TaskTracker,
    end: CancellationToken,
}

impl Writing {
    fn start(store: &Store, settings: AuditSettings) -> Self {
        let (queue, writer) = AuditQueue::new(store.clone(), settings);
        let (tasks, end) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(writer.run(end.clone()));
        tasks.close();
        Self { queue, tasks, end }
    }

    async fn stop(self) {
        self.end.cancel();
        self.tasks.wait().await;
    }
}

async fn of_many_events_none_is_lost_and_each_callers_order_is_kept(bed: Bed) {
    const CALLERS: u64 = 10;
    const EACH: u64 = 10_000;
    let store = bed.open().await;
    let writing = Writing::start(&store, AuditSettings::default());
    let callers = TaskTracker::new();
    for caller in 0..CALLERS {
        let queue = writing.queue.clone();
        callers.spawn(async move {
            for n in 0..EACH {
                queue.push(numbered(caller, n)).await;
                if n % 64 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    callers.close();
    callers.wait().await;
    writing.stop().await;
    let mut next = BTreeMap::new();
    for event in all(&store).await {
        let expected: &mut u64 = next.entry(event.duration_ms.unwrap()).or_default();
        assert_eq!(event.at.unix_ms, *expected);
        *expected += 1;
    }
    assert_eq!(next, (0..CALLERS).map(|it| (it, EACH)).collect());
}

async fn a_full_queue_holds_callers_back_and_loses_nothing(bed: Bed) {
    let store = bed.open().await;
    let settings = AuditSettings {
        queue_rows_max: 4,
        ..AuditSettings::default()
    };
    // No writer runs yet.
    let (queue, writer) = AuditQueue::new(store.clone(), settings);
    for n in 0..4 {
        queue.push(numbered(0, n)).await;
    }
    assert!(queue.try_push(numbered(0, 9)).is_err());
    let mut waiting = Box::pin(queue.push(numbered(0, 4)));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    let end = CancellationToken::new();
    let tasks = TaskTracker::new();
    tasks.spawn(writer.run(end.clone()));
    waiting.await;
    for n in 5..1_000 {
        queue.push(numbered(0, n)).await;
    }
    end.cancel();
    tasks.close();
    tasks.wait().await;
    let order: Vec<u64> = all(&store).await.iter().map(|it| it.at.unix_ms).collect();
    assert_eq!(order, (0..1_000).collect::<Vec<_>>());
}

async fn what_comes_after_the_end_is_written_too(bed: Bed) {
    let store = bed.open().await;
    let writing = Writing::start(&store, AuditSettings::default());
    let queue = writing.queue.clone();
    queue.push(numbered(0, 0)).await;
    writing.stop().await;
    assert_eq!(all(&store).await.len(), 1);
    queue.push(numbered(0, 1)).await;
    assert_eq!(all(&store).await.len(), 2);
}

async fn an_event_is_written_within_the_interval_also_after_a_pause(bed: Bed) {
    let store = bed.open().await;
    let settings = AuditSettings {
        commit_interval: Duration::from_millis(1),
        ..AuditSettings::default()
    };
    let writing = Writing::start(&store, settings);
    for round in 1..=3 {
        writing.queue.push(event("tool.call")).await;
        until_written(&store, round).await;
        // Long enough that the writer has gone to sleep.
        let deadline = Instant::now() + Duration::from_secs(20);
        while writing.queue.wakes_at() != 1 {
            assert!(Instant::now() < deadline, "the writer never slept");
            tokio::task::yield_now().await;
        }
    }
    writing
        .queue
        .write_now(event("approval.grant"))
        .await
        .unwrap();
    assert_eq!(all(&store).await.len(), 4);
    writing.stop().await;
}

async fn a_crash_loses_no_more_than_what_was_not_yet_committed(bed: Bed) {
    let store = bed.open().await;
    let (queue, writer) = AuditQueue::new(store.clone(), AuditSettings::default());
    let mut running = Box::pin(writer.run(CancellationToken::new()));
    for n in 0..700 {
        queue.push(numbered(0, n)).await;
    }
    tokio::select! {
        () = &mut running => unreachable!("nobody ends it"),
        () = until_written(&store, 700) => {}
    }
    for n in 700..720 {
        queue.push(numbered(0, n)).await;
    }
    drop(running);
    drop(queue);
    let stored = bed.open().await;
    assert_eq!(all(&stored).await.len(), 700);
}

async fn while_the_database_fails_rows_are_kept_and_written_later(bed: Bed) {
    let store = bed.open().await;
    let rename = |from: &str, to: &str| {
        let sql = sqlx::AssertSqlSafe(format!("ALTER TABLE {from} RENAME TO {to}"));
        let store = store.clone();
        async move { writing!(store, pool => { sqlx::raw_sql(sql).execute(pool).await.unwrap(); }) }
    };
    rename("audit", "elsewhere").await;
    let settings = AuditSettings {
        queue_rows_max: 8,
        batch_rows: 4,
        ..AuditSettings::default()
    };
    let writing = Writing::start(&store, settings);
    for n in 0..8 {
        writing.queue.push(numbered(0, n)).await;
    }
    // The writer has taken its batch and fails; the queue fills up behind it and holds back.
    let mut pushed = 8;
    loop {
        let push = writing.queue.push(numbered(0, pushed));
        match tokio::time::timeout(Duration::from_millis(300), push).await {
            Ok(()) => pushed += 1,
            Err(_) => break,
        }
        assert!(pushed <= 12, "callers are not held back");
    }
    assert!(8 < pushed);
    rename("elsewhere", "audit").await;
    until_written(&store, usize::try_from(pushed).unwrap()).await;
    writing.stop().await;
    let order: Vec<u64> = all(&store).await.iter().map(|it| it.at.unix_ms).collect();
    assert_eq!(order, (0..pushed).collect::<Vec<_>>());
}
