//! What the gateway wants remembered.

use std::{
    borrow::Cow,
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use domain::ServerId;
use gateway::{CallEnd, CallRecord, ServerLists, ServerPins};
use store::AuditEvent;

use crate::{Shared, error_chain, pins};

/// How often what is old is looked for.
const PRUNE_PERIOD: Duration = Duration::from_secs(60 * 60);

pub(crate) struct GatewayRecords {
    /// Not an owner: the gateway is part of what this points to.
    shared: Weak<Shared>,
}

impl GatewayRecords {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::downgrade(shared),
        }
    }
}

#[async_trait]
impl gateway::Records for GatewayRecords {
    async fn before_call(&self, call: &CallRecord) -> Result<(), String> {
        let Some(shared) = self.shared.upgrade() else {
            return Err("the program is shutting down".to_owned());
        };
        let event = call_event(&shared, "tool.call_begin", call);
        let written = shared.audit.write_now(event).await;
        written.map_err(|err| error_chain(&err))
    }

    async fn after_call(&self, call: CallRecord, end: CallEnd) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let mut event = call_event(&shared, "tool.call", &call);
        event.outcome = Some(Cow::Owned(end.outcome));
        event.duration_ms = Some(end.duration_ms);
        event.response_bytes = Some(end.response_bytes);
        shared.audit.push(event).await;
    }

    async fn lists_read(&self, server: ServerId, lists: &ServerLists) -> Option<Arc<ServerPins>> {
        let shared = self.shared.upgrade()?;
        let bodies = lists.by_kind.iter();
        let bodies = bodies.map(|(kind, body)| (stored_kind(*kind), body.get().into()));
        if let Err(err) = shared.store.put_lists(server, bodies.collect()).await {
            tracing::error!(
                error = &err as &dyn std::error::Error,
                server.id = %server,
                "Lists of a server not stored; they are read again at its next start"
            );
        }
        let row = shared.directory.row(server)?;
        let (slug, changes) = (row.stored.slug.as_str(), row.stored.tool_changes);
        match pins::note_lists(&shared, server, slug, changes, lists).await {
            Ok(pins) => Some(pins),
            Err(err) => {
                tracing::error!(
                    error = &err as &dyn std::error::Error,
                    server.id = %server,
                    "Tools of a server not compared with what is pinned; those that are new stay away"
                );
                None
            }
        }
    }

    fn server_changed(&self, server: ServerId) {
        if let Some(shared) = self.shared.upgrade() {
            shared.news.note(server);
        }
    }
}

fn stored_kind(kind: gateway::ListKind) -> store::ListKind {
    match kind {
        gateway::ListKind::Initialize => store::ListKind::Initialize,
        gateway::ListKind::Tools => store::ListKind::Tools,
        gateway::ListKind::Resources => store::ListKind::Resources,
        gateway::ListKind::ResourceTemplates => store::ListKind::ResourceTemplates,
        gateway::ListKind::Prompts => store::ListKind::Prompts,
    }
}

fn call_event(shared: &Shared, kind: &'static str, call: &CallRecord) -> AuditEvent {
    AuditEvent {
        principal: Some(call.principal.clone()),
        token: call.token,
        server: Some(call.server),
        server_slug: Some(call.slug.to_string()),
        tool: Some(call.tool.clone()),
        chat: call.chat,
        pin: Some(call.pin.to_string()),
        decision: Some(Cow::Borrowed(call.decision)),
        basis: call.basis.clone().map(Cow::Owned),
        request_bytes: Some(call.request_bytes),
        ..AuditEvent::new(shared.now(), kind)
    }
}

/// Deletes old rows of the audit and sessions that are over, at the start and then now and then,
/// until the shutdown.
pub(crate) async fn keep_bounded(shared: Arc<Shared>) {
    loop {
        prune(&shared).await;
        tokio::select! {
            () = shared.shutdown.cancelled() => return,
            () = tokio::time::sleep(PRUNE_PERIOD) => {}
        }
    }
}

async fn prune(shared: &Shared) {
    let now = shared.now();
    let keep = u64::try_from(shared.settings.audit_keep.as_millis()).unwrap_or(u64::MAX);
    let before = domain::Timestamp {
        unix_ms: now.unix_ms.saturating_sub(keep),
    };
    let rows_max = shared.settings.audit_rows_max;
    match shared.store.prune_audit(before, rows_max).await {
        Ok(0) => {}
        Ok(rows) => tracing::info!(rows, "Old rows of the audit deleted"),
        Err(err) => tracing::warn!(
            error = &err as &dyn std::error::Error,
            "Old rows of the audit not deleted"
        ),
    }
    if let Err(err) = shared.store.prune_sessions(now).await {
        tracing::warn!(
            error = &err as &dyn std::error::Error,
            "Sessions that are over not deleted"
        );
    }
}
