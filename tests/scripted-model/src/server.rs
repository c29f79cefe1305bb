//! Connections, routes, and which turn is played.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Response,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Answer, Conversation, Counts, DEMO, Kept, Options, PREFIX, Refusal, Request, SCENARIOS, Script,
    Scripts, Turn, demo, locked, ollama, openai,
    play::{self, Body},
    scenarios, wire,
    wire::Reply,
};

/// What all connections share.
pub(crate) struct Shared {
    pub options: Options,
    pub scripts: Scripts,
    pub requests: Kept,
    pub counts: watch::Sender<Counts>,
    pub released: watch::Sender<HashSet<String>>,
    /// How often a model has been asked.
    plays: Mutex<HashMap<String, u64>>,
    answers: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    OpenAi,
    Ollama,
}

const CHATS: &[(&str, Api)] = &[
    ("/v1/chat/completions", Api::OpenAi),
    ("/api/chat", Api::Ollama),
];

/// An answer, before it is known whether anything was wrong with the request.
struct Answered {
    response: Response<Body>,
    objection: Option<String>,
}

pub(crate) fn is_chat(path: &str) -> bool {
    CHATS.iter().any(|(it, _)| *it == path)
}

/// Serves connections until `stop`.
pub(crate) async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        // What cannot be accepted has gone, or this machine has no descriptors left, and then
        // somebody's test fails by itself.
        if let Ok((stream, _)) = accepted {
            tasks.spawn(connection(stream, shared.clone(), stop.clone()));
        } else {
            tokio::task::yield_now().await;
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, stop: CancellationToken) {
    let _counted = Counted::new(shared.clone(), |it| &mut it.open_connections);
    // Without it, small events wait for acknowledgements.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(shared.handle(request).await) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        () = stop.cancelled() => {}
        // A client that leaves, and an answer that is cut, end it with an error.
        _ended = connection => {}
    }
}

impl Shared {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            scripts: Scripts::default(),
            requests: Kept::default(),
            counts: watch::Sender::default(),
            released: watch::Sender::default(),
            plays: Mutex::default(),
            answers: AtomicU64::default(),
        }
    }

    async fn handle(self: Arc<Self>, request: hyper::Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, self.options.request_bytes_max);
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => return json_response(413, &json!({ "error": "the body is too long" })),
        };
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        let path = parts.uri.path().to_owned();
        let whole_path = parts.uri.path_and_query();
        let authorization = parts.headers.get(AUTHORIZATION);
        let authorization = authorization.and_then(|it| it.to_str().ok());
        let record = Request {
            method: parts.method.to_string(),
            path: whole_path.map_or_else(|| path.clone(), ToString::to_string),
            authorization: authorization.map(str::to_owned),
            body: value.clone(),
            status: 0,
            objection: None,
        };
        let has_key = self.has_key(authorization);
        let number = locked(&self.requests).push(record, body.len());
        self.counts.send_modify(|it| {
            it.requests += 1;
            it.chats += u64::from(is_chat(&path));
        });

        let chat = CHATS.iter().find(|(it, _)| *it == path);
        let answered = match chat {
            Some((_, api)) if parts.method == Method::POST => {
                self.clone().chat(*api, &value, has_key).await
            }
            _ => self.route(&parts.method, &path, &value, has_key).into(),
        };
        let status = answered.response.status().as_u16();
        locked(&self.requests).answered(number, status, answered.objection);
        answered.response
    }

    fn route(&self, method: &Method, path: &str, body: &Value, has_key: bool) -> Response<Body> {
        let is_openai = path.starts_with("/v1/");
        if !has_key && path != "/" {
            let api = if is_openai { Api::OpenAi } else { Api::Ollama };
            return refused(api, &Refusal::Key, "");
        }
        match (method.as_str(), path) {
            ("GET" | "HEAD", "/") => text_response(200, "Ollama is running"),
            ("GET", "/v1/models") => json_response(200, &openai::models(&self.models())),
            ("GET" | "HEAD", "/api/version") => {
                json_response(200, &json!({ "version": ollama::VERSION }))
            }
            ("GET" | "HEAD", "/api/tags") => json_response(200, &ollama::tags(&self.models())),
            ("GET", "/api/ps") => json_response(200, &json!({ "models": [] })),
            ("POST", "/api/show") => {
                let name = body["model"].as_str().or_else(|| body["name"].as_str());
                let name = name.unwrap_or_default();
                match self.knows(name) {
                    true => json_response(200, &ollama::show(!name.contains("no-tools"))),
                    false => refused(Api::Ollama, &Refusal::ModelMissing, name),
                }
            }
            ("GET", _) if is_openai => json_response(
                404,
                &json!({ "error": {
                "message": format!("there is no `{path}`"),
                "type": "invalid_request_error",
            } }),
            ),
            _ => text_response(404, "404 page not found"),
        }
    }

    async fn chat(self: Arc<Self>, api: Api, body: &Value, has_key: bool) -> Answered {
        if !has_key {
            return refused(api, &Refusal::Key, "").into();
        }
        let parsed = match api {
            Api::OpenAi => openai::parse(body),
            Api::Ollama => ollama::parse(body),
        };
        let conversation = match parsed {
            Ok(it) => it,
            Err(objection) => {
                let refusal = Refusal::Invalid(objection.clone());
                return Answered {
                    response: refused(api, &refusal, ""),
                    objection: Some(objection),
                };
            }
        };
        let model = &conversation.model;
        let mut turn = match self.turn(&conversation) {
            Some(it) => it,
            None => Turn::refused(Refusal::ModelMissing),
        };
        if turn.answer == Answer::Refused(Refusal::NoTools) && conversation.tools.is_empty() {
            turn = Turn::text("Without tools I can answer.");
        }
        let answering = Counted::new(self.clone(), |it| &mut it.open_answers);
        let steps = match &turn.answer {
            Answer::Steps(steps) => steps,
            Answer::Refused(refusal) => return refused(api, refusal, model).into(),
            Answer::Silence => return pending().await,
        };
        let reply = Reply {
            conversation: &conversation,
            steps,
            pace: turn.pace.unwrap_or(self.options.pace),
            dialect: turn.dialect,
            number: self.answers.fetch_add(1, Ordering::Relaxed) + 1,
        };
        let (status, acts) = match (api, conversation.stream) {
            (Api::OpenAi, true) => (200, openai::stream(&reply)),
            (Api::OpenAi, false) => openai::whole(&reply),
            (Api::Ollama, true) => (200, ollama::stream(&reply)),
            (Api::Ollama, false) => ollama::whole(&reply),
        };
        let acts = match turn.dialect.write_bytes {
            Some(bytes) => wire::torn(acts, bytes),
            None => acts,
        };
        let delay = match conversation.stream {
            true => reply.pace.delay,
            false => std::time::Duration::ZERO,
        };
        let kind = match (api, conversation.stream) {
            (Api::OpenAi, true) => "text/event-stream",
            (Api::Ollama, true) => "application/x-ndjson",
            (_, false) => "application/json",
        };
        let released = self.released.subscribe();
        response(status, kind, play::body(acts, delay, released, answering)).into()
    }

    /// Returns the next turn of this model; `None` if there is no such model.
    fn turn(&self, conversation: &Conversation) -> Option<Turn> {
        let model = conversation.model.as_str();
        let script = {
            let mut scripts = locked(&self.scripts);
            let script = scripts.get_mut(model);
            let current = script.as_deref().cloned();
            if let Some(Script::Turns { next, .. }) = script {
                *next += 1;
            }
            current
        };
        match script {
            // Not under the lock: it is a test's, and may do anything.
            Some(Script::By(decide)) => return Some(decide(conversation)),
            Some(Script::Turns {
                turns,
                next,
                forever,
            }) => {
                let at = if forever {
                    next % turns.len().max(1)
                } else {
                    next
                };
                let over = || {
                    let why = format!("the script of `{model}` is over after {next} turns");
                    Turn::refused(Refusal::Failed(500, why))
                };
                return Some(turns.get(at).cloned().unwrap_or_else(over));
            }
            None => {}
        }
        if let Some(scenario) = model.strip_prefix(PREFIX) {
            let mut plays = locked(&self.plays);
            let played = plays.entry(model.to_owned()).or_default();
            *played += 1;
            return scenarios::turn(scenario, conversation, *played - 1);
        }
        (model == DEMO).then(|| demo(conversation))
    }

    fn models(&self) -> Vec<String> {
        let mut names = vec![DEMO.to_owned()];
        names.extend(locked(&self.scripts).keys().cloned());
        names.sort();
        if self.options.list_scenarios {
            names.extend(SCENARIOS.iter().map(|it| format!("{PREFIX}{}", it.name)));
        }
        names
    }

    fn knows(&self, model: &str) -> bool {
        let scenario = model.strip_prefix(PREFIX);
        model == DEMO
            || scenario.is_some_and(scenarios::is_there)
            || locked(&self.scripts).contains_key(model)
    }

    fn has_key(&self, authorization: Option<&str>) -> bool {
        let Some(key) = &self.options.api_key else {
            return true;
        };
        authorization.and_then(|it| it.strip_prefix("Bearer ")) == Some(key)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("options", &self.options)
            .field("counts", &*self.counts.borrow())
            .finish_non_exhaustive()
    }
}

impl From<Response<Body>> for Answered {
    fn from(response: Response<Body>) -> Self {
        Self {
            response,
            objection: None,
        }
    }
}

/// Something that is counted for as long as it is there.
pub(crate) struct Counted {
    shared: Arc<Shared>,
    count: fn(&mut Counts) -> &mut usize,
}

impl Counted {
    fn new(shared: Arc<Shared>, count: fn(&mut Counts) -> &mut usize) -> Self {
        shared.counts.send_modify(|it| *count(it) += 1);
        Self { shared, count }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let count = self.count;
        self.shared.counts.send_modify(|it| *count(it) -= 1);
    }
}

fn refused(api: Api, refusal: &Refusal, model: &str) -> Response<Body> {
    let (status, body) = match api {
        Api::OpenAi => openai::refusal(refusal, model),
        Api::Ollama => ollama::refusal(refusal, model),
    };
    let mut response = json_response(status, &body);
    if let Refusal::RateLimited(Some(seconds)) = refusal {
        let seconds = HeaderValue::from(*seconds);
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}

fn json_response(status: u16, body: &Value) -> Response<Body> {
    response(status, "application/json", full(body.to_string()))
}

fn text_response(status: u16, text: &str) -> Response<Body> {
    response(status, "text/plain; charset=utf-8", full(text.to_owned()))
}

fn full(text: String) -> Body {
    let never = |it: Infallible| match it {};
    Full::new(Bytes::from(text)).map_err(never).boxed_unsync()
}

fn response(status: u16, kind: &'static str, body: Body) -> Response<Body> {
    let builder = Response::builder().status(status);
    builder
        .header(CONTENT_TYPE, kind)
        .body(body)
        .expect("a status of ours and a constant header")
}
