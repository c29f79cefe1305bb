use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::Secret;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::vault::fill_random;

const RANDOM_BYTES: usize = 32;
/// 32 bytes in base64 without padding.
const RANDOM_CHARS: usize = 43;

/// What somebody gets in with. Each kind has its own prefix, so that none passes for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// A token of a client or of the command line, sent as `Authorization: Bearer`.
    Token,
    /// What a link carries that lets somebody in once.
    LoginLink,
    /// The value of a browser's cookie.
    Session,
}

/// The SHA-256 of a credential: what is stored of it. Its text form is 64 hexadecimal digits.
#[derive(Clone, Copy)]
pub struct TokenHash {
    bytes: [u8; 32],
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a hash must be 64 hexadecimal digits")]
pub struct TokenHashError;

impl CredentialKind {
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Token => "arch_",
            Self::LoginLink => "archlink_",
            Self::Session => "archweb_",
        }
    }
}

/// Makes a credential of 32 random bytes. It is shown once; the hash is what is kept.
pub fn new_credential(kind: CredentialKind) -> (Secret<String>, TokenHash) {
    let mut random = Zeroizing::new([0; RANDOM_BYTES]);
    fill_random(&mut *random);
    let text = format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(*random));
    let hash = TokenHash::of(&text);
    (Secret::new(text), hash)
}

/// Returns whether a text can be a credential of this kind: a cheap look before the store is asked.
pub fn is_well_formed(kind: CredentialKind, text: &str) -> bool {
    let Some(random) = text.strip_prefix(kind.prefix()) else {
        return false;
    };
    random.len() == RANDOM_CHARS
        && URL_SAFE_NO_PAD
            .decode(random)
            .is_ok_and(|it| it.len() == RANDOM_BYTES)
}

/// Returns the token in an `Authorization` header (RFC 6750, section 2.1), if it is one of ours.
pub fn parse_bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && is_well_formed(CredentialKind::Token, token))
        .then_some(token)
}

impl TokenHash {
    pub fn of(text: &str) -> Self {
        Self {
            bytes: Sha256::digest(text.as_bytes()).into(),
        }
    }
}

/// In constant time, so that how long it takes tells nothing.
impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.bytes.ct_eq(&other.bytes).into()
    }
}

impl Eq for TokenHash {}

/// A hash opens nothing, but is of no use in a log either: only its beginning is shown.
impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_string();
        write!(f, "TokenHash({}…)", &text[..8])
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes.iter().try_for_each(|it| write!(f, "{it:02x}"))
    }
}

impl FromStr for TokenHash {
    type Err = TokenHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 64 || !text.bytes().all(|it| it.is_ascii_hexdigit()) {
            return Err(TokenHashError);
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            let digits = &text[2 * at..2 * at + 2];
            *byte = u8::from_str_radix(digits, 16).map_err(|_| TokenHashError)?;
        }
        Ok(Self { bytes })
    }
}

#[cfg(test)]
mod tests;
