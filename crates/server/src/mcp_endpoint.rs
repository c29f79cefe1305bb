//! `/mcp` and `/mcp/{slug}`: streamable HTTP, as clients of the `initialize` era speak it
//! (2025-11-25, Transports, "Streamable HTTP").
//!
//! The gateway decides what is answered; here it becomes a status, headers and a body. Whatever is
//! refused has a body that is a JSON-RPC error, since that is what MCP clients show.
//!
//! With `?chat=ID` the calls belong to that chat, which has to be one of the caller's own.

use axum::{
    Router,
    body::Body,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::Response,
    routing::any,
};
use bytes::Bytes;
use domain::{Caller, CallerKind, ChatId, ServerSlug};
use gateway::{Post, PostReply, Refusal, Scope};
use mcp::{RpcError, code, message};
use orchestrator::Error;
use tokio_util::sync::CancellationToken;

use crate::{ApiError, App, Shared, events, extract, gate};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/mcp", any(all_servers))
        .route("/mcp/{slug}", any(one_server))
}

async fn all_servers(State(app): State<App>, request: Request) -> Response {
    answer(&app, Ok(Scope::All), request).await
}

async fn one_server(
    State(app): State<App>,
    Path(slug): Path<String>,
    request: Request,
) -> Response {
    let scope = ServerSlug::new(&slug).map(Scope::One);
    answer(&app, scope.map_err(|_| slug), request).await
}

/// `scope` is what is in the path where that cannot be the name of a server.
async fn answer(app: &Shared, scope: Result<Scope, String>, request: Request) -> Response {
    let answered = async {
        // Cookies are nothing here.
        gate::check(app, &request, false).map_err(of_api)?;
        let caller = gate::caller_of_token(app, request.headers()).await;
        let caller = caller.map_err(|err| of_api(err.into()))?;
        let caller = Caller {
            // What speaks MCP is a client, even with its owner's token, which `archestra connect`
            // takes: that a model calls a tool is nobody's consent.
            kind: CallerKind::Client,
            ..caller.ok_or_else(unauthorized)?
        };
        let scope = scope.map_err(|slug| {
            let reason = format!("there is no server `{slug}`");
            failure(StatusCode::NOT_FOUND, code::INVALID_REQUEST, reason)
        })?;
        let caller = in_chat(app, caller, request.uri()).await?;
        for name in [&SESSION_ID, &PROTOCOL_VERSION] {
            // Which of them counts, two programs might see differently.
            if 1 < request.headers().get_all(name).iter().count() {
                let reason = format!("the header `{name}` stands more than once");
                let status = StatusCode::BAD_REQUEST;
                return Err(failure(status, code::INVALID_REQUEST, reason));
            }
        }
        match *request.method() {
            Method::POST => Ok(post(app, scope, caller, request).await),
            Method::GET => Ok(listen(app, &scope, &caller, request.headers())),
            Method::DELETE => Ok(end(app, &scope, &caller, request.headers())),
            _ => Err(method_not_allowed(request.method())),
        }
    };
    let mut response = answered.await.unwrap_or_else(|refused| refused);
    gate::secure(response.headers_mut());
    response
}

/// Returns the caller as one in the chat that the address names, if it names one.
async fn in_chat(app: &Shared, caller: Caller, uri: &Uri) -> Result<Caller, Response> {
    if uri.query().is_none() {
        return Ok(caller);
    }
    let refused = |status, reason: String| failure(status, code::INVALID_REQUEST, reason);
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let Query(pairs) = pairs.map_err(|err| refused(StatusCode::BAD_REQUEST, err.body_text()))?;
    let mut chats = pairs.iter().filter(|(name, _)| name == "chat");
    let text = match (chats.next(), chats.next()) {
        (None, _) => return Ok(caller),
        (Some((_, text)), None) => text,
        (Some(_), Some(_)) => {
            let reason = "`chat` stands more than once in the address".to_owned();
            return Err(refused(StatusCode::BAD_REQUEST, reason));
        }
    };
    let unknown = || {
        let shown = gate::shown(text);
        let reason =
            format!("chat `{shown}` not found; `?chat=` takes the identifier of one of your chats");
        refused(StatusCode::NOT_FOUND, reason)
    };
    let id: ChatId = text.parse().map_err(|_| unknown())?;
    match app.orchestrator.chat(id, &caller).await {
        Ok(chat) => Ok(Caller {
            chat: Some(chat.id),
            ..caller
        }),
        Err(Error::NotFound { .. }) => Err(unknown()),
        Err(err) => Err(of_api(err.into())),
    }
}

async fn post(app: &Shared, scope: Scope, caller: Caller, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !extract::is_json(&parts.headers) {
        let reason = "the body must be JSON: send `Content-Type: application/json`";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return failure(status, code::INVALID_REQUEST, reason);
    }
    let body = match extract::read_body(body, &app.settings).await {
        Ok(body) => body,
        Err(err) => return failure(err.status(), code::INVALID_REQUEST, err.message()),
    };
    let post = Post {
        scope,
        caller,
        session: text(&parts.headers, &SESSION_ID),
        version: text(&parts.headers, &PROTOCOL_VERSION),
        body,
    };
    match app.orchestrator.gateway().post(post).await {
        PostReply::Accepted => empty(StatusCode::ACCEPTED),
        PostReply::Message { session, bytes } => {
            let mut response = json(StatusCode::OK, bytes);
            if let Some(session) = session {
                let session = HeaderValue::try_from(session);
                let session = session.expect("a session's identifier is hexadecimal digits");
                response.headers_mut().insert(SESSION_ID, session);
            }
            response
        }
        // It ends by itself: with the last answer or with the session.
        PostReply::Stream(messages) => events::response(app, messages, CancellationToken::new()),
        PostReply::Refused(refusal, bytes) => json(status_of(refusal), bytes),
    }
}

fn listen(app: &Shared, scope: &Scope, caller: &Caller, headers: &HeaderMap) -> Response {
    if !events::accepts_events(headers) {
        let reason = "this address answers with a stream: send `Accept: text/event-stream`";
        return failure(StatusCode::NOT_ACCEPTABLE, code::INVALID_REQUEST, reason);
    }
    let session = text(headers, &SESSION_ID);
    match app
        .orchestrator
        .gateway()
        .listen(scope, caller, session.as_deref())
    {
        Ok((messages, over)) => events::response(app, messages, over),
        Err(refusal) => refused(refusal),
    }
}

fn end(app: &Shared, scope: &Scope, caller: &Caller, headers: &HeaderMap) -> Response {
    let session = text(headers, &SESSION_ID);
    match app
        .orchestrator
        .gateway()
        .end_session(scope, caller, session.as_deref())
    {
        Ok(()) => empty(StatusCode::NO_CONTENT),
        Err(refusal) => refused(refusal),
    }
}

const fn status_of(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::Malformed => StatusCode::BAD_REQUEST,
        Refusal::UnknownSession | Refusal::UnknownServer => StatusCode::NOT_FOUND,
        Refusal::TooManySessions => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn refused(refusal: Refusal) -> Response {
    let reason = match refusal {
        Refusal::Malformed => "the `Mcp-Session-Id` header is missing; begin with `initialize`",
        Refusal::UnknownSession => "there is no such session; begin a new one with `initialize`",
        Refusal::UnknownServer => "there is no such server",
        Refusal::TooManySessions => "there are too many sessions (`sessions_max`)",
    };
    failure(status_of(refusal), code::INVALID_REQUEST, reason)
}

/// What cannot be text is an empty one, which names nothing.
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    Some(value.to_str().unwrap_or_default().to_owned())
}

fn of_api(err: ApiError) -> Response {
    let code = match err.status() {
        StatusCode::INTERNAL_SERVER_ERROR => code::INTERNAL,
        _ => code::FORBIDDEN,
    };
    failure(err.status(), code, err.whole())
}

fn unauthorized() -> Response {
    let reason = "a token is needed: send `Authorization: Bearer <token>`";
    let mut response = failure(StatusCode::UNAUTHORIZED, code::FORBIDDEN, reason);
    let bearer = HeaderValue::from_static("Bearer");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, bearer);
    response
}

fn method_not_allowed(method: &Method) -> Response {
    let reason = format!("this address takes POST, GET and DELETE, not `{method}`");
    let mut response = failure(
        StatusCode::METHOD_NOT_ALLOWED,
        code::INVALID_REQUEST,
        reason,
    );
    let allowed = HeaderValue::from_static("POST, GET, DELETE");
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

fn failure(status: StatusCode, code: i64, reason: impl Into<String>) -> Response {
    let error = RpcError::new(code, reason);
    json(status, message::error_response(None, &error).into())
}

fn json(status: StatusCode, bytes: Bytes) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
