//! Brings the tables to this program's version: all steps that are missing in one transaction.

use sqlx::{PgPool, SqliteConnection, SqlitePool};

use crate::{StoreError, error::db};

/// A step from one version to the next, once for each database. Steps that were released are never
/// edited.
pub(crate) struct Migration {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

/// The steps in their order; the version is how many were made.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration {
        sqlite: include_str!("../migrations/sqlite/0001.sql"),
        postgres: include_str!("../migrations/postgres/0001.sql"),
    },
    Migration {
        sqlite: include_str!("../migrations/sqlite/0002.sql"),
        postgres: include_str!("../migrations/postgres/0002.sql"),
    },
    Migration {
        sqlite: include_str!("../migrations/sqlite/0003.sql"),
        postgres: include_str!("../migrations/postgres/0003.sql"),
    },
];

/// Held while PostgreSQL's tables are changed, since several programs may start at once.
const POSTGRES_LOCK: i64 = 0x6172_6368_6573_7472;

/// Returns the version, 0 when there are no tables.
pub(crate) async fn version_of_sqlite(
    connection: &mut SqliteConnection,
) -> Result<i64, sqlx::Error> {
    let has_table = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema'";
    let tables: i64 = sqlx::query_scalar(has_table)
        .fetch_one(&mut *connection)
        .await?;
    if tables == 0 {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT version FROM schema")
        .fetch_one(connection)
        .await
}

pub(crate) async fn migrate_sqlite(
    pool: &SqlitePool,
    migrations: &'static [Migration],
) -> Result<(), StoreError> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.map_err(db)?;
    let found = version_of_sqlite(&mut tx).await.map_err(db)?;
    for step in missing(migrations, found, "")? {
        sqlx::raw_sql(step.sqlite)
            .execute(&mut *tx)
            .await
            .map_err(db)?;
    }
    let create = "CREATE TABLE IF NOT EXISTS schema (version BIGINT NOT NULL); DELETE FROM schema";
    sqlx::raw_sql(create).execute(&mut *tx).await.map_err(db)?;
    sqlx::query("INSERT INTO schema (version) VALUES ($1)")
        .bind(migrations.len() as i64)
        .execute(&mut *tx)
        .await
        .map_err(db)?;
    tx.commit().await.map_err(db)
}

pub(crate) async fn migrate_postgres(
    pool: &PgPool,
    migrations: &'static [Migration],
) -> Result<(), StoreError> {
    let mut tx = pool.begin().await.map_err(db)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(POSTGRES_LOCK)
        .execute(&mut *tx)
        .await
        .map_err(db)?;
    let table: Option<String> = sqlx::query_scalar("SELECT to_regclass('\"schema\"')::text")
        .fetch_one(&mut *tx)
        .await
        .map_err(db)?;
    let found: i64 = match table {
        Some(_) => sqlx::query_scalar("SELECT version FROM \"schema\"")
            .fetch_one(&mut *tx)
            .await
            .map_err(db)?,
        None => 0,
    };
    let steps = missing(migrations, found, "by its PostgreSQL address")?;
    if steps.is_empty() {
        return tx.rollback().await.map_err(db);
    }
    for step in steps {
        sqlx::raw_sql(step.postgres)
            .execute(&mut *tx)
            .await
            .map_err(db)?;
    }
    let create =
        "CREATE TABLE IF NOT EXISTS \"schema\" (version BIGINT NOT NULL); DELETE FROM \"schema\"";
    sqlx::raw_sql(create).execute(&mut *tx).await.map_err(db)?;
    sqlx::query("INSERT INTO \"schema\" (version) VALUES ($1)")
        .bind(migrations.len() as i64)
        .execute(&mut *tx)
        .await
        .map_err(db)?;
    tx.commit().await.map_err(db)
}

fn missing(
    migrations: &'static [Migration],
    found: i64,
    location: &str,
) -> Result<&'static [Migration], StoreError> {
    let from = usize::try_from(found).unwrap_or(usize::MAX);
    migrations
        .get(from..)
        .ok_or_else(|| StoreError::NewerVersion {
            location: location.to_owned(),
            found,
            known: migrations.len() as i64,
        })
}
