//! The page at `/`, and at the addresses that people are sent to. It is the same for everybody and holds nothing but itself; what it shows, it
//! asks of the API.

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
    routing::get,
};

use crate::App;

const HTML: &str = include_str!("page/index.html");
const SCRIPT: &str = include_str!("page/app.js");
const STYLE: &str = include_str!("page/app.css");
const ICON: &str = include_str!("page/icon.svg");

/// Where the page is. What it shows there, it decides by itself.
const ADDRESSES: [&str; 4] = [
    "/",
    "/approvals",
    "/approvals/{approval}",
    "/servers/{server}",
];

type File = ([(HeaderName, HeaderValue); 2], &'static str);

pub(crate) fn router() -> Router<App> {
    let html = || get(|| file("text/html; charset=utf-8", HTML));
    let pages = Router::new();
    let pages = ADDRESSES
        .iter()
        .fold(pages, |it, path| it.route(path, html()));
    pages
        .route(
            "/app.js",
            get(|| file("text/javascript; charset=utf-8", SCRIPT)),
        )
        .route("/app.css", get(|| file("text/css; charset=utf-8", STYLE)))
        .route("/icon.svg", get(|| file("image/svg+xml", ICON)))
        .method_not_allowed_fallback(crate::error::method_not_allowed)
}

async fn file(content_type: &'static str, text: &'static str) -> File {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        // A new program brings a new page.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, text)
}
