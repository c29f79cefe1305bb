//! Reading a run while it goes on.
//!
//! ```text
//! Writer ──commit──> store ──┐
//!    └──publish──> ring ─────┴─reads── RunReader, one for each who looks
//! ```
//!
//! A reader has a place and nothing else. What it has not read is in the ring of the newest events, or
//! else in the store, so it never matters to the run how fast or how often it is read.
//!
//! **Invariant:** what is in the ring is in the store, so a number that was read once always stands for
//! the same event.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, Weak},
};

use agent::RunEvent;
use domain::RunId;
use store::StoredRun;
use tokio::sync::watch;

use crate::{Error, Shared};

/// Events that are read from the store at a time.
const PAGE_ROWS: u32 = 500;

/// An event of a run, and its number; the first one has 1.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberedEvent {
    pub seq: u64,
    pub event: RunEvent,
}

/// The newest events of one run, for those who read along.
pub(crate) struct Live {
    ring: Mutex<Ring>,
    /// Told when there is more to read.
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Ring {
    // Invariant: their numbers have no gaps.
    events: VecDeque<(Arc<NumberedEvent>, usize)>,
    // Invariant: the sizes of all that is in `events`.
    bytes: usize,
    /// The run is gone, with its chat.
    is_closed: bool,
}

/// What is kept of one run in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LiveBounds {
    pub(crate) events_max: usize,
    pub(crate) bytes_max: usize,
}

impl Live {
    fn new() -> Self {
        Self {
            ring: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// Makes events known that are in the store, with their sizes.
    pub(crate) fn publish(&self, events: Vec<(NumberedEvent, usize)>, bounds: LiveBounds) {
        let mut ring = self.ring();
        let newest = ring.events.back().map(|(it, _)| it.seq);
        let first = events.first().map(|(it, _)| it.seq);
        if newest.is_some() && newest.map(|it| it + 1) != first {
            // What is between was stored though its writer did not hear of it.
            (ring.events, ring.bytes) = (VecDeque::new(), 0);
        }
        for (event, bytes) in events {
            ring.bytes += bytes;
            ring.events.push_back((Arc::new(event), bytes));
        }
        while bounds.events_max < ring.events.len() || bounds.bytes_max < ring.bytes {
            let Some((_, bytes)) = ring.events.pop_front() else {
                break;
            };
            ring.bytes -= bytes;
        }
        drop(ring);
        self.changed.send_replace(());
    }

    pub(crate) fn close(&self) {
        self.ring().is_closed = true;
        self.changed.send_replace(());
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring
            .lock()
            .expect("no code panics while it holds the lock")
    }
}

/// The runs that somebody works on or reads.
#[derive(Default)]
pub(crate) struct Lives {
    by_run: Mutex<HashMap<RunId, Weak<Live>>>,
}

impl Lives {
    pub(crate) fn of(&self, run: RunId) -> Arc<Live> {
        let by_run = self.by_run.lock();
        let mut by_run = by_run.expect("no code panics while it holds the lock");
        if let Some(live) = by_run.get(&run).and_then(Weak::upgrade) {
            return live;
        }
        // Those that nobody holds any more are dropped here, so that there are as many as are held.
        by_run.retain(|_, it| 0 < it.strong_count());
        let live = Arc::new(Live::new());
        by_run.insert(run, Arc::downgrade(&live));
        live
    }
}

/// Reads a run from a place on, until it ends.
pub struct RunReader {
    shared: Arc<Shared>,
    run: StoredRun,
    live: Arc<Live>,
    changed: watch::Receiver<()>,
    /// What this reader has had.
    seq: u64,
    /// What was found and not yet handed out.
    found: VecDeque<Arc<NumberedEvent>>,
    /// The last event was the run's end. It goes on if somebody lets it.
    has_end: bool,
    is_over: bool,
}

enum Look {
    Found(VecDeque<Arc<NumberedEvent>>),
    /// What comes next, if anything does, is in the store.
    InStore,
    Closed,
}

impl RunReader {
    pub(crate) fn new(shared: &Arc<Shared>, run: StoredRun, after: u64) -> Self {
        let live = shared.runs.lives.of(run.id);
        Self {
            shared: shared.clone(),
            changed: live.changed.subscribe(),
            live,
            // Nobody has had more than there is.
            seq: after.min(run.last_seq),
            run,
            found: VecDeque::new(),
            has_end: false,
            is_over: false,
        }
    }

    /// Returns the run as it was when the reading began.
    pub const fn run(&self) -> &StoredRun {
        &self.run
    }

    /// Returns the next event, `None` after the last one. It waits for as long as the run goes on or
    /// waits for a person.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Result<Option<Arc<NumberedEvent>>, Error> {
        while !self.is_over {
            if let Some(next) = self.found.pop_front() {
                self.seq = next.seq;
                self.has_end = matches!(next.event, RunEvent::RunFinished { .. });
                return Ok(Some(next));
            }
            // Before it is looked, so that what comes after the look wakes this up.
            self.changed.borrow_and_update();
            match self.look() {
                Look::Found(found) => self.found = found,
                Look::Closed => self.is_over = true,
                Look::InStore => {
                    self.found = self.stored().await?;
                    if !self.found.is_empty() {
                        continue;
                    }
                    if self.has_end || !self.run.state.is_active() {
                        self.is_over = true;
                        continue;
                    }
                    let more = self.changed.changed().await;
                    more.expect("the sender is in `self.live`");
                }
            }
        }
        Ok(None)
    }

    fn look(&self) -> Look {
        let ring = self.live.ring();
        if ring.is_closed {
            return Look::Closed;
        }
        let Some((oldest, _)) = ring.events.front() else {
            return Look::InStore;
        };
        let had = (self.seq + 1).checked_sub(oldest.seq);
        let had = had.and_then(|it| usize::try_from(it).ok());
        match had {
            Some(had) if had < ring.events.len() => {
                let next = ring.events.range(had..).map(|(event, _)| event.clone());
                Look::Found(next.collect())
            }
            _ => Look::InStore,
        }
    }

    async fn stored(&self) -> Result<VecDeque<Arc<NumberedEvent>>, Error> {
        let rows = self
            .shared
            .store
            .run_events(self.run.id, self.seq, PAGE_ROWS);
        let rows = rows.await.map_err(Error::of_store)?;
        let events = rows.into_iter().map(|it| {
            let event = serde_json::from_str(&it.body).map_err(Error::internal)?;
            Ok(Arc::new(NumberedEvent { seq: it.seq, event }))
        });
        events.collect()
    }
}

/// Reads the whole log of a run.
pub(crate) async fn all_events(shared: &Shared, run: RunId) -> Result<Vec<NumberedEvent>, Error> {
    let mut all: Vec<NumberedEvent> = Vec::new();
    loop {
        let after = all.last().map_or(0, |it| it.seq);
        let rows = shared.store.run_events(run, after, PAGE_ROWS).await;
        let rows = rows.map_err(Error::of_store)?;
        if rows.is_empty() {
            return Ok(all);
        }
        for row in rows {
            let event = serde_json::from_str(&row.body).map_err(Error::internal)?;
            all.push(NumberedEvent {
                seq: row.seq,
                event,
            });
        }
    }
}
