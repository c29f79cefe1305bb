use std::{sync::Arc, time::Duration};

use domain::PrincipalName;
use tokio::time::timeout;

use super::*;
use crate::tests::bed::TestClock;

fn bus(kept_max: usize) -> EventBus {
    EventBus::new(TestClock::new(), kept_max, 1 << 20)
}

fn memory(name: &str) -> Event {
    Event::MemoryRemoved {
        name: name.to_owned(),
    }
}

fn owner() -> PrincipalName {
    PrincipalName::owner()
}

fn at(epoch: &str, seq: u64) -> EventPosition {
    EventPosition {
        epoch: epoch.to_owned(),
        seq,
    }
}

fn epoch(bus: &EventBus) -> String {
    bus.subscribe(owner(), None).position().epoch
}

/// Reads what is there, in short: a number and a name, or `reload` and a number.
async fn read(subscription: &mut EventSubscription) -> Vec<String> {
    let mut all = Vec::new();
    // The time is paused: it passes only when there is nothing to read.
    while let Ok(delivery) = timeout(Duration::from_secs(1), subscription.next()).await {
        all.push(match delivery {
            Delivery::Reload { seq } => format!("reload {seq}"),
            Delivery::Event(published) => match &published.event {
                Event::MemoryRemoved { name } => format!("{} {name}", published.seq),
                other => format!("{} {other:?}", published.seq),
            },
        });
    }
    all
}

#[tokio::test(start_paused = true)]
async fn events_come_in_their_order_to_everybody_from_where_they_began() {
    let bus = bus(10);
    bus.publish(memory("before"));
    let mut first = bus.subscribe(owner(), None);
    bus.publish(memory("a"));
    let mut second = bus.subscribe(owner(), None);
    bus.publish(memory("b"));
    assert_eq!(read(&mut first).await, ["2 a", "3 b"]);
    assert_eq!(read(&mut second).await, ["3 b"]);
    bus.publish(memory("c"));
    assert_eq!(read(&mut first).await, ["4 c"]);
    assert_eq!(read(&mut second).await, ["4 c"]);
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_is_woken() {
    let bus = bus(10);
    let mut subscription = bus.subscribe(owner(), None);
    let (delivery, ()) = tokio::join!(subscription.next(), async {
        tokio::task::yield_now().await;
        bus.publish(memory("a"));
    });
    assert!(matches!(delivery, Delivery::Event(it) if it.seq == 1));
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_comes_back_goes_on_where_it_was_or_is_told_to_reload() {
    let bus = bus(3);
    let this = epoch(&bus);
    for name in ["a", "b", "c", "d", "e"] {
        bus.publish(memory(name));
    }
    let from = async |position: EventPosition| {
        let mut subscription = bus.subscribe(owner(), Some(&position));
        let begins = subscription.position().seq;
        (begins, read(&mut subscription).await.join(", "))
    };
    let text = |begins: u64, read: &str| (begins, read.to_owned());
    // 3, 4 and 5 are kept.
    assert_eq!(from(at(&this, 5)).await, text(5, ""));
    assert_eq!(from(at(&this, 4)).await, text(4, "5 e"));
    assert_eq!(from(at(&this, 2)).await, text(2, "3 c, 4 d, 5 e"));
    assert_eq!(from(at(&this, 1)).await, text(5, "reload 5"));
    assert_eq!(from(at(&this, 0)).await, text(5, "reload 5"));
    assert_eq!(from(at(&this, 6)).await, text(5, "reload 5"));
    assert_eq!(from(at(&this, u64::MAX - 1)).await, text(5, "reload 5"));
    assert_eq!(from(at(&this, u64::MAX)).await, text(5, "reload 5"));
    assert_eq!(from(at("another", 5)).await, text(5, "reload 5"));
}

#[tokio::test(start_paused = true)]
async fn a_run_without_events_is_resumed_from_its_beginning() {
    let bus = bus(3);
    let mut subscription = bus.subscribe(owner(), Some(&at(&epoch(&bus), 0)));
    assert_eq!(read(&mut subscription).await, [""; 0]);
    bus.publish(memory("a"));
    assert_eq!(read(&mut subscription).await, ["1 a"]);
    assert_ne!(epoch(&bus), epoch(&self::bus(3)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_told_to_reload_and_slows_nobody() {
    let bus = bus(4);
    let mut slow = bus.subscribe(owner(), None);
    let mut quick = bus.subscribe(owner(), None);
    let mut had = Vec::new();
    for number in 1..=100 {
        bus.publish(memory(&format!("m{number}")));
        had.extend(read(&mut quick).await);
    }
    let all: Vec<String> = (1..=100).map(|it| format!("{it} m{it}")).collect();
    assert_eq!(had, all);
    assert_eq!(read(&mut slow).await, ["reload 100"]);
    bus.publish(memory("more"));
    assert_eq!(read(&mut slow).await, ["101 more"]);
    assert_eq!(bus.shared.ring().events.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn events_of_others_are_passed_over() {
    let bus = bus(4);
    let other: PrincipalName = "other".parse().unwrap();
    let mut mine = bus.subscribe(owner(), None);
    let mut others = bus.subscribe(other.clone(), None);
    bus.publish_to(&owner(), memory("mine"));
    bus.publish_to(&other, memory("theirs"));
    bus.publish(memory("everybody's"));
    assert_eq!(read(&mut mine).await, ["1 mine", "3 everybody's"]);
    assert_eq!(read(&mut others).await, ["2 theirs", "3 everybody's"]);
    // What it was not shown, it has not missed.
    for _ in 0..3 {
        bus.publish_to(&other, memory("theirs"));
        assert_eq!(read(&mut mine).await, [""; 0]);
    }
    assert_eq!(mine.position().seq, 6);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_bounded_in_bytes_too() {
    let bus = EventBus::new(TestClock::new(), 100, 10_000);
    let mut reader = bus.subscribe(owner(), None);
    let long = "x".repeat(4_000);
    for _ in 0..10 {
        bus.publish(memory(&long));
    }
    assert_eq!(bus.shared.ring().events.len(), 2);
    // One that is longer than all that may be kept is still told.
    bus.publish(memory(&"x".repeat(20_000)));
    assert_eq!(bus.shared.ring().events.len(), 1);
    bus.publish(memory("a"));
    let ring_bytes = bus.shared.ring().bytes;
    assert_eq!(ring_bytes, EVENT_BYTES + 1);
    assert_eq!(read(&mut reader).await, ["reload 12"]);
}

#[tokio::test]
async fn many_who_publish_at_once_leave_no_gap() {
    let bus = Arc::new(bus(10_000));
    let mut reader = bus.subscribe(owner(), None);
    let mut publishing = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let bus = bus.clone();
        publishing.spawn_blocking(move || {
            for _ in 0..200 {
                bus.publish(Event::PolicyChanged);
            }
        });
    }
    for seq in 1..=1_600 {
        let Delivery::Event(published) = reader.next().await else {
            panic!("nothing was missed");
        };
        assert_eq!(published.seq, seq);
    }
    publishing.join_all().await;
}
