use std::{collections::BTreeMap, sync::Arc};

use domain::{Effect, Standing, ToolChanges, ToolPin};

/// What people have agreed to of a server's tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerPins {
    pub changes: ToolChanges,
    /// Grows with each time that they are looked up, from before the look on: what was looked up
    /// earlier never takes the place of what was looked up later.
    pub looked_up: u64,
    /// By the server's own names for them.
    pub tools: BTreeMap<String, PinnedTool>,
}

/// A tool as it was when somebody agreed to it, or when its server's list was first read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedTool {
    pub pin: ToolPin,
    /// Whether a person has ever looked at it.
    pub looked_at: bool,
    /// What that person has set for it.
    pub setting: Option<Effect>,
}

impl ServerPins {
    /// Returns those that were looked up later. Lists are read while people decide, so what comes
    /// last need not be the last word.
    pub(crate) fn later(known: Option<&Arc<Self>>, given: Option<Arc<Self>>) -> Option<Arc<Self>> {
        let known_at = known.map_or(0, |it| it.looked_up);
        given
            .filter(|it| known_at <= it.looked_up)
            .or_else(|| known.cloned())
    }

    /// Returns how a tool stands that the server has now, and what is set for it.
    pub fn standing(&self, tool: &str, pin: &ToolPin) -> (Standing, Option<Effect>) {
        match self.tools.get(tool) {
            None => (Standing::Added, None),
            Some(pinned) if pinned.pin != *pin => (Standing::Changed, None),
            Some(pinned) => {
                let looked_at = pinned.looked_at;
                (Standing::Pinned { looked_at }, pinned.setting)
            }
        }
    }
}
