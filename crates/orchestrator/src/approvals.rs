//! Requests for a person's approval: opened by the gateway, decided about by people.
//!
//! A request is a row in the store, so that it outlives the program; who waits for it is in memory. A
//! decision writes the request's end and the permission that comes of it in one transaction, and then
//! wakes who waits, who asks again and finds the permission.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    ApprovalId, Caller, CallerKind, ChatId, GrantId, PrincipalName, ServerSlug, Timestamp, TokenId,
    ToolPin, canonical_sha256, is_ambiguous,
};
use gateway::{Approval, AskedCall, OpenApproval};
use serde_json::value::RawValue;
use store::{
    ApprovalFilter, ApprovalState, AuditEvent, Decided, Decision, GrantScope, NewApproval,
    NewGrant, OnceUse, StoredApproval,
};
use tokio::sync::{Notify, watch};

use crate::{Error, Event, Orchestrator, Shared, error_chain};

/// How often requests whose time is over are looked for, while there are any.
const SWEEP_PERIOD: Duration = Duration::from_secs(5);
/// How long requests that are closed, and permissions that are over, are kept.
const KEEP: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The most requests of one page.
const PAGE_MAX: u32 = 100;

/// A decision about a request.
#[derive(Debug)]
pub struct ApprovalDecision {
    /// The pin of the tool that the person has seen.
    pub pin: ToolPin,
    pub verdict: ApprovalVerdict,
}

#[derive(Debug)]
pub enum ApprovalVerdict {
    Approve {
        scope: GrantScope,
        /// What the call is to be made with instead; in a chat only.
        arguments: Option<Box<RawValue>>,
    },
    Deny {
        /// What the model is told.
        reason: Option<String>,
    },
}

/// A request, and the names of what it is about.
#[derive(Debug, Clone)]
pub struct ApprovalDetails {
    pub approval: StoredApproval,
    /// The name of the client that called.
    pub client: Option<String>,
    /// The tool as it was told when it was asked for, JSON; only where one request is looked at.
    pub definition: Option<Box<str>>,
}

/// Who waits for decisions.
#[derive(Default)]
pub(crate) struct Waiters {
    by_id: Mutex<HashMap<ApprovalId, watch::Sender<Option<gateway::Verdict>>>>,
    /// Rung when a request is opened.
    bell: Notify,
}

impl Waiters {
    /// Returns what tells of the end of a request.
    fn watch(&self, id: ApprovalId) -> watch::Receiver<Option<gateway::Verdict>> {
        let mut by_id = self.lock();
        // Those that nobody waits for any more are dropped here, so that there are as many as calls.
        by_id.retain(|_, it| 0 < it.receiver_count());
        by_id.entry(id).or_default().subscribe()
    }

    fn end(&self, id: ApprovalId, verdict: &gateway::Verdict) {
        if let Some(sender) = self.lock().remove(&id) {
            sender.send_replace(Some(verdict.clone()));
        }
    }

    /// Tells those who wait, and people, that requests were closed without a decision.
    pub(crate) async fn close(&self, shared: &Arc<Shared>, ids: &[ApprovalId]) {
        for id in ids {
            self.end(*id, &gateway::Verdict::Closed);
            match shared.store.approval(*id).await {
                Ok(Some(approval)) => {
                    tell_closed(shared, &approval);
                    crate::runs::decided(shared, approval.chat).await;
                }
                Ok(None) => {}
                Err(err) => tracing::warn!(
                    error = &err as &dyn std::error::Error,
                    approval.id = %id,
                    "The end of a request for approval is not told"
                ),
            }
        }
    }

    fn lock(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<ApprovalId, watch::Sender<Option<gateway::Verdict>>>>
    {
        let by_id = self.by_id.lock();
        by_id.expect("no code panics while it holds the lock")
    }
}

/// Asks people for the gateway.
pub(crate) struct GatewayApprovals {
    /// Not an owner: the gateway is part of what this points to.
    shared: Weak<Shared>,
}

impl GatewayApprovals {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::downgrade(shared),
        }
    }
}

#[async_trait]
impl gateway::Approvals for GatewayApprovals {
    async fn ask(&self, call: &AskedCall<'_>) -> Result<Approval, String> {
        let shared = self.shared.upgrade();
        let shared = shared.ok_or("the program is shutting down")?;
        ask(&shared, call).await.map_err(|err| match &err {
            Error::Internal(_) => error_chain(&err),
            _ => err.to_string(),
        })
    }

    fn tools_address(&self, server: &ServerSlug) -> String {
        match self.shared.upgrade() {
            Some(shared) => format!("{}/servers/{server}", shared.address()),
            None => String::new(),
        }
    }
}

async fn ask(shared: &Arc<Shared>, call: &AskedCall<'_>) -> Result<Approval, Error> {
    let sha256 = canonical_sha256(call.arguments);
    let now = shared.now();
    let caller = call.caller;
    // A client that names a chat is not the model in it.
    let chat = caller.chat.filter(|_| caller.kind == CallerKind::Chat);
    let once = OnceUse {
        principal: &caller.principal,
        token: caller.token,
        chat,
        server: call.server,
        tool: call.tool,
        pin: call.pin,
        arguments_sha256: &sha256,
    };
    let used = shared.store.use_once_grant(&once, now).await;
    if let Some(grant) = used.map_err(Error::of_store)? {
        return Ok(Approval::Granted(grant));
    }
    let new = NewApproval {
        id: ApprovalId::from_uuid(uuid::Uuid::now_v7()),
        principal: caller.principal.clone(),
        token: caller.token,
        chat,
        server: call.server,
        server_slug: call.slug.to_string(),
        tool: call.tool.to_owned(),
        pin: call.pin.clone(),
        definition: call.definition.get().into(),
        why: call.why.to_text().to_owned(),
        arguments: call.arguments.get().into(),
        arguments_sha256: sha256,
        // A chat waits for as long as it takes.
        expires_at: chat
            .is_none()
            .then(|| shared.later(shared.settings.approval_open)),
    };
    let audit = AuditEvent {
        principal: Some(caller.principal.clone()),
        token: caller.token,
        chat: caller.chat,
        server: Some(call.server),
        server_slug: Some(call.slug.to_string()),
        tool: Some(call.tool.to_owned()),
        pin: Some(call.pin.to_string()),
        decision: Some("asked".into()),
        basis: Some(call.why.to_basis().into()),
        detail: Some(serde_json::json!({ "approval": new.id, "why": new.why })),
        ..AuditEvent::new(now, "approval.ask")
    };
    let opened = shared.store.open_approval(&new, &audit).await;
    let (approval, is_new) = opened.map_err(Error::of_store)?;
    let ended = shared.approvals.watch(approval.id);
    if is_new {
        tell_opened(shared, &approval).await;
        shared.approvals.bell.notify_one();
    }
    // It may have been decided about before anybody watched.
    let current = shared.store.approval(approval.id).await;
    if let Some(verdict) = current.map_err(Error::of_store)?.and_then(verdict_of) {
        shared.approvals.end(approval.id, &verdict);
    }
    Ok(Approval::Open(OpenApproval {
        id: approval.id,
        address: format!("{}/approvals/{}", shared.address(), approval.id),
        closed: Box::pin(wait(ended)),
    }))
}

async fn wait(mut ended: watch::Receiver<Option<gateway::Verdict>>) -> gateway::Verdict {
    match ended.wait_for(Option::is_some).await {
        Ok(verdict) => verdict.clone().unwrap_or(gateway::Verdict::Closed),
        // The program is ending.
        Err(_dropped) => gateway::Verdict::Closed,
    }
}

fn verdict_of(approval: StoredApproval) -> Option<gateway::Verdict> {
    match approval.state {
        ApprovalState::Open => None,
        ApprovalState::Approved => Some(gateway::Verdict::Approved),
        ApprovalState::Denied => Some(gateway::Verdict::Denied {
            reason: approval.reason,
        }),
        ApprovalState::Expired | ApprovalState::Stale | ApprovalState::Withdrawn => {
            Some(gateway::Verdict::Closed)
        }
    }
}

async fn tell_opened(shared: &Shared, approval: &StoredApproval) {
    let event = Event::ApprovalOpened {
        id: approval.id,
        server: ServerSlug::new(&approval.server_slug).unwrap_or_else(|_| ServerSlug::built_in()),
        tool: approval.tool.clone(),
        client: client_name(shared, approval.token).await,
        chat: approval.chat,
        created_at: approval.created_at,
        expires_at: approval.expires_at,
    };
    tell(shared, &approval.principal, event);
}

fn tell_closed(shared: &Shared, approval: &StoredApproval) {
    let event = Event::ApprovalClosed {
        id: approval.id,
        state: approval.state.as_str(),
    };
    tell(shared, &approval.principal, event);
}

/// Tells a principal, and who looks after the program.
pub(crate) fn tell(shared: &Shared, principal: &PrincipalName, event: Event) {
    let owner = PrincipalName::owner();
    if *principal != owner {
        shared.events.publish_to(&owner, event.clone());
    }
    shared.events.publish_to(principal, event);
}

/// Returns a client's name, for people.
pub(crate) async fn client_name(shared: &Shared, token: Option<TokenId>) -> Option<String> {
    let token = token?;
    let tokens = shared.store.tokens().await.ok()?;
    let found = tokens.into_iter().find(|it| it.id == token);
    found.map(|it| it.name)
}

impl Orchestrator {
    /// Returns a page of requests that `by` may decide about, the newest first.
    pub async fn approvals(
        &self,
        by: &Caller,
        open_only: bool,
        chat: Option<ChatId>,
        before: Option<(Timestamp, ApprovalId)>,
        limit: u32,
    ) -> Result<Vec<ApprovalDetails>, Error> {
        let filter = ApprovalFilter {
            principal: whose(by),
            chat,
            open_only,
            before,
            limit: limit.min(PAGE_MAX),
        };
        let found = self.shared.store.approvals(&filter).await;
        let found = found.map_err(Error::of_store)?;
        let tokens = self.shared.store.tokens().await.map_err(Error::of_store)?;
        let name = |id: TokenId| {
            tokens
                .iter()
                .find(|it| it.id == id)
                .map(|it| it.name.clone())
        };
        let details = found.into_iter().map(|approval| ApprovalDetails {
            client: approval.token.and_then(name),
            approval,
            definition: None,
        });
        Ok(details.collect())
    }

    /// Returns one request, with the tool's definition.
    pub async fn approval(&self, id: ApprovalId, by: &Caller) -> Result<ApprovalDetails, Error> {
        let approval = self.approval_row(id, by).await?;
        let definition = self.shared.store.approval_definition(id).await;
        Ok(ApprovalDetails {
            client: client_name(&self.shared, approval.token).await,
            definition: definition.map_err(Error::of_store)?,
            approval,
        })
    }

    async fn approval_row(&self, id: ApprovalId, by: &Caller) -> Result<StoredApproval, Error> {
        let found = self.shared.store.approval(id).await;
        let found = found.map_err(Error::of_store)?;
        let theirs = found.filter(|it| whose(by).is_none_or(|name| name == it.principal));
        theirs.ok_or_else(|| Error::not_found(format!("request for approval `{id}`")))
    }

    /// Decides about a request. What it permits is written down before it takes effect.
    pub async fn decide_approval(
        &self,
        id: ApprovalId,
        decision: ApprovalDecision,
        by: &Caller,
    ) -> Result<StoredApproval, Error> {
        let (this, by) = (self.clone(), by.clone());
        self.to_its_end(async move { this.decide_approval_now(id, decision, &by).await })
            .await
    }

    async fn decide_approval_now(
        &self,
        id: ApprovalId,
        decision: ApprovalDecision,
        by: &Caller,
    ) -> Result<StoredApproval, Error> {
        let shared = &self.shared;
        let approval = self.approval_row(id, by).await?;
        let grant = match &decision.verdict {
            ApprovalVerdict::Approve { scope, arguments } => {
                let arguments = arguments.as_deref();
                Some(new_grant(shared, &approval, *scope, arguments, by)?)
            }
            ApprovalVerdict::Deny { .. } => None,
        };
        let stored = Decision {
            by: by.principal.clone(),
            verdict: match decision.verdict {
                ApprovalVerdict::Approve { scope, arguments } => store::Verdict::Approve {
                    scope,
                    edited_arguments: arguments.map(|it| it.get().into()),
                },
                ApprovalVerdict::Deny { reason } => store::Verdict::Deny { reason },
            },
            pin: decision.pin,
        };
        let audit = self.decision_events(&approval, &stored, grant.as_ref(), by);
        let now = shared.now();
        let decided = shared
            .store
            .decide_approval(id, &stored, grant.as_ref(), now, &audit);
        let approval = match decided.await.map_err(Error::of_store)? {
            Decided::Done(approval) => *approval,
            other => return Err(not_decided(id, other)),
        };
        if let Some(grant) = grant {
            shared.begin_grant(&grant);
        }
        if let Some(verdict) = verdict_of(approval.clone()) {
            shared.approvals.end(id, &verdict);
        }
        tell_closed(shared, &approval);
        crate::runs::decided(shared, approval.chat).await;
        Ok(approval)
    }

    fn decision_events(
        &self,
        approval: &StoredApproval,
        decision: &Decision,
        grant: Option<&NewGrant>,
        by: &Caller,
    ) -> Vec<AuditEvent> {
        let event = |kind: &'static str, detail: serde_json::Value| AuditEvent {
            chat: approval.chat,
            server: Some(approval.server),
            server_slug: Some(approval.server_slug.clone()),
            tool: Some(approval.tool.clone()),
            pin: Some(approval.pin.to_string()),
            detail: Some(detail),
            ..self.event(kind, by)
        };
        let (kind, detail) = match &decision.verdict {
            store::Verdict::Approve {
                scope,
                edited_arguments,
            } => (
                "approval.approve",
                serde_json::json!({
                    "approval": approval.id,
                    "scope": scope.as_str(),
                    "edited": edited_arguments.is_some(),
                    "for_principal": approval.principal,
                    "for_token": approval.token,
                }),
            ),
            store::Verdict::Deny { reason } => (
                "approval.deny",
                serde_json::json!({
                    "approval": approval.id,
                    "reason": reason,
                    "for_principal": approval.principal,
                    "for_token": approval.token,
                }),
            ),
        };
        let mut events = vec![event(kind, detail)];
        if let Some(grant) = grant {
            let scope = grant.scope.as_str();
            let detail = serde_json::json!({ "grant": grant.id, "scope": scope });
            events.push(event("grant.give", detail));
        }
        events
    }
}

/// Whose requests and permissions one may see; `None` is everybody's, for who looks after the
/// program.
pub(crate) fn whose(by: &Caller) -> Option<PrincipalName> {
    let is_owner = by.principal == PrincipalName::owner();
    (!is_owner).then(|| by.principal.clone())
}

/// Makes the permission that an approval gives.
fn new_grant(
    shared: &Shared,
    approval: &StoredApproval,
    scope: GrantScope,
    arguments: Option<&RawValue>,
    by: &Caller,
) -> Result<NewGrant, Error> {
    match scope {
        GrantScope::Chat if approval.chat.is_none() => {
            return Err(Error::invalid("this call was not made in a chat"));
        }
        GrantScope::Client if approval.token.is_none() => {
            return Err(Error::invalid("this call was not made by a client"));
        }
        _ => {}
    }
    let is_once = scope == GrantScope::Once;
    let sha256 = match arguments {
        None => approval.arguments_sha256.clone(),
        Some(_) if approval.chat.is_none() => {
            return Err(Error::invalid_with(
                "a client's call cannot be made with other arguments",
                "deny it with a reason, and the client's model can call again",
            ));
        }
        Some(_) if !is_once => {
            return Err(Error::invalid("only one call can be given other arguments"));
        }
        Some(arguments) if !arguments.get().starts_with('{') || is_ambiguous(arguments) => {
            return Err(Error::invalid(
                "`arguments` must be an object in which no key stands twice",
            ));
        }
        Some(arguments) => canonical_sha256(arguments),
    };
    let is_for = |it: GrantScope| is_once || scope == it;
    Ok(NewGrant {
        id: GrantId::from_uuid(uuid::Uuid::now_v7()),
        principal: approval.principal.clone(),
        scope,
        token: approval.token.filter(|_| is_for(GrantScope::Client)),
        chat: approval.chat.filter(|_| is_for(GrantScope::Chat)),
        server: approval.server,
        tool: approval.tool.clone(),
        pin: approval.pin.clone(),
        arguments_sha256: is_once.then_some(sha256),
        approval: Some(approval.id),
        created_by: by.principal.clone(),
        expires_at: (is_once && approval.chat.is_none())
            .then(|| shared.later(shared.settings.approval_open)),
    })
}

fn not_decided(id: ApprovalId, decided: Decided) -> Error {
    match decided {
        Decided::Already { state, by, .. } => {
            let by = by.map(|it| format!(" by `{it}`")).unwrap_or_default();
            let reason = format!("this request was {}{by} before", state.as_str());
            Error::AlreadyDecided { reason }
        }
        Decided::Expired => Error::Expired {
            reason: "this came too late: the request was open for as long as the client could wait; it has to call again".to_owned(),
        },
        Decided::Stale => Error::Stale {
            reason: "the tool is not what it was when the request was made, so nothing was decided; look at its change first".to_owned(),
        },
        Decided::Withdrawn => Error::Withdrawn {
            reason: "who asked is gone, or the server is, so nothing was decided".to_owned(),
        },
        Decided::NotFound | Decided::Done(_) => {
            Error::not_found(format!("request for approval `{id}`"))
        }
    }
}

/// Closes requests whose time is over, and deletes what is old, until the shutdown.
pub(crate) async fn keep_bounded(shared: Arc<Shared>) {
    let shutdown = shared.shutdown.clone();
    let work = async {
        loop {
            let has_open = sweep(&shared).await.unwrap_or_else(|err| {
                tracing::warn!(
                    error = &err as &dyn std::error::Error,
                    "Requests for approval whose time is over not closed"
                );
                true
            });
            match has_open {
                true => tokio::time::sleep(SWEEP_PERIOD).await,
                false => shared.approvals.bell.notified().await,
            }
        }
    };
    shutdown.run_until_cancelled(work).await;
}

/// Returns whether there are requests that will end by time.
async fn sweep(shared: &Arc<Shared>) -> Result<bool, Error> {
    let now = shared.now();
    let expired = shared.store.expire_approvals(now).await;
    shared
        .approvals
        .close(shared, &expired.map_err(Error::of_store)?)
        .await;
    let keep = u64::try_from(KEEP.as_millis()).unwrap_or(u64::MAX);
    let before = Timestamp {
        unix_ms: now.unix_ms.saturating_sub(keep),
    };
    let pruned = shared.store.prune_approvals(before).await;
    pruned.map_err(Error::of_store)?;
    let pruned = shared.store.prune_grants(before).await;
    pruned.map_err(Error::of_store)?;
    let filter = ApprovalFilter {
        open_only: true,
        limit: PAGE_MAX,
        ..ApprovalFilter::default()
    };
    let open = shared
        .store
        .approvals(&filter)
        .await
        .map_err(Error::of_store)?;
    let is_full = open.len() == PAGE_MAX as usize;
    Ok(is_full || open.iter().any(|it| it.expires_at.is_some()))
}
