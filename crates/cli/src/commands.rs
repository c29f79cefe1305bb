//! The commands that talk to the running program, and those that need none.

pub(crate) mod approvals;
pub(crate) mod audit;
pub(crate) mod chat;
pub(crate) mod chats;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod image;
pub(crate) mod memories;
pub(crate) mod models;
pub(crate) mod open;
pub(crate) mod policy;
pub(crate) mod providers;
pub(crate) mod review;
pub(crate) mod servers;
pub(crate) mod servers_add;
mod servers_header;
mod servers_set;
mod shown;
pub(crate) mod token;
pub(crate) mod tools;

use std::{
    future::Future,
    io::{BufRead as _, IsTerminal as _},
    process::ExitCode,
};

use anyhow::Context as _;

use crate::{api::Refused, output};

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

/// Asks a person at a terminal. Elsewhere, who has written the command has said so.
fn confirmed(question: &str) -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Ok(true);
    }
    output::note(format!("{question} [y/N]"));
    let mut answer = String::new();
    let read = stdin.lock().read_line(&mut answer);
    read.context("cannot read standard input")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Says where to look when the program knows no such thing.
fn or_look<T>(asked: anyhow::Result<T>, hint: &str) -> anyhow::Result<T> {
    asked.map_err(|err| match err.downcast_ref::<Refused>() {
        Some(Refused { status: 404, .. }) => anyhow::anyhow!("{err}; {hint}"),
        _ => err,
    })
}

/// Returns a text of an answer, empty where there is none.
fn text<'a>(value: &'a serde_json::Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Returns the elements of an answer's list.
fn list<'a>(value: &'a serde_json::Value, key: &str) -> &'a [serde_json::Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}
