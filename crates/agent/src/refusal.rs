//! What a provider means by a refusal. Each meaning has one thing to do about it.
//!
//! Providers agree on status codes only roughly, and local servers hardly at all, so the words count
//! as well. What is matched here are parts of messages that the servers' own sources or documentation
//! have.

use serde_json::Value;

use crate::{
    codec::Target,
    error::{ModelError, ModelErrorKind},
    settle::excerpt,
};

/// Parts of messages, in lower case, and what they mean. The first that is found counts.
const WORDS: [(&str, ModelErrorKind); 35] = {
    use ModelErrorKind::{
        ContextTooLong, Credit, Key, ModelMissing, NoToolSupport, OutOfMemory, Overloaded,
    };
    [
        ("insufficient_quota", Credit),
        ("insufficient balance", Credit),
        ("insufficient credits", Credit),
        ("exceeded your current quota", Credit),
        ("credit balance is too low", Credit),
        ("does not support tools", NoToolSupport),
        ("does not support function", NoToolSupport),
        ("support tool use", NoToolSupport),
        ("tools are not supported", NoToolSupport),
        ("tool use is not supported", NoToolSupport),
        ("tool calling is not supported", NoToolSupport),
        ("tool choice requires", NoToolSupport),
        ("tools param requires", NoToolSupport),
        ("context_length_exceeded", ContextTooLong),
        ("maximum context length", ContextTooLong),
        ("context length", ContextTooLong),
        ("context window", ContextTooLong),
        ("context size", ContextTooLong),
        ("prompt is too long", ContextTooLong),
        ("too many tokens", ContextTooLong),
        ("input is too long", ContextTooLong),
        ("model_not_found", ModelMissing),
        ("model not found", ModelMissing),
        ("model does not exist", ModelMissing),
        ("model not exist", ModelMissing),
        ("no models loaded", ModelMissing),
        ("try pulling it", ModelMissing),
        ("requires more system memory", OutOfMemory),
        ("out of memory", OutOfMemory),
        ("api key not valid", Key),
        ("invalid api key", Key),
        ("invalid_api_key", Key),
        ("incorrect api key", Key),
        ("loading model", Overloaded),
        ("overloaded", Overloaded),
    ]
};

/// Returns what it means that `target` answers with `status`. `retry_after` is the header of that
/// name.
pub(crate) fn of_status(
    target: &Target,
    status: u16,
    retry_after: Option<&str>,
    body: &str,
) -> ModelError {
    let said = said(body);
    let kind = kind_of(status, &said);
    let mut error = describe(target, kind, Some(status));
    if matches!(kind, ModelErrorKind::RateLimit | ModelErrorKind::Overloaded) {
        error.retry_after_ms = retry_after
            .and_then(seconds)
            .or_else(|| wait_in_words(&said));
        if let (ModelErrorKind::RateLimit, Some(wait)) = (kind, error.retry_after_ms) {
            let wait = wait.div_ceil(1_000);
            error.message = format!("{}, for {wait} s", error.message);
            error.fix = format!("try again in {wait} s");
        }
    }
    error.details = (!said.is_empty()).then(|| excerpt(&said).to_owned());
    error
}

/// Returns what an error in the middle of a stream means. `error` is what stands under that key.
pub(crate) fn in_stream(target: &Target, error: &Value) -> ModelError {
    let number = |key: &str| error[key].as_u64().and_then(|it| u16::try_from(it).ok());
    let status = number("code").or_else(|| number("status"));
    of_status(target, status.unwrap_or(0), None, &error.to_string())
}

fn kind_of(status: u16, said: &str) -> ModelErrorKind {
    let lower = said.to_lowercase();
    let by_words = WORDS.iter().find(|(words, _)| lower.contains(words));
    let by_words = by_words.map(|(_, kind)| *kind);
    let is_model_missing =
        lower.contains("model") && (lower.contains("not found") || lower.contains("not exist"));
    match status {
        401 | 407 => ModelErrorKind::Key,
        402 => ModelErrorKind::Credit,
        429 if by_words == Some(ModelErrorKind::Credit) => ModelErrorKind::Credit,
        // "Too many tokens per minute" is not a context that is too long.
        429 => ModelErrorKind::RateLimit,
        _ if by_words.is_some() => by_words.unwrap_or(ModelErrorKind::Other),
        403 => ModelErrorKind::Key,
        413 => ModelErrorKind::ContextTooLong,
        _ if is_model_missing => ModelErrorKind::ModelMissing,
        502 | 503 | 504 | 529 => ModelErrorKind::Overloaded,
        _ if lower.contains("rate limit") => ModelErrorKind::RateLimit,
        _ => ModelErrorKind::Other,
    }
}

fn describe(target: &Target, kind: ModelErrorKind, status: Option<u16>) -> ModelError {
    let Target {
        provider,
        model,
        is_local,
    } = target;
    let (message, fix) = match kind {
        ModelErrorKind::Key => (
            format!("`{provider}` does not accept the key"),
            "give it another key in the settings of the provider".to_owned(),
        ),
        ModelErrorKind::Credit => (
            format!("the account at `{provider}` has no credit left"),
            "add credit with the provider".to_owned(),
        ),
        ModelErrorKind::RateLimit => (
            format!("`{provider}` takes no more requests for now"),
            "try again in a minute".to_owned(),
        ),
        ModelErrorKind::Overloaded => (
            format!("`{provider}` has too much to do or is still starting"),
            "try again in a minute".to_owned(),
        ),
        ModelErrorKind::ContextTooLong => (
            format!("the conversation is longer than `{model}` can read"),
            "disable tools that this chat does not need, or begin a new chat".to_owned(),
        ),
        ModelErrorKind::ModelMissing if *is_local => (
            format!("`{provider}` has no model `{model}`"),
            format!("download `{model}` there, or choose another model"),
        ),
        ModelErrorKind::ModelMissing => (
            format!("`{provider}` has no model `{model}`, or not for this key"),
            "choose another model".to_owned(),
        ),
        ModelErrorKind::NoToolSupport => (
            format!("`{model}` cannot call tools"),
            "choose a model that can".to_owned(),
        ),
        ModelErrorKind::OutOfMemory => (
            format!("there is not enough memory for `{model}`"),
            "choose a smaller model, or allow a shorter context in the settings".to_owned(),
        ),
        _ => {
            let status = match status {
                Some(status) if status != 0 => format!(" (status {status})"),
                _ => String::new(),
            };
            (
                format!("`{provider}` could not answer{status}"),
                "read in the details what it said, or try another model".to_owned(),
            )
        }
    };
    ModelError::new(kind, message, fix)
}

/// Returns the words in a body, wherever they are in it.
fn said(body: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(body) else {
        return body.trim().to_owned();
    };
    // Some wrap it in a list.
    let value = value.get(0).unwrap_or(&value);
    let error = value.get("error").unwrap_or(value);
    let text = |it: &Value| it.as_str().map(str::to_owned);
    let message = ["message", "detail", "error"]
        .iter()
        .find_map(|it| text(&error[*it]));
    let code = ["code", "type"].iter().find_map(|it| text(&error[*it]));
    match (text(error), message, code) {
        (Some(text), ..) => text,
        (None, Some(message), Some(code)) => format!("{message} ({code})"),
        (None, Some(message), None) => message,
        (None, None, _) => body.trim().to_owned(),
    }
}

fn seconds(header: &str) -> Option<u64> {
    let seconds: f64 = header.trim().parse().ok()?;
    to_ms(seconds)
}

/// Reads the wait in "try again in 1m2.5s" or "retry after 12 seconds".
fn wait_in_words(said: &str) -> Option<u64> {
    let lower = said.to_lowercase();
    let places = ["try again in ", "retry after ", "retry in "];
    let rest = places.iter().find_map(|it| lower.split_once(it))?.1;
    let mut seconds = 0.0;
    let mut rest = rest;
    let mut found = false;
    while let Some(end) = rest.find(|it: char| !it.is_ascii_digit() && it != '.') {
        let Ok(number) = rest[..end].parse::<f64>() else {
            break;
        };
        let unit = rest[end..].trim_start();
        let word = unit
            .find(|it: char| !it.is_ascii_alphabetic())
            .unwrap_or(unit.len());
        seconds += number
            * match &unit[..word] {
                "ms" | "millisecond" | "milliseconds" => 0.001,
                "m" | "min" | "minute" | "minutes" => 60.0,
                "h" | "hour" | "hours" => 3_600.0,
                _ => 1.0,
            };
        found = true;
        rest = &unit[word..];
    }
    found.then_some(()).and_then(|()| to_ms(seconds))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between zero and a year"
)]
fn to_ms(seconds: f64) -> Option<u64> {
    (0.0..=31_536_000.0)
        .contains(&seconds)
        .then(|| (seconds * 1_000.0).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::{of_status, wait_in_words};
    use crate::codec::Target;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(status: u16, retry_after: Option<&str>, body: &str, expected: Expect) {
        let target = Target {
            provider: "home".to_owned(),
            model: "m".to_owned(),
            is_local: false,
        };
        let it = of_status(&target, status, retry_after, body);
        let wait = it.retry_after_ms;
        expected.assert_eq(&format!(
            "{:?} {wait:?}\n{}\n{}",
            it.kind, it.message, it.fix
        ));
    }

    #[test]
    fn each_refusal_has_its_kind_and_one_fix() {
        check(
            401,
            None,
            r#"{"error":{"message":"Incorrect API key provided: sk-a***","type":"invalid_request_error","code":"invalid_api_key"}}"#,
            expect![[r#"
                Key None
                `home` does not accept the key
                give it another key in the settings of the provider"#]],
        );
        check(
            400,
            None,
            r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]"#,
            expect![[r#"
                Key None
                `home` does not accept the key
                give it another key in the settings of the provider"#]],
        );
        check(
            402,
            None,
            r#"{"error":{"message":"Insufficient Balance"}}"#,
            expect![[r#"
                Credit None
                the account at `home` has no credit left
                add credit with the provider"#]],
        );
        check(
            429,
            None,
            r#"{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#,
            expect![[r#"
                Credit None
                the account at `home` has no credit left
                add credit with the provider"#]],
        );
        check(
            429,
            Some("20"),
            r#"{"error":{"message":"Rate limit reached"}}"#,
            expect![[r#"
                RateLimit Some(20000)
                `home` takes no more requests for now, for 20 s
                try again in 20 s"#]],
        );
        check(
            429,
            None,
            r#"{"error":{"message":"Rate limit reached: too many tokens per minute. Please try again in 1m2.5s. Visit"}}"#,
            expect![[r#"
                RateLimit Some(62500)
                `home` takes no more requests for now, for 63 s
                try again in 63 s"#]],
        );
        check(
            400,
            None,
            r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","code":"context_length_exceeded"}}"#,
            expect![[r#"
                ContextTooLong None
                the conversation is longer than `m` can read
                disable tools that this chat does not need, or begin a new chat"#]],
        );
        check(
            400,
            None,
            r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}"#,
            expect![[r#"
                ContextTooLong None
                the conversation is longer than `m` can read
                disable tools that this chat does not need, or begin a new chat"#]],
        );
        check(
            404,
            None,
            r#"{"error":"model 'm' not found"}"#,
            expect![[r#"
                ModelMissing None
                `home` has no model `m`, or not for this key
                choose another model"#]],
        );
        check(
            400,
            None,
            r#"{"error":"registry.ollama.ai/library/gemma:2b does not support tools"}"#,
            expect![[r#"
                NoToolSupport None
                `m` cannot call tools
                choose a model that can"#]],
        );
        check(
            400,
            None,
            r#"{"object":"error","message":"\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set","code":400}"#,
            expect![[r#"
                NoToolSupport None
                `m` cannot call tools
                choose a model that can"#]],
        );
        check(
            503,
            None,
            r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
            expect![[r#"
                Overloaded None
                `home` has too much to do or is still starting
                try again in a minute"#]],
        );
        check(
            500,
            None,
            "boom",
            expect![[r#"
            Other None
            `home` could not answer (status 500)
            read in the details what it said, or try another model"#]],
        );
        check(
            404,
            None,
            "<html>not found</html>",
            expect![[r#"
            Other None
            `home` could not answer (status 404)
            read in the details what it said, or try another model"#]],
        );
    }

    #[test]
    fn waits_are_read_from_words() {
        assert_eq!(wait_in_words("Please try again in 300ms."), Some(300));
        assert_eq!(wait_in_words("try again in 1m2.5s"), Some(62_500));
        assert_eq!(wait_in_words("Retry after 12 seconds"), Some(12_000));
        assert_eq!(wait_in_words("try again in a while"), None);
        assert_eq!(wait_in_words("nothing"), None);
    }
}
