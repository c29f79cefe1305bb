use std::{collections::VecDeque, error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};
use serde_json::Value;
use tokio::{sync::OnceCell, time::timeout};

use super::{
    Provider, ProviderKind,
    read::{read_body, text_of},
};
use crate::{
    codec::{Codec, ContextSettings, Encoded, Ollama, OllamaModel, OpenAiChat, Target},
    error::{ModelError, ModelErrorKind},
    event::NoticeKind,
    model::{Model, ModelEvent, ModelRequest, ModelStream},
    refusal,
    settle::excerpt,
};

/// A client's bounds.
#[derive(Debug, Clone, Copy)]
pub struct ClientSettings {
    /// From the request to the first bytes of an answer. A local server loads the model first.
    pub head_timeout: Duration,
    /// Between two pieces of an answer.
    pub idle_timeout: Duration,
    /// For a list of models, and for anything else that is no answer of a model.
    pub list_timeout: Duration,
    /// One line of an answer; a call comes whole in one from some servers.
    pub line_bytes_max: usize,
    /// A whole answer, on the wire.
    pub answer_bytes_max: usize,
    /// What is read of a refusal.
    pub error_bytes_max: usize,
    /// A list of models, on the wire.
    pub list_bytes_max: usize,
    /// Models of one provider. The rest is not shown.
    pub models_max: usize,
    pub context: ContextSettings,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(600),
            idle_timeout: Duration::from_secs(300),
            list_timeout: Duration::from_secs(10),
            line_bytes_max: 4 << 20,
            answer_bytes_max: 64 << 20,
            error_bytes_max: 64 << 10,
            list_bytes_max: 16 << 20,
            models_max: 2_000,
            context: ContextSettings::default(),
        }
    }
}

/// Asks one provider.
#[derive(Debug, Clone)]
pub struct ModelClient {
    pub(super) http: Client,
    pub(super) provider: Arc<Provider>,
    pub(super) settings: ClientSettings,
}

/// One model of a provider.
#[derive(Debug)]
pub struct ProviderModel {
    client: ModelClient,
    name: String,
    /// What Ollama says of it; asked once.
    shown: OnceCell<OllamaModel>,
}

impl ModelClient {
    /// Makes a client. `http` has no timeout of its own for a whole request, since an answer may
    /// take any time as long as something comes.
    pub fn new(http: Client, provider: Provider, settings: ClientSettings) -> Self {
        Self {
            http,
            provider: Arc::new(provider),
            settings,
        }
    }

    pub fn model(&self, name: &str) -> ProviderModel {
        ProviderModel {
            client: self.clone(),
            name: name.to_owned(),
            shown: OnceCell::new(),
        }
    }

    pub(super) fn target(&self, model: &str) -> Target {
        Target {
            provider: self.provider.name.clone(),
            model: model.to_owned(),
            is_local: self.provider.is_local(),
        }
    }

    pub(super) fn get(&self, path: &str) -> Result<RequestBuilder, ModelError> {
        Ok(self.with_key(self.http.get(self.url(path)?)))
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<RequestBuilder, ModelError> {
        let request = self.http.post(self.url(path)?);
        let request = request.header(CONTENT_TYPE, "application/json");
        Ok(self.with_key(request).body(body.to_string()))
    }

    fn url(&self, path: &str) -> Result<url::Url, ModelError> {
        self.provider.base_url.join(path).map_err(|err| {
            let mut error = self.unreachable("the address cannot be used");
            error.details = Some(err.to_string());
            error
        })
    }

    fn with_key(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.provider.key {
            Some(key) => request.bearer_auth(key.expose().trim()),
            None => request,
        }
    }

    /// Sends a request and returns the answer if it is one.
    ///
    /// Cancel safe.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        model: &str,
        head_timeout: Duration,
    ) -> Result<Response, ModelError> {
        let response = match timeout(head_timeout, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(err)) => return Err(self.transport_error(&err)),
            Err(_) => return Err(self.silent(head_timeout)),
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = header(response.headers());
        let body = read_body(response, self.settings.error_bytes_max, head_timeout).await;
        let body = body.map(|it| text_of(&it)).unwrap_or_default();
        let target = self.target(model);
        let error = refusal::of_status(&target, status.as_u16(), retry_after.as_deref(), &body);
        Err(self.without_key(self.with_address(error, status)))
    }

    /// An address that leads nowhere is the most usual mistake, so it is shown.
    fn with_address(&self, mut error: ModelError, status: StatusCode) -> ModelError {
        let is_nowhere = matches!(status.as_u16(), 404 | 405);
        if is_nowhere && error.kind == ModelErrorKind::Other {
            let (provider, url) = (&self.provider.name, &self.provider.base_url);
            error.message = format!("`{provider}` has no models at `{url}`");
            "correct the address in the settings of the provider".clone_into(&mut error.fix);
        }
        error
    }

    /// Some providers repeat the key that they refuse.
    fn without_key(&self, mut error: ModelError) -> ModelError {
        if let (Some(key), Some(details)) = (&self.provider.key, &mut error.details) {
            let key = key.expose().trim();
            if !key.is_empty() {
                *details = details.replace(key, "[redacted]");
            }
        }
        error
    }

    pub(super) fn silent(&self, after: Duration) -> ModelError {
        let (provider, seconds) = (&self.provider.name, after.as_secs());
        ModelError::new(
            ModelErrorKind::Silent,
            format!("`{provider}` said nothing for {seconds} s"),
            "try again, or choose a smaller model",
        )
    }

    fn unreachable(&self, what: &str) -> ModelError {
        let (provider, url) = (&self.provider.name, &self.provider.base_url);
        let fix = if self.provider.is_local() {
            format!("start `{provider}`, or correct its address in the settings")
        } else {
            "check the connection to the internet, and the provider's address".to_owned()
        };
        ModelError::new(
            ModelErrorKind::Unreachable,
            format!("`{provider}` cannot be reached at `{url}`: {what}"),
            fix,
        )
    }

    pub(super) fn transport_error(&self, err: &reqwest::Error) -> ModelError {
        let chain = chain(err);
        let lower = chain.to_lowercase();
        let (provider, url) = (&self.provider.name, &self.provider.base_url);
        let mut error = if lower.contains("certificate") {
            ModelError::new(
                ModelErrorKind::Certificate,
                format!("the certificate of `{provider}` at `{url}` is not trusted"),
                "add its authority to the system's certificates, or correct the address",
            )
        } else if lower.contains("corrupt message") || lower.contains("invalidcontenttype") {
            let mut error = self.unreachable("it does not speak TLS");
            "write `http://` in place of `https://` in its address".clone_into(&mut error.fix);
            error
        } else if err.is_redirect() {
            let mut error = self.unreachable("it sends to another address");
            "write the address at which it is, without a redirect".clone_into(&mut error.fix);
            error
        } else if lower.contains("refused") {
            self.unreachable("nothing listens there")
        } else if lower.contains("dns") || lower.contains("resolve") || lower.contains("lookup") {
            self.unreachable("there is no machine of this name")
        } else if err.is_timeout() {
            self.unreachable("it took too long to connect")
        } else {
            self.unreachable("the connection failed")
        };
        error.details = Some(excerpt(&chain).to_owned());
        error
    }
}

fn header(headers: &HeaderMap) -> Option<String> {
    if let Some(ms) = headers
        .get("retry-after-ms")
        .and_then(|it| it.to_str().ok())
    {
        let ms: f64 = ms.trim().parse().ok()?;
        return Some((ms / 1_000.0).to_string());
    }
    headers.get(RETRY_AFTER)?.to_str().ok().map(str::to_owned)
}

/// Returns what an error and its causes say.
fn chain(err: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn Error> = err.source();
    while let Some(it) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&it.to_string());
        cause = it.source();
    }
    if text.is_empty() {
        err.to_string()
    } else {
        text
    }
}

impl ProviderModel {
    async fn codec(&self) -> Result<Box<dyn Codec>, ModelError> {
        let ModelClient {
            provider, settings, ..
        } = &self.client;
        let target = self.client.target(&self.name);
        let line_bytes_max = settings.line_bytes_max;
        Ok(match provider.kind {
            ProviderKind::OpenAi => Box::new(OpenAiChat::new(
                target,
                provider.is_openai(),
                line_bytes_max,
            )),
            ProviderKind::Ollama => {
                let shown = || self.client.ollama_model(&self.name);
                let model = *self.shown.get_or_try_init(shown).await?;
                let mut context = settings.context;
                context.tokens_max = provider.context_tokens_max.or(context.tokens_max);
                Box::new(Ollama::new(target, model, context, line_bytes_max))
            }
        })
    }

    async fn ask(&self, encoded: &Encoded) -> Result<Response, ModelError> {
        let head_timeout = self.client.settings.head_timeout;
        let request = self.client.post(encoded.path, &encoded.body)?;
        let refused = match self.client.send(request, &self.name, head_timeout).await {
            Err(error) if names_stream_options(&error) => error,
            other => return other,
        };
        let mut body = encoded.body.clone();
        let had_it = body
            .as_object_mut()
            .is_some_and(|it| it.remove("stream_options").is_some());
        if !had_it {
            return Err(refused);
        }
        let request = self.client.post(encoded.path, &body)?;
        self.client.send(request, &self.name, head_timeout).await
    }
}

/// Some servers refuse what they do not know, and this is all that is not in the first version of
/// the protocol.
fn names_stream_options(error: &ModelError) -> bool {
    let details = error.details.as_deref().unwrap_or_default();
    error.kind == ModelErrorKind::Other && details.contains("stream_options")
}

#[async_trait]
impl Model for ProviderModel {
    fn provider(&self) -> &str {
        &self.client.provider.name
    }

    fn name(&self) -> &str {
        &self.name
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        let mut codec = self.codec().await?;
        let encoded = codec.request(&request);
        let response = self.ask(&encoded).await?;
        let reading = Reading {
            client: self.client.clone(),
            response,
            codec,
            queue: VecDeque::new(),
            notices: encoded.notices,
            bytes: 0,
            ended: false,
        };
        Ok(stream::unfold(reading, Reading::next).boxed())
    }
}

/// An answer that is being read.
struct Reading {
    client: ModelClient,
    response: Response,
    codec: Box<dyn Codec>,
    /// Invariant: what one piece of the answer brought, at most.
    queue: VecDeque<Result<ModelEvent, ModelError>>,
    /// Given after the first piece, so that an error in its place is still the request's.
    notices: Vec<(NoticeKind, String)>,
    bytes: usize,
    ended: bool,
}

impl Reading {
    async fn next(mut self) -> Option<(Result<ModelEvent, ModelError>, Self)> {
        loop {
            if let Some(next) = self.queue.pop_front() {
                return Some((next, self));
            }
            if self.ended {
                return None;
            }
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let idle = self.client.settings.idle_timeout;
        let mut out = Vec::new();
        let result = match timeout(idle, self.response.chunk()).await {
            Ok(Ok(Some(piece))) => self.feed(&piece, &mut out),
            Ok(Ok(None)) => {
                self.ended = true;
                self.codec.finish(&mut out)
            }
            Ok(Err(err)) => {
                let finished = self.codec.finish(&mut out);
                finished.map_err(|_| self.broken(&err))
            }
            // Not everybody closes the connection at the end.
            Err(_) => {
                let finished = self.codec.finish(&mut out);
                finished.map_err(|_| self.client.silent(idle))
            }
        };
        self.ended |= self.codec.is_done() || result.is_err();
        if !out.is_empty() {
            let notices = self.notices.drain(..);
            let notices = notices.map(|(kind, text)| Ok(ModelEvent::Notice { kind, text }));
            self.queue.extend(notices);
        }
        self.queue.extend(out.into_iter().map(Ok));
        if let Err(error) = result {
            self.queue.push_back(Err(self.client.without_key(error)));
        }
    }

    fn feed(&mut self, piece: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), ModelError> {
        self.bytes += piece.len();
        let limit = self.client.settings.answer_bytes_max;
        if limit < self.bytes {
            let provider = &self.client.provider.name;
            return Err(ModelError::new(
                ModelErrorKind::Limit,
                format!("`{provider}` sent more than {limit} bytes in one answer"),
                "ask the model for less at a time, or choose another model",
            ));
        }
        self.codec.feed(piece, out)
    }

    fn broken(&self, err: &reqwest::Error) -> ModelError {
        let provider = &self.client.provider.name;
        let mut error = ModelError::new(
            ModelErrorKind::Malformed,
            format!("the connection to `{provider}` broke in the middle of the answer"),
            "let the run go on",
        );
        error.details = Some(excerpt(&chain(err)).to_owned());
        error
    }
}
