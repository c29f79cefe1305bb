//! What a person's chats remember.

use super::*;

#[tokio::test]
async fn memories_are_set_listed_and_deleted_within_their_bounds() {
    let house = House::new().await;
    let ada = client("ada");
    let mut events = house
        .orchestrator
        .events()
        .subscribe(ada.principal.clone(), None);
    let check = |tool, arguments, expected| check(&house, &ada, tool, arguments, expected);
    check(
        "set_memory",
        json!({ "name": "city", "value": "Paris" }),
        expect![[r#"
            memory `city`: created
            {"name":"city","outcome":"created"}"#]],
    )
    .await;
    house.clock.advance(1);
    check(
        "set_memory",
        json!({ "name": "city", "value": "Rome" }),
        expect![[r#"
            memory `city`: changed
            {"name":"city","outcome":"changed"}"#]],
    )
    .await;
    check(
        "set_memory",
        json!({ "name": "city", "value": "Rome" }),
        expect![[r#"
            memory `city`: unchanged
            {"name":"city","outcome":"unchanged"}"#]],
    )
    .await;
    check(
        "list_memories",
        json!({}),
        expect![[r#"
            {"memories":[{"name":"city","value":"Rome"}]}
            {"memories":[{"name":"city","value":"Rome"}]}"#]],
    )
    .await;
    let prompt = house.shared().memory_prompt(&ada.principal).await.unwrap();
    assert!(
        prompt.contains(r#"{"name":"city","value":"Rome"}"#),
        "{prompt}"
    );
    check(
        "delete_memory",
        json!({ "name": "city" }),
        expect![[r#"
            memory `city`: deleted
            {"name":"city"}"#]],
    )
    .await;
    check(
        "delete_memory",
        json!({ "name": "city" }),
        expect!["error: memory `city` not found"],
    )
    .await;
    check(
        "set_memory",
        json!({ "name": "x", "value": "y".repeat(5_000) }),
        expect!["error: a memory's value has at most 4096 bytes, this one has 5000; say it in fewer words, or in several memories"],
    )
    .await;
    check(
        "set_memory",
        json!({ "name": "x" }),
        expect!["error: the arguments are not understood: missing field `value`"],
    )
    .await;
    check(
        "list_memories",
        json!({ "of": "eve" }),
        expect!["error: the arguments are not understood: unknown field `of`, there are no fields"],
    )
    .await;
    // Each change was told, and what changed nothing was not.
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(match next(&mut events).await {
            Event::MemoryChanged { name, value, .. } => format!("{name}={value}"),
            Event::MemoryRemoved { name } => format!("-{name}"),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(told, ["city=Paris", "city=Rome", "-city"]);
    house.end().await;
}

#[tokio::test]
async fn there_are_so_many_memories_of_each_and_nobody_sees_anothers() {
    let house = House::new().await;
    let (ada, bob) = (client("ada"), client("bob"));
    for number in 0..200 {
        let memory = json!({ "name": format!("m{number}"), "value": "x" });
        call(&house, &ada, "set_memory", memory).await;
    }
    let one_more = json!({ "name": "one more", "value": "x" });
    check(
        &house,
        &ada,
        "set_memory",
        one_more.clone(),
        expect![
            "error: there are 200 memories, which is the most (`memories_max`); delete one first"
        ],
    )
    .await;
    let mut events = house
        .orchestrator
        .events()
        .subscribe(ada.principal.clone(), None);
    call(&house, &bob, "set_memory", one_more).await;
    let bobs = call(&house, &bob, "list_memories", json!({})).await;
    expect![[r#"{"memories":[{"name":"one more","value":"x"}]}"#]]
        .assert_eq(&bobs["structuredContent"].to_string());
    check(
        &house,
        &bob,
        "delete_memory",
        json!({ "name": "m7" }),
        expect!["error: memory `m7` not found"],
    )
    .await;
    // What bob does is told to bob.
    call(&house, &ada, "delete_memory", json!({ "name": "m0" })).await;
    let told = next(&mut events).await;
    assert!(matches!(told, Event::MemoryRemoved { .. }), "{told:?}");

    // The audit has who and what about, and not what is remembered.
    let kind = Some("memory.set".to_owned());
    let filter = AuditFilter {
        kind,
        limit: 1,
        ..AuditFilter::default()
    };
    let row = house.orchestrator.audit(&filter).await.unwrap().remove(0);
    assert_eq!(row.event.principal, Some(bob.principal.clone()));
    assert_eq!(row.event.detail, Some(json!({ "name": "one more" })));

    let house = house.restart(Script::default()).await;
    let bobs = house.orchestrator.memories(&bob.principal).await.unwrap();
    assert_eq!(bobs.len(), 1);
    house.end().await;
}
