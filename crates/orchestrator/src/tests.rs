//! The use cases over a real database; what runs is a fake, and so is what it says.

mod access;
mod audit;
pub(crate) mod bed;
pub(crate) mod bridge;
mod built_in;
mod chats;
mod decisions;
mod image;
mod installs;
mod news;
mod runs;
mod servers;
mod small;
pub(crate) mod teller;
pub(crate) mod tool_server;
