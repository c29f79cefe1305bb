//! Calls: whose they are, how long they may take, how they are given up and written down.

use std::{sync::atomic::Ordering, time::Duration};

use expect_test::expect;
use serde_json::json;
use tokio::sync::mpsc;

use super::{bed::*, client::*};
use crate::{CallError, CallTarget, PostReply, Scope, Settings};

/// A server whose calls a test answers itself, and what it got.
fn by_hand(bed: &Bed, name: &str) -> mpsc::UnboundedReceiver<(Got, mpsc::UnboundedSender<String>)> {
    by_hand_with(bed, view(name, &Lists::new()))
}

fn by_hand_with(
    bed: &Bed,
    view: crate::ServerView,
) -> mpsc::UnboundedReceiver<(Got, mpsc::UnboundedSender<String>)> {
    let (got, all_got) = mpsc::unbounded_channel();
    bed.script(view.id, &Lists::new(), move |mut peer| {
        let got = got.clone();
        async move {
            let (write, mut written) = mpsc::unbounded_channel();
            loop {
                tokio::select! {
                    biased;
                    line = written.recv() => peer.write(line.unwrap()).await,
                    next = peer.next() => match next {
                        // The test may have ended.
                        Some(next) => drop(got.send((next, write.clone()))),
                        None => return "its input was closed".to_owned(),
                    }
                }
            }
        }
    });
    bed.gateway.put_server(view);
    all_got
}

fn result(got: &Got, result: &serde_json::Value) -> String {
    json!({"jsonrpc": "2.0", "id": got.id(), "result": result}).to_string()
}

#[tokio::test(start_paused = true)]
async fn two_clients_with_one_id_get_their_own_answers() {
    let bed = Bed::new();
    let mut all = by_hand(&bed, "a");
    let (one, two) = (bed.client().await, bed.client().await);
    let first = one.spawn(
        &bed,
        1,
        "tools/call",
        json!({"name": "a__echo", "arguments": {"of": 1}}),
    );
    let (got_first, write) = all.recv().await.unwrap();
    let second = two.spawn(
        &bed,
        1,
        "tools/call",
        json!({"name": "a__echo", "arguments": {"of": 2}}),
    );
    let (got_second, _) = all.recv().await.unwrap();
    assert_ne!(got_first.id(), got_second.id());
    write.send(result(&got_second, &json!({"of": 2}))).unwrap();
    write.send(result(&got_first, &json!({"of": 1}))).unwrap();
    // An answer that nobody waits for, and a second one to the same request.
    write.send(result(&got_first, &json!({"of": 3}))).unwrap();
    assert_eq!(first.await.unwrap().result()["of"], 1);
    assert_eq!(second.await.unwrap().result()["of"], 2);
    assert_eq!(bed.connect.begun(), 1);
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_under_way_in_a_session_is_refused_and_free_afterwards() {
    let bed = Bed::new();
    let mut all = by_hand(&bed, "a");
    let client = bed.client().await;
    let first = client.spawn(&bed, "x", "tools/call", json!({"name": "a__echo"}));
    let (got, write) = all.recv().await.unwrap();
    let again = client
        .request("x", "tools/call", json!({"name": "a__echo"}))
        .await;
    assert_eq!(
        again.error(),
        (-32600, "a request with the id \"x\" is already under way")
    );
    write.send(result(&got, &json!({}))).unwrap();
    first.await.unwrap().result();
    let third = client.spawn(&bed, "x", "tools/call", json!({"name": "a__echo"}));
    let (got, write) = all.recv().await.unwrap();
    write.send(result(&got, &json!({}))).unwrap();
    third.await.unwrap().result();
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn progress_comes_before_the_answer_under_the_clients_own_token() {
    let bed = Bed::new();
    bed.add("a", &Lists::new(), |mut peer| async move {
        while let Some(got) = peer.next().await {
            let token = got.params()["_meta"]["progressToken"].clone();
            assert!(token.is_u64() && token == *got.id(), "{token}");
            assert_eq!(got.params()["_meta"]["kept"], 1);
            for progress in 0..3 {
                peer.tell(
                    "notifications/progress",
                    json!({"progressToken": token, "progress": progress, "x": 1}),
                )
                .await;
            }
            // Not a request that is under way, and no number.
            peer.tell(
                "notifications/progress",
                json!({"progressToken": 4711, "progress": 9}),
            )
            .await;
            peer.tell(
                "notifications/progress",
                json!({"progressToken": "mine", "progress": 9}),
            )
            .await;
            peer.answer(&got, json!({})).await;
        }
        String::new()
    });
    let client = bed.client().await;
    for token in [json!("mine"), json!(1), json!("")] {
        let params = json!({"name": "a__echo", "_meta": {"progressToken": token, "kept": 1}});
        let reply = client.request(1, "tools/call", params).await;
        let expected: Vec<_> = (0..3)
            .map(|it| {
                json!({"jsonrpc": "2.0", "method": "notifications/progress",
                "params": {"progressToken": token, "progress": it, "x": 1}})
            })
            .collect();
        assert_eq!(reply.before, expected);
        reply.result();
    }
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_progress_token_that_is_written_in_escapes_is_one_as_well() {
    let bed = Bed::new();
    let mut all = by_hand(&bed, "a");
    let client = bed.client().await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a__echo","\u005fmeta":{"progress\u0054oken":77}}}"#;
    let call = {
        let client = client.clone();
        bed.tasks.spawn(async move { client.send(body).await })
    };
    let (got, write) = all.recv().await.unwrap();
    // Else it would hear of, and keep alive, the request with the number 77.
    assert_eq!(got.params()["_meta"]["progressToken"], *got.id());
    write.send(result(&got, &json!({}))).unwrap();
    call.await.unwrap().result();
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_ends_with_the_limit_and_the_server_is_told() {
    let bed = Bed::new();
    let mut all = by_hand(&bed, "a");
    let client = bed.client().await;
    let call = client.spawn(&bed, 1, "tools/call", json!({"name": "a__echo"}));
    let (got, _write) = all.recv().await.unwrap();
    let began = tokio::time::Instant::now();
    let reply = call.await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 60);
    assert_eq!(
        reply.error(),
        (
            -32000,
            "server `a` did not answer within 60s (`call_timeout_ms`)"
        )
    );
    let (told, _) = all.recv().await.unwrap();
    assert_eq!(told.method(), "notifications/cancelled");
    assert_eq!(
        *told.params(),
        json!({"requestId": got.id(), "reason": "it took too long"})
    );
    assert_eq!(
        bed.records.all().last().unwrap(),
        "after a/echo allowed timeout"
    );
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn progress_keeps_the_deadline_away_until_the_longest_duration() {
    let bed = Bed::with(Settings {
        call_duration_max: Duration::from_secs(600),
        ..Settings::default()
    });
    let mut all = by_hand(&bed, "a");
    let client = bed.client().await;
    let params = json!({"name": "a__echo", "_meta": {"progressToken": 5}});
    let call = client.spawn(&bed, 1, "tools/call", params);
    let (got, write) = all.recv().await.unwrap();
    let began = tokio::time::Instant::now();
    bed.tasks.spawn(async move {
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": got.id(), "progress": 1}});
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_secs(50)).await;
            // The conversation may be over.
            let _sent = write.send(progress.to_string());
        }
    });
    let reply = call.await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 600);
    assert_eq!(
        reply.error().1,
        "server `a` did not answer within 600s (`call_duration_max`)"
    );
    assert_eq!(reply.before.len(), 11);
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_request_is_not_answered_and_the_server_is_told() {
    let bed = Bed::new();
    let mut all = by_hand(&bed, "a");
    let (client, other) = (bed.client().await, bed.client().await);
    let call = client.spawn(&bed, 1, "tools/call", json!({"name": "a__echo"}));
    let (got, write) = all.recv().await.unwrap();
    // Nobody else's of the same id, and none that is not there.
    other
        .tell("notifications/cancelled", json!({"requestId": 1}))
        .await;
    client
        .tell("notifications/cancelled", json!({"requestId": "1"}))
        .await;
    client.tell("notifications/cancelled", json!({})).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!call.is_finished());
    client
        .tell("notifications/cancelled", json!({"requestId": 1}))
        .await;
    let reply = call.await.unwrap();
    assert!(
        reply.answer.is_none() && reply.before.is_empty(),
        "{reply:?}"
    );
    let (told, _) = all.recv().await.unwrap();
    assert_eq!(
        *told.params(),
        json!({"requestId": got.id(), "reason": "the client cancelled the request"})
    );
    bed.records.wait_for("after a/echo allowed cancelled").await;
    // The answer that comes all the same is nobody's, and the id is free.
    write.send(result(&got, &json!({}))).unwrap();
    let again = client.spawn(&bed, 1, "tools/call", json!({"name": "a__echo"}));
    let (got, write) = all.recv().await.unwrap();
    write.send(result(&got, &json!({"second": true}))).unwrap();
    assert_eq!(again.await.unwrap().result()["second"], true);
    let states = bed.gateway.upstreams(view("a", &Lists::new()).id);
    assert_eq!(states, [crate::UpstreamState::Open { requests: 0 }]);
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_has_not_cancelled() {
    let bed = Bed::new();
    let mut all = by_hand(&bed, "a");
    let client = bed.client().await;
    let call = client.spawn(&bed, 1, "tools/call", json!({"name": "a__echo"}));
    let (got, write) = all.recv().await.unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    write.send(result(&got, &json!({}))).unwrap();
    bed.records.wait_for("after a/echo allowed ok").await;
    assert!(all.try_recv().is_err(), "the server was told nothing");
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_in_a_session_ends_with_it() {
    let bed = Bed::new();
    let mut all = by_hand(&bed, "a");
    let client = bed.client().await;
    let params = json!({"name": "a__echo", "_meta": {"progressToken": 5}});
    let call = client.spawn(&bed, 1, "tools/call", params);
    let (got, write) = all.recv().await.unwrap();
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress",
        "params": {"progressToken": got.id(), "progress": 1}});
    write.send(progress.to_string()).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let session = client.session.as_deref();
    bed.gateway
        .end_session(&client.scope, &client.caller, session)
        .unwrap();
    let reply = call.await.unwrap();
    assert!(
        reply.answer.is_none() && reply.before.len() == 1,
        "{reply:?}"
    );
    let (told, _) = all.recv().await.unwrap();
    assert_eq!(told.method(), "notifications/cancelled");
    bed.records.wait_for("after a/echo allowed cancelled").await;
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_is_written_down_before_the_server_sees_it() {
    let bed = Bed::new();
    let mut all = by_hand(&bed, "a");
    let client = bed.client().await;
    let call = client.spawn(&bed, 1, "tools/call", json!({"name": "a__echo"}));
    let (got, write) = all.recv().await.unwrap();
    assert!(bed.records.all().contains(&"before a/echo".to_owned()));
    write.send(result(&got, &json!({"isError": true}))).unwrap();
    call.await.unwrap().result();
    assert_eq!(
        bed.records.all().last().unwrap(),
        "after a/echo allowed tool_error"
    );
    bed.records.refuses.store(true, Ordering::SeqCst);
    let reply = client.call("a__echo", json!({})).await;
    assert_eq!(
        reply.error(),
        (
            -32603,
            "the call cannot be written down, so it was not made: the disk is full"
        )
    );
    let look = client.spawn(&bed, 1, "tools/call", json!({"name": "a__look"}));
    // A tool that only reads is called all the same, and the server has seen no other.
    let (got, write) = all.recv().await.unwrap();
    assert_eq!(got.params()["name"], "look");
    write.send(json!({"jsonrpc": "2.0", "id": got.id(), "error": {"code": 7, "message": "no", "data": [1]}}).to_string()).unwrap();
    let reply = look.await.unwrap();
    assert_eq!(
        reply.text,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":7,"data":[1],"message":"no"}}"#
    );
    assert_eq!(
        bed.records.all().last().unwrap(),
        "after a/look allowed error"
    );
    let mut limited = caller();
    limited.access.tools = Some(
        [domain::ToolRule {
            server: slug("a"),
            tool: "look".into(),
        }]
        .into(),
    );
    let limited = Client::begin(&bed, limited, Scope::All, json!({})).await;
    let reply = limited.call("a__echo", json!({})).await;
    assert_eq!(
        reply.error(),
        (
            -32003,
            "this client's token does not allow tool `echo` of server `a`"
        )
    );
    assert_eq!(
        bed.records.all().last().unwrap(),
        "after a/echo denied (token) denied"
    );
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_calls_by_either_name() {
    let bed = Bed::new();
    bed.echo("a");
    let server = slug("a");
    for target in [
        CallTarget::Advertised("a__echo"),
        CallTarget::Own {
            server: &server,
            tool: "echo",
        },
    ] {
        let arguments = mcp::object::raw(&json!({"n": 1}));
        let outcome = bed
            .gateway
            .call(&caller(), target, Some(arguments))
            .await
            .unwrap();
        assert!(!outcome.is_error);
        expect![[r#"{"content":[],"echo":{"arguments":{"n":1},"name":"echo"}}"#]]
            .assert_eq(outcome.result.get());
    }
    let unknown = bed
        .gateway
        .call(
            &caller(),
            CallTarget::Own {
                server: &server,
                tool: "no",
            },
            None,
        )
        .await;
    assert!(
        matches!(unknown, Err(CallError::Unknown { .. })),
        "{unknown:?}"
    );
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_persons_call_that_is_dropped_is_cancelled_and_written_down() {
    let bed = Bed::new();
    let mut all = by_hand(&bed, "a");
    let call = {
        let gateway = bed.gateway.clone();
        bed.tasks.spawn(async move {
            let _outcome = gateway
                .call(&caller(), CallTarget::Advertised("a__echo"), None)
                .await;
        })
    };
    let (got, _write) = all.recv().await.unwrap();
    call.abort();
    let (told, _) = all.recv().await.unwrap();
    assert_eq!(told.params()["requestId"], *got.id());
    bed.records.wait_for("after a/echo allowed cancelled").await;
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_has_at_most_so_many_calls_and_says_so() {
    let bed = Bed::new();
    let mut few = view("a", &Lists::new());
    few.calls_max = 2;
    let mut all = by_hand_with(&bed, few);
    let client = bed.client().await;
    let first = client.spawn(&bed, 1, "tools/call", json!({"name": "a__echo"}));
    let second = client.spawn(&bed, 2, "tools/call", json!({"name": "a__look"}));
    let (got, write) = all.recv().await.unwrap();
    let (got_second, _) = all.recv().await.unwrap();
    let reply = client.call("a__echo", json!({})).await;
    // The id 1 is under way, so this one is refused before.
    assert_eq!(reply.error().0, -32600);
    let reply = client
        .request(3, "tools/call", json!({"name": "a__echo"}))
        .await;
    assert_eq!(
        reply.error(),
        (
            -32000,
            "server `a` is busy: it may have 2 at a time (`calls_max`)"
        )
    );
    write.send(result(&got, &json!({}))).unwrap();
    write.send(result(&got_second, &json!({}))).unwrap();
    first.await.unwrap().result();
    second.await.unwrap().result();
    let third = client.spawn(&bed, 3, "tools/call", json!({"name": "a__echo"}));
    let (got, write) = all.recv().await.unwrap();
    write.send(result(&got, &json!({}))).unwrap();
    third.await.unwrap().result();
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_read_has_a_bounded_queue() {
    let bed = Bed::with(Settings {
        upstream_queue_max: 1,
        ..Settings::default()
    });
    let mut lists = Lists::new();
    lists.initialize = json!({"protocolVersion": "2025-11-25", "capabilities": {}}).to_string();
    bed.connect.input_max.store(1, Ordering::SeqCst);
    let mut few = view("a", &Lists::new());
    few.calls_max = 3;
    let (reads, is_reading) = tokio::sync::watch::channel(false);
    bed.script(few.id, &lists, move |mut peer| {
        let mut is_reading = is_reading.clone();
        async move {
            let hello = peer.receive().await.unwrap();
            peer.answer_raw(&hello, &peer.lists.initialize).await;
            peer.receive().await.unwrap();
            // From here on it reads nothing until it is told to.
            is_reading.wait_for(|it| *it).await.unwrap();
            echo(peer).await
        }
    });
    bed.gateway.put_server(few.clone());
    let client = bed.client().await;
    bed.gateway
        .refresh(&slug("a"), &caller().principal)
        .await
        .unwrap();
    few.lists = Some(Lists::new().stored());
    bed.gateway.put_server(few);
    // What does not fit is dropped, and the client is not kept waiting.
    for _ in 0..20 {
        client
            .tell("notifications/roots/list_changed", json!({}))
            .await;
        tokio::task::yield_now().await;
    }
    let reply = client.call("a__look", json!({})).await;
    assert_eq!(
        reply.error(),
        (
            -32000,
            "server `a` is busy: it may have 3 at a time (`upstream_queue_max`)"
        )
    );
    reads.send_replace(true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.call("a__look", json!({})).await.result();
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_has_at_most_so_many_requests() {
    let bed = Bed::with(Settings {
        session_requests_max: 2,
        ..Settings::default()
    });
    let mut all = by_hand(&bed, "a");
    let client = bed.client().await;
    let calls = [1, 2].map(|id| client.spawn(&bed, id, "tools/call", json!({"name": "a__look"})));
    let first = all.recv().await.unwrap();
    let second = all.recv().await.unwrap();
    let reply = client
        .request(3, "tools/call", json!({"name": "a__look"}))
        .await;
    assert_eq!(
        reply.error(),
        (
            -32600,
            "this session has 2 requests under way, the most it may have (`session_requests_max`)"
        )
    );
    for (got, write) in [first, second] {
        write.send(result(&got, &json!({}))).unwrap();
    }
    for call in calls {
        call.await.unwrap().result();
    }
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_slows_nobody() {
    let bed = Bed::with(Settings {
        session_queue_max: 4,
        ..Settings::default()
    });
    bed.add("a", &Lists::new(), |mut peer| async move {
        while let Some(got) = peer.next().await {
            let token = got.params()["_meta"]["progressToken"].clone();
            let many = if token.is_null() { 0 } else { 10_000 };
            for progress in 0..many {
                peer.tell(
                    "notifications/progress",
                    json!({"progressToken": token, "progress": progress}),
                )
                .await;
            }
            peer.answer(&got, json!({})).await;
        }
        String::new()
    });
    let (stalled, other) = (bed.client().await, bed.client().await);
    let params = json!({"name": "a__look", "_meta": {"progressToken": 1}});
    let mut unread = stalled.open(1, "tools/call", params).await;
    let unread_session = stalled.listen();
    let began = tokio::time::Instant::now();
    for _ in 0..10 {
        other.call("a__look", json!({})).await.result();
    }
    assert!(began.elapsed() < Duration::from_secs(1));
    // What was kept for it is bounded, and its answer is the last of it.
    let mut count = 0;
    let mut last = None;
    while let Some(message) = unread.next().await {
        (count, last) = (count + 1, Some(message));
    }
    assert!(count <= 260, "{count}");
    assert_eq!(last.unwrap()["id"], 1);
    drop(unread_session);
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_does_not_keep_the_program_from_ending() {
    let bed = Bed::new();
    let mut all = by_hand(&bed, "a");
    let client = bed.client().await;
    let params = json!({"name": "a__look", "_meta": {"progressToken": 1}});
    let reply = {
        let client = client.clone();
        bed.tasks.spawn(async move {
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
            client.post(&body.to_string()).await
        })
    };
    let (got, write) = all.recv().await.unwrap();
    for progress in 0..1000 {
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": got.id(), "progress": progress}});
        write.send(progress.to_string()).unwrap();
    }
    write.send(result(&got, &json!({}))).unwrap();
    let reply = reply.await.unwrap();
    assert!(matches!(reply, PostReply::Stream(_)), "{reply:?}");
    bed.records.wait_for("after a/look allowed ok").await;
    bed.end().await;
    drop(reply);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_there_when_the_client_cancels_is_not_sent() {
    let bed = Bed::new();
    bed.echo("a");
    let client = bed.client().await;
    bed.records.is_held.send_replace(true);
    let call = client.spawn(&bed, 1, "tools/call", json!({"name": "a__look"}));
    tokio::time::sleep(Duration::from_secs(1)).await;
    client
        .tell("notifications/cancelled", json!({"requestId": 1}))
        .await;
    bed.records.is_held.send_replace(false);
    assert!(call.await.unwrap().answer.is_none());
    assert_eq!(bed.records.all().last().unwrap(), "after a/look allowed ok");
    bed.end().await;
}
