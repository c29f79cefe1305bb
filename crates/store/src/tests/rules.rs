use domain::{Effect, PolicyRule, PrincipalName, ToolGlob};

use super::bed::{Bed, add_server, at, audit_kinds, event, new_id};
use crate::{RULES_MAX, StoreError};

super::on_both!(
    rules_are_kept_in_their_order_and_removed,
    a_rule_goes_with_its_server,
    there_are_never_more_rules_than_allowed,
);

fn rule(created_at: u64) -> PolicyRule {
    PolicyRule {
        id: new_id(),
        server: None,
        tool: ToolGlob::new("read_*").unwrap(),
        effect: Effect::Deny,
        created_by: PrincipalName::owner(),
        created_at: at(created_at),
    }
}

async fn rules_are_kept_in_their_order_and_removed(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let first = PolicyRule {
        server: Some(server),
        ..rule(1)
    };
    let second = PolicyRule {
        effect: Effect::Allow,
        ..rule(2)
    };
    for rule in [&second, &first] {
        assert!(store.add_rule(rule, &event("rule.add")).await.unwrap());
    }
    assert_eq!(
        store.rules().await.unwrap(),
        [first.clone(), second.clone()]
    );
    let audit = event("rule.remove");
    assert!(store.remove_rule(first.id, &audit).await.unwrap());
    assert!(!store.remove_rule(first.id, &audit).await.unwrap());
    assert_eq!(store.rules().await.unwrap(), [second]);
    let kinds = audit_kinds(&store).await;
    assert_eq!(kinds, ["server.add", "rule.add", "rule.add", "rule.remove"]);
}

async fn a_rule_goes_with_its_server(bed: Bed) {
    let store = bed.open().await;
    let server = add_server(&store, "one").await;
    let of_server = PolicyRule {
        server: Some(server),
        ..rule(1)
    };
    let of_all = rule(2);
    for rule in [&of_server, &of_all] {
        store.add_rule(rule, &event("rule.add")).await.unwrap();
    }
    store
        .delete_server(server, &event("server.remove"))
        .await
        .unwrap();
    assert_eq!(store.rules().await.unwrap(), [of_all]);
    let late = PolicyRule {
        server: Some(server),
        ..rule(3)
    };
    assert!(!store.add_rule(&late, &event("rule.add")).await.unwrap());
}

async fn there_are_never_more_rules_than_allowed(bed: Bed) {
    let store = bed.open().await;
    // All but one, in one statement.
    let fill = "INSERT INTO policy_rules (id, tool, effect, created_by, created_at) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) SELECT 'x' || i, '*', 'ask', 'owner', 0 FROM n";
    writing!(store, pool => {
        sqlx::query(fill)
            .bind(i64::try_from(RULES_MAX).unwrap() - 1)
            .execute(pool)
            .await
            .unwrap();
    });
    let rules: Vec<PolicyRule> = (0..30).map(rule).collect();
    let audit = event("rule.add");
    let adds = rules.iter().map(|it| store.add_rule(it, &audit));
    let outcomes = futures_util::future::join_all(adds).await;
    assert_eq!(outcomes.iter().filter(|it| it.is_ok()).count(), 1);
    let err = outcomes.into_iter().find_map(Result::err).unwrap();
    assert!(
        matches!(err, StoreError::TooMany { max: RULES_MAX, .. }),
        "{err:?}"
    );
    assert!(err.to_string().contains("1000 rules"), "{err}");
}
