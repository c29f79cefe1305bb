use std::{collections::VecDeque, pin::pin};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use serde_json::{Map, Value};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::Run;
use crate::{
    event::RunEvent,
    fit::result::{ResultBounds, bound_result},
    log::LogError,
    settings::TurnSettings,
    state::{Call, CallState, RunState},
    tools::{Progress, ProgressSink, ToolCall, ToolOutcome},
};

/// Progress that waits to be logged, of all calls together.
const PROGRESS_QUEUE_MAX: usize = 64;

impl Run<'_> {
    /// Makes all calls that may be sent, some at a time, and logs what becomes of them.
    ///
    /// When the turn is stopped, calls that are not sent stay so, and those under way have a moment
    /// to end.
    pub(super) async fn make_calls(&mut self) -> Result<(), LogError> {
        let turn = self.turn;
        let mut queue: VecDeque<ToolCall> = ready(self.state).collect();
        let (sender, mut progress) = mpsc::channel(PROGRESS_QUEUE_MAX);
        let mut throttle = Throttle::default();
        let mut running = FuturesUnordered::new();
        let mut deadline: Option<Instant> = None;
        loop {
            if deadline.is_none() {
                let free = turn.settings.tool_calls_parallel_max.max(1) - running.len();
                let starting: Vec<ToolCall> = queue.drain(..free.min(queue.len())).collect();
                let sent = starting.iter().map(|it| RunEvent::ToolCallSent {
                    call_id: it.call_id.clone(),
                });
                // Nothing goes out that the log does not have.
                self.append(sent.collect()).await?;
                for call in starting {
                    let sink = ProgressSink::new(call.call_id.clone(), sender.clone());
                    running.push(async move {
                        let start = Instant::now();
                        let outcome = turn.tools.call(&call, sink, turn.cancel).await;
                        (call.call_id, outcome, start.elapsed())
                    });
                }
            }
            if running.is_empty() {
                return Ok(());
            }
            let grace = pin!(sleep_until(deadline.unwrap_or_else(Instant::now)));
            tokio::select! {
                biased;
                () = turn.cancel.cancelled(), if deadline.is_none() => {
                    deadline = Some(Instant::now() + turn.settings.stop_grace);
                }
                Some((call_id, outcome, took)) = running.next() => {
                    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                    let event = outcome_event(call_id, outcome, duration_ms, turn.settings);
                    self.append(vec![event]).await?;
                }
                Some((call_id, it)) = progress.recv() => {
                    if throttle.keeps(&call_id, Instant::now(), turn.settings) {
                        self.append(vec![progress_event(call_id, it)]).await?;
                    }
                }
                () = grace, if deadline.is_some() => return Ok(()),
            }
        }
    }
}

fn ready(state: &RunState) -> impl Iterator<Item = ToolCall> {
    let calls = state.calls().filter(|it| it.state == CallState::Ready);
    calls.map(tool_call)
}

fn tool_call(call: &Call) -> ToolCall {
    let approval = call.approval.as_ref().filter(|it| it.answer.is_some());
    ToolCall {
        call_id: call.call_id.clone(),
        tool: call.tool.clone(),
        arguments: match &call.arguments {
            Some(Value::Object(arguments)) => arguments.clone(),
            _ => Map::new(),
        },
        approval_id: approval.map(|it| it.approval_id.clone()),
        answers: call.answers.clone(),
    }
}

fn outcome_event(
    call_id: String,
    outcome: ToolOutcome,
    duration_ms: u64,
    settings: &TurnSettings,
) -> RunEvent {
    match outcome {
        ToolOutcome::Result(result) => {
            let bounds = ResultBounds {
                bytes_max: settings.tool_result_bytes_max,
                image_bytes_max: settings.tool_result_image_bytes_max,
            };
            let bounded = bound_result(result.content, bounds);
            RunEvent::ToolResult {
                call_id,
                content: bounded.content,
                is_error: result.is_error,
                duration_ms,
                cut_bytes: bounded.cut_bytes,
                facts: result.facts,
            }
        }
        ToolOutcome::NeedsApproval {
            approval_id,
            reason,
        } => RunEvent::ToolApprovalNeeded {
            call_id,
            approval_id,
            reason,
        },
        ToolOutcome::NeedsAnswer(question) => RunEvent::ElicitationAsked { call_id, question },
        ToolOutcome::Unknown { why } => RunEvent::ToolOutcomeUnknown { call_id, why },
    }
}

fn progress_event(call_id: String, it: Progress) -> RunEvent {
    RunEvent::ToolProgress {
        call_id,
        progress: it.progress,
        total: it.total,
        message: it.message,
    }
}

/// Keeps a server that reports progress without end from filling the log.
#[derive(Default)]
struct Throttle {
    calls: Vec<(String, Instant, u32)>,
}

impl Throttle {
    fn keeps(&mut self, call_id: &str, now: Instant, settings: &TurnSettings) -> bool {
        let Some((_, last, kept)) = self.calls.iter_mut().find(|it| it.0 == call_id) else {
            self.calls.push((call_id.to_owned(), now, 1));
            return true;
        };
        let keeps = settings.tool_progress_period <= now.duration_since(*last)
            && *kept < settings.tool_progress_max;
        if keeps {
            *last = now;
            *kept += 1;
        }
        keeps
    }
}
