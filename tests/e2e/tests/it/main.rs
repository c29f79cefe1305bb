//! The real program with real servers, clients, containers and bad luck.

mod chaos;
mod clients;
mod failures;
mod installs;
mod prison;
mod servers;
