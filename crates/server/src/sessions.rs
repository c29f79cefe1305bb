//! Links to the UI, browsers' sessions, and who one is.

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
};
use domain::{Caller, CallerKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiError, App,
    extract::JsonBody,
    gate::{SESSION_COOKIE, session_cookie},
    tokens::AccessBody,
};

/// How long a browser keeps the cookie; the session itself ends after as long.
const COOKIE_AGE_S: u64 = 30 * 24 * 60 * 60;

pub(crate) fn links_router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create_login_link))
}

pub(crate) fn whoami_router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(whoami))
}

pub(crate) fn session_router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(begin_session, end_session))
}

#[derive(Serialize, ToSchema)]
struct LoginLinkBody {
    /// Opens the UI, once, within a minute.
    url: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BeginSessionBody {
    /// What stands after `#login=` in a link.
    token: String,
}

/// Who asks.
#[derive(Serialize, ToSchema)]
struct WhoamiBody {
    kind: CallerKindBody,
    principal: String,
    /// The token's identifier; null for a browser's session.
    token: Option<String>,
    #[serde(flatten)]
    access: AccessBody,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CallerKindBody {
    /// The person in front of the program: its UI or its command line.
    Person,
    /// An MCP client.
    Client,
}

/// Make a link that opens the UI
#[utoipa::path(
    post, path = "/api/v1/login-links", operation_id = "create_login_link", tag = "sessions",
    responses((status = 201, body = LoginLinkBody), (status = "default", body = ApiError)),
)]
async fn create_login_link(
    State(app): State<App>,
) -> Result<(StatusCode, Json<LoginLinkBody>), ApiError> {
    let token = app.orchestrator.create_login_link().await?;
    let address = app.settings.addresses.first().map_or("", String::as_str);
    let url = format!("{address}/#login={}", token.expose());
    Ok((StatusCode::CREATED, Json(LoginLinkBody { url })))
}

/// Exchange a link's token for a session
///
/// The session is a cookie that scripts cannot read. It needs no other way in, but the page's own
/// `Origin`.
#[utoipa::path(
    post, path = "/api/v1/session", operation_id = "begin_session", tag = "sessions",
    security(()),
    request_body = BeginSessionBody,
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn begin_session(
    State(app): State<App>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<BeginSessionBody>,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1]), ApiError> {
    if !headers.contains_key(header::ORIGIN) {
        // A made-up `Authorization` header does not spare this one.
        let message = "the request has no `Origin`, which a change needs";
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "foreign_origin",
            message,
        ));
    }
    let session = app.orchestrator.redeem_login_link(&body.token).await?;
    let session = session.ok_or_else(|| {
        let message = "this link was used already, or is more than a minute old";
        ApiError::new(StatusCode::UNAUTHORIZED, "link_not_good", message)
            .hint("`archestra open` makes a new one")
    })?;
    let secure = headers
        .get(header::ORIGIN)
        .is_some_and(|it| it.as_bytes().starts_with(b"https:"));
    let cookie = cookie(session.expose(), COOKIE_AGE_S, secure);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]))
}

/// End the browser's session
#[utoipa::path(
    delete, path = "/api/v1/session", operation_id = "end_session", tag = "sessions",
    security(("session" = [])),
    responses((status = 204), (status = "default", body = ApiError)),
)]
async fn end_session(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1]), ApiError> {
    let session = session_cookie(&headers).ok_or_else(ApiError::unauthorized)?;
    app.orchestrator.end_web_session(session).await?;
    Ok((
        StatusCode::NO_CONTENT,
        [(header::SET_COOKIE, cookie("", 0, false))],
    ))
}

/// Get who one is
#[utoipa::path(
    get, path = "/api/v1/whoami", operation_id = "whoami", tag = "sessions",
    responses((status = 200, body = WhoamiBody), (status = "default", body = ApiError)),
)]
async fn whoami(Extension(caller): Extension<Caller>) -> Json<WhoamiBody> {
    Json(WhoamiBody {
        kind: match caller.kind {
            CallerKind::Person => CallerKindBody::Person,
            // No model comes in over HTTP.
            CallerKind::Client | CallerKind::Chat => CallerKindBody::Client,
        },
        principal: caller.principal.to_string(),
        token: caller.token.map(|it| it.to_string()),
        access: AccessBody::from(&caller.access),
    })
}

fn cookie(value: &str, age_s: u64, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!(
        "{SESSION_COOKIE}={value}; Max-Age={age_s}; Path=/; HttpOnly; SameSite=Strict{secure}"
    );
    HeaderValue::try_from(text).expect("a session's value is letters, digits, `-` and `_`")
}
