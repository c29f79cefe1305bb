//! Measures the UI against its budgets, in Chromium, with the program as it is shipped.
//!
//! ```text
//! cargo xtask bench-ui     builds what is measured and runs this
//! ```
//!
//! The page is measured by its own clock: `performance.now()` from the event that a person causes to
//! the end of the first frame after it that shows what they wait for.

#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::time::Duration;

use e2e::{
    Browser, Program, ProgramOptions, button, css, heading, role,
    scripted_model::{Options, ScriptedModel},
    wait_for,
};
use serde_json::{Value, json};

const MESSAGES: usize = 2_000;
/// So many answers at the end are not one sentence.
const RICH: usize = 40;
const ROUNDS: usize = 9;
const KEYS: usize = 120;
/// As a key repeats that is held down: 30 a second, where a fast typist makes ten.
const KEY_EACH: Duration = Duration::from_millis(33);
const TURN_LIMIT: Duration = Duration::from_secs(60);

/// Runs `act`, and resolves to the milliseconds until a frame shows what `there` finds.
const UNTIL_SHOWN: &str = "new Promise((done) => {
  const began = performance.now();
  ACT;
  const look = () => {
    if (!(THERE)) return requestAnimationFrame(look);
    const after = new MessageChannel();
    after.port1.onmessage = () => done(performance.now() - began);
    requestAnimationFrame(() => after.port2.postMessage(0));
  };
  look();
})";

/// Notes for each key the milliseconds from its event to the end of the frame after it, and what the
/// browser tells of it: until the frame is on the screen, in steps of 8 ms from 16 on.
const WATCH_KEYS: &str = "window.keys = { frames: [], screen: [] };
document.addEventListener('keydown', (event) => {
  requestAnimationFrame(() => {
    const after = new MessageChannel();
    after.port1.onmessage = () => window.keys.frames.push(performance.now() - event.timeStamp);
    after.port2.postMessage(0);
  });
}, true);
new PerformanceObserver((list) => {
  const keys = list.getEntries().filter((it) => it.name === 'keydown');
  window.keys.screen.push(...keys.map((it) => it.duration));
}).observe({ type: 'event', durationThreshold: 16 })";

/// What was noted, once the last key is on the screen.
const KEY_TIMES: &str = "new Promise((done) => setTimeout(() => done(window.keys), 500))";

/// After a key, Chromium holds the page's tasks back until a further frame is made, so that the one that
/// tells the end of a frame would tell the end of another.
const TELL_FRAMES: &str = "--disable-features=DeferRendererTasksAfterInput";

/// What is too short to be told by the browser.
const UNTOLD_MS: f64 = 8.0;

const SCRIPTS: &str = "performance.getEntriesByType('resource')
  .filter((it) => new URL(it.name).pathname.endsWith('.js'))
  .reduce((sum, it) => sum + it.encodedBodySize, 0)";

fn main() {
    let model = ScriptedModel::start_in_thread(Options {
        list_scenarios: true,
        ..Options::default()
    })
    .expect("a port of loopback is free");
    let program = Program::start_with(&ProgramOptions {
        config: vec![
            "models.discover = false".to_owned(),
            format!("models.demo = {:?}", model.url),
        ],
        log: Some("warn".to_owned()),
        ..Default::default()
    });
    let long = long_chat(&program);
    let browser = Browser::open_with(&program, &[TELL_FRAMES]);
    let mut browser = browser.expect("Chromium and its driver were prepared");
    browser.sign_in(&program);

    println!("| what | budget | measured | met |\n|---|---|---|---|");
    initial(&mut browser);
    opening(&mut browser, &long);
    typing(&mut browser, &program, None);
    typing(&mut browser, &program, Some(&long));
}

/// What the first page loads until one can write.
fn initial(browser: &mut Browser) {
    browser.ask("new tab", json!({}));
    browser.goto("/");
    browser.see(role("textbox", "Message"));
    let bytes = browser.eval(SCRIPTS).as_f64().unwrap_or(f64::INFINITY);
    row(
        "initial JavaScript, gzip, all that is loaded until one can write",
        "KB",
        250.0,
        bytes / 1000.0,
        "",
    );
}

fn opening(browser: &mut Browser, chat: &str) {
    let mut times = Vec::new();
    let mut nodes = 0.0_f64;
    for _ in 0..ROUNDS {
        browser.goto("/servers");
        browser.see(heading("MCP servers"));
        browser.see(css(&format!("nav a[href='{chat}']")));
        let act = format!("document.querySelector('nav a[href=\"{chat}\"]').click()");
        let there = "document.querySelector('[role=group][aria-label=Messages] article')";
        let script = UNTIL_SHOWN.replace("ACT", &act).replace("THERE", there);
        times.push(browser.eval(&script).as_f64().unwrap_or(f64::INFINITY));
        let count = "document.querySelectorAll('[role=group][aria-label=Messages] article, [role=group][aria-label=Messages] [aria-label=\"Copy the message\"]').length";
        nodes = nodes.max(browser.eval(count).as_f64().unwrap_or(f64::INFINITY));
    }
    let note = format!(" (p50 of {ROUNDS}, longest {:.0})", at(&mut times, 1.0));
    let what =
        format!("open a chat of {MESSAGES} messages, from the click to the frame with messages");
    row(&what, "ms", 300.0, at(&mut times, 0.5), &note);
    row("messages in the DOM then", "", 100.0, nodes, "");
}

/// Types while an answer comes, in a new chat or in the long one.
fn typing(browser: &mut Browser, program: &Program, long: Option<&str>) {
    let stream = "scenario:firehose?tokens=8000&rate=200";
    let chat = match long {
        Some(chat) => {
            let body = json!({ "model": model(program, stream) });
            program.api("PATCH", &format!("/api/v1{chat}"), &body);
            chat.to_owned()
        }
        None => new_chat(program, stream),
    };
    browser.goto(&chat);
    browser.fill(role("textbox", "Message"), "Tell me much");
    browser.press("Enter");
    browser.see_within(button("Stop").exact(), TURN_LIMIT);
    browser.eval(WATCH_KEYS);
    let letters: String = ('a'..='z').cycle().take(KEYS).collect();
    browser.type_slowly(&letters, KEY_EACH);
    let keys = browser.eval(KEY_TIMES);
    assert_eq!(browser.value(role("textbox", "Message")), letters);
    browser.click(button("Stop").exact());
    let (mut frames, mut screen) = (milliseconds(&keys["frames"]), milliseconds(&keys["screen"]));
    assert_eq!(frames.len(), KEYS, "each key has its frame");
    screen.resize(KEYS.max(screen.len()), UNTOLD_MS);
    let what = match long {
        Some(_) => format!("the same below {MESSAGES} messages"),
        None => {
            "typing while a model streams 200 tokens/s, from the key to the end of the frame after it, p95"
                .to_owned()
        }
    };
    let note = format!(
        " (p50 {:.0}, longest {:.0}, {KEYS} keys; to the screen p50 {:.0}, p95 {:.0})",
        at(&mut frames, 0.5),
        at(&mut frames, 1.0),
        at(&mut screen, 0.5),
        at(&mut screen, 0.95),
    );
    row(&what, "ms", 32.0, at(&mut frames, 0.95), &note);
}

fn milliseconds(all: &Value) -> Vec<f64> {
    let all = all.as_array().into_iter().flatten();
    all.filter_map(Value::as_f64).collect()
}

/// Makes a chat with many messages, as they come to be: one answer after the other.
fn long_chat(program: &Program) -> String {
    let chat = new_chat(program, "scenario:text");
    let path = format!("/api/v1{chat}");
    for number in 0..MESSAGES / 2 {
        // What is drawn first has headings, a list, a table and code.
        if number == MESSAGES / 2 - RICH {
            let body = json!({ "model": model(program, "scenario:markdown") });
            program.api("PATCH", &path, &body);
        }
        let text = json!({ "text": format!("Question {number}: what does it look like?") });
        program.api("POST", &format!("{path}/messages"), &text);
        wait_for("the answer is there", TURN_LIMIT, || {
            let newest = program.api("GET", "/api/v1/chats?limit=1", &Value::Null);
            let is_over = newest["chats"][0]["status"] == "idle";
            is_over.then_some(())
        });
    }
    chat
}

fn new_chat(program: &Program, name: &str) -> String {
    let body = json!({ "model": model(program, name) });
    let chat = program.api("POST", "/api/v1/chats", &body);
    format!("/chats/{}", chat["id"].as_str().unwrap_or_default())
}

fn model(program: &Program, name: &str) -> Value {
    let models = program.api("GET", "/api/v1/models", &Value::Null);
    json!({ "provider": models["default"]["provider"], "model": name })
}

/// Returns the time below which a part of all is.
fn at(times: &mut [f64], part: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "there are few of them"
    )]
    let place = ((times.len() as f64) * part) as usize;
    let place = place.min(times.len().saturating_sub(1));
    times.get(place).copied().unwrap_or(f64::INFINITY)
}

fn row(what: &str, unit: &str, max: f64, measured: f64, note: &str) {
    let met = if measured <= max { "yes" } else { "**no**" };
    println!("| {what} | ≤ {max} {unit} | {measured:.0} {unit}{note} | {met} |");
}
