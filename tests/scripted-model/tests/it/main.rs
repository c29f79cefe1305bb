//! Both APIs over a real connection, by a client that hides nothing.

#![expect(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod client;
mod life;
mod ollama;
mod openai;
mod scenarios;

use scripted_model::{Options, ScriptedModel};

async fn model() -> ScriptedModel {
    ScriptedModel::start(Options::default()).await.unwrap()
}
