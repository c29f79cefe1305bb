//! Everything by keys alone, in the order in which the page reads, with a focus that shows.

use std::time::Duration;

use e2e::{Browser, Client, Program, ProgramOptions, Registry, heading, link, role, text};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn a_server_is_added_and_a_call_allowed_without_a_mouse() {
    let registry = Registry::start(&[]);
    let program = Program::start_with(&ProgramOptions {
        registries: Some((registry.npm(), registry.pypi())),
        ..Default::default()
    });
    let Some(mut browser) = Browser::signed_in(&program) else {
        return;
    };
    browser.goto("/");
    browser.tab_to("Skip to the content");
    browser.tab_to("Add your first server");
    browser.press("Enter");
    browser.see(heading("Add a server"));
    // The field has the focus by itself.
    browser.type_text("archestra-fixture-misbehave");
    browser.press("Enter");
    let review = || role("dialog", "Add ");
    browser.see(review());
    // A dialog keeps the focus, and gives it back.
    browser.press("Escape");
    browser.gone(review());
    browser.press("Enter");
    browser.see(review());
    browser.tab_to("Add Archestra");
    browser.press("Enter");
    browser.see_within(text("Nobody has looked at"), LIMIT);
    browser.tab_to("I have looked at them");
    browser.press("Enter");
    browser.gone(role("button", "I have looked at them"));

    let (address, token) = (program.address(), program.token("editor", &[]));
    let call = std::thread::spawn(move || {
        let slug = "archestra-fixture-misbeh";
        let mut client = Client::connect(&address, &format!("/mcp/{slug}"), &token);
        client.call("add-tool", json!({ "name": "added" }))
    });
    let asked = program.open_approval("add-tool");
    browser.press("Control+Shift+U");
    browser.see(role("region", "Approval needed"));
    assert!(browser.address().contains("/approvals"), "{asked}");
    browser.press("Alt+y");
    call.join().unwrap().unwrap();
    browser.see(text("Nothing waits for you"));
    browser.is_content();
}

#[test]
fn the_palette_the_list_of_keys_and_the_sidebar_answer_to_keys() {
    let program = Program::start();
    let Some(mut browser) = Browser::signed_in(&program) else {
        return;
    };
    browser.goto("/servers");
    browser.see(heading("MCP servers"));
    browser.press("Control+k");
    let search = || role("combobox", "Search chats, servers, tools and places");
    browser.see(search());
    browser.look("palette");
    browser.type_text("audit");
    browser.see(role("option", "Audit"));
    browser.press("Enter");
    browser.see(heading("Audit"));
    browser.gone(search());

    browser.press("?");
    browser.see(role("dialog", "Keyboard"));
    browser.look("keyboard");
    browser.press("Escape");
    browser.gone(role("dialog", "Keyboard"));

    browser.press("Control+b");
    browser.gone(link("New chat"));
    browser.press("Control+b");
    browser.see(link("New chat"));
    browser.press("Control+Shift+o");
    browser.see(role("textbox", "Message"));
    browser.is_content();
}
