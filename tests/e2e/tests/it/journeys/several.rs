//! Several chats at once.

use e2e::{
    Browser, Program, button, link, role,
    scripted_model::{Step, ToolCall, Turn},
    text,
};
use serde_json::json;

use super::house::{ANSWER_LIMIT, House, approval, is_answered, listed, say, thread};

/// A model that begins, waits until the test lets it go on, and ends.
fn halting(name: &str) -> Turn {
    let begins = format!("The answer in {name} begins. ");
    let ends = format!("The answer in {name} ends.");
    Turn::of([
        Step::Text(begins),
        Step::Hold(name.to_owned()),
        Step::Text(ends),
    ])
}

fn add_time(program: &Program) {
    let time = [
        "pypi:mcp-server-time",
        "--name=time",
        "--arg=--local-timezone",
        "--arg",
        "UTC",
    ];
    program.add_unreviewed(&time);
}

/// Shows that a chat has its own words, and nothing of the others.
#[track_caller]
fn has_only(browser: &mut Browser, own: &[&str], others: &[&str]) {
    for it in own {
        browser.see(text(it).within(thread()));
    }
    let said = browser.read(thread());
    for it in others {
        assert!(!said.contains(it), "`{it}` is in: {said}");
    }
}

#[test]
fn chats_write_at_the_same_time_and_one_waits_while_the_others_go_on() {
    let house = House::new();
    add_time(&house.program);
    let Some(mut browser) = Browser::signed_in(&house.program) else {
        return;
    };
    for name in ["Lisbon", "Oslo"] {
        house.model.script(name, vec![halting(name)]);
    }
    let arguments = json!({ "timezone": "Europe/Rome" });
    let call = ToolCall::new("time__get_current_time", arguments);
    house.model.script(
        "Rome",
        vec![Turn::calls([call]), Turn::text("The answer in Rome ends.")],
    );
    for name in ["Lisbon", "Oslo", "Rome"] {
        let chat = house.chat_with(name);
        browser.goto(&chat);
        say(&mut browser, &format!("Tell me about {name}"));
        match name {
            "Rome" => browser.see_within(approval(), ANSWER_LIMIT),
            name => {
                let begins = format!("The answer in {name} begins");
                browser.see_within(text(&begins).within(thread()), ANSWER_LIMIT);
            }
        }
    }
    browser.see(listed("Tell me about Lisbon Writing"));
    browser.see(listed("Tell me about Oslo Writing"));
    browser.see(listed("Tell me about Rome Asks you"));
    browser.look("chats-several");

    // Back and forth: each is where it was, and goes on by itself.
    browser.click(listed("Tell me about Lisbon"));
    let begins = "The answer in Lisbon begins.";
    has_only(&mut browser, &[begins], &["Oslo", "Rome", "ends"]);
    browser.see(button("Stop").exact());
    browser.gone(approval());
    house.model.release("Oslo");
    browser.gone(listed("Tell me about Oslo Writing"));
    has_only(&mut browser, &[begins], &["Oslo", "Rome", "ends"]);
    browser.see(listed("Tell me about Lisbon Writing"));
    browser.click(listed("Tell me about Oslo"));
    is_answered(&mut browser);
    let both = ["The answer in Oslo begins.", "The answer in Oslo ends."];
    has_only(&mut browser, &both, &["Lisbon", "Rome"]);

    // What waits is decided about in its own chat, and changes no other.
    browser.click(listed("Tell me about Rome"));
    browser.click(button("Allow once").within(approval()));
    browser.gone(approval());
    let ends = ["The answer in Rome ends."];
    browser.see_within(text(ends[0]).within(thread()), ANSWER_LIMIT);
    has_only(&mut browser, &ends, &["Lisbon", "Oslo"]);
    browser.gone(listed("Asks you"));

    // A message that waits in one chat is not sent in another.
    browser.click(listed("Tell me about Lisbon"));
    say(&mut browser, "And the weather?");
    let waiting = || role("list", "Messages that wait");
    browser.see(text("And the weather?").within(waiting()));
    browser.click(link("Tell me about Oslo").within(role("navigation", "Main")));
    browser.gone(waiting());
    house
        .model
        .script("Lisbon", vec![Turn::text("It is sunny.")]);
    house.model.release("Lisbon");
    browser.gone(listed("Writing"));
    has_only(&mut browser, &both, &["Lisbon", "Rome", "weather", "sunny"]);
    browser.click(listed("Tell me about Lisbon"));
    let all = [
        begins,
        "The answer in Lisbon ends.",
        "And the weather?",
        "It is sunny.",
    ];
    has_only(&mut browser, &all, &["Oslo", "Rome"]);
    browser.is_content();
}
