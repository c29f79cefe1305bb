//! What the two APIs' encoders share: acts to be done on a connection, and answers as a whole.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    conversation::Conversation,
    turn::{Dialect, Pace, Step, ToolCall, Usage},
};

/// What is done on a connection, in this order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// Writes, after the pace's delay.
    Write(Bytes),
    Wait(Duration),
    Hold(String),
    Stall,
    Cut,
}

/// A request that is being answered with status 200.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reply<'a> {
    pub conversation: &'a Conversation,
    pub steps: &'a [Step],
    pub pace: Pace,
    pub dialect: Dialect,
    /// Tells this answer's ids from those of all others.
    pub number: u64,
}

/// The steps of an answer, added up.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Whole {
    pub text: String,
    pub reasoning: String,
    pub calls: Vec<ToolCall>,
    pub usage: Option<Usage>,
    pub finish: Option<String>,
    pub pause: Duration,
    pub holds: Vec<String>,
    pub trouble: Option<Trouble>,
}

/// What keeps a whole answer from arriving.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Trouble {
    Stall,
    Cut,
    Malformed,
    Error(String),
}

impl Reply<'_> {
    /// Returns the steps added up, as far as the first one that makes trouble.
    pub(crate) fn whole(&self) -> Whole {
        let mut whole = Whole::default();
        for step in self.steps {
            match step {
                Step::Text(text) => whole.text.push_str(text),
                Step::Reasoning(text) => whole.reasoning.push_str(text),
                Step::Calls(calls) => whole.calls.extend_from_slice(calls),
                Step::Usage(usage) => whole.usage = Some(*usage),
                Step::Finish(reason) => whole.finish = Some(reason.clone()),
                Step::Pause(pause) => whole.pause += *pause,
                Step::Hold(name) => whole.holds.push(name.clone()),
                Step::Raw(_) => {}
                Step::Stall => whole.trouble = Some(Trouble::Stall),
                Step::Cut => whole.trouble = Some(Trouble::Cut),
                Step::Malformed => whole.trouble = Some(Trouble::Malformed),
                Step::Error(text) => whole.trouble = Some(Trouble::Error(text.clone())),
            }
            if whole.trouble.is_some() {
                break;
            }
        }
        whole
    }

    /// Returns what was used: what the steps say, else a guess.
    pub(crate) fn usage(&self) -> Usage {
        let whole = self.whole();
        let arguments: usize = whole.calls.iter().map(|it| it.arguments.len()).sum();
        let written = whole.text.len() + whole.reasoning.len() + arguments;
        whole.usage.unwrap_or(Usage {
            prompt: self.conversation.prompt_tokens(),
            completion: (written as u64).div_ceil(4),
        })
    }

    /// Returns the id of the call that is this answer's `index`-th.
    pub(crate) fn call_id(&self, call: &ToolCall, index: usize) -> String {
        let made = || format!("call_{}_{index}", self.number);
        call.id.clone().unwrap_or_else(made)
    }

    /// Returns what is done for an answer in one piece.
    pub(crate) fn whole_acts(&self, body: &str) -> Vec<Act> {
        let whole = self.whole();
        let mut acts = vec![Act::Wait(whole.pause)];
        acts.extend(whole.holds.into_iter().map(Act::Hold));
        let half = Bytes::copy_from_slice(&body.as_bytes()[..body.len() / 2]);
        match whole.trouble {
            Some(Trouble::Stall) => acts.push(Act::Stall),
            Some(Trouble::Cut) => acts.extend([Act::Write(half), Act::Cut]),
            Some(Trouble::Malformed) => acts.push(Act::Write(half)),
            Some(Trouble::Error(_)) | None => acts.push(Act::Write(body.to_owned().into())),
        }
        acts
    }
}

/// Returns the same acts with each write in parts of so many bytes.
pub(crate) fn torn(acts: Vec<Act>, write_bytes: usize) -> Vec<Act> {
    let mut torn = Vec::with_capacity(acts.len());
    for act in acts {
        match act {
            Act::Write(bytes) => {
                let part = |it: &[u8]| Act::Write(bytes.slice_ref(it));
                torn.extend(bytes.chunks(write_bytes.max(1)).map(part));
            }
            other => torn.push(other),
        }
    }
    torn
}
