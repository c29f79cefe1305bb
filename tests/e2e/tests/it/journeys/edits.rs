//! What was said is said in another way, and answered again.

use std::sync::atomic::{AtomicUsize, Ordering};

use e2e::{Browser, button, role, scripted_model::Turn, text};

use super::house::{ANSWER_LIMIT, House, composer, is_answered, say, thread};

#[track_caller]
fn is_told(browser: &mut Browser, answer: &str) {
    browser.see_within(text(answer).within(thread()), ANSWER_LIMIT);
    is_answered(browser);
}

#[test]
fn a_message_is_changed_and_answered_again_without_what_came_after_it() {
    let house = House::new();
    let Some(mut browser) = Browser::signed_in(&house.program) else {
        return;
    };
    let told = AtomicUsize::new(0);
    house.model.script_by("counter", move |asked| {
        let number = told.fetch_add(1, Ordering::Relaxed) + 1;
        let question = asked.question();
        let questions: Vec<String> = asked
            .messages
            .iter()
            .filter_map(|it| match it {
                e2e::scripted_model::Message::User { text, .. } => Some(text.clone()),
                _ => None,
            })
            .collect();
        let before = questions.len() - 1;
        Turn::text(format!("Answer {number} to “{question}” after {before}."))
    });
    let chat = house.chat_with("counter");
    browser.goto(&chat);
    say(&mut browser, "How high is the moon?");
    is_told(&mut browser, "Answer 1 to “How high is the moon?” after 0");
    say(&mut browser, "And the sun?");
    is_told(&mut browser, "Answer 2 to “And the sun?” after 1");

    // The last answer, once more.
    browser.click(button("Answer again").exact());
    is_told(&mut browser, "Answer 3 to “And the sun?” after 1");
    browser.gone(text("Answer 2 to").within(thread()));
    // The one before is still there, a step away.
    let versions = |number: usize| role("group", "Versions of this message").nth(number);
    browser.see(text("Version 2 of 2").within(versions(0)));
    browser.click(button("Show the version before").within(versions(0)));
    browser.see(text("Answer 2 to").within(thread()));
    browser.gone(text("Answer 3 to").within(thread()));
    browser.click(button("Show the version after").within(versions(0)));
    browser.see(text("Answer 3 to").within(thread()));

    // The first message, in other words: what came after it is put aside.
    let edit = || button("Edit and ask again").nth(0);
    browser.hover(
        text("How high is the moon?")
            .exact()
            .nth(0)
            .within(thread()),
    );
    browser.click(edit());
    let draft = || role("textbox", "Your message");
    assert_eq!(browser.value(draft()), "How high is the moon?");
    browser.look("chat-editing");
    // Who thinks better of it has lost nothing.
    browser.fill(draft(), "Never mind");
    browser.press("Escape");
    browser.gone(draft());
    browser.see(text("Answer 3 to").within(thread()));
    browser.hover(
        text("How high is the moon?")
            .exact()
            .nth(0)
            .within(thread()),
    );
    browser.click(edit());
    browser.fill(draft(), "How far is the moon?");
    browser.press("Control+Enter");
    is_told(&mut browser, "Answer 4 to “How far is the moon?” after 0");
    browser.gone(draft());
    browser.gone(text("And the sun?").within(thread()));
    browser.gone(text("How high").within(thread()));
    browser.look("chat-edited");

    // It goes on from there, also for whoever comes back to it.
    say(&mut browser, "Is that far?");
    is_told(&mut browser, "Answer 5 to “Is that far?” after 1");
    let said = browser.read(thread());
    browser.reload();
    browser.see(text("Answer 5 to").within(thread()));
    assert_eq!(browser.read(thread()), said);
    assert_eq!(browser.value(composer()), "");

    // What was put aside comes back whole, with the version of its answer that was seen last.
    browser.see(text("Version 2 of 2").within(versions(0)));
    browser.click(button("Show the version before").within(versions(0)));
    browser.see(text("How high is the moon?").exact().within(thread()));
    browser.see(text("Answer 3 to “And the sun?” after 1").within(thread()));
    browser.gone(text("How far").within(thread()));
    browser.see(text("Version 2 of 2").within(versions(1)));
    browser.look("chat-versions");
    browser.click(button("Show the version after").within(versions(0)));
    browser.see(text("Answer 5 to").within(thread()));
    assert_eq!(browser.read(thread()), said);
    browser.is_content();
}
