//! OpenAI's chat completions API.

use expect_test::expect;
use scripted_model::{Dialect, Pace, Step, ToolCall, Turn};
use serde_json::{Value, json};

use crate::{
    client::{Answer, ask, get, question, with_tool},
    model,
};

async fn post(model: &scripted_model::ScriptedModel, body: &Value) -> Answer {
    let url = format!("{}/chat/completions", model.openai_url());
    ask(&url, "POST", None, body).await
}

#[tokio::test]
async fn an_answer_in_pieces_is_these_bytes() {
    let model = model().await;
    let calls = vec![ToolCall::new("echo", json!({ "text": "hi" }))];
    let steps = [
        Step::Reasoning("Hm.".to_owned()),
        Step::Text("Well then".to_owned()),
        Step::Calls(calls),
    ];
    let pace = Pace {
        piece_chars: 9,
        ..Pace::FAST
    };
    model.script("m", vec![Turn::of(steps).at(pace)]);
    let mut body = question("m", "hello", true);
    body["stream_options"] = json!({ "include_usage": true });
    let answer = post(&model, &body).await;
    let kind = answer.headers["content-type"].to_str().unwrap();
    assert_eq!(
        (answer.status, kind, answer.whole),
        (200, "text/event-stream", true)
    );
    let chunk = "\"created\":1760000000,\"id\":\"chatcmpl-scripted-1\",\"model\":\"m\",\"object\":\"chat.completion.chunk\"";
    expect![[r#"
        data: {"choices":[{"delta":{"content":"","role":"assistant"},"finish_reason":null,"index":0}],…}

        data: {"choices":[{"delta":{"reasoning_content":"Hm."},"finish_reason":null,"index":0}],…}

        data: {"choices":[{"delta":{"content":"Well then"},"finish_reason":null,"index":0}],…}

        data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"","name":"echo"},"id":"call_1_0","index":0,"type":"function"}]},"finish_reason":null,"index":0}],…}

        data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{\"text\":\""},"index":0}]},"finish_reason":null,"index":0}],…}

        data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"hi\"}"},"index":0}]},"finish_reason":null,"index":0}],…}

        data: {"choices":[{"delta":{},"finish_reason":"tool_calls","index":0}],…}

        data: {"choices":[],…,"usage":{"completion_tokens":7,"prompt_tokens":2,"total_tokens":9}}

        data: [DONE]

    "#]].assert_eq(&answer.body.replace(chunk, "…"));
}

#[tokio::test]
async fn an_answer_in_one_piece_has_all_of_it() {
    let model = model().await;
    let calls = vec![
        ToolCall::raw("echo", "{}"),
        ToolCall::raw("add", "{\"a\":1}"),
    ];
    let steps = [
        Step::Reasoning("Hm.".to_owned()),
        Step::Text("Well".to_owned()),
        Step::Calls(calls),
    ];
    model.script("m", vec![Turn::of(steps)]);
    let answer = post(&model, &question("m", "hello", false)).await.json();
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], "Well");
    assert_eq!(choice["message"]["reasoning_content"], "Hm.");
    assert_eq!(
        choice["message"]["tool_calls"][1]["function"]["name"],
        "add"
    );
    assert_eq!(choice["message"]["tool_calls"][1]["id"], "call_1_1");
    assert_eq!(answer["usage"]["prompt_tokens"], 2);
}

#[tokio::test]
async fn pieces_of_parallel_calls_alternate_where_a_dialect_says_so() {
    let model = model().await;
    let calls = ["one", "two"].map(|it| ToolCall::new("echo", json!({ "text": it })));
    let indexes = async |dialect| {
        let pace = Pace {
            piece_chars: 9,
            ..Pace::FAST
        };
        model.script(
            "m",
            vec![Turn::calls(calls.clone()).at(pace).in_dialect(dialect)],
        );
        let answer = post(&model, &question("m", "hello", true)).await;
        let chunks = answer.chunks();
        let index = |it: &Value| it["choices"][0]["delta"]["tool_calls"][0]["index"].as_u64();
        chunks.iter().filter_map(index).collect::<Vec<_>>()
    };
    let plain = Dialect::default();
    assert_eq!(indexes(plain).await, [0, 0, 0, 1, 1, 1]);
    assert_eq!(
        indexes(Dialect {
            interleaved_calls: true,
            ..plain
        })
        .await,
        [0, 1, 0, 1, 0, 1]
    );
    assert_eq!(
        indexes(Dialect {
            whole_calls: true,
            ..plain
        })
        .await,
        [0, 1]
    );
}

#[tokio::test]
async fn a_conversation_goes_on_with_the_results() {
    let model = model().await;
    let mut body = with_tool(
        question("demo", "echo good morning", true),
        "everything__echo",
    );
    let first = post(&model, &body).await;
    let arguments = first.joined("/choices/0/delta/tool_calls/0/function/arguments");
    assert_eq!(arguments, "{\"text\":\"good morning\"}");
    let id = first.joined("/choices/0/delta/tool_calls/0/id");
    let function = json!({ "name": "everything__echo", "arguments": arguments });
    let call = json!({ "id": id, "type": "function", "function": function });
    let more = [
        json!({ "role": "assistant", "content": null, "tool_calls": [call] }),
        json!({ "role": "tool", "tool_call_id": id, "content": "Echo: good morning" }),
    ];
    body["messages"].as_array_mut().unwrap().extend(more);
    let second = post(&model, &body).await;
    let text = second.joined("/choices/0/delta/content");
    assert!(text.contains("Echo: good morning"), "{text}");
}

#[tokio::test]
async fn what_some_server_would_refuse_is_refused() {
    let model = model().await;
    let call = json!({ "id": "c1", "type": "function", "function": { "name": "echo", "arguments": "{}" } });
    let user = json!({ "role": "user", "content": "hi" });
    let calls = json!({ "role": "assistant", "content": null, "tool_calls": [call] });
    let result = json!({ "role": "tool", "tool_call_id": "c1", "content": "x" });
    let mut unparsed = calls.clone();
    unparsed["tool_calls"][0]["function"]["arguments"] = json!("{");
    let image = json!({ "role": "user", "content": [{ "type": "text", "text": "a" },
        { "type": "image_url", "image_url": { "url": "data:image/png;base64,AA==" } }] });
    let cases = [
        (json!([user]), ""),
        (json!([image]), ""),
        (json!([user, calls, result]), ""),
        (json!([user, calls]), "the call `c1` has no result"),
        (json!([user, calls, user]), "the call `c1` has no result"),
        (
            json!([user, result]),
            "no call `c1` is waiting for this result",
        ),
        (
            json!([user, calls, result, result]),
            "no call `c1` is waiting for this result",
        ),
        (
            json!([user, unparsed, result]),
            "the arguments of the call of `echo` are not JSON",
        ),
        (
            json!([{ "role": "robot", "content": "" }]),
            "there is no role `\"robot\"`",
        ),
        (
            json!([{ "role": "assistant" }]),
            "an assistant's message has neither content nor calls",
        ),
        (json!({}), "`messages` is not an array"),
    ];
    for (messages, expected) in cases {
        let body = json!({ "model": "scenario:text", "messages": messages });
        let answer = post(&model, &body).await;
        let said = answer.json()["error"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert_eq!(said, expected, "{messages}");
        let last = model.chats().pop().unwrap();
        assert_eq!(last.objection.unwrap_or_default(), expected);
        assert_eq!(last.status, if expected.is_empty() { 200 } else { 400 });
    }
    for (name, status) in [
        ("a-b_C9", 200),
        ("a.b", 400),
        ("", 400),
        (&*"x".repeat(65), 400),
    ] {
        let body = with_tool(question("scenario:text", "hi", false), name);
        assert_eq!(post(&model, &body).await.status, status, "{name}");
    }
    let twice = with_tool(with_tool(question("scenario:text", "hi", false), "a"), "a");
    assert_eq!(post(&model, &twice).await.status, 400);
}

#[tokio::test]
async fn models_are_listed() {
    let model = model().await;
    model.script("mine", Vec::new());
    let listed = get(&format!("{}/models", model.openai_url())).await.json();
    let ids: Vec<&str> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["id"].as_str())
        .collect();
    assert_eq!(ids, ["demo", "mine"]);
}
