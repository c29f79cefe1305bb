//! What a model is asked, in neither API's words.

use serde_json::Value;

/// How messages begin that a program says in the person's place: images of results, which some APIs
/// take from a person only, and the wish to go on after a cut.
const ASIDES: &[&str] = &[
    "The images of these results",
    "Your answer was cut off here",
];

/// A request to go on with a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    pub model: String,
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// The answer is wanted in pieces.
    pub stream: bool,
    /// The caller wants to know what was used: `stream_options.include_usage`.
    pub include_usage: bool,
    /// Ollama's `options.num_ctx`, in tokens.
    pub context_tokens: Option<u64>,
    /// Ollama's `think`; `None` is up to the model.
    pub think: Option<bool>,
}

/// One message of a [`Conversation`].
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    System(String),
    User {
        text: String,
        images: usize,
    },
    Assistant {
        text: String,
        calls: Vec<Call>,
    },
    /// The result of the call with this id.
    Tool {
        id: String,
        text: String,
    },
}

/// A call that the model has asked for earlier.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub id: String,
    pub name: String,
    pub arguments: Value,
}

/// A tool that is offered to the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    pub name: String,
    pub description: String,
    pub schema: Value,
}

/// A call with what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    pub call: Call,
    pub text: String,
}

impl Conversation {
    /// Returns the text of the last message of the person.
    pub fn question(&self) -> &str {
        let last = self.messages.iter().rev().find_map(Message::said_by_person);
        last.unwrap_or("")
    }

    /// Returns what came after the last message of the person.
    pub fn since_question(&self) -> &[Message] {
        let is_question = |it: &Message| it.said_by_person().is_some();
        let from = self
            .messages
            .iter()
            .rposition(is_question)
            .map_or(0, |it| it + 1);
        &self.messages[from..]
    }

    /// Returns how many times the model has called tools since the person's last message.
    pub fn rounds(&self) -> usize {
        let calls =
            |it: &&Message| matches!(it, Message::Assistant { calls, .. } if !calls.is_empty());
        self.since_question().iter().filter(calls).count()
    }

    /// Returns the calls since the person's last message that have a result.
    pub fn done(&self) -> Vec<Done> {
        let mut done = Vec::new();
        for message in self.since_question() {
            let Message::Assistant { calls, .. } = message else {
                continue;
            };
            for call in calls {
                if let Some(text) = self.result(&call.id) {
                    let (call, text) = (call.clone(), text.to_owned());
                    done.push(Done { call, text });
                }
            }
        }
        done
    }

    /// Returns how many tokens the prompt has: a quarter of its characters, as good as any guess.
    pub fn prompt_tokens(&self) -> u64 {
        let messages: u64 = self.messages.iter().map(Message::characters).sum();
        let tool = |it: &Tool| {
            let schema = it.schema.to_string();
            (it.name.len() + it.description.len() + schema.len()) as u64
        };
        let tools: u64 = self.tools.iter().map(tool).sum();
        (messages + tools).div_ceil(4)
    }

    fn result(&self, wanted: &str) -> Option<&str> {
        self.since_question().iter().find_map(|it| match it {
            Message::Tool { id, text } if id == wanted => Some(text.as_str()),
            _ => None,
        })
    }
}

impl Message {
    fn said_by_person(&self) -> Option<&str> {
        match self {
            Self::User { text, .. } if !ASIDES.iter().any(|it| text.starts_with(it)) => Some(text),
            _ => None,
        }
    }

    fn characters(&self) -> u64 {
        let count = match self {
            Self::System(text) | Self::User { text, .. } | Self::Tool { text, .. } => text.len(),
            Self::Assistant { text, calls } => {
                let call = |it: &Call| it.name.len() + it.arguments.to_string().len();
                text.len() + calls.iter().map(call).sum::<usize>()
            }
        };
        count as u64
    }
}

impl Tool {
    /// Returns the server's slug, or nothing for a tool without one.
    pub fn server(&self) -> &str {
        self.name.split_once("__").map_or("", |(server, _)| server)
    }

    /// Returns the server's own name of the tool.
    pub fn own_name(&self) -> &str {
        own_name(&self.name)
    }
}

/// Returns a tool's name without the server's slug before it.
pub fn own_name(name: &str) -> &str {
    name.split_once("__").map_or(name, |(_, tool)| tool)
}
