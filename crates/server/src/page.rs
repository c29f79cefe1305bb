//! The UI's files, which the program carries, and the page at every address that people are sent to.
//!
//! They are the same for everybody and hold nothing but themselves: what the page shows, it asks of
//! the API. Which of its screens an address stands for, it decides by itself, so that here is only
//! known which addresses are not its own.

use std::fmt;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;

use crate::{App, error};

/// The page itself, among the files.
const INDEX: &str = "/index.html";
/// Files in it have a hash of what they hold in their names.
const HASHED: &str = "/assets/";
/// First parts of addresses that are never a page.
const NO_PAGES: [&str; 6] = ["api", "mcp", "oauth", "metrics", "assets", ".well-known"];
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
/// What no page of ours ever asks a browser for.
const PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "camera=(), display-capture=(), geolocation=(), hid=(), microphone=(), payment=(), serial=(), usb=()",
);
/// What a program says that was built without the UI.
const NOT_BUILT: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"color-scheme\" content=\"light dark\">
<title>Archestra</title>
<h1>This build has no UI</h1>
<p>The program runs, and its API, its MCP endpoints and the command line work. The UI was not built
into it.</p>
<p>To have it, run <code>make run</code> in the checkout, or <code>cargo xtask web</code> before
<code>cargo build</code>.</p>
";

/// A file of the UI.
#[derive(Clone, Copy)]
pub struct WebFile {
    /// From the root of the UI, for instance `/index.html`.
    pub path: &'static str,
    pub bytes: &'static [u8],
    /// The same compressed, where that is worth it.
    pub gzip: Option<&'static [u8]>,
    /// A hash of `bytes`, of letters and digits.
    pub hash: &'static str,
}

impl fmt::Debug for WebFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.path, self.bytes.len())
    }
}

/// What is at an address that no route has.
#[derive(Debug)]
enum Found {
    File(&'static WebFile),
    /// It would be the page, which this program does not carry.
    NotBuilt,
    Nothing,
}

/// Answers what no route does: with a file of the UI, with its page, or with an error.
pub(crate) async fn file_or_page(State(app): State<App>, request: Request) -> Response {
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let found = find(app.settings.web, uri.path(), wants_page(headers));
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let mut response = match found {
        Found::File(file) if reads => answer(file, headers),
        Found::NotBuilt if reads => not_built(),
        Found::File(file) if is_at(file, uri.path()) => {
            let err = error::method_not_allowed(method.clone(), uri.clone()).await;
            let allow = [(header::ALLOW, HeaderValue::from_static("GET,HEAD"))];
            return (allow, err).into_response();
        }
        _ => return error::no_such_path(uri.clone()).await.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(PERMISSIONS_POLICY, PERMISSIONS);
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    response
}

fn find(files: &'static [WebFile], path: &str, wants_page: bool) -> Found {
    let named = |name: &str| files.iter().find(|it| it.path == name);
    if let Some(file) = named(path) {
        return Found::File(file);
    }
    if !wants_page || !is_page(path) {
        return Found::Nothing;
    }
    named(INDEX).map_or(Found::NotBuilt, Found::File)
}

/// Returns whether an address may be one of the page's screens.
fn is_page(path: &str) -> bool {
    let mut parts = path.trim_start_matches('/').split('/');
    let first = parts.next().unwrap_or_default();
    let last = parts.next_back().unwrap_or(first);
    // What has an ending is a file, and would have been found.
    !NO_PAGES.contains(&first) && !last.contains('.')
}

/// Returns whether a client can make something of a page. An MCP client that has its address wrong
/// cannot, and is told so.
fn wants_page(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter().peekable();
    let takes_pages = |it: &HeaderValue| {
        it.to_str()
            .is_ok_and(|it| it.contains("text/html") || it.contains("*/*"))
    };
    accepted.peek().is_none() || accepted.any(takes_pages)
}

/// Returns whether a file was asked for by its own address, and not as the page of some screen.
fn is_at(file: &WebFile, path: &str) -> bool {
    file.path == path || path == "/"
}

fn answer(file: &'static WebFile, asked: &HeaderMap) -> Response {
    // It stands for the compressed form, too.
    let tag = format!("W/\"{}\"", file.hash);
    let is_known = asked
        .get(header::IF_NONE_MATCH)
        .and_then(|it| it.to_str().ok())
        .is_some_and(|it| it.split(',').any(|it| it.trim() == tag));
    let gzip = file.gzip.filter(|_| takes_gzip(asked));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let bytes = gzip.unwrap_or(file.bytes);
        let mut response = Body::from(Bytes::from_static(bytes)).into_response();
        let content_type = HeaderValue::from_static(content_type(file.path));
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type);
        response
    };
    let headers = response.headers_mut();
    let is_hashed = file.path.starts_with(HASHED);
    let keep = if is_hashed { IMMUTABLE } else { ASK_AGAIN };
    headers.insert(header::CACHE_CONTROL, keep);
    let tag = HeaderValue::try_from(tag).expect("a hash is letters and digits");
    headers.insert(header::ETAG, tag);
    if file.gzip.is_some() {
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if gzip.is_some() && !is_known {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn not_built() -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CACHE_CONTROL, ASK_AGAIN),
    ];
    (StatusCode::SERVICE_UNAVAILABLE, headers, NOT_BUILT).into_response()
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter();
    accepted
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(','))
        .any(|it| {
            let (name, weight) = it.split_once(';').unwrap_or((it, "q=1"));
            let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
            name.trim() == "gzip" && weight.parse::<f32>().is_ok_and(|it| it > 0.0)
        })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
