//! What a server asks in the middle of a call goes to the client that the call belongs to.
//!
//! Over HTTP the stream tells which call that is. Over lines nothing does, so it is told by who has
//! requests under way: when all of them are one client's, it is that client. When they are several
//! clients', the question cannot be attributed and is refused, since asking the wrong one would show
//! one client's affairs to another.

use std::sync::Arc;

use mcp::{Object, RpcError, code, message};
use serde_json::value::RawValue;

use crate::{Shared, session::Route, upstream::Upstream};

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
    let refuse = |code: i64, reason: String| {
        tracing::info!(server.slug = %upstream.slug, method, reason, "Question of a server refused");
        upstream.respond(id, Err(&RpcError::new(code, reason).to_raw()));
    };
    let Some((_, capability)) = QUESTIONS.iter().find(|(it, _)| *it == method) else {
        return refuse(code::METHOD_NOT_FOUND, format!("`{method}` is not known"));
    };
    let routes = upstream.routes(related);
    let route = match routes.as_slice() {
        [route] => route.clone(),
        [] => {
            return refuse(
                code::INVALID_REQUEST,
                format!("`{method}` came while no client had a call under way"),
            );
        }
        _ => {
            return refuse(
                code::INVALID_REQUEST,
                format!(
                    "`{method}` came while several clients had calls under way, so it cannot be told whom to ask"
                ),
            );
        }
    };
    if !route.session.can(capability) {
        return refuse(
            code::METHOD_NOT_FOUND,
            format!("the client that made this call does not support {capability}"),
        );
    }
    let question = ask(
        shared.clone(),
        upstream.clone(),
        route,
        id.to_owned(),
        method.to_owned(),
        params.map(ToOwned::to_owned),
    );
    shared.tasks.spawn(question);
}

/// Asks the client, and gives its answer to the server.
async fn ask(
    shared: Arc<Shared>,
    upstream: Arc<Upstream>,
    route: Route,
    id: Box<RawValue>,
    method: String,
    params: Option<Box<RawValue>>,
) {
    let refused = |reason: String| {
        upstream.respond(&id, Err(&RpcError::new(code::SERVER, reason).to_raw()));
    };
    let session = route.session.clone();
    let Some(withdrawn) = upstream.begin_question(&id) else {
        return refused("it has too many questions open".to_owned());
    };
    let _held = upstream.hold(&session);
    let (question, answered) =
        session.begin_question(&upstream.slug, progress_token(params.as_deref()));
    let bytes = message::request(&question, &method, params.as_deref());
    if !route.send(bytes.into()) {
        session.end_question(&question);
        upstream.end_question(&id);
        return refused("the client does not read its messages".to_owned());
    }
    let limit = shared.settings.question_timeout;
    tokio::select! {
        answer = answered => match answer {
            Ok(Ok(result)) => upstream.respond(&id, Ok(&result)),
            Ok(Err(error)) => upstream.respond(&id, Err(&error)),
            Err(_dropped) => refused("the question was withdrawn".to_owned()),
        },
        () = session.over.cancelled() => refused("the client's session is over".to_owned()),
        () = withdrawn.cancelled() => withdraw(&route, &question, "the server took it back"),
        () = upstream.over.cancelled() => withdraw(&route, &question, "the server ended"),
        () = tokio::time::sleep(limit) => {
            withdraw(&route, &question, "it took too long");
            refused(format!("the client did not answer within {limit:?} (`question_timeout`)"));
        }
    }
    session.end_question(&question);
    upstream.end_question(&id);
}

/// Tells the client that its answer is not wanted any more.
fn withdraw(route: &Route, question: &RawValue, reason: &str) {
    let params = mcp::object::raw(&serde_json::json!({ "requestId": question, "reason": reason }));
    let message = message::notification("notifications/cancelled", Some(&params));
    // The client is not waited for.
    let _sent = route.send(message.into());
}

/// Takes a question back that the server does not want answered any more.
pub(crate) fn cancelled(upstream: &Upstream, params: Option<&RawValue>) {
    let params = params.and_then(|it| Object::parse(it).ok());
    if let Some(id) = params.as_ref().and_then(|it| it.get("requestId")) {
        upstream.withdraw_question(id);
    }
}

fn progress_token(params: Option<&RawValue>) -> Option<String> {
    let params = Object::parse(params?).ok()?;
    let meta: Box<RawValue> = params.read("_meta")?;
    let meta = Object::parse(&meta).ok()?;
    meta.get("progressToken").map(|it| it.get().to_owned())
}
