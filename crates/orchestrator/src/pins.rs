//! What servers' tools were when somebody agreed to them, and what is done when they are another.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, atomic::Ordering},
};

use domain::{Effect, ServerId, Timestamp, ToolChanges, ToolPin};
use gateway::{PinnedTool, ServerLists, ServerPins};
use mcp::{Object, object::elements};
use serde_json::value::RawValue;
use store::{ApprovalsOf, ApprovedTool, AuditEvent, NewPin, PinInfo, PinsPut};

use crate::{Error, Shared};

/// Changes of one server that are written down at once, and how often one more is.
const NOTES_AT_ONCE: u64 = 20;
const NOTE_PERIOD_MS: u64 = 60_000;
/// Names of tools in one row of the audit.
const NAMES_MAX: usize = 100;

/// A tool as its server tells it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToldTool {
    pub(crate) name: String,
    pub(crate) pin: ToolPin,
    pub(crate) definition: Box<str>,
}

/// Returns the tools in a server's lists; of two with one name the first, as everywhere.
pub(crate) fn told(lists: &ServerLists) -> Vec<ToldTool> {
    let tools = lists.by_kind.get(&gateway::ListKind::Tools);
    let elements = tools.map_or(Vec::new(), |it| elements(it).unwrap_or_default());
    let mut all: BTreeMap<String, ToldTool> = BTreeMap::new();
    for definition in elements {
        if let Some(tool) = told_tool(definition) {
            all.entry(tool.name.clone()).or_insert(tool);
        }
    }
    all.into_values().collect()
}

fn told_tool(definition: &RawValue) -> Option<ToldTool> {
    Some(ToldTool {
        name: Object::parse(definition).ok()?.text("name")?,
        pin: ToolPin::of(definition),
        definition: definition.get().into(),
    })
}

/// What is to be done about a server's tools.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PinPlan {
    /// They are what is pinned.
    Nothing,
    /// They are pinned from now on, as they are.
    Follow {
        approved: Vec<ApprovedTool>,
        removed: Vec<String>,
    },
    /// These are kept away until somebody agrees to them.
    Keep { quarantined: Vec<String> },
}

/// Decides what is done about tools that are not what is pinned.
///
/// What a person has looked at or set is not forgotten when it is gone: a server could take a tool
/// away and bring it back without the denial. What cannot be pinned is never followed.
pub(crate) fn plan_pins(changes: ToolChanges, pinned: &[PinInfo], told: &[ToldTool]) -> PinPlan {
    let by_name: BTreeMap<&str, &PinInfo> =
        pinned.iter().map(|it| (it.tool.as_str(), it)).collect();
    let is_other = |it: &&ToldTool| {
        let pinned = by_name.get(it.name.as_str());
        pinned.is_none_or(|pinned| pinned.pin != it.pin)
    };
    let others: Vec<&ToldTool> = told.iter().filter(is_other).collect();
    if changes != ToolChanges::Follow {
        let names: Vec<String> = others.iter().map(|it| it.name.clone()).collect();
        return match names.is_empty() {
            true => PinPlan::Nothing,
            false => PinPlan::Keep { quarantined: names },
        };
    }
    let told_names: BTreeSet<&str> = told.iter().map(|it| it.name.as_str()).collect();
    let is_forgotten = |it: &&PinInfo| {
        let is_of_person = it.looked_at.is_some() || it.setting.is_some();
        !is_of_person && !told_names.contains(it.tool.as_str())
    };
    let removed = pinned.iter().filter(is_forgotten);
    let removed: Vec<String> = removed.map(|it| it.tool.clone()).collect();
    let is_fit = |it: &&ToldTool| store::is_pinnable(&it.name, &it.definition);
    let others: Vec<&ToldTool> = others.into_iter().filter(is_fit).collect();
    if others.is_empty() && removed.is_empty() {
        return PinPlan::Nothing;
    }
    let approved = others.into_iter().map(|it| {
        let former = by_name.get(it.name.as_str());
        ApprovedTool {
            tool: it.name.clone(),
            expected: former.map(|it| it.pin.clone()),
            pin: it.pin.clone(),
            definition: it.definition.clone(),
            setting: former.and_then(|it| it.setting),
            looked_by: None,
        }
    });
    PinPlan::Follow {
        approved: approved.collect(),
        removed,
    }
}

/// Takes note of what a server says of its tools now, and returns what people have agreed to. The
/// first list that is ever read is pinned as it is.
pub(crate) async fn note_lists(
    shared: &Arc<Shared>,
    server: ServerId,
    slug: &str,
    changes: ToolChanges,
    lists: &ServerLists,
) -> Result<Arc<ServerPins>, Error> {
    let told = told(lists);
    let event = |kind: &'static str, detail: serde_json::Value| AuditEvent {
        server: Some(server),
        server_slug: Some(slug.to_owned()),
        detail: Some(detail),
        ..AuditEvent::new(shared.now(), kind)
    };
    let pinned = shared
        .store
        .pins_of(server)
        .await
        .map_err(Error::of_store)?;
    let pinned: Vec<PinInfo> = pinned.into_iter().map(|it| it.info).collect();
    if pinned.is_empty() {
        let names = some_names(told.iter().map(|it| it.name.as_str()));
        let audit = event("tools.pin", serde_json::json!({ "tools": names }));
        let first = told.iter().map(|it| NewPin {
            tool: it.name.clone(),
            pin: it.pin.clone(),
            definition: it.definition.clone(),
        });
        let is_first = shared.store.pin_first(server, first.collect(), &audit);
        if is_first.await.map_err(Error::of_store)? {
            return pins_of(shared, server, changes).await;
        }
    }
    match plan_pins(changes, &pinned, &told) {
        PinPlan::Nothing => {}
        PinPlan::Follow { approved, removed } => {
            let names = approved.iter().map(|it| it.tool.as_str());
            let detail = serde_json::json!({
                "tools": some_names(names),
                "removed": some_names(removed.iter().map(String::as_str)),
            });
            let audit = event("tools.follow", detail);
            let put = shared
                .store
                .approve_tools(server, approved, removed, &audit);
            if let PinsPut::Done { closed } = put.await.map_err(Error::of_store)? {
                shared.approvals.close(shared, &closed).await;
            }
        }
        PinPlan::Keep { quarantined } => {
            if let Some(passed_over) = shared.change_notes.take(server, shared.now()) {
                let names = some_names(quarantined.iter().map(String::as_str));
                let mut detail = serde_json::json!({ "tools": names });
                if passed_over != 0 {
                    detail["changes_not_written"] = passed_over.into();
                }
                shared.audit.push(event("tools.changed", detail)).await;
            }
            close_stale(shared, server, &told).await?;
        }
    }
    pins_of(shared, server, changes).await
}

/// Closes the requests about what tools are not any more: nobody can decide about them.
async fn close_stale(
    shared: &Arc<Shared>,
    server: ServerId,
    told: &[ToldTool],
) -> Result<(), Error> {
    let asked = shared.store.tools_asked_for(server).await;
    let asked: BTreeSet<String> = asked.map_err(Error::of_store)?.into_iter().collect();
    for tool in told.iter().filter(|it| asked.contains(&it.name)) {
        let of = ApprovalsOf::Tool {
            server,
            tool: tool.name.clone(),
            but: Some(tool.pin.clone()),
        };
        let closed = shared.store.close_approvals(&of, shared.now()).await;
        let closed = closed.map_err(Error::of_store)?;
        shared.approvals.close(shared, &closed).await;
    }
    Ok(())
}

/// Returns as many names as a row of the audit has room for, and how many more there are.
fn some_names<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Vec<String> {
    let more = names.len().saturating_sub(NAMES_MAX);
    let mut some: Vec<String> = names.take(NAMES_MAX).map(str::to_owned).collect();
    if more != 0 {
        some.push(format!("… and {more} more"));
    }
    some
}

/// How many changes of each server may still be written down: a server that says something else each
/// time that it is asked would push everything else out of the audit.
#[derive(Default)]
pub(crate) struct ChangeNotes {
    by_server: Mutex<HashMap<ServerId, Allowance>>,
}

struct Allowance {
    left: u64,
    /// When the last one was added.
    since: Timestamp,
    passed_over: u64,
}

impl ChangeNotes {
    /// Returns how many changes were passed over before this one; `None` if this one is, too.
    fn take(&self, server: ServerId, now: Timestamp) -> Option<u64> {
        let mut by_server = self.by_server.lock();
        let by_server = by_server
            .as_mut()
            .expect("no code panics while it holds the lock");
        let allowance = by_server.entry(server).or_insert(Allowance {
            left: NOTES_AT_ONCE,
            since: now,
            passed_over: 0,
        });
        let more = now.unix_ms.saturating_sub(allowance.since.unix_ms) / NOTE_PERIOD_MS;
        if 0 < more || now < allowance.since {
            allowance.left = NOTES_AT_ONCE.min(allowance.left + more);
            allowance.since = now;
        }
        if allowance.left == 0 {
            allowance.passed_over += 1;
            return None;
        }
        allowance.left -= 1;
        Some(std::mem::take(&mut allowance.passed_over))
    }
}

/// Returns what people have agreed to of a server's tools.
pub(crate) async fn pins_of(
    shared: &Shared,
    server: ServerId,
    changes: ToolChanges,
) -> Result<Arc<ServerPins>, Error> {
    let looked_up = shared.pin_looks.fetch_add(1, Ordering::SeqCst) + 1;
    let pins = shared
        .store
        .pins_of(server)
        .await
        .map_err(Error::of_store)?;
    let pins = server_pins(changes, pins.into_iter().map(|it| it.info));
    Ok(Arc::new(ServerPins {
        looked_up,
        ..Arc::unwrap_or_clone(pins)
    }))
}

pub(crate) fn server_pins(
    changes: ToolChanges,
    pins: impl IntoIterator<Item = PinInfo>,
) -> Arc<ServerPins> {
    let tools = pins.into_iter().map(|it| {
        let pinned = PinnedTool {
            pin: it.pin,
            looked_at: it.looked_at.is_some(),
            setting: it.setting,
        };
        (it.tool, pinned)
    });
    Arc::new(ServerPins {
        changes,
        looked_up: 0,
        tools: tools.collect(),
    })
}

/// What a person proposes to set for a tool that is looked at for the first time: whoever only reads
/// may do so unasked. The server's claim is shown to the person, who decides.
pub(crate) fn proposed_setting(is_read_only: bool) -> Effect {
    match is_read_only {
        true => Effect::Allow,
        false => Effect::Ask,
    }
}

#[cfg(test)]
mod tests;
