//! What people do in the browser, from the door on.

mod approvals;
mod door;
mod hostile;
mod keyboard;
mod places;
mod servers;
