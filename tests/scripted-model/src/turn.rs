//! What a model answers: data, in neither API's words.

use std::time::Duration;

use serde_json::Value;

/// One answer of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    pub answer: Answer,
    /// How fast; `None` is the server's own pace.
    pub pace: Option<Pace>,
    pub dialect: Dialect,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The answer's parts, one after the other, in a response with status 200.
    Steps(Vec<Step>),
    /// Another status.
    Refused(Refusal),
    /// Nothing at all, not even a status, for as long as the client waits.
    Silence,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Text(String),
    Reasoning(String),
    /// Calls that the model makes at the same time.
    Calls(Vec<ToolCall>),
    /// What was used; without it, it is guessed. It is sent at the end.
    Usage(Usage),
    /// The reason for the end, instead of the one that fits the steps.
    Finish(String),
    Pause(Duration),
    /// Nothing more until a test lets this name pass (`ScriptedModel::release`).
    Hold(String),
    /// Nothing more, for as long as the client waits.
    Stall,
    /// The connection is closed in the middle of an event.
    Cut,
    /// An event that is not JSON. The answer goes on after it.
    Malformed,
    /// Bytes as they are, for what nobody has thought of. Only in streams.
    Raw(String),
    /// An error object inside the stream, which ends with it.
    Error(String),
}

/// A call that the model asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// `None`: the server gives it one.
    pub id: Option<String>,
    pub name: String,
    /// The text that the model writes, which need not be JSON.
    pub arguments: String,
}

/// Tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub prompt: u64,
    pub completion: u64,
}

/// A request that is not answered with 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// 401.
    Key,
    /// 404.
    ModelMissing,
    /// 429; the number is that of the header `retry-after`, in seconds.
    RateLimited(Option<u64>),
    /// 400, since the prompt is longer than the context.
    ContextTooLong,
    /// 400, if tools are offered. Without tools the answer is a text.
    NoTools,
    /// 400, with the sentence that says what was wrong.
    Invalid(String),
    /// 500 or above, with a sentence.
    Failed(u16, String),
}

/// How fast an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The longest piece, in characters. A piece ends earlier at the end of a word.
    pub piece_chars: usize,
    /// From piece to piece.
    pub delay: Duration,
}

/// In what the servers that call themselves compatible differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dialect {
    /// `reasoning` instead of `reasoning_content`.
    pub reasoning_field: bool,
    /// Each call in one piece.
    pub whole_calls: bool,
    /// Pieces of parallel calls alternate.
    pub interleaved_calls: bool,
    /// Calls have no ids.
    pub no_ids: bool,
    /// `finish_reason` is `stop` after calls, too.
    pub stop_after_calls: bool,
    /// Usage comes with the reason for the end, and unasked.
    pub usage_with_finish: bool,
    /// The stream ends without `[DONE]`.
    pub no_done: bool,
    /// Lines end with CR LF, and comments stand between the events.
    pub crlf: bool,
    /// The bytes are written so many at a time, wherever that cuts.
    pub write_bytes: Option<usize>,
}

impl Turn {
    pub fn of(steps: impl Into<Vec<Step>>) -> Self {
        Self::new(Answer::Steps(steps.into()))
    }

    pub fn text(text: impl Into<String>) -> Self {
        Self::of([Step::Text(text.into())])
    }

    pub fn calls(calls: impl Into<Vec<ToolCall>>) -> Self {
        Self::of([Step::Calls(calls.into())])
    }

    pub fn refused(refusal: Refusal) -> Self {
        Self::new(Answer::Refused(refusal))
    }

    pub fn silence() -> Self {
        Self::new(Answer::Silence)
    }

    #[must_use]
    pub fn at(mut self, pace: Pace) -> Self {
        self.pace = Some(pace);
        self
    }

    #[must_use]
    pub fn in_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    fn new(answer: Answer) -> Self {
        Self {
            answer,
            pace: None,
            dialect: Dialect::default(),
        }
    }
}

impl ToolCall {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers make the value for this call, with `json!`"
    )]
    pub fn new(name: impl Into<String>, arguments: Value) -> Self {
        Self::raw(name, arguments.to_string())
    }

    /// Returns a call whose arguments are this text, JSON or not.
    pub fn raw(name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self {
            id: None,
            name: name.into(),
            arguments: arguments.into(),
        }
    }
}

impl Pace {
    /// As fast as it can be written, in pieces of a few words.
    pub const FAST: Self = Self {
        piece_chars: 16,
        delay: Duration::ZERO,
    };

    /// A word at a time, as fast as a good model on a laptop.
    pub const PLEASANT: Self = Self {
        piece_chars: 12,
        delay: Duration::from_millis(22),
    };

    /// Returns the pieces of a text. Together they are the text.
    pub(crate) fn pieces(self, text: &str) -> Vec<&str> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(self.piece_end(rest));
            pieces.push(piece);
            rest = after;
        }
        pieces
    }

    /// Returns where the first piece ends: after the last word that fits, else after as many
    /// characters as fit.
    fn piece_end(self, text: &str) -> usize {
        let max = self.piece_chars.max(1);
        let mut word_end = None;
        let mut after_blank = false;
        for (count, (at, char)) in text.char_indices().enumerate() {
            if after_blank && !char.is_whitespace() {
                word_end = Some(at);
            }
            if count == max {
                return word_end.unwrap_or(at);
            }
            after_blank = char.is_whitespace();
        }
        text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use std::time::Duration;

    #[test]
    fn pieces_end_at_words_and_are_the_text() {
        #[track_caller]
        fn check(text: &str, piece_chars: usize, expected: &[&str]) {
            let delay = Duration::ZERO;
            let pieces = Pace { piece_chars, delay }.pieces(text);
            assert_eq!(pieces, expected);
            assert_eq!(pieces.concat(), text);
        }
        check("", 4, &[]);
        check("one two three", 4, &["one ", "two ", "thre", "e"]);
        check("one two three", 9, &["one two ", "three"]);
        check("ab", 0, &["a", "b"]);
        check("東京は今", 3, &["東京は", "今"]);
        check("a\n\n b", 2, &["a\n", "\n ", "b"]);
    }
}
