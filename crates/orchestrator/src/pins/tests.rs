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
            follow: pin b (new, -); forget 
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
            follow: nothing
            block: nothing
        "#]],
    );
}

#[test]
fn what_nobody_has_looked_at_is_forgotten_when_it_is_gone_and_a_denial_is_not() {
    let mut before = pinned(r#"[{"name":"a"},{"name":"b"},{"name":"c"}]"#);
    for (pin, setting) in before.iter_mut().zip([Some(Effect::Deny), None, None]) {
        (pin.looked_at, pin.setting) = (None, setting);
    }
    before[2].looked_at = Some(Timestamp { unix_ms: 1 });
    let plan = plan_pins(ToolChanges::Follow, &before, &[]);
    let expected = PinPlan::Follow {
        approved: vec![],
        removed: vec!["b".to_owned()],
    };
    assert_eq!(plan, expected);
}

#[test]
fn a_tool_that_cannot_be_pinned_keeps_no_other_from_being_followed() {
    let long = "n".repeat(600);
    let huge = "d".repeat(2 << 20);
    let now = format!(
        r#"[{{"name":"a","description":"new"}},{{"name":"{long}"}},{{"name":"z\u0000"}},{{"name":"h","description":"{huge}"}}]"#
    );
    let plan = plan_pins(
        ToolChanges::Follow,
        &pinned(r#"[{"name":"a"}]"#),
        &told(&lists(&now)),
    );
    let PinPlan::Follow { approved, .. } = plan else {
        panic!("{plan:?}")
    };
    let names: Vec<&str> = approved.iter().map(|it| it.tool.as_str()).collect();
    assert_eq!(names, ["a"]);
}

#[test]
fn a_server_that_changes_all_the_time_fills_no_audit() {
    let notes = ChangeNotes::default();
    let (one, other) = (
        ServerId::from_uuid(uuid::Uuid::from_u128(1)),
        ServerId::from_uuid(uuid::Uuid::from_u128(2)),
    );
    let at = |seconds: u64| Timestamp {
        unix_ms: 1_000_000 + seconds * 1_000,
    };
    let day = 24 * 60 * 60;
    let written: Vec<u64> = (0..day)
        .filter_map(|second| notes.take(one, at(second)))
        .collect();
    assert_eq!(written.len() as u64, 20 + day / 60 - 1);
    // None is lost without a word.
    let told = written.len() as u64 + written.iter().sum::<u64>();
    assert!(day - 60 < told && told <= day, "{told}");
    assert_eq!(notes.take(other, at(day)), Some(0));
    // A clock that goes back stops nothing for long.
    assert_eq!(notes.take(one, at(0)), None);
    assert!(notes.take(one, at(60)).is_some());
}

#[test]
fn a_row_of_the_audit_has_a_bounded_number_of_names() {
    let names: Vec<String> = (0..2_000).map(|n| format!("tool-{n}")).collect();
    let some = some_names(names.iter().map(String::as_str));
    assert_eq!(some.len(), 101);
    assert_eq!(some[100], "… and 1900 more");
    assert_eq!(
        some_names(names[..100].iter().map(String::as_str)).len(),
        100
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
