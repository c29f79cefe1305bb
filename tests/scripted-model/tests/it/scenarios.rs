//! Every scenario that has a name, in both APIs, streamed and whole.

use std::time::Duration;

use scripted_model::{Options, PREFIX, SCENARIOS, ScriptedModel};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    client::{Answer, LIMIT, ask, get, open, question, with_tool},
    model,
};

const OPENAI: &str = "/v1/chat/completions";
const OLLAMA: &str = "/api/chat";

async fn play(model: &ScriptedModel, path: &str, scenario: &str, stream: bool) -> Answer {
    let body = question(&format!("{PREFIX}{scenario}"), "say \"hi\"", stream);
    let body = with_tool(body, "one__echo");
    ask(
        &format!("{}{path}", model.url),
        "POST",
        None,
        &with_tool(body, "two__echo"),
    )
    .await
}

#[tokio::test]
async fn each_scenario_plays_in_both_apis_streamed_and_whole() {
    let model = model().await;
    for scenario in SCENARIOS {
        // Those that never end have a test of their own; the long one is made short.
        let name = match scenario.name {
            "stall" | "silent" => continue,
            "slow" => "slow?delay=0",
            "huge-arguments" => "huge-arguments?bytes=300000",
            "firehose" => "firehose?tokens=50&rate=0",
            name => name,
        };
        for (path, stream) in [
            (OPENAI, true),
            (OPENAI, false),
            (OLLAMA, true),
            (OLLAMA, false),
        ] {
            let answer = play(&model, path, name, stream).await;
            let is_cut = scenario.name == "cut";
            assert_eq!(answer.whole, !is_cut, "{name} at {path}, {stream}");
            let status = match (scenario.name, stream) {
                ("unauthorized", _) => 401,
                ("missing-model", _) => 404,
                ("rate-limited", _) => 429,
                ("too-long" | "no-tools", _) => 400,
                ("failing", _) | ("error", false) => 500,
                _ => 200,
            };
            assert_eq!(
                answer.status, status,
                "{name} at {path}, {stream}: {}",
                answer.body
            );
            if status != 200 {
                assert!(!answer.json()["error"].is_null(), "{}", answer.body);
            }
        }
    }
}

#[tokio::test]
async fn a_stream_says_what_its_scenario_is_about() {
    #[track_caller]
    fn check(answer: &Answer, has: &[&str], lacks: &[&str]) {
        let body = &answer.body;
        assert!(
            has.iter().all(|it| body.contains(it)),
            "{has:?} are not all in: {body}"
        );
        assert!(
            !lacks.iter().any(|it| body.contains(it)),
            "{lacks:?} are in: {body}"
        );
    }
    let model = model().await;
    let openai = async |scenario| play(&model, OPENAI, scenario, true).await;
    let ollama = async |scenario| play(&model, OLLAMA, scenario, true).await;
    check(
        &openai("cut").await,
        &["half"],
        &["[DONE]", "\"finish_reason\":\"stop\""],
    );
    check(&ollama("cut").await, &["half"], &["\"done\":true"]);
    check(
        &openai("malformed").await,
        &["\"content\":\n\n", "After it.", "[DONE]"],
        &[],
    );
    check(
        &ollama("malformed").await,
        &["\"content\":\n", "After it.", "\"done\":true"],
        &[],
    );
    check(&openai("error").await, &["data: {\"error\":{"], &["[DONE]"]);
    check(
        &ollama("error").await,
        &["{\"error\":\"the model has crashed\"}"],
        &["\"done\":true"],
    );
    check(
        &openai("length").await,
        &["\"finish_reason\":\"length\""],
        &["\"stop\""],
    );
    check(
        &ollama("length").await,
        &["\"done_reason\":\"length\""],
        &["\"stop\""],
    );
    check(&openai("unknown-finish").await, &["\"moon_phase\""], &[]);
    check(
        &openai("dialect").await,
        &["\"reasoning\":", "\r\n\r\n", ": keep-alive", "\"usage\":"],
        &["[DONE]"],
    );
    check(
        &openai("no-ids").await,
        &["\"name\":\"two__echo\""],
        &["\"call_"],
    );
    check(&openai("usage").await, &["Counted."], &["\"usage\""]);
    check(
        &ollama("usage").await,
        &["\"prompt_eval_count\":1200", "\"eval_count\":34"],
        &[],
    );
    check(
        &openai("missing-tool").await,
        &["\"name\":\"no_such_tool\""],
        &[],
    );
    check(
        &openai("whole-calls").await,
        &["{\\\"text\\\":\\\"hi\\\"}", "\"finish_reason\":\"stop\""],
        &["tool_calls\",\"index"],
    );
    check(
        &ollama("broken-arguments").await,
        &["\"arguments\":\"{\\\"text\\\": \\\"never clo\""],
        &[],
    );
    let torn = openai("unicode").await.joined("/choices/0/delta/content");
    assert!(
        torn.starts_with("Zażółć gęślą jaźń, 東京は今") && torn.ends_with("e\u{301}."),
        "{torn}"
    );
    let huge = openai("huge-arguments?bytes=300000").await;
    assert_eq!(
        huge.joined("/choices/0/delta/tool_calls/0/function/arguments")
            .len(),
        300_011
    );
}

#[tokio::test]
async fn rounds_end_after_as_many_calls_as_are_set() {
    let model = model().await;
    let mut body = with_tool(question("scenario:rounds?n=2", "say \"hi\"", false), "echo");
    for round in 0..3 {
        let url = format!("{}{OPENAI}", model.url);
        let answer = ask(&url, "POST", None, &body).await.json();
        let message = answer["choices"][0]["message"].clone();
        let calls = message["tool_calls"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        assert_eq!(calls.len(), usize::from(round < 2), "{message}");
        let messages = body["messages"].as_array_mut().unwrap();
        messages.push(message);
        for call in calls {
            messages.push(json!({ "role": "tool", "tool_call_id": call["id"], "content": "hi" }));
        }
    }
    let last = body["messages"].as_array().unwrap().last().unwrap();
    assert!(
        last["content"]
            .as_str()
            .unwrap()
            .starts_with("After 2 calls"),
        "{last}"
    );
}

#[tokio::test]
async fn a_limit_of_the_rate_says_how_long_and_ends() {
    let model = model().await;
    let answer = play(&model, OPENAI, "rate-limited?after=7&times=1", true).await;
    assert_eq!(
        (
            answer.status,
            answer.headers["retry-after"].to_str().unwrap()
        ),
        (429, "7")
    );
    let again = play(&model, OPENAI, "rate-limited?after=7&times=1", true).await;
    assert_eq!(again.status, 200);
}

#[tokio::test]
async fn a_model_without_tools_answers_when_it_is_offered_none() {
    let model = model().await;
    let url = format!("{}{OLLAMA}", model.url);
    let answer = ask(
        &url,
        "POST",
        None,
        &question("scenario:no-tools", "hi", false),
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn a_stall_and_a_silence_last_until_the_client_leaves() {
    let model = model().await;
    let mut counts = model.counts();
    let mut answers = async |open_answers| {
        let there = counts.wait_for(|it| it.open_answers == open_answers);
        let there = tokio::time::timeout(LIMIT, there).await;
        drop(there.unwrap().unwrap());
    };
    let url = format!("{}{OPENAI}", model.url);
    let stalled = open(&url, "POST", None, &question("scenario:stall", "hi", true)).await;
    assert_eq!(stalled.response.status(), 200);
    let mut silent = JoinSet::new();
    silent.spawn(async move {
        let body = question("scenario:silent", "hi", true);
        open(&url, "POST", None, &body).await;
    });
    answers(2).await;
    // Nobody has got an answer, and the one who leaves is missed.
    silent.abort_all();
    assert!(
        silent
            .join_next()
            .await
            .unwrap()
            .unwrap_err()
            .is_cancelled()
    );
    answers(1).await;
    drop(stalled);
    answers(0).await;
}

#[tokio::test]
async fn a_firehose_keeps_its_rate() {
    let model = model().await;
    let began = std::time::Instant::now();
    let answer = play(&model, OPENAI, "firehose?tokens=100&rate=200", true).await;
    let took = began.elapsed();
    let is_text = |it: &Value| {
        it["choices"][0]["delta"]["content"]
            .as_str()
            .is_some_and(|it| !it.is_empty())
    };
    assert_eq!(answer.chunks().iter().filter(|it| is_text(it)).count(), 100);
    assert!(took >= Duration::from_millis(490), "{took:?}");
}

#[tokio::test]
async fn scenarios_are_listed_where_that_is_wanted() {
    let options = Options {
        list_scenarios: true,
        ..Options::default()
    };
    let model = ScriptedModel::start(options).await.unwrap();
    let listed = get(&format!("{}/models", model.openai_url())).await.body;
    assert!(
        SCENARIOS
            .iter()
            .all(|it| listed.contains(&format!("\"scenario:{}\"", it.name)))
    );
    let unknown = play(&model, OPENAI, "nonsense", true).await;
    assert_eq!(unknown.status, 404);
}
