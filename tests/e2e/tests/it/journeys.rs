//! What people do in the browser, from the door on.

mod approvals;
mod apps;
mod chats;
mod door;
mod edits;
mod hostile;
mod house;
mod keyboard;
mod places;
mod providers;
mod questions;
mod servers;
mod several;
