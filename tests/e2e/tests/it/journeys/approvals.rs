//! What a program outside of the browser asks for is decided in it.

use std::{fs, thread::JoinHandle, time::Duration};

use e2e::{Browser, Client, Program, button, heading, link, role, text};
use serde_json::{Value, json};

use crate::servers::folder_for_servers;

const CLIENT: &str = "claude-desktop";
const INSTALL_LIMIT: Duration = Duration::from_secs(120);
/// Until it is known what this machine has.
const LOOK_LIMIT: Duration = Duration::from_secs(60);

/// A program with a folder that a server may write into, and somebody who wants it to.
struct House {
    program: Program,
    folder: String,
    token: String,
}

impl House {
    fn new() -> Self {
        let program = Program::start();
        let folder = folder_for_servers(&program, "notes");
        let files = json!({
            "slug": "files",
            "title": "Files",
            "source": {
                "kind": "package",
                "registry": "npm",
                "name": "@modelcontextprotocol/server-filesystem",
            },
            "args": ["/data"],
            "folders": [{ "host": folder, "inside": "/data", "access": "read_write" }],
        });
        program.api("POST", "/api/v1/servers", &files);
        e2e::wait_for("its tools are known", INSTALL_LIMIT, || {
            let shown = program.api("GET", "/api/v1/servers/files", &Value::Null);
            (shown["tools"].as_u64() > Some(0)).then_some(())
        });
        let token = program.token(CLIENT, &[]);
        Self {
            program,
            folder,
            token,
        }
    }

    /// Calls as a client does, in a thread, for it waits.
    fn write(&self, name: &str, content: &str) -> JoinHandle<Result<String, String>> {
        let (address, token) = (self.program.address(), self.token.clone());
        let arguments = json!({ "path": format!("/data/{name}"), "content": content });
        std::thread::spawn(move || {
            let mut client = Client::connect(&address, "/mcp", &token);
            client.call("files__write_file", arguments)
        })
    }

    fn written(&self, name: &str) -> Option<String> {
        fs::read_to_string(format!("{}/{name}", self.folder)).ok()
    }
}

#[test]
fn a_clients_call_is_allowed_denied_and_allowed_for_good_in_the_page() {
    let house = House::new();
    let Some(mut browser) = Browser::signed_in(&house.program) else {
        return;
    };
    browser.see(text("Every tool server runs in a sandbox of its own"));
    browser.gone_within(text("Looking for Podman"), LOOK_LIMIT);
    browser.look("home");

    // Wherever one is, it is said; the question stands on a page of its own.
    let call = house.write("plan.md", "# Plan\n\nShip on Thursday.\n");
    browser.click(button("Look").exact());
    let question = || role("region", "Approval needed");
    browser.see(question());
    browser.see(text("claude-desktop").within(question()));
    browser.see(text("Ship on Thursday").within(question()));
    browser.look("approval");
    assert_eq!(house.written("plan.md"), None);
    browser.click(button("Allow once").within(question()));
    call.join().unwrap().unwrap();
    assert_eq!(
        house.written("plan.md").as_deref(),
        Some("# Plan\n\nShip on Thursday.\n")
    );
    browser.gone(question());
    browser.look("approval-decided");

    // By keys alone, at the address that the client was given.
    let call = house.write("plan.md", "");
    let asked = house.program.open_approval("write_file");
    browser.goto(&format!("/approvals/{}", asked["id"].as_str().unwrap()));
    browser.see(question());
    browser.press("Alt+n");
    let denied = call.join().unwrap().unwrap_err();
    assert!(denied.contains("not approved"), "{denied}");
    browser.gone(question());
    assert_ne!(house.written("plan.md").as_deref(), Some(""));

    let call = house.write("b.md", "b");
    browser.goto("/approvals");
    browser.click(button("Allow for this app").within(question()));
    call.join().unwrap().unwrap();
    browser.see(text("Nothing waits for you"));
    browser.look("approvals-none");
    // From now on it is not asked.
    house.write("c.md", "c").join().unwrap().unwrap();

    browser.click(link("Decided").exact());
    browser.see(link("Write file").nth(2));
    browser.look("approvals-past");
    browser.click(link("Permissions").exact());
    browser.see(button("Revoke"));
    browser.look("permissions");
    browser.click(button("Revoke").nth(0));
    browser.gone(button("Revoke"));
    let call = house.write("d.md", "d");
    browser.click(link("Waits for you").nth(0));
    browser.see(question());
    browser.click(button("Deny").exact().within(question()));
    assert!(call.join().unwrap().is_err());
    browser.is_content();
}

#[test]
fn what_waits_is_still_there_after_the_program_was_killed() {
    let mut house = House::new();
    let Some(mut browser) = Browser::signed_in(&house.program) else {
        return;
    };
    browser.goto("/approvals");
    browser.see(text("Nothing waits for you"));
    let call = house.write("kept.md", "kept");
    let question = || role("region", "Approval needed");
    browser.see(question());
    let address = house.program.address();
    house.program.kill();
    // Whoever called has lost its connection, and may come again.
    let _lost = call.join();
    browser.see(role("alertdialog", "The program does not answer"));
    house.program.launch_at(&address);
    browser.gone(role("alertdialog", "The program does not answer"));
    browser.click(button("Allow once").within(question()));
    browser.see(heading("Approvals"));
    browser.gone(question());
    let again = e2e::wait_for("the server is there again", Duration::from_secs(60), || {
        house.write("kept.md", "kept").join().ok()?.ok()
    });
    assert!(again.contains("kept.md"), "{again}");
    assert_eq!(house.written("kept.md").as_deref(), Some("kept"));
    browser.is_content();
}
