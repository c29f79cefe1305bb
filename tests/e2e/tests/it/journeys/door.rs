//! Getting in, being thrown out, and a program that goes and comes back.

use std::time::Duration;

use e2e::{Browser, Program, button, heading, role, text};
use serde_json::Value;

/// The composer, where a chat begins.
fn composer() -> e2e::At {
    role("textbox", "Message")
}

#[test]
fn a_link_opens_the_page_once_and_is_in_no_address() {
    let program = Program::start();
    let Some(mut browser) = Browser::open(&program) else {
        return;
    };
    browser.goto("/");
    browser.see(heading("Open the page from a terminal"));
    browser.see(text("archestra open"));
    browser.look("signed-out");

    let made = program.api("POST", "/api/v1/login-links", &Value::Null);
    let url = made["url"].as_str().unwrap();
    browser.goto(url);
    browser.see(role("navigation", "Main"));
    browser.see(composer());
    assert!(!browser.address().contains("login"));
    browser.gone_within(text("Looking for Podman"), Duration::from_secs(60));
    browser.look("home-empty");
    // It goes on being in, in another tab as well.
    browser.reload();
    browser.see(composer());

    // The same link is of no use to anybody else.
    browser.ask("open", serde_json::json!({}));
    browser.goto(url);
    browser.see(text("The link was not taken"));
    browser.is_content();
}

#[test]
fn a_session_that_ends_shows_the_way_back_in_and_the_page_goes_on_by_itself() {
    let program = Program::start();
    let Some(mut browser) = Browser::signed_in(&program) else {
        return;
    };
    browser.goto("/servers");
    browser.see(heading("Servers"));
    browser.eval("fetch('/api/v1/session', { method: 'DELETE' }).then((it) => it.status)");
    browser.reload();
    browser.see(heading("Open the page from a terminal"));

    // Somebody opens a link in another tab; this one notices.
    let made = program.api("POST", "/api/v1/login-links", &Value::Null);
    let token = made["url"]
        .as_str()
        .unwrap()
        .split_once("login=")
        .unwrap()
        .1
        .to_owned();
    browser.eval(&format!(
        "fetch('/api/v1/session', {{ method: 'POST', headers: {{ 'Content-Type': 'application/json' }}, body: JSON.stringify({{ token: '{token}' }}) }}).then((it) => it.status)"
    ));
    browser.see(heading("Servers"));
    assert!(browser.address().ends_with("/servers"));
    browser.is_content();
}

#[test]
fn a_program_that_stops_is_told_of_and_what_was_typed_is_there_when_it_is_back() {
    let mut program = Program::start();
    let Some(mut browser) = Browser::signed_in(&program) else {
        return;
    };
    browser.fill(composer(), "half a question");
    let address = program.address();
    program.kill();
    browser.see(role("alertdialog", "The program does not answer"));
    browser.look("away");
    browser.click(button("Look now"));
    browser.see(role("alertdialog", "The program does not answer"));

    program.launch_at(&address);
    browser.gone(role("alertdialog", "The program does not answer"));
    assert_eq!(browser.value(composer()), "half a question");
    browser.is_content();
}

#[test]
fn the_page_is_held_to_its_policy() {
    let program = Program::start();
    let Some(mut browser) = Browser::signed_in(&program) else {
        return;
    };
    // What a hostile answer would try, were it ever to get into the page as more than text.
    browser.eval(
        "window.ran = 0;
         const script = document.createElement('script');
         script.textContent = 'window.ran += 1';
         document.body.append(script);
         const div = document.createElement('div');
         div.innerHTML = '<img src=x onerror=\"window.ran += 1\"><svg onload=\"window.ran += 1\"></svg>';
         document.body.append(div);
         const frame = document.createElement('iframe');
         frame.srcdoc = '<script>parent.ran += 1</script>';
         document.body.append(frame);",
    );
    let fetched = browser.eval(
        "fetch('http://127.0.0.1:1/', { mode: 'no-cors' }).then(() => 'sent', (it) => it.message)",
    );
    assert_ne!(fetched, "sent");
    assert_eq!(browser.eval("window.ran"), 0);
    // All of it was refused by the policy, and said so.
    let complaints = browser.ask("complaints", serde_json::json!({})).to_string();
    assert!(
        complaints.contains("Content Security Policy"),
        "{complaints}"
    );
}
