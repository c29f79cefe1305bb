//! What people have decided about tools for good: rules, permissions, and what they have looked at.

use std::collections::{HashMap, VecDeque};

use domain::{
    Caller, Effect, GrantId, PolicyRule, RuleId, ServerId, Standing, Timestamp, TokenId,
    ToolChanges, ToolGlob, ToolPin, canonical_sha256,
};
use gateway::{Grant, ListKind};
use mcp::Object;
use serde_json::value::RawValue;
use store::{ApprovedTool, AuditEvent, GrantFilter, GrantScope, NewGrant, PinsPut, StoredGrant};

use crate::{
    Error, Event, Orchestrator, Shared,
    approvals::{tell, whose},
    pins,
};

/// The most permissions of one page.
const PAGE_MAX: u32 = 1_000;

/// A rule that a person makes.
#[derive(Debug, Clone)]
pub struct NewRule {
    /// A server's slug or identifier; `None` is all of them.
    pub server: Option<String>,
    pub tool: ToolGlob,
    pub effect: Effect,
}

/// A permission, and the names of what it is about.
#[derive(Debug, Clone)]
pub struct GrantDetails {
    pub grant: StoredGrant,
    pub server_slug: Option<String>,
    /// The name of the client that it is for.
    pub client: Option<String>,
    /// Whether it still lets calls pass: it is neither used up, nor revoked, nor over.
    pub is_active: bool,
}

/// A tool of a server, as a person looks at it.
#[derive(Debug, Clone)]
pub struct ToolReview {
    /// The server's own name for it.
    pub name: String,
    pub state: ToolState,
    /// As the server tells it now; `None` where it is gone.
    pub told: Option<ToldDefinition>,
    /// As it is pinned.
    pub pinned: Option<PinnedDefinition>,
    /// The name of the tool that is gone and was the same in all but its name.
    pub renamed_from: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolState {
    /// It is what is pinned.
    Pinned,
    Changed,
    Added,
    /// It is pinned, and the server does not tell it any more.
    Gone,
}

#[derive(Debug, Clone)]
pub struct ToldDefinition {
    pub advertised: String,
    pub pin: ToolPin,
    /// JSON, as the server sent it.
    pub definition: Box<str>,
    /// The server's claim.
    pub is_read_only: bool,
}

#[derive(Debug, Clone)]
pub struct PinnedDefinition {
    pub pin: ToolPin,
    pub definition: Box<str>,
    pub looked_at: Option<Timestamp>,
    pub looked_by: Option<domain::PrincipalName>,
    pub setting: Option<Effect>,
}

/// What a person says of one tool that they have looked at.
#[derive(Debug, Clone)]
pub struct LookedAt {
    pub tool: String,
    /// The pin of what the person has seen.
    pub pin: ToolPin,
    /// `None` takes what is proposed: allow for what only reads, else ask.
    pub setting: Option<Effect>,
}

impl Shared {
    /// Makes a permission hold that is in the store.
    pub(crate) fn begin_grant(&self, grant: &NewGrant) {
        let scope = live_scope(grant.scope, grant.token, grant.chat);
        if let Some(scope) = scope {
            self.gateway().put_grant(Grant {
                id: grant.id,
                principal: grant.principal.clone(),
                scope,
                server: grant.server,
                tool: grant.tool.clone(),
                pin: grant.pin.clone(),
            });
            let event = Event::GrantChanged {
                id: grant.id,
                revoked: false,
            };
            tell(self, &grant.principal, event);
        }
    }
}

/// Returns whose calls a stored permission covers; `None` for those that are used up by one call,
/// which are only in the store.
fn live_scope(
    scope: GrantScope,
    token: Option<TokenId>,
    chat: Option<domain::ChatId>,
) -> Option<gateway::GrantScope> {
    match scope {
        GrantScope::Once => None,
        GrantScope::Chat => chat.map(gateway::GrantScope::Chat),
        GrantScope::Client => token.map(gateway::GrantScope::Client),
        GrantScope::Everywhere => Some(gateway::GrantScope::Everywhere),
    }
}

/// Hands the gateway the rules and permissions that there are, before anybody calls.
pub(crate) async fn load(shared: &Shared) -> Result<(), Error> {
    let rules = shared.store.rules().await.map_err(Error::of_store)?;
    shared.gateway().set_rules(rules);
    let grants = shared
        .store
        .active_grants()
        .await
        .map_err(Error::of_store)?;
    let grants = grants.into_iter().filter_map(|it| {
        Some(Grant {
            id: it.id,
            scope: live_scope(it.scope, it.token, it.chat)?,
            principal: it.principal,
            server: it.server,
            tool: it.tool,
            pin: it.pin,
        })
    });
    shared.gateway().set_grants(grants.collect());
    Ok(())
}

impl Orchestrator {
    /// Returns all rules, in the order in which they were made.
    pub async fn rules(&self) -> Result<Vec<PolicyRule>, Error> {
        self.shared.store.rules().await.map_err(Error::of_store)
    }

    /// Makes a rule. It holds for the next call.
    pub async fn add_rule(&self, rule: NewRule, by: &Caller) -> Result<PolicyRule, Error> {
        let (this, by) = (self.clone(), by.clone());
        self.to_its_end(async move {
            let _one_at_a_time = this.shared.changing.lock().await;
            let server = match &rule.server {
                Some(name) => Some(this.server_id(name)?),
                None => None,
            };
            let rule = PolicyRule {
                id: RuleId::from_uuid(uuid::Uuid::now_v7()),
                server,
                tool: rule.tool,
                effect: rule.effect,
                created_by: by.principal.clone(),
                created_at: this.shared.now(),
            };
            let audit = AuditEvent {
                server,
                detail: Some(serde_json::json!({
                    "rule": rule.id, "tool": rule.tool, "effect": rule.effect,
                })),
                ..this.event("rule.add", &by)
            };
            let added = this.shared.store.add_rule(&rule, &audit).await;
            if !added.map_err(Error::of_store)? {
                return Err(Error::not_found("server"));
            }
            this.rules_changed().await?;
            Ok(rule)
        })
        .await
    }

    /// Removes a rule. What it has denied may be allowed by others from then on.
    pub async fn remove_rule(&self, id: RuleId, by: &Caller) -> Result<(), Error> {
        let (this, by) = (self.clone(), by.clone());
        self.to_its_end(async move {
            let _one_at_a_time = this.shared.changing.lock().await;
            let audit = AuditEvent {
                detail: Some(serde_json::json!({ "rule": id })),
                ..this.event("rule.remove", &by)
            };
            let removed = this.shared.store.remove_rule(id, &audit).await;
            if !removed.map_err(Error::of_store)? {
                return Err(Error::not_found(format!("rule `{id}`")));
            }
            this.rules_changed().await
        })
        .await
    }

    async fn rules_changed(&self) -> Result<(), Error> {
        let rules = self.rules().await?;
        self.gateway().set_rules(rules);
        self.shared.events.publish(Event::PolicyChanged);
        // They may have fewer tools for people to see, or more.
        for id in self.shared.directory.rows().keys() {
            self.shared.news.note(*id);
        }
        Ok(())
    }

    /// Returns a page of permissions that `by` may revoke, the newest first.
    pub async fn grants(
        &self,
        by: &Caller,
        active_only: bool,
        before: Option<(Timestamp, GrantId)>,
        limit: u32,
    ) -> Result<Vec<GrantDetails>, Error> {
        let filter = GrantFilter {
            principal: whose(by),
            active_only,
            before,
            limit: limit.min(PAGE_MAX),
        };
        let found = self.shared.store.grants(&filter).await;
        let tokens = self.tokens().await?;
        let name = |id: TokenId| {
            let token = tokens.iter().find(|it| it.id == id);
            token.map(|it| it.name.clone())
        };
        let now = self.shared.now();
        let grants = found.map_err(Error::of_store)?.into_iter();
        let details = grants.map(|grant| GrantDetails {
            server_slug: self.slug_of(grant.server),
            client: grant.token.and_then(name),
            is_active: grant.used_at.is_none()
                && grant.revoked_at.is_none()
                && grant.expires_at.is_none_or(|it| now < it),
            grant,
        });
        Ok(details.collect())
    }

    /// Takes a permission back. Calls that it has let pass go on.
    pub async fn revoke_grant(&self, id: GrantId, by: &Caller) -> Result<(), Error> {
        let (this, by) = (self.clone(), by.clone());
        self.to_its_end(async move {
            let none = || Error::not_found(format!("permission `{id}` that still holds"));
            let store = &this.shared.store;
            let grant = store.grant(id).await.map_err(Error::of_store)?;
            let grant = grant.ok_or_else(none)?;
            let audit = AuditEvent {
                chat: grant.chat,
                server: Some(grant.server),
                server_slug: this.slug_of(grant.server),
                tool: Some(grant.tool),
                pin: Some(grant.pin.to_string()),
                detail: Some(serde_json::json!({
                    "grant": id, "scope": grant.scope.as_str(), "for_principal": grant.principal,
                    "for_token": grant.token,
                })),
                ..this.event("grant.revoke", &by)
            };
            let principal = whose(&by);
            let now = this.shared.now();
            let revoked = store.revoke_grant(id, principal.as_ref(), now, &audit);
            if !revoked.await.map_err(Error::of_store)? {
                return Err(none());
            }
            this.gateway().remove_grant(id);
            let event = Event::GrantChanged { id, revoked: true };
            tell(&this.shared, &grant.principal, event);
            Ok(())
        })
        .await
    }

    /// Returns all tools of a server as a person looks at them: what they are, what is pinned, and
    /// what is not the same.
    pub async fn tool_reviews(&self, name_or_id: &str) -> Result<Vec<ToolReview>, Error> {
        let id = self.server_id(name_or_id)?;
        let pinned = self
            .shared
            .store
            .pins_of(id)
            .await
            .map_err(Error::of_store)?;
        let mut reviews: Vec<ToolReview> = Vec::new();
        for tool in self.gateway().tools_of(id) {
            let pinned = pinned.iter().find(|it| it.info.tool == tool.name);
            reviews.push(ToolReview {
                state: match tool.standing {
                    Standing::Pinned { .. } => ToolState::Pinned,
                    Standing::Changed => ToolState::Changed,
                    Standing::Added => ToolState::Added,
                },
                told: Some(ToldDefinition {
                    advertised: tool.advertised,
                    pin: tool.pin,
                    definition: tool.definition.get().into(),
                    is_read_only: tool.is_read_only,
                }),
                pinned: pinned.map(pinned_definition),
                renamed_from: None,
                name: tool.name,
            });
        }
        let is_gone =
            |it: &&store::StoredPin| reviews.iter().all(|known| known.name != it.info.tool);
        let gone: Vec<ToolReview> = pinned
            .iter()
            .filter(is_gone)
            .map(|it| ToolReview {
                name: it.info.tool.clone(),
                state: ToolState::Gone,
                told: None,
                pinned: Some(pinned_definition(it)),
                renamed_from: None,
            })
            .collect();
        find_renamed(&mut reviews, &gone);
        reviews.extend(gone);
        Ok(reviews)
    }

    /// Notes that a person has looked at tools, agrees to what they are now, and sets what may be
    /// done with them: all, or none if one is not what the person has seen.
    pub async fn look_at_tools(
        &self,
        name_or_id: &str,
        looked_at: Vec<LookedAt>,
        by: &Caller,
    ) -> Result<(), Error> {
        let (this, by) = (self.clone(), by.clone());
        let name = name_or_id.to_owned();
        self.to_its_end(async move {
            let _one_at_a_time = this.shared.changing.lock().await;
            this.look_at_tools_now(&name, looked_at, &by).await
        })
        .await
    }

    async fn look_at_tools_now(
        &self,
        name_or_id: &str,
        looked_at: Vec<LookedAt>,
        by: &Caller,
    ) -> Result<(), Error> {
        let shared = &self.shared;
        let id = self.server_id(name_or_id)?;
        let reviews = self.tool_reviews(name_or_id).await?;
        let (mut approved, mut removed, mut audited) = (Vec::new(), Vec::new(), Vec::new());
        for looked in looked_at {
            let review = reviews.iter().find(|it| it.name == looked.tool);
            let told = review.and_then(|it| it.told.as_ref());
            let told = told.ok_or_else(|| {
                Error::not_found(format!("tool `{}` of server `{name_or_id}`", looked.tool))
            })?;
            if told.pin != looked.pin {
                return Err(stale(&looked.tool));
            }
            let setting = looked
                .setting
                .unwrap_or(pins::proposed_setting(told.is_read_only));
            audited.push(serde_json::json!({
                "tool": looked.tool, "pin": told.pin, "setting": setting,
            }));
            let pinned = review.and_then(|it| it.pinned.as_ref());
            removed.extend(review.and_then(|it| it.renamed_from.clone()));
            approved.push(ApprovedTool {
                tool: looked.tool,
                expected: pinned.map(|it| it.pin.clone()),
                pin: looked.pin,
                definition: told.definition.clone(),
                setting: Some(setting),
                looked_by: Some(by.principal.clone()),
            });
        }
        let audit = AuditEvent {
            server: Some(id),
            server_slug: self.slug_of(id),
            detail: Some(serde_json::json!({ "tools": audited, "removed": removed })),
            ..self.event("tools.look_at", by)
        };
        let put = shared
            .store
            .approve_tools(id, approved, removed, &audit)
            .await;
        match put.map_err(Error::of_store)? {
            PinsPut::Done { closed } => shared.approvals.close(shared, &closed).await,
            PinsPut::Stale { tool } => return Err(stale(&tool)),
            PinsPut::NoServer => return Err(Error::not_found("server")),
        }
        self.pins_changed(id).await
    }

    async fn pins_changed(&self, id: ServerId) -> Result<(), Error> {
        let changes = self.changes_of(id);
        let pins = pins::pins_of(&self.shared, id, changes).await?;
        self.gateway().set_pins(id, pins);
        self.shared.news.note(id);
        Ok(())
    }

    /// Sets what happens when a server's tools are others than those that are pinned. To follow takes
    /// up at once what has changed.
    pub async fn set_tool_changes(
        &self,
        name_or_id: &str,
        changes: ToolChanges,
        by: &Caller,
    ) -> Result<(), Error> {
        let (this, by) = (self.clone(), by.clone());
        let id = self.server_id(name_or_id)?;
        if id == ServerId::built_in() {
            return Err(Error::invalid(
                "tools of the built-in server come with the program, so their changes are followed",
            ));
        }
        self.to_its_end(async move {
            let _one_at_a_time = this.shared.changing.lock().await;
            let slug = this.slug_of(id);
            let audit = AuditEvent {
                server: Some(id),
                server_slug: slug.clone(),
                detail: Some(serde_json::json!({ "changes": changes })),
                ..this.event("server.tool_changes", &by)
            };
            let set = this
                .shared
                .store
                .set_tool_changes(id, changes, &audit)
                .await;
            if !set.map_err(Error::of_store)? {
                return Err(Error::not_found("server"));
            }
            crate::directory::sync(&this.shared).await?;
            if changes == ToolChanges::Follow {
                let lists = this.told_lists(id);
                let slug = slug.unwrap_or_default();
                pins::note_lists(&this.shared, id, &slug, changes, &lists).await?;
            }
            this.pins_changed(id).await
        })
        .await
    }

    /// Returns the tools that a server tells now, as a list.
    fn told_lists(&self, id: ServerId) -> gateway::ServerLists {
        let tools = self.gateway().tools_of(id);
        let definitions: Vec<&str> = tools.iter().map(|it| it.definition.get()).collect();
        let array = format!("[{}]", definitions.join(","));
        let mut lists = gateway::ServerLists::default();
        if let Ok(array) = RawValue::from_string(array) {
            lists.by_kind.insert(ListKind::Tools, array.into());
        }
        lists
    }

    /// Finds a server, the built-in one included, by its slug or identifier.
    pub(crate) fn server_id(&self, name_or_id: &str) -> Result<ServerId, Error> {
        match self.server_id_of_built_in(name_or_id) {
            Some(id) => Ok(id),
            None => Ok(self.find(name_or_id)?.stored.id),
        }
    }

    /// Returns the built-in server's identifier where that server is meant.
    pub(crate) fn server_id_of_built_in(&self, name_or_id: &str) -> Option<ServerId> {
        let id = ServerId::built_in();
        let is_meant = name_or_id == domain::ServerSlug::built_in().as_str()
            || name_or_id.parse().is_ok_and(|it: ServerId| it == id);
        is_meant.then_some(id)
    }

    /// Returns a server's slug; `None` where it is gone.
    pub fn slug_of(&self, id: ServerId) -> Option<String> {
        if id == ServerId::built_in() {
            return Some(domain::ServerSlug::built_in().to_string());
        }
        let row = self.shared.directory.row(id);
        row.map(|it| it.stored.slug.to_string())
    }

    /// Returns what happens when a server's tools are others than those that are pinned.
    pub fn tool_changes(&self, name_or_id: &str) -> Result<ToolChanges, Error> {
        Ok(self.changes_of(self.server_id(name_or_id)?))
    }

    /// Returns how many tools of a server wait for a person to look at them. Where nobody is to be
    /// bothered with changes, those are not among them.
    pub(crate) fn tools_waiting(&self, id: ServerId) -> usize {
        let is_told = self.changes_of(id) != ToolChanges::Block;
        let tools = self.gateway().tools_of(id);
        let waits = tools.iter().filter(|it| match it.standing {
            Standing::Pinned { looked_at } => !looked_at,
            Standing::Changed | Standing::Added => is_told,
        });
        waits.count()
    }

    fn changes_of(&self, id: ServerId) -> ToolChanges {
        let row = self.shared.directory.row(id);
        row.map_or(ToolChanges::Follow, |it| it.stored.tool_changes)
    }
}

fn stale(tool: &str) -> Error {
    Error::Stale {
        reason: format!(
            "tool `{tool}` is not what was looked at, so nothing was changed; look at it again"
        ),
    }
}

fn pinned_definition(pin: &store::StoredPin) -> PinnedDefinition {
    PinnedDefinition {
        pin: pin.info.pin.clone(),
        definition: pin.definition.clone(),
        looked_at: pin.info.looked_at,
        looked_by: pin.info.looked_by.clone(),
        setting: pin.info.setting,
    }
}

/// Finds, for tools that are new, those that are gone and were the same in all but their name. A
/// server can have thousands of either, so each definition is read once.
fn find_renamed(reviews: &mut [ToolReview], gone: &[ToolReview]) {
    let nameless = |definition: &str| -> Option<String> {
        let definition = RawValue::from_string(definition.to_owned()).ok()?;
        let mut object = Object::parse(&definition).ok()?;
        object.remove("name");
        Some(canonical_sha256(&object.to_raw()))
    };
    let mut former: HashMap<String, VecDeque<&str>> = HashMap::new();
    for review in gone {
        let pinned = review.pinned.as_ref();
        if let Some(rest) = pinned.and_then(|it| nameless(&it.definition)) {
            former.entry(rest).or_default().push_back(&review.name);
        }
    }
    for review in reviews.iter_mut().filter(|it| it.state == ToolState::Added) {
        let told = review.told.as_ref().and_then(|it| nameless(&it.definition));
        let same = told.and_then(|it| former.get_mut(&it));
        review.renamed_from = same.and_then(VecDeque::pop_front).map(str::to_owned);
    }
}

#[cfg(test)]
mod tests;
