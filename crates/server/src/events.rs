//! Messages as server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::Shared;

/// What keeps proxies such as nginx from holding events back.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

struct Events {
    messages: mpsc::Receiver<Bytes>,
    /// When the stream has nothing more to say.
    over: CancellationToken,
    shutdown: CancellationToken,
    keep_alive: Duration,
}

/// Returns the answer that streams `messages`, until there are no more, `over` or the end of the
/// program.
pub(crate) fn response(
    app: &Shared,
    messages: mpsc::Receiver<Bytes>,
    over: CancellationToken,
) -> Response {
    let events = Events {
        messages,
        over,
        shutdown: app.shutdown.clone(),
        keep_alive: app.settings.keep_alive,
    };
    let stream = stream::unfold(events, async |mut events| {
        let bytes = events.next().await?;
        Some((Ok::<_, Infallible>(bytes), events))
    });
    of_stream(stream)
}

/// Returns the answer that has a stream of such events for its body.
pub(crate) fn of_stream(
    stream: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
) -> Response {
    let mut response = Response::new(Body::from_stream(stream));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

/// Whether such a stream is asked for.
pub(crate) fn accepts_events(headers: &HeaderMap) -> bool {
    let texts = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|it| it.to_str().ok());
    let mut types = texts.flat_map(|it| it.split(','));
    types.any(|it| {
        let essence = it.split(';').next().unwrap_or(it).trim();
        essence.eq_ignore_ascii_case("text/event-stream")
    })
}

impl Events {
    /// Cancel safe.
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            biased;
            // First, so that answers that are there at the end still go out.
            message = self.messages.recv() => message.map(|it| mcp::sse::event(&it)),
            () = self.over.cancelled() => None,
            () = self.shutdown.cancelled() => None,
            () = tokio::time::sleep(self.keep_alive) => {
                Some(Bytes::from_static(mcp::sse::KEEP_ALIVE))
            }
        }
    }
}
