use std::time::{Duration, Instant};

use super::*;

fn pin(definition: &str) -> ToolPin {
    ToolPin::of(&RawValue::from_string(definition.to_owned()).unwrap())
}

fn added(name: &str, rest: &str) -> ToolReview {
    let definition = format!(r#"{{"name":"{name}",{rest}}}"#);
    ToolReview {
        name: name.to_owned(),
        state: ToolState::Added,
        told: Some(ToldDefinition {
            advertised: format!("a__{name}"),
            pin: pin(&definition),
            definition: definition.into(),
            is_read_only: false,
        }),
        pinned: None,
        renamed_from: None,
    }
}

fn gone(name: &str, rest: &str) -> ToolReview {
    let definition = format!(r#"{{{rest}, "name":"{name}"}}"#);
    ToolReview {
        name: name.to_owned(),
        state: ToolState::Gone,
        told: None,
        pinned: Some(PinnedDefinition {
            pin: pin(&definition),
            definition: definition.into(),
            looked_at: None,
            looked_by: None,
            setting: None,
        }),
        renamed_from: None,
    }
}

#[test]
fn a_tool_that_differs_in_its_name_alone_was_renamed_and_each_former_one_counts_once() {
    let same = r#""description":"x","inputSchema":{"type":"object"}"#;
    let mut reviews = [
        added("new", same),
        added("newer", same),
        added("other", r#""description":"y""#),
        added("third", same),
    ];
    find_renamed(&mut reviews, &[gone("old", same), gone("older", same)]);
    let found = reviews.map(|it| it.renamed_from);
    assert_eq!(
        found,
        [Some("old".to_owned()), Some("older".to_owned()), None, None]
    );
}

#[test]
fn a_server_that_renames_all_of_its_tools_holds_nobody_up() {
    let filler = "x".repeat(2_000);
    let rest = |n: usize| format!(r#""description":"{n}","x":"{filler}""#);
    let mut reviews: Vec<ToolReview> = (0..2_000)
        .map(|n| added(&format!("new-{n}"), &rest(n)))
        .collect();
    let gone: Vec<ToolReview> = (0..2_000)
        .rev()
        .map(|n| gone(&format!("old-{n}"), &rest(n)))
        .collect();
    let began = Instant::now();
    find_renamed(&mut reviews, &gone);
    // Read for each pair it is minutes.
    assert!(began.elapsed() < Duration::from_secs(10));
    for (n, review) in reviews.iter().enumerate() {
        assert_eq!(review.renamed_from, Some(format!("old-{n}")));
    }
}
