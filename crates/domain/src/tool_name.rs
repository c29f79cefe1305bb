//! Names of tools, qualified by the server that has them.
//!
//! A model sees the tools of all servers in one flat list, so each name has to say which server
//! it is of. The form is `<slug>__<tool>`. A slug has no underscore, so the first `__` is always
//! the separator, whatever underscores the server's own tool names have.
//!
//! What is advertised fits every client and model: at most [`QUALIFIED_LEN_MAX`] characters out of
//! `A-Za-z0-9_-`. A tool whose own name does not fit gets one that does, ending in a hash of the
//! whole; so the advertised name is for looking up, never for taking apart.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The longest name that every client and model provider accepts, in bytes.
pub const QUALIFIED_LEN_MAX: usize = 64;
/// The longest slug, in bytes.
pub const SLUG_LEN_MAX: usize = 24;
const SEPARATOR: &str = "__";
const HASH_DIGITS: usize = 8;
/// Slugs that are path segments of the gateway's own.
const RESERVED: [&str; 1] = ["profiles"];
/// The slug of the server that is built in.
const BUILT_IN: &str = "archestra";

/// A short name for a server, unique among the installed ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerSlug {
    // Invariant: 1..=SLUG_LEN_MAX characters, each `a-z`, `0-9` or `-`, none of RESERVED.
    text: String,
}

/// A tool's name as a model or an external client sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QualifiedToolName {
    // Invariant: 1..=QUALIFIED_LEN_MAX characters out of `A-Za-z0-9_-`.
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolNameError {
    #[error("server name `{text}` must have 1 to {SLUG_LEN_MAX} characters out of a-z, 0-9 and -")]
    InvalidSlug { text: String },
    #[error("server name `{text}` is taken by the program itself")]
    Reserved { text: String },
}

impl ServerSlug {
    pub fn new(text: &str) -> Result<Self, ToolNameError> {
        let well_formed = !text.is_empty()
            && text.len() <= SLUG_LEN_MAX
            && text
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if !well_formed {
            return Err(ToolNameError::InvalidSlug {
                text: text.to_owned(),
            });
        }
        if RESERVED.contains(&text) {
            return Err(ToolNameError::Reserved {
                text: text.to_owned(),
            });
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }

    /// Returns the slug of the server that is built in, which no other can have.
    pub fn built_in() -> Self {
        Self {
            text: BUILT_IN.to_owned(),
        }
    }

    /// Whether it is that of the built-in server: it may be referred to, and not be given.
    pub fn is_built_in(&self) -> bool {
        self.text == BUILT_IN
    }

    /// Makes a slug of a package's name or a host, as near to it as the rules allow.
    ///
    /// `@modelcontextprotocol/server-everything` becomes `everything`.
    pub fn suggest(name: &str) -> Self {
        let last = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
        let stripped = ["mcp-server-", "server-", "mcp-"]
            .iter()
            .find_map(|it| last.strip_prefix(it))
            .or_else(|| {
                ["-mcp-server", "-mcp", "-server"]
                    .iter()
                    .find_map(|it| last.strip_suffix(it))
            })
            .unwrap_or(&last);
        let mut text = String::new();
        for c in stripped.chars() {
            let fits = c.is_ascii_lowercase() || c.is_ascii_digit();
            if fits {
                text.push(c);
            } else if !text.is_empty() && !text.ends_with('-') {
                text.push('-');
            }
        }
        text.truncate(SLUG_LEN_MAX);
        let text = text.trim_matches('-');
        let slug = Self::new(text).ok().filter(|it| !it.is_built_in());
        slug.unwrap_or_else(|| Self {
            text: "server".to_owned(),
        })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Returns the name under which `tool` of `server` is advertised among the tools of all servers.
///
/// A name that fits is only prefixed. One that is too long or has other characters is cut and
/// cleaned, and ends in a hash that is the same in each build.
pub fn advertised_name(server: &ServerSlug, tool: &str) -> QualifiedToolName {
    let whole = format!("{}{SEPARATOR}{tool}", server.text);
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !tool.is_empty() && whole.len() <= QUALIFIED_LEN_MAX && whole.bytes().all(fits) {
        return QualifiedToolName { text: whole };
    }
    let digest = Sha256::digest(whole.as_bytes());
    let hash: String = digest.iter().map(|it| format!("{it:02x}")).collect();
    let clean = whole.chars().map(|c| match u8::try_from(c) {
        Ok(b) if fits(b) => c,
        _ => '_',
    });
    let kept: String = clean.take(QUALIFIED_LEN_MAX - HASH_DIGITS - 1).collect();
    QualifiedToolName {
        text: format!("{kept}_{}", &hash[..HASH_DIGITS]),
    }
}

impl QualifiedToolName {
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for QualifiedToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for ServerSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ServerSlug {
    type Err = ToolNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for ServerSlug {
    type Error = ToolNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<ServerSlug> for String {
    fn from(it: ServerSlug) -> Self {
        it.text
    }
}

#[cfg(test)]
mod tests;
