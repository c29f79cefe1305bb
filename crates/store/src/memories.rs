use domain::{PrincipalName, Timestamp};

use crate::{
    AuditEvent, Store, StoreError,
    error::db,
    store::{check_key, check_size, ms, number, storable, time},
};

/// The longest name of a memory, in bytes.
pub const MEMORY_NAME_BYTES_MAX: usize = 256;
/// The longest value of a memory, in bytes.
pub const MEMORY_VALUE_BYTES_MAX: usize = 64 << 10;

/// Something that all chats of a principal are to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    pub name: String,
    pub value: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What setting a memory came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemorySet {
    Created,
    Changed,
    /// It had that value already; nothing was written.
    Unchanged,
}

impl Store {
    /// Returns a principal's memories, in the order of the bytes of their names.
    pub async fn memories(&self, principal: &PrincipalName) -> Result<Vec<Memory>, StoreError> {
        let sql = "SELECT name, value, created_at, updated_at FROM memories WHERE principal = $1";
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as(sql)
                .bind(principal.as_str())
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        let mut memories: Vec<Memory> = rows.into_iter().map(Row::into_memory).collect();
        // Here, since databases order texts in ways of their own.
        memories.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(memories)
    }

    /// Sets a memory of a principal, who may have `memories_max`. The name has at most 256 bytes,
    /// the value 64 KiB. `audit` is written if anything changes.
    pub async fn set_memory(
        &self,
        principal: &PrincipalName,
        name: &str,
        value: &str,
        memories_max: u64,
        audit: &AuditEvent,
    ) -> Result<MemorySet, StoreError> {
        check_key("a memory's name", name, MEMORY_NAME_BYTES_MAX)?;
        check_size("a memory's value", value, MEMORY_VALUE_BYTES_MAX)?;
        let (value, now) = (storable(value), self.now());
        let count = "SELECT COUNT(*) FROM memories WHERE principal = $1";
        let find = "SELECT value FROM memories WHERE principal = $1 AND name = $2";
        let put = "INSERT INTO memories (principal, name, value, created_at, updated_at) VALUES ($1, $2, $3, $4, $4) ON CONFLICT (principal, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at";
        let set = transaction!(self, tx => {
            alone!(tx, "memories");
            let found: Option<String> = sqlx::query_scalar(find)
                .bind(principal.as_str().to_owned())
                .bind(name.to_owned())
                .fetch_optional(&mut *tx)
                .await
                .map_err(db)?;
            let set = match found {
                Some(it) if it == value => return Ok(MemorySet::Unchanged),
                Some(_) => MemorySet::Changed,
                None => MemorySet::Created,
            };
            if set == MemorySet::Created {
                let memories: i64 = sqlx::query_scalar(count)
                    .bind(principal.as_str().to_owned())
                    .fetch_one(&mut *tx)
                    .await
                    .map_err(db)?;
                if number(memories_max) <= memories {
                    let (what, max) = ("memories", memories_max);
                    return Err(StoreError::TooMany { what, max });
                }
            }
            sqlx::query(put)
                .bind(principal.as_str().to_owned())
                .bind(name.to_owned())
                .bind(value.clone())
                .bind(ms(now))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            insert_audit!(&mut *tx, [audit]);
            set
        });
        Ok(set)
    }

    /// Deletes a memory. Returns whether there was one.
    pub async fn delete_memory(
        &self,
        principal: &PrincipalName,
        name: &str,
        audit: &AuditEvent,
    ) -> Result<bool, StoreError> {
        transaction!(self, tx => {
            let sql = "DELETE FROM memories WHERE principal = $1 AND name = $2";
            let deleted = sqlx::query(sql)
                .bind(principal.as_str().to_owned())
                .bind(storable(name))
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if deleted.rows_affected() == 0 {
                return Ok(false);
            }
            insert_audit!(&mut *tx, [audit]);
        });
        Ok(true)
    }
}

row!(Row {
    name: String,
    value: String,
    created_at: i64,
    updated_at: i64,
});

impl Row {
    fn into_memory(self) -> Memory {
        Memory {
            name: self.name,
            value: self.value,
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
        }
    }
}
