//! The real program with real servers, clients, containers and bad luck.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod chaos;
mod clients;
mod decisions;
mod failures;
mod installs;
mod journeys;
mod models;
mod prison;
mod runs;
mod servers;
