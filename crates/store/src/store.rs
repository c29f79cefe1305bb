use std::{
    fmt,
    fs::{OpenOptions, Permissions},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    str::FromStr as _,
    sync::Arc,
    time::Duration,
};

use domain::{Clock, Timestamp};
use sqlx::{
    ConnectOptions as _, Connection as _,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    StoreError,
    error::db,
    migrate::{MIGRATIONS, Migration, migrate_postgres, migrate_sqlite, version_of_sqlite},
    pools::Pools,
};

/// How long a statement of SQLite waits for another process, for instance a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for a connection out of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest text that is searched for, in bytes. What is longer is cut.
const LIKE_BYTES_MAX: usize = 512;
const SQLITE_READERS_MAX: u32 = 4;
const POSTGRES_CONNECTIONS_MAX: u32 = 8;

/// The handle to all that is remembered. Cloning it is cheap.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    pools: Pools,
    clock: Arc<dyn Clock>,
}

/// Which database, and where it is.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseLocation {
    /// A file of its own; made when it is not there.
    Sqlite(PathBuf),
    /// `postgres://user:password@host/database`. The database has to be there.
    Postgres(String),
}

impl Store {
    /// Opens the database and brings its tables to this program's version.
    ///
    /// Before an existing SQLite file is changed, a copy `<name>.v<old version>.bak` is made next to
    /// it. A database of a newer version is an error, and is left as it is.
    pub async fn open(
        location: &DatabaseLocation,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        Self::open_with(location, clock, MIGRATIONS).await
    }

    pub(crate) async fn open_with(
        location: &DatabaseLocation,
        clock: Arc<dyn Clock>,
        migrations: &'static [Migration],
    ) -> Result<Self, StoreError> {
        let pools = match location {
            DatabaseLocation::Sqlite(path) => open_sqlite(path, migrations).await?,
            DatabaseLocation::Postgres(url) => open_postgres(url, migrations).await?,
        };
        Ok(Self {
            inner: Arc::new(Inner { pools, clock }),
        })
    }

    /// Closes all connections, once those in use are given back. Calls that follow fail.
    pub async fn close(&self) {
        match self.pools() {
            Pools::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.inner.pools
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }
}

async fn open_sqlite(path: &Path, migrations: &'static [Migration]) -> Result<Pools, StoreError> {
    let location = || format!("`{}`", path.display());
    let file_error = |what| {
        move |source| StoreError::File {
            what,
            path: path.to_owned(),
            source,
        }
    };
    let is_new = match path.metadata() {
        Ok(it) => it.len() == 0,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => true,
        Err(err) => return Err(file_error("open")(err)),
    };
    let known = migrations.len() as i64;
    let found = if is_new {
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o600);
        options.open(path).map_err(file_error("create"))?;
        0
    } else {
        // Seen through a connection that cannot write: one that can would fold the file's log into
        // it when it is closed.
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let open_error = |source| StoreError::Open {
            location: location(),
            source,
        };
        let options = options
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(open_error)?;
        let version = version_of_sqlite(&mut connection)
            .await
            .map_err(open_error)?;
        connection.close().await.map_err(open_error)?;
        version
    };
    if known < found {
        return Err(StoreError::NewerVersion {
            location: location(),
            found,
            known,
        });
    }
    let mode = Permissions::from_mode(0o600);
    std::fs::set_permissions(path, mode).map_err(file_error("set the mode of"))?;

    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging();
    let pool = |connections_max| {
        SqlitePoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
    };
    let write = pool(1)
        .connect_with(options.clone())
        .await
        .map_err(|source| StoreError::Open {
            location: location(),
            source,
        })?;
    if found < known {
        if found != 0 {
            back_up(path, found, &write).await?;
        }
        migrate_sqlite(&write, migrations).await?;
    }
    let read = pool(SQLITE_READERS_MAX).connect_lazy_with(options);
    Ok(Pools::Sqlite { read, write })
}

/// Makes `<name>.v<version>.bak`, whole or not at all.
async fn back_up(path: &Path, version: i64, pool: &sqlx::SqlitePool) -> Result<(), StoreError> {
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let copy = beside(&format!(".v{version}.bak"));
    let unfinished = beside(&format!(".v{version}.bak.part"));
    let file_error = |what, path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::File { what, path, source }
    };
    match std::fs::remove_file(&unfinished) {
        Err(err) if err.kind() != std::io::ErrorKind::NotFound => {
            return Err(file_error("remove", &unfinished)(err));
        }
        _ => {}
    }
    // SQLite writes into an empty file that is there, and leaves its mode.
    let mut options = OpenOptions::new();
    options.create_new(true).write(true).mode(0o600);
    let file = options
        .open(&unfinished)
        .map_err(file_error("create", &unfinished))?;
    let Some(target) = unfinished.to_str() else {
        let reason = std::io::Error::other("the path is not UTF-8");
        return Err(file_error("write", &unfinished)(reason));
    };
    sqlx::query("VACUUM INTO $1")
        .bind(target)
        .execute(pool)
        .await
        .map_err(db)?;
    file.sync_all().map_err(file_error("write", &unfinished))?;
    std::fs::rename(&unfinished, &copy).map_err(file_error("rename", &unfinished))?;
    tracing::info!(
        database.version = version,
        database.copy = %copy.display(),
        "copied the database before its change"
    );
    Ok(())
}

async fn open_postgres(url: &str, migrations: &'static [Migration]) -> Result<Pools, StoreError> {
    // The address has a password in it, so the error must not.
    let open_error = |source| StoreError::Open {
        location: "by its PostgreSQL address".to_owned(),
        source,
    };
    let options = PgConnectOptions::from_str(url).map_err(open_error)?;
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS_MAX)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|connection, _| {
            Box::pin(async move {
                // Everything from outside has a deadline; the pool's covers only the waiting.
                let limits = "SET statement_timeout = '30s'; SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '60s'";
                sqlx::raw_sql(limits).execute(&mut *connection).await?;
                Ok(())
            })
        })
        .connect_with(options.disable_statement_logging())
        .await
        .map_err(open_error)?;
    migrate_postgres(&pool, migrations).await?;
    Ok(Pools::Postgres(pool))
}

/// Returns a time as it is stored.
pub(crate) fn ms(at: Timestamp) -> i64 {
    number(at.unix_ms)
}

/// Returns a stored time.
pub(crate) fn time(ms: i64) -> Timestamp {
    Timestamp {
        unix_ms: u64::try_from(ms).unwrap_or(0),
    }
}

/// Returns a number as it is stored; one that is too large becomes the largest.
pub(crate) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Makes the error for a row that does not fit.
pub(crate) fn corrupt(
    what: &'static str,
    id: &dyn fmt::Display,
) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> StoreError + use<> {
    let id = id.to_string();
    move |source| StoreError::Corrupt { what, id, source }
}

/// Returns a text without the one character that PostgreSQL cannot hold.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Checks a text that is stored as it is, since others are compared with it.
pub(crate) fn check_key(
    what: &'static str,
    text: &str,
    bytes_max: usize,
) -> Result<(), StoreError> {
    if text.contains('\0') {
        return Err(StoreError::NotStorable { what });
    }
    check_size(what, text, bytes_max)
}

pub(crate) fn check_size(
    what: &'static str,
    text: &str,
    bytes_max: usize,
) -> Result<(), StoreError> {
    if bytes_max < text.len() {
        return Err(StoreError::TooLarge {
            what,
            bytes: text.len(),
            max: bytes_max,
        });
    }
    Ok(())
}

/// Returns the pattern, to be used with `ESCAPE '\'`, of all that has `text` in it.
pub(crate) fn like_pattern(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(LIKE_BYTES_MAX)];
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in storable(text).chars() {
        if matches!(c, '\\' | '%' | '_') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.pools() {
            Pools::Sqlite { .. } => "sqlite",
            Pools::Postgres(_) => "postgres",
        };
        f.debug_tuple("Store").field(&name).finish()
    }
}

/// An address of PostgreSQL may have a password in it.
impl fmt::Debug for DatabaseLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres([redacted])"),
        }
    }
}
