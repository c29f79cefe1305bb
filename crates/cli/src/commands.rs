//! The commands that talk to the running program, and those that need none.

pub(crate) mod audit;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod image;
pub(crate) mod open;
pub(crate) mod servers;
pub(crate) mod servers_add;
mod servers_header;
pub(crate) mod token;
pub(crate) mod tools;

use std::{future::Future, process::ExitCode};

use anyhow::Context as _;

/// Runs a command on one thread.
pub(crate) fn block_on(
    command: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let result = runtime.block_on(command);
    runtime.shutdown_background();
    result
}

/// Returns a text of an answer, empty where there is none.
fn text<'a>(value: &'a serde_json::Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Returns the elements of an answer's list.
fn list<'a>(value: &'a serde_json::Value, key: &str) -> &'a [serde_json::Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}
