use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    conversation::{AnswerPart, Message},
    error::ModelError,
    event::{FinishReason, Question, RunEvent, Usage},
    log::{Log, LogError},
    model::{Model, ModelEvent, ModelRequest, ModelStream},
    state::RunState,
    tools::{Progress, ProgressSink, ToolCall, ToolOutcome, ToolResult, ToolSpec, Tools},
};

pub(super) fn done(reason: FinishReason) -> ModelEvent {
    ModelEvent::Finished {
        reason,
        usage: Usage::default(),
    }
}

pub(super) fn text(text: &str) -> Vec<ModelEvent> {
    let text = text.to_owned();
    vec![ModelEvent::Text { text }, done(FinishReason::Stop)]
}

pub(super) fn call(name: &str, arguments: &str) -> (String, String) {
    (name.to_owned(), arguments.to_owned())
}

pub(super) fn calls(calls: &[(String, String)]) -> Vec<ModelEvent> {
    let mut events = Vec::new();
    for (index, (name, arguments)) in calls.iter().enumerate() {
        let index = u32::try_from(index).unwrap();
        events.push(ModelEvent::CallStarted {
            index,
            name: name.clone(),
        });
        events.push(ModelEvent::CallArguments {
            index,
            text: arguments.clone(),
        });
    }
    events.push(done(FinishReason::ToolCalls));
    events
}

/// A line for each event, with what a reader of a test needs.
pub(super) fn story(events: &[RunEvent]) -> String {
    let mut out = String::new();
    for event in events {
        let value = serde_json::to_value(event).unwrap();
        let mut line = value["type"].as_str().unwrap().to_owned();
        for key in ["part", "call_id", "step"] {
            if let Some(it) = value.get(key) {
                line.push_str(&format!(" {it}").replace('"', ""));
            }
        }
        let detail = match event {
            RunEvent::ToolInputStarted { tool, .. } => tool.clone(),
            RunEvent::ToolCallReady { arguments, .. } => arguments.to_string(),
            RunEvent::ToolResult { content, .. } => {
                content["content"][0]["text"].as_str().unwrap().to_owned()
            }
            RunEvent::ToolApprovalNeeded { approval_id, .. } => approval_id.clone(),
            RunEvent::ToolApprovalAnswered { approved, .. } => approved.to_string(),
            RunEvent::StepFinished { .. } => value["finish"].as_str().unwrap().to_owned(),
            RunEvent::RunFinished { .. } => value["end"]["reason"].as_str().unwrap().to_owned(),
            _ => String::new(),
        };
        if !detail.is_empty() {
            line.push(' ');
            line.push_str(&detail);
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// A model that says what it was told to say.
pub(super) struct Script {
    steps: Mutex<VecDeque<Vec<ModelEvent>>>,
    again: Option<Vec<ModelEvent>>,
    failures: Mutex<VecDeque<ModelError>>,
    requests: Mutex<Vec<ModelRequest>>,
    hangs: bool,
}

impl Script {
    pub(super) fn new(steps: impl IntoIterator<Item = Vec<ModelEvent>>) -> Self {
        Self {
            steps: Mutex::new(steps.into_iter().collect()),
            again: None,
            failures: Mutex::default(),
            requests: Mutex::default(),
            hangs: false,
        }
    }

    pub(super) fn forever(step: Vec<ModelEvent>) -> Self {
        let mut script = Self::new([]);
        script.again = Some(step);
        script
    }

    /// Instead of ending its stream it goes silent.
    pub(super) const fn that_hangs(mut self) -> Self {
        self.hangs = true;
        self
    }

    pub(super) fn that_fails_first(self, failures: &[ModelError]) -> Self {
        self.failures.lock().unwrap().extend(failures.to_vec());
        self
    }

    /// Leaves out the steps that have been there, and says something short when it is at its end.
    pub(super) fn that_is_at(mut self, step: u32) -> Self {
        self.again = Some(text("well"));
        let mut steps = self.steps.lock().unwrap();
        let gone = (step as usize).min(steps.len());
        steps.drain(..gone);
        drop(steps);
        self
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    pub(super) fn request(&self, index: usize) -> ModelRequest {
        self.requests.lock().unwrap()[index].clone()
    }

    /// Returns what the model was told of its last calls in a request.
    pub(super) fn told(&self, index: usize) -> String {
        let request = self.request(index);
        let Some(Message::Answers { answers }) = request.conversation.messages.last() else {
            panic!("{request:?}")
        };
        let parts = answers.iter().flat_map(|it| &it.parts);
        let texts = parts.map(|it| match it {
            AnswerPart::Text(text) => text.clone(),
            other => format!("{other:?}"),
        });
        texts.collect::<Vec<_>>().join("\n")
    }
}

#[async_trait]
impl Model for Script {
    fn provider(&self) -> &str {
        "fake"
    }

    fn name(&self) -> &str {
        "m"
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        self.requests.lock().unwrap().push(request);
        if let Some(error) = self.failures.lock().unwrap().pop_front() {
            return Err(error);
        }
        let next = self.steps.lock().unwrap().pop_front();
        let events = next.or_else(|| self.again.clone()).unwrap();
        let events = stream::iter(events.into_iter().map(Ok));
        Ok(if self.hangs {
            events.chain(stream::pending()).boxed()
        } else {
            events.boxed()
        })
    }
}

/// A log that says from when on it fails.
#[derive(Default)]
pub(super) struct MemoryLog {
    events: Mutex<Vec<RunEvent>>,
    appends: Mutex<(usize, Option<usize>)>,
    changed: watch::Sender<()>,
}

impl MemoryLog {
    pub(super) fn events(&self) -> Vec<RunEvent> {
        self.events.lock().unwrap().clone()
    }

    pub(super) fn state(&self) -> RunState {
        RunState::of(self.events.lock().unwrap().iter())
    }

    pub(super) fn push(&self, event: RunEvent) {
        self.events.lock().unwrap().push(event);
    }

    pub(super) fn replace(&self, events: Vec<RunEvent>) {
        *self.events.lock().unwrap() = events;
    }

    pub(super) fn appends(&self) -> usize {
        self.appends.lock().unwrap().0
    }

    pub(super) fn fail_from(&self, nth: usize) {
        self.appends.lock().unwrap().1 = Some(nth);
    }

    pub(super) fn notices(&self) -> Vec<String> {
        let events = self.events();
        let notice = |it: RunEvent| match it {
            RunEvent::Notice { text, .. } => Some(text),
            _ => None,
        };
        events.into_iter().filter_map(notice).collect()
    }

    pub(super) async fn has(&self, what: impl Fn(&RunEvent) -> bool) {
        let mut changed = self.changed.subscribe();
        while !self.events.lock().unwrap().iter().any(&what) {
            changed.changed().await.unwrap();
        }
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn append(&self, events: Vec<RunEvent>) -> Result<(), LogError> {
        let mut appends = self.appends.lock().unwrap();
        appends.0 += 1;
        if appends.1.is_some_and(|it| it <= appends.0) {
            let source = "the disk is full".into();
            return Err(LogError { source });
        }
        self.events.lock().unwrap().extend(events);
        self.changed.send_replace(());
        Ok(())
    }
}

/// Tools that look into the log at each call and are not to be called twice for one.
pub(super) struct FakeTools {
    log: Arc<MemoryLog>,
    specs: Mutex<Vec<ToolSpec>>,
    sent: Mutex<BTreeMap<String, Value>>,
    forbidden: Mutex<BTreeSet<String>>,
    at_once: Mutex<(usize, usize)>,
    hanging: watch::Sender<bool>,
}

fn spec(name: &str, input_schema: Value) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        title: None,
        description: Some(format!("does {name}")),
        input_schema,
    }
}

impl FakeTools {
    pub(super) fn new(log: Arc<MemoryLog>) -> Self {
        const NAMES: [&str; 9] = [
            "broken", "curious", "echo", "enable", "guarded", "hang", "large", "lost", "slow",
        ];
        let any = |it: &&str| spec(it, json!({ "type": "object" }));
        let mut specs: Vec<ToolSpec> = NAMES.iter().map(any).collect();
        specs.push(spec(
            "strict",
            json!({ "type": "object", "properties": { "n": { "type": "integer" } } }),
        ));
        Self {
            log,
            specs: Mutex::new(specs),
            sent: Mutex::default(),
            forbidden: Mutex::default(),
            at_once: Mutex::default(),
            hanging: watch::Sender::default(),
        }
    }

    pub(super) fn add_tools(&self, count: usize) {
        let more = (0..count).map(|it| spec(&format!("more_{it}"), json!({})));
        self.specs.lock().unwrap().extend(more);
    }

    pub(super) fn sent(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    pub(super) fn arguments(&self, call_id: &str) -> Value {
        self.sent.lock().unwrap()[call_id].clone()
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.at_once.lock().unwrap().1
    }

    pub(super) async fn hanging(&self) {
        self.hanging.subscribe().wait_for(|it| *it).await.unwrap();
    }

    /// Calls whose last word in `events` is that they were sent, or that they have an end.
    pub(super) fn forbid_what_was_sent(&self, events: &[RunEvent]) {
        let state = RunState::of(events);
        let mut forbidden = self.forbidden.lock().unwrap();
        for call in state.calls() {
            use crate::state::CallState;
            if call.state == CallState::Sent || call.state.is_end() {
                forbidden.insert(call.call_id.clone());
            }
        }
    }

    fn send(&self, call: &ToolCall) {
        let is_new = self
            .sent
            .lock()
            .unwrap()
            .insert(call.call_id.clone(), Value::Object(call.arguments.clone()))
            .is_none();
        assert!(is_new, "`{}` was sent twice", call.call_id);
    }
}

fn result(text: &str) -> ToolOutcome {
    ToolOutcome::Result(ToolResult {
        content: json!({ "content": [{ "type": "text", "text": text }] }),
        is_error: false,
        facts: Some(json!({ "server": "fake" })),
    })
}

#[async_trait]
impl Tools for FakeTools {
    async fn list(&self) -> Vec<ToolSpec> {
        self.specs.lock().unwrap().clone()
    }

    async fn call(
        &self,
        call: &ToolCall,
        progress: ProgressSink,
        _cancel: &CancellationToken,
    ) -> ToolOutcome {
        let id = &call.call_id;
        let state = self.log.state();
        let logged = &state.call(id).unwrap().state;
        assert_eq!(
            *logged,
            crate::state::CallState::Sent,
            "`{id}` is not logged as sent"
        );
        assert!(
            !self.forbidden.lock().unwrap().contains(id),
            "`{id}` was sent before"
        );
        let arguments = Value::Object(call.arguments.clone()).to_string();
        match call.tool.as_str() {
            "guarded" if call.approval_id.is_none() => {
                return ToolOutcome::NeedsApproval {
                    approval_id: format!("a-{id}"),
                    reason: None,
                };
            }
            "curious" if call.answers.is_empty() => {
                return ToolOutcome::NeedsAnswer(Question {
                    elicitation_id: format!("e-{id}"),
                    message: "which city?".to_owned(),
                    schema: Some(json!({ "type": "object" })),
                    url: None,
                    state: Some(json!("sealed")),
                });
            }
            _ => self.send(call),
        }
        match call.tool.as_str() {
            "broken" => ToolOutcome::Result(ToolResult::error("the server is down")),
            "curious" => {
                let answer = &call.answers[0];
                assert_eq!(answer.question.state, Some(json!("sealed")));
                result(&answer.content.clone().unwrap().to_string())
            }
            "enable" => {
                self.specs.lock().unwrap().push(spec("new_tool", json!({})));
                result("enabled")
            }
            "hang" => {
                self.hanging.send_replace(true);
                std::future::pending().await
            }
            "large" => result(&"x".repeat(1 << 20)),
            "lost" => ToolOutcome::Unknown {
                why: "the line broke".to_owned(),
            },
            "slow" => {
                {
                    let mut at_once = self.at_once.lock().unwrap();
                    at_once.0 += 1;
                    at_once.1 = at_once.1.max(at_once.0);
                }
                for _ in 0..1_000 {
                    progress.send(Progress::default());
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
                self.at_once.lock().unwrap().0 -= 1;
                result("slow")
            }
            _ => result(&arguments),
        }
    }
}
