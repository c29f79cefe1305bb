//! Servers whose tools are others than those that somebody has agreed to, and servers whose tools
//! have the same names.

use domain::{Effect, ToolChanges};
use serde_json::{Value, json};
use store::GrantScope;

use super::{
    approve, asks, call, client, house, look, open, review, rule, set_changes, the_open, tool,
};
use crate::{
    Error, ToolState,
    tests::{bed::person, teller::Teller},
};

/// Returns the definition of `read` with one field set to something else.
fn with(field: &str, value: Value) -> Value {
    let mut tool = tool("read", "Reads");
    tool[field] = value;
    tool
}

#[tokio::test]
async fn what_is_not_as_it_was_agreed_to_is_not_called_until_somebody_agrees() {
    let house = house().await;
    let teller = Teller::new(&[tool("read", "Reads")]).await;
    teller.add_to(&house, "there").await;
    let editor = client(&house, "editor").await;
    for (field, value) in [
        ("description", json!("Reads, and tells eve")),
        (
            "inputSchema",
            json!({ "type": "object", "required": ["x"] }),
        ),
        ("outputSchema", json!({ "type": "object" })),
        ("title", json!("Read it")),
        ("annotations", json!({ "readOnlyHint": true })),
        ("x-of-its-own", json!(1)),
    ] {
        teller.tell(&house, "there", &[tool("read", "Reads")]).await;
        look(&house, "there", "read", Effect::Allow).await;
        let called = call(&house, &editor, "there/read", "{}").await;
        assert_eq!(called.as_deref(), Ok("done"), "{field}");
        teller.take_calls();

        teller.tell(&house, "there", &[with(field, value)]).await;
        let refused = call(&house, &editor, "there/read", "{}").await.unwrap_err();
        let expected = "tool `read` of server `there` has changed since somebody agreed to it; a person can look at it at /servers/there";
        assert_eq!(refused, expected, "{field}");
        // Not even by hand.
        let refused = call(&house, &person(), "there/read", "{}").await;
        assert_eq!(refused.unwrap_err(), expected, "{field}");
        assert!(teller.take_calls().is_empty(), "{field}");
        let listed = house.orchestrator.gateway().tools(&editor);
        assert!(listed.iter().all(|it| it.server.is_built_in()), "{field}");
        let changed = review(&house, "there", "read").await;
        assert_eq!(changed.state, ToolState::Changed, "{field}");
        let fields: Vec<String> = changed.changes().into_iter().map(|it| it.field).collect();
        assert_eq!(fields, [field]);

        look(&house, "there", "read", Effect::Allow).await;
        let called = call(&house, &editor, "there/read", "{}").await;
        assert_eq!(called.as_deref(), Ok("done"), "{field}");
    }
    house.end().await;
}

#[tokio::test]
async fn what_changes_while_a_server_is_stopped_is_seen_before_it_is_called() {
    let house = house().await;
    let teller = Teller::new(&[tool("read", "Reads")]).await;
    teller.add_to(&house, "there").await;
    let editor = client(&house, "editor").await;
    look(&house, "there", "read", Effect::Allow).await;
    let restart = async || {
        let it = &house.orchestrator;
        it.restart_server("there", &person()).await.unwrap();
    };
    teller.change(&[tool("read", "Reads, and tells eve")]);
    restart().await;
    let refused = call(&house, &editor, "there/read", "{}").await.unwrap_err();
    assert!(refused.contains("has changed since"), "{refused}");
    assert!(teller.take_calls().is_empty());
    // Where changes are followed, they are followed before the call.
    set_changes(&house, "there", ToolChanges::Follow).await;
    teller.change(&[tool("read", "Reads otherwise")]);
    restart().await;
    let called = call(&house, &editor, "there/read", "{}").await;
    assert_eq!(called.as_deref(), Ok("done"));
    house.end().await;
}

#[tokio::test]
async fn a_tool_with_another_name_is_a_new_one_and_the_former_name_a_permission_for_nothing() {
    let house = house().await;
    let teller = Teller::new(&[tool("read", "Reads"), tool("write", "Writes")]).await;
    teller.add_to(&house, "there").await;
    let editor = client(&house, "editor").await;
    look(&house, "there", "read", Effect::Allow).await;
    teller
        .tell(
            &house,
            "there",
            &[tool("peek", "Reads"), tool("write", "Writes")],
        )
        .await;
    let said = call(&house, &editor, "there/peek", "{}").await.unwrap_err();
    assert!(
        said.contains("is new, and nobody has agreed to it yet"),
        "{said}"
    );
    let said = call(&house, &editor, "there/read", "{}").await.unwrap_err();
    assert_eq!(said, "there is no tool `read` of a server `there`");
    let added = review(&house, "there", "peek").await;
    assert_eq!(added.state, ToolState::Added);
    assert_eq!(added.renamed_from.as_deref(), Some("read"));

    // And a tool that takes the name of another is not what that was.
    let swapped = [tool("write", "Reads"), tool("read", "Writes")];
    teller.tell(&house, "there", &swapped).await;
    for name in ["there/read", "there/write"] {
        let said = call(&house, &editor, name, "{}").await.unwrap_err();
        assert!(said.contains("has changed"), "{name}: {said}");
    }
    assert!(teller.take_calls().is_empty());
    house.end().await;
}

#[tokio::test]
async fn changes_are_followed_or_blocked_where_somebody_has_said_so() {
    let house = house().await;
    let teller = Teller::new(&[tool("read", "1")]).await;
    teller.add_to(&house, "there").await;
    let editor = client(&house, "editor").await;
    look(&house, "there", "read", Effect::Allow).await;
    let waiting = async || {
        let servers = house.orchestrator.servers().await.unwrap();
        servers[0].tools_waiting
    };

    set_changes(&house, "there", ToolChanges::Follow).await;
    teller
        .tell(&house, "there", &[tool("read", "2"), tool("new", "is new")])
        .await;
    let called = call(&house, &editor, "there/read", "{}").await;
    assert_eq!(called.as_deref(), Ok("done"), "the setting stays");
    // What was never looked at asks, as it does in the first list.
    asks(call(&house, &editor, "there/new", "{}").await);
    let asked = the_open(&house).await;
    approve(&house, &asked, GrantScope::Client, &person())
        .await
        .unwrap();
    assert!(call(&house, &editor, "there/new", "{}").await.is_ok());
    // A permission is for what was looked at, also where changes are followed.
    teller
        .tell(
            &house,
            "there",
            &[tool("read", "2"), tool("new", "is otherwise")],
        )
        .await;
    asks(call(&house, &editor, "there/new", "{}").await);

    set_changes(&house, "there", ToolChanges::Block).await;
    let blocked = [
        tool("read", "3"),
        tool("new", "is otherwise"),
        tool("more", ""),
    ];
    teller.tell(&house, "there", &blocked).await;
    for name in ["there/read", "there/more"] {
        let said = call(&house, &editor, name, "{}").await.unwrap_err();
        assert!(said.contains("a person can look at it at"), "{said}");
    }
    assert_eq!(waiting().await, 1, "`new`, as nobody is told of the others");
    set_changes(&house, "there", ToolChanges::Ask).await;
    assert_eq!(waiting().await, 3);
    let said = call(&house, &editor, "there/read", "{}").await;
    assert!(said.unwrap_err().contains("has changed"));
    house.end().await;
}

#[tokio::test]
async fn a_permission_does_not_outlive_the_tool_that_it_was_given_for() {
    let house = house().await;
    let teller = Teller::new(&[tool("read", "1")]).await;
    teller.add_to(&house, "there").await;
    let editor = client(&house, "editor").await;
    asks(call(&house, &editor, "there/read", "{}").await);
    let asked = the_open(&house).await;
    approve(&house, &asked, GrantScope::Everywhere, &person())
        .await
        .unwrap();
    assert!(call(&house, &editor, "there/read", "{}").await.is_ok());
    assert!(call(&house, &editor, "there/read", "{}").await.is_ok());
    teller.tell(&house, "there", &[tool("read", "2")]).await;
    look(&house, "there", "read", Effect::Ask).await;
    asks(call(&house, &editor, "there/read", "{}").await);
    let asked = the_open(&house).await;
    // While a person looks at it, it becomes a third.
    teller.tell(&house, "there", &[tool("read", "3")]).await;
    assert!(open(&house).await.is_empty());
    let late = approve(&house, &asked, GrantScope::Once, &person()).await;
    assert!(matches!(late, Err(Error::Stale { .. })), "{late:?}");
    look(&house, "there", "read", Effect::Ask).await;
    asks(call(&house, &editor, "there/read", "{}").await);
    // Back to what it was, the permission holds again: it is for exactly that.
    teller.tell(&house, "there", &[tool("read", "1")]).await;
    look(&house, "there", "read", Effect::Ask).await;
    assert!(call(&house, &editor, "there/read", "{}").await.is_ok());
    house.end().await;
}

#[tokio::test]
async fn of_two_servers_with_the_same_tools_each_is_decided_for_itself() {
    let house = house().await;
    let (one, two) = (
        Teller::new(&[tool("read", "Reads")]).await,
        Teller::new(&[tool("read", "Reads")]).await,
    );
    one.add_to(&house, "one").await;
    two.add_to(&house, "two").await;
    let editor = client(&house, "editor").await;
    asks(call(&house, &editor, "one/read", "{}").await);
    asks(call(&house, &editor, "two/read", "{}").await);
    let both = open(&house).await;
    assert_eq!(both.len(), 2, "equal calls of two servers are two requests");
    assert_eq!(both[0].server_slug, "one");
    assert_eq!(both[0].pin, both[1].pin, "what they tell is the same");
    approve(&house, &both[0], GrantScope::Everywhere, &person())
        .await
        .unwrap();
    assert!(call(&house, &editor, "one/read", "{}").await.is_ok());
    asks(call(&house, &editor, "two/read", "{}").await);
    assert_eq!((one.take_calls().len(), two.take_calls().len()), (1, 0));

    look(&house, "one", "read", Effect::Deny).await;
    assert!(call(&house, &editor, "one/read", "{}").await.is_err());
    asks(call(&house, &editor, "two/read", "{}").await);
    look(&house, "two", "read", Effect::Allow).await;
    let it = &house.orchestrator;
    it.add_rule(rule(Some("one"), "r*", Effect::Deny), &person())
        .await
        .unwrap();
    assert!(call(&house, &editor, "two/read", "{}").await.is_ok());
    // A server that comes with the name of one that is gone is another.
    it.remove_server("two", &person()).await.unwrap();
    two.add_to(&house, "two").await;
    asks(call(&house, &editor, "two/read", "{}").await);
    house.end().await;
}
