use std::sync::Arc;

use expect_test::{Expect, expect};
use proptest::{prelude::any, prop_assert_eq, proptest};
use serde_json::{Map, Value, json};

use super::OpenAiChat;
use crate::{
    codec::{Codec as _, Target, feed_all, feed_in_pieces},
    conversation::{Answer, AnswerPart, AssistantPart, Conversation, Message, UserPart},
    model::{ModelOptions, ModelRequest, ModelTool},
};

const LINE_BYTES_MAX: usize = 10_000;
const RECORDINGS: [&str; 10] = [
    include_str!("../recordings/openai.sse"),
    include_str!("../recordings/deepseek.sse"),
    include_str!("../recordings/vllm.sse"),
    include_str!("../recordings/llama_cpp.sse"),
    include_str!("../recordings/lm_studio.sse"),
    include_str!("../recordings/gemini.sse"),
    include_str!("../recordings/mistral.sse"),
    include_str!("../recordings/no_stream.json"),
    include_str!("../recordings/error_in_stream.sse"),
    include_str!("../recordings/error_line.sse"),
];

fn codec() -> OpenAiChat {
    let target = Target {
        provider: "home".to_owned(),
        model: "m".to_owned(),
        is_local: false,
    };
    OpenAiChat::new(target, false, LINE_BYTES_MAX)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a table reads better without `&`"
)]
#[track_caller]
fn check(wire: &str, expected: Expect) {
    expected.assert_eq(&feed_all(&mut codec(), wire.as_bytes()));
}

#[test]
fn openai_sends_calls_in_pieces_and_usage_after_the_end() {
    check(
        RECORDINGS[0],
        expect![[r#"
        text Grüße 
        text 👋
        call 0 weather
        metadata 0 {"openai_chat":{"id":"call_a"}}
        arguments 0 {"city":
        arguments 0 "Oslo"}
        call 1 time
        metadata 1 {"openai_chat":{"id":"call_b"}}
        arguments 1 {}
        finished ToolCalls in Some(80) out Some(34) reasoning Some(10) cached Some(64)"#]],
    );
}

#[test]
fn deepseek_thinks_in_reasoning_content() {
    check(
        RECORDINGS[1],
        expect![[r#"
        reasoning The user
        reasoning metadata {"openai_chat":{"field":"reasoning_content"}}
        reasoning  greets.
        text Hello!
        finished Stop in Some(12) out Some(20) reasoning Some(15) cached Some(3)"#]],
    );
}

#[test]
fn vllm_thinks_in_reasoning_and_sends_the_name_alone() {
    check(
        RECORDINGS[2],
        expect![[r#"
        reasoning Let me look.
        reasoning metadata {"openai_chat":{"field":"reasoning"}}
        call 0 weather
        metadata 0 {"openai_chat":{"id":"chatcmpl-tool-1"}}
        arguments 0 {"city": "Oslo"}
        finished ToolCalls in Some(200) out Some(30) reasoning None cached None"#]],
    );
}

#[test]
fn llama_cpp_sends_empty_identifiers() {
    check(
        RECORDINGS[3],
        expect![[r#"
        reasoning Hm
        reasoning metadata {"openai_chat":{"field":"reasoning_content"}}
        call 0 weather
        arguments 0 {
        arguments 0 "city":"Oslo"}
        finished ToolCalls in Some(50) out Some(9) reasoning None cached None"#]],
    );
}

#[test]
fn lm_studio_sends_whole_calls_of_one_index_and_no_end() {
    check(
        RECORDINGS[4],
        expect![[r#"
        text Sure.
        call 0 weather
        metadata 0 {"openai_chat":{"id":"365174485"}}
        arguments 0 {"city":"Oslo"}
        call 1 weather
        metadata 1 {"openai_chat":{"id":"365174486"}}
        arguments 1 {"city":"Rome"}
        finished ToolCalls in None out None reasoning None cached None"#]],
    );
}

#[test]
fn gemini_sends_no_index_and_a_signature_that_it_wants_back() {
    check(
        RECORDINGS[5],
        expect![[r#"
        call 0 weather
        metadata 0 {"openai_chat":{"extra_content":{"google":{"thought_signature":"c2ln"}},"id":"function-call-1"}}
        arguments 0 {"city":"Oslo"}
        call 1 time
        arguments 1 {}
        finished ToolCalls in Some(6) out Some(5) reasoning None cached None"#]],
    );
}

#[test]
fn mistral_sends_content_in_parts_and_a_reason_of_its_own() {
    check(
        RECORDINGS[6],
        expect![[r#"
        reasoning Easy.
        text Four.
        finished Other in Some(4) out Some(2) reasoning None cached None"#]],
    );
}

#[test]
fn an_answer_that_is_no_stream_is_read_all_the_same() {
    check(
        RECORDINGS[7],
        expect![[r#"
        text All at once.
        call 0 time
        metadata 0 {"openai_chat":{"id":"call_x"}}
        arguments 0 {}
        finished ToolCalls in Some(1) out Some(2) reasoning None cached None"#]],
    );
}

#[test]
fn an_error_in_a_stream_ends_it_and_keeps_what_came() {
    check(
        RECORDINGS[8],
        expect![[r#"
        text Half a
        error Overloaded `home` has too much to do or is still starting | try again in a minute
          The server is overloaded (server_error)"#]],
    );
    check(
        RECORDINGS[9],
        expect![[r#"
            text Half a
            error ContextTooLong the conversation is longer than `m` can read | disable tools that this chat does not need, or begin a new chat
              the request exceeds the available context size (exceed_context_size_error)"#]],
    );
    check(
        r#"data: {"error":"something went wrong"}"#,
        expect![[r#"
        error Other `home` could not answer | read in the details what it said, or try another model
          something went wrong"#]],
    );
    check(
        r#"{"error":{"message":"model not found"}}"#,
        expect![[r#"
        error ModelMissing `home` has no model `m`, or not for this key | choose another model
          model not found"#]],
    );
}

#[test]
fn what_is_cut_or_not_understood_is_malformed() {
    check(
        "",
        expect![
            "error Malformed the answer of `home` ended before it was complete | let the run go on; if it happens again, look at the provider's own log"
        ],
    );
    check(
        "data: {\"choices\":[{\"delta\":{\"content\":\"Half\"}}]}\n\n",
        expect![[r#"
            text Half
            error Malformed the answer of `home` ended before it was complete | let the run go on; if it happens again, look at the provider's own log"#]],
    );
    check(
        "data: {\"choices\":[{\"del",
        expect![[r#"
        error Malformed `home` sent a piece that is not JSON | check that the address is that of a model provider and of the kind that was chosen
          {"choices":[{"del"#]],
    );
    check(
        "<html><body>hello</body></html>",
        expect![[r#"
        error Malformed `home` sent no answer of a model | check that the address is that of a model provider and of the kind that was chosen
          <html><body>hello</body></html>
    "#]],
    );
    check(
        "data: [DONE]\n\n",
        expect!["finished Other in None out None reasoning None cached None"],
    );
    check(
        "data: 7\n\ndata: {}\n\ndata: {\"choices\":[{}]}\n\ndata: [DONE]\n\n",
        expect!["finished Other in None out None reasoning None cached None"],
    );
}

#[test]
fn arguments_may_come_before_the_name_and_a_name_may_never_come() {
    check(
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\"}}]}}]}\n\
         data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"}\"}}]}}]}\n\
         data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"{}\"}}]}}]}\n\
         data: [DONE]\n",
        expect![[r#"
            call 0 f
            arguments 0 {
            arguments 0 }
            call 1 
            arguments 1 {}
            finished Other in None out None reasoning None cached None"#]],
    );
}

#[test]
fn pieces_of_parallel_calls_come_in_any_order_between_lines_of_any_kind() {
    let wire = [
        ": still at work",
        r#"data:{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
        r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}}]}"#,
        r#"data: {"choices":[{"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":""}}]}}]}"#,
        "event: message",
        r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]}}]}"#,
        // Some repeat what is known.
        r#"data: {"choices":[{"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]}}]}"#,
        r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}}]}"#,
        r#"data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#,
        r#"data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}"#,
        "data: [DONE]",
        "",
    ];
    let expected = expect![[r#"
        call 0 f
        metadata 0 {"openai_chat":{"id":"a"}}
        call 1 g
        metadata 1 {"openai_chat":{"id":"b"}}
        arguments 0 {"x":
        arguments 1 {}
        arguments 0 1}
        finished ToolCalls in Some(7) out Some(3) reasoning None cached None"#]];
    check(&wire.join("\r\n\r\n"), expected);
}

#[test]
fn a_refusal_is_what_the_model_says() {
    check(
        "data: {\"choices\":[{\"delta\":{\"refusal\":\"I cannot.\"},\"finish_reason\":\"content_filter\"}]}\n\ndata: [DONE]\n\n",
        expect![[r#"
            text I cannot.
            finished ContentFilter in None out None reasoning None cached None"#]],
    );
}

#[test]
fn a_piece_has_a_bound() {
    let long = format!("data: {}", "x".repeat(LINE_BYTES_MAX));
    check(
        &long,
        expect![
            "error Limit `home` sent more than 10000 bytes in one piece | ask the model for less at a time, or choose another model"
        ],
    );
    let pretty = "{\n".repeat(LINE_BYTES_MAX);
    check(
        &pretty,
        expect![
            "error Limit `home` sent more than 10000 bytes in one piece | ask the model for less at a time, or choose another model"
        ],
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
        prop_assert_eq!(feed_in_pieces(&mut codec(), wire, &cuts), feed_all(&mut codec(), wire));
    }

    #[test]
    fn nothing_that_comes_makes_it_panic(
        recording in 0..RECORDINGS.len(),
        at in any::<proptest::sample::Index>(),
        junk in proptest::collection::vec(any::<u8>(), 0..30),
    ) {
        let mut wire = RECORDINGS[recording].as_bytes().to_vec();
        let at = at.index(wire.len());
        wire.splice(at..(at + junk.len()).min(wire.len()), junk);
        feed_all(&mut codec(), &wire);
    }
}

fn call(id: &str, metadata: Option<Value>) -> AssistantPart {
    AssistantPart::Call {
        call_id: id.to_owned(),
        name: "weather".to_owned(),
        arguments: Map::from_iter([("city".to_owned(), json!("Oslo"))]),
        metadata,
    }
}

fn answer(id: &str, parts: Vec<AnswerPart>) -> Answer {
    Answer {
        call_id: id.to_owned(),
        name: "weather".to_owned(),
        parts,
        is_error: false,
    }
}

fn reasoning(text: &str) -> AssistantPart {
    AssistantPart::Reasoning {
        text: text.to_owned(),
        metadata: Some(json!({ "openai_chat": { "field": "reasoning_content" } })),
    }
}

#[test]
fn a_request_says_all_that_was_said() {
    let image = AnswerPart::Image {
        media_type: "image/png".to_owned(),
        data: "QUFB".to_owned(),
    };
    let text = |it: &str| AssistantPart::Text {
        text: it.to_owned(),
        metadata: None,
    };
    let theirs = json!({ "openai_chat": { "id": "call_a", "extra_content": { "s": 1 } } });
    let messages = vec![
        Message::User {
            parts: vec![UserPart::Text("hi".to_owned())],
        },
        Message::Assistant {
            parts: vec![reasoning("forgotten"), text("Hello"), text(".")],
        },
        Message::User {
            parts: vec![
                UserPart::Text("what is it?".to_owned()),
                UserPart::Image {
                    media_type: "image/jpeg".to_owned(),
                    data: "QkJC".to_owned(),
                },
            ],
        },
        Message::Assistant {
            parts: vec![
                reasoning("kept"),
                call("c1", Some(theirs.clone())),
                call("c2", Some(theirs)),
                call("c3", None),
            ],
        },
        Message::Answers {
            answers: vec![
                answer(
                    "c1",
                    vec![AnswerPart::Text("rain".to_owned()), image.clone()],
                ),
                answer("c2", vec![image]),
                answer("c3", vec![AnswerPart::Text("sun".to_owned())]),
            ],
        },
    ];
    let request = ModelRequest {
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
            reasoning_effort: Some("low".to_owned()),
            ..ModelOptions::default()
        },
    };
    let encoded = codec().request(&request);
    assert_eq!(encoded.path, "chat/completions");
    expect![[r#"
        {
          "max_tokens": 100,
          "messages": [
            {
              "content": "be kind",
              "role": "system"
            },
            {
              "content": "hi",
              "role": "user"
            },
            {
              "content": "Hello.",
              "role": "assistant"
            },
            {
              "content": [
                {
                  "text": "what is it?",
                  "type": "text"
                },
                {
                  "image_url": {
                    "url": "data:image/jpeg;base64,QkJC"
                  },
                  "type": "image_url"
                }
              ],
              "role": "user"
            },
            {
              "content": null,
              "reasoning_content": "kept",
              "role": "assistant",
              "tool_calls": [
                {
                  "extra_content": {
                    "s": 1
                  },
                  "function": {
                    "arguments": "{\"city\":\"Oslo\"}",
                    "name": "weather"
                  },
                  "id": "call_a",
                  "type": "function"
                },
                {
                  "extra_content": {
                    "s": 1
                  },
                  "function": {
                    "arguments": "{\"city\":\"Oslo\"}",
                    "name": "weather"
                  },
                  "id": "call00002",
                  "type": "function"
                },
                {
                  "function": {
                    "arguments": "{\"city\":\"Oslo\"}",
                    "name": "weather"
                  },
                  "id": "call00003",
                  "type": "function"
                }
              ]
            },
            {
              "content": "rain",
              "role": "tool",
              "tool_call_id": "call_a"
            },
            {
              "content": "(an image, which follows)",
              "role": "tool",
              "tool_call_id": "call00002"
            },
            {
              "content": "sun",
              "role": "tool",
              "tool_call_id": "call00003"
            },
            {
              "content": [
                {
                  "text": "The images of these results:",
                  "type": "text"
                },
                {
                  "image_url": {
                    "url": "data:image/png;base64,QUFB"
                  },
                  "type": "image_url"
                },
                {
                  "image_url": {
                    "url": "data:image/png;base64,QUFB"
                  },
                  "type": "image_url"
                }
              ],
              "role": "user"
            }
          ],
          "model": "m",
          "reasoning_effort": "low",
          "stream": true,
          "stream_options": {
            "include_usage": true
          },
          "temperature": 0.5,
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
    let mut openai = codec();
    openai.is_openai = true;
    assert_eq!(openai.request(&request).body["max_completion_tokens"], 100);
}
