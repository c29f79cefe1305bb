//! The HTTP face of the system, for browsers, the command line, the desktop shell and MCP clients.
//!
//! ```text
//! serve ── connections ──> router
//!                            ├─ gate: Host, Origin ──────────────> 403
//!                            ├─ gate: token or cookie ───────────> 401
//!                            ├─ /mcp, /mcp/{slug} ──> Gateway::post, listen, end_session
//!                            ├─ /api/v1/… ──────────> one use case each
//!                            ├─ /api/v1/events ─────> a WebSocket that reads the ring of events
//!                            ├─ /healthz, /readyz, /openapi.json
//!                            └─ the UI's files, and its page at every other address
//! ```
//!
//! A handler does four things and no more: it takes a request apart, calls one use case of
//! `orchestrator`, and turns what comes back into a wire type or an [`ApiError`]. The MCP endpoints
//! are the hot path and are written without layers around them; what they do on the way in, they ask
//! of the same [`gate`].
//!
//! The API's description is made from the code and checked in as `openapi.json`. A test fails when
//! the two differ, so that every change of the API shows in review; the web UI's types are made
//! from that file.
//!
//! **Invariant:** this is the only crate that knows HTTP status codes and the JSON shapes of the
//! API. It speaks to no database and to no sandbox.
//!
//! **Invariant:** nothing answers without a token or a session but `/healthz`, `/readyz`,
//! `/openapi.json`, the files of the UI, and the exchange of a login link. `Host` and `Origin` are checked
//! on all of them.
//!
//! **Invariant:** the value of a secret is in no answer; a token's and a link's are in the one answer
//! that makes it.
//!
//! **Invariant:** a stream ends at shutdown, so that no open tab holds the program up.

mod approvals;
mod audit;
mod chats;
mod error;
mod event_bodies;
mod events;
mod events_socket;
mod extract;
mod gate;
mod grants;
mod image;
mod listen;
mod mcp_endpoint;
mod memories;
mod message_bodies;
mod model_bodies;
mod models;
mod page;
mod providers;
mod rules;
mod run_stream;
mod runs;
mod server_bodies;
mod server_edit;
mod server_secrets;
mod server_tools;
mod servers;
mod sessions;
mod system;
mod tokens;
mod tools;

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::Request, middleware, routing::get};
use orchestrator::Orchestrator;
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;
use utoipa::openapi::{
    OpenApi,
    security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
};
use utoipa_axum::router::OpenApiRouter;

pub use crate::error::ApiError;
pub use crate::listen::{CONNECTIONS_MAX, LocalPort, serve};
pub use crate::page::WebFile;

/// What the operator has set about HTTP.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// The longest body of a request, in bytes.
    pub request_bytes_max: usize,
    /// How long a client may take to send a body.
    pub request_timeout: Duration,
    /// Names of this machine beside the loopback ones.
    pub allowed_hosts: Vec<auth::AllowedHost>,
    /// How long a stream may be silent before something is written to it.
    pub keep_alive: Duration,
    /// Clients that listen to `/api/v1/events` at a time.
    pub events_sockets_max: usize,
    /// The longest message of such a client, in bytes. It has nothing to say.
    pub events_incoming_bytes_max: usize,
    pub version: &'static str,
    /// Where the program answers, for people, for instance `http://127.0.0.1:3000`, without a slash
    /// at the end. The first one has the UI.
    pub addresses: Vec<String>,
    /// The files of the UI; none where the program was built without it.
    pub web: &'static [WebFile],
}

/// What all handlers share.
pub(crate) struct Shared {
    pub(crate) orchestrator: Orchestrator,
    pub(crate) settings: ServerSettings,
    pub(crate) events_places: Arc<Semaphore>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) started: Instant,
}

pub(crate) type App = Arc<Shared>;

#[derive(Debug, utoipa::OpenApi)]
#[openapi(
    info(
        title = "Archestra API",
        version = "1",
        description = "Servers, tools and what people decide about them, models and their providers, tokens and the audit. MCP itself is at `/mcp` and `/mcp/{slug}`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    security(("token" = []), ("session" = [])),
)]
struct Description;

impl ServerSettings {
    /// Returns the defaults, for a version and the addresses that the program answers at.
    pub fn new(version: &'static str, addresses: Vec<String>) -> Self {
        Self {
            request_bytes_max: 4 << 20,
            request_timeout: Duration::from_secs(30),
            allowed_hosts: Vec::new(),
            keep_alive: Duration::from_secs(15),
            events_sockets_max: 256,
            events_incoming_bytes_max: 4 << 10,
            version,
            addresses,
            web: &[],
        }
    }
}

/// Returns all that the program answers over HTTP.
///
/// A request has to carry the [`LocalPort`] that it came in at, as [`serve`] gives it. Streams end
/// with `shutdown`.
pub fn router(
    orchestrator: Orchestrator,
    settings: ServerSettings,
    shutdown: CancellationToken,
) -> Router {
    let app: App = Arc::new(Shared {
        orchestrator,
        events_places: Arc::new(Semaphore::new(settings.events_sockets_max)),
        settings,
        shutdown,
        started: Instant::now(),
    });
    let with = |routes: OpenApiRouter<App>| {
        let (router, _) = routes.split_for_parts();
        router.method_not_allowed_fallback(error::method_not_allowed)
    };
    let api = with(people_routes())
        .layer(middleware::from_fn(gate::people_only))
        .merge(with(caller_routes()))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            gate::callers_only,
        ));
    // As it is checked in: a test holds it to the code, and nobody waits for it to be made.
    let open = with(open_routes()).route("/openapi.json", get(system::description));
    api.merge(open)
        .fallback(page::file_or_page)
        .layer(middleware::from_fn_with_state(app.clone(), gate::guard))
        .merge(mcp_endpoint::router())
        .with_state(app)
}

/// Returns the description of the API.
pub fn description() -> OpenApi {
    use utoipa::OpenApi as _;

    let mut description = OpenApiRouter::with_openapi(Description::openapi())
        .merge(people_routes())
        .merge(caller_routes())
        .merge(open_routes())
        .into_openapi();
    let components = description.components.get_or_insert_default();
    components.add_security_scheme(
        "token",
        SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
    );
    let cookie = ApiKeyValue::new(gate::SESSION_COOKIE);
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    description
}

/// The description as it is to be checked in.
#[cfg(test)]
pub(crate) fn description_text() -> String {
    let text = description().to_pretty_json();
    text.expect("a description has a JSON form") + "\n"
}

/// For the person in front of the program only.
fn people_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(servers::router())
        .merge(server_edit::router())
        .merge(server_secrets::router())
        .merge(server_tools::router())
        .merge(tools::router())
        .merge(rules::router())
        .merge(chats::router())
        .merge(runs::router())
        .merge(memories::router())
        .merge(run_stream::router())
        .merge(approvals::router())
        .merge(grants::router())
        .merge(providers::router())
        .merge(models::router())
        .merge(tokens::router())
        .merge(sessions::links_router())
        .merge(audit::router())
        .merge(events_socket::router())
        .merge(system::router())
        .merge(image::router())
}

/// For whoever has a token.
fn caller_routes() -> OpenApiRouter<App> {
    sessions::whoami_router()
}

/// For everybody.
fn open_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(sessions::session_router())
        .merge(system::open_router())
}

/// The port that a request came in at; 0, which is nobody's, where it is not known.
pub(crate) fn local_port(request: &Request) -> u16 {
    request
        .extensions()
        .get()
        .map_or(0, |LocalPort(port)| *port)
}

#[cfg(test)]
mod tests;
