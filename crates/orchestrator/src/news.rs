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

use domain::{Effect, ServerId, ServerSlug, Standing, ToolChanges, ToolPin};
use tokio::sync::Notify;

use crate::{Event, Orchestrator, Row, ServerStatus, ServerSummary, Shared};

/// The servers to look at.
#[derive(Default)]
pub(crate) struct News {
    // The name that it had, where it was removed.
    noted: Mutex<BTreeMap<ServerId, Option<ServerSlug>>>,
    bell: Notify,
}

/// What was told last of one server.
#[derive(Default)]
struct Told {
    stands: Option<Event>,
    tools: Vec<(String, ToolPin, Standing, Option<Effect>)>,
    quarantined: usize,
}

impl News {
    /// Notes that a server may stand otherwise. It waits for nobody.
    pub(crate) fn note(&self, id: ServerId) {
        self.change(id, |_| {});
    }

    pub(crate) fn note_removed(&self, id: ServerId, slug: ServerSlug) {
        self.change(id, |it| *it = Some(slug));
    }

    fn change(&self, id: ServerId, change: impl FnOnce(&mut Option<ServerSlug>)) {
        let noted = self.noted.lock();
        let mut noted = noted.expect("no code panics while it holds the lock");
        change(noted.entry(id).or_default());
        drop(noted);
        self.bell.notify_one();
    }

    fn take(&self) -> BTreeMap<ServerId, Option<ServerSlug>> {
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
    let mut told: BTreeMap<ServerId, Told> = BTreeMap::new();
    loop {
        orchestrator.shared.news.bell.notified().await;
        for (id, removed) in orchestrator.shared.news.take() {
            match orchestrator.shared.directory.row(id) {
                Some(row) => tell(orchestrator, &row, told.entry(id).or_default()).await,
                None => {
                    told.remove(&id);
                    if let Some(slug) = removed {
                        let events = &orchestrator.shared.events;
                        events.publish(Event::ServerRemoved { id, slug });
                    }
                }
            }
        }
    }
}

async fn tell(orchestrator: &Orchestrator, row: &Arc<Row>, told: &mut Told) {
    let shared = &orchestrator.shared;
    let id = row.stored.id;
    let tools = shared.gateway().tools_of(id).into_iter();
    let tools: Vec<_> = tools
        .map(|it| (it.name, it.pin, it.standing, it.setting))
        .collect();
    match orchestrator.summary(row).await {
        Ok(summary) => {
            let stands = server_changed(&summary);
            if told.stands.as_ref() != Some(&stands) {
                told.stands = Some(stands.clone());
                shared.events.publish(stands);
            }
        }
        // Whoever looks finds the same fault, and is told.
        Err(err) => tracing::debug!(
            error = &err as &dyn Error,
            server.id = %id,
            "How a server stands is not told"
        ),
    }
    let quarantined = match row.stored.tool_changes {
        // People do not want to hear of it.
        ToolChanges::Block => 0,
        ToolChanges::Ask | ToolChanges::Follow => {
            let is_kept_away = |standing: &Standing| !matches!(standing, Standing::Pinned { .. });
            tools.iter().filter(|it| is_kept_away(&it.2)).count()
        }
    };
    if told.tools != tools || told.quarantined != quarantined {
        (told.tools, told.quarantined) = (tools, quarantined);
        shared.events.publish(Event::ToolsChanged {
            server: id,
            slug: row.stored.slug.clone(),
            quarantined,
        });
    }
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
