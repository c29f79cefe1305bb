//! How far an install is, for whoever looks and for the audit.

use domain::InstallId;
use store::{AuditEvent, InstallState, StepState, StoredInstall};

use crate::{Event, Shared};

/// Writes down how an install ended, and tells of it.
pub(super) async fn note_end(
    shared: &Shared,
    id: InstallId,
    state: InstallState,
    reason: Option<&str>,
) {
    let noted = shared.store.set_install_state(id, state, reason).await;
    if let Err(err) = noted {
        tracing::error!(error = &err as &dyn std::error::Error, install.id = %id, "How an install ended is not written down");
    }
    tell(shared, id).await;
}

/// Tells whoever looks how an install stands as a whole.
pub(super) async fn tell(shared: &Shared, id: InstallId) {
    // Where it cannot be read, or is gone, there is nothing to tell.
    if let Ok(Some(install)) = shared.store.install(id).await {
        if install.state != InstallState::Running {
            note_in_audit(shared, &install).await;
        }
        tell_of(
            shared,
            &install,
            install.state,
            None,
            install.failure.clone(),
        );
    }
}

/// Writes down what was installed, or why it was not.
async fn note_in_audit(shared: &Shared, install: &StoredInstall) {
    let row = shared.directory.row(install.server);
    let event = AuditEvent {
        server: Some(install.server),
        server_slug: row.map(|it| it.stored.slug.to_string()),
        outcome: Some(install.state.as_str().into()),
        detail: Some(serde_json::json!({
            "install": install.id,
            "attempt": install.attempt,
            "package": install.package.name,
            "version": install.resolved_version,
            "lock_sha256": install.lock_sha256,
            "reason": install.failure,
        })),
        ..AuditEvent::new(shared.now(), "install.end")
    };
    shared.audit.push(event).await;
}

pub(super) fn tell_of(
    shared: &Shared,
    install: &StoredInstall,
    state: InstallState,
    step: Option<(&'static str, StepState)>,
    reason: Option<String>,
) {
    shared.events.publish(Event::InstallChanged {
        server: install.server,
        install: install.id,
        attempt: install.attempt,
        state,
        step,
        reason,
    });
    shared.news.note(install.server);
}
