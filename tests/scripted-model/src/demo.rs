//! The model `demo`: what it does for a person who sees the program for the first time.
//!
//! ```text
//! messages + tools ── Ask ──> intents, in order ──> the calls of the first one that is not done
//!                                    └── none left ──> words: what the results were, or a tour
//! ```
//!
//! A message may have several intents ("remember that …, then tell me the time in …"): each turn
//! does the next of them, and one that needs another call first (a folder, for a file) makes that.

mod arguments;
mod facts;
mod intents;
mod words;

use crate::{
    conversation::{Conversation, Done, Message, Tool},
    turn::{Step, Turn},
};

pub(crate) use crate::demo::arguments::fill;
pub(crate) use crate::demo::words::quote;

/// A turn of the person ends after so many rounds of calls, whatever is left to do.
const ROUNDS_MAX: usize = 6;

/// What the demo model looks at.
struct Ask<'a> {
    /// The person's last message.
    text: &'a str,
    lower: String,
    tools: &'a [Tool],
    /// The calls since then, with their results.
    done: &'a [Done],
}

/// Returns what the model `demo` answers.
pub fn answer(conversation: &Conversation) -> Turn {
    let done = conversation.done();
    let ask = Ask::new(conversation.question(), &conversation.tools, &done);
    if wants_title(conversation) {
        return Turn::text(words::title(ask.text));
    }
    let failed = done
        .iter()
        .rev()
        .take(1)
        .any(|it| words::Outcome::of(&it.text) != words::Outcome::Fine);
    let calls = match conversation.rounds() < ROUNDS_MAX && !failed {
        true => intents::next(&ask),
        false => None,
    };
    if let Some(calls) = calls {
        let (thought, text) = words::before(&calls, done.is_empty());
        let mut steps = vec![Step::Reasoning(thought)];
        if let Some(text) = text {
            steps.push(Step::Text(text));
        }
        steps.push(Step::Calls(calls));
        return Turn::of(steps);
    }
    if done.is_empty() {
        let images = conversation.messages.iter().rev().find_map(|it| match it {
            Message::User { images, .. } => Some(*images),
            _ => None,
        });
        return Turn::of([
            Step::Reasoning(words::thought_without_tool(&ask)),
            Step::Text(words::without_tool(&ask, images.unwrap_or_default())),
        ]);
    }
    Turn::of([
        Step::Reasoning(words::thought_about(&done)),
        Step::Text(words::about(&done)),
    ])
}

/// Returns whether the program asks for a chat's title, not a person for an answer.
fn wants_title(conversation: &Conversation) -> bool {
    let system = conversation.messages.iter().find_map(|it| match it {
        Message::System(text) => Some(text.to_lowercase()),
        _ => None,
    });
    let asks =
        system.is_some_and(|it| it.contains("title for this chat") || it.contains("chat title"));
    asks && conversation.tools.is_empty()
}

impl<'a> Ask<'a> {
    fn new(text: &'a str, tools: &'a [Tool], done: &'a [Done]) -> Self {
        Self {
            text,
            lower: text.to_lowercase(),
            tools,
            done,
        }
    }

    /// Returns the first tool that has one of these names, in the order of the names.
    fn tool(&self, names: &[&str]) -> Option<&'a Tool> {
        let find = |name: &&str| self.tools.iter().find(|it| plain(it.own_name()) == **name);
        names.iter().find_map(find)
    }

    /// Returns the last result of a tool, by its own name.
    fn result(&self, name: &str) -> Option<&'a str> {
        let of = |it: &&Done| plain(crate::own_name(&it.call.name)) == name;
        self.done.iter().rev().find(of).map(|it| it.text.as_str())
    }

    fn says(&self, any: &[&str]) -> bool {
        any.iter().any(|it| self.lower.contains(it))
    }

    fn has_word(&self, any: &[&str]) -> bool {
        facts::words(&self.lower).any(|word| any.contains(&word))
    }
}

/// Names differ in letter case and in what stands between their words.
fn plain(name: &str) -> String {
    name.to_lowercase().replace(['-', '.', '/'], "_")
}

#[cfg(test)]
mod tests;
