use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use agent::{ProviderKind, RunEvent, ui::UiMessage};
use domain::{Caller, ChatId, Effect, ProviderId, RunId};
use scripted_model::{Conversation, Options, ScriptedModel, Step, ToolCall, Turn};
use store::{InstallState, NewChat, RunState, ToolsDefault};
use tokio::time::timeout;

use crate::{
    AddProvider, ChatMessages, LookedAt, MessageContent, MessagePart, Parts, SendMessage, Sent,
    tests::{
        bed::{House, person, reach_out},
        bridge::Script,
        tool_server::ToolServer,
    },
};

pub(super) const LONG: Duration = Duration::from_secs(30);
/// The name of the model that a test scripts.
pub(super) const MODEL: &str = "scripted";

/// A program with a chat.
pub(super) struct Bed {
    pub(super) house: House,
    pub(super) model: Arc<ScriptedModel>,
    pub(super) server: ToolServer,
    pub(super) provider: ProviderId,
    pub(super) chat: ChatId,
}

impl Bed {
    pub(super) async fn new() -> Self {
        Self::set(|_| {}).await
    }

    /// As [`new`](Self::new), with other settings.
    pub(super) async fn set(change: impl FnOnce(&mut Parts)) -> Self {
        Self::with(ToolServer::default(), change).await
    }

    pub(super) async fn with(server: ToolServer, change: impl FnOnce(&mut Parts)) -> Self {
        let script = Script::default().serving(&server);
        let house = House::made(script, |parts| {
            reach_out(parts);
            change(parts);
        })
        .await;
        let model = ScriptedModel::start(Options::default()).await.unwrap();
        let add = AddProvider {
            kind: ProviderKind::OpenAi,
            name: Some("scripted".to_owned()),
            base_url: model.openai_url(),
            key: None,
            default_model: Some(MODEL.to_owned()),
        };
        let added = house.orchestrator.add_provider(add, me()).await;
        let mut bed = Self {
            provider: added.unwrap().id,
            house,
            model: Arc::new(model),
            server,
            chat: id(),
        };
        bed.chat = bed.begin_chat().await;
        bed
    }

    pub(super) async fn begin_chat(&self) -> ChatId {
        self.begin_chat_with(ToolsDefault::All).await
    }

    pub(super) async fn begin_chat_with(&self, tools_default: ToolsDefault) -> ChatId {
        let new = NewChat {
            id: id(),
            principal: me().principal.clone(),
            title: "New chat".to_owned(),
            title_is_auto: true,
            tools_default,
            provider: Some(self.provider),
            model: Some(MODEL.to_owned()),
        };
        let created = self.house.shared().store.create_chat(&new).await;
        created.unwrap().id
    }

    /// Installs the server `thing`, whose calls are made unasked, or as a person decides.
    pub(super) async fn add_tools(&self, effect: Effect) {
        self.house.add("thing").await;
        self.house
            .wait_for_install("thing", InstallState::Ready)
            .await;
        self.wait_for_tools().await;
        let this = &self.house.orchestrator;
        let reviews = this.tool_reviews("thing").await.unwrap();
        let looked_at = reviews.into_iter().map(|it| LookedAt {
            tool: it.name,
            pin: it.told.unwrap().pin,
            setting: Some(effect),
        });
        let looked_at = looked_at.collect();
        let looked = this.look_at_tools("thing", looked_at, me()).await;
        looked.unwrap();
    }

    pub(super) async fn wait_for_tools(&self) {
        let gateway = self.house.shared().gateway();
        until("the server's tools are known", async || {
            let tools = gateway.tools(me());
            tools.iter().any(|it| it.name == "echo").then_some(())
        })
        .await;
    }

    /// Has the model give these answers, one after the other.
    pub(super) fn script(&self, turns: impl Into<Vec<Turn>>) {
        self.model.script(MODEL, turns.into());
    }

    pub(super) fn script_by(&self, decide: impl Fn(&Conversation) -> Turn + Send + Sync + 'static) {
        self.model.script_by(MODEL, decide);
    }

    pub(super) async fn send(&self, text: &str) -> Sent {
        self.send_in(self.chat, text).await
    }

    pub(super) async fn send_in(&self, chat: ChatId, text: &str) -> Sent {
        let sent = self.house.orchestrator.send_message(chat, said(text), me());
        sent.await.unwrap()
    }

    /// Sends a message and waits for its run's end.
    pub(super) async fn ask(&self, text: &str) -> Vec<RunEvent> {
        let run = self.send(text).await.run.unwrap().id;
        self.end_of(run).await
    }

    /// Sends a message and returns the text of its answer.
    pub(super) async fn ask_text(&self, question: &str) -> String {
        text(&self.ask(question).await)
    }

    /// Reads a run to its end.
    pub(super) async fn end_of(&self, run: RunId) -> Vec<RunEvent> {
        self.read(run, |_| false).await
    }

    /// Reads a run from its beginning to the first event that is meant, or to its end.
    pub(super) async fn read(
        &self,
        run: RunId,
        is_meant: impl Fn(&RunEvent) -> bool,
    ) -> Vec<RunEvent> {
        let reader = self.house.orchestrator.read_run(run, 0, me()).await;
        let mut reader = reader.unwrap();
        let mut events: Vec<RunEvent> = Vec::new();
        let reading = async {
            while let Some(next) = reader.next().await.unwrap() {
                assert_eq!(next.seq, events.len() as u64 + 1, "no event is missing");
                events.push(next.event.clone());
                if is_meant(&next.event) {
                    break;
                }
            }
        };
        let read = timeout(LONG, reading).await;
        assert!(read.is_ok(), "the run goes on: {events:#?}");
        events
    }

    pub(super) async fn wait_for_state(&self, run: RunId, state: RunState) {
        let store = &self.house.shared().store;
        until(state.as_str(), async || {
            let found = store.run(run).await.unwrap().unwrap();
            (found.state == state).then_some(())
        })
        .await;
    }

    pub(super) async fn messages(&self) -> ChatMessages {
        let messages = self
            .house
            .orchestrator
            .chat_messages(self.chat, None, 100, me());
        messages.await.unwrap()
    }

    /// Returns what is shown, a line for each message.
    pub(super) async fn shown(&self) -> Vec<String> {
        let messages = self.messages().await.messages;
        messages.iter().map(|it| line(&it.content)).collect()
    }

    /// Returns what waits in line.
    pub(super) async fn queued(&self) -> Vec<String> {
        let queue = self.messages().await.queue;
        queue.iter().map(|it| line(&it.content)).collect()
    }

    /// Ends the program and starts it anew on the same data.
    pub(super) async fn restart(self) -> Self {
        let script = Script::default().serving(&self.server);
        Self {
            house: self.house.restart_as(script, reach_out).await,
            ..self
        }
    }

    pub(super) async fn end(self) {
        self.house.end().await;
        if let Some(model) = Arc::into_inner(self.model) {
            model.stop().await;
        }
    }
}

/// Returns whoever sits in front of the program.
pub(super) fn me() -> &'static Caller {
    static ME: LazyLock<Caller> = LazyLock::new(person);
    &ME
}

pub(super) fn said(text: &str) -> SendMessage {
    let parts = match text {
        "" => Vec::new(),
        text => vec![MessagePart::Text {
            text: text.to_owned(),
        }],
    };
    SendMessage { parts, model: None }
}

/// Waits until something is there.
pub(super) async fn until<T>(what: &str, mut seen: impl AsyncFnMut() -> Option<T>) -> T {
    let reached = async {
        loop {
            if let Some(it) = seen().await {
                return it;
            }
            tokio::task::yield_now().await;
        }
    };
    let reached = timeout(LONG, reached).await;
    reached.unwrap_or_else(|_| panic!("`{what}` does not come"))
}

pub(super) fn call(tool: &str, arguments: serde_json::Value) -> Turn {
    Turn::calls([ToolCall::new(tool, arguments)])
}

pub(super) fn held(text: &str, name: &str) -> Turn {
    let text = Step::Text(text.to_owned());
    Turn::of([text, Step::Hold(name.to_owned())])
}

/// Returns what the results of tools say, one for each call.
pub(super) fn results(events: &[RunEvent]) -> Vec<String> {
    let results = events.iter().filter_map(|it| match it {
        RunEvent::ToolResult {
            content, is_error, ..
        } => {
            let text = content["content"][0]["text"].as_str().unwrap();
            let mark = if *is_error { "error: " } else { "" };
            Some(format!("{mark}{text}"))
        }
        RunEvent::ToolCallRefused { message, .. } => Some(format!("refused: {message}")),
        RunEvent::ToolOutcomeUnknown { why, .. } => Some(format!("unknown: {why}")),
        _ => None,
    });
    results.collect()
}

/// Returns the text of an answer.
pub(super) fn text(events: &[RunEvent]) -> String {
    let deltas = events.iter().filter_map(|it| match it {
        RunEvent::TextDelta { text, .. } => Some(text.as_str()),
        _ => None,
    });
    deltas.collect()
}

fn line(content: &MessageContent) -> String {
    match content {
        MessageContent::User(parts) => match &parts[0] {
            MessagePart::Text { text } => format!("person: {text}"),
            MessagePart::File { media_type, .. } => format!("person: {media_type}"),
        },
        MessageContent::Assistant(answer, run) => {
            let state = run.as_ref().map_or("", |it| it.state.as_str());
            format!("{state}: {}", text_of(answer))
        }
    }
}

fn text_of(answer: &UiMessage) -> String {
    let texts = answer.parts.iter().filter_map(|it| match it {
        agent::ui::UiPart::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("|")
}

fn id<T>() -> domain::Id<T> {
    domain::Id::from_uuid(uuid::Uuid::now_v7())
}
