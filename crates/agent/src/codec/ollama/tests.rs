use std::sync::Arc;

use expect_test::{Expect, expect};
use proptest::{prelude::any, prop_assert_eq, proptest};
use serde_json::{Map, json};

use super::{Context, ContextSettings, Ollama, OllamaModel};
use crate::{
    codec::{Codec as _, Target, feed_all, feed_in_pieces},
    conversation::{Answer, AnswerPart, AssistantPart, Conversation, Message, UserPart},
    model::{ModelOptions, ModelRequest, ModelTool},
};

const RECORDINGS: [&str; 2] = [
    include_str!("../recordings/ollama.ndjson"),
    include_str!("../recordings/ollama_error.ndjson"),
];
const ABLE: OllamaModel = OllamaModel {
    context_tokens: Some(40_960),
    tools: true,
    vision: true,
    thinking: true,
};

fn codec(model: OllamaModel) -> Ollama {
    let target = Target {
        provider: "ollama".to_owned(),
        model: "qwen3".to_owned(),
        is_local: true,
    };
    Ollama::new(target, model, ContextSettings::default(), 10_000)
}

fn text_request(text: &str) -> ModelRequest {
    let conversation = Conversation {
        system: String::new(),
        messages: vec![Message::User {
            parts: vec![UserPart::Text(text.to_owned())],
        }],
    };
    ModelRequest {
        conversation: Arc::new(conversation),
        tools: Vec::new(),
        options: ModelOptions::default(),
    }
}

#[track_caller]
fn check(wire: &str, expected: Expect) {
    let mut codec = codec(ABLE);
    codec.request(&text_request("hi"));
    expected.assert_eq(&feed_all(&mut codec, wire.as_bytes()));
}

#[test]
fn it_thinks_and_sends_calls_whole() {
    check(
        RECORDINGS[0],
        expect![[r#"
        reasoning Weather, so
        reasoning  I call it.
        text Ich prüfe 👀
        call 0 weather
        arguments 0 {"city":"Oslo"}
        call 1 weather
        arguments 1 {"city":"Rome"}
        finished ToolCalls in Some(120) out Some(45) reasoning None cached None"#]],
    );
}

#[test]
fn calls_may_come_in_several_lines_and_an_answer_may_be_too_long() {
    check(
        "{\"message\":{\"tool_calls\":[{\"id\":\"call_1\",\"function\":{\"name\":\"a\",\"arguments\":{}}}]},\"done\":false}\n\
         {\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"b\",\"arguments\":\"{}\"}}]},\"done\":false}\n\
         {\"done\":true,\"done_reason\":\"stop\"}",
        expect![[r#"
            call 0 a
            arguments 0 {}
            call 1 b
            arguments 1 {}
            finished ToolCalls in None out None reasoning None cached None"#]],
    );
    check(
        "{\"message\":{\"content\":\"Half\"},\"done\":true,\"done_reason\":\"length\",\"eval_count\":2}\n",
        expect![[r#"
            text Half
            finished Length in None out Some(2) reasoning None cached None"#]],
    );
}

#[test]
fn errors_and_cuts_keep_what_came() {
    check(
        RECORDINGS[1],
        expect![[r#"
        text Half
        error Other `ollama` could not answer | read in the details what it said, or try another model
          an error was encountered while running the model: unexpected EOF"#]],
    );
    check(
        r#"{"message":{"role":"assistant","content":"Half"},"done":false}"#,
        expect![[r#"
            text Half
            error Malformed the answer of `ollama` ended before it was complete | let the run go on; if it happens again, look at the provider's own log"#]],
    );
    check(
        "{\"mess",
        expect![[r#"
        error Malformed `ollama` sent a line that is not JSON | check that the address is that of a model provider and of the kind that was chosen
          {"mess"#]],
    );
    check(
        &"x".repeat(20_000),
        expect![
            "error Limit `ollama` sent more than 10000 bytes in one piece | ask the model for less at a time, or choose another model"
        ],
    );
    check(
        r#"{"error":"model requires more system memory (9.0 GiB) than is available (5.0 GiB)"}"#,
        expect![[r#"
            error OutOfMemory there is not enough memory for `qwen3` | choose a smaller model, or allow a shorter context in the settings
              model requires more system memory (9.0 GiB) than is available (5.0 GiB)"#]],
    );
}

proptest! {
    #[test]
    fn whatever_pieces_it_comes_in_the_answer_is_the_same(
        recording in 0..RECORDINGS.len(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..20),
    ) {
        let wire = RECORDINGS[recording].as_bytes();
        let cuts: Vec<usize> = cuts.iter().map(|it| it.index(wire.len())).collect();
        let pieces = feed_in_pieces(&mut codec(ABLE), wire, &cuts);
        prop_assert_eq!(pieces, feed_all(&mut codec(ABLE), wire));
    }
}

#[test]
fn a_context_grows_in_steps_up_to_what_the_model_reads() {
    #[track_caller]
    fn check(need: u64, tokens_max: Option<u64>, tokens: u64, fits: bool) {
        let settings = ContextSettings {
            tokens_max,
            ..ContextSettings::default()
        };
        let context = Context::new(need, ABLE, settings);
        assert_eq!((context.tokens, context.fits), (tokens, fits), "{need}");
    }
    check(0, None, 8_192, true);
    check(4_096, None, 8_192, true);
    check(4_097, None, 16_384, true);
    check(35_000, None, 40_960, true);
    check(39_000, None, 40_960, true);
    check(40_960, None, 40_960, false);
    check(1_000_000, None, 40_960, false);
    check(20_000, Some(16_000), 16_000, false);
    let unknown = OllamaModel {
        context_tokens: None,
        ..ABLE
    };
    let context = Context::new(100_000, unknown, ContextSettings::default());
    assert_eq!(context.tokens, 106_496);
}

#[test]
fn a_context_that_was_cut_is_told_from_what_was_read() {
    #[track_caller]
    fn check(need_tokens: u64, read: u64, was_cut: bool) {
        let context = Context {
            tokens: 8_192,
            need_tokens,
            fits: true,
        };
        assert_eq!(context.was_cut(read), was_cut, "{need_tokens} {read}");
    }
    check(4_000, 3_000, false);
    // The server had the rest in memory.
    check(4_000, 20, false);
    check(7_000, 8_192, true);
    check(30_000, 6_000, true);
}

#[test]
fn a_chat_that_does_not_fit_is_said_once() {
    let mut codec = codec(ABLE);
    let encoded = codec.request(&text_request(&"word ".repeat(50_000)));
    assert_eq!(encoded.body["options"]["num_ctx"], 40_960);
    let said: Vec<_> = encoded.notices.iter().map(|it| &*it.1).collect();
    expect!["this chat has about 83350 tokens with its tools, and `qwen3` reads 40960, so its beginning may be left out; disable tools that it does not need, or begin a new one"].assert_eq(&said.join("\n"));
    let end = r#"{"message":{"content":"ok"},"done":true,"done_reason":"stop","prompt_eval_count":40960,"eval_count":3}"#;
    expect![[r#"
        text ok
        finished Stop in Some(40960) out Some(3) reasoning None cached None"#]]
    .assert_eq(&feed_all(&mut codec, end.as_bytes()));
}

#[test]
fn a_chat_that_was_cut_unforeseen_is_said_afterwards() {
    let mut codec = codec(ABLE);
    codec.request(&text_request("hi"));
    let end = r#"{"message":{"content":"ok"},"done":true,"done_reason":"length","prompt_eval_count":8192,"eval_count":3}"#;
    expect![[r#"
        text ok
        notice ContextCut the model read only 8192 tokens, with room for 8192, so the beginning of this chat was left out; disable tools that it does not need, or begin a new one
        finished Length in Some(8192) out Some(3) reasoning None cached None"#]].assert_eq(&feed_all(&mut codec, end.as_bytes()));
}

fn full_request() -> ModelRequest {
    let image = || "QUFB".to_owned();
    let messages = vec![
        Message::User {
            parts: vec![
                UserPart::Text("what is it?".to_owned()),
                UserPart::Image {
                    media_type: "image/png".to_owned(),
                    data: image(),
                },
            ],
        },
        Message::Assistant {
            parts: vec![
                AssistantPart::Reasoning {
                    text: "hm".to_owned(),
                    metadata: None,
                },
                AssistantPart::Text {
                    text: "I look.".to_owned(),
                    metadata: None,
                },
                AssistantPart::Call {
                    call_id: "c1".to_owned(),
                    name: "weather".to_owned(),
                    arguments: Map::from_iter([("city".to_owned(), json!("Oslo"))]),
                    metadata: None,
                },
            ],
        },
        Message::Answers {
            answers: vec![Answer {
                call_id: "c1".to_owned(),
                name: "weather".to_owned(),
                parts: vec![
                    AnswerPart::Text("rain".to_owned()),
                    AnswerPart::Image {
                        media_type: "image/png".to_owned(),
                        data: image(),
                    },
                ],
                is_error: false,
            }],
        },
    ];
    ModelRequest {
        conversation: Arc::new(Conversation {
            system: "be kind".to_owned(),
            messages,
        }),
        tools: vec![ModelTool {
            name: "weather".to_owned(),
            description: "tells it".to_owned(),
            parameters: json!({ "type": "object", "properties": {} }),
        }],
        options: ModelOptions {
            temperature: Some(0.5),
            output_tokens_max: Some(100),
            think: Some(true),
            keep_alive: Some("10m".to_owned()),
            ..ModelOptions::default()
        },
    }
}

#[test]
fn a_request_says_all_that_was_said() {
    let encoded = codec(ABLE).request(&full_request());
    assert_eq!(encoded.path, "api/chat");
    assert_eq!(encoded.notices, []);
    expect![[r#"
        {
          "keep_alive": "10m",
          "messages": [
            {
              "content": "be kind",
              "role": "system"
            },
            {
              "content": "what is it?",
              "images": [
                "QUFB"
              ],
              "role": "user"
            },
            {
              "content": "I look.",
              "role": "assistant",
              "thinking": "hm",
              "tool_calls": [
                {
                  "function": {
                    "arguments": {
                      "city": "Oslo"
                    },
                    "name": "weather"
                  }
                }
              ]
            },
            {
              "content": "rain",
              "images": [
                "QUFB"
              ],
              "role": "tool",
              "tool_name": "weather"
            }
          ],
          "model": "qwen3",
          "options": {
            "num_ctx": 8192,
            "num_predict": 100,
            "temperature": 0.5
          },
          "stream": true,
          "think": true,
          "tools": [
            {
              "function": {
                "description": "tells it",
                "name": "weather",
                "parameters": {
                  "properties": {},
                  "type": "object"
                }
              },
              "type": "function"
            }
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&encoded.body).unwrap());
}

#[test]
fn what_a_model_cannot_is_left_out_and_said() {
    let plain = OllamaModel {
        context_tokens: None,
        tools: false,
        vision: false,
        thinking: false,
    };
    let encoded = codec(plain).request(&full_request());
    let said: Vec<_> = encoded.notices.iter().map(|it| &*it.1).collect();
    expect![[r#"
        `qwen3` cannot call tools; choose a model that can
        `qwen3` cannot see images; choose a model that can"#]]
    .assert_eq(&said.join("\n"));
    let body = encoded.body;
    assert!(
        body.get("tools").is_none() && body.get("think").is_none(),
        "{body}"
    );
    assert!(!body.to_string().contains("QUFB"), "{body}");
}
