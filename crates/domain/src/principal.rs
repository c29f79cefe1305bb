use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

const PRINCIPAL_LEN_MAX: usize = 64;

/// A person or a service account on whose behalf something is done.
///
/// It is not a token, a client or a chat: four clients of one person are one principal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PrincipalName {
    // Invariant: 1..=PRINCIPAL_LEN_MAX characters out of `a-z`, `0-9`, `.`, `_`, `@` and `-`.
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "principal `{text}` must have 1 to {PRINCIPAL_LEN_MAX} characters out of a-z, 0-9 and .-_@"
)]
pub struct PrincipalError {
    text: String,
}

/// What decides which callers share a sandbox of one server.
///
/// The container is the boundary: two callers with one key share processes, two with different keys
/// share nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IsolationKey {
    /// One sandbox for everybody; for servers that hold nobody's credential.
    Shared,
    /// One sandbox for each principal.
    Principal(PrincipalName),
}

impl PrincipalName {
    /// Returns the person who installed the program, the only one on a desktop.
    pub fn owner() -> Self {
        Self {
            text: "owner".to_owned(),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for PrincipalName {
    type Err = PrincipalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let well_formed = !text.is_empty()
            && text.len() <= PRINCIPAL_LEN_MAX
            && text
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'@' | b'-'));
        if !well_formed {
            return Err(PrincipalError {
                text: text.to_owned(),
            });
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for PrincipalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for PrincipalName {
    type Error = PrincipalError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PrincipalName> for String {
    fn from(it: PrincipalName) -> Self {
        it.text
    }
}

/// The form that stands on labels: `shared` or `principal:<name>`.
impl fmt::Display for IsolationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared => f.write_str("shared"),
            Self::Principal(name) => write!(f, "principal:{name}"),
        }
    }
}

impl FromStr for IsolationKey {
    type Err = PrincipalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "shared" {
            return Ok(Self::Shared);
        }
        let name = text
            .strip_prefix("principal:")
            .ok_or_else(|| PrincipalError {
                text: text.to_owned(),
            })?;
        name.parse().map(Self::Principal)
    }
}
