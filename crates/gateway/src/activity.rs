//! Where a request is, and what keeps its deadline away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Where a request is, and what keeps its deadline away.
pub(crate) struct Activity {
    pub(crate) began: Instant,
    last_ms: AtomicU64,
    questions: AtomicU32,
    /// QUEUED, and then one of the others for good.
    stage: AtomicU8,
}

const QUEUED: u8 = 0;
const SENT: u8 = 1;
const GIVEN_UP: u8 = 2;

/// Holds the deadlines of requests while their client is being asked something.
pub(crate) struct Hold {
    held: Vec<Arc<Activity>>,
}

impl Hold {
    pub(crate) fn new(held: Vec<Arc<Activity>>) -> Self {
        for activity in &held {
            activity.questions.fetch_add(1, Ordering::Relaxed);
        }
        Self { held }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        for activity in &self.held {
            activity.note();
            activity.questions.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            last_ms: AtomicU64::new(0),
            questions: AtomicU32::new(0),
            stage: AtomicU8::new(QUEUED),
        }
    }

    pub(crate) fn note(&self) {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(passed, Ordering::Relaxed);
    }

    /// Returns a later deadline, if there was life since the last one.
    pub(crate) fn deadline(&self, limit: Duration) -> Option<Instant> {
        let now = Instant::now();
        if 0 < self.questions.load(Ordering::Relaxed) {
            return Some(now + limit);
        }
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        let deadline = self.began + last + limit;
        (now < deadline).then_some(deadline)
    }

    /// Notes that the request goes out. Returns whether it is still wanted.
    pub(crate) fn send(&self) -> bool {
        self.set(SENT)
    }

    /// Keeps the writer from sending the request. Returns whether it has not gone out.
    pub(crate) fn give_up(&self) -> bool {
        self.set(GIVEN_UP) || self.stage.load(Ordering::Acquire) == GIVEN_UP
    }

    pub(crate) fn is_sent(&self) -> bool {
        self.stage.load(Ordering::Acquire) == SENT
    }

    fn set(&self, stage: u8) -> bool {
        let set = self
            .stage
            .compare_exchange(QUEUED, stage, Ordering::AcqRel, Ordering::Acquire);
        set.is_ok()
    }
}
