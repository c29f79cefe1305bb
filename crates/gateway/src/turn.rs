//! A model's turn as a caller: it hears how far its call is, and its person can be asked.

use std::sync::Arc;

use domain::ChatId;
use mcp::{RpcError, code};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{Shared, upstream::Upstream};

/// What comes from a server while it is at work on a call of a model.
#[derive(Debug)]
pub enum CallNews {
    /// The parameters of `notifications/progress`; the token in them means nothing.
    Progress(Box<RawValue>),
    Question(CallQuestion),
}

/// What a server wants to know before it goes on with a call.
#[derive(Debug)]
pub struct CallQuestion {
    /// The parameters of `elicitation/create`, as the server sent them.
    pub params: Box<RawValue>,
    answer: oneshot::Sender<Box<RawValue>>,
}

impl CallQuestion {
    /// Gives the server its answer. Returns whether it still waits for one.
    pub fn answer(self, result: Box<RawValue>) -> bool {
        self.answer.send(result).is_ok()
    }

    /// Returns whether the server still waits for an answer.
    pub fn is_open(&self) -> bool {
        !self.answer.is_closed()
    }
}

/// The way to whoever makes a call in a model's turn.
#[derive(Debug, Clone)]
pub(crate) struct TurnRoute {
    pub(crate) chat: Option<ChatId>,
    pub(crate) news: mpsc::Sender<CallNews>,
    /// Cancelled when the call is over.
    pub(crate) over: CancellationToken,
}

impl TurnRoute {
    /// Whether both are of one chat, so that a question for the one may be put to the other.
    pub(crate) fn is_of_same_chat(&self, other: &Self) -> bool {
        self.chat.is_some() && self.chat == other.chat
    }

    /// Passes on how far the call is. Whoever does not read may miss it.
    pub(crate) fn tell_progress(&self, params: Box<RawValue>) {
        let _told = self.news.try_send(CallNews::Progress(params));
    }
}

/// A question on its way to a person.
pub(crate) struct TurnQuestion {
    upstream: Arc<Upstream>,
    route: TurnRoute,
    /// The server's identifier of it.
    id: Box<RawValue>,
    answered: oneshot::Receiver<Box<RawValue>>,
    withdrawn: CancellationToken,
}

impl TurnQuestion {
    /// Puts a question to whoever makes the call. `Err` says why that cannot be.
    pub(crate) fn begin(
        upstream: &Arc<Upstream>,
        route: TurnRoute,
        id: &RawValue,
        params: Option<&RawValue>,
    ) -> Result<Self, String> {
        let withdrawn = upstream.begin_question(id)?;
        let (answer, answered) = oneshot::channel();
        let question = CallQuestion {
            params: params.map_or_else(crate::empty_object, ToOwned::to_owned),
            answer,
        };
        if route.news.try_send(CallNews::Question(question)).is_err() {
            upstream.end_question(id);
            return Err("the chat has as many questions open as it may have".to_owned());
        }
        Ok(Self {
            upstream: upstream.clone(),
            route,
            id: id.to_owned(),
            answered,
            withdrawn,
        })
    }

    /// Waits for the person's answer, and gives it to the server.
    pub(crate) async fn ask(mut self, shared: Arc<Shared>) {
        let upstream = &self.upstream;
        let refuse = |reason: String| {
            upstream.respond(&self.id, Err(&RpcError::new(code::SERVER, reason).to_raw()));
        };
        let _held = upstream.hold_turn(&self.route);
        let limit = shared.settings.question_timeout;
        tokio::select! {
            biased;
            answer = &mut self.answered => match answer {
                Ok(result) => upstream.respond(&self.id, Ok(&result)),
                Err(_dropped) => refuse("the run in the chat is over".to_owned()),
            },
            () = self.withdrawn.cancelled() => {}
            () = upstream.over.cancelled() => {}
            () = calls_over(upstream, &self.route) => {
                refuse("the call that it belongs to is over".to_owned());
            }
            () = tokio::time::sleep(limit) => {
                refuse(format!("nobody answered within {limit:?} (`question_timeout`)"));
            }
        }
        upstream.end_question(&self.id);
    }
}

/// Waits until the chat has no call under way any more that the question can belong to.
async fn calls_over(upstream: &Upstream, route: &TurnRoute) {
    let mut over = route.over.clone();
    loop {
        over.cancelled().await;
        match upstream.turn_like(route) {
            Some(other) if !other.over.is_cancelled() => over = other.over,
            _ => return,
        }
    }
}
