//! Who may come in, and with which credential: the vault, tokens, and the checks of a request's
//! `Host` and `Origin`.
//!
//! ```text
//! a secret in clear ── Vault::seal ──> bytes for the store, of use in one row only
//! new_credential ── in clear, shown once ──> a person          (token, link, cookie)
//!               └── TokenHash ──> the store
//! a request ── check_host ──> Authority ── check_origin ──> may go on
//! ```
//!
//! The vault's data key is a file; values are sealed with XChaCha20-Poly1305 and bound to the row
//! they belong to, so that moving one to another row or another server makes it worthless. What
//! people and programs get in with has 32 random bytes, which no one can guess, so a plain SHA-256
//! of it is what is stored.
//!
//! **Invariant:** a secret in clear is a [`Secret`](domain::Secret) on each way in and out.
//!
//! **Invariant:** nothing here makes a new data key while there are values sealed by another.
//!
//! **Invariant:** hashes of credentials are compared in constant time.
//!
//! **Invariant:** this crate does no network IO, and no IO at all but the key file's.

mod credential;
mod request;
mod vault;

pub use crate::credential::{
    CredentialKind, TokenHash, TokenHashError, is_well_formed, new_credential, parse_bearer,
};
pub use crate::request::{
    AllowedHost, AllowedHostError, Authority, Refusal, check_host, check_origin,
};
pub use crate::vault::{Vault, VaultError};
