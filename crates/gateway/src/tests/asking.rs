//! Questions of servers to the clients that their calls belong to.

use std::time::Duration;

use serde_json::{Value, json};

use super::{bed::*, client::*};
use crate::{CallTarget, Scope, Settings};

/// Asks `method` in the middle of each call, and answers the call with what it was told.
fn asks(method: &'static str, params: Value) -> impl Fn(Peer) -> Pinned + Send + Sync + 'static {
    move |mut peer| {
        let params = params.clone();
        Box::pin(async move {
            while let Some(call) = peer.next_of("tools/call").await {
                let id = peer.ask(method, params.clone()).await;
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
        })
    }
}

type Pinned = std::pin::Pin<Box<dyn Future<Output = String> + Send>>;

#[tokio::test(start_paused = true)]
async fn each_question_reaches_the_client_of_the_call_and_its_answer_the_server() {
    for (method, answer) in [
        (
            "elicitation/create",
            json!({"action": "accept", "content": {"n": 1}}),
        ),
        (
            "sampling/createMessage",
            json!({"role": "assistant", "x": [null]}),
        ),
        ("roots/list", json!({"roots": [{"uri": "file:///"}]})),
    ] {
        let bed = Bed::new();
        bed.add(
            "a",
            &Lists::new(),
            asks(method, json!({"unknown": {"x": 1}})),
        );
        let (client, bystander) = (bed.client().await, bed.client().await);
        let mut beside = bystander.listen();
        let mut stream = client
            .open(7, "tools/call", json!({"name": "a__look"}))
            .await;
        let question = stream.next().await.unwrap();
        assert_eq!(question["method"], method);
        assert_eq!(question["params"], json!({"unknown": {"x": 1}}));
        // An answer of somebody else, and one to nothing.
        bystander.answer(&question, json!({"stolen": true})).await;
        client.answer(&json!({"id": 4711}), json!({})).await;
        client.answer(&question, answer.clone()).await;
        let reply = stream.next().await.unwrap();
        assert_eq!(reply["id"], 7);
        assert_eq!(
            reply["result"]["told"],
            json!({"jsonrpc": "2.0", "id": 101, "result": answer})
        );
        assert!(stream.next().await.is_none());
        assert_eq!(beside.rest(), Vec::<Value>::new());
        bed.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_clients_refusal_reaches_the_server() {
    let bed = Bed::new();
    bed.add("a", &Lists::new(), asks("roots/list", json!({})));
    let client = bed.client().await;
    let mut stream = client
        .open(7, "tools/call", json!({"name": "a__look"}))
        .await;
    let question = stream.next().await.unwrap();
    let error = json!({"code": -1, "message": "no", "data": {"x": 1}});
    let body = json!({"jsonrpc": "2.0", "id": question["id"], "error": error});
    client.post(&body.to_string()).await;
    let reply = stream.next().await.unwrap();
    assert_eq!(reply["result"]["told"]["error"], error);
    bed.end().await;
}

#[track_caller]
fn assert_refused(told: &Value, code: i64, message: &str) {
    let error = &told["told"]["error"];
    assert_eq!(
        (error["code"].as_i64(), error["message"].as_str()),
        (Some(code), Some(message))
    );
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_asked_is_not_asked() {
    let bed = Bed::new();
    bed.add(
        "a",
        &Lists::new(),
        asks("sampling/createMessage", json!({})),
    );
    bed.add("b", &Lists::new(), asks("tasks/create", json!({})));
    let few = json!({"elicitation": {}, "sampling": null});
    let client = Client::begin(&bed, caller(), Scope::All, few).await;
    let reply = client.call("a__look", json!({})).await;
    assert_refused(
        reply.result(),
        -32601,
        "the client that made this call does not support sampling",
    );
    let reply = client.call("b__look", json!({})).await;
    assert_refused(reply.result(), -32601, "`tasks/create` is not known");
    let outcome = bed
        .gateway
        .call(&caller(), CallTarget::Advertised("a__look"), None)
        .await
        .unwrap();
    let told: Value = serde_json::from_str(outcome.result.get()).unwrap();
    assert_refused(
        &told,
        -32600,
        "`sampling/createMessage` came while the call under way was made by a person who cannot be asked there",
    );
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_question_that_could_be_of_several_is_asked_of_nobody() {
    // Two clients; then a client and a person.
    for with_person in [false, true] {
        let bed = Bed::new();
        bed.add("a", &Lists::new(), |mut peer| async move {
            let first = peer.next_of("tools/call").await.unwrap();
            let second = peer.next_of("tools/call").await.unwrap();
            peer.ask("roots/list", json!({})).await;
            let told = peer.next().await.unwrap();
            for call in [first, second] {
                peer.answer(&call, json!({"told": told.value})).await;
            }
            while peer.next().await.is_some() {}
            String::new()
        });
        let client = bed.client().await;
        let first = client.spawn(&bed, 1, "tools/call", json!({"name": "a__look"}));
        let second = if with_person {
            let gateway = bed.gateway.clone();
            bed.tasks.spawn(async move {
                let target = CallTarget::Advertised("a__look");
                let outcome = gateway.call(&caller(), target, None).await.unwrap();
                serde_json::from_str(outcome.result.get()).unwrap()
            })
        } else {
            let other = bed.client().await;
            bed.tasks
                .spawn(async move { other.call("a__look", json!({})).await.result().clone() })
        };
        let refusal = "`roots/list` came while several clients had calls under way, so it cannot be told whom to ask";
        let first = first.await.unwrap();
        assert!(first.before.is_empty());
        assert_refused(first.result(), -32600, refusal);
        assert_refused(&second.await.unwrap(), -32600, refusal);
        bed.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_calls_of_one_client_are_one_clients() {
    let bed = Bed::new();
    bed.add("a", &Lists::new(), |mut peer| async move {
        let first = peer.next_of("tools/call").await.unwrap();
        let second = peer.next_of("tools/call").await.unwrap();
        peer.ask("roots/list", json!({})).await;
        // The call that the question may have been sent with is over; the other is not.
        peer.answer(&first, json!({})).await;
        let told = peer.next().await.unwrap();
        peer.answer(&second, json!({"told": told.value})).await;
        while peer.next().await.is_some() {}
        String::new()
    });
    let client = bed.client().await;
    let mut beside = client.listen();
    let first = client.spawn(&bed, 1, "tools/call", json!({"name": "a__look"}));
    bed.connect.wait_begun(1).await;
    let second = client.spawn(&bed, 2, "tools/call", json!({"name": "a__look"}));
    let first = first.await.unwrap();
    // It came with one of the two.
    let question = match first.before.first() {
        Some(question) => question.clone(),
        None => json!({"id": "archestra-1"}),
    };
    client.answer(&question, json!({"roots": []})).await;
    let second = second.await.unwrap();
    assert_eq!(second.result()["told"]["result"], json!({"roots": []}));
    assert_eq!(first.before.len() + second.before.len(), 1);
    assert_eq!(beside.rest(), Vec::<Value>::new());
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn while_nobody_calls_nobody_is_asked() {
    let bed = Bed::new();
    bed.add("a", &Lists::new(), |mut peer| async move {
        let call = peer.next_of("tools/call").await.unwrap();
        peer.answer(&call, json!({})).await;
        peer.ask("elicitation/create", json!({})).await;
        let told = peer.next().await.unwrap();
        let call = peer.next_of("tools/call").await.unwrap();
        peer.answer(&call, json!({"told": told.value})).await;
        while peer.next().await.is_some() {}
        String::new()
    });
    let client = bed.client().await;
    let mut beside = client.listen();
    client.call("a__look", json!({})).await.result();
    let reply = client.call("a__look", json!({})).await;
    assert_refused(
        reply.result(),
        -32600,
        "`elicitation/create` came while no client had a call under way",
    );
    assert_eq!(beside.rest(), Vec::<Value>::new());
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_question_holds_the_deadline_of_its_call_and_has_one_of_its_own() {
    let bed = Bed::new();
    bed.add("a", &Lists::new(), asks("elicitation/create", json!({})));
    let client = bed.client().await;
    let mut stream = client
        .open(7, "tools/call", json!({"name": "a__look"}))
        .await;
    let question = stream.next().await.unwrap();
    let began = tokio::time::Instant::now();
    let withdrawn = stream.next().await.unwrap();
    assert_eq!(
        began.elapsed().as_secs(),
        600,
        "longer than the call's own limit"
    );
    assert_eq!(withdrawn["method"], "notifications/cancelled");
    assert_eq!(
        withdrawn["params"],
        json!({"requestId": question["id"], "reason": "it took too long"})
    );
    let reply = stream.next().await.unwrap();
    assert_refused(
        &reply["result"],
        -32000,
        "the client did not answer within 600s (`question_timeout`)",
    );
    // Too late.
    client.answer(&question, json!({})).await;
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_takes_its_question_back() {
    let bed = Bed::new();
    bed.add("a", &Lists::new(), |mut peer| async move {
        while let Some(call) = peer.next_of("tools/call").await {
            let id = peer.ask("elicitation/create", json!({})).await;
            peer.tell("notifications/cancelled", json!({"requestId": id}))
                .await;
            // Its identifier is free again.
            tokio::time::sleep(Duration::from_secs(1)).await;
            peer.answer(&call, json!({})).await;
        }
        String::new()
    });
    let client = bed.client().await;
    for _ in 0..2 {
        let reply = client.call("a__look", json!({})).await;
        let [question, withdrawn] = reply.before.as_slice() else {
            panic!("{reply:?}");
        };
        assert_eq!(
            withdrawn["params"],
            json!({"requestId": question["id"], "reason": "the server took it back"})
        );
        reply.result();
    }
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_question_is_over_with_its_call_its_session_and_its_server() {
    let bed = Bed::new();
    let (refusals, mut refused) = tokio::sync::mpsc::unbounded_channel();
    bed.add("a", &Lists::new(), move |mut peer| {
        let refusals = refusals.clone();
        async move {
            while let Some(got) = peer.next().await {
                match got.method() {
                    "tools/call" if got.params()["arguments"]["end"] == true => {
                        return "it has exited".to_owned();
                    }
                    "tools/call" => drop(peer.ask("elicitation/create", json!({})).await),
                    "" => refusals
                        .send(got.value["error"]["message"].clone())
                        .unwrap(),
                    _ => {}
                }
            }
            String::new()
        }
    });
    let client = bed.client().await;
    let mut stream = client
        .open(1, "tools/call", json!({"name": "a__look"}))
        .await;
    let question = stream.next().await.unwrap();
    client
        .tell("notifications/cancelled", json!({"requestId": 1}))
        .await;
    assert_eq!(
        refused.recv().await.unwrap(),
        "the call that it belongs to is over"
    );
    let mut beside = client.listen();
    let withdrawn = match stream.next().await {
        Some(withdrawn) => withdrawn,
        None => beside.next().await.unwrap(),
    };
    assert_eq!(withdrawn["params"]["requestId"], question["id"]);
    let mut stream = client
        .open(2, "tools/call", json!({"name": "a__look"}))
        .await;
    stream.next().await.unwrap();
    let session = client.session.as_deref();
    bed.gateway
        .end_session(&client.scope, &client.caller, session)
        .unwrap();
    assert_eq!(
        refused.recv().await.unwrap(),
        "the client's session is over"
    );
    assert!(stream.next().await.is_none());
    let client = bed.client().await;
    let mut stream = client
        .open(3, "tools/call", json!({"name": "a__look"}))
        .await;
    let question = stream.next().await.unwrap();
    let end = client.request(
        4,
        "tools/call",
        json!({"name": "a__look", "arguments": {"end": true}}),
    );
    assert_eq!(
        end.await.error().1,
        "server `a` ended while the request was under way: it has exited"
    );
    let (mut withdrawn, mut answered) = (false, false);
    while let Some(message) = stream.next().await {
        withdrawn |=
            message["params"] == json!({"requestId": question["id"], "reason": "the server ended"});
        answered |= message["id"] == 3;
    }
    assert!(answered && withdrawn);
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_hung_up_is_asked_on_its_other_stream() {
    let bed = Bed::new();
    let (go, gone) = tokio::sync::watch::channel(false);
    bed.add("a", &Lists::new(), move |mut peer| {
        let mut gone = gone.clone();
        async move {
            let call = peer.next_of("tools/call").await.unwrap();
            let token = call.params()["_meta"]["progressToken"].clone();
            peer.tell(
                "notifications/progress",
                json!({"progressToken": token, "progress": 1}),
            )
            .await;
            gone.wait_for(|it| *it).await.unwrap();
            peer.ask("roots/list", json!({})).await;
            let told = peer.next().await.unwrap();
            peer.answer(&call, json!({"told": told.value})).await;
            while peer.next().await.is_some() {}
            String::new()
        }
    });
    let client = bed.client().await;
    let params = json!({"name": "a__look", "_meta": {"progressToken": 1}});
    let stream = client.open(1, "tools/call", params).await;
    drop(stream);
    tokio::time::sleep(Duration::from_secs(1)).await;
    go.send_replace(true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    // It was kept until the client listens.
    let mut beside = client.listen();
    let question = beside.next().await.unwrap();
    assert_eq!(question["method"], "roots/list");
    client.answer(&question, json!({"roots": []})).await;
    bed.records.wait_for("after a/look allowed ok").await;
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn progress_with_a_question_reaches_its_server_under_the_servers_own_token() {
    let bed = Bed::new();
    let script = |mut peer: Peer| async move {
        while let Some(call) = peer.next_of("tools/call").await {
            // Both servers use the same.
            let params = json!({"_meta": {"progressToken": "t", "x": 1}, "message": "?"});
            peer.ask("sampling/createMessage", params).await;
            let progress = peer.next_of("notifications/progress").await.unwrap();
            let told = peer.next().await.unwrap();
            peer.answer(
                &call,
                json!({"progress": progress.params(), "told": told.value["result"]}),
            )
            .await;
        }
        String::new()
    };
    bed.add("a", &Lists::new(), script);
    bed.add("b", &Lists::new(), script);
    let client = bed.client().await;
    let mut streams = Vec::new();
    for (id, tool) in [(1, "a__look"), (2, "b__look")] {
        let mut stream = client.open(id, "tools/call", json!({"name": tool})).await;
        let question = stream.next().await.unwrap();
        assert_eq!(
            question["params"]["_meta"],
            json!({"progressToken": question["id"], "x": 1})
        );
        streams.push((id, stream, question));
    }
    // Not a token that there is: the server's own names nothing here.
    client
        .tell(
            "notifications/progress",
            json!({"progressToken": "t", "progress": 7}),
        )
        .await;
    for (id, mut stream, question) in streams {
        let token = &question["params"]["_meta"]["progressToken"];
        client
            .tell(
                "notifications/progress",
                json!({"progressToken": token, "progress": id}),
            )
            .await;
        client.answer(&question, json!({"of": id})).await;
        let reply = stream.next().await.unwrap();
        assert_eq!(
            reply["result"],
            json!({"progress": {"progressToken": "t", "progress": id}, "told": {"of": id}})
        );
    }
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn questions_are_bounded_per_client_and_per_server() {
    let bed = Bed::with(Settings {
        session_questions_max: 5,
        ..Settings::default()
    });
    bed.add("a", &Lists::new(), |mut peer| async move {
        while let Some(call) = peer.next_of("tools/call").await {
            for _ in 0..100 {
                peer.ask("roots/list", json!({})).await;
            }
            let mut refused = Vec::new();
            for _ in 0..95 {
                refused.push(peer.next().await.unwrap().value["error"]["message"].clone());
            }
            peer.answer(&call, json!({"refused": refused})).await;
        }
        String::new()
    });
    let client = bed.client().await;
    let reply = client.call("a__look", json!({})).await;
    let asked = reply
        .before
        .iter()
        .filter(|it| it["method"] == "roots/list")
        .count();
    assert_eq!(asked, 5);
    for refused in reply.result()["refused"].as_array().unwrap() {
        assert_eq!(
            refused,
            "the client has as many questions open as it may have (`session_questions_max`)"
        );
    }
    // None is left behind when the calls are over.
    let reply = client.call("a__look", json!({})).await;
    assert!(
        reply.before.iter().any(|it| it["method"] == "roots/list"),
        "{reply:?}"
    );
    bed.end().await;
}

/// Over HTTP the stream tells whose affair it is, however many have calls under way.
#[tokio::test(start_paused = true)]
async fn what_comes_on_a_requests_own_stream_is_its_clients() {
    let bed = Bed::new();
    bed.add("a", &Lists::new(), |mut peer| async move {
        let first = peer.next_of("tools/call").await.unwrap();
        let second = peer.next_of("tools/call").await.unwrap();
        let given_up = peer.next_of("notifications/cancelled").await.unwrap();
        let ask = json!({"jsonrpc": "2.0", "id": "q", "method": "roots/list"}).to_string();
        let log = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "error"}});
        let given_up = given_up.params()["requestId"].as_u64();
        peer.write_with(given_up, ask.clone()).await;
        peer.write_with(given_up, log.to_string()).await;
        let refused = peer.next().await.unwrap();
        let refusal = "`roots/list` came while no client had a call under way";
        assert_eq!(refused.value["error"]["message"], refusal);
        let (second_id, first_id) = (second.id().as_u64(), first.id().as_u64());
        peer.write_with(second_id, ask).await;
        peer.write_with(first_id, log.to_string()).await;
        let told = peer.next().await.unwrap();
        for call in [first, second] {
            peer.answer(&call, json!({"told": told.value["result"]})).await;
        }
        while peer.next().await.is_some() {}
        String::new()
    });
    let (one, two, gone) = (bed.client().await, bed.client().await, bed.client().await);
    let mut streams = [one.listen(), two.listen(), gone.listen()];
    let pause = || tokio::time::sleep(Duration::from_secs(1));
    let first = one.spawn(&bed, 1, "tools/call", json!({"name": "a__look"}));
    pause().await;
    let second = bed.tasks.spawn({
        let two = two.clone();
        async move {
            let mut stream = two.open(1, "tools/call", json!({"name": "a__look"})).await;
            let question = stream.next().await.unwrap();
            two.answer(&question, json!({"roots": [2]})).await;
            stream.next().await.unwrap()
        }
    });
    pause().await;
    let third = gone.spawn(&bed, 1, "tools/call", json!({"name": "a__look"}));
    pause().await;
    gone.tell("notifications/cancelled", json!({"requestId": 1}))
        .await;
    let first = first.await.unwrap();
    assert_eq!(first.before.len(), 1);
    assert_eq!(first.before[0]["method"], "notifications/message");
    assert_eq!(
        second.await.unwrap()["result"],
        json!({"told": {"roots": [2]}})
    );
    assert!(third.await.unwrap().before.is_empty());
    for stream in &mut streams {
        assert_eq!(stream.rest(), Vec::<Value>::new());
    }
    bed.end().await;
}
