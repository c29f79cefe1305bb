//! The program inside each sandbox: PID 1, the way in, and the only way out.
//!
//! It dials the host's Unix socket and speaks [`domain::wire`] over `yamux` on it. There is **one**
//! line to the host, and everything goes over it:
//!
//! ```text
//!        sandbox                                            host
//!  ┌─────────────────────────────────────┐
//!  │ a server ── stdin, stdout, stderr ──┐│
//!  │   │ HTTPS_PROXY                     ├┼── line.sock ──── `sandbox::Line`
//!  │   └──> 127.0.0.1:3128 ── CONNECT ───┘│    (yamux)           │
//!  │ orphans ──> reaper                  │                   egress broker
//!  └─────────────────────────────────────┘
//! ```
//!
//! - `line` dials, drives `yamux` and dials again; each stream of the host is a task.
//! - `process` is one process on one stream: its lines, its end, its signals.
//! - `reaper` is the only one that waits for children, the ones of `process` and the orphans that
//!   the kernel hands to PID 1.
//! - `proxy` is an HTTP proxy on loopback; each connection through it is a stream to the host.
//!
//! It is small, since there is one in each sandbox: one thread, no TLS, no logger, no arguments to
//! speak of. Build it as it is shipped, static, with
//!
//! ```text
//! RUSTFLAGS="-C target-feature=+crt-static" cargo build -p bridge --profile bridge \
//!     --target x86_64-unknown-linux-gnu --target-dir target/bridge
//! ```
//!
//! where the explicit `--target` keeps the flags away from procedural macros, which have to be
//! dynamic.
//!
//! **Invariant:** no process in the sandbox can read this one's memory or environment: it is
//! [concealed](conceal) before it does anything else.
//!
//! **Invariant:** nothing of a process outlives its stream. When the stream ends, or the line does,
//! its process group is stopped and then killed; as PID 1 the bridge kills everything else too once
//! the last process has ended.
//!
//! **Invariant:** nobody waits for a child but the reaper. `tokio::process` is not used, because
//! whoever waits for "any child" beside it takes its exit statuses away.
//!
//! **Invariant:** nothing is kept without a bound. Output that the host does not read is not read
//! from the process either; a line over its bound is counted and not kept.
//!
//! **Invariant:** it resolves no name and dials no address but the host's socket.

mod line;
mod lines;
mod log;
mod process;
mod proxy;
mod queue;
mod reaper;
mod relay;
mod settings;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use domain::wire;
use rustix::process::{DumpableBehavior, set_child_subreaper, set_dumpable_behavior};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use crate::log::report;
pub use crate::settings::{Settings, SettingsError};
use crate::{proxy::Proxy, reaper::Reaper};

/// What all parts share.
#[derive(Debug)]
struct Bridge {
    reaper: Reaper,
    /// Where the proxy listens.
    proxy_port: u16,
    processes: AtomicU32,
    egress: AtomicU32,
}

impl Bridge {
    fn health(&self) -> wire::Health {
        wire::Health {
            processes: self.processes.load(Ordering::Relaxed),
            egress: self.egress.load(Ordering::Relaxed),
        }
    }
}

/// One more in a counter of [`Bridge`], for as long as it is held.
#[derive(Debug)]
struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    fn new(counter: &'a AtomicU32) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Keeps other processes of the same user out of this one's memory and environment, and makes the
/// kernel hand orphans to it even where it is not PID 1. The first thing to be called.
pub fn conceal() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// Runs until `SIGTERM` or `SIGINT`. Returns when no process of the host's runs any more.
///
/// Must be on a runtime with one thread.
///
/// # Errors
///
/// The proxy's port is taken, or signals cannot be listened for.
pub async fn run(settings: Settings) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let child = signal(SignalKind::child())?;

    let proxy = Proxy::bind(settings.proxy_port).await?;
    let bridge = Arc::new(Bridge {
        reaper: Reaper::default(),
        proxy_port: proxy.port()?,
        processes: AtomicU32::new(0),
        egress: AtomicU32::new(0),
    });

    let shutdown = CancellationToken::new();
    let tasks = TaskTracker::new();
    let (line, line_seen) = line::state();
    tasks.spawn({
        let bridge = Arc::clone(&bridge);
        let shutdown = shutdown.clone();
        async move {
            shutdown.run_until_cancelled(bridge.reaper.run(child)).await;
        }
    });
    tasks.spawn(proxy.run(Arc::clone(&bridge), line_seen, shutdown.clone()));

    let stop = CancellationToken::new();
    let lines = line::dial_again_and_again(&settings.socket, &bridge, &line, &stop);
    let mut lines = std::pin::pin!(lines);
    tokio::select! {
        () = &mut lines => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.cancel();
    lines.await;

    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(())
}
