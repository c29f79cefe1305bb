//! What is written down, and how it is found.

use std::{collections::BTreeSet, time::Duration};

use domain::{Access, Caller, Clock as _, PrincipalName, Secret, ServerSlug, ServerSpec, Source};
use store::{AuditEvent, AuditFilter, AuditFrom, InstallState};
use tokio::time::timeout;

use super::{
    bed::{House, package, person},
    bridge::Script,
};
use crate::{AddServer, AuditSearch, Error, NewClient, Sealed, ServerChange, ServerEdit};

fn all() -> AuditFilter {
    AuditFilter {
        limit: 1_000,
        ..AuditFilter::default()
    }
}

/// Returns the kinds of all events, once what is on its way is written.
async fn kinds(house: &House, expected: &[&str]) -> BTreeSet<String> {
    let expected: BTreeSet<String> = expected.iter().map(|it| (*it).to_owned()).collect();
    let mut kinds = BTreeSet::new();
    let reached = async {
        while !expected.is_subset(&kinds) {
            tokio::task::yield_now().await;
            let rows = house.orchestrator.audit(&all()).await.unwrap();
            kinds = rows.iter().map(|it| it.event.kind.to_string()).collect();
        }
    };
    if timeout(Duration::from_secs(30), reached).await.is_err() {
        let missing: Vec<_> = expected.difference(&kinds).collect();
        panic!("not written down: {missing:?}");
    }
    kinds
}

fn remote(slug: &str) -> AddServer {
    let source = Source::Remote {
        url: "http://127.0.0.1:9/".to_owned(),
        headers: Default::default(),
    };
    AddServer {
        slug: Some(ServerSlug::new(slug).unwrap()),
        spec: ServerSpec::new(source),
        ..package("x")
    }
}

#[tokio::test]
async fn each_change_is_written_down() {
    let script = Script::default().with_scripts();
    let house = House::with(script.clone()).await;
    let (it, by) = (&house.orchestrator, person());
    it.add_server(package("thing"), &by).await.unwrap();
    let waits = InstallState::WaitingForConsent;
    house.wait_for_install("thing", waits).await;
    script.fail_next("rebuild", "no");
    it.decide_build_scripts("thing", true, &by).await.unwrap();
    house.wait_for_install("thing", InstallState::Failed).await;
    it.retry_install("thing", &by).await.unwrap();
    house.wait_for_install("thing", InstallState::Ready).await;
    let host: domain::HostPort = "a.test:443".parse().unwrap();
    for change in [
        ServerChange::Enable(false),
        ServerChange::Enable(true),
        ServerChange::Allow(host.clone()),
        ServerChange::Disallow(host),
    ] {
        it.change_server("thing", change, &by).await.unwrap();
    }
    it.restart_server("thing", &by).await.unwrap();
    let edit = ServerEdit {
        title: Some("Another".to_owned()),
        ..ServerEdit::default()
    };
    it.edit_server("thing", edit, &by).await.unwrap();
    let variable = Sealed::Variable("TOKEN".parse().unwrap());
    let value = Secret::new("sentinel".to_owned());
    it.set_secret("thing", variable.clone(), value, &by)
        .await
        .unwrap();
    it.remove_secret("thing", variable, &by).await.unwrap();
    it.remove_server("thing", &by).await.unwrap();

    let mut there = remote("there");
    there.spec.limits.start_timeout_ms = 100;
    // Nothing connects to it while it is switched off.
    it.add_server(there, &by).await.unwrap();
    it.change_server("there", ServerChange::Enable(false), &by)
        .await
        .unwrap();
    let header: domain::HeaderName = "x-key".parse().unwrap();
    let value = Secret::new("sentinel".to_owned());
    let header = Sealed::Header(header);
    it.set_secret("there", header.clone(), value, &by)
        .await
        .unwrap();
    it.remove_secret("there", header, &by).await.unwrap();

    let client = NewClient {
        name: "editor".to_owned(),
        principal: PrincipalName::owner(),
        access: Access::default(),
    };
    it.create_token(client, &by).await.unwrap();
    it.revoke_token("editor", &by).await.unwrap();
    let link = it.create_login_link().await.unwrap();
    let session = it.redeem_login_link(link.expose()).await.unwrap().unwrap();
    it.end_web_session(session.expose()).await.unwrap();
    it.export_audit(&AuditSearch::default(), &by).await.unwrap();

    kinds(
        &house,
        &[
            "audit.export",
            "egress.allow",
            "egress.disallow",
            "header.remove",
            "header.set",
            "install.consent",
            "install.end",
            "install.retry",
            "secret.remove",
            "secret.set",
            "server.add",
            "server.disable",
            "server.edit",
            "server.enable",
            "server.remove",
            "server.restart",
            "session.begin",
            "session.end",
            "session.link",
            "token.create",
            "token.revoke",
        ],
    )
    .await;
    let filter = AuditFilter {
        kind: Some("install.end".to_owned()),
        from: AuditFrom::After(0),
        ..all()
    };
    let ends = it.audit(&filter).await.unwrap();
    let outcomes: Vec<_> = ends
        .iter()
        .map(|it| it.event.outcome.as_deref().unwrap())
        .collect();
    assert_eq!(outcomes, ["waiting_for_consent", "failed", "ready"]);
    let detail = ends[2].event.detail.as_ref().unwrap();
    assert_eq!(detail["version"], "1.2.3");
    assert_eq!(detail["lock_sha256"].as_str().unwrap().len(), 64);
    let everything = format!("{:?}", it.audit(&all()).await.unwrap());
    assert!(!everything.contains("sentinel"), "{everything}");
    house.end().await;
}

#[tokio::test]
async fn events_are_found_by_the_names_that_people_know() {
    let house = House::new().await;
    let (it, by) = (&house.orchestrator, person());
    let first = house.add("thing").await;
    it.remove_server("thing", &by).await.unwrap();
    let second = house.add("thing").await;
    it.remove_server("thing", &by).await.unwrap();
    // It has the name within its own.
    house.add("thing-else").await;
    it.remove_server("thing-else", &by).await.unwrap();
    let client = |name: &str| NewClient {
        name: name.to_owned(),
        principal: PrincipalName::owner(),
        access: Access::default(),
    };
    for made in ["by-first", "by-second"] {
        let token = it.create_token(client("editor"), &by).await.unwrap().id;
        let by_editor = Caller {
            token: Some(token),
            ..by.clone()
        };
        it.create_token(client(made), &by_editor).await.unwrap();
        it.revoke_token("editor", &by).await.unwrap();
    }
    let search = async |server: Option<&str>, client: Option<&str>| {
        let search = AuditSearch {
            server: server.map(str::to_owned),
            filter: AuditFilter {
                client: client.map(str::to_owned),
                from: AuditFrom::After(0),
                ..all()
            },
        };
        it.search_audit(&search).await
    };
    let of = |found: Vec<crate::AuditEntry>| {
        let kinds = found.iter().map(|it| it.row.event.kind.to_string());
        let servers: BTreeSet<_> = found.iter().map(|it| it.row.event.server).collect();
        let clients: BTreeSet<_> = found.iter().map(|it| it.client.clone()).collect();
        (kinds.collect::<Vec<_>>(), servers, clients)
    };
    // The last one that had the name.
    let (kinds, servers, _) = of(search(Some("thing"), None).await.unwrap());
    assert_eq!(servers, [Some(second)].into());
    assert_eq!(kinds, ["server.add", "server.remove"]);
    let (_, servers, _) = of(search(Some(&first.to_string()), None).await.unwrap());
    assert_eq!(servers, [Some(first)].into());
    // All that have had the name.
    let (kinds, _, clients) = of(search(None, Some("editor")).await.unwrap());
    assert_eq!(kinds, ["token.create", "token.create"]);
    assert_eq!(clients, [Some("editor".to_owned())].into());
    for (server, client) in [(Some("thin"), None), (None, Some("nobody"))] {
        let missing = search(server, client).await;
        assert!(
            matches!(missing, Err(Error::NotFound { .. })),
            "{missing:?}"
        );
    }
    house.end().await;
}

#[tokio::test]
async fn an_export_has_all_that_matches_until_it_was_asked_for_in_order() {
    let house = House::new().await;
    let (it, by) = (&house.orchestrator, person());
    let store = &house.shared().store;
    let event = |kind, n: u64| AuditEvent {
        tool: Some(n.to_string()),
        ..AuditEvent::new(house.clock.now(), kind)
    };
    for n in 0..1_050 {
        let events = [event("tool.call", n), event("test", n)];
        store.write_audit(&events).await.unwrap();
    }
    let search = AuditSearch {
        filter: AuditFilter {
            kind: Some("tool.".to_owned()),
            ..AuditFilter::default()
        },
        ..AuditSearch::default()
    };
    let mut export = it.export_audit(&search, &by).await.unwrap();
    house.clock.advance(1);
    store
        .write_audit(&[event("tool.call", 9_999)])
        .await
        .unwrap();
    let (mut found, mut longest) = (Vec::new(), 0);
    loop {
        let page = export.next().await.unwrap();
        longest = longest.max(page.len());
        if page.is_empty() {
            break;
        }
        found.extend(page.into_iter().map(|it| it.row.event.tool.unwrap()));
    }
    let expected: Vec<String> = (0..1_050).map(|it| it.to_string()).collect();
    assert_eq!(found, expected);
    assert!(longest <= 200, "{longest} rows are in memory");
    house.end().await;
}

#[tokio::test]
async fn what_is_too_old_is_gone_after_a_start() {
    let house = House::new().await;
    let old = domain::Timestamp {
        unix_ms: 1_600_000_000_000,
    };
    let events = [
        AuditEvent::new(old, "test.old"),
        AuditEvent::new(house.clock.now(), "test.new"),
    ];
    house.shared().store.write_audit(&events).await.unwrap();
    let house = house.restart(Script::default()).await;
    let filter = AuditFilter {
        kind: Some("test.".to_owned()),
        ..all()
    };
    let gone = async {
        loop {
            let rows = house.orchestrator.audit(&filter).await.unwrap();
            if rows.len() == 1 {
                return rows;
            }
            tokio::task::yield_now().await;
        }
    };
    let rows = timeout(Duration::from_secs(30), gone).await.unwrap();
    assert_eq!(rows[0].event.kind, "test.new");
    house.end().await;
}
