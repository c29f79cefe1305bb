//! How a conversation with a server begins, goes on and ends.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use domain::IsolationKey;
use mcp::{
    Message, Object, RpcError, code, message,
    object::raw,
    transport::{Inbox, Incoming, Outbox, Outgoing},
    version,
};
use serde_json::value::RawValue;
use tokio::{
    sync::mpsc,
    time::{sleep_until, timeout},
};

use crate::{
    Connection, Settings, Shared, lists, questions,
    table::Entry,
    upstream::{Queued, Upstream},
};

/// How long a reader has to say why nothing can be written any more.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Opens a conversation over `connection` and keeps it until it ends.
pub(crate) async fn begin(
    shared: &Arc<Shared>,
    entry: &Entry,
    isolation: IsolationKey,
    connection: Connection,
) -> Result<Arc<Upstream>, String> {
    let Connection {
        mut outbox,
        mut inbox,
        lease,
    } = connection;
    let limit = shared.settings.handshake_timeout;
    let shaken = timeout(limit, shake_hands(outbox.as_mut(), inbox.as_mut())).await;
    let shaken = shaken.unwrap_or_else(|_elapsed| {
        Err(format!(
            "it did not answer `initialize` within {limit:?} (`handshake_timeout`)"
        ))
    });
    let initialize = match shaken {
        Ok(initialize) => initialize,
        Err(reason) => {
            close(outbox, &shared.settings).await;
            return Err(reason);
        }
    };
    // A server that may have so many calls at a time can be sent as many.
    let queue_max = shared.settings.upstream_queue_max.max(entry.view.calls_max);
    let (outgoing, queue) = mpsc::channel(queue_max.max(1));
    let over = shared.shutdown.child_token();
    let upstream = Arc::new(Upstream::new(
        &entry.view,
        isolation,
        initialize,
        outgoing,
        over,
    ));
    let writer = write(outbox, queue, upstream.clone(), shared.settings);
    shared.tasks.spawn(writer);
    let reader = read(shared.clone(), upstream.clone(), inbox, lease);
    shared.tasks.spawn(reader);
    let keeper = lists::keep(shared.clone(), upstream.clone());
    shared.tasks.spawn(keeper);
    Ok(upstream)
}

/// Says hello and returns what the server answered.
async fn shake_hands(
    outbox: &mut dyn Outbox,
    inbox: &mut dyn Inbox,
) -> Result<Box<RawValue>, String> {
    const HELLO: u64 = 0;
    let params = serde_json::json!({
        "protocolVersion": version::LATEST,
        // All that a client of ours may have: a server that asks one that has not is told so.
        "capabilities": {
            "roots": { "listChanged": true },
            "sampling": { "tools": {}, "context": {} },
            "elicitation": { "form": {}, "url": {} },
        },
        "clientInfo": {
            "name": "archestra",
            "title": "Archestra",
            "version": env!("CARGO_PKG_VERSION"),
        },
    });
    let hello = message::request(HELLO, "initialize", Some(&raw(&params)));
    // A server that ended says more of why than a pipe that nobody reads.
    let unsent = send(outbox, hello, Some(HELLO)).await.err();
    let result = loop {
        match inbox.next().await {
            Incoming::Ended { reason, .. } => return Err(reason),
            Incoming::Lost { reason, .. } => return Err(reason),
            Incoming::Message { bytes, .. } => match Message::parse(&bytes) {
                // What is no message is passed over: servers print to standard output.
                Err(err) => tracing::debug!(reason = %err, "Server wrote what is no message"),
                Ok(Message::Response {
                    id: Some(id),
                    outcome,
                }) if id.get() == "0" => {
                    break outcome.map(ToOwned::to_owned).map_err(|error| {
                        format!("it answered `initialize` with an error: {error}")
                    })?;
                }
                Ok(Message::Request { id, method, .. }) => {
                    let answer = answer_early(id, &method);
                    send(outbox, answer, None).await?;
                }
                Ok(Message::Response { .. } | Message::Notification { .. }) => {}
            },
        }
        if let Some(reason) = &unsent {
            return Err(reason.clone());
        }
    };
    let object = Object::parse(&result)
        .map_err(|err| format!("its answer to `initialize` is not understood: {err}"))?;
    let agreed = object.text("protocolVersion").unwrap_or_default();
    if version::supported(&agreed).is_none() {
        return Err(format!(
            "it speaks protocol version `{agreed}`, this program speaks {}",
            version::INITIALIZE_ERA.join(", ")
        ));
    }
    let ready = message::notification("notifications/initialized", None);
    send(outbox, ready, None).await?;
    Ok(result)
}

async fn send(outbox: &mut dyn Outbox, bytes: Vec<u8>, request: Option<u64>) -> Result<(), String> {
    let outgoing = Outgoing {
        bytes: bytes.into(),
        request,
        cancels: None,
    };
    outbox.send(outgoing).await.map_err(|err| err.reason)
}

/// Answers what a server asks before the hello is over.
fn answer_early(id: &RawValue, method: &str) -> Vec<u8> {
    if method == "ping" {
        return message::response(id, Ok(&crate::empty_object()));
    }
    let reason = format!("`{method}` cannot be asked before `initialize` is answered");
    message::error_response(Some(id), &RpcError::new(code::INVALID_REQUEST, reason))
}

/// Says farewell. A server that does not listen is not waited for.
async fn close(mut outbox: Box<dyn Outbox>, settings: &Settings) {
    if timeout(settings.close_timeout, outbox.close())
        .await
        .is_err()
    {
        tracing::debug!("Server did not take its farewell");
    }
}

async fn write(
    mut outbox: Box<dyn Outbox>,
    mut queue: mpsc::Receiver<Queued>,
    upstream: Arc<Upstream>,
    settings: Settings,
) {
    loop {
        let queued = tokio::select! {
            biased;
            () = upstream.over.cancelled() => break,
            queued = queue.recv() => queued,
        };
        let Some(queued) = queued else { break };
        // Given up while it was in the queue: the server need not hear of it.
        let Some(outgoing) = queued.take() else {
            continue;
        };
        let request = outgoing.request;
        // A server that does not read is given up with the conversation.
        let sent = tokio::select! {
            () = upstream.over.cancelled() => break,
            sent = outbox.send(outgoing) => sent,
        };
        let Err(err) = sent else { continue };
        if err.is_over {
            // The reader most often knows a better reason, and soon.
            let over = upstream.over.cancelled();
            if timeout(LAST_WORDS, over).await.is_err() {
                upstream.end_because(&err.reason);
            }
            break;
        }
        match request {
            Some(id) => upstream.lose(Some(id), &err.reason),
            None => {
                tracing::debug!(server.slug = %upstream.slug, reason = err.reason, "Message not taken");
            }
        }
    }
    close(outbox, &settings).await;
}

async fn read(
    shared: Arc<Shared>,
    upstream: Arc<Upstream>,
    mut inbox: Box<dyn Inbox>,
    lease: Box<dyn Send + Sync>,
) {
    let idle_stop = shared.settings.idle_stop;
    let mut look_at = upstream.last_used() + idle_stop;
    let (reason, refused) = loop {
        tokio::select! {
            biased;
            () = upstream.over.cancelled() => break (None, None),
            incoming = inbox.next() => match incoming {
                Incoming::Ended { reason, refused } => break (Some(reason), refused),
                Incoming::Lost { related, reason } => upstream.lose(related, &reason),
                Incoming::Message { bytes, related } => {
                    take(&shared, &upstream, &bytes, related);
                }
            },
            () = sleep_until(look_at) => {
                if !shared.is_subscribed(&upstream) && upstream.end_if_idle(idle_stop) {
                    break (None, None);
                }
                let now = tokio::time::Instant::now();
                let next = upstream.last_used() + idle_stop;
                look_at = if now < next { next } else { now + idle_stop };
            }
        }
    };
    let pending = upstream.end(reason);
    // Before anybody hears of it, so that whoever asks again finds how it stands.
    shared.pool.ended(&shared.settings, &upstream);
    upstream.over.cancel();
    upstream.tell_ended(pending, refused);
    drop(lease);
}

/// Takes one message of the server.
fn take(shared: &Arc<Shared>, upstream: &Arc<Upstream>, bytes: &Bytes, related: Option<u64>) {
    let message = match Message::parse(bytes) {
        Ok(message) => message,
        Err(err) => {
            tracing::debug!(server.slug = %upstream.slug, reason = %err, "Server wrote what is no message");
            return;
        }
    };
    match message {
        Message::Response {
            id: Some(id),
            outcome,
        } => upstream.answer(id, outcome),
        Message::Response { id: None, outcome } => {
            tracing::debug!(server.slug = %upstream.slug, ?outcome, "Server answered nothing that was asked");
        }
        Message::Request { id, method, params } => {
            questions::take(shared, upstream, id, &method, params, related);
        }
        Message::Notification { method, params } => {
            lists::take_notification(shared, upstream, &method, params, related);
        }
    }
}
