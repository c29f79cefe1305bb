use async_trait::async_trait;

use crate::event::RunEvent;

/// Where the events of one run go. Whoever runs a turn fills this.
#[async_trait]
pub trait Log: Send + Sync {
    /// Appends `events` in their order.
    ///
    /// When it returns, all events that are no deltas ([`RunEvent::is_delta`]) and all that came
    /// before them are durable; deltas may be joined and written later. It waits while too much is
    /// unwritten: that is what slows a model that writes faster than can be stored.
    ///
    /// Not cancel safe: the turn never drops the future.
    async fn append(&self, events: Vec<RunEvent>) -> Result<(), LogError>;
}

/// The log is gone. The turn ends at once and calls no tool any more.
#[derive(Debug, thiserror::Error)]
#[error("the run's log cannot be written")]
pub struct LogError {
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
