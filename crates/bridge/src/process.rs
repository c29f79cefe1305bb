//! One process on one stream.
//!
//! One task has everything: the stream, the pipes, the signals. It reads the process's output only
//! while there is room for it on the way to the host, and the host's input only while there is room
//! on the way to the process, so a side that does not read holds the other back and takes no memory.

mod incoming;
mod stop;

use std::{
    future::{pending, poll_fn},
    io,
    pin::Pin,
    process::{Command, Stdio},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use domain::wire::{Exit, Frame, LINE_BYTES_MAX, ProcessOpen, REASON_BYTES_MAX};
use futures_util::{AsyncRead as _, AsyncWrite as _};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::unix::pipe,
    sync::oneshot,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use self::{
    incoming::{Incoming, Item},
    stop::Stop,
};
use crate::{Bridge, Counted, lines::Lines, log::report, queue::Queue};

/// What is read from a pipe or the stream at a time, in bytes.
const CHUNK_BYTES: usize = 16 << 10;
/// Frames for the host that may wait; over it the process's output is not read.
const OUT_BYTES_MAX: usize = 64 << 10;
/// Input for the process that may wait; over it the stream is not read.
const STDIN_BYTES_MAX: usize = 64 << 10;
/// How often a stream that is not read, because the process does not read either, is looked at for
/// having been reset.
const RESET_PROBE: Duration = Duration::from_millis(250);
/// From a process's end to the end of its output. Whoever of its group still has the pipe then is
/// killed.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);
/// From a process's end to its stream's, whatever there is still to read.
const DRAIN_TIMEOUT_HARD: Duration = Duration::from_secs(10);

/// Starts a process, and returns when it has ended and nothing of its group is left.
pub(crate) async fn serve(
    mut stream: yamux::Stream,
    open: ProcessOpen,
    bridge: &Arc<Bridge>,
    lost: CancellationToken,
) {
    match Process::start(&open, bridge) {
        Ok(process) => {
            let counted = Counted::new(&bridge.processes);
            let mut session = Session::new(stream, process, &open, lost);
            drop(open);
            session.run().await;
            drop(counted);
            if bridge.health().processes == 0 {
                kill_the_rest();
            }
        }
        Err(err) => {
            let program = open.argv.first().map_or("", String::as_str);
            let reason = format!("cannot start `{program}` in `{}`: {err}", open.cwd);
            let reason = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
            let mut frame = Vec::new();
            Frame::StartFailed { reason }.encode(&mut frame);
            // The host that does not hear of it is gone.
            futures_util::AsyncWriteExt::write_all(&mut stream, &frame)
                .await
                .ok();
        }
    }
}

/// Kills what has left its process group. Only PID 1 does: there, all processes but this one are of
/// this sandbox.
pub(crate) fn kill_the_rest() {
    if rustix::process::getpid().is_init() {
        // `kill(-1, …)`: all but PID 1 itself.
        signal(Pid::INIT, Signal::KILL);
    }
}

/// A process that has been started, as its pipes and its group.
struct Process {
    group: Pid,
    stdin: pipe::Sender,
    stdout: pipe::Receiver,
    stderr: pipe::Receiver,
    exited: oneshot::Receiver<Exit>,
}

impl Process {
    fn start(open: &ProcessOpen, bridge: &Bridge) -> io::Result<Self> {
        use std::os::unix::process::CommandExt;

        let (program, args) = open.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        #[expect(
            clippy::disallowed_methods,
            reason = "this is where processes are started"
        )]
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .envs(open.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&open.cwd)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if open.proxy {
            command.envs(proxy_env(bridge.proxy_port));
        }
        let (child, group, exited) = bridge.reaper.spawn(&mut command)?;
        Self::pipes(child, group, exited).inspect_err(|_| signal(group, Signal::KILL))
    }

    fn pipes(
        mut child: std::process::Child,
        group: Pid,
        exited: oneshot::Receiver<Exit>,
    ) -> io::Result<Self> {
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        Ok(Self {
            group,
            stdin: pipe::Sender::from_owned_fd(stdin.into())?,
            stdout: pipe::Receiver::from_owned_fd(stdout.into())?,
            stderr: pipe::Receiver::from_owned_fd(stderr.into())?,
            exited,
        })
    }
}

/// What tells a process where the way out is. Node's own `fetch` asks for its leave first.
fn proxy_env(port: u16) -> impl Iterator<Item = (&'static str, String)> {
    let address = format!("http://127.0.0.1:{port}");
    let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"];
    let direct = ["NO_PROXY", "no_proxy"];
    proxies
        .into_iter()
        .map(move |name| (name, address.clone()))
        .chain(direct.map(|name| (name, "localhost,127.0.0.1,::1".to_owned())))
        .chain([("NODE_USE_ENV_PROXY", "1".to_owned())])
}

fn signal(group: Pid, signal: Signal) {
    // The group may be gone: that is what is wanted.
    kill_process_group(group, signal).ok();
}

/// A process and its stream.
struct Session {
    stream: yamux::Stream,
    incoming: Incoming,
    /// Frames on their way to the host.
    out: Queue,
    /// No more comes from the host, and nothing that is sent would arrive.
    host_is_gone: bool,
    lost: CancellationToken,

    stdin: Option<pipe::Sender>,
    /// Bytes on their way to the process.
    stdin_queue: Queue,
    /// Standard input ends when `stdin_queue` is empty.
    stdin_ends: bool,
    stdout: Option<pipe::Receiver>,
    stdout_lines: Lines,
    stderr: Option<pipe::Receiver>,
    stderr_lines: Lines,
    chunks: Chunks,

    group: Pid,
    exited: oneshot::Receiver<Exit>,
    exit: Option<Exit>,
    exited_at: Instant,
    group_is_killed: bool,
    stop: Stop,
}

/// Where to read into; apart, since all are waited for at the same time.
struct Chunks {
    stream: Box<[u8]>,
    stdout: Box<[u8]>,
    stderr: Box<[u8]>,
}

/// What happened first.
enum Happened {
    Stream(StreamIo),
    StdinWrote(io::Result<usize>),
    StdoutRead(io::Result<usize>),
    StderrRead(io::Result<usize>),
    Exited(Exit),
    LineLost,
    TimeToLook,
}

impl Session {
    fn new(
        stream: yamux::Stream,
        process: Process,
        open: &ProcessOpen,
        lost: CancellationToken,
    ) -> Self {
        let chunk = || vec![0; CHUNK_BYTES].into_boxed_slice();
        let mut out = Queue::default();
        let pid = process.group.as_raw_pid().unsigned_abs();
        Frame::Started { pid }.encode(out.back());
        Self {
            stream,
            incoming: Incoming::default(),
            out,
            host_is_gone: false,
            lost,
            stdin: Some(process.stdin),
            stdin_queue: Queue::default(),
            stdin_ends: false,
            stdout: Some(process.stdout),
            stdout_lines: Lines::of_stdout((open.line_bytes_max as usize).min(LINE_BYTES_MAX)),
            stderr: Some(process.stderr),
            stderr_lines: Lines::of_stderr(),
            chunks: Chunks {
                stream: chunk(),
                stdout: chunk(),
                stderr: chunk(),
            },
            group: process.group,
            exited: process.exited,
            exit: None,
            exited_at: Instant::now(),
            group_is_killed: false,
            stop: Stop::new(Duration::from_millis(u64::from(open.stop_grace_ms))),
        }
    }

    async fn run(&mut self) {
        while !self.is_drained() {
            let happened = self.next().await;
            self.on(happened);
            self.act();
        }
        signal(self.group, Signal::KILL);
        self.stdout_lines.finish(self.out.back());
        self.stderr_lines.finish(self.out.back());
        if let Some(exit) = self.exit.take() {
            Frame::Exited(exit).encode(self.out.back());
        }
        // The host may take its time: it is its own stream that it holds up.
        while !self.out.is_empty() && !self.host_is_gone {
            let io = stream_io(
                &mut self.stream,
                Some(&mut self.chunks.stream),
                self.out.pending(),
            );
            match io.await {
                StreamIo::Wrote(Ok(len)) => self.out.advance(len),
                // What the host says to a process that has ended needs no answer.
                StreamIo::Read(Ok(len)) if len != 0 => {}
                _ => self.host_is_gone = true,
            }
        }
        // The stream is dropped and by this reset, so that the host's writer hears of the end at
        // once; what has been sent is still read there.
    }

    /// Whether the process has ended, and all that can be expected of its output is in `out`.
    fn is_drained(&self) -> bool {
        let has_all = self.stdout.is_none() && self.stderr.is_none();
        let elapsed = self.exited_at.elapsed();
        let is_late = self.group_is_killed && 2 * DRAIN_TIMEOUT <= elapsed && self.out.is_empty();
        let is_too_late = DRAIN_TIMEOUT_HARD <= elapsed;
        self.exit.is_some() && (has_all || self.host_is_gone || is_late || is_too_late)
    }

    /// Waits for whatever happens first.
    async fn next(&mut self) -> Happened {
        let has_room = self.out.len() < OUT_BYTES_MAX || self.host_is_gone;
        let input_has_room = self.stdin_queue.len() < STDIN_BYTES_MAX;
        let look_at = self.look_at();
        let input = input_has_room.then_some(&mut *self.chunks.stream);
        tokio::select! {
            it = stream_io(&mut self.stream, input, self.out.pending()), if !self.host_is_gone =>
                Happened::Stream(it),
            it = write(self.stdin.as_mut(), self.stdin_queue.pending()),
                if !self.stdin_queue.is_empty() => Happened::StdinWrote(it),
            it = read(self.stdout.as_mut(), &mut self.chunks.stdout), if has_room =>
                Happened::StdoutRead(it),
            it = read(self.stderr.as_mut(), &mut self.chunks.stderr), if has_room =>
                Happened::StderrRead(it),
            it = &mut self.exited, if self.exit.is_none() =>
                Happened::Exited(it.unwrap_or(Exit { code: None, signal: None })),
            () = self.lost.cancelled(), if !self.stop.is_hard() => Happened::LineLost,
            () = sleep_until(look_at.unwrap_or_else(Instant::now)), if look_at.is_some() =>
                Happened::TimeToLook,
            () = sleep(RESET_PROBE), if !input_has_room && !self.host_is_gone =>
                Happened::TimeToLook,
        }
    }

    /// When something is to be done though nothing happens.
    fn look_at(&self) -> Option<Instant> {
        if self.exit.is_none() {
            return self.stop.next_at();
        }
        let drained = [DRAIN_TIMEOUT, 2 * DRAIN_TIMEOUT, DRAIN_TIMEOUT_HARD];
        let now = Instant::now();
        drained
            .into_iter()
            .map(|it| self.exited_at + it)
            .find(|it| now < *it)
    }

    fn on(&mut self, happened: Happened) {
        match happened {
            Happened::Stream(StreamIo::Wrote(Ok(len))) => self.out.advance(len),
            Happened::Stream(StreamIo::Read(Ok(len))) if len != 0 => self.on_input(len),
            Happened::Stream(_) => self.on_host_gone(),
            Happened::StdinWrote(Ok(len)) => self.stdin_queue.advance(len),
            // The process has closed its standard input. It may well go on without.
            Happened::StdinWrote(Err(_)) => self.close_stdin(),
            Happened::StdoutRead(Ok(len)) if len != 0 => {
                let bytes = &self.chunks.stdout[..len];
                self.stdout_lines.feed(bytes, self.out.back());
            }
            Happened::StdoutRead(_) => self.stdout = None,
            Happened::StderrRead(Ok(len)) if len != 0 => {
                let bytes = &self.chunks.stderr[..len];
                self.stderr_lines.feed(bytes, self.out.back());
            }
            Happened::StderrRead(_) => self.stderr = None,
            Happened::Exited(exit) => {
                self.exit = Some(exit);
                self.exited_at = Instant::now();
                self.close_stdin();
            }
            Happened::LineLost => {
                self.on_host_gone();
                self.stop.begin_hard(Instant::now());
            }
            Happened::TimeToLook if self.stream.is_closed() && !self.host_is_gone => {
                self.on_host_gone();
            }
            Happened::TimeToLook => {}
        }
        if self.host_is_gone {
            self.out.clear();
        }
    }

    fn on_input(&mut self, len: usize) {
        let Self {
            incoming,
            chunks,
            stdin,
            stdin_queue,
            stdin_ends,
            stop,
            ..
        } = self;
        let takes_input = stdin.is_some() && !*stdin_ends;
        let result = incoming.feed(&chunks.stream[..len], |item| match item {
            Item::Stdin(bytes) if takes_input => stdin_queue.back().extend_from_slice(bytes),
            Item::StdinLineEnd if takes_input => stdin_queue.back().push(b'\n'),
            Item::Stdin(_) | Item::StdinLineEnd => {}
            Item::StdinEnd => *stdin_ends = true,
            Item::Stop => stop.begin(Instant::now()),
        });
        if let Err(err) = result {
            report("a frame that is not understood", &err);
            self.on_host_gone();
        }
    }

    fn on_host_gone(&mut self) {
        self.host_is_gone = true;
        self.stop.begin(Instant::now());
    }

    fn close_stdin(&mut self) {
        self.stdin = None;
        self.stdin_queue.clear();
    }

    /// Does what is due.
    fn act(&mut self) {
        self.stdin_ends |= self.stop.has_begun();
        if self.stdin_ends && self.stdin_queue.is_empty() {
            self.close_stdin();
        }
        if self.exit.is_some() {
            if !self.group_is_killed && DRAIN_TIMEOUT <= self.exited_at.elapsed() {
                self.group_is_killed = true;
                signal(self.group, Signal::KILL);
            }
        } else if let Some(due) = self.stop.due(Instant::now()) {
            self.close_stdin();
            signal(self.group, due);
        }
    }
}

#[derive(Debug)]
enum StreamIo {
    Read(io::Result<usize>),
    Wrote(io::Result<usize>),
}

/// Writes what can be written, else reads what can be read. Cancel safe.
async fn stream_io(
    stream: &mut yamux::Stream,
    mut input: Option<&mut [u8]>,
    out: &[u8],
) -> StreamIo {
    poll_fn(|cx| {
        if !out.is_empty()
            && let Poll::Ready(it) = Pin::new(&mut *stream).poll_write(cx, out)
        {
            return Poll::Ready(StreamIo::Wrote(it));
        }
        if let Some(input) = input.as_deref_mut()
            && let Poll::Ready(it) = Pin::new(&mut *stream).poll_read(cx, input)
        {
            return Poll::Ready(StreamIo::Read(it));
        }
        Poll::Pending
    })
    .await
}

/// Waits forever where there is no pipe. Cancel safe.
async fn read(pipe: Option<&mut pipe::Receiver>, chunk: &mut [u8]) -> io::Result<usize> {
    match pipe {
        Some(pipe) => pipe.read(chunk).await,
        None => pending().await,
    }
}

/// Waits forever where there is no pipe. Cancel safe.
async fn write(pipe: Option<&mut pipe::Sender>, bytes: &[u8]) -> io::Result<usize> {
    match pipe {
        Some(pipe) => pipe.write(bytes).await,
        None => pending().await,
    }
}
