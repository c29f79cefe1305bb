//! Adding a server, meeting its tools, and one that fails to install.

use std::time::Duration;

use e2e::{
    Browser, Program, ProgramOptions, Registry, button, css, field, heading, link, role, text,
};

const INSTALL_LIMIT: Duration = Duration::from_secs(120);

#[test]
fn a_server_is_reviewed_installed_looked_at_and_run() {
    let program = Program::start();
    let Some(mut browser) = Browser::signed_in(&program) else {
        return;
    };
    browser.click(link("Add your first server"));
    browser.see(heading("Add a server"));
    browser.look("server-add");
    // A name that cannot be one is told at once, and nothing is lost.
    browser.fill(field("Package or command"), "npx -y ;rm");
    browser.click(button("Review").exact());
    browser.see(role("textbox", "Package or command"));
    assert_eq!(browser.value(field("Package or command")), "npx -y ;rm");

    browser.fill(
        field("Package or command"),
        "uvx mcp-server-time --local-timezone UTC",
    );
    browser.click(button("Review").exact());
    let review = || role("dialog", "Add Time?");
    browser.see(review());
    browser.see(text("Nothing has been downloaded yet"));
    browser.look("server-review");
    assert_eq!(
        program.json(&["servers", "list"])["servers"],
        serde_json::json!([])
    );
    browser.click(button("Add Time").within(review()));

    browser.see(heading("Time"));
    browser.see_within(text("Nobody has looked at this tool yet"), INSTALL_LIMIT);
    browser.look("server-tools-new");
    // What it only reads runs unasked from then on, and says so.
    browser.click(button("I have looked at it"));
    browser.see(link("Get current time Runs unasked"));
    browser.click(link("Get current time"));
    let form = || role("form", "Run get_current_time by hand");
    browser.fill(role("textbox", "Timezone").within(form()), "Europe/Lisbon");
    browser.click(button("Run").exact().within(form()));
    let answer = || role("region", "Answer");
    browser.see_within(answer(), INSTALL_LIMIT);
    browser.see(text("Europe/Lisbon").within(answer()));
    browser.look("server-tools");

    for (tab, seen) in [
        ("Logs", "server-logs"),
        ("Access", "server-access"),
        ("Limits", "server-limits"),
        ("Settings", "server-settings"),
    ] {
        browser.click(
            link(tab)
                .exact()
                .within(role("navigation", "Parts of Time")),
        );
        browser.see(e2e::css(&format!(
            "main a[aria-current=page]:has-text('{tab}')"
        )));
        browser.look(seen);
    }
    browser.goto("/servers");
    browser.see(link("Time").within(css("main")));
    browser.look("servers");
    is_changed_in_place(&mut browser, &program);
    browser.is_content();
}

/// It gets another name, another limit and a secret, and is not installed again for that.
fn is_changed_in_place(browser: &mut Browser, program: &Program) {
    let details = || program.json(&["servers", "show", "time"]);
    let before = details();
    browser.goto("/servers/time?tab=settings");
    browser.fill(role("textbox", "Name").exact(), "World clock");
    browser.click(button("Save"));
    browser.see(heading("World clock"));

    browser.goto("/servers/time?tab=limits");
    let memory = || field("Memory, at most, in MB");
    browser.fill(memory(), "16");
    browser.see(text("At least 32 MB"));
    browser.fill(memory(), "160");
    browser.click(button("Save"));
    browser.gone(button("Save"));

    browser.goto("/servers/time?tab=access");
    browser.click(button("Give a value"));
    let form = || role("form", "Give a value");
    browser.fill(field("Name").within(form()), "API_KEY");
    browser.fill(field("Secret value").within(form()), "hunter2-canary");
    browser.look("server-give-value");
    browser.click(button("Give this secret").within(form()));
    browser.see(button("Replace API_KEY"));

    let after = details();
    assert_eq!(after["title"], "World clock");
    assert_eq!(after["limits"]["memory_bytes_max"], 160 << 20);
    assert_eq!(after["secrets"], serde_json::json!(["API_KEY"]));
    assert_eq!(after["install"]["id"], before["install"]["id"]);
    let called = program.call(
        "time",
        "get_current_time",
        r#"{"timezone":"Europe/Lisbon"}"#,
    );
    assert!(called.unwrap().contains("Lisbon"));
}

#[test]
fn a_server_that_fails_to_install_is_mended() {
    let registry = Registry::start(&["--fail-tarballs", "1"]);
    let program = Program::start_with(&ProgramOptions {
        registries: Some((registry.npm(), registry.pypi())),
        ..Default::default()
    });
    let Some(mut browser) = Browser::signed_in(&program) else {
        return;
    };
    browser.goto("/servers/add");
    browser.fill(
        field("Package or command"),
        "npm:archestra-fixture-misbehave",
    );
    browser.press("Enter");
    browser.see(role("dialog", "Add "));
    browser.click(button("Add Archestra").within(role("dialog", "Add ")));
    let failed = || role("region", "What failed");
    browser.see_within(failed(), INSTALL_LIMIT);
    browser.look("server-failed");
    // What failed is there after a reload, and can be tried again.
    browser.reload();
    browser.click(button("Try again").within(failed()));
    browser.see_within(text("Nobody has looked at this tool yet"), INSTALL_LIMIT);
    browser.is_content();
}

#[test]
fn a_package_that_wants_to_run_scripts_asks_on_the_page() {
    let registry = Registry::start(&[]);
    let program = Program::start_with(&ProgramOptions {
        registries: Some((registry.npm(), registry.pypi())),
        ..Default::default()
    });
    let Some(mut browser) = Browser::signed_in(&program) else {
        return;
    };
    browser.goto("/servers/add?package=npm:archestra-fixture-needs-build");
    browser.see(role("dialog", "Add "));
    browser.click(button("Add Archestra").within(role("dialog", "Add ")));
    let question = || role("region", "Scripts that packages want to run");
    browser.see_within(question(), INSTALL_LIMIT);
    browser.see(text("archestra-fixture-needs-build").within(question()));
    browser.look("server-consent");
    browser.click(button("Run them").within(question()));
    browser.see_within(text("Nobody has looked at this tool yet"), INSTALL_LIMIT);
    browser.is_content();
}
