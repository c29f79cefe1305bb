//! The program as a process.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    World,
    client::http,
    counts::new_command,
    wait_for,
    world::{archestra, world},
};

const START_LIMIT: Duration = Duration::from_secs(30);
const LOG: &str = "info,sandbox=debug,gateway=debug";

/// What one program is started with, beyond what all have.
#[derive(Debug, Clone, Default)]
pub struct ProgramOptions {
    /// Lines of its configuration file.
    pub config: Vec<String>,
    /// Registries of the fixtures instead of the real ones: npm and PyPI.
    pub registries: Option<(String, String)>,
    /// What is logged, if it is not what a person wants to read after a failure.
    pub log: Option<String>,
    /// Podman's socket, if it is not the world's.
    pub podman_socket: Option<PathBuf>,
    /// The configuration says nothing about Podman's socket.
    pub no_podman_socket: bool,
}

/// `archestra serve` on a data directory of its own.
#[derive(Debug)]
pub struct Program {
    world: &'static World,
    directory: tempfile::TempDir,
    child: Option<Child>,
}

impl Program {
    /// Starts the program with the defaults.
    pub fn start() -> Self {
        Self::start_with(&ProgramOptions::default())
    }

    pub fn start_with(options: &ProgramOptions) -> Self {
        let world = world();
        let directory = tempfile::Builder::new().prefix("archestra-e2e-").tempdir();
        let directory = directory.expect("a temporary directory can be made");
        let socket = options.podman_socket.clone();
        let socket = socket.unwrap_or_else(|| world.podman_socket());
        let log = options.log.as_deref().unwrap_or(LOG);
        let mut config = vec![
            "listen = [\"127.0.0.1:0\"]".to_owned(),
            "open_browser = false".to_owned(),
            format!("log = {log:?}"),
        ];
        if !options.no_podman_socket {
            config.push(format!(
                "podman_socket = {:?}",
                socket.display().to_string()
            ));
        }
        config.extend(options.config.iter().cloned());
        // The fixtures are on loopback; the registries may be behind a mirror with an address that
        // is not public.
        config.push("[egress]".to_owned());
        config.push(format!("allow_ranges = {:?}", world.allow_ranges()));
        config.push("hosts = [\"fixtures.test=127.0.0.1\"]".to_owned());
        if let Some((npm, pypi)) = &options.registries {
            config.push(format!("[registries]\nnpm = {npm:?}\npypi = {pypi:?}"));
        }
        fs::write(directory.path().join("config.toml"), config.join("\n"))
            .expect("it can be written");
        let mut this = Self {
            world,
            directory,
            child: None,
        };
        this.launch();
        this
    }

    pub fn world(&self) -> &'static World {
        self.world
    }

    /// Starts it again on the same data directory.
    pub fn launch(&mut self) {
        self.launch_with(&[]);
    }

    /// Starts it again, to answer where a former run has.
    pub fn launch_at(&mut self, address: &str) {
        self.launch_with(&["--listen", address]);
    }

    fn launch_with(&mut self, args: &[&str]) {
        // What a killed run has left tells of that run.
        let _former = fs::remove_file(self.data().join("access.json"));
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.directory.path().join("log"))
            .expect("a log can be written");
        let child = self
            .command()
            .arg("serve")
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor can be copied"))
            .stderr(log)
            .spawn()
            .expect("the program is there");
        self.child = Some(child);
        let began = self.data().join("access.json");
        let log = self.log_path();
        wait_for("the program writes `access.json`", START_LIMIT, || {
            let child = self.child.as_mut()?;
            if let Ok(Some(status)) = child.try_wait() {
                let log = fs::read_to_string(&log).unwrap_or_default();
                panic!("the program ended with {status}:\n{log}");
            }
            let text = fs::read_to_string(&began).ok()?;
            serde_json::from_str::<Value>(&text).ok()
        });
    }

    /// Ends it with a signal that cannot be caught.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
    }

    /// Ends it as a person would, and returns whether it ended well.
    pub fn stop(&mut self) -> bool {
        let Some(mut child) = self.child.take() else {
            return true;
        };
        let pid = rustix::process::Pid::from_child(&child);
        // It may have ended by itself.
        let _sent = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let ended = wait_for("the program ends", Duration::from_secs(60), || {
            child.try_wait().expect("it can be waited for")
        });
        ended.success()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A directory that goes with the program, for folders and files of a test.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn instance(&self) -> String {
        let text = fs::read_to_string(self.data().join("instance"));
        text.expect("it has an instance").trim().to_owned()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// Where it answers, `host:port`.
    pub fn address(&self) -> String {
        let address = self.access("address");
        let bare = address.strip_prefix("http://").unwrap_or(&address);
        bare.trim_end_matches('/').to_owned()
    }

    /// The token of the command line.
    pub fn owner_token(&self) -> String {
        self.access("token")
    }

    fn access(&self, key: &str) -> String {
        let text = fs::read_to_string(self.data().join("access.json")).expect("it runs");
        let access: Value = serde_json::from_str(&text).expect("it is JSON");
        access[key].as_str().expect("it is text").to_owned()
    }

    /// Runs the command line and returns what came of it.
    pub fn cli(&self, args: &[&str]) -> Output {
        self.cli_with_input(args, "")
    }

    pub fn cli_with_input(&self, args: &[&str], input: &str) -> Output {
        let mut command = self.command();
        command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program is there");
        let mut stdin = child.stdin.take().expect("it is piped");
        // A command that reads nothing may have ended.
        let _written = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().expect("it ends")
    }

    /// Runs the command line with `--json` and returns the JSON; null where it prints nothing.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        self.json_with_input(args, "")
    }

    /// As [`json`](Self::json), with what the command reads from standard input.
    #[track_caller]
    pub fn json_with_input(&self, args: &[&str], input: &str) -> Value {
        let mut all = args.to_vec();
        all.push("--json");
        let output = self.cli_with_input(&all, input);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "`archestra {}` failed with {}:\n{text}\n{}\n--- log\n{}",
            args.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr),
            tail(&self.log(), 40)
        );
        if text.trim().is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&text).unwrap_or_else(|err| panic!("{err}: {text}"))
    }

    /// Runs the command line, which fails, and returns what it says to a person.
    #[track_caller]
    pub fn fails(&self, args: &[&str]) -> String {
        let output = self.cli(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success(),
            "`archestra {}` went well",
            args.join(" ")
        );
        text + &String::from_utf8_lossy(&output.stdout)
    }

    /// Adds a server, waits until it is installed and its tools are known, and allows them all.
    #[track_caller]
    pub fn add(&self, args: &[&str]) {
        let slug = self.add_unreviewed(args);
        self.look_at_tools(&slug, "allow");
    }

    /// Looks at all tools that a server has now, and sets them to `allow`, `ask` or `deny`.
    #[track_caller]
    pub fn look_at_tools(&self, slug: &str, setting: &str) {
        let path = format!("/api/v1/servers/{slug}/tools");
        let reviews = self.api("GET", &path, &Value::Null);
        let tools = reviews["tools"].as_array().expect("a server has tools");
        let told = tools.iter().filter(|it| it["told"].is_object());
        let looked_at = told
            .map(|it| json!({ "tool": it["name"], "pin": it["told"]["pin"], "setting": setting }));
        let body = json!({ "tools": looked_at.collect::<Vec<Value>>() });
        self.api("POST", &format!("{path}/look"), &body);
    }

    /// Asks the API for something, as a person, and returns the JSON; null where there is none.
    ///
    /// # Panics
    ///
    /// When it is refused.
    #[track_caller]
    pub fn api(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.try_api(method, path, body);
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer}"
        );
        answer
    }

    /// As [`api`](Self::api), with the status that it was answered with.
    pub fn try_api(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let bearer = format!("Bearer {}", self.owner_token());
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
        ];
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let answer = http(&self.address(), method, path, &headers, body.as_bytes());
        let answer = answer.expect("the program answers");
        let json = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        (answer.status, json)
    }

    /// Waits until a request for approval of a tool is open, and returns it.
    #[track_caller]
    pub fn open_approval(&self, tool: &str) -> Value {
        wait_for(
            &format!("somebody asks for `{tool}`"),
            Duration::from_secs(30),
            || {
                let open = self.api("GET", "/api/v1/approvals?open=true", &Value::Null);
                let open = open["approvals"].as_array()?.clone();
                open.into_iter().find(|it| it["tool"] == tool)
            },
        )
    }

    /// Decides about a request for approval, as a person who has seen it.
    #[track_caller]
    pub fn decide(&self, approval: &Value, decision: &Value) -> (u16, Value) {
        let id = approval["id"]
            .as_str()
            .expect("a request has an identifier");
        let mut body = decision.clone();
        body["pin"] = approval["pin"].clone();
        self.try_api("POST", &format!("/api/v1/approvals/{id}/decide"), &body)
    }

    /// Adds a server and waits until it is installed and its tools are known, at which nobody has
    /// looked then. Returns its slug.
    #[track_caller]
    pub fn add_unreviewed(&self, args: &[&str]) -> String {
        self.add_unreviewed_with_input(args, "")
    }

    /// As [`add_unreviewed`](Self::add_unreviewed), with the values that are read from standard
    /// input.
    #[track_caller]
    pub fn add_unreviewed_with_input(&self, args: &[&str], input: &str) -> String {
        let mut all = vec!["servers", "add"];
        all.extend(args);
        let added = self.json_with_input(&all, input);
        let slug = added["slug"]
            .as_str()
            .unwrap_or_else(|| panic!("{added}"))
            .to_owned();
        wait_for(
            &format!("server `{slug}` has tools"),
            Duration::from_secs(60),
            || {
                let shown = self.json(&["servers", "show", &slug]);
                (shown["tools"].as_u64() > Some(0)).then_some(())
            },
        );
        slug
    }

    /// Calls a tool by the command line and returns the text of its answer.
    pub fn call(&self, server: &str, tool: &str, arguments: &str) -> Result<String, String> {
        let output = self.cli(&["call", server, tool, arguments, "--json"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let result: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let content = result["content"][0]["text"]
            .as_str()
            .unwrap_or(&text)
            .to_owned();
        if output.status.success() {
            return Ok(content);
        }
        Err(content + &String::from_utf8_lossy(&output.stderr))
    }

    /// Makes a token for a client.
    pub fn token(&self, name: &str, more: &[&str]) -> String {
        let mut args = vec!["token", "create", name];
        args.extend(more);
        let made = self.json(&args);
        made["token"]
            .as_str()
            .unwrap_or_else(|| panic!("{made}"))
            .to_owned()
    }

    /// The program's command line on this data directory.
    pub fn command(&self) -> std::process::Command {
        let mut command = new_command(archestra());
        for (name, _) in std::env::vars_os() {
            let is_ours = name.to_str().is_some_and(|it| it.starts_with("ARCHESTRA_"));
            if is_ours {
                command.env_remove(name);
            }
        }
        command
            .env("ARCHESTRA_DATA_DIR", self.data())
            .env(
                "ARCHESTRA_CONFIG",
                self.directory.path().join("config.toml"),
            )
            .current_dir(self.directory.path());
        command
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprint_log(&tail(&self.log(), 60));
        }
        if self.child.is_none() {
            self.launch();
        }
        // Nothing of it may stay on the machine that the next tests count on.
        let servers = self.cli(&["servers", "list", "--json"]);
        let servers: Value = serde_json::from_slice(&servers.stdout).unwrap_or(Value::Null);
        let all = servers["servers"]
            .as_array()
            .or(servers.as_array())
            .cloned();
        for server in all.unwrap_or_default() {
            if let Some(slug) = server["slug"].as_str() {
                self.cli(&["servers", "remove", slug]);
            }
        }
        self.stop();
    }
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[expect(
    clippy::print_stderr,
    reason = "a test has failed and a person reads this"
)]
fn eprint_log(text: &str) {
    eprintln!("--- the program's log\n{text}");
}
