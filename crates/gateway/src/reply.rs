//! How what a server says reaches the client that hangs on a request, as long as it does.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    Shared,
    session::{Out, Session},
};

/// How long clients have to read what they were told at the shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// A client's request that is under way; over when it is dropped.
pub(crate) struct UnderWay {
    pub(crate) session: Arc<Session>,
    pub(crate) id: Box<RawValue>,
    pub(crate) over: CancellationToken,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.session.end_request(&self.id);
        self.over.cancel();
    }
}

/// Waits until nothing is to be sent to the session's client any more.
pub(crate) async fn is_over(shared: &Shared, session: &Session) {
    let shutdown = async {
        shared.shutdown.cancelled().await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        () = session.over.cancelled() => {}
        () = shutdown => {}
    }
}

/// Passes messages on until `answers` answers were among them or the client hangs up.
pub(crate) async fn pass(
    first: Vec<Bytes>,
    messages: &mut mpsc::Receiver<Out>,
    mut answers: usize,
    sender: &mpsc::Sender<Bytes>,
    session: &Session,
) {
    for bytes in first {
        if sender.send(bytes).await.is_err() {
            return;
        }
    }
    while 0 < answers {
        let out = tokio::select! {
            () = sender.closed() => return,
            out = messages.recv() => out,
        };
        let Some(out) = out else { return };
        answers -= usize::from(matches!(out, Out::Answer(_)));
        let Ok(permit) = sender.reserve().await else {
            return give_back(session, out);
        };
        match out {
            Out::Message(bytes, _) | Out::Answer(bytes) => permit.send(bytes),
        }
    }
}

/// Keeps what a client that has hung up may still read on its other stream. Answers are not: they
/// belong to the request's own stream.
pub(crate) fn give_back(session: &Session, out: Out) {
    if let Out::Message(bytes, unread) = out {
        // There may be no room for it.
        let _sent = session.send(bytes, unread);
    }
}
