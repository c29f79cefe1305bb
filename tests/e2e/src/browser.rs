//! A person in front of a browser: Chromium, moved by `tests/peers/browser.mjs`.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    Program,
    counts::new_command,
    world::{peer, repository},
};

/// One browser at a time: two of them make each other slow.
static PLACE: Mutex<()> = Mutex::new(());
/// Where pictures go; without it none is taken.
const PICTURES: &str = "ARCHESTRA_SCREENS";
/// How a page is looked at: width, height, theme, and whether axe looks and a picture is taken, too.
/// The themes differ in colours alone, and what is wide is narrow again inside.
const LOOKS: [(u32, u32, &str, bool); 6] = [
    (400, 860, "light", true),
    (400, 860, "dark", false),
    (1280, 800, "light", true),
    (1280, 800, "dark", true),
    (2560, 1300, "light", false),
    (2560, 1300, "dark", false),
];
/// The size that journeys are walked in, unless they say otherwise.
const USUAL: (u32, u32) = (1280, 800);

/// A browser with one window, on one program.
pub struct Browser {
    driver: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    size: (u32, u32),
    theme: &'static str,
    _place: MutexGuard<'static, ()>,
}

/// What a person means on the page.
#[derive(Debug, Clone)]
pub struct At(Value);

/// Something of a role, by its name or a part of it.
pub fn role(role: &str, name: &str) -> At {
    At(json!({ "role": role, "name": name }))
}

pub fn button(name: &str) -> At {
    role("button", name)
}

pub fn link(name: &str) -> At {
    role("link", name)
}

pub fn heading(name: &str) -> At {
    role("heading", name)
}

/// A field, by its label.
pub fn field(label: &str) -> At {
    At(json!({ "label": label }))
}

pub fn text(text: &str) -> At {
    At(json!({ "text": text }))
}

/// By a selector, where a person has no word for it.
pub fn css(selector: &str) -> At {
    At(json!({ "css": selector }))
}

impl At {
    /// The name as it stands, and not a part of it.
    pub fn exact(self) -> Self {
        self.with("exact", json!(true))
    }

    pub fn within(self, around: Self) -> Self {
        self.with("within", around.0)
    }

    /// The one that has a text somewhere in it.
    pub fn has(self, text: &str) -> Self {
        self.with("has", json!(text))
    }

    /// One of several, counted from 0.
    pub fn nth(self, number: usize) -> Self {
        self.with("nth", json!(number))
    }

    fn with(mut self, key: &str, value: Value) -> Self {
        self.0[key] = value;
        self
    }
}

impl Browser {
    /// Opens a browser that knows nothing of the program yet; `None` where there is none, which is a
    /// failure in CI.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn open(program: &Program) -> Option<Self> {
        Self::open_with(program, &[])
    }

    /// As [`open`](Self::open), with arguments of Chromium's beyond those that all have.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn open_with(program: &Program, args: &[&str]) -> Option<Self> {
        let (node, modules) = (peer("NODE")?, peer("MODULES")?);
        // A test that has failed leaves nothing that the next one could not use.
        let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut driver = new_command(node)
            .arg(repository().join("tests/peers/browser.mjs"))
            .arg(format!("http://{}", program.address()))
            .args(args)
            .env("ARCHESTRA_PEERS_MODULES", modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node was prepared");
        let mut this = Self {
            stdin: driver.stdin.take(),
            stdout: BufReader::new(driver.stdout.take().expect("it is piped")),
            driver,
            size: USUAL,
            theme: "light",
            _place: place,
        };
        this.ask("open", json!({}));
        Some(this)
    }

    /// Opens a browser and comes in by a link, as the program prints one.
    ///
    /// # Panics
    ///
    /// When it does not get in.
    pub fn signed_in(program: &Program) -> Option<Self> {
        let mut this = Self::open(program)?;
        this.sign_in(program);
        Some(this)
    }

    #[track_caller]
    pub fn sign_in(&mut self, program: &Program) {
        let made = program.api("POST", "/api/v1/login-links", &Value::Null);
        let url = made["url"].as_str().expect("a link has an address");
        let path = url.split_once("/#").expect("the token is in the fragment");
        self.goto(&format!("/#{}", path.1));
        self.see(role("navigation", "Main"));
    }

    #[track_caller]
    pub fn goto(&mut self, path: &str) {
        self.ask("goto", json!({ "path": path }));
    }

    #[track_caller]
    pub fn reload(&mut self) {
        self.ask("reload", json!({}));
    }

    #[track_caller]
    pub fn click(&mut self, at: At) {
        self.ask("click", json!({ "at": at.0 }));
    }

    #[track_caller]
    pub fn hover(&mut self, at: At) {
        self.ask("hover", json!({ "at": at.0 }));
    }

    /// Scrolls until something is at the top, as far as that goes.
    #[track_caller]
    pub fn scroll_to(&mut self, at: At) {
        self.ask("scroll", json!({ "at": at.0 }));
    }

    #[track_caller]
    pub fn fill(&mut self, at: At, text: &str) {
        self.ask("fill", json!({ "at": at.0, "text": text }));
    }

    #[track_caller]
    pub fn choose(&mut self, at: At, option: &str) {
        self.ask("choose", json!({ "at": at.0, "option": option }));
    }

    /// Presses a key, for instance `Control+Enter`.
    #[track_caller]
    pub fn press(&mut self, keys: &str) {
        self.ask("press", json!({ "keys": keys }));
    }

    #[track_caller]
    pub fn type_text(&mut self, text: &str) {
        self.ask("type", json!({ "text": text }));
    }

    /// As [`type_text`](Self::type_text), with each key held down for so long.
    #[track_caller]
    pub fn type_slowly(&mut self, text: &str, each: Duration) {
        let each = u64::try_from(each.as_millis()).unwrap_or(u64::MAX);
        self.ask("type", json!({ "text": text, "each_ms": each }));
    }

    /// Presses Tab until something has the focus whose name contains `name`, and shows that each that
    /// had it on the way can be seen to have it.
    ///
    /// # Panics
    ///
    /// When it is not reached.
    #[track_caller]
    pub fn tab_to(&mut self, name: &str) {
        const TABS_MAX: usize = 80;

        let mut passed = Vec::new();
        for _ in 0..TABS_MAX {
            self.press("Tab");
            let focused = self.ask("focused", json!({}));
            if focused.is_null() {
                continue;
            }
            assert_eq!(focused["shows"], true, "its focus does not show: {focused}");
            let found = focused["name"].as_str().unwrap_or_default().to_owned();
            if found.contains(name) {
                return;
            }
            passed.push(found);
        }
        panic!("`{name}` is not reached by Tab: {passed:?}");
    }

    /// Waits until something shows.
    #[track_caller]
    pub fn see(&mut self, at: At) {
        self.ask("see", json!({ "at": at.0 }));
    }

    /// As [`see`](Self::see), for what takes longer than a person's patience with a page.
    #[track_caller]
    pub fn see_within(&mut self, at: At, limit: Duration) {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self.ask("see", json!({ "at": at.0, "wait_ms": limit }));
    }

    /// Waits until nothing of that kind shows.
    #[track_caller]
    pub fn gone(&mut self, at: At) {
        self.ask("gone", json!({ "at": at.0 }));
    }

    /// As [`gone`](Self::gone), for what takes longer than a person's patience with a page.
    #[track_caller]
    pub fn gone_within(&mut self, at: At, limit: Duration) {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self.ask("gone", json!({ "at": at.0, "wait_ms": limit }));
    }

    #[track_caller]
    pub fn count(&mut self, at: At) -> u64 {
        let count = self.ask("count", json!({ "at": at.0 }));
        count.as_u64().expect("a count is a number")
    }

    #[track_caller]
    pub fn read(&mut self, at: At) -> String {
        let text = self.ask("read", json!({ "at": at.0 }));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// What a field holds.
    #[track_caller]
    pub fn value(&mut self, at: At) -> String {
        let text = self.ask("value", json!({ "at": at.0 }));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// The address that the page is at.
    #[track_caller]
    pub fn address(&mut self) -> String {
        let address = self.ask("address", json!({}));
        address.as_str().unwrap_or_default().to_owned()
    }

    /// What a script of the page's own comes to.
    #[track_caller]
    pub fn eval(&mut self, script: &str) -> Value {
        self.ask("eval", json!({ "script": script }))
    }

    /// Looks at the page as it is now, in three widths and two themes: nothing serious by axe,
    /// nothing that sticks out. Where pictures are asked for, they are taken.
    ///
    /// # Panics
    ///
    /// When something is wrong with how it looks.
    #[track_caller]
    pub fn look(&mut self, name: &str) {
        self.look_around(name, None);
    }

    /// As [`look`](Self::look), with something scrolled to the top each time.
    #[track_caller]
    pub fn look_at(&mut self, name: &str, at: &At) {
        self.look_around(name, Some(at));
    }

    #[track_caller]
    fn look_around(&mut self, name: &str, at: Option<&At>) {
        let usual = (self.size, self.theme);
        let mut wrong = Vec::new();
        for (width, height, theme, closely) in LOOKS {
            self.resize((width, height), theme);
            if let Some(at) = at {
                self.scroll_to(at.clone());
            }
            let found = self.ask("look", json!({ "axe": closely }));
            for it in found.as_array().into_iter().flatten() {
                wrong.push(format!("{width} {theme}: {it}"));
            }
            if closely {
                self.picture(name, width, theme);
            }
        }
        self.resize(usual.0, usual.1);
        assert!(wrong.is_empty(), "`{name}`:\n{}", wrong.join("\n"));
    }

    #[track_caller]
    pub fn resize(&mut self, size: (u32, u32), theme: &'static str) {
        (self.size, self.theme) = (size, theme);
        let args = json!({ "width": size.0, "height": size.1, "theme": theme });
        self.ask("resize", args);
    }

    fn picture(&mut self, name: &str, width: u32, theme: &str) {
        let dir = std::env::var_os(PICTURES).filter(|it| !it.is_empty());
        let Some(dir) = dir.map(PathBuf::from) else {
            return;
        };
        let size = match width {
            1280 => String::new(),
            width => format!("-{width}"),
        };
        let path = dir.join(format!("{name}{size}-{theme}.png"));
        self.ask("picture", json!({ "path": path }));
    }

    /// Shows that the page has complained of nothing, and asked nothing of anybody but the program.
    #[track_caller]
    pub fn is_content(&mut self) {
        let complaints = self.ask("complaints", json!({}));
        assert_eq!(complaints, json!([]), "the page complains");
    }

    /// Does one thing and returns what came of it.
    ///
    /// # Panics
    ///
    /// When it cannot be done; what there is instead is in the message.
    #[track_caller]
    pub fn ask(&mut self, verb: &str, mut args: Value) -> Value {
        args["do"] = json!(verb);
        let stdin = self.stdin.as_mut().expect("it is there until the end");
        writeln!(stdin, "{args}").expect("the driver listens");
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line);
        assert!(read.is_ok_and(|it| 0 < it), "the driver ended at {args}");
        let answer: Value = serde_json::from_str(&line).expect("a line is JSON");
        assert!(
            answer["ok"] == true,
            "{args}: {}\n{}",
            answer["error"].as_str().unwrap_or_default(),
            answer["page"].as_str().unwrap_or_default()
        );
        answer["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It closes the browser at the end of its input.
        drop(self.stdin.take());
        let _reaped = self.driver.wait();
    }
}
