//! What servers write that is no message, the last of it, for people.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use domain::{ServerId, Timestamp};
use tokio::sync::watch;

/// Lines that are kept of each server.
const LINES_MAX: usize = 2_000;
/// Bytes that are kept of each server.
const BYTES_MAX: usize = 1 << 20;
/// The longest line, in bytes; what is longer is cut.
const LINE_BYTES_MAX: usize = 4 << 10;

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    Stdout,
    Stderr,
    /// From the program itself, about the server.
    Archestra,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Grows by one with each line of a server; a gap means lines that are not kept any more.
    pub number: u64,
    pub at: Timestamp,
    pub stream: LogStream,
    pub text: String,
}

#[derive(Default)]
pub(crate) struct Logs {
    by_server: Mutex<HashMap<ServerId, Arc<ServerLog>>>,
}

/// The lines of one server.
#[derive(Default)]
pub(crate) struct ServerLog {
    lines: Mutex<Lines>,
    /// The number of the last line.
    last: watch::Sender<u64>,
}

#[derive(Default)]
struct Lines {
    lines: VecDeque<LogLine>,
    // Invariant: the length of all texts in `lines`.
    bytes: usize,
    next: u64,
}

impl Logs {
    pub(crate) fn of(&self, id: ServerId) -> Arc<ServerLog> {
        let by_server = self.by_server.lock();
        let mut by_server = by_server.expect("no code panics while it holds the lock");
        by_server.entry(id).or_default().clone()
    }

    pub(crate) fn forget(&self, id: ServerId) {
        let by_server = self.by_server.lock();
        by_server
            .expect("no code panics while it holds the lock")
            .remove(&id);
    }
}

impl ServerLog {
    pub(crate) fn push(&self, at: Timestamp, stream: LogStream, mut text: String) {
        if LINE_BYTES_MAX < text.len() {
            text.truncate(text.floor_char_boundary(LINE_BYTES_MAX));
            text.push('…');
        }
        let mut all = self
            .lines
            .lock()
            .expect("no code panics while it holds the lock");
        all.next += 1;
        let number = all.next;
        all.bytes += text.len();
        all.lines.push_back(LogLine {
            number,
            at,
            stream,
            text,
        });
        while LINES_MAX < all.lines.len() || BYTES_MAX < all.bytes {
            let oldest = all.lines.pop_front();
            all.bytes -= oldest.map_or(0, |it| it.text.len());
        }
        drop(all);
        self.last.send_replace(number);
    }

    pub(crate) fn note(&self, at: Timestamp, text: String) {
        self.push(at, LogStream::Archestra, text);
    }

    /// Returns the lines after `number`, at most `lines_max` and the last of them.
    pub(crate) fn after(&self, number: u64, lines_max: usize) -> Vec<LogLine> {
        let all = self
            .lines
            .lock()
            .expect("no code panics while it holds the lock");
        let newer: Vec<&LogLine> = all.lines.iter().filter(|it| number < it.number).collect();
        let skipped = newer.len().saturating_sub(lines_max);
        newer.into_iter().skip(skipped).cloned().collect()
    }

    /// Tells when there is a line after the last.
    pub(crate) fn last(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }
}
