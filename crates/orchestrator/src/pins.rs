//! What servers' tools were when somebody agreed to them, and what is done when they are another.

use std::{collections::BTreeMap, sync::Arc};

use domain::{Effect, ServerId, ToolChanges, ToolPin};
use gateway::{PinnedTool, ServerLists, ServerPins};
use mcp::{Object, object::elements};
use serde_json::value::RawValue;
use store::{ApprovalsOf, ApprovedTool, AuditEvent, NewPin, PinInfo, PinsPut};

use crate::{Error, Shared};

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
    let is_gone = |it: &&PinInfo| told.iter().all(|told| told.name != it.tool);
    let removed = pinned.iter().filter(is_gone);
    let removed: Vec<String> = removed.map(|it| it.tool.clone()).collect();
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
        let names: Vec<&str> = told.iter().map(|it| it.name.as_str()).collect();
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
            let names: Vec<&str> = approved.iter().map(|it| it.tool.as_str()).collect();
            let detail = serde_json::json!({ "tools": names, "removed": removed });
            let audit = event("tools.follow", detail);
            let put = shared
                .store
                .approve_tools(server, approved, removed, &audit);
            if let PinsPut::Done { closed } = put.await.map_err(Error::of_store)? {
                shared.approvals.close(shared, &closed).await;
            }
        }
        PinPlan::Keep { quarantined } => {
            let detail = serde_json::json!({ "tools": quarantined });
            shared.audit.push(event("tools.changed", detail)).await;
            // Nobody can decide any more about calls of what the tool was.
            for tool in told.into_iter().filter(|it| quarantined.contains(&it.name)) {
                let of = ApprovalsOf::Tool {
                    server,
                    tool: tool.name,
                    but: Some(tool.pin),
                };
                let closed = shared.store.close_approvals(&of, shared.now()).await;
                let closed = closed.map_err(Error::of_store)?;
                shared.approvals.close(shared, &closed).await;
            }
        }
    }
    pins_of(shared, server, changes).await
}

/// Returns what people have agreed to of a server's tools.
pub(crate) async fn pins_of(
    shared: &Shared,
    server: ServerId,
    changes: ToolChanges,
) -> Result<Arc<ServerPins>, Error> {
    let pins = shared
        .store
        .pins_of(server)
        .await
        .map_err(Error::of_store)?;
    Ok(server_pins(changes, pins.into_iter().map(|it| it.info)))
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
