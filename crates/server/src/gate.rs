//! Who may come in: `Host`, `Origin`, tokens and cookies.
//!
//! The order is that of trust: a request that is not meant for us is refused before its token is
//! looked at, and a token before its path.

use auth::{CredentialKind, Refusal, is_well_formed};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::{Caller, CallerKind};
use orchestrator::Error;

use crate::{ApiError, App, Shared, local_port};

/// The cookie that holds a browser's session.
pub(crate) const SESSION_COOKIE: &str = "archestra_session";
/// Where a login link becomes a session.
const SESSION_PATH: &str = "/api/v1/session";
/// How much of a header's value an error repeats, in characters.
const SHOWN_MAX: usize = 200;
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'";

/// Lets in what was meant for us and came from us, and makes every answer safe to show.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    // What a browser adds by itself, and the one way to get it.
    let is_ambient =
        request.headers().contains_key(header::COOKIE) || request.uri().path() == SESSION_PATH;
    let mut response = match check(&app, &request, is_ambient) {
        Ok(()) => next.run(request).await,
        Err(err) => err.into_response(),
    };
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    let policy = HeaderValue::from_static(CONTENT_POLICY);
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    secure(headers);
    response
}

/// Lets in who has a token or a session.
pub(crate) async fn callers_only(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Response {
    match caller(&app, request.headers()).await {
        Ok(Some(caller)) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Ok(None) => ApiError::unauthorized().into_response(),
        Err(err) => ApiError::from(err).into_response(),
    }
}

/// Returns who a request comes from, by its token or its cookie.
pub(crate) async fn caller(app: &Shared, headers: &HeaderMap) -> Result<Option<Caller>, Error> {
    match headers.get(header::AUTHORIZATION) {
        Some(_) => caller_of_token(app, headers).await,
        // A bad token is not made good by a cookie.
        None => caller_of_cookie(app, headers).await,
    }
}

/// Keeps clients' tokens to `/mcp`.
pub(crate) async fn people_only(request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>();
    match caller.map(|it| it.kind) {
        Some(CallerKind::Person) => next.run(request).await,
        Some(CallerKind::Client | CallerKind::Chat) => {
            let message = "this token is for MCP clients, and good for `/mcp` only";
            ApiError::new(StatusCode::FORBIDDEN, "forbidden", message).into_response()
        }
        None => ApiError::unauthorized().into_response(),
    }
}

/// Checks that a request names us as its host, and that no strange page has sent it.
///
/// Where something may be changed on the strength of what a browser adds by itself (`is_ambient`), the
/// page has to be ours for certain, and where a WebSocket is opened, too: no browser keeps its answers
/// from other pages. A token is added by nobody but who holds it.
pub(crate) fn check(app: &Shared, request: &Request, is_ambient: bool) -> Result<(), ApiError> {
    let headers = request.headers();
    let mut hosts = values(headers, &header::HOST);
    if let Some(authority) = request.uri().authority() {
        hosts.push(authority.as_str());
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let has_token = headers.contains_key(header::AUTHORIZATION);
    let opens_socket = headers.contains_key(header::UPGRADE);
    let needs_origin = (changes || opens_socket) && is_ambient && !has_token;
    let origins = values(headers, &header::ORIGIN);
    let sites = values(headers, &SEC_FETCH_SITE);
    auth::check_host(&hosts, local_port(request), &app.settings.allowed_hosts)
        .and_then(|host| auth::check_origin(&origins, &host, needs_origin, &sites))
        .map_err(|refusal| foreign(&refusal, &hosts, &origins, &sites))
}

fn foreign(refusal: &Refusal, hosts: &[&str], origins: &[&str], sites: &[&str]) -> ApiError {
    let (code, values) = match refusal {
        Refusal::HostMissing | Refusal::HostTwice | Refusal::HostForm => ("foreign_host", hosts),
        // Its message names it.
        Refusal::HostForeign { .. } => ("foreign_host", &[] as &[&str]),
        Refusal::OriginMissing => ("foreign_origin", &[] as &[&str]),
        Refusal::OriginTwice | Refusal::OriginForeign => ("foreign_origin", origins),
        Refusal::CrossSite => ("foreign_origin", sites),
    };
    let shown: Vec<String> = values.iter().map(|it| format!("`{}`", shown(it))).collect();
    let message = match shown.as_slice() {
        [] => refusal.to_string(),
        _ => format!("{refusal}: {}", shown.join(", ")),
    };
    let err = ApiError::new(StatusCode::FORBIDDEN, code, message);
    match refusal {
        Refusal::HostForeign { .. } => err,
        _ => err.hint("use an address that the program prints at its start, or one of the setting `allowed_hosts`"),
    }
}

/// Returns who a request's token stands for.
pub(crate) async fn caller_of_token(
    app: &Shared,
    headers: &HeaderMap,
) -> Result<Option<Caller>, Error> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(one), None) = (all.next(), all.next()) else {
        return Ok(None);
    };
    match one.to_str().ok().and_then(auth::parse_bearer) {
        Some(token) => app.orchestrator.caller_of_token(token).await,
        None => Ok(None),
    }
}

async fn caller_of_cookie(app: &Shared, headers: &HeaderMap) -> Result<Option<Caller>, Error> {
    match session_cookie(headers) {
        Some(cookie) => app.orchestrator.caller_of_session(cookie).await,
        None => Ok(None),
    }
}

/// Returns the first cookie of ours that can be a session's.
pub(crate) fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    let texts = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|it| it.to_str().ok());
    let mut pairs = texts
        .flat_map(|it| it.split(';'))
        .filter_map(|it| it.trim().split_once('='));
    let is_ours = |(name, value): &(&str, &str)| {
        *name == SESSION_COOKIE && is_well_formed(CredentialKind::Session, value)
    };
    pairs.find(is_ours).map(|(_, value)| value)
}

/// Adds what every answer has.
pub(crate) fn secure(headers: &mut HeaderMap) {
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
}

/// What cannot be text is an empty value, which is never right.
fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let all = headers.get_all(name).iter();
    all.map(|it| it.to_str().unwrap_or_default()).collect()
}

/// Returns the beginning of what somebody has sent.
pub(crate) fn shown(value: &str) -> String {
    match value.char_indices().nth(SHOWN_MAX) {
        Some((at, _)) => format!("{}…", &value[..at]),
        None => value.to_owned(),
    }
}
