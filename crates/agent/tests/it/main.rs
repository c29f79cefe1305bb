//! The client against servers that answer over a real socket, well and badly.

#![expect(clippy::unwrap_used, reason = "the whole crate is tests")]

mod client;
mod discover;
mod hostile;
mod scenarios;
mod server;
