//! Whole turns with a model that plays scenarios, in both languages.

use std::{sync::Mutex, time::Duration};

use agent::{
    CallState, ClientSettings, Conversation, HistoryItem, Log, LogError, ModelOptions, Part,
    ProgressSink, ProviderKind, RunEnd, RunEvent, RunState, ToolCall, ToolOutcome, ToolResult,
    ToolSpec, Tools, Turn, TurnEnd, TurnSettings, UserPart, run_turn,
    ui::{Reader, chunks},
};
use async_trait::async_trait;
use expect_test::{Expect, expect};
use scripted_model::{Options, SCENARIOS, ScriptedModel};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::server::client;

/// Scenarios with settings that make them short, in place of those without.
const SHORT: [(&str, &str); 6] = [
    ("slow", "slow?delay=1"),
    ("firehose", "firehose?tokens=4000&rate=0"),
    ("huge-arguments", "huge-arguments?bytes=3000000"),
    ("rate-limited", "rate-limited?after=0&times=1"),
    ("failing", "failing?status=503&times=1"),
    ("missing-tool", "missing-tool?n=100"),
];

struct Echo;

#[async_trait]
impl Tools for Echo {
    async fn list(&self) -> Vec<ToolSpec> {
        let tool = |name: &str| ToolSpec {
            name: name.to_owned(),
            title: None,
            description: Some("says it again".to_owned()),
            input_schema: json!({
                "type": "object",
                "properties": { "text": { "type": "string" } },
                "additionalProperties": false,
            }),
        };
        vec![tool("fake__echo"), tool("fake.echo/2")]
    }

    async fn call(
        &self,
        call: &ToolCall,
        _progress: ProgressSink,
        _cancel: &CancellationToken,
    ) -> ToolOutcome {
        let said = call.arguments.get("text").map(ToString::to_string);
        let said = said.unwrap_or_default();
        ToolOutcome::Result(ToolResult {
            content: json!({ "content": [{ "type": "text", "text": said }] }),
            is_error: false,
            facts: None,
        })
    }
}

#[derive(Default)]
struct MemoryLog {
    events: Mutex<Vec<RunEvent>>,
}

#[async_trait]
impl Log for MemoryLog {
    async fn append(&self, events: Vec<RunEvent>) -> Result<(), LogError> {
        self.events.lock().unwrap().extend(events);
        Ok(())
    }
}

/// Makes a turn and returns what became of it, on one line.
async fn play(server: &ScriptedModel, kind: ProviderKind, scenario: &str) -> String {
    let mut client_settings = ClientSettings::default();
    match scenario {
        "silent" => client_settings.head_timeout = Duration::from_millis(300),
        // It begins well, and has to have the time for it on a busy machine.
        "stall" => client_settings.idle_timeout = Duration::from_secs(1),
        _ => {}
    }
    let settings = TurnSettings {
        turn_steps_max: 12,
        retry_wait_min: Duration::from_millis(1),
        ..TurnSettings::default()
    };
    let model = client(kind, &server.url, client_settings).model(&format!("scenario:{scenario}"));
    let history = [HistoryItem::User(vec![UserPart::Text("Hello?".to_owned())])];
    let history = Conversation::new("Be kind.".to_owned(), &history, "home", "m");
    let log = MemoryLog::default();
    let turn = Turn {
        settings: &settings,
        model: &model,
        options: &ModelOptions::default(),
        history: &history,
        tools: &Echo,
        log: &log,
        cancel: &CancellationToken::new(),
    };
    let mut state = RunState::default();
    let end = run_turn(turn, &mut state).await.unwrap();

    let events = log.events.into_inner().unwrap();
    assert_eq!(RunState::of(&events), state, "{scenario}");
    let mut reader = Reader::new("m1");
    events
        .iter()
        .flat_map(|it| chunks("m1", it))
        .for_each(|it| reader.apply(it));
    assert_eq!(reader.ignored, 0, "{scenario}");
    // A character that was torn and not put together again.
    let message = format!("{:?}", reader.message);
    assert!(!message.contains(char::REPLACEMENT_CHARACTER), "{message}");
    summary(&state, &end)
}

fn summary(state: &RunState, end: &TurnEnd) -> String {
    let end = match end {
        TurnEnd::Finished(RunEnd::Failed { error }) => format!("failed {:?}", error.kind),
        TurnEnd::Finished(RunEnd::StepsMax { .. }) => "steps max".to_owned(),
        TurnEnd::Finished(end) => format!("{end:?}").to_lowercase(),
        TurnEnd::Parked => "parked".to_owned(),
    };
    let mut line = format!("{end} after {} steps", state.step);
    let mut seen: Vec<(String, usize)> = Vec::new();
    for part in &state.parts {
        let word = match part {
            Part::Step { .. } => continue,
            Part::Text(_) => "text".to_owned(),
            Part::Reasoning(_) => "reasoning".to_owned(),
            Part::Notice { kind, .. } => format!("notice {kind:?}"),
            Part::Call(call) => match &call.state {
                CallState::Done { .. } => format!("{} done", call.tool),
                CallState::Refused { why, .. } => format!("{} refused {why:?}", call.tool),
                CallState::InputFailed { .. } => format!("{} failed", call.tool),
                other => format!("{} {other:?}", call.tool),
            },
        };
        match seen.last_mut() {
            Some((last, times)) if *last == word => *times += 1,
            _ => seen.push((word, 1)),
        }
    }
    for (word, times) in seen {
        line.push_str(&match times {
            1 => format!(", {word}"),
            _ => format!(", {times} x {word}"),
        });
    }
    line
}

async fn check(kind: ProviderKind, expected: Expect) {
    // Its tasks need not share a thread with the turns.
    let server = ScriptedModel::start(Options::default()).await.unwrap();
    let mut lines = Vec::new();
    for scenario in SCENARIOS {
        let short = SHORT.iter().find(|(name, _)| *name == scenario.name);
        let name = short.map_or(scenario.name, |(_, short)| *short);
        let line = play(&server, kind, name).await;
        lines.push(format!("{name}: {line}"));
    }
    server.stop().await;
    expected.assert_eq(&lines.join("\n"));
}

/// Whichever API carries it, a scenario ends in the same way.
fn ends() -> Expect {
    expect![[r#"
        text: complete after 1 steps, text
        echo: complete after 1 steps, text
        markdown: complete after 1 steps, text
        hostile: complete after 1 steps, text
        reasoning: complete after 1 steps, reasoning, text
        empty: complete after 1 steps, notice AnswerEmpty
        unicode: complete after 1 steps, text
        tool: complete after 2 steps, fake__echo done, text
        parallel: complete after 2 steps, fake__echo done, fake.echo/2 done, fake__echo done, text
        interleaved: complete after 2 steps, fake__echo done, fake.echo/2 done, fake__echo done, text
        whole-calls: complete after 2 steps, fake__echo done, fake.echo/2 done, fake__echo done, text
        no-ids: complete after 2 steps, fake__echo done, fake.echo/2 done, fake__echo done, text
        rounds: complete after 4 steps, 3 x fake__echo done, text
        loop: steps max after 12 steps, 12 x fake__echo done
        missing-tool?n=100: failed Limit after 10 steps, 10 x no_such_tool refused Missing
        wrong-arguments: complete after 2 steps, fake__echo refused Arguments, text
        broken-arguments: complete after 2 steps, fake__echo failed, text
        huge-arguments?bytes=3000000: failed Limit after 1 steps, fake__echo failed
        text-and-tool: complete after 2 steps, reasoning, text, fake__echo done, text
        slow?delay=1: complete after 1 steps, text
        firehose?tokens=4000&rate=0: complete after 1 steps, text
        stall: failed Silent after 1 steps, text
        silent: failed Silent after 1 steps
        cut: failed Malformed after 1 steps, text
        malformed: failed Malformed after 1 steps, text
        error: failed Other after 1 steps, text
        length: complete after 1 steps, text, notice AnswerCut
        unknown-finish: complete after 1 steps, text
        usage: complete after 1 steps, text
        dialect: complete after 1 steps, reasoning, text
        unauthorized: failed Key after 1 steps
        missing-model: failed ModelMissing after 1 steps
        rate-limited?after=0&times=1: complete after 1 steps, notice Waiting, text
        too-long: failed ContextTooLong after 1 steps
        no-tools: complete after 1 steps, notice NoToolSupport, text
        failing?status=503&times=1: complete after 1 steps, notice Waiting, text"#]]
}

#[tokio::test]
async fn every_scenario_ends_as_it_should_over_openais_api() {
    check(ProviderKind::OpenAi, ends()).await;
}

#[tokio::test]
async fn every_scenario_ends_as_it_should_over_ollamas_api() {
    check(ProviderKind::Ollama, ends()).await;
}
