//! What a model is given to read: a chat's messages, made from what was stored of them.

use serde_json::{Map, Value};

use crate::state::{Call, CallState, Part, RunState};

const EDITED: &str =
    "(The person changed the arguments before allowing this call. Those shown are theirs.)";
/// What the model is told in place of a person's words when it goes on after a cut.
const GO_ON: &str = "Your answer was cut off here. Go on where it ends.";

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Conversation {
    /// Empty where there is none.
    pub system: String,
    pub messages: Vec<Message>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    User {
        parts: Vec<UserPart>,
    },
    /// One step of a model.
    Assistant {
        parts: Vec<AssistantPart>,
    },
    /// The ends of all calls of the step before.
    Answers {
        answers: Vec<Answer>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum UserPart {
    Text(String),
    Image {
        /// For instance `image/png`.
        media_type: String,
        /// Base64, standard alphabet, padded.
        data: String,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum AssistantPart {
    Text {
        text: String,
        metadata: Option<Value>,
    },
    Reasoning {
        text: String,
        metadata: Option<Value>,
    },
    Call {
        call_id: String,
        /// As the provider knows the tool.
        name: String,
        arguments: Map<String, Value>,
        metadata: Option<Value>,
    },
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub call_id: String,
    /// As the provider knows the tool.
    pub name: String,
    pub parts: Vec<AnswerPart>,
    pub is_error: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum AnswerPart {
    Text(String),
    Image { media_type: String, data: String },
}

/// A chat as it is stored: a person's messages and what the runs made of them.
#[derive(Debug, Clone, PartialEq)]
pub enum HistoryItem {
    User(Vec<UserPart>),
    Run(Box<RunState>),
}

impl Conversation {
    /// Makes a conversation that ends with the person's message that is to be answered.
    ///
    /// Opaque metadata of a model goes back to that model only, so it is left out where `provider`
    /// or `model` is another.
    pub fn new(system: String, history: &[HistoryItem], provider: &str, model: &str) -> Self {
        let mut conversation = Self {
            system,
            messages: Vec::new(),
        };
        for item in history {
            match item {
                HistoryItem::User(parts) => conversation.messages.push(Message::User {
                    parts: parts.clone(),
                }),
                HistoryItem::Run(run) => conversation.push_run(run, provider, model),
            }
        }
        conversation
    }

    /// Returns what the model gets in the next step of `run`, which this is the history of.
    pub fn with_run(&self, run: &RunState, provider: &str, model: &str) -> Self {
        let mut conversation = self.clone();
        conversation.push_run(run, provider, model);
        if let Some(Message::Assistant { .. }) = conversation.messages.last() {
            // Providers want somebody else to have the last word before the model's.
            conversation.messages.push(Message::User {
                parts: vec![UserPart::Text(GO_ON.to_owned())],
            });
        }
        conversation
    }

    fn push_run(&mut self, run: &RunState, provider: &str, model: &str) {
        let keep_metadata = run.provider == provider && run.model == model;
        let is_step = |it: &Part| matches!(it, Part::Step { .. });
        for step in run.parts.split(is_step) {
            let parts: Vec<AssistantPart> = step
                .iter()
                .filter_map(|it| assistant_part(it, keep_metadata))
                .collect();
            if parts.is_empty() {
                continue;
            }
            self.messages.push(Message::Assistant { parts });
            let calls = step.iter().filter_map(|it| match it {
                Part::Call(call) => Some(&**call),
                _ => None,
            });
            let answers: Vec<Answer> = calls.map(answer).collect();
            if !answers.is_empty() {
                self.messages.push(Message::Answers { answers });
            }
        }
    }
}

fn assistant_part(part: &Part, keep_metadata: bool) -> Option<AssistantPart> {
    let kept = |metadata: &Option<Value>| metadata.clone().filter(|_| keep_metadata);
    match part {
        Part::Text(it) if !it.text.is_empty() => Some(AssistantPart::Text {
            text: it.text.clone(),
            metadata: kept(&it.metadata),
        }),
        Part::Reasoning(it) if !it.text.is_empty() || it.metadata.is_some() => {
            Some(AssistantPart::Reasoning {
                text: it.text.clone(),
                metadata: kept(&it.metadata),
            })
        }
        Part::Call(call) => Some(AssistantPart::Call {
            call_id: call.call_id.clone(),
            name: call.provider_name.clone(),
            arguments: match &call.arguments {
                Some(Value::Object(arguments)) => arguments.clone(),
                // What is no call is shown as one without arguments; its answer says why.
                _ => Map::new(),
            },
            metadata: kept(&call.metadata),
        }),
        _ => None,
    }
}

fn answer(call: &Call) -> Answer {
    let (mut parts, is_error) = match &call.state {
        CallState::Done {
            content, is_error, ..
        } => (result_parts(content, *is_error), *is_error),
        other => (vec![AnswerPart::Text(no_result(call, other))], true),
    };
    let approval = call.approval.as_ref().and_then(|it| it.answer.as_ref());
    if approval.is_some_and(|it| it.edited) {
        parts.insert(0, AnswerPart::Text(EDITED.to_owned()));
    }
    Answer {
        call_id: call.call_id.clone(),
        name: call.provider_name.clone(),
        parts,
        is_error,
    }
}

/// Returns what the model is told of a call that has no result.
fn no_result(call: &Call, state: &CallState) -> String {
    match state {
        CallState::Denied => {
            let answer = call.approval.as_ref().and_then(|it| it.answer.as_ref());
            let reason = answer.and_then(|it| it.reason.as_deref());
            match reason {
                Some(reason) => format!(
                    "The person did not allow this call, and it was not made. Their reason: {reason}"
                ),
                None => "The person did not allow this call, and it was not made. Do not make it \
                         again unasked."
                    .to_owned(),
            }
        }
        CallState::Refused { message, .. } => format!("The call was not made: {message}"),
        CallState::InputFailed { message } => format!("This is not a call: {message}"),
        CallState::Unknown { why } => format!(
            "The outcome of this call is unknown: {why}. It may or may not have taken effect. Find \
             out before you make it again."
        ),
        CallState::Input
        | CallState::Ready
        | CallState::Sent
        | CallState::NeedsApproval
        | CallState::NeedsAnswer(_)
        | CallState::Done { .. } => "The call has no result yet.".to_owned(),
    }
}

/// Turns an MCP result into what any model can read.
fn result_parts(result: &Value, is_error: bool) -> Vec<AnswerPart> {
    let blocks = result["content"].as_array().map_or(&[][..], Vec::as_slice);
    let mut texts: Vec<String> = Vec::new();
    let mut images = Vec::new();
    if is_error {
        texts.push("The tool reports an error:".to_owned());
    }
    for block in blocks {
        match block_part(block) {
            AnswerPart::Text(text) => texts.push(text),
            image @ AnswerPart::Image { .. } => images.push(image),
        }
    }
    if blocks.is_empty() {
        texts.push(match result.get("structuredContent") {
            Some(structured) => structured.to_string(),
            None => "(no content)".to_owned(),
        });
    }
    let mut parts = Vec::new();
    if !texts.is_empty() {
        parts.push(AnswerPart::Text(texts.join("\n")));
    }
    parts.extend(images);
    parts
}

/// Returns the text of an MCP result, for people.
pub(crate) fn result_text(result: &Value) -> String {
    let texts = result_parts(result, false).into_iter().map(|it| match it {
        AnswerPart::Text(text) => text,
        AnswerPart::Image { media_type, .. } => format!("(an image of type {media_type})"),
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn block_part(block: &Value) -> AnswerPart {
    let text = |key: &str| block[key].as_str().unwrap_or_default();
    AnswerPart::Text(match text("type") {
        "text" => text("text").to_owned(),
        "image" => {
            return AnswerPart::Image {
                media_type: text("mimeType").to_owned(),
                data: text("data").to_owned(),
            };
        }
        "audio" => format!("(audio of type {}, which is not shown)", text("mimeType")),
        "resource_link" => format!("(resource {} at {})", text("name"), text("uri")),
        "resource" => {
            let resource = &block["resource"];
            match resource["text"].as_str() {
                Some(text) => text.to_owned(),
                None => format!(
                    "(resource at {}, which is not text)",
                    resource["uri"].as_str().unwrap_or_default()
                ),
            }
        }
        _ => block.to_string(),
    })
}
