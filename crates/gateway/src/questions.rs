//! What a server asks in the middle of a call goes to the client that the call belongs to.
//!
//! Over HTTP the stream tells which call that is. Over lines nothing does, so it is told by who has
//! requests under way: when all of them are one client's, it is that client. When they are several
//! clients', the question cannot be attributed and is refused, since asking the wrong one would show
//! one client's affairs to another. A chat is asked like a client ([`crate::turn`]).

use std::sync::Arc;

use mcp::{Object, RpcError, code, message};
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::{
    Shared,
    session::{Route, Unread},
    turn::{TurnQuestion, TurnRoute},
    upstream::{Asked, Upstream},
};

/// The questions that there are, and what a client must be able to do to be asked.
const QUESTIONS: [(&str, &str); 3] = [
    ("elicitation/create", "elicitation"),
    ("sampling/createMessage", "sampling"),
    ("roots/list", "roots"),
];

/// Takes a request of a server.
pub(crate) fn take(
    shared: &Arc<Shared>,
    upstream: &Arc<Upstream>,
    id: &RawValue,
    method: &str,
    params: Option<&RawValue>,
    related: Option<u64>,
) {
    if method == "ping" {
        upstream.respond(id, Ok(&crate::empty_object()));
        return;
    }
    let begun = match whom(upstream, method, related) {
        Ok(Whom::Client(route)) => begin(upstream, route, id, method, params)
            .map(|it| shared.tasks.spawn(it.ask(shared.clone()))),
        Ok(Whom::Turn(route)) => TurnQuestion::begin(upstream, route, id, params)
            .map(|it| shared.tasks.spawn(it.ask(shared.clone()))),
        Err((code, reason)) => return refuse(upstream, id, method, code, reason),
    };
    if let Err(reason) = begun {
        refuse(upstream, id, method, code::SERVER, reason);
    }
}

fn refuse(upstream: &Upstream, id: &RawValue, method: &str, code: i64, reason: String) {
    tracing::info!(server.slug = %upstream.slug, method, reason, "Question of a server refused");
    upstream.respond(id, Err(&RpcError::new(code, reason).to_raw()));
}

/// Who is to be asked.
enum Whom {
    Client(Route),
    Turn(TurnRoute),
}

/// Returns who is to be asked, or why nobody is.
fn whom(upstream: &Upstream, method: &str, related: Option<u64>) -> Result<Whom, (i64, String)> {
    let Some((_, capability)) = QUESTIONS.iter().find(|(it, _)| *it == method) else {
        return Err((code::METHOD_NOT_FOUND, format!("`{method}` is not known")));
    };
    let why = match upstream.asked(related) {
        Asked::Client(route) if route.session.can(capability) => return Ok(Whom::Client(route)),
        Asked::Turn(route) if method == "elicitation/create" => return Ok(Whom::Turn(route)),
        Asked::Turn(_) => {
            let reason = format!("this program does not support {capability} in its chats");
            return Err((code::METHOD_NOT_FOUND, reason));
        }
        Asked::Client(_) => {
            let reason = format!("the client that made this call does not support {capability}");
            return Err((code::METHOD_NOT_FOUND, reason));
        }
        Asked::Nobody => "no client had a call under way",
        Asked::Person => "the call under way was made by a person who cannot be asked there",
        Asked::Several => "several clients had calls under way, so it cannot be told whom to ask",
    };
    Err((
        code::INVALID_REQUEST,
        format!("`{method}` came while {why}"),
    ))
}

/// A question on its way to a client.
struct Question {
    upstream: Arc<Upstream>,
    route: Route,
    /// The server's identifier of it, and ours.
    id: Box<RawValue>,
    own_id: Box<RawValue>,
    answered: oneshot::Receiver<Result<Box<RawValue>, Box<RawValue>>>,
    withdrawn: CancellationToken,
}

/// Sends a question to its client. `Err` says why the client cannot be asked.
fn begin(
    upstream: &Arc<Upstream>,
    route: Route,
    id: &RawValue,
    method: &str,
    params: Option<&RawValue>,
) -> Result<Question, String> {
    let session = &route.session;
    let own_id = session.next_question();
    let params = Object::parse_or_empty(params).map_err(|err| err.to_string())?;
    let (params, progress_token) = with_progress_token(params, &own_id)?;
    let withdrawn = upstream.begin_question(id)?;
    let answered = session.begin_question(&own_id, upstream.clone(), progress_token);
    let Some(answered) = answered else {
        upstream.end_question(id);
        return Err(
            "the client has as many questions open as it may have (`session_questions_max`)"
                .to_owned(),
        );
    };
    let params = (!params.is_empty()).then_some(&params);
    let bytes = message::request_with(&own_id, method, params);
    if !route.send(bytes.into(), Unread::Keep) {
        session.end_question(&own_id);
        upstream.end_question(id);
        return Err("the client does not read its messages".to_owned());
    }
    Ok(Question {
        upstream: upstream.clone(),
        id: id.to_owned(),
        route,
        own_id,
        answered,
        withdrawn,
    })
}

impl Question {
    /// Waits for the client's answer, and gives it to the server.
    async fn ask(mut self, shared: Arc<Shared>) {
        let (upstream, session) = (&self.upstream, &self.route.session);
        let refuse = |reason: String| {
            upstream.respond(&self.id, Err(&RpcError::new(code::SERVER, reason).to_raw()));
        };
        let _held = upstream.hold(session);
        let limit = shared.settings.question_timeout;
        tokio::select! {
            biased;
            answer = &mut self.answered => match answer {
                Ok(Ok(result)) => upstream.respond(&self.id, Ok(&result)),
                Ok(Err(error)) => upstream.respond(&self.id, Err(&error)),
                Err(_dropped) => refuse("the question was withdrawn".to_owned()),
            },
            () = session.over.cancelled() => refuse("the client's session is over".to_owned()),
            () = self.withdrawn.cancelled() => self.withdraw("the server took it back"),
            () = upstream.over.cancelled() => self.withdraw("the server ended"),
            () = calls_over(upstream, &self.route) => {
                self.withdraw("the call that it belongs to is over");
                refuse("the call that it belongs to is over".to_owned());
            }
            () = tokio::time::sleep(limit) => {
                self.withdraw("it took too long");
                refuse(format!("the client did not answer within {limit:?} (`question_timeout`)"));
            }
        }
        session.end_question(&self.own_id);
        upstream.end_question(&self.id);
    }

    /// Tells the client that its answer is not wanted any more.
    fn withdraw(&self, reason: &str) {
        let params = serde_json::json!({ "requestId": &self.own_id, "reason": reason });
        let params = mcp::object::raw(&params);
        let message = message::notification("notifications/cancelled", Some(&params));
        // The client is not waited for.
        let _sent = self.route.send(message.into(), Unread::Keep);
    }
}

/// Waits until the client has no request under way any more that the question can belong to.
async fn calls_over(upstream: &Upstream, route: &Route) {
    let session = &route.session;
    let mut over = route.over.clone();
    loop {
        over.cancelled().await;
        match upstream.route_of(session) {
            Some(other) if !other.over.is_cancelled() => over = other.over,
            _ => return,
        }
    }
}

/// Takes a question back that the server does not want answered any more.
pub(crate) fn cancelled(upstream: &Upstream, params: Option<&RawValue>) {
    let params = params.and_then(|it| Object::parse(it).ok());
    if let Some(id) = params.as_ref().and_then(|it| it.get("requestId")) {
        upstream.withdraw_question(id);
    }
}

/// Puts our identifier in the place of the server's progress token, since two servers may use the
/// same. Returns the parameters and the server's token.
fn with_progress_token<'a>(
    mut params: Object<'a>,
    own_id: &RawValue,
) -> Result<(Object<'a>, Option<Box<RawValue>>), String> {
    let Some(meta) = params.get("_meta").filter(|it| it.get().starts_with('{')) else {
        return Ok((params, None));
    };
    let mut meta = Object::parse(meta).map_err(|err| err.to_string())?;
    let Some(token) = meta.get("progressToken").map(ToOwned::to_owned) else {
        return Ok((params, None));
    };
    meta.set("progressToken", own_id.to_owned());
    let meta = meta.to_raw();
    params.set("_meta", meta);
    Ok((params, Some(token)))
}
