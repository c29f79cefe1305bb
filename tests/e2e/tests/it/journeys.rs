//! What people do in the browser, from the door on.

mod approvals;
mod chats;
mod door;
mod hostile;
mod house;
mod keyboard;
mod places;
mod servers;
