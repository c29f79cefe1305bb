//! What people decide about calls, from the tool that is told to the call that is made or refused.

mod audit;
mod changes;
mod requests;

use std::time::Duration;

use domain::{Access, Caller, Effect, PrincipalName, ToolChanges};
use serde_json::{Value, json, value::RawValue};
use store::{ApprovalFilter, GrantScope, StoredApproval};

use super::{
    bed::{House, person, reach_out},
    bridge::Script,
};
use crate::{
    ApprovalDecision, ApprovalVerdict, Error, LookedAt, NewClient, NewRule, Parts, ToolReview,
    ToolTarget,
};

/// A program in which clients are told at once that they wait.
async fn house() -> House {
    House::set(impatient).await
}

fn impatient(parts: &mut Parts) {
    reach_out(parts);
    parts.gateway.approval_wait = Duration::ZERO;
}

fn tool(name: &str, description: &str) -> Value {
    json!({ "name": name, "description": description, "inputSchema": { "type": "object" } })
}

/// Makes a client's token and returns who it stands for.
async fn client(house: &House, name: &str) -> Caller {
    client_of(house, name, "owner").await.0
}

/// Returns the token's text, too.
async fn client_of(house: &House, name: &str, principal: &str) -> (Caller, String) {
    let new = NewClient {
        name: name.to_owned(),
        principal: principal.parse().unwrap(),
        access: Access::default(),
    };
    let orchestrator = &house.orchestrator;
    let created = orchestrator.create_token(new, &person()).await.unwrap();
    let text = created.text.into_exposed();
    let caller = orchestrator.caller_of_token(&text).await.unwrap();
    (caller.unwrap(), text)
}

fn someone(name: &str) -> Caller {
    Caller {
        principal: name.parse::<PrincipalName>().unwrap(),
        ..person()
    }
}

/// Calls a tool, `server/tool`, and returns the text of its answer, or why there is none.
async fn call(house: &House, by: &Caller, of: &str, arguments: &str) -> Result<String, String> {
    let (server, tool) = of.split_once('/').unwrap();
    let target = ToolTarget::Own {
        server: server.parse().unwrap(),
        tool: tool.to_owned(),
    };
    let arguments = RawValue::from_string(arguments.to_owned()).unwrap();
    let called = house.orchestrator.call_tool(by, target, Some(arguments));
    let outcome = called.await.map_err(|err| err.to_string())?;
    let result: Value = serde_json::from_str(outcome.result.get()).unwrap();
    Ok(result["content"][0]["text"].as_str().unwrap().to_owned())
}

/// Calls a tool that asks, and returns the request that is open then.
#[track_caller]
fn asks(said: Result<String, String>) {
    let said = said.unwrap_err();
    assert!(said.contains("is waiting for approval"), "{said}");
}

/// Returns the requests that can be decided, the oldest first.
async fn open(house: &House) -> Vec<StoredApproval> {
    let filter = ApprovalFilter {
        open_only: true,
        limit: 100,
        ..ApprovalFilter::default()
    };
    let mut open = house.shared().store.approvals(&filter).await.unwrap();
    open.reverse();
    open
}

/// Returns the only request that can be decided.
async fn the_open(house: &House) -> StoredApproval {
    let mut open = open(house).await;
    assert_eq!(open.len(), 1, "{open:?}");
    open.remove(0)
}

async fn approve(
    house: &House,
    approval: &StoredApproval,
    scope: GrantScope,
    by: &Caller,
) -> Result<StoredApproval, Error> {
    let decision = ApprovalDecision {
        pin: approval.pin.clone(),
        verdict: ApprovalVerdict::Approve {
            scope,
            arguments: None,
        },
    };
    let orchestrator = &house.orchestrator;
    orchestrator
        .decide_approval(approval.id, decision, by)
        .await
}

async fn deny(
    house: &House,
    approval: &StoredApproval,
    reason: &str,
) -> Result<StoredApproval, Error> {
    let decision = ApprovalDecision {
        pin: approval.pin.clone(),
        verdict: ApprovalVerdict::Deny {
            reason: Some(reason.to_owned()),
        },
    };
    let orchestrator = &house.orchestrator;
    orchestrator
        .decide_approval(approval.id, decision, &person())
        .await
}

async fn review(house: &House, server: &str, tool: &str) -> ToolReview {
    let reviews = house.orchestrator.tool_reviews(server).await.unwrap();
    let found = reviews.into_iter().find(|it| it.name == tool);
    found.unwrap_or_else(|| panic!("server `{server}` has no tool `{tool}`"))
}

/// Looks at a tool as it is now, and sets what may be done with it.
async fn look(house: &House, server: &str, tool: &str, setting: Effect) {
    let looked_at = LookedAt {
        tool: tool.to_owned(),
        pin: review(house, server, tool).await.told.unwrap().pin,
        setting: Some(setting),
    };
    let orchestrator = &house.orchestrator;
    let by = person();
    let looked = orchestrator.look_at_tools(server, vec![looked_at], &by);
    looked.await.unwrap();
}

async fn set_changes(house: &House, server: &str, changes: ToolChanges) {
    let orchestrator = &house.orchestrator;
    let by = person();
    let set = orchestrator.set_tool_changes(server, changes, &by);
    set.await.unwrap();
}

fn rule(server: Option<&str>, tool: &str, effect: Effect) -> NewRule {
    NewRule {
        server: server.map(ToOwned::to_owned),
        tool: tool.parse().unwrap(),
        effect,
    }
}

/// Ends the program and starts it anew on the same data.
async fn restart(house: House) -> House {
    house.restart_as(Script::default(), impatient).await
}
