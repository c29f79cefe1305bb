//! The way out: which sandbox asks, what it may reach, and what is written down of it.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use domain::{Clock, HostPort, InstallId, SandboxKey, ServerId};
use egress::{
    AllowList, Broker, EgressAudit, EgressEvent, EgressSettings, Happened, ProxySettings, Resolver,
    Subject, Who,
};
use sandbox::{
    EgressFor,
    line::{Duplex, EgressError, EgressHandler},
};
use store::{AuditEvent, AuditQueue};

use crate::{Directory, error_chain};

/// Equal refusals within this time are written down as one, with their number.
const REPEATED_MS: u64 = 10_000;
/// Refusals that are remembered to find equal ones.
const REMEMBERED_MAX: usize = 1_024;
/// Refusals and failures of one sandbox's owner that are written down within [`WRITTEN_PERIOD_MS`],
/// whatever was asked for. A server that makes up hosts cannot push everything else out of the
/// audit.
const WRITTEN_MAX: u32 = 30;
const WRITTEN_PERIOD_MS: u64 = 60_000;
/// Owners whose refusals are counted.
const OWNERS_MAX: usize = 4_096;

/// Returns what answers the connections that processes in sandboxes ask for.
pub fn egress_for(
    settings: EgressSettings,
    proxies: ProxySettings,
    resolver: Arc<dyn Resolver>,
    directory: Arc<Directory>,
    audit: AuditQueue,
    clock: Arc<dyn Clock>,
) -> EgressFor {
    let allow_list = Arc::new(Allowed {
        directory: directory.clone(),
    });
    let records = Arc::new(EgressRecords {
        audit,
        clock,
        directory: directory.clone(),
        refused: Mutex::default(),
    });
    let broker = Broker::new(settings, proxies, allow_list, resolver, records);
    Arc::new(move |key: &SandboxKey| -> Arc<dyn EgressHandler> {
        Arc::new(Door {
            broker: broker.clone(),
            directory: directory.clone(),
            key: key.clone(),
        })
    })
}

/// The door of one sandbox.
struct Door {
    broker: Broker,
    directory: Arc<Directory>,
    key: SandboxKey,
}

#[async_trait]
impl EgressHandler for Door {
    async fn connect(&self, host: String, port: u16) -> Result<Box<dyn Duplex>, EgressError> {
        let who = match &self.key {
            SandboxKey::Server { server, .. } => Who {
                subject: Subject::Server(*server),
                label: self.label(*server),
            },
            SandboxKey::Fetch { install } => Who {
                subject: Subject::Install(*install),
                label: format!("install {install}"),
            },
            // What runs a package's own scripts has no way out, whatever anybody allows.
            SandboxKey::Build { install } => Who {
                subject: Subject::Install(no_install(*install)),
                label: format!("build scripts of install {install}"),
            },
        };
        match self.broker.connect(&who, &host, port).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(refusal) => {
                let reason = error_chain(&refusal);
                Err(if refusal.is_forbidden() {
                    EgressError::Refused { reason }
                } else {
                    EgressError::Failed { reason }
                })
            }
        }
    }
}

impl Door {
    fn label(&self, server: ServerId) -> String {
        let row = self.directory.row(server);
        row.map_or_else(|| server.to_string(), |it| it.stored.slug.to_string())
    }
}

/// Returns an identifier that no install has, so that nothing is on its list.
fn no_install(install: InstallId) -> InstallId {
    let flipped = !install.as_uuid().as_u128();
    InstallId::from_uuid(uuid::Uuid::from_u128(flipped))
}

struct Allowed {
    directory: Arc<Directory>,
}

impl AllowList for Allowed {
    fn allowed(&self, who: &Who, target: &HostPort) -> bool {
        match who.subject {
            Subject::Server(id) => {
                let row = self.directory.row(id);
                row.is_some_and(|it| it.stored.enabled && it.stored.spec.egress.contains(target))
            }
            Subject::Install(id) => self.directory.install_hosts(id).contains(target),
        }
    }
}

struct EgressRecords {
    audit: AuditQueue,
    clock: Arc<dyn Clock>,
    directory: Arc<Directory>,
    refused: Mutex<Refused>,
}

#[derive(Default)]
struct Refused {
    // Invariant: at most REMEMBERED_MAX.
    equal: HashMap<(Subject, String), Repeated>,
    // Invariant: at most OWNERS_MAX.
    written: HashMap<Subject, Written>,
}

struct Repeated {
    since_ms: u64,
    more: u64,
}

/// What was written down of one owner's refusals in the current period.
struct Written {
    since_ms: u64,
    rows: u32,
    left_out: u64,
}

/// What a refusal that is written down says of those that were not.
#[derive(Debug, PartialEq, Eq)]
struct NotWritten {
    equal_before: u64,
    others_before: u64,
}

impl EgressAudit for EgressRecords {
    fn record(&self, event: EgressEvent) {
        let EgressEvent {
            who,
            target,
            happened,
        } = event;
        let mut detail = serde_json::json!({ "target": target });
        let kind = match happened {
            Happened::Refused { .. } => "egress.refused",
            Happened::Failed { .. } => "egress.failed",
            Happened::Connected { .. } => "egress.connected",
            Happened::Closed { .. } => "egress.closed",
        };
        match happened {
            Happened::Refused { reason } | Happened::Failed { reason } => {
                let Some(before) = self.count_refusal(who.subject, &target) else {
                    return;
                };
                let now = self.clock.now();
                self.directory.note_refusal(who.subject, &reason, now);
                detail["reason"] = reason.into();
                detail["equal_before"] = before.equal_before.into();
                if before.others_before != 0 {
                    detail["others_before"] = before.others_before.into();
                }
            }
            Happened::Connected { address, by_proxy } => {
                detail["address"] = address.to_string().into();
                detail["by_proxy"] = by_proxy.into();
            }
            Happened::Closed {
                sent_bytes,
                received_bytes,
                duration,
                timed_out,
            } => {
                detail["sent_bytes"] = sent_bytes.into();
                detail["received_bytes"] = received_bytes.into();
                detail["duration_ms"] = u64::try_from(duration.as_millis()).unwrap_or(0).into();
                detail["timed_out"] = timed_out.into();
            }
        }
        let server = match who.subject {
            Subject::Server(id) => Some(id),
            Subject::Install(id) => {
                detail["install"] = id.to_string().into();
                None
            }
        };
        let event = AuditEvent {
            server,
            server_slug: Some(who.label),
            outcome: Some(Cow::Borrowed(kind)),
            detail: Some(detail),
            ..AuditEvent::new(self.clock.now(), kind)
        };
        if let Err(event) = self.audit.try_push(event) {
            // The queue is full because the database is slow; this is the next best place.
            tracing::error!(kind, target = ?event.detail, "The audit is full, an event is only in the log");
        }
    }
}

impl EgressRecords {
    /// Says what came since the last refusal that was written down, `None` when this one is to be
    /// counted with what comes before the next. A server that tries for ever cannot fill the audit.
    fn count_refusal(&self, subject: Subject, target: &str) -> Option<NotWritten> {
        let now = self.clock.now().unix_ms;
        let mut refused = self
            .refused
            .lock()
            .expect("no code panics while it holds the lock");
        let equal_before = refused.equal(subject, target, now)?;
        let others_before = refused.others(subject, now)?;
        Some(NotWritten {
            equal_before,
            others_before,
        })
    }
}

impl Refused {
    fn equal(&mut self, subject: Subject, target: &str, now: u64) -> Option<u64> {
        let key = (subject, target.to_owned());
        let fresh = Repeated {
            since_ms: now,
            more: 0,
        };
        if let Some(repeated) = self.equal.get_mut(&key) {
            if now < repeated.since_ms + REPEATED_MS {
                repeated.more += 1;
                return None;
            }
            return Some(std::mem::replace(repeated, fresh).more);
        }
        if REMEMBERED_MAX <= self.equal.len() {
            self.equal.retain(|_, it| now < it.since_ms + REPEATED_MS);
        }
        if self.equal.len() < REMEMBERED_MAX {
            self.equal.insert(key, fresh);
        }
        Some(0)
    }

    fn others(&mut self, subject: Subject, now: u64) -> Option<u64> {
        if OWNERS_MAX <= self.written.len() && !self.written.contains_key(&subject) {
            self.written
                .retain(|_, it| now < it.since_ms + WRITTEN_PERIOD_MS);
            if OWNERS_MAX <= self.written.len() {
                return None;
            }
        }
        let written = self.written.entry(subject).or_insert(Written {
            since_ms: now,
            rows: 0,
            left_out: 0,
        });
        if written.since_ms + WRITTEN_PERIOD_MS <= now {
            written.since_ms = now;
            written.rows = 0;
        }
        if WRITTEN_MAX <= written.rows {
            written.left_out += 1;
            return None;
        }
        written.rows += 1;
        Some(std::mem::take(&mut written.left_out))
    }
}

#[cfg(test)]
mod tests;
