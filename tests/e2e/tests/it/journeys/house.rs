//! What the journeys in chats begin with, and the parts of a chat's page.

use std::time::Duration;

use e2e::{
    At, Browser, Program, ProgramOptions, button, css, role,
    scripted_model::{Options, Pace, ScriptedModel},
};
use serde_json::{Value, json};

pub(super) const INSTALL_LIMIT: Duration = Duration::from_secs(120);
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A program, and the model that it finds.
pub(super) struct House {
    pub(super) program: Program,
    pub(super) model: ScriptedModel,
}

impl House {
    pub(super) fn new() -> Self {
        Self::with(ProgramOptions::default())
    }

    pub(super) fn with(mut options: ProgramOptions) -> Self {
        let model = ScriptedModel::start_in_thread(Options {
            list_scenarios: true,
            pace: Pace::FAST,
            ..Options::default()
        });
        let model = model.unwrap();
        options.config.extend([
            "models.discover = false".to_owned(),
            format!("models.demo = {:?}", model.url),
        ]);
        let program = Program::start_with(&options);
        Self { program, model }
    }

    /// The address of a new chat with one of the scripted models.
    pub(super) fn chat_with(&self, model: &str) -> String {
        let models = self.program.api("GET", "/api/v1/models", &Value::Null);
        let default = &models["default"];
        let model = json!({ "provider": default["provider"], "model": model });
        let chat = self
            .program
            .api("POST", "/api/v1/chats", &json!({ "model": model }));
        format!("/chats/{}", chat["id"].as_str().unwrap())
    }

    /// Kills the program under somebody who looks at it, and starts it again.
    #[track_caller]
    pub(super) fn dies_and_comes_back(&mut self, browser: &mut Browser) {
        let away = || role("alertdialog", "The program does not answer");
        let address = self.program.address();
        self.program.kill();
        browser.see(away());
        self.program.launch_at(&address);
        browser.gone(away());
    }
}

pub(super) fn composer() -> At {
    role("textbox", "Message")
}

/// What a person is asked in a chat before a tool runs.
pub(super) fn approval() -> At {
    role("region", "Approval needed")
}

pub(super) fn thread() -> At {
    role("group", "Messages")
}

/// A chat in the sidebar, by a part of what it says there.
pub(super) fn listed(name: &str) -> At {
    e2e::link(name).within(css("nav"))
}

/// Writes a message and sends it.
#[track_caller]
pub(super) fn say(browser: &mut Browser, text: &str) {
    browser.fill(composer(), text);
    browser.press("Enter");
}

/// Waits until nothing is being written any more.
#[track_caller]
pub(super) fn is_answered(browser: &mut Browser) {
    browser.see_within(button("Send").exact(), ANSWER_LIMIT);
    browser.gone(button("Stop").exact());
}
