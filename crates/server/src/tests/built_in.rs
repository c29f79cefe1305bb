//! The built-in server as MCP clients see it over HTTP.

use axum::http::StatusCode;
use domain::{Caller, ChatId};
use orchestrator::BeginChat;
use serde_json::{Value, json};

use super::{House, api::add_and_wait, endpoint::begin, person, upstream::Upstream};

const HERE: &str = "/mcp/archestra";
const TOOLS: [&str; 6] = [
    "list_memories",
    "set_memory",
    "delete_memory",
    "list_available_tools",
    "enable_tools",
    "disable_tools",
];

/// Calls a tool and returns its result.
async fn call(house: &House, path: &str, session: &str, tool: &str, arguments: Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments });
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
    let request = house.mcp(path, Some(session), &body.to_string());
    let answer = house.send(request).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let result = answer.json()["result"].take();
    assert_eq!(result["content"][0]["type"], "text", "{}", answer.body);
    result
}

async fn new_chat(house: &House, by: &Caller) -> ChatId {
    let chat = house.orchestrator.create_chat(BeginChat::default(), by);
    chat.await.unwrap().id
}

#[tokio::test]
async fn its_tools_are_there_under_their_own_names_and_remember() {
    let house = House::new().await;
    let session = begin(&house, HERE).await;
    let list = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
    let listed = house.send(house.mcp(HERE, Some(&session), list)).await;
    let listed = listed.json()["result"]["tools"].take();
    let tools = listed.as_array().unwrap();
    let names: Vec<&str> = tools
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, TOOLS);
    for tool in tools {
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
        assert_eq!(tool["outputSchema"]["type"], "object", "{tool}");
        assert!(tool["annotations"]["readOnlyHint"].is_boolean(), "{tool}");
    }

    let memory = json!({ "name": "größe 📏", "value": "1,80 m" });
    let set = call(&house, HERE, &session, "set_memory", memory).await;
    assert_eq!(set["isError"], false);
    let created = json!({ "name": "größe 📏", "outcome": "created" });
    assert_eq!(set["structuredContent"], created);
    // The same under the name that it has among all, for another client of the same person.
    let all = begin(&house, "/mcp").await;
    let listed = call(&house, "/mcp", &all, "archestra__list_memories", json!({})).await;
    let expected = json!({ "memories": [{ "name": "größe 📏", "value": "1,80 m" }] });
    assert_eq!(listed["structuredContent"], expected);
    let again: Value =
        serde_json::from_str(listed["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(again, expected);

    let failed = call(
        &house,
        HERE,
        &session,
        "delete_memory",
        json!({ "name": "no" }),
    )
    .await;
    assert_eq!(failed["isError"], true);
    assert_eq!(failed["content"][0]["text"], "memory `no` not found");
    house.end().await;
}

#[tokio::test]
async fn with_a_chat_in_the_address_that_chats_tools_are_chosen() {
    let house = House::new().await;
    let upstream = Upstream::new().await;
    add_and_wait(&house, &upstream).await;
    let by = person();
    let (one, two) = (new_chat(&house, &by).await, new_chat(&house, &by).await);
    let odd = || json!({ "tool_ids": ["there__odd"] });
    let session = begin(&house, HERE).await;
    let refused = call(&house, HERE, &session, "disable_tools", odd()).await;
    assert_eq!(refused["isError"], true);
    let text = refused["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("`?chat=ID`"), "{text}");

    let of_one = format!("{HERE}?chat={one}");
    let session = begin(&house, &of_one).await;
    let done = call(&house, &of_one, &session, "disable_tools", odd()).await;
    assert_eq!(
        done["structuredContent"],
        json!({ "disabled": ["there__odd"] })
    );
    let again = call(&house, &of_one, &session, "disable_tools", odd()).await;
    let text = again["content"][0]["text"].as_str().unwrap();
    assert_eq!(text, "nothing was changed; disabled already: `there__odd`");
    let of_two = format!("/mcp?x=y&chat={two}");
    let all = begin(&house, &of_two).await;
    let fails = json!({ "tool_ids": ["there__fails"] });
    let done = call(&house, &of_two, &all, "archestra__disable_tools", fails).await;
    assert_eq!(done["isError"], false);
    let disabled = async |chat: ChatId| -> Vec<String> {
        let tools = house.orchestrator.chat_tools(chat, &by).await.unwrap();
        let disabled = tools.into_iter().filter(|it| !it.enabled);
        disabled.map(|it| it.tool.advertised).collect()
    };
    assert_eq!(disabled(one).await, ["there__odd"]);
    assert_eq!(disabled(two).await, ["there__fails"]);

    // Somebody else's, and one that is gone, are nobody's.
    let somebody = Caller {
        principal: "somebody".parse().unwrap(),
        ..person()
    };
    let theirs = new_chat(&house, &somebody).await;
    house.orchestrator.delete_chat(one, &by).await.unwrap();
    for chat in [theirs, one] {
        let path = format!("{HERE}?chat={chat}");
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let answer = house.send(house.mcp(&path, Some(&session), ping)).await;
        let expected = format!(
            r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":-32600,"message":"chat `{chat}` not found; `?chat=` takes the identifier of one of your chats"}}}}"#
        );
        assert_eq!(answer.text(), format!("404 Not Found\n{expected}"));
    }
    house.end().await;
}
