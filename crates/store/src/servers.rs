use domain::{InstallId, ServerId, ServerSlug, ServerSpec, Timestamp, ToolChanges};

use crate::{
    ApprovalsOf, AuditEvent, NewInstall, NewSecret, Store, StoreError,
    approvals::close_approvals,
    error::db,
    installs::insert_install,
    secrets::insert_secret,
    store::{corrupt, ms, storable, time},
};

/// A server that somebody adds.
#[derive(Debug, Clone)]
pub struct NewServer {
    pub id: ServerId,
    pub slug: ServerSlug,
    pub title: String,
    pub spec: ServerSpec,
    pub enabled: bool,
    /// The sealed values that the specification names.
    pub secrets: Vec<NewSecret>,
}

/// A server as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredServer {
    pub id: ServerId,
    pub slug: ServerSlug,
    pub title: String,
    pub spec: ServerSpec,
    pub enabled: bool,
    /// Grows with every change of what should run, and is never given twice.
    pub generation: u64,
    /// The install whose volume the server runs from.
    pub ready_install: Option<InstallId>,
    /// What happens when the server says something else of its tools than what is pinned.
    pub tool_changes: ToolChanges,
    /// When its first list of tools was pinned.
    pub pinned_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Takes the next generation, which no server has had.
macro_rules! next_generation {
    ($tx:ident) => {{
        let sql = "UPDATE counters SET value = value + 1 WHERE name = 'generation' RETURNING value";
        let generation: i64 = sqlx::query_scalar(sql)
            .fetch_one(&mut *$tx)
            .await
            .map_err(db)?;
        generation
    }};
}
pub(crate) use next_generation;

impl Store {
    /// Adds a server with its secrets and, if it is a package, its first install: all or nothing.
    pub async fn create_server(
        &self,
        server: &NewServer,
        install: Option<&NewInstall>,
        audit: &AuditEvent,
    ) -> Result<StoredServer, StoreError> {
        let now = self.now();
        let taken = |source| {
            if StoreError::is_taken(&source, "slug") {
                let slug = server.slug.clone();
                return StoreError::SlugTaken { slug };
            }
            db(source)
        };
        let sql = "INSERT INTO servers (id, slug, title, spec, enabled, generation, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";
        let generation = transaction!(self, tx => {
            let generation = next_generation!(tx);
            sqlx::query(sql)
                .bind(server.id.to_string())
                .bind(server.slug.as_str())
                .bind(storable(&server.title))
                .bind(json(&server.spec))
                .bind(server.enabled)
                .bind(generation)
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(taken)?;
            for secret in &server.secrets {
                insert_secret!(tx, secret, now);
            }
            if let Some(install) = install {
                insert_install!(tx, server.id, install, now);
            }
            insert_audit!(&mut *tx, [audit]);
            generation
        });
        Ok(StoredServer {
            id: server.id,
            slug: server.slug.clone(),
            title: server.title.clone(),
            spec: server.spec.clone(),
            enabled: server.enabled,
            generation: generation.unsigned_abs(),
            ready_install: None,
            tool_changes: ToolChanges::default(),
            pinned_at: None,
            created_at: now,
            updated_at: now,
        })
    }

    /// Returns all servers that people have added, in the order of their names.
    ///
    /// One that this version does not understand is left out, with an error in the log: it must not
    /// keep the others from running.
    pub async fn servers(&self) -> Result<Vec<StoredServer>, StoreError> {
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as("SELECT * FROM servers WHERE id <> $1 ORDER BY slug")
                .bind(ServerId::built_in().to_string())
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        let mut servers = Vec::with_capacity(rows.len());
        for row in rows {
            match row.into_server() {
                Ok(server) => servers.push(server),
                Err(err) => tracing::error!(
                    error = &err as &dyn std::error::Error,
                    "left out a stored server"
                ),
            }
        }
        Ok(servers)
    }

    /// Returns a server that somebody has added.
    pub async fn server(&self, id: ServerId) -> Result<Option<StoredServer>, StoreError> {
        if id == ServerId::built_in() {
            return Ok(None);
        }
        let row: Option<Row> = reading!(self, pool => {
            sqlx::query_as("SELECT * FROM servers WHERE id = $1")
                .bind(id.to_string())
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        row.map(Row::into_server).transpose()
    }

    /// Returns a server that somebody has added.
    pub async fn server_by_slug(
        &self,
        slug: &ServerSlug,
    ) -> Result<Option<StoredServer>, StoreError> {
        if slug.is_built_in() {
            return Ok(None);
        }
        let row: Option<Row> = reading!(self, pool => {
            sqlx::query_as("SELECT * FROM servers WHERE slug = $1")
                .bind(slug.as_str())
                .fetch_optional(pool)
                .await
                .map_err(db)?
        });
        row.map(Row::into_server).transpose()
    }

    /// Changes what is wanted, which is a new generation. Returns it, `None` if there is no server.
    pub async fn update_server_spec(
        &self,
        id: ServerId,
        spec: &ServerSpec,
        audit: &AuditEvent,
    ) -> Result<Option<u64>, StoreError> {
        let sql = "UPDATE servers SET spec = $2, generation = $3, updated_at = $4 WHERE id = $1";
        let now = self.now();
        let generation = transaction!(self, tx => {
            let generation = next_generation!(tx);
            let changed = sqlx::query(sql)
                .bind(id.to_string())
                .bind(json(spec))
                .bind(generation)
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if changed.rows_affected() == 0 {
                return Ok(None);
            }
            insert_audit!(&mut *tx, [audit]);
            generation
        });
        Ok(Some(generation.unsigned_abs()))
    }

    /// Gives a server another title and, where there is a `spec`, changes what is wanted, which is a new
    /// generation: both or neither. Returns whether there is such a server.
    pub async fn edit_server(
        &self,
        id: ServerId,
        title: &str,
        spec: Option<&ServerSpec>,
        audit: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE servers SET title = $2, updated_at = $3 WHERE id = $1";
        let spec_sql = "UPDATE servers SET spec = $2, generation = $3 WHERE id = $1";
        let now = self.now();
        transaction!(self, tx => {
            // The counter before the server, as everywhere, so that no two wait for each other.
            let wanted = match spec {
                Some(spec) => Some((spec, next_generation!(tx))),
                None => None,
            };
            let changed = sqlx::query(sql)
                .bind(id.to_string())
                .bind(storable(title))
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if changed.rows_affected() == 0 {
                return Ok(false);
            }
            if let Some((spec, generation)) = wanted {
                sqlx::query(spec_sql)
                    .bind(id.to_string())
                    .bind(json(spec))
                    .bind(generation)
                    .execute(&mut *tx)
                    .await
                    .map_err(db)?;
            }
            insert_audit!(&mut *tx, [audit]);
        });
        Ok(true)
    }

    /// Enables or disables a server, which is a new generation. Returns it, `None` if there is no
    /// server.
    pub async fn set_enabled(
        &self,
        id: ServerId,
        enabled: bool,
        audit: &AuditEvent,
    ) -> Result<Option<u64>, StoreError> {
        let sql = "UPDATE servers SET enabled = $2, generation = $3, updated_at = $4 WHERE id = $1";
        let now = self.now();
        let generation = transaction!(self, tx => {
            let generation = next_generation!(tx);
            let changed = sqlx::query(sql)
                .bind(id.to_string())
                .bind(enabled)
                .bind(generation)
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if changed.rows_affected() == 0 {
                return Ok(None);
            }
            insert_audit!(&mut *tx, [audit]);
            generation
        });
        Ok(Some(generation.unsigned_abs()))
    }

    /// Gives a server a new generation and changes nothing else: it is to be tried once more.
    pub async fn touch_server(&self, id: ServerId) -> Result<Option<u64>, StoreError> {
        let sql = "UPDATE servers SET generation = $2, updated_at = $3 WHERE id = $1";
        let now = self.now();
        let generation = transaction!(self, tx => {
            let generation = next_generation!(tx);
            let changed = sqlx::query(sql)
                .bind(id.to_string())
                .bind(generation)
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if changed.rows_affected() == 0 {
                return Ok(None);
            }
            generation
        });
        Ok(Some(generation.unsigned_abs()))
    }

    /// Says what happens when the server says something else of its tools. Nothing about how it runs
    /// changes, so there is no new generation. Returns whether there is such a server.
    pub async fn set_tool_changes(
        &self,
        id: ServerId,
        tool_changes: ToolChanges,
        audit: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE servers SET tool_changes = $2, updated_at = $3 WHERE id = $1";
        let now = self.now();
        transaction!(self, tx => {
            let changed = sqlx::query(sql)
                .bind(id.to_string())
                .bind(tool_changes.as_str())
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

    /// Deletes a server that somebody has added, with its installs, lists, secrets, pins, rules and
    /// grants. What waits for an approval of its tools is withdrawn. Returns whether there was one.
    pub async fn delete_server(
        &self,
        id: ServerId,
        audit: &AuditEvent,
    ) -> Result<bool, StoreError> {
        if id == ServerId::built_in() {
            return Ok(false);
        }
        let now = self.now();
        transaction!(self, tx => {
            // Servers before approvals, as everywhere, so that no two wait for each other.
            let sql = "UPDATE servers SET updated_at = $2 WHERE id = $1";
            let found = sqlx::query(sql)
                .bind(id.to_string())
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if found.rows_affected() == 0 {
                return Ok(false);
            }
            close_approvals!(tx, &ApprovalsOf::Server(id), now);
            sqlx::query("DELETE FROM servers WHERE id = $1")
                .bind(id.to_string())
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            insert_audit!(&mut *tx, [audit]);
        });
        Ok(true)
    }
}

pub(crate) fn json(spec: &ServerSpec) -> String {
    serde_json::to_string(spec).expect("a specification has a JSON form")
}

row!(Row {
    id: String,
    slug: String,
    title: String,
    spec: String,
    enabled: bool,
    generation: i64,
    ready_install: Option<String>,
    tool_changes: String,
    pinned_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
});

impl Row {
    fn into_server(self) -> Result<StoredServer, StoreError> {
        let corrupt = corrupt("server", &self.id);
        let server = || -> Result<StoredServer, Box<dyn std::error::Error + Send + Sync>> {
            Ok(StoredServer {
                id: self.id.parse()?,
                slug: self.slug.parse()?,
                title: self.title,
                spec: serde_json::from_str(&self.spec)?,
                enabled: self.enabled,
                generation: self.generation.unsigned_abs(),
                ready_install: self.ready_install.map(|it| it.parse()).transpose()?,
                tool_changes: self.tool_changes.parse()?,
                pinned_at: self.pinned_at.map(time),
                created_at: time(self.created_at),
                updated_at: time(self.updated_at),
            })
        };
        server().map_err(corrupt)
    }
}
