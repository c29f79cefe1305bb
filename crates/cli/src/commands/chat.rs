//! `chat`: one message, and its answer as it is written.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use serde_json::{Value, json};

use crate::{
    api::{Api, part},
    args::chats::ChatArgs,
    commands::{or_look, text},
    output,
    target::Finder,
};

/// The longest line of a stream that is waited for.
const LINE_BYTES_MAX: usize = 64 << 20;
const LOOK: &str = "`archestra chats list` shows them with their identifiers";

pub(crate) async fn run(
    finder: &Finder,
    args: ChatArgs,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut api = Api::find(finder)?;
    let api = &mut api;
    let chat = match args.chat {
        Some(chat) => chat,
        None => {
            let begun = api.post("/chats", Some(&json!({}))).await?;
            text(&begun, "id").to_owned()
        }
    };
    let mut body = json!({ "text": args.text });
    if let (Some(provider), Some(model)) = (args.provider, args.model) {
        body["model"] = json!({ "provider": provider, "model": model });
    }
    let path = format!("/chats/{}", part(&chat));
    let sent = or_look(
        api.post(&format!("{path}/messages"), Some(&body)).await,
        LOOK,
    )?;
    let Some(run) = sent["run"].as_str() else {
        output::note("another answer is being written in this chat; the message waits in line");
        if as_json {
            output::json(&json!({ "chat": chat, "message": sent["message"], "run": null }));
        }
        return Ok(ExitCode::SUCCESS);
    };
    let run = format!("/runs/{}", part(run));
    let mut printer = Printer {
        is_quiet: as_json,
        line: Vec::new(),
    };
    api.download(&format!("{run}/stream"), &mut printer).await?;
    let ended = api.get(&run).await?;
    let has_failed = text(&ended, "state") == "failed";
    if as_json {
        let last = api.get(&format!("{path}/messages?limit=1")).await?;
        output::json(&json!({
            "chat": chat,
            "message": sent["message"],
            "run": ended["id"],
            "state": ended["state"],
            "error": ended["error"],
            "answer": last["messages"][0],
        }));
    } else {
        output::line("");
        output::note(format!("`archestra chat --in {chat} …` goes on with it"));
    }
    if has_failed && !as_json {
        let error = &ended["error"];
        let told = format!("{}; {}", text(error, "message"), text(error, "fix"));
        output::note(format!("error: {}", output::visible(&told)));
    }
    Ok(match has_failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// Shows the chunks of a UI message stream as they come.
struct Printer {
    is_quiet: bool,
    /// What came of a line that is not whole.
    // Invariant: at most LINE_BYTES_MAX.
    line: Vec<u8>,
}

impl Write for Printer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|it| *it == b'\n') {
            if LINE_BYTES_MAX < self.line.len() + piece.len() {
                return Err(io::Error::other("a line of the answer is too long"));
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                if let Some(shown) = shown(&line).filter(|_| !self.is_quiet) {
                    shown.show();
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a person sees of a chunk.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    Text(String),
    /// Beside the answer.
    Note(String),
}

impl Shown {
    fn show(&self) {
        match self {
            Self::Text(text) => output::text(output::harmless(text)),
            Self::Note(note) => output::note(output::visible(note)),
        }
    }
}

fn shown(line: &[u8]) -> Option<Shown> {
    let data = line.strip_prefix(b"data: ")?;
    let chunk: Value = serde_json::from_slice(data).ok()?;
    let note = |note: String| Some(Shown::Note(note));
    match text(&chunk, "type") {
        "text-delta" => Some(Shown::Text(text(&chunk, "delta").to_owned())),
        "text-end" => Some(Shown::Text("\n".to_owned())),
        "tool-input-available" => note(format!("calls `{}`", text(&chunk, "toolName"))),
        "tool-output-error" => note(format!("the call failed: {}", text(&chunk, "errorText"))),
        "tool-output-denied" => note("the call was denied".to_owned()),
        "tool-approval-request" => note(format!(
            "it waits for a decision: `archestra approvals approve {}` or `deny`",
            text(&chunk, "approvalId")
        )),
        "data-elicitation" => note(format!(
            "a server asks: {}; answer it on the page",
            text(&chunk["data"], "message")
        )),
        "data-notice" => note(text(&chunk["data"], "text").to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Shown, shown};

    #[test]
    fn a_person_sees_the_words_and_what_is_to_be_decided() {
        let check = |line: &str, expected: Option<Shown>| {
            assert_eq!(shown(line.as_bytes()), expected, "{line}");
        };
        let said = |it: &str| Some(Shown::Text(it.to_owned()));
        check(
            r#"data: {"type":"text-delta","id":"1","delta":"a b"}"#,
            said("a b"),
        );
        check(r#"data: {"type":"text-end","id":"1"}"#, said("\n"));
        check(
            r#"data: {"type":"tool-approval-request","approvalId":"7","toolCallId":"c"}"#,
            Some(Shown::Note(
                "it waits for a decision: `archestra approvals approve 7` or `deny`".to_owned(),
            )),
        );
        for nothing in [
            "",
            ":",
            "id: 1.2",
            "data: [DONE]",
            r#"data: {"type":"start"}"#,
        ] {
            check(nothing, None);
        }
    }
}
