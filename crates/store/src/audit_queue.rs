use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering, fence},
    },
    time::Duration,
};

use crossbeam_queue::ArrayQueue;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{AuditEvent, Store, StoreError};

/// After this many rounds without an event the writer sleeps until there is one.
const IDLE_ROUNDS: u32 = 20;
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// No push wakes the writer.
const NEVER: usize = usize::MAX;

/// Takes events at nearly no cost; an [`AuditWriter`] commits them a moment later.
///
/// A push wakes nobody but every `batch_rows`th time or after a pause: a wake-up costs more than all
/// the rest of it. When the queue is full, pushes wait, and nothing is lost but what a crash of the
/// process finds here: at most `commit_interval` of events.
#[derive(Debug, Clone)]
pub struct AuditQueue {
    shared: Arc<Shared>,
}

/// Commits what an [`AuditQueue`] takes. There is one for each queue.
#[derive(Debug)]
pub struct AuditWriter {
    shared: Arc<Shared>,
    settings: AuditSettings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditSettings {
    /// Events that may wait; when there are as many, callers are held back.
    pub queue_rows_max: usize,
    /// Events that are committed together.
    pub batch_rows: usize,
    /// The longest time that an event waits to be committed.
    pub commit_interval: Duration,
    /// How long the writer still tries, when it is to end and the database fails.
    pub drain_timeout: Duration,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    queue: ArrayQueue<AuditEvent>,
    /// The length of the queue at which a push wakes the writer.
    wake_at: AtomicUsize,
    wake: Notify,
    /// Told after rows were taken out.
    room: Notify,
    /// The writer takes nothing more; who pushes then writes by itself.
    ended: AtomicBool,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            queue_rows_max: 8_192,
            batch_rows: 500,
            commit_interval: Duration::from_millis(50),
            drain_timeout: Duration::from_secs(5),
        }
    }
}

impl AuditQueue {
    /// Returns a queue and the writer that has to be run for it.
    pub fn new(store: Store, settings: AuditSettings) -> (Self, AuditWriter) {
        let shared = Arc::new(Shared {
            store,
            queue: ArrayQueue::new(settings.queue_rows_max.max(1)),
            wake_at: AtomicUsize::new(NEVER),
            wake: Notify::new(),
            room: Notify::new(),
            ended: AtomicBool::new(false),
        });
        let queue = Self {
            shared: Arc::clone(&shared),
        };
        (queue, AuditWriter { shared, settings })
    }

    /// Adds an event; waits while the queue is full.
    ///
    /// Cancel safe in that an event is added whole or not at all.
    pub async fn push(&self, event: AuditEvent) {
        let mut event = event;
        loop {
            match self.try_push(event) {
                Ok(()) => break,
                Err(back) => event = back,
            }
            // Wanted before the queue is tried again, so that no telling is missed between.
            let room = self.shared.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            match self.try_push(event) {
                Ok(()) => break,
                Err(back) => event = back,
            }
            self.shared.wake_writer();
            if self.shared.ended.load(Ordering::SeqCst) {
                self.shared.write_leftovers().await;
            } else {
                room.await;
            }
        }
        if self.shared.ended.load(Ordering::SeqCst) {
            self.shared.write_leftovers().await;
        }
    }

    /// Adds an event, or gives it back when the queue is full.
    ///
    /// For callers that cannot wait. After the writer's end, only [`push`](Self::push) writes.
    #[expect(
        clippy::result_large_err,
        reason = "the event goes back to its owner, who tries again"
    )]
    pub fn try_push(&self, event: AuditEvent) -> Result<(), AuditEvent> {
        let shared = &*self.shared;
        shared.queue.push(event)?;
        // Pairs with the fence in `wait`: either we see that the writer waits, or it sees the event.
        fence(Ordering::SeqCst);
        if shared.wake_at.load(Ordering::Relaxed) <= shared.queue.len() {
            shared.wake_writer();
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn wakes_at(&self) -> usize {
        self.shared.wake_at.load(Ordering::SeqCst)
    }

    /// Writes an event at once, for what must be on record before it takes effect.
    pub async fn write_now(&self, event: AuditEvent) -> Result<(), StoreError> {
        self.shared.store.write_audit(&[event]).await
    }
}

impl AuditWriter {
    /// Commits events until `shutdown`, then what is left, and ends.
    ///
    /// While the database fails, the rows are kept and tried again, and callers are held back once
    /// the queue is full.
    ///
    /// Not cancel safe: a batch that is being written may be lost. End it by `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut batch = Vec::with_capacity(self.settings.batch_rows);
        let mut idle_rounds = 0;
        while !shutdown.is_cancelled() {
            self.take(&mut batch);
            if batch.is_empty() {
                idle_rounds += 1;
            } else {
                idle_rounds = 0;
                self.commit(&mut batch, &shutdown).await;
                if self.settings.batch_rows <= self.shared.queue.len() {
                    continue;
                }
            }
            self.wait(IDLE_ROUNDS < idle_rounds, &shutdown).await;
        }
        self.drain(batch).await;
    }

    /// Takes out the next rows, in their order, and lets those in who wait for room.
    fn take(&self, batch: &mut Vec<AuditEvent>) {
        let room = self.settings.batch_rows.max(1) - batch.len();
        batch.extend(std::iter::from_fn(|| self.shared.queue.pop()).take(room));
        if !batch.is_empty() {
            self.shared.room.notify_waiters();
        }
    }

    /// Waits until it is time to commit, or there is enough, or the end is near.
    async fn wait(&self, idle: bool, shutdown: &CancellationToken) {
        // A full queue is enough, also where it is shorter than a batch.
        let enough = self.settings.batch_rows.min(self.shared.queue.capacity());
        let wake_at = if idle { 1 } else { enough };
        self.shared.wake_at.store(wake_at, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.shared.queue.len() < wake_at {
            let interval = self.settings.commit_interval;
            tokio::select! {
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep(interval), if !idle => {}
                () = shutdown.cancelled() => {}
            }
        }
        self.shared.wake_at.store(NEVER, Ordering::Relaxed);
    }

    /// Writes a batch, again and again until it is written or `shutdown` comes.
    async fn commit(&self, batch: &mut Vec<AuditEvent>, shutdown: &CancellationToken) {
        let mut delay = RETRY_FIRST;
        while let Err(err) = self.shared.store.write_audit(batch).await {
            tracing::error!(
                error = &err as &dyn Error,
                audit.rows = batch.len(),
                audit.waiting = self.shared.queue.len(),
                "could not write the audit, trying again"
            );
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = shutdown.cancelled() => return,
            }
            delay = (delay * 2).min(RETRY_MAX);
        }
        batch.clear();
    }

    async fn drain(&self, mut batch: Vec<AuditEvent>) {
        let deadline = Instant::now() + self.settings.drain_timeout;
        loop {
            self.take(&mut batch);
            if batch.is_empty() {
                if self.shared.ended.swap(true, Ordering::SeqCst) {
                    break;
                }
                // Once more, for what came in before those who push could see that we end.
                continue;
            }
            let never = CancellationToken::new();
            let commit = self.commit(&mut batch, &never);
            if tokio::time::timeout_at(deadline, commit).await.is_err() {
                tracing::error!(
                    audit.rows = batch.len() + self.shared.queue.len(),
                    "lost rows of the audit, since the database failed until the end"
                );
                self.shared.ended.store(true, Ordering::SeqCst);
                break;
            }
        }
        self.shared.room.notify_waiters();
    }
}

impl Shared {
    fn wake_writer(&self) {
        if self.wake_at.swap(NEVER, Ordering::Relaxed) != NEVER {
            self.wake.notify_one();
        }
    }

    /// Writes what came after the writer's end.
    async fn write_leftovers(&self) {
        let rows: Vec<AuditEvent> = std::iter::from_fn(|| self.queue.pop()).collect();
        for batch in rows.chunks(500) {
            if let Err(err) = self.store.write_audit(batch).await {
                tracing::error!(
                    error = &err as &dyn Error,
                    audit.rows = batch.len(),
                    "lost rows of the audit, since the database failed after the end"
                );
            }
        }
    }
}
