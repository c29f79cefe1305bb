//! The only way out of a sandbox: who may reach what, and the dialling itself.
//!
//! ```text
//! bridge ── host, port ──> Broker::connect
//!                            │ AllowList     may this server reach this name?
//!                            │ Resolver      once, with a deadline
//!                            │ check_address each address, just before it is dialled
//!                            v
//!            host's proxy or TcpStream ──> EgressStream (idle timeout, bytes) ──> EgressAudit
//! ```
//!
//! A name is resolved here and not in the sandbox, and what is dialled is an address that was
//! checked, never the name again: a name that means one thing when it is checked and another when it
//! is used gains nothing. Where the host itself only gets out through a proxy, the proxy resolves;
//! the allow list holds all the same.
//!
//! **Invariant:** nothing is dialled that is not on the asking server's list, and no address of a
//! private or special network unless the operator has allowed its range.
//!
//! **Invariant:** each connection, refusal and failure is told to [`EgressAudit`].
//!
//! **Invariant:** this crate reads no environment of its own and keeps no allow list; both are
//! passed in. It does not look into what goes through.

mod address;
mod broker;
mod ca_bundle;
mod proxy;
mod refusal;
mod stream;

pub use crate::address::{check_address, is_odd_address};
pub use crate::broker::{
    AllowList, Broker, EgressAudit, EgressEvent, EgressSettings, Happened, Resolver, Subject,
    SystemResolver, Who,
};
pub use crate::ca_bundle::{CaBundle, CaBundleError, find_ca_bundle};
pub use crate::proxy::{Proxy, ProxyError, ProxySettings};
pub use crate::refusal::Refusal;
pub use crate::stream::EgressStream;
