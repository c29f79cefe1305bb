//! A provider of models, from its form to an answer and away again.

use e2e::{
    At, Browser, Program, ProgramOptions, button, field, heading, link, role,
    scripted_model::{Options, ScriptedModel},
    text,
};

use super::house::{ANSWER_LIMIT, composer, is_answered, say, thread};

const KEY: &str = "sk-right-1f3a9c";
const PRESET: &str = "Any address that speaks like OpenAI";

fn card(name: &str) -> At {
    role("region", name).exact()
}

/// Fills in the form and sends it.
#[track_caller]
fn add(browser: &mut Browser, address: &str, name: &str, key: &str) {
    browser.click(button("Add a provider"));
    let form = || role("form", "A new provider");
    browser.choose(field("Provider").exact().within(form()), PRESET);
    browser.fill(field("Address").within(form()), address);
    browser.fill(field("Name").within(form()), name);
    browser.fill(role("textbox", "Key").within(form()), key);
    browser.look("provider-add");
    browser.click(button("Add and test").within(form()));
    browser.see_within(card(name), ANSWER_LIMIT);
    browser.gone(form());
}

#[test]
fn a_provider_is_added_by_its_form_mended_chatted_with_and_removed() {
    let model = ScriptedModel::start_in_thread(Options {
        api_key: Some(KEY.to_owned()),
        list_scenarios: true,
        ..Options::default()
    });
    let model = model.unwrap();
    let program = Program::start_with(&ProgramOptions {
        config: vec!["models.discover = false".to_owned()],
        ..Default::default()
    });
    let Some(mut browser) = Browser::signed_in(&program) else {
        return;
    };
    browser.goto("/settings/models");
    browser.see(heading("Providers"));

    // Nobody answers there.
    add(&mut browser, "127.0.0.1:9/v1", "Nowhere", "");
    browser.see(text("Fails").within(card("Nowhere")));
    browser.see(role("alert", "").within(card("Nowhere")));
    browser.look("provider-unreachable");

    // Somebody answers, and does not take the key.
    add(&mut browser, &model.openai_url(), "Mine", "sk-wrong");
    browser.see(text("Key refused").within(card("Mine")));
    browser.look("provider-key-refused");
    browser.fill(field("Key of Mine").within(card("Mine")), KEY);
    browser.click(button("Test and save").within(card("Mine")));
    browser.see_within(text("Works").within(card("Mine")), ANSWER_LIMIT);
    browser.gone(field("Key of Mine"));
    browser.click(button("Show all").within(card("Mine")));
    browser.click(button("Choose scenario:markdown for new chats"));
    browser.gone(button("Choose scenario:markdown for new chats"));
    browser.see(text("Chosen").within(card("Mine")));
    browser.look("provider-works");

    browser.goto("/");
    browser.see(button("Model: scenario:markdown"));
    say(&mut browser, "Who are you?");
    browser.see_within(text("A heading").within(thread()), ANSWER_LIMIT);
    is_answered(&mut browser);
    browser.see(text("scenario:markdown").within(thread()));

    // With its provider a model goes, and what it has said stays.
    let address = browser.address();
    let (_, chat) = address.split_once("/chats/").unwrap();
    browser.goto("/settings/models");
    for name in ["Nowhere", "Mine"] {
        browser.click(button(&format!("More for {name}")).within(card(name)));
        browser.click(role("menuitem", "Remove…"));
        let sure = || role("dialog", &format!("Remove {name}?"));
        browser.click(button(&format!("Remove {name}")).within(sure()));
        browser.gone(sure());
        browser.gone(card(name));
    }
    let providers = program.api("GET", "/api/v1/providers", &serde_json::Value::Null);
    assert!(!providers.to_string().contains("Mine"), "{providers}");
    browser.goto(&format!("/chats/{chat}"));
    browser.see(text("Who are you?").within(thread()));
    browser.see(link("Set up a model"));
    say(&mut browser, "Are you still there?");
    browser.see_within(role("alert", "").within(thread()), ANSWER_LIMIT);
    browser.look("chat-without-model");
    assert_eq!(browser.value(composer()), "");
    browser.is_content();
}
