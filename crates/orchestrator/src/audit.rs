//! What happened, for people: found by the names that they know, and carried out whole.

use std::collections::BTreeMap;

use domain::{Caller, ServerId, Timestamp, TokenId};
use store::{AuditEvent, AuditFilter, AuditFrom, AuditRow, StoredToken};

use crate::{Error, Orchestrator};

/// Rows of an export that are in memory at a time.
const EXPORT_ROWS: u32 = 200;
/// Events of one name that are looked through for the server that had it.
const FORMER_MAX: u32 = 1_000;

/// What somebody looks for. What is `None` leaves nothing out.
#[derive(Debug, Clone, Default)]
pub struct AuditSearch {
    /// A server's slug or identifier, also of one that was removed.
    pub server: Option<String>,
    /// All else. Its server is the one above, where that is given.
    pub filter: AuditFilter,
}

/// An event, with what is known by now of who did it.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    pub row: AuditRow,
    /// The name of its token.
    pub client: Option<String>,
}

/// All that a search has found, piece by piece.
pub struct AuditExport {
    orchestrator: Orchestrator,
    filter: AuditFilter,
    clients: BTreeMap<TokenId, String>,
}

impl Orchestrator {
    /// Returns a page of what a search finds.
    pub async fn search_audit(&self, search: &AuditSearch) -> Result<Vec<AuditEntry>, Error> {
        let (filter, clients) = self.understand(search).await?;
        let rows = self.audit(&filter).await?;
        Ok(self.named(rows, &clients))
    }

    /// Begins to carry out all that a search finds and that has happened by now, the oldest first.
    /// That somebody does so is in the audit itself.
    pub async fn export_audit(
        &self,
        search: &AuditSearch,
        by: &Caller,
    ) -> Result<AuditExport, Error> {
        let (mut filter, clients) = self.understand(search).await?;
        let after_now = Timestamp {
            unix_ms: self.shared.now().unix_ms + 1,
        };
        filter.until = Some(filter.until.map_or(after_now, |it| it.min(after_now)));
        filter.limit = EXPORT_ROWS;
        if !matches!(filter.from, AuditFrom::After(_)) {
            filter.from = AuditFrom::After(0);
        }
        self.shared.audit.push(self.event("audit.export", by)).await;
        Ok(AuditExport {
            orchestrator: self.clone(),
            filter,
            clients,
        })
    }

    /// Turns names into what rows have, and returns the names of all tokens.
    async fn understand(
        &self,
        search: &AuditSearch,
    ) -> Result<(AuditFilter, BTreeMap<TokenId, String>), Error> {
        let mut filter = search.filter.clone();
        if let Some(name) = &search.server {
            filter.server = Some(self.server_of_audit(name).await?);
        }
        let tokens = self.tokens().await?;
        if let Some(name) = &filter.client {
            let is_known = |it: &StoredToken| it.name == *name || it.id.to_string() == *name;
            if !tokens.iter().any(is_known) {
                return Err(Error::not_found(format!("token `{name}`")));
            }
        }
        let names = tokens.into_iter().map(|it| (it.id, it.name));
        Ok((filter, names.collect()))
    }

    /// Adds the names that are known by now.
    fn named(&self, rows: Vec<AuditRow>, clients: &BTreeMap<TokenId, String>) -> Vec<AuditEntry> {
        let directory = &self.shared.directory;
        let named = rows.into_iter().map(|mut row| {
            let event = &mut row.event;
            let client = event.token.and_then(|it| clients.get(&it).cloned());
            if event.server_slug.is_none() {
                let server = event.server.and_then(|it| directory.row(it));
                event.server_slug = server.map(|it| it.stored.slug.to_string());
            }
            AuditEntry { row, client }
        });
        named.collect()
    }

    /// Returns the server with this slug or identifier, or the last one that had the slug.
    async fn server_of_audit(&self, name: &str) -> Result<ServerId, Error> {
        if let Ok(id) = name.parse() {
            return Ok(id);
        }
        match self.find(name) {
            Ok(row) => return Ok(row.stored.id),
            Err(Error::NotFound { .. }) => {}
            Err(err) => return Err(err),
        }
        let removals = AuditFilter {
            kind: Some("server.remove".to_owned()),
            text: Some(name.to_owned()),
            limit: FORMER_MAX,
            ..AuditFilter::default()
        };
        let rows = self.audit(&removals).await?;
        let mut events = rows.into_iter().map(|it| it.event);
        let removed = events.find(|it| it.server_slug.as_deref() == Some(name));
        removed
            .and_then(|it| it.server)
            .ok_or_else(|| Error::not_found(format!("server `{name}`")))
    }
}

impl AuditExport {
    /// Returns the next entries; none is the end.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Result<Vec<AuditEntry>, Error> {
        let rows = self.orchestrator.audit(&self.filter).await?;
        if let Some(last) = rows.last() {
            self.filter.from = AuditFrom::After(last.id);
        }
        Ok(self.orchestrator.named(rows, &self.clients))
    }
}

/// An event of the person in front of the program, before it is known who that is.
pub(crate) fn session_event(at: Timestamp, kind: &'static str) -> AuditEvent {
    AuditEvent {
        principal: Some(domain::PrincipalName::owner()),
        ..AuditEvent::new(at, kind)
    }
}
