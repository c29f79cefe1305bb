//! Whatever a server says is text: it runs nothing, loads nothing, hides nothing and breaks nothing.

use std::time::Duration;

use e2e::{Browser, Program, ProgramOptions, Registry, button, css, link, role};

const LIMIT: Duration = Duration::from_secs(60);
const KINDS: [&str; 8] = [
    "markup",
    "markdown",
    "hidden",
    "ansi",
    "long_line",
    "many_lines",
    "pictures",
    "links",
];

/// Those that could break how the page looks.
const LOOKED_AT: [&str; 3] = ["markdown", "pictures", "links"];

/// Shows that nothing of a server's has come to be more than text.
#[track_caller]
fn is_text(browser: &mut Browser) {
    assert_eq!(browser.eval("window.ran ?? null"), serde_json::Value::Null);
    for selector in [
        "img[src*='elsewhere.test']",
        "a[href^='javascript:']",
        "a[href^='data:']",
        "main iframe",
        "main script",
        "main style",
        "main form[action*='elsewhere.test']",
    ] {
        assert_eq!(browser.count(css(selector)), 0, "{selector}");
    }
    browser.is_content();
}

#[test]
fn the_words_of_a_server_stay_words() {
    let registry = Registry::start(&[]);
    let program = Program::start_with(&ProgramOptions {
        registries: Some((registry.npm(), registry.pypi())),
        ..Default::default()
    });
    program.add_unreviewed(&["npm:archestra-fixture-loud", "--name", "loud"]);
    let Some(mut browser) = Browser::signed_in(&program) else {
        return;
    };
    browser.goto("/servers/loud?tab=tools&tool=answer");
    browser.see(button("I have looked at it"));
    is_text(&mut browser);
    browser.look("hostile-tool");
    // What does not show is counted, and marked where it stands.
    browser.see(e2e::text("in it do not show"));

    let form = || role("form", "Run answer by hand");
    let answer = || role("region", "Answer");
    for kind in KINDS {
        browser.goto("/servers/loud?tab=tools&tool=answer");
        browser.choose(role("combobox", "").within(form()), kind);
        browser.click(button("Run").exact().within(form()));
        browser.see_within(answer(), LIMIT);
        is_text(&mut browser);
        if LOOKED_AT.contains(&kind) {
            browser.look_at(&format!("hostile-{kind}"), &answer());
        }
    }

    browser.click(link("Logs").exact());
    browser.see(role("log", ""));
    is_text(&mut browser);
    browser.look("hostile-log");
    browser.goto("/servers");
    browser.see(link("loud").within(css("main")));
    is_text(&mut browser);
}
