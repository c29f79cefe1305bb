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
