//! `/api/v1/audit`: what happened, and who did it.

use std::io;

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    http::{HeaderName, header},
};
use bytes::Bytes;
use domain::{Caller, ChatId, PrincipalName, Timestamp};
use futures_util::stream;
use orchestrator::{AuditEntry, AuditExport, AuditFilter, AuditFrom, AuditSearch};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{ApiError, App, extract::ApiQuery};

const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 1_000;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_audit))
        .routes(routes!(export_audit))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// One kind of event, for instance `tool.call`, or a part of the program, for instance `tool`.
    kind: Option<String>,
    /// One server, by its slug or identifier, also one that was removed.
    server: Option<String>,
    /// One tool, by its server's own name for it.
    tool: Option<String>,
    /// One principal.
    #[param(value_type = Option<String>)]
    principal: Option<PrincipalName>,
    /// One client, by the name or identifier of its token; of a name, all that have had it.
    client: Option<String>,
    /// One chat, by its identifier.
    #[param(value_type = Option<String>)]
    chat: Option<ChatId>,
    /// `allowed`, `denied` or `asked`.
    decision: Option<String>,
    /// How it ended, for instance `ok` or `tool_error`.
    outcome: Option<String>,
    /// Only events from this time on.
    since_ms: Option<u64>,
    /// Only events before this time.
    until_ms: Option<u64>,
    /// A part of the kind, the server's name, the tool, the principal or the detail, such as a host.
    q: Option<String>,
    /// Only events after this one, the oldest first.
    after: Option<i64>,
    /// Only events before this one, the newest first, as without either.
    before: Option<i64>,
    /// At most 1,000.
    limit: Option<u32>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditExportQuery {
    /// One kind of event, for instance `tool.call`, or a part of the program, for instance `tool`.
    kind: Option<String>,
    /// One server, by its slug or identifier, also one that was removed.
    server: Option<String>,
    /// One tool, by its server's own name for it.
    tool: Option<String>,
    /// One principal.
    #[param(value_type = Option<String>)]
    principal: Option<PrincipalName>,
    /// One client, by the name or identifier of its token; of a name, all that have had it.
    client: Option<String>,
    /// One chat, by its identifier.
    #[param(value_type = Option<String>)]
    chat: Option<ChatId>,
    /// `allowed`, `denied` or `asked`.
    decision: Option<String>,
    /// How it ended, for instance `ok` or `tool_error`.
    outcome: Option<String>,
    /// Only events from this time on.
    since_ms: Option<u64>,
    /// Only events before this time.
    until_ms: Option<u64>,
    /// A part of the kind, the server's name, the tool, the principal or the detail, such as a host.
    q: Option<String>,
    /// Only events after this one, for instance the last one of an export before.
    after: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct AuditListBody {
    events: Vec<AuditEventBody>,
}

#[derive(Serialize, ToSchema)]
struct AuditEventBody {
    /// Grows in the order in which events were written down.
    id: i64,
    at_ms: u64,
    /// What it was: `tool.call`, `server.add`, `egress.refused` and so on.
    kind: String,
    principal: Option<String>,
    token: Option<String>,
    /// The name of the token.
    client: Option<String>,
    server: Option<String>,
    server_slug: Option<String>,
    tool: Option<String>,
    /// SHA-256 of what the tool said of itself when it was decided on.
    pin: Option<String>,
    /// `allowed`, `denied` or `asked`.
    decision: Option<String>,
    /// What the decision rests on: a rule, a grant, a setting, a person.
    basis: Option<String>,
    chat: Option<String>,
    outcome: Option<String>,
    duration_ms: Option<u64>,
    request_bytes: Option<u64>,
    response_bytes: Option<u64>,
    #[schema(value_type = Option<Object>)]
    detail: Option<serde_json::Value>,
}

/// List what happened
#[utoipa::path(
    get, path = "/api/v1/audit", operation_id = "list_audit", tag = "audit",
    params(AuditQuery),
    responses((status = 200, body = AuditListBody), (status = "default", body = ApiError)),
)]
async fn list_audit(
    State(app): State<App>,
    ApiQuery(query): ApiQuery<AuditQuery>,
) -> Result<Json<AuditListBody>, ApiError> {
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if LIMIT_MAX < limit {
        return Err(ApiError::invalid(format!(
            "`limit` is {limit}, the most is {LIMIT_MAX}"
        )));
    }
    let entries = app.orchestrator.search_audit(&query.search(limit)?).await?;
    Ok(Json(AuditListBody {
        events: entries.into_iter().map(AuditEventBody::from).collect(),
    }))
}

/// Get all that happened, as lines of JSON
///
/// The oldest event comes first. What happens meanwhile is left out.
#[utoipa::path(
    get, path = "/api/v1/audit/export", operation_id = "export_audit", tag = "audit",
    params(AuditExportQuery),
    responses(
        (status = 200, body = AuditEventBody, content_type = "application/x-ndjson", description = "One in each line"),
        (status = "default", body = ApiError),
    ),
)]
async fn export_audit(
    State(app): State<App>,
    Extension(by): Extension<Caller>,
    ApiQuery(query): ApiQuery<AuditExportQuery>,
) -> Result<([(HeaderName, &'static str); 2], Body), ApiError> {
    let search = AuditQuery::from(query).search(LIMIT_MAX)?;
    let export = app.orchestrator.export_audit(&search, &by).await?;
    let pages = stream::try_unfold((app, export), async |(app, mut export)| {
        let page = next_page(&app, &mut export).await?;
        Ok::<_, io::Error>(page.map(|it| (it, (app, export))))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"archestra-audit.jsonl\"",
        ),
    ];
    Ok((headers, Body::from_stream(pages)))
}

/// Returns the next lines, `None` at the end. After an error the answer breaks off, so that nobody
/// takes a part for the whole.
async fn next_page(app: &App, export: &mut AuditExport) -> io::Result<Option<Bytes>> {
    let Some(entries) = app.shutdown.run_until_cancelled(export.next()).await else {
        return Err(io::Error::other("the program is shutting down"));
    };
    let entries = entries.map_err(|err| {
        tracing::error!(
            error = &err as &dyn std::error::Error,
            "An export of the audit broke off"
        );
        io::Error::other(err)
    })?;
    if entries.is_empty() {
        return Ok(None);
    }
    let mut lines = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut lines, &AuditEventBody::from(entry))?;
        lines.push(b'\n');
    }
    Ok(Some(lines.into()))
}

impl AuditQuery {
    fn search(self, limit: u32) -> Result<AuditSearch, ApiError> {
        let from = match (self.after, self.before) {
            (None, None) => AuditFrom::Newest,
            (Some(after), None) => AuditFrom::After(after),
            (None, Some(before)) => AuditFrom::Before(before),
            (Some(_), Some(_)) => {
                return Err(ApiError::invalid(
                    "`after` and `before` cannot be given together",
                ));
            }
        };
        let time = |it: Option<u64>| it.map(|unix_ms| Timestamp { unix_ms });
        // Each kind has a point in it, and what is before that is a part of the program.
        let kind = self.kind.map(|it| match it.contains('.') {
            true => it,
            false => format!("{it}."),
        });
        Ok(AuditSearch {
            server: self.server,
            filter: AuditFilter {
                kind,
                server: None,
                tool: self.tool,
                principal: self.principal,
                token: None,
                client: self.client,
                chat: self.chat,
                decision: self.decision,
                outcome: self.outcome,
                since: time(self.since_ms),
                until: time(self.until_ms),
                text: self.q.filter(|it| !it.is_empty()),
                from,
                limit,
            },
        })
    }
}

impl From<AuditExportQuery> for AuditQuery {
    fn from(query: AuditExportQuery) -> Self {
        Self {
            kind: query.kind,
            server: query.server,
            tool: query.tool,
            principal: query.principal,
            client: query.client,
            chat: query.chat,
            decision: query.decision,
            outcome: query.outcome,
            since_ms: query.since_ms,
            until_ms: query.until_ms,
            q: query.q,
            after: query.after,
            before: None,
            limit: None,
        }
    }
}

impl From<AuditEntry> for AuditEventBody {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { row, client } = entry;
        let event = row.event;
        Self {
            id: row.id,
            at_ms: event.at.unix_ms,
            kind: event.kind.into_owned(),
            principal: event.principal.map(|it| it.to_string()),
            token: event.token.map(|it| it.to_string()),
            client,
            server: event.server.map(|it| it.to_string()),
            server_slug: event.server_slug,
            tool: event.tool,
            pin: event.pin,
            decision: event.decision.map(|it| it.into_owned()),
            basis: event.basis.map(|it| it.into_owned()),
            chat: event.chat.map(|it| it.to_string()),
            outcome: event.outcome.map(|it| it.into_owned()),
            duration_ms: event.duration_ms,
            request_bytes: event.request_bytes,
            response_bytes: event.response_bytes,
            detail: event.detail,
        }
    }
}
