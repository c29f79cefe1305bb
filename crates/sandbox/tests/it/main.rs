//! One suite on every backend, and what a container of Podman must be.
//!
//! Podman is used for real, with a storage of its own that goes away with the tests. Where it is
//! missing the tests say so and, in CI, fail.

#![expect(clippy::unwrap_used, reason = "the whole crate is tests")]

mod failures;
mod fake;
mod hardening;
mod inside;
mod machine;
mod root;
mod rootless;
mod seeds;
mod suite;
