use std::time::Duration;

use domain::{HostPort, Secret, ServerSlug};
use expect_test::expect;
use store::{AuditFilter, InstallState};
use tokio::time::timeout;

use super::bed::{House, package, person};
use crate::{
    Error, LimitsEdit, Row, Sealed, ServerChange, ServerEdit, ServerStatus, status::OpenInstall,
    status::status,
};

#[tokio::test]
async fn servers_that_are_added_at_once_get_slugs_of_their_own() {
    let house = House::new().await;
    let (a, b, c) = tokio::join!(house.add("thing"), house.add("thing"), house.add("thing"));
    assert!(a != b && b != c && a != c);
    let all = house.orchestrator.servers().await.unwrap();
    let slugs: Vec<&str> = all.iter().map(|it| it.row.stored.slug.as_str()).collect();
    assert_eq!(slugs, ["thing", "thing-2", "thing-3"]);
    let mut taken = package("thing");
    taken.slug = Some(ServerSlug::new("thing").unwrap());
    let refused = house.orchestrator.add_server(taken, &person()).await;
    assert!(
        matches!(refused, Err(Error::Conflict { .. })),
        "{refused:?}"
    );
    house.end().await;
}

#[tokio::test]
async fn a_title_that_is_none_is_refused_and_not_cut() {
    let house = House::new().await;
    let mut add = package("thing");
    add.title = Some("x".repeat(81));
    let refused = house.orchestrator.add_server(add, &person()).await;
    let message = refused.unwrap_err().to_string();
    assert_eq!(message, "the title has 81 characters, the most is 80");
    assert!(house.orchestrator.servers().await.unwrap().is_empty());
    house.end().await;
}

#[tokio::test]
async fn changes_at_once_are_all_kept_and_end_no_process() {
    let house = House::new().await;
    let id = house.add("thing").await;
    house.wait_for_install("thing", InstallState::Ready).await;
    let before = house.shared().directory.row(id).unwrap();
    let person = person();
    let allow = |host: &str| {
        let change = ServerChange::Allow(HostPort::new(host, 443).unwrap());
        house.orchestrator.change_server("thing", change, &person)
    };
    let (a, b, c) = tokio::join!(allow("a.test"), allow("b.test"), allow("c.test"));
    a.and(b).and(c).unwrap();
    let after = house.shared().directory.row(id).unwrap();
    assert_eq!(after.stored.spec.egress.len(), 3);
    assert_eq!(after.process_generation, before.process_generation);
    assert_ne!(after.stored.generation, before.stored.generation);

    house
        .orchestrator
        .restart_server("thing", &person)
        .await
        .unwrap();
    let restarted = house.shared().directory.row(id).unwrap();
    assert_eq!(restarted.process_generation, restarted.stored.generation);
    let host = HostPort::new("d.test", 443).unwrap();
    let change = ServerChange::Disallow(host);
    let missing = house
        .orchestrator
        .change_server("thing", change, &person)
        .await;
    let message = missing.unwrap_err().to_string();
    assert_eq!(message, "host `d.test:443` on the server's list not found");
    house.end().await;
}

#[tokio::test]
async fn whoever_follows_the_logs_of_a_removed_server_is_told() {
    let house = House::new().await;
    house.add("thing").await;
    house.wait_for_install("thing", InstallState::Ready).await;
    let follower = house.orchestrator.wait_for_logs("thing", u64::MAX);
    let person = person();
    let both = async {
        let (followed, removed) = tokio::join!(follower, async {
            tokio::task::yield_now().await;
            house.orchestrator.remove_server("thing", &person).await
        });
        followed.and(removed).unwrap();
    };
    timeout(Duration::from_secs(30), both).await.unwrap();
    house.end().await;
}

#[tokio::test]
async fn a_secret_is_sealed_and_nowhere_in_clear() {
    let house = House::new().await;
    let mut add = package("thing");
    let value = "hunter2-hunter2".to_owned();
    add.secrets
        .insert("API_KEY".parse().unwrap(), domain::Secret::new(value));
    assert!(!format!("{add:?}").contains("hunter2"));
    house.orchestrator.add_server(add, &person()).await.unwrap();
    house.wait_for_install("thing", InstallState::Ready).await;
    let audit = house
        .orchestrator
        .audit(&AuditFilter {
            limit: 100,
            ..AuditFilter::default()
        })
        .await
        .unwrap();
    let audit = format!("{audit:?}");
    assert!(
        audit.contains("API_KEY") && !audit.contains("hunter2"),
        "{audit}"
    );
    let details = house.orchestrator.server("thing").await.unwrap();
    assert!(!format!("{details:?}").contains("hunter2"));
    let dir = house.dir.clone();
    house.end().await;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(7).any(|it| it == b"hunter2");
        assert!(!found, "{}", path.display());
    }
}

#[tokio::test]
async fn a_server_that_nobody_has_looked_at_is_looked_at_after_the_next_start() {
    let house = House::new().await;
    let id = house.add("thing").await;
    house.wait_for_install("thing", InstallState::Ready).await;
    let script = super::bridge::Script::default();
    let house = house.restart(script.clone()).await;
    script
        .wait_for("/install/app/node_modules/.bin/thing")
        .await;
    assert!(house.shared().directory.row(id).unwrap().is_usable());
    house.end().await;
}

#[tokio::test]
async fn a_status_says_what_matters_most() {
    let house = House::new().await;
    let id = house.add("thing").await;
    let ready = house.wait_for_install("thing", InstallState::Ready).await;
    let row = house.shared().directory.row(id).unwrap();
    let row = |enabled: bool, installed: bool| {
        let mut row = Row::clone(&row);
        row.stored.id = domain::ServerId::from_uuid(uuid::Uuid::now_v7());
        row.stored.enabled = enabled;
        row.install = installed.then(|| ready.clone());
        row
    };
    let open = |state, step: Option<&str>| {
        Some(OpenInstall {
            state,
            step: step.map(ToOwned::to_owned),
            failure: Some("no room".to_owned()),
            build_scripts: vec!["a@1".to_owned()],
        })
    };
    let check = |row: Row, open, word: &str, reason: Option<&str>| {
        let status = status(house.shared(), &row, open);
        assert_eq!((status.word(), status.reason().as_deref()), (word, reason));
    };
    use InstallState::{Failed, Pending, Running, WaitingForConsent};
    check(row(false, false), open(Failed, None), "disabled", None);
    check(
        row(true, false),
        open(Pending, None),
        "installing",
        Some("step `waiting`"),
    );
    check(
        row(true, false),
        open(Running, Some("fetch")),
        "installing",
        Some("step `fetch`"),
    );
    check(
        row(true, false),
        open(Failed, None),
        "install_failed",
        Some("no room"),
    );
    let scripts = "these packages want to run scripts of their own while they are installed: a@1";
    let waiting = open(WaitingForConsent, None);
    check(
        row(true, false),
        waiting,
        "waiting_for_consent",
        Some(scripts),
    );
    check(row(true, true), open(Failed, None), "ready", None);
    let failed = ServerStatus::Failed {
        reason: "it broke".to_owned(),
        retry_in_s: 5,
    };
    let told = "it broke; it can be tried again in 5 s";
    assert_eq!(failed.reason().as_deref(), Some(told));
    house.end().await;
}

#[tokio::test]
async fn an_edit_ends_processes_only_where_it_is_about_them() {
    let house = House::new().await;
    let id = house.add("thing").await;
    house.wait_for_install("thing", InstallState::Ready).await;
    let row = || house.shared().directory.row(id).unwrap();
    let began = row();
    let edit = ServerEdit {
        title: Some("  My thing ".to_owned()),
        keep_warm: Some(true),
        ..ServerEdit::default()
    };
    house.edit("thing", edit).await.unwrap();
    let after = row();
    assert_eq!(after.stored.title, "My thing");
    assert!(after.stored.spec.keep_warm);
    assert_eq!(after.process_generation, began.process_generation);

    let edit = ServerEdit {
        args: Some(vec!["--more".to_owned()]),
        env: [("LEVEL".parse().unwrap(), Some("2".to_owned()))].into(),
        limits: LimitsEdit {
            pids_max: Some(99),
            ..LimitsEdit::default()
        },
        ..ServerEdit::default()
    };
    house.edit("thing", edit).await.unwrap();
    let edited = row();
    let spec = &edited.stored.spec;
    assert_eq!(spec.args, ["--more"]);
    assert_eq!(spec.env.len(), 1);
    let mut limits = after.stored.spec.limits;
    limits.pids_max = 99;
    assert_eq!(spec.limits, limits, "the other limits stay");
    assert_ne!(edited.process_generation, after.process_generation);

    // Nothing else than what is there already: no event, no new generation.
    house.edit("thing", ServerEdit::default()).await.unwrap();
    assert_eq!(*row(), *edited);
    house.end().await;
}

#[tokio::test]
async fn an_edit_that_cannot_be_changes_nothing() {
    let house = House::new().await;
    let id = house.add("thing").await;
    house.wait_for_install("thing", InstallState::Ready).await;
    let by = person();
    let token = Sealed::Variable("TOKEN".parse().unwrap());
    let value = Secret::new("sentinel".to_owned());
    let it = &house.orchestrator;
    it.set_secret("thing", token.clone(), value, &by)
        .await
        .unwrap();
    let row = || house.shared().directory.row(id).unwrap();
    let before = row();
    let edit = ServerEdit::default;
    let env = |name: &str, value: Option<&str>| ServerEdit {
        title: Some("Not this".to_owned()),
        env: [(name.parse().unwrap(), value.map(ToOwned::to_owned))].into(),
        ..edit()
    };
    let title = |title: &str| ServerEdit {
        title: Some(title.to_owned()),
        ..edit()
    };
    let limits = LimitsEdit {
        memory_bytes_max: Some(1),
        ..LimitsEdit::default()
    };
    let mut refusals = Vec::new();
    for edit in [
        env("TOKEN", Some("in clear")),
        env("NOT_THERE", None),
        title(" "),
        title("two\nlines"),
        title(&"x".repeat(81)),
        ServerEdit { limits, ..edit() },
    ] {
        refusals.push(house.edit("thing", edit).await.unwrap_err().to_string());
    }
    expect![[r#"
        `TOKEN` is a secret of this server
        variable `NOT_THERE` not found
        a server's title must be one line of text
        a server's title must be one line of text
        the title has 81 characters, the most is 80
        limit `memory_bytes_max` is 1, the least is 33554432"#]]
    .assert_eq(&refusals.join("\n"));
    assert_eq!(*row(), *before);

    it.remove_secret("thing", token.clone(), &by).await.unwrap();
    assert!(row().stored.spec.secrets.is_empty());
    let gone = it.remove_secret("thing", token, &by).await.unwrap_err();
    assert_eq!(gone.to_string(), "secret `TOKEN` not found");
    house
        .edit("thing", env("TOKEN", Some("in clear")))
        .await
        .unwrap();
    house.end().await;
}
