use std::{fs, os::unix::fs::PermissionsExt as _, sync::Arc, time::Instant};

use domain::{Clock, ToolChanges};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use super::bed::{Bed, at, event, new_server};
use crate::{
    AuditEvent, AuditFilter, DatabaseLocation, Store, StoreError, migrate::MIGRATIONS,
    migrate::Migration,
};

super::on_both!(
    what_was_stored_is_there_after_opening_again,
    what_the_first_version_stored_is_there_in_this_one,
    a_failed_change_of_tables_leaves_the_old_ones,
    a_database_of_a_newer_version_is_refused,
    the_tables_are_changed_once_when_several_open_at_a_time,
);

const FIRST: &[Migration] = &[Migration {
    sqlite: MIGRATIONS[0].sqlite,
    postgres: MIGRATIONS[0].postgres,
}];

const NEXT: &str = "ALTER TABLE servers ADD COLUMN extra TEXT";

const WITH_NEXT: &[Migration] = &[
    Migration {
        sqlite: MIGRATIONS[0].sqlite,
        postgres: MIGRATIONS[0].postgres,
    },
    Migration {
        sqlite: MIGRATIONS[1].sqlite,
        postgres: MIGRATIONS[1].postgres,
    },
    Migration {
        sqlite: MIGRATIONS[2].sqlite,
        postgres: MIGRATIONS[2].postgres,
    },
    Migration {
        sqlite: NEXT,
        postgres: NEXT,
    },
];

const FAILING: &str = "CREATE TABLE half (id TEXT); INSERT INTO nowhere (id) VALUES ('x')";

const WITH_FAILING: &[Migration] = &[
    Migration {
        sqlite: MIGRATIONS[0].sqlite,
        postgres: MIGRATIONS[0].postgres,
    },
    Migration {
        sqlite: MIGRATIONS[1].sqlite,
        postgres: MIGRATIONS[1].postgres,
    },
    Migration {
        sqlite: MIGRATIONS[2].sqlite,
        postgres: MIGRATIONS[2].postgres,
    },
    Migration {
        sqlite: FAILING,
        postgres: FAILING,
    },
];

async fn open_with(bed: &Bed, steps: &'static [Migration]) -> Result<Store, StoreError> {
    Store::open_with(
        &bed.location,
        Arc::clone(&bed.clock) as Arc<dyn Clock>,
        steps,
    )
    .await
}

async fn what_was_stored_is_there_after_opening_again(bed: Bed) {
    let store = bed.open().await;
    let server = store
        .create_server(&new_server("one"), None, &event("server.add"))
        .await
        .unwrap();
    store.close().await;
    let store = bed.open().await;
    assert_eq!(store.servers().await.unwrap(), [server]);
}

async fn what_the_first_version_stored_is_there_in_this_one(bed: Bed) {
    let old = open_with(&bed, FIRST).await.unwrap();
    let server = new_server("one");
    let spec = serde_json::to_string(&server.spec).unwrap();
    let insert = "INSERT INTO servers (id, slug, title, spec, enabled, generation, created_at, updated_at) VALUES ($1, 'one', 'A server', $2, TRUE, 1, 5, 6)";
    writing!(old, pool => {
        sqlx::query(insert)
            .bind(server.id.to_string())
            .bind(spec)
            .execute(pool)
            .await
            .unwrap();
        let audit = "INSERT INTO audit (at, kind) VALUES (7, 'server.add')";
        sqlx::raw_sql(audit).execute(pool).await.unwrap();
    });
    old.close().await;
    let store = bed.open().await;
    let stored = store.servers().await.unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!((stored[0].id, &stored[0].spec), (server.id, &server.spec));
    assert_eq!(stored[0].tool_changes, ToolChanges::Ask);
    assert_eq!(stored[0].pinned_at, None);
    let filter = AuditFilter {
        limit: 9,
        ..AuditFilter::default()
    };
    let rows = store.audit_page(&filter).await.unwrap();
    let expected = AuditEvent::new(at(7), "server.add");
    assert_eq!(
        rows.into_iter().map(|it| it.event).collect::<Vec<_>>(),
        [expected]
    );
    if let DatabaseLocation::Sqlite(path) = &bed.location {
        assert!(fs::exists(format!("{}.v1.bak", path.display())).unwrap());
    }
}

async fn a_failed_change_of_tables_leaves_the_old_ones(bed: Bed) {
    let store = bed.open().await;
    let server = store
        .create_server(&new_server("one"), None, &event("server.add"))
        .await
        .unwrap();
    store.close().await;
    let err = open_with(&bed, WITH_FAILING).await.unwrap_err();
    assert!(matches!(err, StoreError::Database(_)), "{err:?}");
    let store = open_with(&bed, WITH_NEXT).await.unwrap();
    assert_eq!(store.servers().await.unwrap(), [server]);
}

async fn a_database_of_a_newer_version_is_refused(bed: Bed) {
    open_with(&bed, WITH_NEXT).await.unwrap().close().await;
    let err = open_with(&bed, MIGRATIONS).await.unwrap_err();
    let StoreError::NewerVersion { found, known, .. } = err else {
        panic!("{err:?}");
    };
    assert_eq!((found, known), (4, 3));
    assert!(!err.is_transient());
    let text = err.to_string();
    assert!(
        text.contains("version 4") && text.contains("up to 3"),
        "{text}"
    );
    open_with(&bed, WITH_NEXT).await.unwrap();
}

async fn the_tables_are_changed_once_when_several_open_at_a_time(bed: Bed) {
    // SQLite's file is guarded by the data directory's lock, so only PostgreSQL is raced.
    let (first, second, third) = match bed.location {
        DatabaseLocation::Sqlite(_) => (bed.open().await, bed.open().await, bed.open().await),
        DatabaseLocation::Postgres(_) => tokio::join!(bed.open(), bed.open(), bed.open()),
    };
    for (store, slug) in [(first, "one"), (second, "two"), (third, "three")] {
        store
            .create_server(&new_server(slug), None, &event("server.add"))
            .await
            .unwrap();
    }
    let servers = bed.open().await.servers().await.unwrap();
    let mut generations: Vec<u64> = servers.iter().map(|it| it.generation).collect();
    generations.sort_unstable();
    assert_eq!(generations, [1, 2, 3]);
}

fn path_of(bed: &Bed) -> &std::path::Path {
    match &bed.location {
        DatabaseLocation::Sqlite(path) => path,
        DatabaseLocation::Postgres(_) => unreachable!("a test of SQLite"),
    }
}

#[tokio::test]
async fn a_newer_sqlite_file_keeps_its_bytes_and_the_log_that_a_crash_left() {
    let bed = Bed::sqlite();
    let path = path_of(&bed);
    let store = open_with(&bed, WITH_NEXT).await.unwrap();
    let server = new_server("one");
    store
        .create_server(&server, None, &event("server.add"))
        .await
        .unwrap();
    // As a crash leaves it: rows in the log that are not yet in the file.
    let crashed = Bed::sqlite();
    let copy = path_of(&crashed);
    let wal = |path: &std::path::Path| format!("{}-wal", path.display());
    fs::copy(path, copy).unwrap();
    fs::copy(wal(path), wal(copy)).unwrap();
    let before = (fs::read(copy).unwrap(), fs::read(wal(copy)).unwrap());
    assert!(!before.1.is_empty());

    let err = open_with(&crashed, MIGRATIONS).await.unwrap_err();
    assert!(matches!(err, StoreError::NewerVersion { .. }), "{err:?}");
    assert!(
        before.0 == fs::read(copy).unwrap(),
        "the file was written to"
    );
    assert!(
        before.1 == fs::read(wal(copy)).unwrap(),
        "the log was written to"
    );
    let store = open_with(&crashed, WITH_NEXT).await.unwrap();
    assert_eq!(store.servers().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_copy_is_made_before_the_tables_are_changed() {
    let bed = Bed::sqlite();
    let path = path_of(&bed);
    let copy = format!("{}.v3.bak", path.display());
    let store = bed.open().await;
    store
        .create_server(&new_server("one"), None, &event("server.add"))
        .await
        .unwrap();
    store.close().await;
    assert!(!fs::exists(&copy).unwrap(), "nothing has changed yet");
    // What an interrupted copy left is no hindrance.
    fs::write(format!("{copy}.part"), "half").unwrap();

    open_with(&bed, WITH_NEXT).await.unwrap().close().await;
    let mode = fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!fs::exists(format!("{copy}.part")).unwrap());
    let old = DatabaseLocation::Sqlite(copy.into());
    let clock = Arc::clone(&bed.clock) as Arc<dyn Clock>;
    let old = Store::open(&old, clock).await.unwrap();
    assert_eq!(old.servers().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_files_are_for_their_owner_only_and_set_up_as_they_should_be() {
    let bed = Bed::sqlite();
    let path = path_of(&bed);
    let store = bed.open().await;
    store
        .create_server(&new_server("one"), None, &event("server.add"))
        .await
        .unwrap();
    for end in ["", "-wal", "-shm"] {
        let meta = fs::metadata(format!("{}{end}", path.display())).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o600, "{end}");
    }
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.unwrap();
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(mode, "wal");
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_an_error_and_stays() {
    let bed = Bed::sqlite();
    let text = "not a database, but long enough to look like one ".repeat(50);
    fs::write(path_of(&bed), &text).unwrap();
    let err = open_with(&bed, MIGRATIONS).await.unwrap_err();
    assert!(matches!(err, StoreError::Open { .. }), "{err:?}");
    assert_eq!(fs::read_to_string(path_of(&bed)).unwrap(), text);
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_transient_and_keeps_its_password() {
    let url = "postgres://user:hunter2@localhost/db?host=/nowhere/at/all";
    let location = DatabaseLocation::Postgres(url.to_owned());
    assert!(!format!("{location:?}").contains("hunter2"));
    let err = Store::open(&location, Bed::sqlite().clock)
        .await
        .unwrap_err();
    assert!(err.is_transient(), "{err:?}");
    assert!(!format!("{err} {err:?}").contains("hunter2"));
}

/// The figures that `start to first answer` is made of. Generous, since the machine may be busy.
#[tokio::test]
async fn opening_takes_milliseconds() {
    let bed = Bed::sqlite();
    let before = Instant::now();
    let store = bed.open().await;
    let new = before.elapsed();
    store.close().await;
    let mut existing = std::time::Duration::MAX;
    for _ in 0..5 {
        let before = Instant::now();
        let store = bed.open().await;
        existing = existing.min(before.elapsed());
        store.close().await;
    }
    assert!(new.as_millis() < 500, "{new:?}");
    assert!(existing.as_millis() < 100, "{existing:?}");
}
