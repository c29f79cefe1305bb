//! Scripts, keys, what is recorded, and the end.

use http_body_util::BodyExt as _;
use scripted_model::{Options, ScriptedModel, Step, Turn};
use serde_json::{Value, json};

use crate::{
    client::{LIMIT, ask, get, open, question},
    model,
};

async fn say(model: &ScriptedModel, name: &str) -> (u16, String) {
    let url = format!("{}/chat/completions", model.openai_url());
    let answer = ask(&url, "POST", None, &question(name, "hi", false)).await;
    let body = answer.json();
    let text = body["choices"][0]["message"]["content"].as_str();
    let text = text.or_else(|| body["error"]["message"].as_str());
    (answer.status, text.unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_script_is_played_once_or_for_ever() {
    let model = model().await;
    let turns = || vec![Turn::text("one"), Turn::text("two")];
    model.script("once", turns());
    model.script_forever("again", turns());
    assert_eq!(say(&model, "once").await.1, "one");
    assert_eq!(say(&model, "once").await.1, "two");
    let over = (500, "the script of `once` is over after 2 turns".to_owned());
    assert_eq!(say(&model, "once").await, over);
    for expected in ["one", "two", "one"] {
        assert_eq!(say(&model, "again").await.1, expected);
    }
    model.script_by("by", |it| Turn::text(it.question().to_uppercase()));
    assert_eq!(say(&model, "by").await.1, "HI");
}

#[tokio::test]
async fn what_was_asked_is_kept() {
    let model = model().await;
    get(&format!("{}/api/version", model.url)).await;
    say(&model, "demo").await;
    assert_eq!(model.requests().len(), 2);
    let chats = model.chats();
    assert_eq!(chats.len(), 1);
    assert_eq!(chats[0].body["messages"][0]["content"], "hi");
    assert_eq!((chats[0].status, &*chats[0].method), (200, "POST"));
    let counts = *model.counts().borrow();
    assert_eq!((counts.requests, counts.chats), (2, 1));
}

#[tokio::test]
async fn a_key_is_asked_for_where_there_is_one() {
    let options = Options {
        api_key: Some("right".to_owned()),
        ..Options::default()
    };
    let model = ScriptedModel::start(options).await.unwrap();
    let url = format!("{}/models", model.openai_url());
    for (key, status) in [(None, 401), (Some("wrong"), 401), (Some("right"), 200)] {
        assert_eq!(
            ask(&url, "GET", key, &Value::Null).await.status,
            status,
            "{key:?}"
        );
    }
    assert_eq!(say(&model, "demo").await.0, 401);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let options = Options {
        request_bytes_max: 10,
        ..Options::default()
    };
    let model = ScriptedModel::start(options).await.unwrap();
    let url = format!("{}/api/chat", model.url);
    let answer = ask(&url, "POST", None, &json!({ "model": "demo" })).await;
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn an_answer_holds_until_it_is_released() {
    let model = model().await;
    let steps = [
        Step::Text("before".to_owned()),
        Step::Hold("gate".to_owned()),
        Step::Text("after".to_owned()),
    ];
    model.script("m", vec![Turn::of(steps)]);
    let url = format!("{}/api/chat", model.url);
    let mut answer = open(&url, "POST", None, &question("m", "hi", true)).await;
    let mut next = async || {
        let frame = tokio::time::timeout(LIMIT, answer.response.frame())
            .await
            .unwrap();
        String::from_utf8(frame.unwrap().unwrap().into_data().unwrap().to_vec()).unwrap()
    };
    assert!(next().await.contains("before"));
    assert_eq!(model.counts().borrow().open_answers, 1);
    model.release("gate");
    assert!(next().await.contains("after"));
}

#[tokio::test]
async fn nothing_is_left_after_a_stop() {
    let model = model().await;
    let counts = model.counts();
    let url = format!("{}/api/chat", model.url);
    let mut stalled = open(&url, "POST", None, &question("scenario:stall", "hi", true)).await;
    tokio::time::timeout(LIMIT, model.stop()).await.unwrap();
    let left = *counts.borrow();
    assert_eq!((left.open_answers, left.open_connections), (0, 0));
    let cut = async { while let Some(Ok(_)) = stalled.response.frame().await {} };
    tokio::time::timeout(LIMIT, cut).await.unwrap();
}

#[test]
fn it_runs_in_a_thread_of_its_own() {
    let model = ScriptedModel::start_in_thread(Options::default()).unwrap();
    let counts = model.counts();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let version = runtime.block_on(get(&format!("{}/api/version", model.url)));
    assert_eq!(version.status, 200);
    let port = model.url.rsplit(':').next().unwrap().parse().unwrap();
    let taken = Options {
        port,
        ..Options::default()
    };
    assert!(ScriptedModel::start_in_thread(taken).is_err());
    drop(model);
    assert_eq!(counts.borrow().open_connections, 0);
}
