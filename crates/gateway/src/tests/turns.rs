//! Calls that a model makes in a chat.

use std::time::Duration;

use domain::{Caller, CallerKind, ChatId};
use serde_json::{Value, json, value::RawValue};
use tokio::sync::mpsc;

use super::bed::*;
use crate::{CallError, CallNews, CallOutcome, CallQuestion, CallTarget, Settings};

fn chat(number: u128) -> Caller {
    Caller {
        token: None,
        kind: CallerKind::Chat,
        chat: Some(ChatId::from_uuid(uuid::Uuid::from_u128(number))),
        ..caller()
    }
}

/// A call that is under way.
struct Called {
    news: mpsc::Receiver<CallNews>,
    end: tokio::task::JoinHandle<Result<CallOutcome, CallError>>,
}

fn call(bed: &Bed, caller: Caller) -> Called {
    let (sender, news) = mpsc::channel(8);
    let gateway = bed.gateway.clone();
    let end = bed.tasks.spawn(async move {
        let target = CallTarget::Advertised("a__look");
        gateway.call_in_turn(&caller, target, None, sender).await
    });
    Called { news, end }
}

impl Called {
    async fn question(&mut self) -> CallQuestion {
        match self.news.recv().await {
            Some(CallNews::Question(question)) => question,
            other => panic!("{other:?}"),
        }
    }

    async fn told(self) -> Value {
        let outcome = self.end.await.unwrap().unwrap();
        let result: Value = serde_json::from_str(outcome.result.get()).unwrap();
        result["told"].clone()
    }
}

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap()
}

/// Asks in the middle of each call, and answers the call with what it was told.
async fn asks(mut peer: Peer, method: &'static str) -> String {
    while let Some(call) = peer.next_of("tools/call").await {
        let id = peer.ask(method, json!({"message": "sure?"})).await;
        let told = loop {
            let Some(got) = peer.next().await else {
                return String::new();
            };
            if *got.id() == id && got.method().is_empty() {
                break got;
            }
        };
        peer.answer(&call, json!({"told": told.value})).await;
    }
    String::new()
}

#[tokio::test(start_paused = true)]
async fn a_chat_hears_how_far_its_call_is_and_answers_questions() {
    let bed = Bed::new();
    bed.add("a", &Lists::new(), |mut peer| async move {
        let call = peer.next_of("tools/call").await.unwrap();
        let token = call.params()["_meta"]["progressToken"].clone();
        let progress = json!({"progressToken": token, "progress": 1, "message": "half"});
        peer.tell("notifications/progress", progress).await;
        let id = peer
            .ask("elicitation/create", json!({"message": "sure?"}))
            .await;
        let told = peer.next().await.unwrap();
        assert_eq!(*told.id(), id);
        peer.answer(&call, json!({"told": told.value})).await;
        while peer.next().await.is_some() {}
        String::new()
    });
    let mut called = call(&bed, chat(1));
    match called.news.recv().await {
        Some(CallNews::Progress(params)) => assert!(params.get().contains(r#""message":"half""#)),
        other => panic!("{other:?}"),
    }
    let question = called.question().await;
    assert_eq!(question.params.get(), r#"{"message":"sure?"}"#);
    assert!(question.is_open());
    assert!(question.answer(raw(&json!({"action": "accept", "content": {"n": 1}}))));
    let told = called.told().await;
    assert_eq!(
        told["result"],
        json!({"action": "accept", "content": {"n": 1}})
    );
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_chat_cannot_do_is_refused() {
    for method in ["sampling/createMessage", "roots/list"] {
        let bed = Bed::new();
        bed.add("a", &Lists::new(), move |peer| asks(peer, method));
        let told = call(&bed, chat(1)).told().await;
        assert_eq!(told["error"]["code"], -32601, "{told}");
        bed.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_is_refused_in_time() {
    let bed = Bed::with(Settings {
        question_timeout: Duration::from_secs(60),
        ..Settings::default()
    });
    bed.add("a", &Lists::new(), |peer| asks(peer, "elicitation/create"));
    let mut called = call(&bed, chat(1));
    let question = called.question().await;
    let told = called.told().await;
    assert_eq!(
        told["error"]["message"],
        "nobody answered within 60s (`question_timeout`)"
    );
    assert!(!question.is_open());
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_question_is_refused_and_a_dropped_call_withdraws_it() {
    let bed = Bed::new();
    bed.add("a", &Lists::new(), |peer| asks(peer, "elicitation/create"));
    let mut called = call(&bed, chat(1));
    drop(called.question().await);
    let told = called.told().await;
    assert_eq!(told["error"]["message"], "the run in the chat is over");
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_question_of_two_chats_is_asked_in_none_and_one_of_one_chat_in_it() {
    for (other, asked) in [(2, false), (1, true)] {
        let bed = Bed::new();
        bed.add("a", &Lists::new(), |mut peer| async move {
            let first = peer.next_of("tools/call").await.unwrap();
            let second = peer.next_of("tools/call").await.unwrap();
            peer.ask("elicitation/create", json!({})).await;
            let told = peer.next().await.unwrap();
            for call in [first, second] {
                peer.answer(&call, json!({"told": told.value})).await;
            }
            while peer.next().await.is_some() {}
            String::new()
        });
        let mut first = call(&bed, chat(1));
        let mut second = call(&bed, chat(other));
        if asked {
            let news = tokio::select! {
                Some(news) = first.news.recv() => news,
                Some(news) = second.news.recv() => news,
            };
            let CallNews::Question(question) = news else {
                panic!("{news:?}");
            };
            assert!(question.answer(raw(&json!({"action": "decline"}))));
        }
        for told in [first.told().await, second.told().await] {
            assert_eq!(told["result"]["action"] == "decline", asked, "{told}");
            assert_eq!(told["error"]["code"] == -32600, !asked, "{told}");
        }
        bed.end().await;
    }
}
