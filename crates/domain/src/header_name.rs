use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

const HEADER_NAME_LEN_MAX: usize = 64;
/// What a request is made of, by whoever sends it. (RFC 9110; MCP 2025-11-25, Transports.)
const RESERVED: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The name of a header that a person may set for requests to a remote server. In lower case: names
/// that differ only by that are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HeaderName {
    // Invariant: 1..=HEADER_NAME_LEN_MAX token characters in lower case, none of RESERVED, and not
    // beginning with `mcp-`.
    text: String,
}

/// Why a text is no [`HeaderName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderNameError {
    #[error(
        "header `{text}` must be letters, digits and `-`, `_`, `.`, and have at most {HEADER_NAME_LEN_MAX} characters"
    )]
    Malformed { text: String },
    #[error("header `{text}` is set by the program itself")]
    Reserved { text: String },
}

impl HeaderName {
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for HeaderName {
    type Err = HeaderNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if text.is_empty() || HEADER_NAME_LEN_MAX < text.len() || !text.bytes().all(is_token) {
            return Err(HeaderNameError::Malformed {
                text: text.chars().take(HEADER_NAME_LEN_MAX).collect(),
            });
        }
        let text = text.to_ascii_lowercase();
        if RESERVED.contains(&text.as_str()) || text.starts_with("mcp-") {
            return Err(HeaderNameError::Reserved { text });
        }
        Ok(Self { text })
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for HeaderName {
    type Error = HeaderNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<HeaderName> for String {
    fn from(it: HeaderName) -> Self {
        it.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_lower_case_and_none_of_the_programs_own() {
        let check = |text: &str| match text.parse::<HeaderName>() {
            Ok(name) => name.to_string(),
            Err(err) => err.to_string(),
        };
        assert_eq!(check("Authorization"), "authorization");
        assert_eq!(check("X-Api_Key.2"), "x-api_key.2");
        assert_eq!(check(&"a".repeat(64)), "a".repeat(64));
        for text in ["", "a b", "a:", "a\r\nb", "ä", &"a".repeat(65)] {
            assert!(check(text).contains("must be letters"), "{text}");
        }
        for text in [
            "Host",
            "HOST",
            "content-length",
            "Mcp-Session-Id",
            "mcp-x",
            "TE",
        ] {
            let expected = format!(
                "header `{}` is set by the program itself",
                text.to_ascii_lowercase()
            );
            assert_eq!(check(text), expected);
        }
    }
}
