//! What goes over the wire to a provider and back, as state machines without IO.
//!
//! A codec makes the body of one request and reads the answer to it, whatever pieces it comes in.
//! It is lenient where servers differ: every field is optional, what is unknown is passed over, and
//! only what cannot be understood at all is an error. A further provider is a further [`Codec`].

mod lines;
mod ollama;
mod openai_chat;

use serde_json::Value;

pub use self::{
    ollama::{ContextSettings, Ollama, OllamaModel},
    openai_chat::OpenAiChat,
};
use crate::{
    error::{ModelError, ModelErrorKind},
    event::NoticeKind,
    model::{ModelEvent, ModelRequest},
};

/// One request and its answer.
pub trait Codec: Send {
    /// Makes the request. It comes first, and may be made again with less in it.
    fn request(&mut self, request: &ModelRequest) -> Encoded;

    /// Reads the next piece of the answer. What was read before an error is in `out`.
    fn feed(&mut self, piece: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), ModelError>;

    /// Tells that nothing more comes. It is an error where the answer is not complete.
    fn finish(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), ModelError>;

    /// Returns whether the answer is complete, and [`ModelEvent::Finished`] was given.
    fn is_done(&self) -> bool;
}

/// A request as it goes over the wire.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// Below the provider's address.
    pub path: &'static str,
    pub body: Value,
    /// What people should know about it.
    pub notices: Vec<(NoticeKind, String)>,
}

/// Whom a request goes to, as errors name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub provider: String,
    pub model: String,
    /// It runs on this machine, so its owner can start it and give it other models.
    pub is_local: bool,
}

fn malformed(target: &Target, what: &str, details: &[u8]) -> ModelError {
    let provider = &target.provider;
    let mut error = ModelError::new(
        ModelErrorKind::Malformed,
        format!("`{provider}` sent {what}"),
        "check that the address is that of a model provider and of the kind that was chosen",
    );
    let text = String::from_utf8_lossy(details);
    error.details = Some(crate::settle::excerpt(&text).to_owned());
    error
}

fn cut_off(target: &Target) -> ModelError {
    let provider = &target.provider;
    ModelError::new(
        ModelErrorKind::Malformed,
        format!("the answer of `{provider}` ended before it was complete"),
        "let the run go on; if it happens again, look at the provider's own log",
    )
}

/// Reads a whole answer in one piece, for tests.
#[cfg(test)]
fn feed_all(codec: &mut dyn Codec, wire: &[u8]) -> String {
    feed_in_pieces(codec, wire, &[])
}

/// Reads an answer cut at `cuts`, and returns a line for each event and the error.
#[cfg(test)]
fn feed_in_pieces(codec: &mut dyn Codec, wire: &[u8], cuts: &[usize]) -> String {
    use crate::model::ModelEvent as Event;

    let mut cuts = cuts.to_vec();
    cuts.extend([0, wire.len()]);
    cuts.sort_unstable();
    let mut out = Vec::new();
    let mut result = Ok(());
    for cut in cuts.windows(2) {
        result = result.and_then(|()| codec.feed(&wire[cut[0]..cut[1]], &mut out));
    }
    let result = result.and_then(|()| codec.finish(&mut out));
    assert_eq!(codec.is_done(), result.is_ok());
    let mut lines: Vec<String> = out
        .into_iter()
        .map(|it| match it {
            Event::Text { text } => format!("text {text}"),
            Event::Reasoning { text } => format!("reasoning {text}"),
            Event::ReasoningMetadata { metadata } => format!("reasoning metadata {metadata}"),
            Event::CallStarted { index, name } => format!("call {index} {name}"),
            Event::CallArguments { index, text } => format!("arguments {index} {text}"),
            Event::CallMetadata { index, metadata } => format!("metadata {index} {metadata}"),
            Event::Notice { kind, text } => format!("notice {kind:?} {text}"),
            Event::Finished { reason, usage } => format!(
                "finished {reason:?} in {:?} out {:?} reasoning {:?} cached {:?}",
                usage.input_tokens,
                usage.output_tokens,
                usage.reasoning_tokens,
                usage.cached_tokens
            ),
        })
        .collect();
    if let Err(error) = result {
        lines.push(format!(
            "error {:?} {} | {}",
            error.kind, error.message, error.fix
        ));
        lines.extend(
            error
                .details
                .map(|it| format!("  {}", it.chars().take(100).collect::<String>())),
        );
    }
    lines.join("\n")
}
