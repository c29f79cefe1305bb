//! Another program is let in, comes in by what it was told, and is shut out again.

use e2e::{
    At, Browser, Program, ProgramOptions, Registry, button, css, field, peer, repository, role,
    text,
};
use serde_json::{Value, json};

/// The official Python client at an address, with a token; what it prints, or `None` where it was
/// refused.
fn comes_in(url: &str, token: &str) -> Option<Value> {
    let output = e2e::command(peer("PYTHON")?)
        .arg(repository().join("tests/peers/python_waiting.py"))
        .args([url, token, "misbehave__echo"])
        .arg(json!({ "text": "hello" }).to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let result = said.lines().rev().find(|it| it.contains("result"))?;
    output
        .status
        .success()
        .then(|| serde_json::from_str(result).unwrap())
}

/// Lets an app in and returns the text that it is to be told.
#[track_caller]
fn let_in(browser: &mut Browser, app: &str, name: &str) -> String {
    browser.click(button("Connect an app"));
    let choose = || role("dialog", "Which app shall be let in?");
    browser.choose(field("App").exact().within(choose()), app);
    browser.fill(field("Name").within(choose()), name);
    browser.click(button("Let it in").within(choose()));
    browser.see(role("dialog", &format!("Tell {app} where to find it")));
    browser.read(css("[role=dialog] pre code"))
}

fn of_app(name: &str) -> At {
    button(&format!("Shut out… {name}"))
}

#[test]
fn an_app_comes_in_by_the_text_that_it_was_given_until_it_is_shut_out() {
    if peer("PYTHON").is_none() {
        return;
    }
    let registry = Registry::start(&[]);
    let program = Program::start_with(&ProgramOptions {
        registries: Some((registry.npm(), registry.pypi())),
        ..Default::default()
    });
    program.add(&["npm:archestra-fixture-misbehave", "--name", "misbehave"]);
    let Some(mut browser) = Browser::signed_in(&program) else {
        return;
    };
    browser.goto("/settings/clients");
    browser.see(text("No app is connected"));
    let told = let_in(&mut browser, "Cursor", "my editor");
    browser.see(text("Waiting for Cursor to come in"));
    browser.look("client-added");

    let told: Value = serde_json::from_str(&told).unwrap();
    let entry = &told["mcpServers"]["archestra"];
    let url = entry["url"].as_str().unwrap().to_owned();
    let bearer = entry["headers"]["Authorization"].as_str().unwrap();
    let token = bearer.strip_prefix("Bearer ").unwrap().to_owned();
    let came = comes_in(&url, &token).unwrap();
    assert_eq!(came, json!({ "result": "hello", "is_error": false }));
    browser.see(text("Cursor has come in"));
    browser.click(button("Close").exact().within(css("[role=dialog] footer")));
    browser.see(of_app("my editor"));
    browser.see(text("Active").within(css("main")));
    browser.look("clients-active");
    // The token was shown once.
    let page = browser.read(css("body"));
    assert!(!page.contains(&token));

    browser.click(of_app("my editor"));
    let sure = || role("dialog", "Shut my editor out?");
    browser.look("client-shut-out");
    browser.click(button("Shut my editor out").within(sure()));
    browser.gone(sure());
    browser.gone(of_app("my editor"));
    browser.see(text("shut out before: my editor"));
    assert_eq!(comes_in(&url, &token), None);
    browser.is_content();
}
