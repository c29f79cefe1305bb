//! The permissions that stand, by the tool that they are for.

use std::collections::HashMap;

use domain::{Caller, CallerKind, ChatId, GrantId, PrincipalName, ServerId, TokenId, ToolPin};

/// A permission for one tool, as it was pinned when it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub id: GrantId,
    /// On whose behalf calls may be made.
    pub principal: PrincipalName,
    pub scope: GrantScope,
    pub server: ServerId,
    /// By the server's own name for it.
    pub tool: String,
    pub pin: ToolPin,
}

/// Whose calls a permission covers, of those on behalf of its principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantScope {
    /// Those of models in this chat.
    Chat(ChatId),
    /// Those of the client with this token.
    Client(TokenId),
    Everywhere,
}

#[derive(Debug, Default)]
pub(crate) struct Grants {
    by_server: HashMap<ServerId, HashMap<String, Vec<Grant>>>,
    places: HashMap<GrantId, (ServerId, String)>,
}

impl Grants {
    pub(crate) fn new(grants: impl IntoIterator<Item = Grant>) -> Self {
        let mut all = Self::default();
        for grant in grants {
            all.put(grant);
        }
        all
    }

    pub(crate) fn put(&mut self, grant: Grant) {
        self.remove(grant.id);
        let place = (grant.server, grant.tool.clone());
        self.places.insert(grant.id, place);
        let of_server = self.by_server.entry(grant.server).or_default();
        of_server.entry(grant.tool.clone()).or_default().push(grant);
    }

    pub(crate) fn remove(&mut self, id: GrantId) {
        let Some((server, tool)) = self.places.remove(&id) else {
            return;
        };
        let Some(of_server) = self.by_server.get_mut(&server) else {
            return;
        };
        if let Some(grants) = of_server.get_mut(&tool) {
            grants.retain(|it| it.id != id);
            if grants.is_empty() {
                of_server.remove(&tool);
            }
        }
        if of_server.is_empty() {
            self.by_server.remove(&server);
        }
    }

    /// Returns a permission that covers a call of `caller`.
    pub(crate) fn find(
        &self,
        caller: &Caller,
        server: ServerId,
        tool: &str,
        pin: &ToolPin,
    ) -> Option<GrantId> {
        let grants = self.by_server.get(&server)?.get(tool)?;
        let mut covering = grants
            .iter()
            .filter(|it| it.pin == *pin && it.covers(caller));
        covering.next().map(|it| it.id)
    }
}

impl Grant {
    fn covers(&self, caller: &Caller) -> bool {
        let is_in_scope = match self.scope {
            GrantScope::Chat(chat) => caller.kind == CallerKind::Chat && caller.chat == Some(chat),
            GrantScope::Client(token) => {
                caller.kind == CallerKind::Client && caller.token == Some(token)
            }
            GrantScope::Everywhere => true,
        };
        self.principal == caller.principal && is_in_scope
    }
}

#[cfg(test)]
mod tests {
    use domain::{Access, canonical_sha256};
    use serde_json::value::RawValue;

    use super::*;

    fn id<K>(number: u128) -> domain::Id<K> {
        domain::Id::from_uuid(uuid::Uuid::from_u128(number))
    }

    fn pin(text: &str) -> ToolPin {
        let json = RawValue::from_string(format!("{text:?}")).unwrap();
        canonical_sha256(&json).parse().unwrap()
    }

    fn grant(number: u128, scope: GrantScope) -> Grant {
        Grant {
            id: id(number),
            principal: PrincipalName::owner(),
            scope,
            server: id(1),
            tool: "read".to_owned(),
            pin: pin("a"),
        }
    }

    fn caller(kind: CallerKind) -> Caller {
        Caller {
            principal: PrincipalName::owner(),
            token: (kind == CallerKind::Client).then(|| id(5)),
            kind,
            chat: Some(id(6)),
            access: Access::default(),
        }
    }

    #[test]
    fn a_permission_covers_its_scope_and_nothing_else() {
        #[track_caller]
        fn check(scope: GrantScope, client: bool, chat: bool) {
            let grants = Grants::new([grant(3, scope)]);
            let covers = |caller: &Caller| grants.find(caller, id(1), "read", &pin("a")).is_some();
            assert_eq!(covers(&caller(CallerKind::Client)), client, "{scope:?}");
            assert_eq!(covers(&caller(CallerKind::Chat)), chat, "{scope:?}");
        }
        check(GrantScope::Everywhere, true, true);
        check(GrantScope::Client(id(5)), true, false);
        check(GrantScope::Client(id(4)), false, false);
        // A client that names a chat is not the model in it.
        check(GrantScope::Chat(id(6)), false, true);
        check(GrantScope::Chat(id(7)), false, false);
    }

    #[test]
    fn a_permission_is_for_one_principal_server_tool_and_pin() {
        let grants = Grants::new([grant(3, GrantScope::Everywhere)]);
        let client = caller(CallerKind::Client);
        let find = |caller: &Caller, server: u128, tool: &str, text: &str| {
            grants.find(caller, id(server), tool, &pin(text))
        };
        assert_eq!(find(&client, 1, "read", "a"), Some(id(3)));
        assert_eq!(find(&client, 2, "read", "a"), None);
        assert_eq!(find(&client, 1, "Read", "a"), None);
        assert_eq!(find(&client, 1, "read", "b"), None);
        let another = Caller {
            principal: "ann".parse().unwrap(),
            ..client
        };
        assert_eq!(find(&another, 1, "read", "a"), None);
    }

    #[test]
    fn ten_thousand_permissions_are_looked_up_by_their_tool() {
        let many = (0..10_000).map(|number| Grant {
            tool: format!("tool-{number}"),
            ..grant(number, GrantScope::Everywhere)
        });
        let mut grants = Grants::new(many);
        let client = caller(CallerKind::Client);
        let found = |grants: &Grants, tool: &str| grants.find(&client, id(1), tool, &pin("a"));
        assert_eq!(found(&grants, "tool-9999"), Some(id(9_999)));
        assert_eq!(grants.by_server[&id(1)]["tool-77"].len(), 1);
        grants.remove(id(9_999));
        assert_eq!(found(&grants, "tool-9999"), None);
        for number in 0..9_999 {
            grants.remove(id(number));
        }
        assert!(grants.by_server.is_empty() && grants.places.is_empty());
    }
}
