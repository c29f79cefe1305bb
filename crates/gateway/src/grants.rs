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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrantScope {
    /// Those of models in this chat.
    Chat(ChatId),
    /// Those of the client with this token.
    Client(TokenId),
    Everywhere,
}

/// All of them. However many there are, a call looks at those of its own tool, pin and scope.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    by_id: HashMap<GrantId, Grant>,
    // Invariant: each of `by_id` once, and nothing that is empty.
    by_tool: HashMap<ServerId, HashMap<String, HashMap<ToolPin, ByScope>>>,
}

type ByScope = HashMap<GrantScope, Vec<GrantId>>;

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
        let of_server = self.by_tool.entry(grant.server).or_default();
        let of_tool = of_server.entry(grant.tool.clone()).or_default();
        let of_pin = of_tool.entry(grant.pin.clone()).or_default();
        of_pin.entry(grant.scope).or_default().push(grant.id);
        self.by_id.insert(grant.id, grant);
    }

    pub(crate) fn remove(&mut self, id: GrantId) {
        let Some(grant) = self.by_id.remove(&id) else {
            return;
        };
        let present = "it is there for as long as the permission is in `by_id`";
        let of_server = self.by_tool.get_mut(&grant.server).expect(present);
        let of_tool = of_server.get_mut(&grant.tool).expect(present);
        let of_pin = of_tool.get_mut(&grant.pin).expect(present);
        let of_scope = of_pin.get_mut(&grant.scope).expect(present);
        of_scope.retain(|it| *it != id);
        if of_scope.is_empty() {
            of_pin.remove(&grant.scope);
        }
        if of_pin.is_empty() {
            of_tool.remove(&grant.pin);
        }
        if of_tool.is_empty() {
            of_server.remove(&grant.tool);
        }
        if of_server.is_empty() {
            self.by_tool.remove(&grant.server);
        }
    }

    pub(crate) fn remove_of_chat(&mut self, chat: ChatId) {
        let of_chat = self.by_id.values();
        let of_chat = of_chat.filter(|it| it.scope == GrantScope::Chat(chat));
        let ids: Vec<GrantId> = of_chat.map(|it| it.id).collect();
        for id in ids {
            self.remove(id);
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
        let mut in_scope = self.in_scope(caller, server, tool, pin);
        let covering = in_scope.find(|it| it.principal == caller.principal);
        covering.map(|it| it.id)
    }

    /// Returns the permissions for a tool whose scope such a caller is in, whoever has given them.
    fn in_scope(
        &self,
        caller: &Caller,
        server: ServerId,
        tool: &str,
        pin: &ToolPin,
    ) -> impl Iterator<Item = &Grant> {
        let of_tool = self.by_tool.get(&server).and_then(|it| it.get(tool));
        let of_pin = of_tool.and_then(|it| it.get(pin));
        let ids = GrantScope::of(caller).filter_map(move |scope| of_pin?.get(&scope));
        ids.flatten().filter_map(|id| self.by_id.get(id))
    }
}

impl GrantScope {
    /// Returns the scopes that a caller is in.
    fn of(caller: &Caller) -> impl Iterator<Item = Self> + use<> {
        let own = match caller.kind {
            CallerKind::Person => None,
            CallerKind::Client => caller.token.map(Self::Client),
            // A client that names a chat is not the model in it.
            CallerKind::Chat => caller.chat.map(Self::Chat),
        };
        own.into_iter().chain([Self::Everywhere])
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
    fn of_ten_thousand_permissions_a_call_looks_at_its_own() {
        let of_tools = (0..5_000).map(|number| Grant {
            tool: format!("tool-{number}"),
            ..grant(number, GrantScope::Everywhere)
        });
        // And as many for one tool: of chats, of clients, and of what it was before.
        let of_one = (5_000..10_000).map(|number| match number % 3 {
            0 => grant(number, GrantScope::Chat(id(number))),
            1 => grant(number, GrantScope::Client(id(number))),
            _ => Grant {
                pin: pin(&number.to_string()),
                ..grant(number, GrantScope::Everywhere)
            },
        });
        let mut grants = Grants::new(of_tools.chain(of_one));
        let client = Caller {
            token: Some(id(5_002)),
            ..caller(CallerKind::Client)
        };
        let looked_at = |grants: &Grants, caller: &Caller, tool: &str| {
            grants.in_scope(caller, id(1), tool, &pin("a")).count()
        };
        assert_eq!(looked_at(&grants, &client, "read"), 1);
        assert_eq!(looked_at(&grants, &client, "tool-4999"), 1);
        assert_eq!(looked_at(&grants, &caller(CallerKind::Chat), "read"), 0);
        let found = |grants: &Grants| grants.find(&client, id(1), "read", &pin("a"));
        assert_eq!(found(&grants), Some(id(5_002)));
        grants.remove(id(5_002));
        assert_eq!(found(&grants), None);
        for number in 0..10_000 {
            grants.remove(id(number));
        }
        assert!(grants.by_tool.is_empty() && grants.by_id.is_empty());
    }
}
