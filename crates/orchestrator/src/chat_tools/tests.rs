use std::sync::Arc;

use domain::{ServerId, ServerSlug, Standing, ToolPin};
use expect_test::{Expect, expect};
use gateway::ToolView;
use serde_json::value::RawValue;
use store::{ChatTool, IfAlready, ToolsDefault};

use super::{ChatToolView, ToolSelection, plan, quoted, with_choice};

fn id(number: u128) -> ServerId {
    ServerId::from_uuid(uuid::Uuid::from_u128(number))
}

fn tool(server_id: ServerId, server: &str, name: &str) -> ToolView {
    let json = format!(r#"{{"name":"{name}"}}"#);
    let definition: Arc<RawValue> = RawValue::from_string(json).unwrap().into();
    ToolView {
        server_id,
        server: ServerSlug::new(server).unwrap(),
        name: name.to_owned(),
        advertised: format!("{server}__{name}"),
        pin: ToolPin::of(&definition),
        definition,
        standing: Standing::Pinned { looked_at: true },
        setting: None,
        is_read_only: false,
    }
}

fn tools(default: ToolsDefault) -> Vec<ChatToolView> {
    // The first server's `read` is off, its `write` on; of the others nothing was said.
    let said = |tool: &str, enabled| ChatTool {
        server: id(1),
        tool: tool.to_owned(),
        enabled,
    };
    let all = vec![
        tool(id(1), "a", "read"),
        tool(id(1), "a", "write"),
        tool(id(2), "b", "read"),
        tool(ServerId::built_in(), "archestra", "set_memory"),
    ];
    with_choice(default, &[said("read", false), said("write", true)], all)
}

#[test]
fn what_was_said_stands_before_the_default_and_the_built_in_tools_are_there() {
    let enabled = |default| -> Vec<bool> { tools(default).iter().map(|it| it.enabled).collect() };
    assert_eq!(enabled(ToolsDefault::All), [false, true, true, true]);
    assert_eq!(enabled(ToolsDefault::None), [false, true, false, true]);
}

fn check(enable: &[&str], disable: &[&str], if_already: IfAlready, expected: Expect) {
    let names = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect();
    let selection = ToolSelection {
        enable: names(enable),
        disable: names(disable),
    };
    let text = match plan(&selection, &tools(ToolsDefault::All), if_already) {
        Ok(chosen) => {
            let one = |it: &ChatTool| format!("{} {} {}", it.server.short(), it.tool, it.enabled);
            let lines: Vec<String> = chosen.iter().map(one).collect();
            lines.join("\n")
        }
        Err(bad) => bad.to_text(),
    };
    expected.assert_eq(&text);
}

#[test]
fn all_are_chosen_or_none() {
    use IfAlready::{Proceed, Refuse};
    check(
        &["a__read", "a__read"],
        &["b__read", "archestra__set_memory"],
        Refuse,
        expect![[r#"
            000000000000 read true
            617263686573 set_memory false
            000000000000 read false"#]],
    );
    check(&[], &[], Refuse, expect![""]);
    check(
        &["a__read", "nothing", "a__write"],
        &["b__read"],
        Refuse,
        expect!["nothing was changed; not there: `nothing`; enabled already: `a__write`"],
    );
    check(
        &["a__write"],
        &["a__read"],
        Refuse,
        expect!["nothing was changed; enabled already: `a__write`; disabled already: `a__read`"],
    );
    check(
        &["a__write"],
        &["a__read"],
        Proceed,
        expect![[r#"
            000000000000 write true
            000000000000 read false"#]],
    );
    check(
        &["b__read"],
        &["b__read"],
        Proceed,
        expect!["nothing was changed; both to be enabled and disabled: `b__read`"],
    );
    // The server's own name is another server's, too.
    check(
        &["read", "A__READ", "a__read "],
        &[],
        Proceed,
        expect!["nothing was changed; not there: `A__READ`, `a__read `, `read`"],
    );
}

#[test]
fn a_name_of_which_nothing_is_known_is_shown_in_short() {
    assert_eq!(quoted("a\nb`"), "`a\\nb``");
    let shown = quoted(&"ä".repeat(1_000_000));
    assert_eq!(shown, format!("`{}…`", "ä".repeat(80)));
}
