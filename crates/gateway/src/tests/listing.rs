//! Lists, as clients see them.

use domain::{Access, ToolRule};
use serde_json::{Value, json};

use super::{bed::*, client::*};
use crate::Scope;

fn names(list: &Value, key: &str) -> Vec<String> {
    let all = list[key].as_array().unwrap();
    all.iter()
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Never answers anything.
async fn hung(mut peer: Peer) -> String {
    while peer.receive().await.is_some() {}
    "its input was closed".to_owned()
}

#[tokio::test(start_paused = true)]
async fn lists_come_from_the_table_in_one_order_and_ask_no_server() {
    let bed = Bed::new();
    let mut lists = Lists::tools(
        r#"[{"name":"z","inputSchema":{"type":"object","x":1.0e5}},{"name":"a b"},{"name":"z"},{"title":"none"}]"#,
    );
    lists.prompts = r#"[{"name":"p"}]"#.to_owned();
    lists.resources = r#"[{"uri":"demo://1","name":"one","size":12345678901234567890}]"#.to_owned();
    lists.templates = r#"[{"uriTemplate":"demo://{id}","name":"t"}]"#.to_owned();
    bed.add("b", &lists, hung);
    bed.add("a", &Lists::new(), hung);
    let client = bed.client().await;
    let one = Client::begin(&bed, caller(), Scope::One(slug("b")), json!({})).await;
    let reply = client.request(1, "tools/list", json!({})).await;
    let prefixed = names(reply.result(), "tools");
    assert_eq!(prefixed[..3], ["a__echo", "a__look", "b__z"]);
    assert!(
        prefixed[3].starts_with("b__a_b_") && prefixed.len() == 4,
        "{prefixed:?}"
    );
    assert!(
        reply
            .text
            .contains(r#""inputSchema":{"type":"object","x":1.0e5}"#)
    );
    assert_eq!(
        client.request(1, "tools/list", json!({})).await.text,
        reply.text
    );
    let reply = one.request(1, "tools/list", json!({})).await;
    assert_eq!(names(reply.result(), "tools"), ["z", "a b"]);
    for (method, key, expected) in [
        ("prompts/list", "prompts", "b__p"),
        ("resources/list", "resources", "one"),
        ("resources/templates/list", "resourceTemplates", "t"),
    ] {
        let reply = client.request(1, method, json!({})).await;
        assert_eq!(names(reply.result(), key), [expected]);
    }
    let reply = client.request(1, "resources/list", json!({})).await;
    assert!(reply.text.contains("12345678901234567890"));
    assert_eq!(
        names(
            one.request(1, "prompts/list", json!({})).await.result(),
            "prompts"
        ),
        ["p"]
    );
    let reply = client
        .request(1, "tools/list", json!({"cursor": "x"}))
        .await;
    assert_eq!(
        reply.error(),
        (-32602, "lists have one page: there is no cursor")
    );
    assert_eq!(bed.connect.begun(), 0);
    // A hung server that is being asked changes nothing.
    let call = client.spawn(&bed, 9, "tools/call", json!({"name": "b__z"}));
    bed.connect.wait_begun(1).await;
    assert_eq!(
        names(
            client.request(2, "tools/list", json!({})).await.result(),
            "tools"
        ),
        prefixed
    );
    call.abort();
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_called_is_not_listed_and_the_other_way_round() {
    let bed = Bed::new();
    let mut lists = Lists::new();
    lists.prompts = r#"[{"name":"p"}]"#.to_owned();
    lists.resources = r#"[{"uri":"demo://1","name":"one"}]"#.to_owned();
    for name in ["a", "b", "c"] {
        bed.add(name, &lists, echo);
    }
    let rule = |server: &str, tool: &str| ToolRule {
        server: slug(server),
        tool: tool.to_owned(),
    };
    let access = |servers: Option<&[&str]>, tools: Option<&[(&str, &str)]>| Access {
        servers: servers.map(|it| it.iter().map(|it| slug(it)).collect()),
        tools: tools.map(|it| it.iter().map(|(s, t)| rule(s, t)).collect()),
    };
    let all = [
        "a__echo", "a__look", "b__echo", "b__look", "c__echo", "c__look",
    ];
    for (access, tools, servers) in [
        (access(None, None), &all[..], &["a", "b", "c"][..]),
        (
            access(Some(&["a", "c"]), None),
            &["a__echo", "a__look", "c__echo", "c__look"],
            &["a", "c"],
        ),
        (
            access(None, Some(&[("a", "look"), ("b", "*")])),
            &["a__look", "b__echo", "b__look"],
            &["a", "b"],
        ),
        (
            access(Some(&["b"]), Some(&[("a", "*"), ("b", "echo")])),
            &["b__echo"],
            &["b"],
        ),
        (access(None, Some(&[])), &[], &[]),
    ] {
        let caller = domain::Caller { access, ..caller() };
        let client = Client::begin(&bed, caller.clone(), Scope::All, json!({})).await;
        let listed = client.request(1, "tools/list", json!({})).await;
        assert_eq!(names(listed.result(), "tools"), tools);
        let views = bed.gateway.tools(&caller);
        assert_eq!(
            views
                .iter()
                .map(|it| it.advertised.as_str())
                .collect::<Vec<_>>(),
            tools
        );
        for tool in all {
            let reply = client.call(tool, json!({})).await;
            let is_answered = reply.answer.as_ref().unwrap().get("result").is_some();
            assert_eq!(is_answered, tools.contains(&tool), "{tool} {reply:?}");
            if !is_answered && !servers.iter().any(|it| tool.starts_with(it)) {
                // Nothing tells that the server exists.
                assert_eq!(
                    reply.error(),
                    (-32602, format!("there is no tool `{tool}`").as_str())
                );
            }
        }
        let prompts = client.request(1, "prompts/list", json!({})).await;
        let expected: Vec<String> = servers.iter().map(|it| format!("{it}__p")).collect();
        assert_eq!(names(prompts.result(), "prompts"), expected);
        let resources = client.request(1, "resources/list", json!({})).await;
        assert_eq!(names(resources.result(), "resources").len(), servers.len());
        let prompt = client
            .request(1, "prompts/get", json!({"name": "c__p"}))
            .await;
        let may = servers.contains(&"c");
        assert_eq!(prompt.answer.unwrap().get("result").is_some(), may);
    }
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn long_and_odd_names_are_called_by_what_is_advertised() {
    let bed = Bed::new();
    let own = [
        "x".repeat(200),
        "käse/😀 b".to_owned(),
        "a.b".to_owned(),
        "a:b".to_owned(),
        "__".to_owned(),
        "\"\\\n".to_owned(),
    ];
    let tools: Vec<Value> = own.iter().map(|it| json!({"name": it})).collect();
    bed.add("srv", &Lists::tools(&json!(tools).to_string()), echo);
    let client = bed.client().await;
    let one = Client::begin(&bed, caller(), Scope::One(slug("srv")), json!({})).await;
    let listed = client.request(1, "tools/list", json!({})).await;
    let advertised = names(listed.result(), "tools");
    assert_eq!(advertised.len(), own.len());
    for (advertised, own) in advertised.iter().zip(&own) {
        assert!(advertised.len() <= 64, "{advertised}");
        assert!(
            advertised
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || b"_-".contains(&it))
        );
        let reply = client.call(advertised, json!({})).await;
        assert_eq!(reply.result()["echo"]["name"], *own);
        let reply = one.call(own, json!({})).await;
        assert_eq!(reply.result()["echo"]["name"], *own);
    }
    let reply = client.call("srv__nothing", json!({})).await;
    assert_eq!(reply.error(), (-32602, "there is no tool `srv__nothing`"));
    bed.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_another_name_is_found_by_that_one_alone() {
    let bed = Bed::new();
    let mut view = bed.echo("a");
    let client = bed.client().await;
    client.call("a__echo", json!({})).await.result();
    let mut stream = client.listen();
    stream.rest();
    view.slug = slug("new");
    view.lists = None;
    bed.gateway.put_server(view);
    assert_eq!(client.call("a__echo", json!({})).await.error().0, -32602);
    client.call("new__echo", json!({})).await.result();
    let told = stream.rest();
    assert!(
        told.contains(&json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})),
        "{told:?}"
    );
    bed.end().await;
}
