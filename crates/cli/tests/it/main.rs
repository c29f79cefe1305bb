//! The program as a process: what it prints, where it answers, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit;
mod bed;
mod chats;
mod connect;
mod decisions;
mod gateway;
mod models;
mod serve;
mod usage;
