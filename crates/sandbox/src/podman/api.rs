use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::{Method, Request, StatusCode, header};
use http_body_util::{
    BodyExt as _, Empty, Full, LengthLimitError, Limited, StreamBody, combinators::UnsyncBoxBody,
};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio_util::io::ReaderStream;
use url::form_urlencoded;

use crate::error::BoxError;

/// The most that Podman may answer to one request, in bytes: a list of 1,000 containers has 2 MB.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// The version of the API that is spoken; later Podmans answer it too.
const BASE: &str = "/v4.0.0/libpod";

/// A client of Podman's own REST API, one connection for each request.
///
/// The API that Docker's clients speak is not used: it adds mounts that nobody asked for to a
/// read-only root.
#[derive(Debug, Clone)]
pub(super) struct Api {
    socket: PathBuf,
}

/// Why a request has no good answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// Nothing was said: no socket, nobody behind it, or it went away.
    #[error("nobody answers at `{}`", socket.display())]
    Unreachable {
        socket: PathBuf,
        #[source]
        source: BoxError,
    },
    #[error("no answer within {limit:?}")]
    Timeout { limit: Duration },
    /// Podman says no. The text is Podman's.
    #[error("{message}")]
    Refused { status: StatusCode, message: String },
    #[error("an answer that is not understood")]
    Answer(#[source] BoxError),
}

impl ApiError {
    /// Whether what was asked for is gone. Podman says so with another status, and in its message
    /// alone, when a container goes while it is being looked at.
    pub(super) fn is_not_found(&self) -> bool {
        match self {
            Self::Refused { status, message } => {
                *status == StatusCode::NOT_FOUND
                    || ["no such container", "no such volume"]
                        .iter()
                        .any(|it| message.contains(it))
            }
            _ => false,
        }
    }
}

/// A request: the path after the API's version, and its query.
#[derive(Debug)]
pub(super) struct Call {
    method: Method,
    path_and_query: String,
    limit: Duration,
}

impl Call {
    pub(super) fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path_and_query: format!("{BASE}{path}"),
            limit: Duration::from_secs(30),
        }
    }

    pub(super) fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs);
        self.path_and_query.push('?');
        self.path_and_query.push_str(&query.finish());
        self
    }

    pub(super) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

impl Api {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks without a body.
    ///
    /// Cancel safe, in so far as Podman may still do what was asked.
    pub(super) async fn call(&self, call: Call) -> Result<Bytes, ApiError> {
        let body = Empty::new().map_err(|never| match never {});
        self.send(call, body.boxed_unsync(), None).await
    }

    pub(super) async fn call_for<T: DeserializeOwned>(&self, call: Call) -> Result<T, ApiError> {
        let bytes = self.call(call).await?;
        serde_json::from_slice(&bytes).map_err(|err| ApiError::Answer(err.into()))
    }

    pub(super) async fn call_with(
        &self,
        call: Call,
        body: &serde_json::Value,
    ) -> Result<Bytes, ApiError> {
        let body = Full::new(Bytes::from(body.to_string())).map_err(|never| match never {});
        self.send(call, body.boxed_unsync(), None).await
    }

    /// Sends a file as the body.
    pub(super) async fn upload(&self, call: Call, file: &Path) -> Result<Bytes, ApiError> {
        let unreadable = |err: io::Error| ApiError::Answer(err.into());
        let file = tokio::fs::File::open(file).await.map_err(unreadable)?;
        let len = file.metadata().await.map_err(unreadable)?.len();
        let body =
            StreamBody::new(ReaderStream::with_capacity(file, 256 << 10).map_ok(Frame::data));
        self.send(call, body.boxed_unsync(), Some(len)).await
    }

    async fn send(&self, call: Call, body: Body, len: Option<u64>) -> Result<Bytes, ApiError> {
        let Call {
            method,
            path_and_query,
            limit,
        } = call;
        // Podman 4.3 takes no body, not even an empty one, for which no type is said.
        let mut request = Request::builder()
            .method(method)
            .uri(path_and_query)
            .header(header::HOST, "podman")
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(len) = len {
            request = request.header(header::CONTENT_LENGTH, len);
        }
        let request = request
            .body(body)
            .map_err(|err| ApiError::Answer(err.into()))?;

        let answer = tokio::time::timeout(limit, self.exchange(request));
        let (status, bytes) = answer.await.map_err(|_| ApiError::Timeout { limit })??;
        // 304 is what Podman says when there was nothing to do.
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(bytes);
        }
        Err(ApiError::Refused {
            status,
            message: refusal_text(&bytes),
        })
    }

    async fn exchange(&self, request: Request<Body>) -> Result<(StatusCode, Bytes), ApiError> {
        let unreachable = |source: BoxError| ApiError::Unreachable {
            socket: self.socket.clone(),
            source,
        };
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|err| unreachable(err.into()))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, Body>(TokioIo::new(stream))
                .await
                .map_err(|err| unreachable(err.into()))?;

        // The connection is driven here and not in a task: it ends with this future. It ends by
        // itself too, since the sender is dropped with the answer.
        let answer = async move {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect();
            Ok::<_, BoxError>((status, body.await?.to_bytes()))
        };
        let (answer, _) = tokio::join!(answer, connection);
        answer.map_err(|err| {
            if err.is::<LengthLimitError>() {
                ApiError::Answer(err)
            } else {
                unreachable(err)
            }
        })
    }
}

/// Returns Podman's own words out of an error's body.
fn refusal_text(body: &[u8]) -> String {
    const REFUSAL_CHARS_MAX: usize = 2_000;
    #[derive(serde::Deserialize)]
    struct Refusal {
        message: String,
    }
    let text = match serde_json::from_slice::<Refusal>(body) {
        Ok(it) => it.message,
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let text = text.trim();
    text.chars().take(REFUSAL_CHARS_MAX).collect()
}
