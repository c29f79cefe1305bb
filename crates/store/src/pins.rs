use std::collections::{BTreeMap, BTreeSet};

use domain::{ApprovalId, Effect, PrincipalName, ServerId, Timestamp, ToolPin};

use crate::{
    ApprovalsOf, AuditEvent, Store, StoreError,
    approvals::close_approvals,
    error::db,
    store::{check_key, check_size, corrupt, ms, storable, time},
};

/// The longest name of a tool that is pinned, in bytes.
pub(crate) const TOOL_NAME_BYTES_MAX: usize = 512;
/// The longest definition of a tool that is pinned, in bytes of JSON.
pub(crate) const DEFINITION_BYTES_MAX: usize = 1 << 20;
/// Pins that one statement inserts, within what the databases allow to bind.
const INSERT_PINS: usize = 1_000;

/// A tool as its server tells it for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPin {
    pub tool: String,
    pub pin: ToolPin,
    /// JSON, as the server sent it.
    pub definition: Box<str>,
}

/// What is known of a tool that is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinInfo {
    pub server: ServerId,
    /// The server's own name for it.
    pub tool: String,
    pub pin: ToolPin,
    /// When a person last looked at it.
    pub looked_at: Option<Timestamp>,
    pub looked_by: Option<PrincipalName>,
    /// What that person said about it.
    pub setting: Option<Effect>,
    pub pinned_at: Timestamp,
}

/// A tool that is pinned, with its definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPin {
    pub info: PinInfo,
    /// JSON, as the server sent it.
    pub definition: Box<str>,
}

/// A tool to be pinned from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedTool {
    pub tool: String,
    /// The pin that it is taken to have now, `None` if it has none.
    pub expected: Option<ToolPin>,
    pub pin: ToolPin,
    /// JSON, as the server sent it; at most 1 MiB.
    pub definition: Box<str>,
    pub setting: Option<Effect>,
    /// Who has looked at it. `None` leaves what is known of that as it is.
    pub looked_by: Option<PrincipalName>,
}

/// What a person says about a tool that is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolSetting {
    pub tool: String,
    /// The pin that the person has seen.
    pub expected: ToolPin,
    pub setting: Option<Effect>,
}

/// What a change of pins came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinsPut {
    /// The requests for approval that are closed now, since their tool is another or gone.
    Done { closed: Vec<ApprovalId> },
    /// This tool has another pin than expected; nothing was changed.
    Stale { tool: String },
    /// The server is gone, nothing was changed.
    NoServer,
}

impl Store {
    /// Returns the pinned tools of all servers, without their definitions.
    pub async fn pins(&self) -> Result<Vec<PinInfo>, StoreError> {
        let sql = "SELECT server_id, tool, pin, '' AS definition, looked_at, looked_by, setting, pinned_at FROM tool_pins ORDER BY server_id, tool";
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as(sql).fetch_all(pool).await.map_err(db)?
        });
        let pins = rows.into_iter().map(|it| it.into_pin().map(|it| it.info));
        pins.collect()
    }

    /// Returns the pinned tools of a server.
    pub async fn pins_of(&self, server: ServerId) -> Result<Vec<StoredPin>, StoreError> {
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as("SELECT * FROM tool_pins WHERE server_id = $1 ORDER BY tool")
                .bind(server.to_string())
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        rows.into_iter().map(Row::into_pin).collect()
    }

    /// Pins the first list of a server, which may be empty. Returns `false`, and changes nothing, if
    /// one was pinned before or the server is gone.
    ///
    /// Of two tools with one name the first is pinned. One whose name has more than 512 bytes or a
    /// NUL character, or whose definition has more than 1 MiB, is not pinned, so that it stays what
    /// nobody has approved.
    pub async fn pin_first(
        &self,
        server: ServerId,
        tools: Vec<NewPin>,
        audit: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let mut names = BTreeSet::new();
        let is_fit = |it: &NewPin| is_pinnable(&it.tool, &it.definition);
        let fit: Vec<&NewPin> = tools
            .iter()
            .filter(|it| is_fit(it) && names.insert(&it.tool))
            .collect();
        let sql = "UPDATE servers SET pinned_at = $2 WHERE id = $1 AND pinned_at IS NULL";
        transaction!(self, tx => {
            let marked = sqlx::query(sql)
                .bind(server.to_string())
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if marked.rows_affected() == 0 {
                return Ok(false);
            }
            for tools in fit.chunks(INSERT_PINS) {
                let insert = "INSERT INTO tool_pins (server_id, tool, pin, definition, pinned_at) ";
                sqlx::QueryBuilder::new(insert)
                    .push_values(tools, |mut row, tool| {
                        row.push_bind(server.to_string())
                            .push_bind(tool.tool.clone())
                            .push_bind(tool.pin.to_string())
                            .push_bind(tool.definition.to_string())
                            .push_bind(ms(now));
                    })
                    .build()
                    .persistent(false)
                    .execute(&mut *tx)
                    .await
                    .map_err(db)?;
            }
            insert_audit!(&mut *tx, [audit]);
        });
        Ok(true)
    }

    /// Pins tools anew and unpins those in `removed`: all, or none if one is not what it was taken
    /// for. Requests that wait for an approval of what is not there any more are closed.
    pub async fn approve_tools(
        &self,
        server: ServerId,
        tools: Vec<ApprovedTool>,
        removed: Vec<String>,
        audit: &AuditEvent,
    ) -> Result<PinsPut, StoreError> {
        for tool in &tools {
            check_tool(&tool.tool, &tool.definition)?;
        }
        let now = self.now();
        let upsert = "INSERT INTO tool_pins (server_id, tool, pin, definition, looked_at, looked_by, setting, pinned_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (server_id, tool) DO UPDATE SET pin = excluded.pin, definition = excluded.definition, looked_at = COALESCE(excluded.looked_at, tool_pins.looked_at), looked_by = COALESCE(excluded.looked_by, tool_pins.looked_by), setting = excluded.setting, pinned_at = excluded.pinned_at";
        let closed = transaction!(self, tx => {
            // Whoever changes pins of the server comes here first, so what is read stays so.
            let sql = "UPDATE servers SET pinned_at = COALESCE(pinned_at, $2) WHERE id = $1";
            let found = sqlx::query(sql)
                .bind(server.to_string())
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if found.rows_affected() == 0 {
                return Ok(PinsPut::NoServer);
            }
            let pins: Vec<(String, String)> =
                sqlx::query_as("SELECT tool, pin FROM tool_pins WHERE server_id = $1")
                    .bind(server.to_string())
                    .fetch_all(&mut *tx)
                    .await
                    .map_err(db)?;
            if let Some(tool) = first_stale(&tools, &pins) {
                return Ok(PinsPut::Stale { tool });
            }
            let mut closed = Vec::new();
            for tool in tools {
                sqlx::query(upsert)
                    .bind(server.to_string())
                    .bind(tool.tool.clone())
                    .bind(tool.pin.to_string())
                    .bind(tool.definition.into_string())
                    .bind(tool.looked_by.as_ref().map(|_| ms(now)))
                    .bind(tool.looked_by.map(String::from))
                    .bind(tool.setting.map(Effect::as_str))
                    .bind(ms(now))
                    .execute(&mut *tx)
                    .await
                    .map_err(db)?;
                let (tool, but) = (tool.tool, Some(tool.pin));
                closed.extend(close_approvals!(tx, &ApprovalsOf::Tool { server, tool, but }, now));
            }
            for tool in removed {
                sqlx::query("DELETE FROM tool_pins WHERE server_id = $1 AND tool = $2")
                    .bind(server.to_string())
                    .bind(storable(&tool))
                    .execute(&mut *tx)
                    .await
                    .map_err(db)?;
                let of = ApprovalsOf::Tool { server, tool, but: None };
                closed.extend(close_approvals!(tx, &of, now));
            }
            insert_audit!(&mut *tx, [audit]);
            closed
        });
        Ok(PinsPut::Done { closed })
    }

    /// Keeps what a person says about tools, who has now looked at them: all, or none if one is not
    /// what that person has seen.
    pub async fn set_tool_settings(
        &self,
        server: ServerId,
        settings: Vec<ToolSetting>,
        by: &PrincipalName,
        audit: &AuditEvent,
    ) -> Result<PinsPut, StoreError> {
        let now = self.now();
        let sql = "UPDATE tool_pins SET setting = $4, looked_at = $5, looked_by = $6 WHERE server_id = $1 AND tool = $2 AND pin = $3";
        transaction!(self, tx => {
            let found: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM servers WHERE id = $1")
                .bind(server.to_string())
                .fetch_one(&mut *tx)
                .await
                .map_err(db)?;
            if found == 0 {
                return Ok(PinsPut::NoServer);
            }
            for it in settings {
                let tool = it.tool;
                let changed = sqlx::query(sql)
                    .bind(server.to_string())
                    .bind(storable(&tool))
                    .bind(it.expected.to_string())
                    .bind(it.setting.map(Effect::as_str))
                    .bind(ms(now))
                    .bind(by.as_str().to_owned())
                    .execute(&mut *tx)
                    .await
                    .map_err(db)?;
                if changed.rows_affected() == 0 {
                    return Ok(PinsPut::Stale { tool });
                }
            }
            insert_audit!(&mut *tx, [audit]);
        });
        Ok(PinsPut::Done { closed: Vec::new() })
    }
}

/// Whether a tool with this name and definition can be pinned. What cannot be stays what nobody has
/// agreed to.
pub fn is_pinnable(name: &str, definition: &str) -> bool {
    check_tool(name, definition).is_ok()
}

fn check_tool(name: &str, definition: &str) -> Result<(), StoreError> {
    check_key("a tool's name", name, TOOL_NAME_BYTES_MAX)?;
    check_size("a tool's definition", definition, DEFINITION_BYTES_MAX)
}

/// Returns the first tool that has another pin than expected.
fn first_stale(tools: &[ApprovedTool], pins: &[(String, String)]) -> Option<String> {
    let pins: BTreeMap<&str, &str> = pins
        .iter()
        .map(|(tool, pin)| (tool.as_str(), pin.as_str()))
        .collect();
    let stale = |it: &&ApprovedTool| {
        pins.get(it.tool.as_str()).copied() != it.expected.as_ref().map(ToolPin::as_str)
    };
    tools.iter().find(stale).map(|it| it.tool.clone())
}

row!(Row {
    server_id: String,
    tool: String,
    pin: String,
    definition: String,
    looked_at: Option<i64>,
    looked_by: Option<String>,
    setting: Option<String>,
    pinned_at: i64,
});

impl Row {
    fn into_pin(self) -> Result<StoredPin, StoreError> {
        let corrupt = corrupt("pinned tool of server", &self.server_id);
        let pin = || -> Result<StoredPin, Box<dyn std::error::Error + Send + Sync>> {
            Ok(StoredPin {
                info: PinInfo {
                    server: self.server_id.parse()?,
                    tool: self.tool,
                    pin: self.pin.parse()?,
                    looked_at: self.looked_at.map(time),
                    looked_by: self.looked_by.map(|it| it.parse()).transpose()?,
                    setting: self.setting.map(|it| it.parse()).transpose()?,
                    pinned_at: time(self.pinned_at),
                },
                definition: self.definition.into_boxed_str(),
            })
        };
        pin().map_err(corrupt)
    }
}
