//! The fixture registry and the little site, as processes that end with the tests.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    sync::{Arc, Mutex},
};

use serde_json::Value;

use crate::{counts::new_command, world::repository};

/// The host name under which the way out finds the fixtures.
const HOST: &str = "fixtures.test";

/// A registry for npm and PyPI that has the fixture packages.
#[derive(Debug)]
pub struct Registry {
    server: Server,
}

/// A web site.
#[derive(Debug)]
pub struct Site {
    server: Server,
}

#[derive(Debug)]
struct Server {
    child: Child,
    port: u16,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl Registry {
    /// Starts a registry with further arguments, for instance `--fail-tarballs 1`.
    pub fn start(args: &[&str]) -> Self {
        let fixtures = repository().join("tests/fixtures");
        let mut all = vec!["--dir".to_owned(), fixtures.to_string_lossy().into_owned()];
        all.extend(args.iter().map(|it| (*it).to_owned()));
        Self {
            server: Server::start("registry.py", &all),
        }
    }

    pub fn npm(&self) -> String {
        format!("http://{HOST}:{}/", self.server.port)
    }

    pub fn pypi(&self) -> String {
        format!("http://{HOST}:{}/simple", self.server.port)
    }

    /// Returns what was asked so far.
    pub fn requests(&self) -> Vec<Value> {
        self.server.requests()
    }
}

impl Site {
    pub fn start() -> Self {
        Self {
            server: Server::start("site.py", &[]),
        }
    }

    /// Returns `host:port`, as it is allowed.
    pub fn host(&self) -> String {
        format!("{HOST}:{}", self.server.port)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host())
    }

    /// Returns what was asked so far.
    pub fn requests(&self) -> Vec<Value> {
        self.server.requests()
    }
}

impl Server {
    fn start(script: &str, args: &[String]) -> Self {
        let path = repository().join("tests/fixtures").join(script);
        let mut command = new_command("python3");
        command
            .arg("-u")
            .arg(path)
            .args(["--port", "0", "--until-eof"])
            .args(args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is there");
        let stdout = child.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(stdout).lines();
        let first = lines
            .next()
            .expect("the fixture prints its port")
            .expect("text");
        let port = first.trim().parse().expect("a port");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = requests.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Ok(request) = serde_json::from_str(&line) {
                    noted.lock().expect("nobody panics with it").push(request);
                }
            }
        });
        Self {
            child,
            port,
            requests,
        }
    }

    fn requests(&self) -> Vec<Value> {
        self.requests.lock().expect("nobody panics with it").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}
