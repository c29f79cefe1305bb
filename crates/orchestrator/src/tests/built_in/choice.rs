//! The tools that a chat has of its own choice.

use super::*;

#[tokio::test]
async fn a_chat_has_tools_of_its_own_choice() {
    let house = House::new().await;
    add_tools(&house, "files", &["read", "write"]).await;
    let ada = client("ada");
    let chat = in_chat(&ada, new_chat(&house, &ada).await);
    let check =
        |caller, tool, arguments, expected| check(&house, caller, tool, arguments, expected);
    check(
        &chat,
        "disable_tools",
        json!({ "tool_ids": ["files__read", "files__write"] }),
        expect![[r#"
            disabled in this chat: `files__read`, `files__write`
            {"disabled":["files__read","files__write"]}"#]],
    )
    .await;
    check(
        &chat,
        "enable_tools",
        json!({ "tool_ids": ["files__write"] }),
        expect![[r#"
            enabled in this chat: `files__write`
            {"enabled":["files__write"]}"#]],
    )
    .await;
    check(
        &chat,
        "enable_tools",
        json!({ "tool_ids": ["files__read", "nothing__here", "files__write"] }),
        expect!["error: nothing was changed; not there: `nothing__here`; enabled already: `files__write`"],
    )
    .await;
    check(
        &chat,
        "list_available_tools",
        json!({ "mcp_server": "files" }),
        expect![[r#"
            {"tools":[{"description":"does it","enabled":false,"id":"files__read","server":"files"},{"description":"does it","enabled":true,"id":"files__write","server":"files"}]}
            {"tools":[{"description":"does it","enabled":false,"id":"files__read","server":"files"},{"description":"does it","enabled":true,"id":"files__write","server":"files"}]}"#]],
    )
    .await;
    check(
        &chat,
        "list_available_tools",
        json!({ "mcp_server": "other" }),
        expect!["error: there is no server `other` with tools; there are `archestra`, `files`"],
    )
    .await;
    check(
        &chat,
        "enable_tools",
        json!({ "tool_ids": [] }),
        expect!["error: `tool_ids` has 1 to 200 ids, here are 0"],
    )
    .await;
    check(
        &chat,
        "enable_tools",
        json!({ "tool_ids": vec!["x"; 201] }),
        expect!["error: `tool_ids` has 1 to 200 ids, here are 201"],
    )
    .await;
    // Without a chat there is nothing to choose for, and it is not said what is enabled.
    check(
        &ada,
        "enable_tools",
        json!({ "tool_ids": ["files__read"] }),
        expect!["error: this call belongs to no chat, and which tools there are is a chat's own choice; connect to the address with `?chat=ID` at its end, where ID is one of your chats"],
    )
    .await;
    check(
        &ada,
        "list_available_tools",
        json!({ "mcp_server": "files" }),
        expect![[r#"
            {"tools":[{"description":"does it","id":"files__read","server":"files"},{"description":"does it","id":"files__write","server":"files"}]}
            {"tools":[{"description":"does it","id":"files__read","server":"files"},{"description":"does it","id":"files__write","server":"files"}]}"#]],
    )
    .await;
    // Somebody else's chat is nobody's.
    let bob = in_chat(&client("bob"), chat.chat.unwrap());
    let result = call(
        &house,
        &bob,
        "enable_tools",
        json!({ "tool_ids": ["files__read"] }),
    )
    .await;
    let text = result["content"][0]["text"].as_str().unwrap();
    assert_eq!(text, format!("chat `{}` not found", bob.chat.unwrap()));
    house.end().await;
}

#[tokio::test]
async fn two_chats_that_choose_at_once_do_not_cross() {
    let house = House::new().await;
    let names: Vec<String> = (0..20).map(|it| format!("tool{it:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    add_tools(&house, "many", &names).await;
    let ada = client("ada");
    let one = in_chat(&ada, new_chat(&house, &ada).await);
    let two = in_chat(&ada, new_chat(&house, &ada).await);
    let choose = async |chat: &Caller, tool: &str, ids: Vec<String>| {
        let result = call(&house, chat, tool, json!({ "tool_ids": ids })).await;
        assert_eq!(result["isError"], false, "{result}");
    };
    let id = |it: usize| format!("many__tool{it:02}");
    // One switches the even ones off, the other the odd ones, one after the other and both at once.
    let evens = async {
        for number in (0..20).step_by(2) {
            choose(&one, "disable_tools", vec![id(number)]).await;
        }
        choose(&one, "enable_tools", vec![id(0), id(2)]).await;
    };
    let odds = async {
        for number in (1..20).step_by(2) {
            choose(&two, "disable_tools", vec![id(number)]).await;
        }
        choose(&two, "enable_tools", vec![id(19)]).await;
    };
    tokio::join!(evens, odds);
    let enabled = async |house: &House, chat: &Caller| -> BTreeSet<String> {
        let tools = house.orchestrator.chat_tools(chat.chat.unwrap(), chat);
        let tools = tools.await.unwrap().into_iter();
        let tools = tools.filter(|it| it.enabled && it.tool.server.as_str() == "many");
        tools.map(|it| it.tool.advertised).collect()
    };
    let of_one: BTreeSet<String> = (0..20)
        .filter(|it| it % 2 == 1 || *it < 4)
        .map(id)
        .collect();
    let of_two: BTreeSet<String> = (0..20)
        .filter(|it| it % 2 == 0 || *it == 19)
        .map(id)
        .collect();
    assert_eq!(enabled(&house, &one).await, of_one);
    assert_eq!(enabled(&house, &two).await, of_two);

    // Of many who enable one tool at once, one does.
    let results = futures_of(&house, &one, 8).await;
    assert_eq!(
        results.iter().filter(|it| it["isError"] == false).count(),
        1
    );
    house.end().await;
}

async fn futures_of(house: &House, chat: &Caller, count: usize) -> Vec<Value> {
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (gateway, chat) = (house.orchestrator.gateway().clone(), chat.clone());
        calls.spawn(async move {
            let slug = ServerSlug::built_in();
            let target = CallTarget::Own {
                server: &slug,
                tool: "enable_tools",
            };
            let arguments = json!({ "tool_ids": ["many__tool04"] }).to_string();
            let arguments = RawValue::from_string(arguments).unwrap();
            let outcome = gateway.call(&chat, target, Some(arguments)).await.unwrap();
            serde_json::from_str(outcome.result.get()).unwrap()
        });
    }
    calls.join_all().await
}

#[tokio::test]
async fn to_enable_grants_nothing() {
    let house = House::new().await;
    add_tools(&house, "files", &["read", "write"]).await;
    let ada = client("ada");
    let chat = new_chat(&house, &ada).await;
    let rule = |server: &str, tool: &str| ToolRule {
        server: ServerSlug::new(server).unwrap(),
        tool: tool.to_owned(),
    };
    let access = Access {
        servers: None,
        tools: Some([rule("archestra", "*"), rule("files", "read")].into()),
    };
    let limited = Caller {
        access,
        ..in_chat(&ada, chat)
    };
    check(
        &house,
        &limited,
        "disable_tools",
        json!({ "tool_ids": ["files__read", "files__write"] }),
        expect!["error: nothing was changed; not there: `files__write`"],
    )
    .await;
    let listed = call(&house, &limited, "list_available_tools", json!({})).await;
    let listed = listed["structuredContent"].to_string();
    assert!(listed.contains("files__read") && !listed.contains("files__write"));

    // What a person denies is not there to be enabled, whatever the chat had chosen before.
    let whole = in_chat(&ada, chat);
    let ids = json!({ "tool_ids": ["files__write"] });
    call(&house, &whole, "disable_tools", ids.clone()).await;
    let rule = crate::NewRule {
        server: Some("files".to_owned()),
        tool: domain::ToolGlob::new("write").unwrap(),
        effect: Effect::Deny,
    };
    house.orchestrator.add_rule(rule, &person()).await.unwrap();
    check(
        &house,
        &whole,
        "enable_tools",
        ids,
        expect!["error: nothing was changed; not there: `files__write`"],
    )
    .await;
    house.end().await;
}

#[tokio::test]
async fn the_default_is_all_tools_where_they_are_few() {
    let house = House::new().await;
    let names: Vec<String> = (0..40).map(|it| format!("tool{it:02}")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    let by = person();
    let add = async |names: &[&str], name: &str| {
        add_tools(&house, name, names).await;
        let begin = BeginChat::default();
        house.orchestrator.create_chat(begin, &by).await.unwrap()
    };
    let few = add(&names, "many").await;
    assert_eq!(few.tools_default, ToolsDefault::All);
    names.truncate(1);
    let many = add(&names, "more").await;
    assert_eq!(many.tools_default, ToolsDefault::None);
    let tools = house.orchestrator.chat_tools(many.id, &by).await.unwrap();
    let enabled = tools.iter().filter(|it| it.enabled);
    assert!(enabled.clone().all(|it| it.tool.server.is_built_in()));
    assert_eq!(enabled.count(), 6);
    house.end().await;
}
