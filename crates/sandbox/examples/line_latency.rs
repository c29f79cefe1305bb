//! Measures what the line and the bridge add to a process: a line of 64 bytes to `cat` and back,
//! directly over a pipe and through both.
//!
//! ```text
//! cargo run --release -p sandbox --example line_latency -- PATH_OF_THE_BRIDGE [ROUNDS]
//! ```
//!
//! The two take turns, so that what else the machine does hits both. Pin it to one processor with
//! `taskset -c 0` for figures that do not depend on the scheduler.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people that starts what it measures"
)]

use std::{
    error::Error,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use domain::wire::ProcessOpen;
use sandbox::line::{
    Authorize, Duplex, EgressError, EgressHandler, Listener, ProcessEvent, ProcessReader,
    ProcessWriter,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::unix::pipe,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const LINE_BYTES: usize = 64;
const ROUNDS: usize = 20_000;
/// Round trips of one way before it is the other one's turn.
const TURN: usize = 500;

type Failure = Box<dyn Error>;

struct NoEgress;

#[async_trait]
impl EgressHandler for NoEgress {
    async fn connect(&self, host: String, _port: u16) -> Result<Box<dyn Duplex>, EgressError> {
        Err(EgressError::Refused {
            reason: format!("`{host}` is not allowed"),
        })
    }
}

/// A program that is killed when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let bridge = args.next().ok_or("which bridge? give its path")?;
    let rounds = args.next().map_or(Ok(ROUNDS), |it| it.parse())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(Path::new(&bridge), rounds))
}

async fn measure(bridge: &Path, rounds: usize) -> Result<(), Failure> {
    let dir = std::env::temp_dir().join(format!("line-latency-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let result = measure_in(&dir, bridge, rounds).await;
    std::fs::remove_dir_all(&dir)?;
    result
}

async fn measure_in(dir: &Path, bridge: &Path, rounds: usize) -> Result<(), Failure> {
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let egress = Arc::new(NoEgress);
    let listener = Listener::bind(dir, Authorize::Anybody, egress, tasks, &shutdown)?;
    let bridge = Command::new(bridge)
        .args(["--proxy-port", "0", "--socket"])
        .arg(listener.path())
        .spawn()?;
    let bridge = Running(bridge);
    let mut line = listener.line();
    let up = line.wait_for(Option::is_some).await?.clone();
    let line = up.ok_or("a line that is up")?;
    let process = line.open_process(cat()).await?;
    let (mut reader, mut writer) = process.split();
    let mut direct = Direct::start()?;

    let (mut through, mut around) = (Times::default(), Times::default());
    while through.all.len() < rounds {
        for _ in 0..TURN {
            through.push(round_trip(&mut reader, &mut writer).await?);
        }
        for _ in 0..TURN {
            around.push(direct.round_trip().await?);
        }
    }
    let around = around.percentiles();
    let through = through.percentiles();
    // The median of the best turn is what a machine with nothing else to do would show.
    let row = |name: &str, times: [Duration; 3]| {
        let [p50, p99, best] = times;
        println!("{name:<24} {p50:>10.1?} {p99:>10.1?} {best:>10.1?}");
    };
    println!(
        "{:<24} {:>10} {:>10} {:>10}",
        "64 bytes and back", "p50", "p99", "best turn"
    );
    row("directly", around);
    row("line and bridge", through);
    let added = |index: usize| through[index].saturating_sub(around[index]);
    row("added", [added(0), added(1), added(2)]);
    println!("{:<24} {:>7} KiB", "bridge, RSS", rss_kib(&bridge.0)?);
    Ok(())
}

async fn round_trip(
    reader: &mut ProcessReader,
    writer: &mut ProcessWriter,
) -> Result<Duration, Failure> {
    let began = Instant::now();
    writer.line(&[b'x'; LINE_BYTES]).await?;
    match reader.next().await? {
        Some(ProcessEvent::Stdout(line)) if line.len() == LINE_BYTES => Ok(began.elapsed()),
        other => Err(format!("{other:?} instead of the line").into()),
    }
}

fn cat() -> ProcessOpen {
    ProcessOpen {
        argv: vec!["cat".to_owned()],
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        cwd: "/".to_owned(),
        line_bytes_max: 1 << 20,
        proxy: false,
        stop_grace_ms: 100,
    }
}

/// A `cat` on two pipes.
struct Direct {
    _cat: Running,
    stdin: pipe::Sender,
    stdout: pipe::Receiver,
}

impl Direct {
    fn start() -> Result<Self, Failure> {
        let mut cat = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = cat.stdin.take().ok_or("a pipe")?;
        let stdout = cat.stdout.take().ok_or("a pipe")?;
        Ok(Self {
            _cat: Running(cat),
            stdin: pipe::Sender::from_owned_fd(stdin.into())?,
            stdout: pipe::Receiver::from_owned_fd(stdout.into())?,
        })
    }

    async fn round_trip(&mut self) -> Result<Duration, Failure> {
        let mut line = [b'x'; LINE_BYTES + 1];
        line[LINE_BYTES] = b'\n';
        let began = Instant::now();
        self.stdin.write_all(&line).await?;
        self.stdout.read_exact(&mut line).await?;
        Ok(began.elapsed())
    }
}

/// The times of one way.
#[derive(Default)]
struct Times {
    all: Vec<Duration>,
}

impl Times {
    fn push(&mut self, time: Duration) {
        self.all.push(time);
    }

    /// Returns the median, the 99th percentile, and the median of the best turn.
    fn percentiles(mut self) -> [Duration; 3] {
        let median = |times: &mut [Duration]| {
            times.sort_unstable();
            times[times.len() / 2]
        };
        let best = self.all.chunks_mut(TURN).map(median).min();
        let p50 = median(&mut self.all);
        [
            p50,
            self.all[self.all.len() * 99 / 100],
            best.unwrap_or(p50),
        ]
    }
}

fn rss_kib(child: &Child) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
    let number = line.and_then(|it| it.split_whitespace().next());
    Ok(number.ok_or("a process with memory")?.parse()?)
}
