//! How many tokens a text has, about.
//!
//! Each model counts in its own way, and no local server tells before it reads. A guess is enough
//! for what it is used for, sizing a context: too much costs memory, too little costs the beginning
//! of the conversation, so it errs on the side of too much. English prose has about 4.2 bytes to a
//! token in the usual vocabularies, code and JSON about 3; Cyrillic, Arabic and the like about 2.5
//! characters, Chinese and Japanese about 1. We count 3 bytes of ASCII, and one of any other
//! character, as a token.

use crate::{
    conversation::{Answer, AnswerPart, AssistantPart, Conversation, Message, UserPart},
    model::{ModelRequest, ModelTool},
};

const ASCII_BYTES_PER_TOKEN: u64 = 3;
/// What stands around a message: its role and its ends.
const MESSAGE_TOKENS: u64 = 8;
/// What stands around a tool's definition.
const TOOL_TOKENS: u64 = 12;
/// An image of usual size; models differ between 256 and 1,600.
const IMAGE_TOKENS: u64 = 1_200;

/// Returns about how many tokens `text` has, rather too many than too few.
pub fn estimate_text(text: &str) -> u64 {
    let ascii = text.bytes().filter(u8::is_ascii).count() as u64;
    let others = text.chars().filter(|it| !it.is_ascii()).count() as u64;
    ascii.div_ceil(ASCII_BYTES_PER_TOKEN) + others
}

/// Returns about how many tokens a request has before the model's answer.
pub fn estimate_request(request: &ModelRequest) -> u64 {
    let tools: u64 = request.tools.iter().map(estimate_tool).sum();
    estimate_conversation(&request.conversation) + tools
}

/// Returns about how many tokens a tool costs in each request.
pub fn estimate_tool(tool: &ModelTool) -> u64 {
    TOOL_TOKENS
        + estimate_text(&tool.name)
        + estimate_text(&tool.description)
        + estimate_text(&tool.parameters.to_string())
}

pub fn estimate_conversation(conversation: &Conversation) -> u64 {
    let messages: u64 = conversation.messages.iter().map(estimate_message).sum();
    MESSAGE_TOKENS + estimate_text(&conversation.system) + messages
}

fn estimate_message(message: &Message) -> u64 {
    match message {
        Message::User { parts } => {
            let part = |it: &UserPart| match it {
                UserPart::Text(text) => estimate_text(text),
                UserPart::Image { .. } => IMAGE_TOKENS,
            };
            MESSAGE_TOKENS + parts.iter().map(part).sum::<u64>()
        }
        Message::Assistant { parts } => {
            MESSAGE_TOKENS + parts.iter().map(estimate_assistant_part).sum::<u64>()
        }
        Message::Answers { answers } => answers.iter().map(estimate_answer).sum(),
    }
}

fn estimate_assistant_part(part: &AssistantPart) -> u64 {
    match part {
        AssistantPart::Text { text, .. } | AssistantPart::Reasoning { text, .. } => {
            estimate_text(text)
        }
        AssistantPart::Call {
            name, arguments, ..
        } => {
            let arguments = serde_json::to_string(arguments).unwrap_or_default();
            TOOL_TOKENS + estimate_text(name) + estimate_text(&arguments)
        }
    }
}

fn estimate_answer(answer: &Answer) -> u64 {
    let part = |it: &AnswerPart| match it {
        AnswerPart::Text(text) => estimate_text(text),
        AnswerPart::Image { .. } => IMAGE_TOKENS,
    };
    MESSAGE_TOKENS + answer.parts.iter().map(part).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::estimate_text;

    #[test]
    fn a_guess_errs_on_the_side_of_too_much() {
        #[track_caller]
        fn check(text: &str, guess: u64) {
            assert_eq!(estimate_text(text), guess, "{text}");
        }
        check("", 0);
        // Ten in the vocabularies of OpenAI.
        check("The quick brown fox jumps over the lazy dog.", 15);
        check("人工智能", 4);
        check("Straße", 3);
    }
}
