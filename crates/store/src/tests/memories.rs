use domain::PrincipalName;
use futures_util::future::join_all;

use super::bed::{Bed, at, audit_kinds, event};
use crate::{Memory, MemorySet, Store, StoreError};

super::on_both!(
    a_memory_is_set_changed_and_deleted,
    memories_are_in_the_order_of_their_names_and_nobody_elses,
    there_are_never_more_memories_than_allowed,
    what_is_too_long_is_refused,
);

async fn set(store: &Store, name: &str, value: &str) -> Result<MemorySet, StoreError> {
    let owner = PrincipalName::owner();
    store
        .set_memory(&owner, name, value, 5, &event("memory.set"))
        .await
}

async fn names(store: &Store) -> Vec<String> {
    let memories = store.memories(&PrincipalName::owner()).await.unwrap();
    memories.into_iter().map(|it| it.name).collect()
}

async fn a_memory_is_set_changed_and_deleted(bed: Bed) {
    let store = bed.open().await;
    let owner = PrincipalName::owner();
    assert_eq!(
        set(&store, "city", "Köln").await.unwrap(),
        MemorySet::Created
    );
    bed.clock.advance(5);
    assert_eq!(
        set(&store, "city", "Köln").await.unwrap(),
        MemorySet::Unchanged
    );
    assert_eq!(
        set(&store, "city", "a\0b").await.unwrap(),
        MemorySet::Changed
    );
    assert_eq!(
        set(&store, "city", "a\0b").await.unwrap(),
        MemorySet::Unchanged
    );
    let expected = Memory {
        name: "city".to_owned(),
        value: "a\u{fffd}b".to_owned(),
        created_at: at(1_000),
        updated_at: at(1_005),
    };
    assert_eq!(store.memories(&owner).await.unwrap(), [expected]);
    let audit = event("memory.delete");
    let someone = "someone".parse().unwrap();
    assert!(!store.delete_memory(&someone, "city", &audit).await.unwrap());
    assert!(store.delete_memory(&owner, "city", &audit).await.unwrap());
    assert!(!store.delete_memory(&owner, "city", &audit).await.unwrap());
    assert!(!store.delete_memory(&owner, "a\0", &audit).await.unwrap());
    let kinds = audit_kinds(&store).await;
    assert_eq!(kinds, ["memory.set", "memory.set", "memory.delete"]);
}

async fn memories_are_in_the_order_of_their_names_and_nobody_elses(bed: Bed) {
    let store = bed.open().await;
    for name in ["b", "Z", "ä", "a", "_"] {
        set(&store, name, "x").await.unwrap();
    }
    let someone: PrincipalName = "someone".parse().unwrap();
    store
        .set_memory(&someone, "theirs", "x", 1, &event("memory.set"))
        .await
        .unwrap();
    assert_eq!(names(&store).await, ["Z", "_", "a", "b", "ä"]);
    assert_eq!(store.memories(&someone).await.unwrap().len(), 1);
}

async fn there_are_never_more_memories_than_allowed(bed: Bed) {
    let store = bed.open().await;
    let all: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let outcomes = join_all(all.iter().map(|it| set(&store, it, "x"))).await;
    assert_eq!(outcomes.iter().filter(|it| it.is_ok()).count(), 5);
    let err = outcomes.into_iter().find_map(Result::err).unwrap();
    assert!(matches!(err, StoreError::TooMany { max: 5, .. }), "{err:?}");
    assert_eq!(
        err.to_string(),
        "there are 5 memories, which is the most; remove some first"
    );
    // One that is there can still be changed.
    let there = names(&store).await.remove(0);
    assert_eq!(set(&store, &there, "y").await.unwrap(), MemorySet::Changed);
}

async fn what_is_too_long_is_refused(bed: Bed) {
    let store = bed.open().await;
    let err = set(&store, &"x".repeat(257), "x").await.unwrap_err();
    assert!(
        matches!(err, StoreError::TooLarge { max: 256, .. }),
        "{err:?}"
    );
    let err = set(&store, "x", &"x".repeat(65_537)).await.unwrap_err();
    assert!(
        matches!(err, StoreError::TooLarge { max: 65_536, .. }),
        "{err:?}"
    );
    let err = set(&store, "a\0b", "x").await.unwrap_err();
    assert!(matches!(err, StoreError::NotStorable { .. }), "{err:?}");
    assert!(names(&store).await.is_empty());
    assert!(audit_kinds(&store).await.is_empty());
}
