//! The two kinds of pools, and the macros by which one piece of code runs on either.

use sqlx::{PgPool, SqlitePool};

#[derive(Debug, Clone)]
pub(crate) enum Pools {
    Sqlite {
        read: SqlitePool,
        /// Has one connection, so that writers wait for each other here.
        write: SqlitePool,
    },
    Postgres(PgPool),
}

/// Runs an expression with `$pool` being a pool for reading.
macro_rules! reading {
    ($store:expr, $pool:ident => $body:expr) => {
        match $store.pools() {
            $crate::pools::Pools::Sqlite { read: $pool, .. } => $body,
            $crate::pools::Pools::Postgres($pool) => $body,
        }
    };
}

/// Runs an expression with `$pool` being a pool for writing.
macro_rules! writing {
    ($store:expr, $pool:ident => $body:expr) => {
        match $store.pools() {
            $crate::pools::Pools::Sqlite { write: $pool, .. } => $body,
            $crate::pools::Pools::Postgres($pool) => $body,
        }
    };
}

/// Runs a block in a transaction, commits it and returns its value. A `return` or `?` in the block
/// leaves the function and rolls back.
macro_rules! transaction {
    ($store:expr, $tx:ident => $body:block) => {
        match $store.pools() {
            $crate::pools::Pools::Sqlite { write, .. } => {
                let mut $tx = write.begin_with("BEGIN IMMEDIATE").await.map_err(db)?;
                let value = $body;
                $tx.commit().await.map_err(db)?;
                value
            }
            $crate::pools::Pools::Postgres(pool) => {
                let mut $tx = pool.begin().await.map_err(db)?;
                let value = $body;
                $tx.commit().await.map_err(db)?;
                value
            }
        }
    };
}

/// Keeps all others out that do the same, until the transaction ends: what is counted in it stays
/// as it was counted. `$what` is a row of `counters`.
macro_rules! alone {
    ($tx:ident, $what:literal) => {
        sqlx::query("UPDATE counters SET value = value + 1 WHERE name = $1")
            .bind($what)
            .execute(&mut *$tx)
            .await
            .map_err(db)?
    };
}

/// Declares a struct whose fields are columns of the same names, for rows of either database.
macro_rules! row {
    ($name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        struct $name {
            $($field: $type),*
        }

        impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for $name
        where
            &'static str: sqlx::ColumnIndex<R>,
            $($type: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,)*
        {
            fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
                Ok(Self {
                    $($field: row.try_get(stringify!($field))?),*
                })
            }
        }
    };
}

/// Declares an enum that is stored as text.
macro_rules! text_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant),*
        }

        impl $name {
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),*
                }
            }

            pub(crate) fn of_text(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}
