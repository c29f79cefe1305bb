//! From the start of the process to its first answer.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use e2e::command;

use crate::{
    Built, Failure,
    figures::{Figures, Times},
    lists,
    upstream::Upstream,
};

const ROUNDS: usize = 15;
const MAX: Duration = Duration::from_millis(30);
const MAX_WITH_SERVERS: Duration = Duration::from_millis(60);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// The program on a data directory, without any Podman.
pub(crate) struct Serving {
    child: Child,
}

impl Serving {
    /// Starts the program and returns how long its first answer took.
    pub(crate) fn start(dir: &Path, data: &Path) -> Result<(Self, Duration), Failure> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = dir.join("config.toml");
        let socket = dir.join("no-podman.sock");
        fs::write(
            &config,
            format!("podman_socket = {socket:?}\nopen_browser = false\n"),
        )?;
        let log = fs::File::create(dir.join("log"))?;
        let began = Instant::now();
        let child = command(e2e::archestra())
            .args(["serve", "--listen", &address.to_string()])
            .env("ARCHESTRA_DATA_DIR", data)
            .env("ARCHESTRA_CONFIG", &config)
            .env_remove("ARCHESTRA_CACHE_DIR")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let this = Self { child };
        let mut stream = loop {
            match TcpStream::connect(address) {
                Ok(stream) => break stream,
                Err(_) if began.elapsed() < ANSWER_TIMEOUT => {
                    std::thread::sleep(Duration::from_micros(200));
                }
                Err(err) => return Err(err.into()),
            }
        };
        write!(
            stream,
            "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        let took = began.elapsed();
        match &answer {
            b"HTTP/1.1 200" => Ok((this, took)),
            other => Err(String::from_utf8_lossy(other).into()),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // It may have ended by itself.
        let _sent = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ended = self.child.wait();
    }
}

pub(crate) fn measure(_: &Built, figures: &mut Figures) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let kept = dir.path().join("kept");
    drop(Serving::start(dir.path(), &kept)?);
    let (mut empty, mut existing) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let fresh = dir.path().join(format!("fresh-{round}"));
        empty.push(Serving::start(dir.path(), &fresh)?.1);
        existing.push(Serving::start(dir.path(), &kept)?.1);
    }
    let what = "start to first answer of `/healthz`";
    figures.time_at_most(
        &format!("{what}, empty data directory"),
        MAX,
        &Times::of_single(empty),
    );
    figures.time_at_most(
        &format!("{what}, existing data directory"),
        MAX,
        &Times::of_single(existing),
    );

    let upstream = Upstream::start(lists::TOOLS)?;
    let mut program = lists::with_servers(&upstream)?;
    program.stop();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(Serving::start(dir.path(), &program.data())?.1);
    }
    figures.time_at_most(
        &format!(
            "{what}, {} servers of {} tools",
            lists::SERVERS,
            lists::TOOLS
        ),
        MAX_WITH_SERVERS,
        &Times::of_single(times),
    );
    Ok(())
}
