//! Ollama's native API.

use expect_test::expect;
use scripted_model::{Pace, Step, ToolCall, Turn};
use serde_json::{Value, json};

use crate::{
    client::{Answer, ask, get, question, with_tool},
    model,
};

async fn post(model: &scripted_model::ScriptedModel, path: &str, body: &Value) -> Answer {
    ask(&format!("{}{path}", model.url), "POST", None, body).await
}

#[tokio::test]
async fn an_answer_in_pieces_is_these_lines() {
    let model = model().await;
    let calls = vec![ToolCall::new("echo", json!({ "text": "hi" }))];
    let steps = [
        Step::Reasoning("Hm.".to_owned()),
        Step::Text("Well then".to_owned()),
        Step::Calls(calls),
    ];
    let pace = Pace {
        piece_chars: 6,
        ..Pace::FAST
    };
    model.script_forever("m", vec![Turn::of(steps).at(pace)]);
    // It streams unless it is told not to.
    let mut body = question("m", "hello", true);
    body.as_object_mut().unwrap().remove("stream");
    let answer = post(&model, "/api/chat", &body).await;
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    expect![[r#"
        {"created_at":"2025-10-09T08:53:20Z","done":false,"message":{"content":"","role":"assistant","thinking":"Hm."},"model":"m"}
        {"created_at":"2025-10-09T08:53:20Z","done":false,"message":{"content":"Well ","role":"assistant"},"model":"m"}
        {"created_at":"2025-10-09T08:53:20Z","done":false,"message":{"content":"then","role":"assistant"},"model":"m"}
        {"created_at":"2025-10-09T08:53:20Z","done":false,"message":{"content":"","role":"assistant","tool_calls":[{"function":{"arguments":{"text":"hi"},"index":0,"name":"echo"},"id":"call_1_0"}]},"model":"m"}
        {"created_at":"2025-10-09T08:53:20Z","done":true,"done_reason":"stop","eval_count":7,"eval_duration":2000000,"load_duration":1000000,"message":{"content":"","role":"assistant"},"model":"m","prompt_eval_count":2,"prompt_eval_duration":2000000,"total_duration":5000000}
    "#]].assert_eq(&answer.body);
    body["think"] = json!(false);
    let quiet = post(&model, "/api/chat", &body).await;
    assert!(!quiet.body.contains("thinking"), "{}", quiet.body);
    body["stream"] = json!(false);
    body["think"] = json!(true);
    let whole = post(&model, "/api/chat", &body).await.json();
    assert_eq!(whole["message"]["content"], "Well then");
    assert_eq!(whole["message"]["thinking"], "Hm.");
    assert_eq!(
        whole["message"]["tool_calls"][0]["function"]["arguments"]["text"],
        "hi"
    );
    assert_eq!(whole["done"], true);
}

#[tokio::test]
async fn results_stand_in_the_order_of_the_calls() {
    let model = model().await;
    let mut body = with_tool(
        question("demo", "echo good morning", false),
        "everything__echo",
    );
    let message = post(&model, "/api/chat", &body).await.json()["message"].clone();
    let call = &message["tool_calls"][0]["function"];
    assert_eq!(call["arguments"], json!({ "text": "good morning" }));
    let result =
        json!({ "role": "tool", "tool_name": "everything__echo", "content": "Echo: good morning" });
    body["messages"]
        .as_array_mut()
        .unwrap()
        .extend([message, result]);
    let answer = post(&model, "/api/chat", &body).await.json();
    let text = answer["message"]["content"].as_str().unwrap();
    assert!(text.contains("Echo: good morning"), "{text}");
}

#[tokio::test]
async fn what_does_not_fit_the_context_is_dropped_silently() {
    let model = model().await;
    let long = "word ".repeat(20_000);
    let mut body = question("scenario:text", &long, false);
    let read = async |body: &Value| {
        post(&model, "/api/chat", body).await.json()["prompt_eval_count"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(read(&body).await, 4_096);
    body["options"] = json!({ "num_ctx": 32_768 });
    assert_eq!(read(&body).await, 25_000);
}

#[tokio::test]
async fn what_ollama_would_refuse_is_refused() {
    let model = model().await;
    let user = json!({ "role": "user", "content": "hi" });
    let function = json!({ "name": "echo", "arguments": {} });
    let calls =
        json!({ "role": "assistant", "content": "", "tool_calls": [{ "function": function }] });
    let mut textual = calls.clone();
    textual["tool_calls"][0]["function"]["arguments"] = json!("{}");
    let result = json!({ "role": "tool", "content": "x" });
    let cases = [
        (json!([user, calls, result]), ""),
        (
            json!([user, { "role": "tool", "content": "x" }]),
            "no call is waiting for this result",
        ),
        (json!([user, calls, user]), "`echo` has no result"),
        (
            json!([user, calls, { "role": "tool", "tool_name": "other", "content": "x" }]),
            "no call is waiting for this result",
        ),
        (
            json!([user, textual, result]),
            "the arguments of `echo` are not an object",
        ),
        (
            json!([{ "role": "user", "content": [] }]),
            "the content `[]` is not a string",
        ),
        (
            json!([{ "role": "user", "content": "", "images": ["data:image/png;base64,AA=="] }]),
            "an image is not Base64",
        ),
        (
            json!([{ "role": "user", "content": "", "images": ["AA=="] }]),
            "",
        ),
    ];
    for (messages, expected) in cases {
        let body = json!({ "model": "scenario:text", "stream": false, "messages": messages });
        let answer = post(&model, "/api/chat", &body).await.json();
        assert_eq!(
            answer["error"].as_str().unwrap_or_default(),
            expected,
            "{messages}"
        );
    }
}

#[tokio::test]
async fn what_is_there_is_told() {
    let model = model().await;
    let at = async |path: &str| get(&format!("{}{path}", model.url)).await;
    assert_eq!(at("/").await.body, "Ollama is running");
    assert_eq!(at("/api/version").await.json()["version"], "0.21.0");
    assert_eq!(at("/api/tags").await.json()["models"][0]["name"], "demo");
    assert_eq!(at("/nowhere").await.status, 404);
    let show = async |name: &str| post(&model, "/api/show", &json!({ "model": name })).await;
    let demo = show("demo").await.json();
    assert_eq!(demo["model_info"]["scripted.context_length"], 32_768);
    assert!(demo["capabilities"].to_string().contains("tools"));
    let without = show("scenario:no-tools").await.json();
    assert!(!without["capabilities"].to_string().contains("tools"));
    assert_eq!(
        show("nobody").await.json()["error"],
        "model 'nobody' not found"
    );
}
