//! A question, a tool that asks, an answer; and the same when the program dies in the middle.

use std::time::Duration;

use e2e::{
    At, Browser, Program, ProgramOptions, button, css, heading, link, role,
    scripted_model::{Options, Pace, ScriptedModel},
    text,
};
use serde_json::{Value, json};

const INSTALL_LIMIT: Duration = Duration::from_secs(120);
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A program, and the model that it finds.
struct House {
    program: Program,
    _model: ScriptedModel,
}

impl House {
    fn new() -> Self {
        let model = ScriptedModel::start_in_thread(Options {
            list_scenarios: true,
            pace: Pace::FAST,
            ..Options::default()
        });
        let model = model.unwrap();
        let program = Program::start_with(&ProgramOptions {
            config: vec![
                "models.discover = false".to_owned(),
                format!("models.demo = {:?}", model.url),
            ],
            ..Default::default()
        });
        Self {
            program,
            _model: model,
        }
    }

    /// The address of a new chat with one of the scripted models.
    fn chat_with(&self, model: &str) -> String {
        let models = self.program.api("GET", "/api/v1/models", &Value::Null);
        let default = &models["default"];
        let model = json!({ "provider": default["provider"], "model": model });
        let chat = self
            .program
            .api("POST", "/api/v1/chats", &json!({ "model": model }));
        format!("/chats/{}", chat["id"].as_str().unwrap())
    }
}

fn composer() -> At {
    role("textbox", "Message")
}

fn question() -> At {
    role("region", "Approval needed")
}

fn thread() -> At {
    role("group", "Messages")
}

/// Waits until nothing is being written any more.
#[track_caller]
fn is_answered(browser: &mut Browser) {
    browser.see_within(button("Send").exact(), ANSWER_LIMIT);
    browser.gone(button("Stop").exact());
}

#[test]
fn from_nothing_to_an_answer_with_a_sandboxed_tool_and_a_memory() {
    let house = House::new();
    let Some(mut browser) = Browser::signed_in(&house.program) else {
        return;
    };
    browser.goto("/");
    browser.see(button("Model: "));
    browser.gone_within(text("Looking for Podman"), ANSWER_LIMIT);
    browser.look("welcome");
    browser.click(link("Add your first server"));
    browser.click(button("Review Time"));
    browser.click(button("Add Time").within(role("dialog", "Add Time?")));
    browser.see_within(text("Nobody has looked at"), INSTALL_LIMIT);

    browser.press("Control+Shift+O");
    browser.fill(composer(), "What time is it in Lisbon?");
    browser.press("Enter");
    browser.see_within(question(), ANSWER_LIMIT);
    browser.look("chat-approval");
    browser.click(button("Allow once").within(question()));
    browser.gone(question());
    is_answered(&mut browser);
    let answer = || role("article", "");
    browser.see(text("No network").within(answer()));
    browser.see(text("Europe/Lisbon it is").within(answer()));
    browser.look("chat");
    // It is the program's: nothing is lost with the page.
    let said = browser.read(thread());
    browser.reload();
    browser.see(text("No network").within(answer()));
    assert_eq!(browser.read(thread()), said);

    browser.fill(composer(), "Remember that my favourite colour is green");
    browser.press("Enter");
    browser.see_within(text("It is there in every new chat"), ANSWER_LIMIT);
    is_answered(&mut browser);
    browser.click(link("Memory").exact());
    browser.see(heading("Memor"));
    browser.see(text("green").within(css("main")));
    browser.look("memories");
    browser.is_content();
}

#[test]
fn what_waits_in_a_chat_goes_on_after_the_program_was_killed() {
    let mut house = House::new();
    let Some(mut browser) = Browser::signed_in(&house.program) else {
        return;
    };
    let time = [
        "pypi:mcp-server-time",
        "--arg=--local-timezone",
        "--arg",
        "UTC",
    ];
    house.program.add_unreviewed(&time);
    browser.goto("/");
    browser.see(button("Model: "));
    browser.fill(composer(), "What time is it in Lisbon?");
    browser.press("Enter");
    browser.see_within(question(), ANSWER_LIMIT);
    let address = house.program.address();
    house.program.kill();
    browser.see(role("alertdialog", "The program does not answer"));
    house.program.launch_at(&address);
    browser.gone(role("alertdialog", "The program does not answer"));
    browser.click(button("Allow once").within(question()));
    browser.gone(question());
    is_answered(&mut browser);
    browser.see(text("Europe/Lisbon it is"));
    browser.is_content();
}

#[test]
fn an_answer_that_was_cut_by_a_crash_is_kept_and_can_be_gone_on_with() {
    let mut house = House::new();
    let Some(mut browser) = Browser::signed_in(&house.program) else {
        return;
    };
    let chat = house.chat_with("scenario:firehose?tokens=2000&rate=50");
    browser.goto(&chat);
    browser.fill(composer(), "Tell me a long story");
    browser.press("Enter");
    browser.see_within(button("Stop").exact(), ANSWER_LIMIT);
    browser.look("chat-streaming");
    let address = house.program.address();
    house.program.kill();
    browser.see(role("alertdialog", "The program does not answer"));
    house.program.launch_at(&address);
    browser.gone(role("alertdialog", "The program does not answer"));
    browser.see(text("The program stopped in the middle of this answer"));
    browser.look("chat-interrupted");
    browser.click(button("Go on"));
    browser.see_within(button("Stop").exact(), ANSWER_LIMIT);
    browser.click(button("Stop").exact());
    browser.see_within(text("You stopped it here"), ANSWER_LIMIT);
    browser.is_content();
}

#[test]
fn what_a_model_says_runs_nothing_and_loads_nothing() {
    let house = House::new();
    let Some(mut browser) = Browser::signed_in(&house.program) else {
        return;
    };
    for model in [
        "scenario:hostile",
        "scenario:markdown",
        "scenario:reasoning",
    ] {
        let chat = house.chat_with(model);
        browser.goto(&chat);
        browser.fill(composer(), "Show me");
        browser.press("Enter");
        is_answered(&mut browser);
        for selector in [
            "main iframe",
            "main script",
            "main img[src^=http]",
            "a[href^='javascript:']",
        ] {
            assert_eq!(browser.count(css(selector)), 0, "{model}: {selector}");
        }
        browser.look(&format!("chat-{}", model.trim_start_matches("scenario:")));
        browser.is_content();
    }
}
