use std::{error::Error, path::PathBuf};

use domain::ServerSlug;

use crate::Holder;

/// Why something could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("a server with the name `{slug}` exists; choose another name")]
    SlugTaken { slug: ServerSlug },
    #[error("a token with the name `{name}` exists; revoke it or choose another name")]
    NameTaken { name: String },
    #[error(
        "the database {location} has version {found}, this program knows versions up to {known}; use the newer program, or go back to the copy `….v{known}.bak` if there is one"
    )]
    NewerVersion {
        location: String,
        found: i64,
        known: i64,
    },
    #[error("`{}` is in use by {holder}; stop it, or choose another data directory", path.display())]
    DataDirInUse { path: PathBuf, holder: Holder },
    #[error("cannot {what} `{}`", path.display())]
    File {
        /// What was tried, for instance `open`.
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot open the database {location}")]
    Open {
        location: String,
        #[source]
        source: sqlx::Error,
    },
    #[error("{what} has {bytes} bytes, the most is {max}")]
    TooLarge {
        what: &'static str,
        bytes: usize,
        max: usize,
    },
    #[error("{what} has a NUL character, which cannot be stored; leave it out")]
    NotStorable { what: &'static str },
    #[error("there are {max} {what}, which is the most; remove some first")]
    TooMany { what: &'static str, max: u64 },
    /// What is stored does not fit what this version understands.
    #[error("the stored {what} `{id}` is not understood")]
    Corrupt {
        what: &'static str,
        id: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
}

/// Puts an error of the database into one of ours.
pub(crate) fn db(source: sqlx::Error) -> StoreError {
    StoreError::Database(source)
}

impl StoreError {
    /// Returns whether the same may work when it is tried again a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(source) | Self::Open { source, .. } => is_transient(source),
            Self::SlugTaken { .. }
            | Self::NameTaken { .. }
            | Self::NewerVersion { .. }
            | Self::DataDirInUse { .. }
            | Self::File { .. }
            | Self::TooLarge { .. }
            | Self::NotStorable { .. }
            | Self::TooMany { .. }
            | Self::Corrupt { .. } => false,
        }
    }

    /// Returns whether a unique index on `column` would not have it.
    pub(crate) fn is_taken(source: &sqlx::Error, column: &str) -> bool {
        let sqlx::Error::Database(err) = source else {
            return false;
        };
        // SQLite names the column in its message, PostgreSQL in its constraint's name.
        err.is_unique_violation()
            && (err.message().contains(column)
                || err.constraint().is_some_and(|it| it.contains(column)))
    }

    pub(crate) fn is_missing_parent(source: &sqlx::Error) -> bool {
        matches!(source, sqlx::Error::Database(err) if err.is_foreign_key_violation())
    }
}

fn is_transient(source: &sqlx::Error) -> bool {
    match source {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
        // SQLite: busy, locked, full. PostgreSQL: connection, resources, serialisation, shutdown.
        sqlx::Error::Database(err) => err.code().is_some_and(|code| match code.as_ref() {
            "5" | "6" | "13" | "261" | "517" | "40001" | "40P01" | "57014" => true,
            code => code.len() == 5 && ["08", "53", "57P"].iter().any(|it| code.starts_with(it)),
        }),
        _ => false,
    }
}
