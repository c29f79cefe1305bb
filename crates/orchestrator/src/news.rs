//! Tells of servers that stand otherwise than before.
//!
//! Whatever may have changed how a server stands notes its identifier here, as often as it likes. One
//! task looks at the servers that were noted, and publishes what is not as it was told last. Between
//! notes it sleeps.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, Mutex},
};

use domain::{ServerId, ServerSlug, Standing, ToolChanges};
use gateway::ToolView;
use tokio::sync::Notify;

use crate::{Event, Orchestrator, Row, ServerStatus, ServerSummary, Shared};

/// The servers to look at.
#[derive(Default)]
pub(crate) struct News {
    noted: Mutex<BTreeMap<ServerId, Noted>>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Noted {
    /// The name that it had, where it was removed.
    removed: Option<ServerSlug>,
    /// Whether its lists are others.
    has_other_lists: bool,
}

impl News {
    /// Notes that a server may stand otherwise. It waits for nobody.
    pub(crate) fn note(&self, id: ServerId) {
        self.change(id, |_| {});
    }

    pub(crate) fn note_lists(&self, id: ServerId) {
        self.change(id, |it| it.has_other_lists = true);
    }

    pub(crate) fn note_removed(&self, id: ServerId, slug: ServerSlug) {
        self.change(id, |it| it.removed = Some(slug));
    }

    fn change(&self, id: ServerId, change: impl FnOnce(&mut Noted)) {
        let noted = self.noted.lock();
        let mut noted = noted.expect("no code panics while it holds the lock");
        change(noted.entry(id).or_default());
        drop(noted);
        self.bell.notify_one();
    }

    fn take(&self) -> BTreeMap<ServerId, Noted> {
        let noted = self.noted.lock();
        std::mem::take(&mut *noted.expect("no code panics while it holds the lock"))
    }
}

/// Publishes what has changed, until the shutdown.
pub(crate) async fn publish(shared: Arc<Shared>) {
    let shutdown = shared.shutdown.clone();
    let orchestrator = Orchestrator { shared };
    shutdown.run_until_cancelled(rounds(&orchestrator)).await;
}

async fn rounds(orchestrator: &Orchestrator) {
    let mut told: BTreeMap<ServerId, Event> = BTreeMap::new();
    loop {
        orchestrator.shared.news.bell.notified().await;
        for (id, noted) in orchestrator.shared.news.take() {
            tell(orchestrator, id, noted, &mut told).await;
        }
    }
}

async fn tell(
    orchestrator: &Orchestrator,
    id: ServerId,
    noted: Noted,
    told: &mut BTreeMap<ServerId, Event>,
) {
    let shared = &orchestrator.shared;
    let Some(row) = shared.directory.row(id) else {
        told.remove(&id);
        if let Some(slug) = noted.removed {
            shared.events.publish(Event::ServerRemoved { id, slug });
        }
        return;
    };
    match orchestrator.summary(&row).await {
        Ok(summary) => {
            let event = server_changed(&summary);
            if told.get(&id) != Some(&event) {
                told.insert(id, event.clone());
                shared.events.publish(event);
            }
        }
        // Whoever looks finds the same fault, and is told.
        Err(err) => tracing::debug!(
            error = &err as &dyn Error,
            server.id = %id,
            "How a server stands is not told"
        ),
    }
    if noted.has_other_lists {
        shared.events.publish(Event::ToolsChanged {
            server: id,
            slug: row.stored.slug.clone(),
            quarantined: quarantined(orchestrator, &row),
        });
    }
}

/// Returns how many tools wait for a person to look at them; none where people do not want to hear.
fn quarantined(orchestrator: &Orchestrator, row: &Row) -> usize {
    if row.stored.tool_changes == ToolChanges::Block {
        return 0;
    }
    let tools = orchestrator.gateway().tools_of(row.stored.id);
    let is_kept_away = |it: &&ToolView| !matches!(it.standing, Standing::Pinned { .. });
    tools.iter().filter(is_kept_away).count()
}

fn server_changed(summary: &ServerSummary) -> Event {
    let stored = &summary.row.stored;
    Event::ServerChanged {
        id: stored.id,
        slug: stored.slug.clone(),
        title: stored.title.clone(),
        status: summary.status.word(),
        reason: match &summary.status {
            // Without the time that is left, which is another each time.
            ServerStatus::Failed { reason, .. } => Some(reason.clone()),
            status => status.reason(),
        },
        enabled: stored.enabled,
        tools: summary.tools,
    }
}
