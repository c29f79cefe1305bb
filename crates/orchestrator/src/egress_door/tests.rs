use std::net::IpAddr;

use domain::{IsolationKey, ServerSlug};
use store::{AuditFilter, AuditRow};

use super::*;
use crate::{
    ServerChange,
    tests::bed::{House, person},
};

/// Knows one name, whose address no server may reach.
struct OneName;

#[async_trait]
impl Resolver for OneName {
    async fn resolve(&self, _host: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(vec![IpAddr::from([127, 0, 0, 1])])
    }
}

fn doors(house: &House) -> EgressFor {
    let shared = house.shared();
    egress_for(
        EgressSettings::default(),
        ProxySettings::default(),
        Arc::new(OneName),
        shared.directory.clone(),
        shared.audit.clone(),
        house.clock.clone(),
    )
}

async fn refusal(doors: &EgressFor, key: &SandboxKey, host: &str) -> String {
    match doors(key).connect(host.to_owned(), 443).await {
        Ok(_) => "open".to_owned(),
        Err(err) => err.to_string(),
    }
}

async fn refused_rows(house: &House) -> Vec<AuditRow> {
    // What is pushed before this one is written before it.
    let event = AuditEvent::new(house.clock.now(), "test");
    house.shared().audit.write_now(event).await.unwrap();
    loop {
        let filter = AuditFilter {
            limit: 100,
            ..AuditFilter::default()
        };
        let rows = house.orchestrator.audit(&filter).await.unwrap();
        let refused: Vec<AuditRow> = rows
            .into_iter()
            .filter(|it| it.event.kind == "egress.refused")
            .collect();
        if !refused.is_empty() {
            return refused;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn each_sandbox_has_its_own_list_and_the_one_for_scripts_has_none() {
    let house = House::new().await;
    let by = person();
    let server = house.add("thing").await;
    let other = house.add("other").await;
    let install = InstallId::from_uuid(uuid::Uuid::now_v7());
    let host: HostPort = "a.test:443".parse().unwrap();
    let change = ServerChange::Allow(host.clone());
    let changed = house.orchestrator.change_server("thing", change, &by);
    changed.await.unwrap();
    let hosts = [host.clone()].into();
    house.shared().directory.set_install_hosts(install, hosts);
    let key = |server| SandboxKey::Server {
        server,
        isolation: IsolationKey::Shared,
    };
    let doors = doors(&house);
    // What is allowed comes as far as the check of the address.
    let allowed = "may not be reached";
    let reached = refusal(&doors, &key(server), "A.test.").await;
    let by_install = refusal(&doors, &SandboxKey::Fetch { install }, "a.test").await;
    let closed = [
        refusal(&doors, &key(server), "b.test").await,
        refusal(&doors, &key(other), "a.test").await,
        refusal(&doors, &SandboxKey::Build { install }, "a.test").await,
    ];
    assert_eq!(reached, by_install, "{allowed}");
    assert!(reached.contains("127.0.0.1"), "{reached}");
    for told in closed {
        assert!(!told.contains("127.0.0.1") && told != "open", "{told}");
    }
    let change = ServerChange::Enable(false);
    let changed = house.orchestrator.change_server("thing", change, &by);
    changed.await.unwrap();
    let disabled = refusal(&doors, &key(server), "a.test").await;
    assert!(!disabled.contains("127.0.0.1"), "{disabled}");

    let rows = refused_rows(&house).await;
    let slug = ServerSlug::new("thing").unwrap().to_string();
    let of_server = rows.iter().filter(|it| it.event.server == Some(server));
    assert!(of_server.clone().count() >= 1);
    assert!(
        of_server
            .clone()
            .all(|it| it.event.server_slug == Some(slug.clone()))
    );
    house.end().await;
}

#[test]
fn equal_refusals_are_counted() {
    let mut refused = Refused::default();
    let subject = Subject::Install(InstallId::from_uuid(uuid::Uuid::nil()));
    assert_eq!(refused.equal(subject, "a", 0), Some(0));
    for _ in 0..5 {
        assert_eq!(refused.equal(subject, "a", 9_999), None);
    }
    assert_eq!(refused.equal(subject, "b", 9_999), Some(0));
    assert_eq!(refused.equal(subject, "a", 10_000), Some(5));
    assert_eq!(refused.equal(subject, "a", 20_000), Some(0));
    for host in 0..5_000 {
        refused.equal(subject, &host.to_string(), 20_000);
    }
    assert_eq!(refused.equal.len(), REMEMBERED_MAX);
}

#[test]
fn a_server_that_makes_up_hosts_cannot_fill_the_audit() {
    let mut refused = Refused::default();
    let one = Subject::Install(InstallId::from_uuid(uuid::Uuid::nil()));
    let other = Subject::Server(ServerId::from_uuid(uuid::Uuid::nil()));
    let written = (0..1_000).filter_map(|_| refused.others(one, 5)).count();
    assert_eq!(written, WRITTEN_MAX as usize);
    assert_eq!(refused.others(other, 5), Some(0));
    assert_eq!(refused.others(one, 5 + WRITTEN_PERIOD_MS), Some(970));
    assert_eq!(refused.others(one, 6 + WRITTEN_PERIOD_MS), Some(0));
}
