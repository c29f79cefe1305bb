//! Chats over HTTP, with the scripted model.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use orchestrator::ui::{Chunk, Reader, STREAM_END, UiMessage};
use scripted_model::{Options, ScriptedModel, Step, ToolCall, Turn};
use serde_json::{Value, json};

use super::{Answer, House, ask, with_token};

const MODEL: &str = "scripted";

struct Bed {
    house: House,
    model: ScriptedModel,
    /// The path of a chat.
    chat: String,
}

impl Bed {
    async fn new() -> Self {
        let house = House::new().await;
        let model = ScriptedModel::start(Options::default()).await.unwrap();
        let provider = json!({ "kind": "openai", "base_url": model.openai_url() });
        let provider = house
            .owner("POST", "/api/v1/providers", &provider.to_string())
            .await
            .json();
        let begin = json!({ "model": { "provider": provider["id"], "model": MODEL } });
        let chat = house
            .owner("POST", "/api/v1/chats", &begin.to_string())
            .await;
        assert_eq!(chat.status, StatusCode::CREATED, "{}", chat.body);
        let id = chat.json()["id"].as_str().unwrap().to_owned();
        Self {
            chat: format!("/api/v1/chats/{id}"),
            house,
            model,
        }
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let path = format!("{}{path}", self.chat);
        self.house.owner(method, &path, &body).await
    }

    async fn send(&self, text: &str) -> Value {
        let sent = self
            .ask("POST", "/messages", &json!({ "text": text }))
            .await;
        assert_eq!(sent.status, StatusCode::OK, "{}", sent.body);
        sent.json()
    }

    fn following(&self, path: &str, last_event_id: Option<&str>) -> Request<Body> {
        let mut request = with_token(ask("GET", path), &self.house.owner);
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        request.body(Body::empty()).unwrap()
    }

    /// Reads a stream to its end.
    async fn follow(&self, path: &str, last_event_id: Option<&str>) -> Answer {
        let followed = self.house.send(self.following(path, last_event_id));
        let followed = tokio::time::timeout(Duration::from_secs(30), followed).await;
        followed.expect("the stream ends")
    }

    async fn end(self) {
        self.house.end().await;
        self.model.stop().await;
    }
}

/// Reads the events that are whole in a part of a stream. Returns the last identifier among them, and
/// whether the stream's end is.
fn read(reader: &mut Reader, bytes: &[u8]) -> (Option<String>, bool) {
    let text = String::from_utf8_lossy(bytes);
    let Some((whole, _)) = text.rsplit_once("\n\n") else {
        return (None, false);
    };
    let (mut id, mut is_over) = (None, false);
    for event in whole.split("\n\n") {
        for line in event.lines() {
            if let Some(text) = line.strip_prefix("id: ") {
                id = Some(text.to_owned());
            }
            match line.strip_prefix("data: ") {
                Some(STREAM_END) => is_over = true,
                Some(data) => {
                    let chunk: Chunk = serde_json::from_str(data).unwrap();
                    reader.apply(chunk);
                }
                None => {}
            }
        }
    }
    (id, is_over)
}

fn whole(bytes: &[u8]) -> UiMessage {
    let mut reader = Reader::new("");
    let (_, is_over) = read(&mut reader, bytes);
    assert!(is_over);
    assert_eq!(reader.ignored, 0);
    reader.message
}

#[tokio::test]
async fn a_chat_is_begun_listed_found_changed_and_deleted() {
    let bed = Bed::new().await;
    bed.model.script(MODEL, vec![Turn::text("Lyon, I think")]);
    let sent = bed.send("Where is the conference?").await;
    let run = sent["run"].as_str().unwrap();
    bed.follow(&format!("/api/v1/runs/{run}/stream"), None)
        .await;

    let list = bed.house.owner("GET", "/api/v1/chats", "").await.json();
    assert_eq!(list["chats"][0]["title"], "Where is the conference?");
    assert_eq!(list["chats"][0]["status"], "idle");
    assert_eq!(list["next"], Value::Null);
    let found = bed.house.owner("GET", "/api/v1/chats?q=lyon", "").await;
    let found = found.json();
    assert!(
        found["chats"][0]["excerpt"]
            .as_str()
            .unwrap()
            .contains("Lyon")
    );
    let found = bed.house.owner("GET", "/api/v1/chats?q=paris", "").await;
    assert_eq!(found.json()["chats"], json!([]));

    let changed = bed.ask("PATCH", "", &json!({ "title": "The trip" })).await;
    assert_eq!(changed.json()["title"], "The trip");
    let shown = bed.ask("GET", "", &Value::Null).await.json();
    assert_eq!(shown["messages"].as_array().unwrap().len(), 2);
    assert_eq!(shown["messages"][0]["role"], "user");
    let answer = &shown["messages"][1];
    assert_eq!(answer["state"], "complete");
    assert_eq!(answer["id"], sent["answer"]);
    assert_eq!(answer["metadata"]["model"], MODEL);
    assert!(answer["ended_at_ms"].is_u64());
    assert_eq!(shown["run"], Value::Null);

    let tools = bed.ask("GET", "/tools", &Value::Null).await.json();
    let names = tools["tools"].as_array().unwrap();
    assert!(names.iter().any(|it| it["name"] == "archestra__set_memory"));
    let off =
        json!({ "tools": [{ "server": "archestra", "tool": "set_memory", "enabled": false }] });
    let set = bed.ask("PUT", "/tools", &off).await.json();
    let is_off = |it: &&Value| it["enabled"] == false;
    let off: Vec<&Value> = set["tools"]
        .as_array()
        .unwrap()
        .iter()
        .filter(is_off)
        .collect();
    assert_eq!(off[0]["tool"], "set_memory");
    let wrong = json!({ "tools": [{ "server": "x", "tool": "y", "enabled": true }] });
    let refused = bed.ask("PUT", "/tools", &wrong).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.body.contains("x__y"), "{}", refused.body);

    let gone = bed.ask("DELETE", "", &Value::Null).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let gone = bed.ask("GET", "", &Value::Null).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    bed.end().await;
}

#[tokio::test]
async fn a_message_can_be_answered_with_the_stream_of_its_run() {
    let bed = Bed::new().await;
    bed.model.script(MODEL, vec![Turn::text("a b c")]);
    let path = format!("{}/messages", bed.chat);
    let request = with_token(ask("POST", &path), &bed.house.owner)
        .header(header::ACCEPT, "text/event-stream")
        .body(Body::from(r#"{"text":"letters"}"#))
        .unwrap();
    let answer = bed.house.send(request).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.header("x-vercel-ai-ui-message-stream"), "v1");
    let message = whole(answer.body.as_bytes());
    let messages = bed.ask("GET", "/messages", &Value::Null).await.json();
    let stored = &messages["messages"][1];
    assert_eq!(stored["id"], message.id.as_str());
    assert_eq!(
        stored["parts"],
        serde_json::to_value(&message.parts).unwrap()
    );
    let nothing = bed.follow(&format!("{}/stream", bed.chat), None).await;
    assert_eq!(nothing.status, StatusCode::NO_CONTENT);
    bed.end().await;
}

#[tokio::test]
async fn wherever_a_stream_is_cut_its_rest_makes_the_same_message() {
    let bed = Bed::new().await;
    let call = ToolCall::new("missing__tool", json!({ "a": "ü" }));
    let memory = json!({ "name": "colour", "value": "grün" });
    bed.model.script(
        MODEL,
        vec![
            Turn::of([
                Step::Reasoning("Let me think.".to_owned()),
                Step::Text("First ".to_owned()),
                Step::Calls(vec![call, ToolCall::new("archestra__set_memory", memory)]),
            ]),
            Turn::text("Zażółć gęślą jaźń."),
        ],
    );
    let run = bed.send("go").await["run"].as_str().unwrap().to_owned();
    let live = bed.follow(&format!("{}/stream", bed.chat), None).await;
    let path = format!("/api/v1/runs/{run}/stream");
    let all = bed.follow(&path, None).await.body.into_bytes();
    let expected = whole(&all);
    if live.status == StatusCode::OK {
        assert_eq!(whole(live.body.as_bytes()), expected);
    }
    assert!(6 < expected.parts.len(), "{expected:?}");
    for cut in 0..all.len() {
        let mut reader = Reader::new("");
        let (id, _) = read(&mut reader, &all[..cut]);
        if id.is_none() {
            reader = Reader::new("");
        }
        let path = format!("{}/stream", bed.chat);
        let rest = match &id {
            Some(id) => bed.follow(&path, Some(id)).await.body,
            None => String::from_utf8(all.clone()).unwrap(),
        };
        let (_, is_over) = read(&mut reader, rest.as_bytes());
        assert!(is_over, "{cut}");
        assert_eq!(reader.message, expected, "cut after {cut} bytes");
    }
    bed.end().await;
}

#[tokio::test]
async fn a_run_is_stopped_and_goes_on_and_what_waits_is_taken_back() {
    let bed = Bed::new().await;
    let held = Turn::of([
        Step::Text("as far ".to_owned()),
        Step::Hold("never".to_owned()),
    ]);
    bed.model.script(MODEL, vec![held, Turn::text("as this")]);
    let first = bed.send("one").await;
    let second = bed.send("two").await;
    assert_eq!(second["run"], Value::Null);
    let shown = bed.ask("GET", "", &Value::Null).await.json();
    assert_eq!(shown["status"], "running");
    assert_eq!(shown["run"]["message"], first["answer"]);
    assert_eq!(shown["queued"][0]["text"], "two");
    let queued = format!("/queue/{}", second["message"].as_str().unwrap());
    let removed = bed.ask("DELETE", &queued, &Value::Null).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    let again = bed.ask("DELETE", &queued, &Value::Null).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    let busy = bed.ask("POST", "/resume", &Value::Null).await;
    assert_eq!(busy.status, StatusCode::CONFLICT);

    let mut counts = bed.model.counts();
    counts.wait_for(|it| it.open_answers == 1).await.unwrap();
    let stopped = bed.ask("POST", "/stop", &Value::Null).await;
    assert_eq!(stopped.status, StatusCode::NO_CONTENT);
    let run = first["run"].as_str().unwrap();
    let path = format!("/api/v1/runs/{run}");
    bed.follow(&format!("{path}/stream"), None).await;
    assert_eq!(
        bed.house.owner("GET", &path, "").await.json()["state"],
        "stopped"
    );
    let resumed = bed.ask("POST", "/resume", &Value::Null).await;
    assert_eq!(resumed.json()["run"], run, "{}", resumed.body);
    let all = bed.follow(&format!("{path}/stream"), None).await;
    let texts: Vec<String> = serde_json::to_value(whole(all.body.as_bytes()).parts)
        .unwrap()
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| Some(it["text"].as_str()?.to_owned()))
        .collect();
    assert_eq!(texts.last().unwrap(), "as this");

    let no_question = json!({ "action": "decline" });
    let answered = bed.ask("POST", "/elicitations/x", &no_question).await;
    assert_eq!(answered.status, StatusCode::CONFLICT);
    let rerun = format!("/messages/{}/rerun", first["answer"].as_str().unwrap());
    bed.model.script(MODEL, vec![Turn::text("once more")]);
    let sent = bed.ask("POST", &rerun, &json!({})).await.json();
    let run = sent["run"].as_str().unwrap();
    bed.follow(&format!("/api/v1/runs/{run}/stream"), None)
        .await;
    let shown = bed.ask("GET", "/messages", &Value::Null).await.json();
    let siblings = json!([first["answer"], sent["answer"]]);
    assert_eq!(shown["messages"][1]["siblings"], siblings);
    let show = format!("/messages/{}/show", first["answer"].as_str().unwrap());
    let showing = bed.ask("POST", &show, &Value::Null).await;
    assert_eq!(showing.status, StatusCode::NO_CONTENT, "{}", showing.body);
    let shown = bed.ask("GET", "/messages", &Value::Null).await.json();
    assert_eq!(shown["messages"][1]["id"], first["answer"]);
    bed.end().await;
}

#[tokio::test]
async fn whoever_reads_a_chat_that_is_deleted_is_let_go() {
    let bed = Bed::new().await;
    let held = Turn::of([Step::Hold("never".to_owned())]);
    bed.model.script(MODEL, vec![held]);
    bed.send("one").await;
    let mut counts = bed.model.counts();
    counts.wait_for(|it| it.open_answers == 1).await.unwrap();
    let path = format!("{}/stream", bed.chat);
    let (followed, deleted) = tokio::join!(bed.follow(&path, None), async {
        tokio::task::yield_now().await;
        bed.ask("DELETE", "", &Value::Null).await
    });
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert!(followed.body.ends_with("data: [DONE]\n\n") || followed.status != StatusCode::OK);
    counts.wait_for(|it| it.open_answers == 0).await.unwrap();
    bed.end().await;
}

#[tokio::test]
async fn memories_are_set_listed_and_deleted() {
    let house = House::new().await;
    let path = "/api/v1/memories/favourite%20colour";
    let set = house.owner("PUT", path, r#"{"value":"green"}"#).await;
    assert_eq!(set.json()["name"], "favourite colour", "{}", set.body);
    let list = house.owner("GET", "/api/v1/memories", "").await.json();
    assert_eq!(list["memories"][0]["value"], "green");
    let gone = house.owner("DELETE", path, "").await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let gone = house.owner("DELETE", path, "").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    house.end().await;
}
