//! The envelope of a message: JSON-RPC 2.0 as MCP uses it.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::object::{Key, Object, raw};

/// How deep arrays and objects may stand in each other, as in `serde_json` itself.
pub const DEPTH_MAX: usize = 128;
/// The longest identifier of a request, in bytes as it was sent.
pub const ID_BYTES_MAX: usize = 1024;

/// Error codes of JSON-RPC and MCP.
pub mod code {
    pub const PARSE: i64 = -32700;
    pub const INVALID_REQUEST: i64 = -32600;
    pub const METHOD_NOT_FOUND: i64 = -32601;
    pub const INVALID_PARAMS: i64 = -32602;
    pub const INTERNAL: i64 = -32603;
    /// The server cannot do it now: it does not start, it ended, it is too busy, it took too long.
    pub const SERVER: i64 = -32000;
    /// The caller may not.
    pub const FORBIDDEN: i64 = -32003;
}

/// A message, taken apart as far as routing needs.
#[derive(Debug, Clone)]
pub enum Message<'a> {
    Request {
        /// A text or a number, as it was sent.
        id: &'a RawValue,
        method: Cow<'a, str>,
        params: Option<&'a RawValue>,
    },
    Notification {
        method: Cow<'a, str>,
        params: Option<&'a RawValue>,
    },
    Response {
        /// `None` where the other side could not tell what it answers.
        id: Option<&'a RawValue>,
        outcome: Result<&'a RawValue, &'a RawValue>,
    },
}

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("not valid JSON: {reason}")]
    Json { reason: String },
    #[error("not a JSON-RPC 2.0 message: {reason}")]
    Envelope { reason: String },
    #[error("arrays and objects stand more than {DEPTH_MAX} deep in each other")]
    Depth,
}

impl ParseError {
    /// Returns the error code that says this over the wire.
    pub fn code(&self) -> i64 {
        match self {
            Self::Json { .. } | Self::Depth => code::PARSE,
            Self::Envelope { .. } => code::INVALID_REQUEST,
        }
    }
}

/// An error as JSON-RPC has it.
#[derive(Debug, Clone, Serialize)]
pub struct RpcError {
    pub code: i64,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

impl RpcError {
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    pub fn to_raw(&self) -> Box<RawValue> {
        raw(self)
    }
}

impl<'a> Message<'a> {
    /// Takes one message apart.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        if !is_shallow(bytes) {
            return Err(ParseError::Depth);
        }
        let json = |err: serde_json::Error| ParseError::Json {
            reason: err.to_string(),
        };
        let text = std::str::from_utf8(bytes).map_err(|err| ParseError::Json {
            reason: err.to_string(),
        })?;
        match serde_json::from_str::<Envelope<'a>>(text) {
            Ok(envelope) => envelope.into_message(),
            Err(err) if err.is_data() => Err(ParseError::Envelope {
                reason: err.to_string(),
            }),
            Err(err) => Err(json(err)),
        }
    }

    /// Returns what is asked for or told; `None` for a response.
    pub fn method(&self) -> Option<&str> {
        match self {
            Self::Request { method, .. } | Self::Notification { method, .. } => Some(method),
            Self::Response { .. } => None,
        }
    }
}

/// Returns the bytes of a request. No end of line is in them.
pub fn request<I: fmt::Display>(id: I, method: &str, params: Option<&RawValue>) -> Vec<u8> {
    let mut out = request_head(id, method);
    push_params(&mut out, params);
    into_line(out)
}

/// As [`request`], with parameters that were taken apart; their values are copied once.
pub fn request_with<I: fmt::Display>(id: I, method: &str, params: Option<&Object<'_>>) -> Vec<u8> {
    let mut out = request_head(id, method);
    if let Some(params) = params {
        out.reserve(params.text_len() + 16);
        out.push_str(",\"params\":");
        params.write(&mut out);
    }
    out.push('}');
    into_line(out)
}

fn request_head<I: fmt::Display>(id: I, method: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":{}"#,
        raw(method).get()
    )
}

/// Returns the bytes of a notification.
pub fn notification(method: &str, params: Option<&RawValue>) -> Vec<u8> {
    let mut out = format!(r#"{{"jsonrpc":"2.0","method":{}"#, raw(method).get());
    push_params(&mut out, params);
    into_line(out)
}

/// Returns the bytes of a response to the request `id`.
pub fn response(id: &RawValue, outcome: Result<&RawValue, &RawValue>) -> Vec<u8> {
    let (key, value) = match outcome {
        Ok(result) => ("result", result),
        Err(error) => ("error", error),
    };
    let value = value.get();
    let mut out = String::with_capacity(value.len() + id.get().len() + 40);
    out.push_str(r#"{"jsonrpc":"2.0","id":"#);
    out.push_str(id.get());
    out.push_str(",\"");
    out.push_str(key);
    out.push_str("\":");
    out.push_str(value);
    out.push('}');
    into_line(out)
}

/// Returns the bytes of an error response; `None` stands for `null`.
pub fn error_response(id: Option<&RawValue>, error: &RpcError) -> Vec<u8> {
    let null = raw(&());
    response(id.unwrap_or(&null), Err(&error.to_raw()))
}

fn push_params(out: &mut String, params: Option<&RawValue>) {
    if let Some(params) = params {
        out.push_str(",\"params\":");
        out.push_str(params.get());
    }
    out.push('}');
}

/// Ends of line can stand only between tokens of valid JSON, where a space is as good.
fn into_line(text: String) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    if memchr::memchr2(b'\n', b'\r', &bytes).is_some() {
        for byte in &mut bytes {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
    bytes
}

/// Whether nothing stands deeper than [`DEPTH_MAX`]. Most messages have fewer brackets than that,
/// so the exact count is rarely needed.
fn is_shallow(bytes: &[u8]) -> bool {
    let many = memchr::memchr2_iter(b'{', b'[', bytes).nth(DEPTH_MAX);
    if many.is_none() {
        return true;
    }
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if DEPTH_MAX < depth {
            return false;
        }
    }
    true
}

#[derive(Default)]
struct Envelope<'a> {
    jsonrpc: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    method: Option<Cow<'a, str>>,
    params: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    fn into_message(self) -> Result<Message<'a>, ParseError> {
        let wrong = |reason: &str| ParseError::Envelope {
            reason: reason.to_owned(),
        };
        if self.jsonrpc.is_none_or(|it| it.get() != r#""2.0""#) {
            return Err(wrong("`jsonrpc` must be \"2.0\""));
        }
        if self
            .params
            .is_some_and(|it| !it.get().starts_with(['{', '[']))
        {
            return Err(wrong("`params` must be an object"));
        }
        let is_id = |it: &RawValue| {
            it.get().len() <= ID_BYTES_MAX
                && it
                    .get()
                    .starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit())
        };
        match (self.method, self.id, self.result, self.error) {
            (Some(method), Some(id), None, None) if is_id(id) => Ok(Message::Request {
                id,
                method,
                params: self.params,
            }),
            (Some(_), Some(_), None, None) => Err(wrong(&format!(
                "`id` must be a text or a number of at most {ID_BYTES_MAX} bytes"
            ))),
            (Some(method), None, None, None) => Ok(Message::Notification {
                method,
                params: self.params,
            }),
            (None, id, Some(result), None) => Ok(Message::Response {
                id: id.filter(|it| is_id(it)),
                outcome: Ok(result),
            }),
            (None, id, None, Some(error)) => Ok(Message::Response {
                id: id.filter(|it| is_id(it)),
                outcome: Err(error),
            }),
            (None, _, None, None) => Err(wrong("`method`, `result` and `error` are missing")),
            _ => Err(wrong("more than one of `method`, `result` and `error`")),
        }
    }
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut envelope = Envelope::default();
        while let Some(Key(key)) = map.next_key()? {
            if key == "method" {
                let former = envelope.method.replace(map.next_value::<Key<'de>>()?.0);
                refuse_twice(former.is_some(), &key)?;
                continue;
            }
            let place = match key.as_ref() {
                "jsonrpc" => &mut envelope.jsonrpc,
                "id" => &mut envelope.id,
                "params" => &mut envelope.params,
                "result" => &mut envelope.result,
                "error" => &mut envelope.error,
                _ => {
                    refuse_variant(&key)?;
                    map.next_value::<de::IgnoredAny>()?;
                    continue;
                }
            };
            let former = place.replace(map.next_value()?);
            refuse_twice(former.is_some(), &key)?;
        }
        Ok(envelope)
    }
}

fn refuse_twice<E: de::Error>(stands_twice: bool, key: &str) -> Result<(), E> {
    if stands_twice {
        return Err(E::custom(format!("key `{key}` stands twice")));
    }
    Ok(())
}

/// A program that reads keys in any letter case would take `Method` for `method`.
fn refuse_variant<E: de::Error>(key: &str) -> Result<(), E> {
    let known = ["jsonrpc", "id", "method", "params", "result", "error"];
    match known.iter().find(|it| it.eq_ignore_ascii_case(key)) {
        Some(known) => Err(E::custom(format!("key `{key}` must be written `{known}`"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
