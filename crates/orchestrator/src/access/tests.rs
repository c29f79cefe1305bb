use super::*;

#[test]
fn a_token_that_was_revoked_while_it_was_looked_up_is_not_remembered() {
    let used = UsedTokens::default();
    let caller = Caller {
        principal: PrincipalName::owner(),
        token: None,
        kind: CallerKind::Client,
        chat: None,
        access: Access::default(),
    };
    let now = Timestamp::default();
    let before = used.forgotten();
    used.forget("hash");
    used.remember("hash".to_owned(), caller.clone(), now, before);
    assert_eq!(used.remembered("hash", now), None);
    let after = used.forgotten();
    used.remember("hash".to_owned(), caller.clone(), now, after);
    assert_eq!(used.remembered("hash", now), Some(caller));
}

#[test]
fn a_use_is_told_before_it_is_written_down() {
    let used = UsedTokens::default();
    let at = |unix_ms| Timestamp { unix_ms };
    let id = TokenId::from_uuid(uuid::Uuid::nil());
    let caller = Caller {
        principal: PrincipalName::owner(),
        token: Some(id),
        kind: CallerKind::Client,
        chat: None,
        access: Access::default(),
    };
    let mut tokens = [StoredToken {
        id,
        name: "editor".to_owned(),
        hash: "hash".to_owned(),
        kind: TokenKind::Client,
        principal: PrincipalName::owner(),
        access: Access::default(),
        created_at: at(1),
        last_used_at: None,
        revoked_at: None,
    }];
    used.tell_last_used(&mut tokens);
    assert_eq!(tokens[0].last_used_at, None);
    used.remember("hash".to_owned(), caller, at(2), used.forgotten());
    used.tell_last_used(&mut tokens);
    assert_eq!(tokens[0].last_used_at, Some(at(2)));
    // What the store knows may be newer.
    tokens[0].last_used_at = Some(at(3));
    used.tell_last_used(&mut tokens);
    assert_eq!(tokens[0].last_used_at, Some(at(3)));
}
