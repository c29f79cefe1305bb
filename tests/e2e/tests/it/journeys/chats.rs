//! A question, a tool that asks, an answer; and the same when the program dies in the middle.

use e2e::{
    Browser, button, css, heading, link, role,
    scripted_model::{Step, Turn},
    text,
};

use super::house::{
    ANSWER_LIMIT, House, INSTALL_LIMIT, approval, composer, is_answered, say, thread,
};

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
    browser.see_within(approval(), ANSWER_LIMIT);
    browser.look("chat-approval");
    browser.click(button("Allow once").within(approval()));
    browser.gone(approval());
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
    browser.see_within(approval(), ANSWER_LIMIT);
    house.dies_and_comes_back(&mut browser);
    browser.click(button("Allow once").within(approval()));
    browser.gone(approval());
    is_answered(&mut browser);
    browser.see(text("Europe/Lisbon it is"));
    browser.is_content();
}

const STORY: &str = "Once upon a time there was a program that told stories, and one day it was \
    ended in the middle of one.";
const REST: &str = "It woke up and went on where it had been.";

/// What a model has said when it falls silent; only a stop ends that answer, however long somebody
/// looks at it.
fn unfinished(text: &str) -> Turn {
    Turn::of([Step::Text(text.to_owned()), Step::Stall])
}

#[test]
fn an_answer_that_was_cut_by_a_crash_is_kept_and_can_be_gone_on_with() {
    let mut house = House::new();
    let Some(mut browser) = Browser::signed_in(&house.program) else {
        return;
    };
    let told = vec![unfinished(STORY), unfinished(REST)];
    house.model.script("teller", told);
    let chat = house.chat_with("teller");
    browser.goto(&chat);
    say(&mut browser, "Tell me a story");
    browser.see_within(text(STORY).within(thread()), ANSWER_LIMIT);
    browser.see(button("Stop").exact());
    browser.look("chat-streaming");
    house.dies_and_comes_back(&mut browser);
    browser.see(text("The program stopped in the middle of this answer"));
    browser.see(text(STORY).within(thread()));
    browser.gone(button("Stop").exact());
    browser.look("chat-interrupted");

    browser.click(button("Go on"));
    browser.see_within(text(REST).within(thread()), ANSWER_LIMIT);
    browser.click(button("Stop").exact());
    browser.see_within(text("You stopped it here"), ANSWER_LIMIT);
    browser.see(text(STORY).within(thread()));
    browser.is_content();
}

#[test]
fn a_crash_before_the_first_word_loses_no_message() {
    let mut house = House::new();
    let Some(mut browser) = Browser::signed_in(&house.program) else {
        return;
    };
    house.model.script("thinker", vec![Turn::silence()]);
    let chat = house.chat_with("thinker");
    browser.goto(&chat);
    say(&mut browser, "Tell me a story");
    // It was taken, and nothing has come yet; the model may not even have been asked.
    browser.see_within(button("Stop").exact(), ANSWER_LIMIT);
    house.dies_and_comes_back(&mut browser);
    browser.see(text("The program stopped in the middle of this answer"));
    browser.see(text("Tell me a story").within(thread()));
    assert_eq!(browser.value(composer()), "");
    house.model.script("thinker", vec![Turn::text(STORY)]);
    browser.click(button("Go on"));
    browser.see_within(text(STORY).within(thread()), ANSWER_LIMIT);
    is_answered(&mut browser);

    // What is sent to nobody is still there to be sent.
    house.model.script("thinker", vec![Turn::text(REST)]);
    browser.fill(composer(), "And then?");
    let address = house.program.address();
    house.program.kill();
    browser.press("Enter");
    browser.see(role("alertdialog", "The program does not answer"));
    house.program.launch_at(&address);
    browser.gone(role("alertdialog", "The program does not answer"));
    assert_eq!(browser.value(composer()), "And then?");
    browser.click(button("Send").exact());
    browser.see_within(text(REST).within(thread()), ANSWER_LIMIT);
    is_answered(&mut browser);
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
