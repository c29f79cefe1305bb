//! `archestra connect`: for clients that speak only stdio.
//!
//! ```text
//! fd 0 ── Input ── a line ──> Upstream::post ── kept connections ──> /mcp
//! fd 1 <── Output <── JSON or events, a line each ──┘
//! ```
//!
//! It carries messages and does not understand them: what is looked at is the envelope, to know
//! which answer is missing when something breaks.
//!
//! **Invariant:** standard output has messages of the protocol and nothing else.
//!
//! **Invariant:** each request gets an answer, an error where nothing else came.
//!
//! **Invariant:** nothing of the server's side is made here: it has one thread and a few buffers.

mod stdio;
mod upstream;

use std::{pin::Pin, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use domain::ServerSlug;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use mcp::{Message, RpcError, code, message};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    connect::{
        stdio::{Input, Line, Output, Terminals},
        upstream::Upstream,
    },
    target::Finder,
};

/// The longest message of a client, in bytes.
const LINE_BYTES_MAX: usize = 16 << 20;
/// Requests under way at a time; one more is refused.
const REQUESTS_MAX: usize = 256;
/// For what needs no answer: until the program has taken it.
const TAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long answers are waited for when the client sends nothing more.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(60);
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// Carries messages until the client closes its end.
pub(crate) fn run(finder: Finder, server: Option<&ServerSlug>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let path = match server {
        Some(slug) => format!("/mcp/{slug}"),
        None => "/mcp".to_owned(),
    };
    let result = runtime.block_on(carry(finder, path));
    // A read of a terminal cannot be ended; it is left behind.
    runtime.shutdown_background();
    result.map(|()| ExitCode::SUCCESS)
}

/// A request under way.
type Request = Pin<Box<dyn Future<Output = ()> + Send>>;

async fn carry(finder: Finder, path: String) -> anyhow::Result<()> {
    // Cancelled by a signal, and when nobody reads any more.
    let over = CancellationToken::new();
    let mut waiting = JoinSet::new();
    waiting.spawn(cancel_by_signal(over.clone())?);
    let terminals = Terminals::take();
    let mut input = Input::open(LINE_BYTES_MAX);
    let output = Arc::new(Output::open(over.clone()));
    let upstream = Arc::new(Upstream::new(finder, path, output.clone()));
    // In this task and not in ones of their own: a message takes one turn of the loop.
    let mut requests: FuturesUnordered<Request> = FuturesUnordered::new();
    let is_over = over.cancelled();
    tokio::pin!(is_over);

    loop {
        tokio::select! {
            biased;
            Some(()) = requests.next(), if !requests.is_empty() => {}
            line = input.next() => match line.context("cannot read standard input")? {
                Line::End => {
                    let all = async { while requests.next().await.is_some() {} };
                    tokio::select! {
                        () = &mut is_over => {}
                        // What is not answered by now will not be.
                        _late = timeout(DRAIN_TIMEOUT, all) => {}
                    }
                    break;
                }
                Line::TooLong => {
                    let reason = format!("a line of more than {LINE_BYTES_MAX} bytes");
                    let error = RpcError::new(code::INVALID_REQUEST, reason);
                    output.write(&message::error_response(None, &error)).await;
                }
                Line::Text(line) => {
                    let taking = take(line, &upstream, &output, requests.len());
                    tokio::pin!(taking);
                    // Those under way go on meanwhile: it may wait for one of them.
                    let request = loop {
                        tokio::select! {
                            biased;
                            request = &mut taking => break request,
                            Some(()) = requests.next(), if !requests.is_empty() => {}
                        }
                    };
                    requests.extend(request);
                }
            },
            () = &mut is_over => break,
        }
    }
    // The program forgets the session by itself if this does not arrive.
    let _late = timeout(GOODBYE_TIMEOUT, upstream.close()).await;
    terminals.restore();
    Ok(())
}

fn cancel_by_signal(
    over: CancellationToken,
) -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        over.cancel();
    })
}

/// Takes one line. A request is returned, to be under way beside the others; the rest is sent here
/// and keeps its order.
async fn take(
    line: Vec<u8>,
    upstream: &Arc<Upstream>,
    output: &Arc<Output>,
    requests: usize,
) -> Option<Request> {
    let upstream = upstream.clone();
    if line.first() == Some(&b'[') {
        // A batch, of the one version that has them.
        return Some(Box::pin(async move { upstream.request(&line, None).await }));
    }
    let parsed = match Message::parse(&line) {
        Ok(parsed) => parsed,
        Err(err) => {
            let error = RpcError::new(err.code(), err.to_string());
            output.write(&message::error_response(None, &error)).await;
            return None;
        }
    };
    match parsed {
        Message::Request { id, method, .. } if method == "initialize" => {
            upstream.initialize(&line, id).await;
        }
        Message::Request { id, .. } if REQUESTS_MAX <= requests => {
            let reason = format!("more than {REQUESTS_MAX} requests under way");
            let error = RpcError::new(code::SERVER, reason);
            output
                .write(&message::error_response(Some(id), &error))
                .await;
        }
        Message::Request { id, .. } => {
            let id = id.to_owned();
            return Some(Box::pin(
                async move { upstream.request(&line, Some(&id)).await },
            ));
        }
        Message::Notification { method, .. } => {
            let is_begin = method == "notifications/initialized";
            // Nobody waits for an answer to it, so nobody can be told.
            let _lost = timeout(TAKE_TIMEOUT, upstream.tell(&line)).await;
            if is_begin {
                upstream.listen();
            }
        }
        Message::Response { .. } => {
            let _lost = timeout(TAKE_TIMEOUT, upstream.tell(&line)).await;
        }
    }
    None
}
