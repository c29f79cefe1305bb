use domain::{ServerId, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::{
    Store, StoreError,
    error::db,
    store::{corrupt, ms, time},
};

/// The longest list that is kept, in bytes.
const LIST_BYTES_MAX: usize = 16 << 20;

text_enum! {
    /// What a server has answered to when it was asked what it has.
    ListKind {
        Initialize = "initialize",
        Tools = "tools",
        Resources = "resources",
        ResourceTemplates = "resource_templates",
        Prompts = "prompts",
    }
}

/// A list as the server sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredList {
    pub server: ServerId,
    pub kind: ListKind,
    /// JSON, byte for byte.
    pub body: Box<str>,
    /// Of `body`, in hexadecimal digits.
    pub sha256: String,
    /// When it was last different from what was stored.
    pub updated_at: Timestamp,
}

/// What storing lists came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListsPut {
    Changed,
    /// All were stored already.
    Unchanged,
    /// The server is gone, nothing was stored.
    NoServer,
}

impl Store {
    /// Stores lists of a server, all or none. Kinds that are not among them stay as they are.
    pub async fn put_lists(
        &self,
        server: ServerId,
        lists: Vec<(ListKind, Box<str>)>,
    ) -> Result<ListsPut, StoreError> {
        if let Some((_, body)) = lists.iter().find(|(_, it)| LIST_BYTES_MAX < it.len()) {
            return Err(StoreError::TooLarge {
                what: "a server's list",
                bytes: body.len(),
                max: LIST_BYTES_MAX,
            });
        }
        let sql = "INSERT INTO server_lists (server_id, kind, body, sha256, updated_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (server_id, kind) DO UPDATE SET body = excluded.body, sha256 = excluded.sha256, updated_at = excluded.updated_at WHERE server_lists.sha256 <> excluded.sha256";
        let now = self.now();
        let changed = transaction!(self, tx => {
            let mut changed = 0;
            for (kind, body) in lists {
                let digest = Sha256::digest(body.as_bytes());
                let sha256: String = digest.iter().map(|it| format!("{it:02x}")).collect();
                let outcome = sqlx::query(sql)
                    .bind(server.to_string())
                    .bind(kind.as_str())
                    .bind(body.into_string())
                    .bind(sha256)
                    .bind(ms(now))
                    .execute(&mut *tx)
                    .await;
                match outcome {
                    Ok(outcome) => changed += outcome.rows_affected(),
                    Err(err) if StoreError::is_missing_parent(&err) => {
                        return Ok(ListsPut::NoServer);
                    }
                    Err(err) => return Err(db(err)),
                }
            }
            changed
        });
        Ok(match changed {
            0 => ListsPut::Unchanged,
            _ => ListsPut::Changed,
        })
    }

    /// Returns the lists of all servers.
    pub async fn lists(&self) -> Result<Vec<StoredList>, StoreError> {
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as("SELECT * FROM server_lists ORDER BY server_id, kind")
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        rows.into_iter().map(Row::into_list).collect()
    }

    pub async fn lists_of(&self, server: ServerId) -> Result<Vec<StoredList>, StoreError> {
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as("SELECT * FROM server_lists WHERE server_id = $1 ORDER BY kind")
                .bind(server.to_string())
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        rows.into_iter().map(Row::into_list).collect()
    }
}

row!(Row {
    server_id: String,
    kind: String,
    body: String,
    sha256: String,
    updated_at: i64,
});

impl Row {
    fn into_list(self) -> Result<StoredList, StoreError> {
        let corrupt = corrupt("list of server", &self.server_id);
        let list = || -> Result<StoredList, Box<dyn std::error::Error + Send + Sync>> {
            Ok(StoredList {
                server: self.server_id.parse()?,
                kind: ListKind::of_text(&self.kind).ok_or("an unknown kind")?,
                body: self.body.into_boxed_str(),
                sha256: self.sha256,
                updated_at: time(self.updated_at),
            })
        };
        list().map_err(corrupt)
    }
}
