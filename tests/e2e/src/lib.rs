//! The real program, used as a person and as a client would: for the end-to-end tests.
//!
//! ```text
//! World ── one Podman storage, one base image, one fixture registry, one web site
//!   └── Program ── `archestra serve` on a data directory of its own
//!         ├── cli(["servers", "add", …])      the command line, with `--json`
//!         └── Client                          an MCP client over HTTP, by hand
//!
//! scripted_model::ScriptedModel  a model that plays scenarios, in a thread
//! TinyModel                      a real one, of random weights, by llama.cpp
//! read_ui_streams                the AI SDK's verdict on recorded runs
//! Browser                        a person in front of Chromium, one at a time
//! ```
//!
//! Nothing here knows the inside of the program: it is started as a process, asked over its command
//! line and its ports, and looked at from outside (`/proc`, Podman's own list).
//!
//! What is missing on the machine makes the tests fail when `CI` is set, and is told loudly else.

mod browser;
mod client;
mod counts;
mod fixtures;
mod peers;
mod program;
mod world;

pub use crate::browser::{At, Browser, button, css, field, heading, link, role, text};
pub use crate::client::{Answer, Client, http};
pub use crate::counts::{Counts, descendants, new_command as command, pids_with};
pub use crate::fixtures::{Registry, Site};
pub use crate::peers::{Recording, TinyModel, read_ui_streams};
pub use crate::program::{Program, ProgramOptions};
pub use crate::world::{World, archestra, peer, repository, world};

/// A model that does what a test says, or is wrong in all the ways that models are.
pub use scripted_model;

use std::time::{Duration, Instant};

/// Waits until `seen` returns something, for at most `limit`.
///
/// # Panics
///
/// When it does not within that time; `what` says what was waited for.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, mut seen: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(it) = seen() {
            return it;
        }
        assert!(
            began.elapsed() < limit,
            "`{what}` did not happen within {limit:?}"
        );
        std::thread::sleep(Duration::from_millis(25));
    }
}
