use serde::{Deserialize, Serialize};

/// A point in time, as milliseconds since the Unix epoch.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp {
    pub unix_ms: u64,
}

/// Tells the time. The real one is made in `main`; a test makes one that it can move.
pub trait Clock: Send + Sync + std::fmt::Debug {
    fn now(&self) -> Timestamp;
}
