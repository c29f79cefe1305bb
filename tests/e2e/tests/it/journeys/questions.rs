//! A server that asks the person something in the middle of a call.

use e2e::{
    At, Browser, button, field, role,
    scripted_model::{ToolCall, Turn},
    text, wait_for,
};
use serde_json::{Value, json};

use super::house::{
    ANSWER_LIMIT, House, INSTALL_LIMIT, approval, is_answered, listed, say, thread,
};

const TOOL: &str = "everything__trigger-elicitation-request";

/// A house with a real server that asks for all that a form can have, and a model that has it ask and
/// then tells what it was answered.
fn house() -> House {
    let house = House::new();
    let everything = json!({
        "slug": "everything",
        "title": "Everything",
        "source": {
            "kind": "package",
            "registry": "npm",
            "name": "@modelcontextprotocol/server-everything",
        },
    });
    house.program.api("POST", "/api/v1/servers", &everything);
    wait_for("its tools are known", INSTALL_LIMIT, || {
        let shown = house
            .program
            .api("GET", "/api/v1/servers/everything", &Value::Null);
        (shown["tools"].as_u64() > Some(0)).then_some(())
    });
    house.program.look_at_tools("everything", "allow");
    house.model.script_by("asker", |asked| {
        asked.done().last().map_or_else(
            || Turn::calls([ToolCall::new(TOOL, json!({}))]),
            |done| Turn::text(format!("It was told this: {}", done.text)),
        )
    });
    house
}

fn question() -> At {
    role("region", "Everything asks something")
}

/// Begins a chat in which the server asks.
#[track_caller]
fn asks(house: &House, browser: &mut Browser) {
    let chat = house.chat_with("asker");
    browser.goto(&chat);
    say(browser, "Find out who I am");
    browser.see_within(question(), ANSWER_LIMIT);
}

#[test]
fn a_question_of_a_server_is_a_form_in_the_chat_and_its_answer_reaches_the_server() {
    let house = house();
    let Some(mut browser) = Browser::signed_in(&house.program) else {
        return;
    };
    asks(&house, &mut browser);
    browser.see(text("Please provide inputs").within(question()));
    browser.see(listed("Find out who I am Asks you"));
    browser.look("chat-elicitation");

    let of = |label: &str| field(label).within(question());
    let send = || button("Send the answer").within(question());
    browser.fill(of("String with email format"), "nobody");
    browser.fill(of("Integer"), "200");
    browser.click(send());
    for wrong in ["This is needed", "name@example.com", "At most 100"] {
        browser.see(text(wrong).within(question()));
    }
    browser.look_at("chat-elicitation-wrong", &question());

    // Also by a key, from inside the form.
    let name = role("textbox", "String required").within(question());
    browser.fill(name, "Ada Lovelace");
    browser.fill(of("Integer"), "36");
    browser.press("Enter");
    browser.gone(text("At most 100").within(question()));
    browser.see(text("name@example.com").within(question()));
    browser.fill(of("String with email format"), "ada@example.com");
    browser.click(role("radio", "Yes").within(question()));
    browser.choose(of("Untitled Single Select Enum"), "Joey");
    browser.click(send());
    browser.gone(question());
    browser.see(text("You answered"));
    is_answered(&mut browser);
    let said = browser.read(thread());
    for told in [
        "Name: Ada Lovelace",
        "Agreed to terms: true",
        "Email: ada@example.com",
        "Favorite Integer: 36",
        "Joey",
    ] {
        assert!(said.contains(told), "`{told}` is not in: {said}");
    }
    browser.gone(listed("Asks you"));
    browser.look("chat-elicitation-answered");
    browser.is_content();
}

#[test]
fn who_does_not_want_to_answer_declines_and_the_model_goes_on() {
    let house = house();
    let Some(mut browser) = Browser::signed_in(&house.program) else {
        return;
    };
    asks(&house, &mut browser);
    // It waits for whoever looks next.
    browser.reload();
    browser.see(question());
    browser.click(button("Decline").within(question()));
    browser.gone(question());
    browser.see(text("You declined to answer"));
    is_answered(&mut browser);
    browser.see(text("User declined").within(thread()));

    // One that nobody answers ends with the answer that it is part of.
    asks(&house, &mut browser);
    say(&mut browser, "/stop");
    browser.see_within(text("You stopped it here"), ANSWER_LIMIT);
    browser.see(text("It waits for an answer no longer"));
    browser.gone(question());
    browser.gone(approval());
    browser.is_content();
}
