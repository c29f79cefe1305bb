//! What stands for a model, and who reads what one has said.

use e2e::{Recording, TinyModel, http, read_ui_streams};
use serde_json::{Value, json};

const CONTENT: &[(&str, &str)] = &[("Content-Type", "application/json")];

fn sse(chunks: &[Value]) -> String {
    let chunks = chunks.iter().map(|it| format!("data: {it}\n\n"));
    chunks.collect::<String>() + "data: [DONE]\n\n"
}

#[test]
fn the_readers_verdict_is_the_ai_sdks_own() {
    let call = json!({ "toolCallId": "c", "toolName": "files__read", "dynamic": true, "type": "tool-input-start" });
    let run = [
        json!({ "type": "start", "messageId": "m" }),
        json!({ "type": "start-step" }),
        call,
        json!({ "type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": "{" }),
        json!({ "type": "tool-input-available", "toolCallId": "c", "toolName": "files__read", "dynamic": true, "input": {} }),
        json!({ "type": "tool-approval-request", "approvalId": "a", "toolCallId": "c" }),
        json!({ "type": "tool-approval-response", "approvalId": "a", "approved": true }),
        json!({ "type": "tool-output-available", "toolCallId": "c", "output": "done", "dynamic": true }),
        json!({ "type": "finish-step" }),
        json!({ "type": "start-step" }),
        json!({ "type": "text-start", "id": "t" }),
        json!({ "type": "text-delta", "id": "t", "delta": "zażółć" }),
        json!({ "type": "text-end", "id": "t" }),
        json!({ "type": "finish-step" }),
        json!({ "type": "finish" }),
    ];
    let orphan = json!({ "type": "text-delta", "id": "t", "delta": "x" });
    let recordings = [
        Recording::new("run", sse(&run)),
        Recording::new(
            "failed",
            sse(&[json!({ "type": "error", "errorText": "no model" })]),
        ),
        Recording::new("cut", &sse(&run)[..90]),
        Recording::new("orphan", sse(&[orphan])),
        Recording::new("unknown", sse(&[json!({ "type": "nonsense" })])),
        Recording::new("not JSON", "data: {\n\n"),
    ];
    let Some(read) = read_ui_streams(&recordings) else {
        return;
    };
    let ok: Vec<bool> = read.iter().map(|it| it["ok"] == true).collect();
    assert_eq!(ok, [true, true, true, false, false, false], "{read:#?}");
    let states = [
        "input-streaming",
        "input-available",
        "approval-requested",
        "approval-responded",
        "output-available",
    ];
    assert_eq!(read[0]["states"]["c"], json!(states));
    assert_eq!(read[0]["finished"], true);
    assert_eq!(read[0]["message"]["parts"][3]["text"], "zażółć");
    assert_eq!(read[1]["errors"], json!(["no model"]));
    assert_eq!(read[2]["done"], false);
}

#[test]
fn a_real_model_server_loads_a_model_streams_and_calls_tools() {
    let Some(model) = TinyModel::start(true) else {
        return;
    };
    let ask = |body: &Value| {
        let path = "/v1/chat/completions";
        let body = body.to_string();
        http(model.address(), "POST", path, CONTENT, body.as_bytes()).unwrap()
    };
    let function = json!({ "name": "pick", "parameters": {
        "type": "object",
        "properties": { "colour": { "enum": ["red", "green"] } },
        "required": ["colour"],
    } });
    let mut body = json!({
        "model": "tiny",
        "stream": true,
        "max_tokens": 8,
        "stream_options": { "include_usage": true },
        "messages": [{ "role": "user", "content": "hello" }],
    });
    let text = ask(&body).text();
    assert!(
        text.contains("\"content\":") && text.contains("data: [DONE]"),
        "{text}"
    );
    assert!(text.contains("\"usage\":{\"completion_tokens\":"), "{text}");

    body["tools"] = json!([{ "type": "function", "function": function }]);
    body["max_tokens"] = json!(400);
    let calls = |seed: u64| {
        let mut body = body.clone();
        body["seed"] = json!(seed);
        ask(&body).text().contains("\"name\":\"pick\"")
    };
    assert!((0..40).any(calls), "it has called nothing");
}
