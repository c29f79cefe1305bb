use domain::Timestamp;
use expect_test::{Expect, expect};

use super::*;

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn lists(json: &str) -> ServerLists {
    let mut lists = ServerLists::default();
    lists
        .by_kind
        .insert(gateway::ListKind::Tools, Arc::from(raw(json)));
    lists
}

fn pinned(json: &str) -> Vec<PinInfo> {
    let told = told(&lists(json));
    told.into_iter()
        .map(|it| PinInfo {
            server: ServerId::from_uuid(uuid::Uuid::from_u128(1)),
            tool: it.name,
            pin: it.pin,
            looked_at: Some(Timestamp { unix_ms: 1 }),
            looked_by: None,
            setting: Some(Effect::Allow),
            pinned_at: Timestamp { unix_ms: 1 },
        })
        .collect()
}

/// What is done where a server had tools and now says others, by the handling of changes.
#[track_caller]
fn check(before: &str, now: &str, expected: Expect) {
    let mut said = String::new();
    for changes in [ToolChanges::Ask, ToolChanges::Follow, ToolChanges::Block] {
        let plan = match plan_pins(changes, &pinned(before), &told(&lists(now))) {
            PinPlan::Nothing => "nothing".to_owned(),
            PinPlan::Keep { quarantined } => format!("keep {} away", quarantined.join(", ")),
            PinPlan::Follow { approved, removed } => {
                let approved = approved.iter().map(|it| {
                    let was = it.expected.as_ref().map_or("new", |_| "other");
                    let setting = it.setting.map_or("-", Effect::as_str);
                    format!("{} ({was}, {setting})", it.tool)
                });
                let approved: Vec<String> = approved.collect();
                format!("pin {}; forget {}", approved.join(", "), removed.join(", "))
            }
        };
        said.push_str(&format!("{changes}: {plan}\n"));
    }
    expected.assert_eq(&said);
}

#[test]
fn what_is_the_same_is_left_alone() {
    check(
        r#"[{"name":"a","description":"x"},{"name":"b"}]"#,
        r#"[{"name":"b"},{"description":"x", "name":"a"}]"#,
        expect![[r#"
            ask: nothing
            follow: nothing
            block: nothing
        "#]],
    );
}

#[test]
fn what_is_other_or_new_is_kept_away_or_followed() {
    check(
        r#"[{"name":"a"},{"name":"b"}]"#,
        r#"[{"name":"a","description":"now it sends"},{"name":"b"},{"name":"c"}]"#,
        expect![[r#"
            ask: keep a, c away
            follow: pin a (other, allow), c (new, -); forget 
            block: keep a, c away
        "#]],
    );
}

#[test]
fn a_tool_with_another_name_is_a_new_one() {
    check(
        r#"[{"name":"a","description":"x"}]"#,
        r#"[{"name":"b","description":"x"}]"#,
        expect![[r#"
            ask: keep b away
            follow: pin b (new, -); forget a
            block: keep b away
        "#]],
    );
}

#[test]
fn a_tool_that_is_gone_for_a_while_stays_pinned() {
    check(
        r#"[{"name":"a"},{"name":"b"}]"#,
        r#"[{"name":"a"}]"#,
        expect![[r#"
            ask: nothing
            follow: pin ; forget b
            block: nothing
        "#]],
    );
}

#[test]
fn of_two_tools_with_one_name_the_first_counts() {
    let told = told(&lists(
        r#"[{"name":"a","description":"first"},{"name":"a","description":"second"},{"title":"none"}]"#,
    ));
    let [only] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert!(only.definition.contains("first"));
}
