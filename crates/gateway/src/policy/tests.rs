use domain::{PrincipalName, Timestamp, ToolGlob, ToolRule};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

const SERVER: u128 = 7;
const OTHER: u128 = 8;
const GRANT: u128 = 99;

fn slug(it: &str) -> ServerSlug {
    ServerSlug::new(it).unwrap()
}

fn server(id: u128) -> ServerId {
    ServerId::from_uuid(uuid::Uuid::from_u128(id))
}

fn caller(kind: CallerKind) -> Caller {
    Caller {
        principal: PrincipalName::owner(),
        token: None,
        kind,
        chat: None,
        access: Access::default(),
    }
}

fn rule(id: u128, on: Option<u128>, glob: &str, effect: Effect) -> PolicyRule {
    PolicyRule {
        id: RuleId::from_uuid(uuid::Uuid::from_u128(id)),
        server: on.map(server),
        tool: ToolGlob::new(glob).unwrap(),
        effect,
        created_by: PrincipalName::owner(),
        created_at: Timestamp { unix_ms: 0 },
    }
}

/// Says a decision in few words; rules and grants by the end of their identifiers.
fn said(decision: &Decision) -> String {
    let end = |id: &dyn std::fmt::Display| {
        let id = id.to_string();
        id[id.len() - 2..].to_owned()
    };
    match decision {
        Decision::Allow(Basis::Rule(id)) => format!("allow: rule {}", end(id)),
        Decision::Allow(Basis::Grant(id)) => format!("allow: grant {}", end(id)),
        Decision::Allow(basis) => format!("allow: {}", basis.to_text()),
        Decision::Ask(Why::Rule(id)) => format!("ask: rule {}", end(id)),
        Decision::Ask(why) => format!("ask: {}", why.to_text()),
        Decision::Deny(Because::Rule(id)) => format!("deny: rule {}", end(id)),
        Decision::Deny(because) => format!("deny: {}", because.to_text()),
    }
}

const LOOKED_AT: Standing = Standing::Pinned { looked_at: true };
const NEW: Standing = Standing::Pinned { looked_at: false };

/// What each kind of caller gets, without and with a permission.
#[track_caller]
fn check(standing: Standing, setting: Option<Effect>, rules: &[PolicyRule], expected: Expect) {
    let mut all = String::new();
    for kind in [CallerKind::Person, CallerKind::Client, CallerKind::Chat] {
        for grant in [None, Some(GrantId::from_uuid(uuid::Uuid::from_u128(GRANT)))] {
            let caller = caller(kind);
            let decision = decide(&Question {
                caller: &caller,
                server: server(SERVER),
                slug: &slug("files"),
                tool: "write_file",
                standing,
                setting,
                rules,
                grant,
            });
            let granted = if grant.is_some() { " with a grant" } else { "" };
            all.push_str(&format!("{kind:?}{granted}: {}\n", said(&decision)));
        }
    }
    expected.assert_eq(&all);
}

#[test]
fn a_tool_that_nobody_has_looked_at_asks_whatever_allows_it() {
    for (setting, rules) in [
        (None, vec![]),
        (None, vec![rule(1, None, "*", Effect::Allow)]),
        (Some(Effect::Allow), vec![]),
    ] {
        check(
            NEW,
            setting,
            &rules,
            expect![[r#"
                Person: allow: consent
                Person with a grant: allow: consent
                Client: ask: nobody has looked at this tool yet
                Client with a grant: allow: grant 63
                Chat: ask: nobody has looked at this tool yet
                Chat with a grant: allow: grant 63
            "#]],
        );
    }
}

#[test]
fn a_tool_that_was_looked_at_asks_until_somebody_allows_it() {
    check(
        LOOKED_AT,
        None,
        &[],
        expect![[r#"
            Person: allow: consent
            Person with a grant: allow: consent
            Client: ask: nothing says that this tool may be called unasked
            Client with a grant: allow: grant 63
            Chat: ask: nothing says that this tool may be called unasked
            Chat with a grant: allow: grant 63
        "#]],
    );
    check(
        LOOKED_AT,
        Some(Effect::Allow),
        &[],
        expect![[r#"
            Person: allow: setting
            Person with a grant: allow: setting
            Client: allow: setting
            Client with a grant: allow: setting
            Chat: allow: setting
            Chat with a grant: allow: setting
        "#]],
    );
    check(
        LOOKED_AT,
        None,
        &[rule(1, Some(SERVER), "write_*", Effect::Allow)],
        expect![[r#"
            Person: allow: rule 01
            Person with a grant: allow: rule 01
            Client: allow: rule 01
            Client with a grant: allow: rule 01
            Chat: allow: rule 01
            Chat with a grant: allow: rule 01
        "#]],
    );
}

#[test]
fn deny_is_over_ask_is_over_allow_whoever_says_it() {
    let rules = [
        rule(1, Some(SERVER), "write_file", Effect::Allow),
        rule(2, Some(SERVER), "write_*", Effect::Ask),
        rule(3, None, "*", Effect::Deny),
    ];
    // The order of the rules says nothing, and neither does having looked at the tool.
    let turned: Vec<PolicyRule> = rules.iter().rev().cloned().collect();
    for (standing, rules) in [
        (LOOKED_AT, &rules[..]),
        (LOOKED_AT, &turned),
        (NEW, &turned),
    ] {
        check(
            standing,
            Some(Effect::Allow),
            rules,
            expect![[r#"
                Person: deny: rule 03
                Person with a grant: deny: rule 03
                Client: deny: rule 03
                Client with a grant: deny: rule 03
                Chat: deny: rule 03
                Chat with a grant: deny: rule 03
            "#]],
        );
    }
    check(
        LOOKED_AT,
        Some(Effect::Deny),
        &rules[..2],
        expect![[r#"
            Person: deny: setting
            Person with a grant: deny: setting
            Client: deny: setting
            Client with a grant: deny: setting
            Chat: deny: setting
            Chat with a grant: deny: setting
        "#]],
    );
    check(
        LOOKED_AT,
        Some(Effect::Allow),
        &rules[..2],
        expect![[r#"
            Person: allow: consent
            Person with a grant: allow: consent
            Client: ask: rule 02
            Client with a grant: allow: grant 63
            Chat: ask: rule 02
            Chat with a grant: allow: grant 63
        "#]],
    );
    check(
        LOOKED_AT,
        Some(Effect::Ask),
        &rules[..1],
        expect![[r#"
            Person: allow: consent
            Person with a grant: allow: consent
            Client: ask: this tool is set to ask
            Client with a grant: allow: grant 63
            Chat: ask: this tool is set to ask
            Chat with a grant: allow: grant 63
        "#]],
    );
}

#[test]
fn what_has_changed_or_is_new_is_refused_whatever_allows_it() {
    let rules = [rule(1, None, "*", Effect::Allow)];
    check(
        Standing::Changed,
        Some(Effect::Allow),
        &rules,
        expect![[r#"
            Person: deny: changed
            Person with a grant: deny: changed
            Client: deny: changed
            Client with a grant: deny: changed
            Chat: deny: changed
            Chat with a grant: deny: changed
        "#]],
    );
    check(
        Standing::Added,
        None,
        &rules,
        expect![[r#"
            Person: deny: added
            Person with a grant: deny: added
            Client: deny: added
            Client with a grant: deny: added
            Chat: deny: added
            Chat with a grant: deny: added
        "#]],
    );
}

#[test]
fn a_rule_is_about_its_server_and_its_tools_only() {
    #[track_caller]
    fn check(rule: PolicyRule, is_about: bool) {
        let caller = caller(CallerKind::Client);
        let rules = [rule];
        let decision = decide(&Question {
            caller: &caller,
            server: server(SERVER),
            slug: &slug("files"),
            tool: "write_file",
            standing: LOOKED_AT,
            setting: Some(Effect::Allow),
            rules: &rules,
            grant: None,
        });
        let denied = matches!(decision, Decision::Deny(Because::Rule(_)));
        assert_eq!(denied, is_about, "{rules:?}");
    }
    check(rule(1, None, "write_file", Effect::Deny), true);
    check(rule(1, Some(SERVER), "write_file", Effect::Deny), true);
    check(rule(1, Some(OTHER), "write_file", Effect::Deny), false);
    check(rule(1, None, "w*e_?ile", Effect::Deny), true);
    check(rule(1, None, "write", Effect::Deny), false);
    check(rule(1, None, "Write_File", Effect::Deny), false);
    // The name that is advertised is not the tool's own.
    check(rule(1, None, "files__*", Effect::Deny), false);
    // Look-alikes: a Cyrillic "е", a fullwidth "w", a zero-width space.
    check(rule(1, None, "writ\u{435}_file", Effect::Deny), false);
    check(rule(1, None, "\u{ff57}rite_file", Effect::Deny), false);
    check(rule(1, None, "write\u{200b}_file", Effect::Deny), false);
}

#[test]
fn a_token_allows_what_it_names() {
    let rule = |server: &str, tool: &str| ToolRule {
        server: slug(server),
        tool: tool.to_owned(),
    };
    let client = |servers: Option<&[&str]>, tools: Option<&[(&str, &str)]>| Caller {
        access: Access {
            servers: servers.map(|it| it.iter().map(|it| slug(it)).collect()),
            tools: tools.map(|it| it.iter().map(|(s, t)| rule(s, t)).collect()),
        },
        ..caller(CallerKind::Client)
    };
    let allowed = |caller: &Caller, name: &str, tool: &str| {
        let decision = decide(&Question {
            caller,
            server: server(SERVER),
            slug: &slug(name),
            tool,
            standing: LOOKED_AT,
            setting: Some(Effect::Allow),
            rules: &[],
            grant: None,
        });
        assert!(matches!(
            decision,
            Decision::Allow(Basis::Setting) | Decision::Deny(Because::Access)
        ));
        decision == Decision::Allow(Basis::Setting)
    };
    let everything = client(None, None);
    assert!(allowed(&everything, "a", "x"));
    let one_server = client(Some(&["a"]), None);
    assert!(allowed(&one_server, "a", "x") && !allowed(&one_server, "b", "x"));
    let one_tool = client(None, Some(&[("a", "x"), ("b", "*")]));
    assert!(allowed(&one_tool, "a", "x") && !allowed(&one_tool, "a", "y"));
    assert!(allowed(&one_tool, "b", "y") && !allowed(&one_tool, "c", "x"));
    let uses = |caller: &Caller, server: &str| {
        let server = slug(server);
        let access = &caller.access;
        (may_use(access, &server), may_send_unknown(access, &server))
    };
    assert_eq!(uses(&everything, "a"), (true, true));
    assert_eq!(uses(&one_server, "a"), (true, true));
    assert_eq!(uses(&one_server, "b"), (false, false));
    assert_eq!(uses(&one_tool, "a"), (true, false));
    assert_eq!(uses(&one_tool, "b"), (true, true));
    assert_eq!(uses(&one_tool, "c"), (false, false));
}

fn effect() -> impl Strategy<Value = Effect> {
    prop_oneof![Just(Effect::Deny), Just(Effect::Ask), Just(Effect::Allow)]
}

proptest! {
    /// No call passes that no rule, setting, permission or person has allowed; and none passes that
    /// anything denies.
    #[test]
    fn nothing_passes_that_nobody_has_allowed(
        kind in prop_oneof![
            Just(CallerKind::Person), Just(CallerKind::Client), Just(CallerKind::Chat)
        ],
        standing in prop_oneof![
            Just(LOOKED_AT), Just(NEW), Just(Standing::Changed), Just(Standing::Added)
        ],
        setting in proptest::option::of(effect()),
        rules in proptest::collection::vec(
            (proptest::option::of(7_u128..9), "[ab*?]{1,3}", effect()), 0..6
        ),
        tool in "[ab]{1,3}",
        granted in any::<bool>(),
    ) {
        let rules: Vec<PolicyRule> = rules
            .into_iter()
            .enumerate()
            .map(|(at, (on, glob, effect))| rule(at as u128, on, &glob, effect))
            .collect();
        let caller = caller(kind);
        let grant = granted.then(|| GrantId::from_uuid(uuid::Uuid::from_u128(GRANT)));
        let decision = decide(&Question {
            caller: &caller,
            server: server(SERVER),
            slug: &slug("a"),
            tool: &tool,
            standing,
            setting,
            rules: &rules,
            grant,
        });
        let mut effects: Vec<Effect> = rules
            .iter()
            .filter(|it| it.is_about(server(SERVER), &tool))
            .map(|it| it.effect)
            .collect();
        effects.extend(setting);
        let has = |effect| effects.contains(&effect);
        let is_unchanged = matches!(standing, Standing::Pinned { .. });
        let is_person = kind == CallerKind::Person;
        match decision {
            Decision::Allow(basis) => {
                prop_assert!(is_unchanged && !has(Effect::Deny));
                let somebody_did = match basis {
                    Basis::Setting => setting == Some(Effect::Allow) && standing == LOOKED_AT,
                    Basis::Rule(_) => has(Effect::Allow) && standing == LOOKED_AT,
                    Basis::Grant(_) => granted,
                    Basis::Consent => is_person,
                };
                prop_assert!(somebody_did);
                prop_assert!(granted || is_person || !has(Effect::Ask));
            }
            Decision::Ask(_) => {
                prop_assert!(is_unchanged && !has(Effect::Deny) && !granted && !is_person);
            }
            Decision::Deny(_) => prop_assert!(!is_unchanged || has(Effect::Deny)),
        }
    }
}
