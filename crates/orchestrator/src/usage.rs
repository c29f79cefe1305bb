//! What a server takes of this machine.

use domain::Timestamp;
use sandbox::Usage;

use crate::{Error, Orchestrator, sandbox_error};

/// What the sandboxes of a server take, all together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerUsage {
    pub at: Timestamp,
    /// How many of them run. Each has the limits for itself.
    pub sandboxes: usize,
    /// What one of them is not measured in, is not known of all.
    pub usage: Usage,
}

impl Orchestrator {
    /// Returns what a server takes now. It starts nothing.
    pub async fn server_usage(&self, server: &str) -> Result<ServerUsage, Error> {
        let row = self.find(server)?;
        let mut all = Vec::new();
        for key in self.shared.statuses.running_of(row.stored.id) {
            let usage = self.shared.sandbox.usage(&key).await;
            let usage = usage.map_err(|err| Error::Unavailable {
                reason: sandbox_error(&err),
            })?;
            // One that has ended since takes nothing.
            all.extend(usage);
        }
        let sum = |of: fn(&Usage) -> Option<u64>| all.iter().map(of).sum::<Option<u64>>();
        Ok(ServerUsage {
            at: self.shared.now(),
            sandboxes: all.len(),
            usage: Usage {
                memory_bytes: sum(|it| it.memory_bytes),
                cpu_ns: sum(|it| it.cpu_ns),
                pids: sum(|it| it.pids),
            },
        })
    }
}
