//! The places that one looks at now and then, empty and with something in them.

use e2e::{Browser, Program, button, css, heading, link, role, text};
use serde_json::Value;

#[test]
fn what_happened_is_in_the_audit_and_what_is_not_there_says_so() {
    let program = Program::start();
    let Some(mut browser) = Browser::signed_in(&program) else {
        return;
    };
    program.token("editor", &[]);
    browser.goto("/audit");
    browser.see(heading("Audit"));
    browser.see(text("editor").within(role("list", "What happened")));
    browser.look("audit");

    browser.goto("/servers/nobody");
    browser.see(heading("There is no server “nobody”"));
    browser.look("server-gone");
    browser.goto("/nothing/here");
    browser.see(heading("There is nothing at this address"));
    browser.look("not-there");
    browser.goto("/approvals/apr_nothing");
    browser.see(css("main [role=alert], main [role=status], main h1"));
    browser.is_content();
}

#[test]
fn the_theme_is_kept_and_the_page_is_never_drawn_in_the_other_first() {
    let program = Program::start();
    let Some(mut browser) = Browser::signed_in(&program) else {
        return;
    };
    let ground = "getComputedStyle(document.documentElement).backgroundColor";
    browser.goto("/servers");
    browser.see(heading("MCP servers"));
    let of_system = browser.eval(ground);
    browser.click(button("Theme: same as the system"));
    browser.click(button("Theme: light"));
    browser.see(button("Theme: dark"));
    let dark = browser.eval(ground);
    assert_ne!(dark, of_system);
    browser.reload();
    browser.see(button("Theme: dark"));
    assert_eq!(browser.eval(ground), dark);
    browser.click(button("Theme: dark"));
    browser.see(button("Theme: same as the system"));
    assert_eq!(
        browser.eval("document.documentElement.dataset.theme ?? null"),
        Value::Null
    );
    browser.is_content();
}

#[test]
fn on_a_phone_the_sidebar_is_a_drawer() {
    let program = Program::start();
    let Some(mut browser) = Browser::signed_in(&program) else {
        return;
    };
    browser.resize((400, 860), "light");
    browser.gone(role("navigation", "Main"));
    browser.click(button("Show the sidebar"));
    browser.see(role("navigation", "Main"));
    browser.click(link("MCP servers").exact());
    browser.see(heading("MCP servers"));
    browser.gone(role("navigation", "Main"));
    browser.is_content();
}

#[test]
fn each_section_of_the_settings_is_there() {
    let program = Program::start();
    let Some(mut browser) = Browser::signed_in(&program) else {
        return;
    };
    program.token("editor", &[]);
    for (section, title) in [
        ("general", "General"),
        ("models", "Models"),
        ("clients", "Connected apps"),
        ("about", "About"),
    ] {
        browser.goto(&format!("/settings/{section}"));
        browser.see(heading(title));
        browser.gone(css("main .skeleton"));
        browser.look(&format!("settings-{section}"));
    }
    browser.is_content();
}
