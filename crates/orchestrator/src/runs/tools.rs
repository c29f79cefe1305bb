//! The tools of a chat, for the model that is at work in it.

use std::sync::Arc;

use agent::{
    ElicitationAction, Progress, ProgressSink, Question, ToolCall, ToolOutcome, ToolResult,
    ToolSpec, Tools,
};
use async_trait::async_trait;
use domain::{Access, Caller, CallerKind, ChatId, PrincipalName, RunId};
use gateway::{CallError, CallNews, CallOutcome, CallTarget, ToolView};
use serde_json::{Value, json, value::RawValue};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::held::{AskedPerson, Held};
use crate::{Error, Shared};

/// What a server may tell and ask in one call before it is heard.
const NEWS_QUEUE_MAX: usize = 32;
pub(crate) const FORGOTTEN: &str =
    "the program was started anew while the server waited for an answer, and the server with it";
const STOPPED: &str = "the run was stopped while the call was under way";

pub(crate) struct RunTools {
    shared: Arc<Shared>,
    run: RunId,
    chat: ChatId,
    caller: Caller,
}

impl RunTools {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        run: RunId,
        chat: ChatId,
        principal: &PrincipalName,
    ) -> Self {
        Self {
            shared: shared.clone(),
            run,
            chat,
            caller: Caller {
                principal: principal.clone(),
                token: None,
                kind: CallerKind::Chat,
                chat: Some(chat),
                access: Access::default(),
            },
        }
    }

    /// Returns the chat's tools: those that choose others first, since they are never to be missing.
    async fn enabled(&self) -> Result<Vec<ToolView>, Error> {
        let mut tools = self.shared.enabled_tools(self.chat, &self.caller).await?;
        tools.sort_by(|a, b| {
            let key = |it: &ToolView| (!it.server.is_built_in(), it.advertised.clone());
            key(a).cmp(&key(b))
        });
        Ok(tools)
    }

    /// Begins the call on a task of its own, which goes on while a person thinks about what the
    /// server has asked.
    fn begin(&self, call: &ToolCall, tool: &ToolView) -> Held {
        let (news, heard) = mpsc::channel(NEWS_QUEUE_MAX);
        let (done, is_done) = watch::channel(None);
        let cancel = CancellationToken::new();
        let held = Held {
            news: heard,
            done: is_done,
            _cancel: cancel.clone().drop_guard(),
            asked: None,
            facts: self.facts(tool),
        };
        let (shared, caller) = (self.shared.clone(), self.caller.clone());
        let (run, call_id) = (self.run, call.call_id.clone());
        let (server, name) = (tool.server.clone(), tool.name.clone());
        let arguments = to_raw(&call.arguments);
        self.shared.tasks.spawn(async move {
            let target = CallTarget::Own {
                server: &server,
                tool: &name,
            };
            let gateway = shared.gateway().clone();
            let call = gateway.call_in_turn(&caller, target, Some(arguments), news);
            if let Some(outcome) = cancel.run_until_cancelled(call).await {
                done.send_replace(Some(outcome));
                super::work::call_ended(&shared, run, &call_id);
            }
        });
        held
    }

    fn facts(&self, tool: &ToolView) -> Value {
        let row = self.shared.directory.row_by_slug(&tool.server);
        let kind = row.as_ref().map(|it| match it.stored.spec.source {
            domain::Source::Package(_) => "sandbox",
            domain::Source::Remote { .. } => "remote",
        });
        json!({
            "server": tool.server,
            "server_title": row.map(|it| it.stored.title.clone()),
            "tool": tool.name,
            "runs_in": kind.unwrap_or("archestra"),
        })
    }

    /// Waits until the call is over, or the server asks something.
    async fn wait(
        &self,
        call: &ToolCall,
        mut held: Held,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> ToolOutcome {
        loop {
            tokio::select! {
                biased;
                news = held.news.recv(), if !held.news.is_closed() || !held.news.is_empty() => {
                    match news {
                        Some(CallNews::Progress(params)) => progress.send(progress_of(&params)),
                        Some(CallNews::Question(question)) => {
                            let id = uuid::Uuid::now_v7().to_string();
                            let asked = question_of(id.clone(), &question.params);
                            held.asked = Some(AskedPerson { id, question, schema: asked.schema.clone() });
                            self.shared.runs.held.put(self.run, &call.call_id, held);
                            // It may have ended before it was put there.
                            super::work::call_ended(&self.shared, self.run, &call.call_id);
                            return ToolOutcome::NeedsAnswer(asked);
                        }
                        None => {}
                    }
                }
                outcome = ended(&mut held.done) => return self.outcome(outcome, held.facts),
                () = cancel.cancelled() => {
                    return ToolOutcome::Unknown { why: STOPPED.to_owned() };
                }
            }
        }
    }

    fn outcome(&self, outcome: Result<CallOutcome, CallError>, mut facts: Value) -> ToolOutcome {
        match outcome {
            Ok(outcome) => {
                facts["allowed_by"] = outcome.basis.into();
                ToolOutcome::Result(ToolResult {
                    content: serde_json::from_str(outcome.result.get()).unwrap_or(Value::Null),
                    is_error: outcome.is_error,
                    facts: Some(facts),
                })
            }
            Err(err) => error_outcome(err, facts, self.shared.address()),
        }
    }
}

#[async_trait]
impl Tools for RunTools {
    async fn list(&self) -> Vec<ToolSpec> {
        match self.enabled().await {
            Ok(tools) => tools.iter().map(spec).collect(),
            Err(err) => {
                tracing::warn!(
                    error = &err as &dyn std::error::Error,
                    chat.id = %self.chat,
                    "The tools of a chat are not known"
                );
                Vec::new()
            }
        }
    }

    async fn call(
        &self,
        call: &ToolCall,
        progress: ProgressSink,
        cancel: &CancellationToken,
    ) -> ToolOutcome {
        let held = match self.shared.runs.held.take(self.run, &call.call_id) {
            Some(held) => held,
            // It went out before, and nobody waits for its end any more.
            None if !call.answers.is_empty() => {
                let why = FORGOTTEN.to_owned();
                return ToolOutcome::Unknown { why };
            }
            None => {
                let enabled = match self.enabled().await {
                    Ok(enabled) => enabled,
                    Err(err) => return ToolOutcome::Result(ToolResult::error(&err.to_string())),
                };
                let tool = enabled.iter().find(|it| it.advertised == call.tool);
                let Some(tool) = tool else {
                    let text = format!(
                        "tool `{}` is not among the tools of this chat any more; a person can enable it there",
                        call.tool
                    );
                    return ToolOutcome::Result(ToolResult::error(&text));
                };
                self.begin(call, tool)
            }
        };
        self.wait(call, held, &progress, cancel).await
    }
}

async fn ended(
    done: &mut watch::Receiver<Option<Result<CallOutcome, CallError>>>,
) -> Result<CallOutcome, CallError> {
    match done.wait_for(Option::is_some).await {
        Ok(outcome) => outcome.clone().unwrap_or(Err(CallError::Cancelled)),
        // The program is ending.
        Err(_dropped) => Err(CallError::Cancelled),
    }
}

/// Returns what the model and the person are told of a call that has no result.
fn error_outcome(err: CallError, mut facts: Value, address: &str) -> ToolOutcome {
    let place = |server: &domain::ServerSlug| format!("{address}/servers/{server}");
    let text = match &err {
        CallError::WaitingForApproval { approval, .. } => {
            return ToolOutcome::NeedsApproval {
                approval_id: approval.to_string(),
                reason: None,
            };
        }
        CallError::Lost { .. } | CallError::Ended { .. } => {
            return ToolOutcome::Unknown {
                why: err.to_string(),
            };
        }
        CallError::Cancelled => {
            return ToolOutcome::Unknown {
                why: STOPPED.to_owned(),
            };
        }
        CallError::NotStarted { server, .. } => {
            format!("{err}; a person can look at its log at {}", place(server))
        }
        CallError::Timeout { server, .. } => format!(
            "{err}; whether the call took effect is not known; a person can look at the server's log at {}, or give it more time",
            place(server)
        ),
        CallError::Busy { .. } | CallError::NotReached { .. } => {
            format!("{err}; the call was not made, and can be made again")
        }
        CallError::Denied { .. }
        | CallError::Quarantined { .. }
        | CallError::NotApproved { .. }
        | CallError::Unknown { .. }
        | CallError::Params { .. }
        | CallError::NotRecorded { .. }
        | CallError::Server { .. } => err.to_string(),
    };
    facts["failed"] = true.into();
    ToolOutcome::Result(ToolResult {
        facts: Some(facts),
        ..ToolResult::error(&text)
    })
}

/// Returns a tool as the agent knows tools.
fn spec(tool: &ToolView) -> ToolSpec {
    let definition: Value = serde_json::from_str(tool.definition.get()).unwrap_or(Value::Null);
    let text = |it: &Value| it.as_str().map(str::to_owned);
    ToolSpec {
        name: tool.advertised.clone(),
        title: text(&definition["title"]).or_else(|| text(&definition["annotations"]["title"])),
        description: text(&definition["description"]),
        input_schema: definition["inputSchema"].clone(),
    }
}

fn progress_of(params: &RawValue) -> Progress {
    let params: Value = serde_json::from_str(params.get()).unwrap_or(Value::Null);
    Progress {
        progress: params["progress"].as_f64(),
        total: params["total"].as_f64(),
        message: params["message"].as_str().map(str::to_owned),
    }
}

/// Reads what a server asks (MCP, "Elicitation").
fn question_of(elicitation_id: String, params: &RawValue) -> Question {
    let params: Value = serde_json::from_str(params.get()).unwrap_or(Value::Null);
    let is_url = params["mode"] == "url";
    let schema = params.get("requestedSchema");
    Question {
        elicitation_id,
        message: params["message"].as_str().unwrap_or_default().to_owned(),
        schema: schema.filter(|_| !is_url).cloned(),
        url: params["url"].as_str().filter(|_| is_url).map(str::to_owned),
        state: None,
    }
}

/// Returns what the server gets (MCP, "Elicitation", "Response Actions").
pub(crate) fn answer_of(action: ElicitationAction, content: Option<&Value>) -> Box<RawValue> {
    let mut answer = json!({ "action": action });
    if action == ElicitationAction::Accept
        && let Some(content) = content
    {
        answer["content"] = content.clone();
    }
    to_raw(&answer)
}

fn to_raw<T: serde::Serialize>(value: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("a value has a JSON form")
}

#[cfg(test)]
mod tests;
