//! `/api/v1/events`: what happens, over a WebSocket (RFC 6455).
//!
//! A socket reads the ring of events at the pace of its client: what the client does not take stays in
//! the ring, until it falls off and the client is told to reload. Nothing is queued for it but what
//! fits into the connection.

use std::time::Duration;

use axum::{
    Extension,
    extract::{
        State,
        ws::{
            CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code,
            rejection::WebSocketUpgradeRejection,
        },
    },
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use domain::Caller;
use orchestrator::{Delivery, EventPosition, EventSubscription};
use serde::Deserialize;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiError, App, Shared, event_bodies::EventsFrame, extract::ApiQuery, gate, listen::Held,
};

/// A client that has said nothing for so many times `keep_alive`, not even that it lives, is gone.
const SILENCE_KEEP_ALIVES: u32 = 3;
/// How often it is looked at whether the session or token is still good, beside each time that one is
/// revoked: it may run out.
const CHECK_PERIOD: Duration = Duration::from_secs(10 * 60);
/// How long the farewell may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// What a socket reads and writes at a time, in bytes.
const BUFFER_BYTES: usize = 4 << 10;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(listen_to_events))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventsQuery {
    /// The `epoch` of the last `hello` or `reload`, to go on after the event `after`.
    epoch: Option<String>,
    /// The `seq` of the last frame.
    after: Option<u64>,
}

/// Hear what happens
///
/// A WebSocket. The first frame is `hello`; the events that follow come in their order. A client that
/// comes back sends the `epoch` and the last `seq` that it had; where it cannot go on from there, or
/// is too slow, it gets `reload`. What a client sends is not looked at.
#[utoipa::path(
    get, path = "/api/v1/events", operation_id = "listen_to_events", tag = "events",
    params(EventsQuery),
    responses(
        (status = 101, body = EventsFrame, description = "A WebSocket, of which each text frame is one of these"),
        (status = "default", body = ApiError),
    ),
)]
async fn listen_to_events(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    held: Option<Extension<Held>>,
    headers: HeaderMap,
    ApiQuery(query): ApiQuery<EventsQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let (Ok(upgrade), Some(Extension(held))) = (upgrade, held) else {
        return Err(ApiError::new(
            StatusCode::UPGRADE_REQUIRED,
            "upgrade_required",
            "this address answers over a WebSocket only",
        ));
    };
    let from = match (query.epoch, query.after) {
        (None, None) => None,
        (Some(epoch), Some(seq)) => Some(EventPosition { epoch, seq }),
        _ => {
            return Err(ApiError::invalid(
                "`epoch` and `after` have to be given together",
            ));
        }
    };
    let Ok(place) = app.events_places.clone().try_acquire_owned() else {
        let most = app.settings.events_sockets_max;
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_sockets",
            format!(
                "there are {most} sockets for events, the most there may be (`events_sockets_max`)"
            ),
        ));
    };
    let events = app.orchestrator.events();
    let subscription = events.subscribe(by.principal, from.as_ref());
    let bytes_max = app.settings.events_incoming_bytes_max;
    let upgrade = upgrade
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max);
    Ok(upgrade.on_upgrade(async move |socket| {
        let credential = credential(&headers);
        let listener = Listener {
            app: &app,
            socket,
            subscription,
            credential,
        };
        listener.serve().await;
        drop((place, held));
    }))
}

/// Keeps of a request's headers what the caller is known by.
fn credential(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for name in [header::AUTHORIZATION, header::COOKIE] {
        for value in headers.get_all(&name) {
            kept.append(&name, value.clone());
        }
    }
    kept
}

/// One client.
struct Listener<'a> {
    app: &'a Shared,
    socket: WebSocket,
    subscription: EventSubscription,
    credential: HeaderMap,
}

/// Why a socket ends.
enum End {
    /// The client has gone, or does not answer.
    Gone,
    /// The client is told.
    Told(u16, &'static str),
}

impl Listener<'_> {
    async fn serve(mut self) {
        if let End::Told(code, reason) = self.listen().await {
            let farewell = async {
                let close = CloseFrame {
                    code,
                    reason: reason.into(),
                };
                let sent = self.socket.send(Message::Close(Some(close))).await;
                // Its own farewell is waited for: what it has not read yet would be lost with a reset.
                while sent.is_ok() && matches!(self.socket.recv().await, Some(Ok(_))) {}
            };
            // A client that does not take it finds the connection closed.
            let _told = timeout(CLOSE_TIMEOUT, farewell).await;
        }
    }

    async fn listen(&mut self) -> End {
        let silence_max = self.app.settings.keep_alive * SILENCE_KEEP_ALIVES;
        let mut revocations = self.app.orchestrator.revocations();
        let mut beats = interval(self.app.settings.keep_alive);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beats.reset();
        let (mut heard, mut checked) = (Instant::now(), Instant::now());
        let EventPosition { epoch, seq } = self.subscription.position();
        let mut next = Some(frame(&EventsFrame::Hello { epoch, seq }));
        loop {
            if let Some(message) = next.take() {
                let sent = timeout(silence_max, self.socket.send(message));
                match self.app.shutdown.run_until_cancelled(sent).await {
                    Some(Ok(Ok(()))) => {}
                    Some(_) => return End::Gone,
                    None => return End::Told(close_code::AWAY, "the program is shutting down"),
                }
            }
            let mut is_to_be_checked = false;
            tokio::select! {
                () = self.app.shutdown.cancelled() => {
                    return End::Told(close_code::AWAY, "the program is shutting down");
                }
                received = self.socket.recv() => match received {
                    // Its farewell is answered by the next look, which is the last.
                    Some(Err(_)) | None => return End::Gone,
                    Some(Ok(_)) => heard = Instant::now(),
                },
                delivery = self.subscription.next() => next = Some(self.message(&delivery)),
                _ = revocations.changed() => is_to_be_checked = true,
                _ = beats.tick() => {
                    if silence_max <= heard.elapsed() {
                        return End::Gone;
                    }
                    is_to_be_checked = CHECK_PERIOD <= checked.elapsed();
                    next = Some(Message::Ping(Default::default()));
                }
            }
            if is_to_be_checked {
                checked = Instant::now();
                // Where it cannot be found out, the next time tells.
                if let Ok(None) = gate::caller(self.app, &self.credential).await {
                    return End::Told(close_code::POLICY, "the session or token is no longer good");
                }
            }
        }
    }

    fn message(&self, delivery: &Delivery) -> Message {
        frame(&match delivery {
            Delivery::Event(published) => EventsFrame::from(&**published),
            Delivery::Reload { seq } => EventsFrame::Reload {
                epoch: self.subscription.position().epoch,
                seq: *seq,
            },
        })
    }
}

fn frame(frame: &EventsFrame) -> Message {
    let text = serde_json::to_string(frame).expect("a frame has a JSON form");
    Message::Text(text.into())
}
