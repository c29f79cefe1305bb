use std::sync::Arc;

use futures_util::{StreamExt as _, stream::ReadyChunks};

use super::{
    Run, StepFailure,
    offer::Offer,
    retry::{Retry, retry},
    writer::Writer,
};
use crate::{
    error::{ModelError, ModelErrorKind},
    event::{NoticeKind, RunEvent},
    log::LogError,
    model::{ModelEvent, ModelRequest, ModelStream},
};

/// Events of a model that are logged together, where they are there already.
const EVENTS_TOGETHER_MAX: usize = 64;

/// What a model has begun to write.
struct Begun {
    /// Invariant: not empty.
    first: Vec<Result<ModelEvent, ModelError>>,
    rest: ReadyChunks<ModelStream>,
}

impl Run<'_> {
    /// Asks the model once and logs its answer.
    pub(super) async fn step(&mut self) -> Result<Result<(), StepFailure>, LogError> {
        let turn = self.turn;
        let tools = tokio::select! {
            tools = turn.tools.list() => tools,
            () = turn.cancel.cancelled() => return Ok(Err(StepFailure::Stopped)),
        };
        let offer = Offer::new(tools, turn.settings.tools_max);
        let step = self.state.step + 1;
        let notice = offer.notice();
        let notice = notice.and_then(|(kind, text)| self.notice(kind, text));
        let mut events = vec![RunEvent::StepStarted { step }];
        events.extend(notice);
        self.append(events).await?;

        let (provider, model) = (turn.model.provider(), turn.model.name());
        let request = ModelRequest {
            conversation: Arc::new(turn.history.with_run(self.state, provider, model)),
            tools: offer.model_tools(),
            options: turn.options.clone(),
        };
        let begun = match self.begin(request).await? {
            Ok(begun) => begun,
            Err(failure) => return Ok(Err(failure)),
        };
        self.read(begun, &offer, step).await
    }

    /// Makes the request until something comes, or nothing is to be hoped for.
    async fn begin(
        &mut self,
        mut request: ModelRequest,
    ) -> Result<Result<Begun, StepFailure>, LogError> {
        let turn = self.turn;
        let mut waits = 0;
        loop {
            let begun = tokio::select! {
                begun = begin_once(turn.model.stream(request.clone())) => begun,
                () = turn.cancel.cancelled() => return Ok(Err(StepFailure::Stopped)),
            };
            let error = match begun {
                Ok(begun) => return Ok(Ok(begun)),
                Err(error) => error,
            };
            match retry(&error, waits, !request.tools.is_empty(), turn.settings) {
                Retry::No => return Ok(Err(StepFailure::Model(error))),
                Retry::WithoutTools => {
                    request.tools.clear();
                    let model = turn.model.name();
                    let text = format!(
                        "`{model}` cannot call tools, so it was asked without them; choose a model \
                         that can"
                    );
                    let notice = self.notice(NoticeKind::NoToolSupport, text);
                    self.append(notice.into_iter().collect()).await?;
                }
                Retry::After(wait) => {
                    waits += 1;
                    let seconds = wait.as_millis().div_ceil(1_000);
                    let (message, most) = (&error.message, turn.settings.retries_max);
                    let text = format!(
                        "{message}; it is asked again in {seconds} s (try {waits} of {most})"
                    );
                    let kind = NoticeKind::Waiting;
                    self.append(vec![RunEvent::Notice { kind, text }]).await?;
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = turn.cancel.cancelled() => return Ok(Err(StepFailure::Stopped)),
                    }
                }
            }
        }
    }

    async fn read(
        &mut self,
        begun: Begun,
        offer: &Offer,
        step: u32,
    ) -> Result<Result<(), StepFailure>, LogError> {
        let turn = self.turn;
        let (next_part, next_call) = (self.state.next_part(), self.state.next_call());
        let mut writer = Writer::new(turn.settings, offer, step, next_part, next_call);
        let Begun { first, mut rest } = begun;
        let mut pieces = Some(first);
        while let Some(some) = pieces {
            let mut events = Vec::new();
            let mut failure = None;
            let mut finished = false;
            for piece in some {
                let taken = piece.and_then(|it| {
                    finished |= matches!(it, ModelEvent::Finished { .. });
                    writer.take(it, &mut events)
                });
                if let Err(error) = taken {
                    failure = Some(error);
                    break;
                }
                if finished {
                    break;
                }
            }
            events.retain(|it| !self.is_told(it));
            // What came before the failure is kept.
            self.append(events).await?;
            if let Some(error) = failure {
                return Ok(Err(StepFailure::Model(error)));
            }
            if finished {
                return Ok(Ok(()));
            }
            pieces = tokio::select! {
                biased;
                () = turn.cancel.cancelled() => return Ok(Err(StepFailure::Stopped)),
                pieces = rest.next() => pieces,
            };
        }
        Ok(Err(StepFailure::Model(cut_off())))
    }
}

/// Waits for the first events, since an error in their place is one of the request.
async fn begin_once(
    stream: impl Future<Output = Result<ModelStream, ModelError>>,
) -> Result<Begun, ModelError> {
    let mut rest = stream.await?.ready_chunks(EVENTS_TOGETHER_MAX);
    let mut first = rest.next().await.ok_or_else(cut_off)?;
    match first.first_mut() {
        Some(Err(_)) => match first.swap_remove(0) {
            Err(error) => Err(error),
            Ok(_) => Err(cut_off()),
        },
        _ => Ok(Begun { first, rest }),
    }
}

fn cut_off() -> ModelError {
    ModelError::new(
        ModelErrorKind::Malformed,
        "the model's answer ended before it was complete",
        "let the run go on; if it happens again, look at the provider's own log",
    )
}
