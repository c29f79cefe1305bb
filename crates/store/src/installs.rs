use domain::{InstallId, PackageRef, ServerId, Timestamp};

use crate::{
    AuditEvent, Store, StoreError,
    error::db,
    servers::next_generation,
    step_log::StepLog,
    store::{corrupt, ms, number, storable, time},
};

/// The longest lock file that is kept, in bytes.
const LOCK_BYTES_MAX: usize = 4 << 20;
/// The longest reason of a failure, in bytes. What is longer is cut.
const FAILURE_BYTES_MAX: usize = 8 << 10;

text_enum! {
    /// How far an install has come.
    InstallState {
        Pending = "pending",
        Running = "running",
        /// The package has scripts of its own, and nobody has decided about them.
        WaitingForConsent = "waiting_for_consent",
        Ready = "ready",
        Failed = "failed",
        /// A later one has taken its place.
        Superseded = "superseded",
    }
}

text_enum! {
    /// What a person has decided about a package's own scripts.
    Consent {
        None = "none",
        Run = "run",
        Skip = "skip",
    }
}

text_enum! {
    /// How far a step of an install has come.
    StepState {
        Pending = "pending",
        Running = "running",
        Done = "done",
        Failed = "failed",
        Skipped = "skipped",
    }
}

/// An install to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInstall {
    pub id: InstallId,
    pub volume: String,
    pub package: PackageRef,
    /// The names of its steps, in their order.
    pub steps: Vec<String>,
}

/// What a package turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    pub version: String,
    /// The lock file, at most 4 MiB.
    pub lock: String,
    pub lock_sha256: String,
    /// The package's own hash, as its registry gives it.
    pub integrity: Option<String>,
    /// The packages that have scripts of their own.
    pub build_scripts: Vec<String>,
}

/// An install as it is stored, without its lock file ([`Store::install_lock`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredInstall {
    pub id: InstallId,
    pub server: ServerId,
    pub state: InstallState,
    pub volume: String,
    pub package: PackageRef,
    pub resolved_version: Option<String>,
    pub lock_sha256: Option<String>,
    pub integrity: Option<String>,
    pub build_scripts: Vec<String>,
    pub consent: Consent,
    /// The command that starts the server, once it is known.
    pub argv: Option<Vec<String>>,
    pub size_bytes: Option<u64>,
    pub failure: Option<String>,
    /// From 1.
    pub attempt: u32,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallStep {
    pub position: u32,
    pub name: String,
    pub state: StepState,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub reason: Option<String>,
    /// At most [`STEP_LOG_BYTES_MAX`](crate::STEP_LOG_BYTES_MAX), and a line that says what was left
    /// out.
    pub log: String,
}

/// Inserts an install and its steps. Those of the server that are not finished are superseded.
macro_rules! insert_install {
    ($tx:ident, $server:expr, $install:expr, $now:expr) => {{
        let (install, now) = ($install, $crate::store::ms($now));
        let sql = "UPDATE installs SET state = 'superseded', updated_at = $2 WHERE server_id = $1 AND state IN ('pending', 'running', 'waiting_for_consent', 'failed')";
        sqlx::query(sql)
            .bind($server.to_string())
            .bind(now)
            .execute(&mut *$tx)
            .await
            .map_err(db)?;
        let sql = "INSERT INTO installs (id, server_id, state, volume, package, build_scripts, consent, attempt, created_at, updated_at) VALUES ($1, $2, 'pending', $3, $4, '[]', 'none', 1, $5, $5)";
        sqlx::query(sql)
            .bind(install.id.to_string())
            .bind($server.to_string())
            .bind(install.volume.clone())
            .bind(serde_json::to_string(&install.package).expect("a package has a JSON form"))
            .bind(now)
            .execute(&mut *$tx)
            .await
            .map_err(db)?;
        let sql = "INSERT INTO install_steps (install_id, position, name, state, log_head, log_tail, log_cut_bytes) VALUES ($1, $2, $3, 'pending', '', '', 0)";
        for (position, name) in (0_i64..).zip(&install.steps) {
            sqlx::query(sql)
                .bind(install.id.to_string())
                .bind(position)
                .bind(name.clone())
                .execute(&mut *$tx)
                .await
                .map_err(db)?;
        }
    }};
}
pub(crate) use insert_install;

const COLUMNS: &str = "SELECT id, server_id, state, volume, package, resolved_version, lock_sha256, integrity, build_scripts, consent, argv, size_bytes, failure, attempt, created_at, updated_at FROM installs";

/// Makes a query of [`COLUMNS`] and what follows.
macro_rules! select_installs {
    ($rest:literal) => {
        sqlx::AssertSqlSafe(format!("{COLUMNS} {}", $rest))
    };
}

impl Store {
    /// Adds an install to a server. Earlier ones that are not finished are superseded. Returns
    /// whether there is such a server.
    pub async fn create_install(
        &self,
        server: ServerId,
        install: &NewInstall,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        transaction!(self, tx => {
            let servers: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM servers WHERE id = $1")
                .bind(server.to_string())
                .fetch_one(&mut *tx)
                .await
                .map_err(db)?;
            if servers == 0 {
                return Ok(false);
            }
            insert_install!(tx, server, install, now);
        });
        Ok(true)
    }

    pub async fn install(&self, id: InstallId) -> Result<Option<StoredInstall>, StoreError> {
        let row: Option<Row> = reading!(self, pool => {
            sqlx::query_as(select_installs!("WHERE id = $1"))
                .bind(id.to_string())
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        row.map(Row::into_install).transpose()
    }

    /// Returns a server's installs, newest first.
    pub async fn installs_of(&self, server: ServerId) -> Result<Vec<StoredInstall>, StoreError> {
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as(select_installs!("WHERE server_id = $1 ORDER BY created_at DESC, id DESC"))
                .bind(server.to_string())
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        rows.into_iter().map(Row::into_install).collect()
    }

    /// Returns the installs that have neither got there nor failed, oldest first.
    pub async fn unfinished_installs(&self) -> Result<Vec<StoredInstall>, StoreError> {
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as(select_installs!(
                "WHERE state IN ('pending', 'running', 'waiting_for_consent') ORDER BY created_at, id"
            ))
            .fetch_all(pool)
            .await
            .map_err(db)?
        });
        rows.into_iter().map(Row::into_install).collect()
    }

    /// Returns the lock file of an install.
    pub async fn install_lock(&self, id: InstallId) -> Result<Option<String>, StoreError> {
        let lock: Option<Option<String>> = reading!(self, pool => {
            sqlx::query_scalar("SELECT lock FROM installs WHERE id = $1")
                .bind(id.to_string())
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        Ok(lock.flatten())
    }

    /// Moves an install that is not finished. Returns whether it was moved: not when it is ready,
    /// superseded or gone.
    ///
    /// `Ready` is reached by [`finish_install`](Self::finish_install) only.
    pub async fn set_install_state(
        &self,
        id: InstallId,
        state: InstallState,
        failure: Option<&str>,
    ) -> Result<bool, StoreError> {
        if state == InstallState::Ready {
            return Ok(false);
        }
        let sql = "UPDATE installs SET state = $2, failure = $3, updated_at = $4 WHERE id = $1 AND state IN ('pending', 'running', 'waiting_for_consent', 'failed')";
        let failure = failure.map(|it| storable(&it[..it.floor_char_boundary(FAILURE_BYTES_MAX)]));
        let changed: u64 = writing!(self, pool => {
            sqlx::query(sql)
                .bind(id.to_string())
                .bind(state.as_str())
                .bind(failure.clone())
                .bind(ms(self.now()))
                .execute(pool)
                .await
                .map_err(db)?
                .rows_affected()
        });
        Ok(changed != 0)
    }

    /// Records what a person has decided about the package's scripts, and lets the install go on.
    /// Returns whether it was waiting for that.
    pub async fn set_consent(
        &self,
        id: InstallId,
        consent: Consent,
        audit: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE installs SET consent = $2, state = 'pending', updated_at = $3 WHERE id = $1 AND state = 'waiting_for_consent'";
        let now = self.now();
        transaction!(self, tx => {
            let changed = sqlx::query(sql)
                .bind(id.to_string())
                .bind(consent.as_str())
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if changed.rows_affected() == 0 {
                return Ok(false);
            }
            insert_audit!(&mut *tx, [audit]);
        });
        Ok(true)
    }

    /// Records which version and which files the package is. Returns whether there is such an
    /// install.
    pub async fn record_resolution(
        &self,
        id: InstallId,
        resolution: &Resolution,
    ) -> Result<bool, StoreError> {
        let bytes = resolution.lock.len();
        if LOCK_BYTES_MAX < bytes {
            return Err(StoreError::TooLarge {
                what: "the lock file",
                bytes,
                max: LOCK_BYTES_MAX,
            });
        }
        let scripts = strings_json(&resolution.build_scripts);
        let sql = "UPDATE installs SET resolved_version = $2, lock = $3, lock_sha256 = $4, integrity = $5, build_scripts = $6, updated_at = $7 WHERE id = $1";
        let changed: u64 = writing!(self, pool => {
            sqlx::query(sql)
                .bind(id.to_string())
                .bind(storable(&resolution.version))
                .bind(storable(&resolution.lock))
                .bind(resolution.lock_sha256.clone())
                .bind(resolution.integrity.as_deref().map(storable))
                .bind(scripts.clone())
                .bind(ms(self.now()))
                .execute(pool)
                .await
                .map_err(db)?
                .rows_affected()
        });
        Ok(changed != 0)
    }

    /// Begins a step, or begins it again with an empty log.
    pub async fn begin_step(
        &self,
        id: InstallId,
        position: u32,
        name: &str,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO install_steps (install_id, position, name, state, started_at, log_head, log_tail, log_cut_bytes) VALUES ($1, $2, $3, 'running', $4, '', '', 0) ON CONFLICT (install_id, position) DO UPDATE SET name = excluded.name, state = excluded.state, started_at = excluded.started_at, ended_at = NULL, reason = NULL, log_head = '', log_tail = '', log_cut_bytes = 0";
        writing!(self, pool => {
            sqlx::query(sql)
                .bind(id.to_string())
                .bind(i64::from(position))
                .bind(name)
                .bind(ms(self.now()))
                .execute(pool)
                .await
                .or_else(|err| ignore_missing_parent(err).map(|()| Default::default()))?;
        });
        Ok(())
    }

    /// Adds to a step's log. Nothing happens when the step is gone with its server.
    pub async fn append_step_log(
        &self,
        id: InstallId,
        position: u32,
        text: &str,
    ) -> Result<(), StoreError> {
        let select = "SELECT log_head, log_tail, log_cut_bytes FROM install_steps WHERE install_id = $1 AND position = $2";
        let update = "UPDATE install_steps SET log_head = $3, log_tail = $4, log_cut_bytes = $5 WHERE install_id = $1 AND position = $2";
        let text = storable(text);
        transaction!(self, tx => {
            let stored: Option<(String, String, i64)> = sqlx::query_as(select)
                .bind(id.to_string())
                .bind(i64::from(position))
                .fetch_optional(&mut *tx)
                .await
                .map_err(db)?;
            let Some((head, tail, cut)) = stored else {
                return Ok(());
            };
            let cut_bytes = cut.unsigned_abs();
            let mut log = StepLog { head, tail, cut_bytes };
            log.append(&text);
            sqlx::query(update)
                .bind(id.to_string())
                .bind(i64::from(position))
                .bind(log.head)
                .bind(log.tail)
                .bind(number(log.cut_bytes))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
        });
        Ok(())
    }

    pub async fn end_step(
        &self,
        id: InstallId,
        position: u32,
        state: StepState,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE install_steps SET state = $3, reason = $4, ended_at = $5 WHERE install_id = $1 AND position = $2";
        let reason = reason.map(|it| storable(&it[..it.floor_char_boundary(FAILURE_BYTES_MAX)]));
        writing!(self, pool => {
            sqlx::query(sql)
                .bind(id.to_string())
                .bind(i64::from(position))
                .bind(state.as_str())
                .bind(reason.clone())
                .bind(ms(self.now()))
                .execute(pool)
                .await
                .map_err(db)?;
        });
        Ok(())
    }

    /// Returns the steps of an install, in their order.
    pub async fn install_steps(&self, id: InstallId) -> Result<Vec<InstallStep>, StoreError> {
        let rows: Vec<StepRow> = reading!(self, pool => {
            sqlx::query_as("SELECT * FROM install_steps WHERE install_id = $1 ORDER BY position")
                .bind(id.to_string())
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        rows.into_iter().map(StepRow::into_step).collect()
    }

    /// Says that an install is ready, which makes it its server's: in one transaction, the last of
    /// all. Returns whether it was still wanted.
    pub async fn finish_install(
        &self,
        id: InstallId,
        argv: &[String],
        size_bytes: u64,
    ) -> Result<bool, StoreError> {
        let finish = "UPDATE installs SET state = 'ready', argv = $2, size_bytes = $3, failure = NULL, updated_at = $4 WHERE id = $1 AND state = 'running' RETURNING server_id";
        let supersede = "UPDATE installs SET state = 'superseded', updated_at = $3 WHERE server_id = $1 AND id <> $2 AND state = 'ready'";
        let take =
            "UPDATE servers SET ready_install = $2, generation = $3, updated_at = $4 WHERE id = $1";
        let now = ms(self.now());
        let argv = strings_json(argv);
        transaction!(self, tx => {
            let server: Option<String> = sqlx::query_scalar(finish)
                .bind(id.to_string())
                .bind(argv)
                .bind(number(size_bytes))
                .bind(now)
                .fetch_optional(&mut *tx)
                .await
                .map_err(db)?;
            let Some(server) = server else {
                return Ok(false);
            };
            let generation = next_generation!(tx);
            sqlx::query(supersede)
                .bind(server.clone())
                .bind(id.to_string())
                .bind(now)
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            sqlx::query(take)
                .bind(server)
                .bind(id.to_string())
                .bind(generation)
                .bind(now)
                .execute(&mut *tx)
                .await
                .map_err(db)?;
        });
        Ok(true)
    }

    /// Lets a failed or interrupted install begin again from its first step, as one more attempt.
    /// What was decided and resolved stays. Returns whether it may.
    pub async fn reset_for_retry(&self, id: InstallId) -> Result<bool, StoreError> {
        let install = "UPDATE installs SET state = 'pending', failure = NULL, attempt = attempt + 1, updated_at = $2 WHERE id = $1 AND state IN ('pending', 'running', 'failed')";
        let steps = "UPDATE install_steps SET state = 'pending', started_at = NULL, ended_at = NULL, reason = NULL, log_head = '', log_tail = '', log_cut_bytes = 0 WHERE install_id = $1";
        let now = self.now();
        transaction!(self, tx => {
            let changed = sqlx::query(install)
                .bind(id.to_string())
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if changed.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query(steps)
                .bind(id.to_string())
                .execute(&mut *tx)
                .await
                .map_err(db)?;
        });
        Ok(true)
    }

    /// Returns the volumes that a server runs from or that an install is being made in. All others
    /// may be removed.
    pub async fn referenced_volumes(&self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT volume FROM installs WHERE state IN ('pending', 'running', 'waiting_for_consent') OR id IN (SELECT ready_install FROM servers WHERE ready_install IS NOT NULL) ORDER BY volume";
        reading!(self, pool => {
            sqlx::query_scalar(sql).fetch_all(pool).await.map_err(db)
        })
    }
}

/// A step of an install that was deleted meanwhile needs no row.
fn ignore_missing_parent(err: sqlx::Error) -> Result<(), StoreError> {
    if StoreError::is_missing_parent(&err) {
        return Ok(());
    }
    Err(db(err))
}

fn strings_json(strings: &[String]) -> String {
    serde_json::to_string(strings).expect("strings have a JSON form")
}

row!(Row {
    id: String,
    server_id: String,
    state: String,
    volume: String,
    package: String,
    resolved_version: Option<String>,
    lock_sha256: Option<String>,
    integrity: Option<String>,
    build_scripts: String,
    consent: String,
    argv: Option<String>,
    size_bytes: Option<i64>,
    failure: Option<String>,
    attempt: i64,
    created_at: i64,
    updated_at: i64,
});

impl Row {
    fn into_install(self) -> Result<StoredInstall, StoreError> {
        let corrupt = corrupt("install", &self.id);
        let install = || -> Result<StoredInstall, Box<dyn std::error::Error + Send + Sync>> {
            Ok(StoredInstall {
                id: self.id.parse()?,
                server: self.server_id.parse()?,
                state: InstallState::of_text(&self.state).ok_or("an unknown state")?,
                volume: self.volume,
                package: serde_json::from_str(&self.package)?,
                resolved_version: self.resolved_version,
                lock_sha256: self.lock_sha256,
                integrity: self.integrity,
                build_scripts: serde_json::from_str(&self.build_scripts)?,
                consent: Consent::of_text(&self.consent).ok_or("an unknown consent")?,
                argv: self.argv.map(|it| serde_json::from_str(&it)).transpose()?,
                size_bytes: self.size_bytes.map(i64::unsigned_abs),
                failure: self.failure,
                attempt: u32::try_from(self.attempt)?,
                created_at: time(self.created_at),
                updated_at: time(self.updated_at),
            })
        };
        install().map_err(corrupt)
    }
}

row!(StepRow {
    install_id: String,
    position: i64,
    name: String,
    state: String,
    started_at: Option<i64>,
    ended_at: Option<i64>,
    reason: Option<String>,
    log_head: String,
    log_tail: String,
    log_cut_bytes: i64,
});

impl StepRow {
    fn into_step(self) -> Result<InstallStep, StoreError> {
        let corrupt = corrupt("step of install", &self.install_id);
        let log = StepLog {
            head: self.log_head,
            tail: self.log_tail,
            cut_bytes: self.log_cut_bytes.unsigned_abs(),
        };
        let step = || -> Result<InstallStep, Box<dyn std::error::Error + Send + Sync>> {
            Ok(InstallStep {
                position: u32::try_from(self.position)?,
                name: self.name,
                state: StepState::of_text(&self.state).ok_or("an unknown state")?,
                started_at: self.started_at.map(time),
                ended_at: self.ended_at.map(time),
                reason: self.reason,
                log: log.text(),
            })
        };
        step().map_err(corrupt)
    }
}
