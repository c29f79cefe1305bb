//! What a person has looked at, and what was said since.
//!
//! A server can say something else of its tools each time it is asked. The first thing that it says
//! is pinned; what differs from it later is not taken for the same tool until somebody agrees.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

/// Nesting beyond this is hashed as it was sent.
const DEPTH_MAX: usize = 128;
const PIN_DIGITS: usize = 64;

/// Stands for one definition of a tool, whole: name, title, description, schemas, annotations, and
/// what is not known yet.
///
/// Two definitions have one pin only if they differ in nothing but white space and the order of keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ToolPin {
    // Invariant: PIN_DIGITS hexadecimal digits, in lower case.
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pin `{text}` must have {PIN_DIGITS} digits out of 0-9 and a-f")]
pub struct ToolPinError {
    text: String,
}

impl ToolPin {
    /// Returns the pin of a definition as the server sent it.
    pub fn of(definition: &RawValue) -> Self {
        Self {
            text: canonical_sha256(definition),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for ToolPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ToolPin {
    type Err = ToolPinError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != PIN_DIGITS || !text.bytes().all(is_digit) {
            return Err(ToolPinError {
                text: text.to_owned(),
            });
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }
}

impl TryFrom<String> for ToolPin {
    type Error = ToolPinError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ToolPin> for String {
    fn from(it: ToolPin) -> Self {
        it.text
    }
}

/// Returns SHA-256, in hexadecimal digits, of a JSON text without its white space and with the keys
/// of its objects in order.
///
/// Keys that stand twice are kept, since programs differ in which of them counts. Strings and
/// numbers are compared as they were written.
pub fn canonical_sha256(json: &RawValue) -> String {
    let mut canonical = Vec::with_capacity(json.get().len());
    let mut reader = Reader::new(json);
    if reader.value(&mut canonical, 0).is_none() {
        canonical.clear();
        canonical.extend_from_slice(json.get().as_bytes());
    }
    let digest = Sha256::digest(&canonical);
    digest.iter().map(|it| format!("{it:02x}")).collect()
}

/// Whether two programs may read a JSON text differently: a key stands twice in one object, or it is
/// nested so deeply that nobody knows.
pub fn is_ambiguous(json: &RawValue) -> bool {
    let mut reader = Reader::new(json);
    reader.value(&mut Vec::new(), 0).is_none() || reader.has_key_twice
}

/// Reads a text that is known to be JSON.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    has_key_twice: bool,
}

impl<'a> Reader<'a> {
    fn new(json: &'a RawValue) -> Self {
        Self {
            bytes: json.get().as_bytes(),
            at: 0,
            has_key_twice: false,
        }
    }

    /// Appends the canonical form of the next value. `None` where it is nested too deeply.
    fn value(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        if DEPTH_MAX < depth {
            return None;
        }
        match self.peek()? {
            b'{' => self.object(out, depth),
            b'[' => self.array(out, depth),
            b'"' => self.string(out),
            _ => {
                let rest = &self.bytes[self.at..];
                let is_end =
                    |b: &u8| matches!(b, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
                let end = rest.iter().position(is_end).unwrap_or(rest.len());
                out.extend_from_slice(&rest[..end]);
                self.at += end;
                Some(())
            }
        }
    }

    fn object(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        let mut members: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        self.at += 1;
        while self.peek()? != b'}' {
            if self.peek()? == b',' {
                self.at += 1;
                self.peek()?;
            }
            let (mut key, mut value) = (Vec::new(), Vec::new());
            self.string(&mut key)?;
            // The colon.
            self.peek()?;
            self.at += 1;
            self.value(&mut value, depth + 1)?;
            members.push((key, value));
        }
        self.at += 1;
        // Written differently, two keys may still be one.
        let names: BTreeSet<String> = members.iter().filter_map(|(key, _)| name(key)).collect();
        self.has_key_twice |= names.len() < members.len();
        // Stable, so that of two with one key the first stays the first.
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        out.push(b'{');
        for (key, value) in members {
            out.extend_from_slice(&key);
            out.push(b':');
            out.extend_from_slice(&value);
            out.push(b',');
        }
        out.push(b'}');
        Some(())
    }

    fn array(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        self.at += 1;
        out.push(b'[');
        while self.peek()? != b']' {
            if self.peek()? == b',' {
                self.at += 1;
            }
            self.value(out, depth + 1)?;
            out.push(b',');
        }
        self.at += 1;
        out.push(b']');
        Some(())
    }

    fn string(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.bytes.get(self.at)? {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        out.extend_from_slice(&self.bytes[start..self.at]);
        Some(())
    }

    /// Returns the next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        while let b' ' | b'\t' | b'\n' | b'\r' = self.bytes.get(self.at)? {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }
}

fn name(key: &[u8]) -> Option<String> {
    serde_json::from_slice(key).ok()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn pin(json: &str) -> ToolPin {
        ToolPin::of(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn white_space_and_the_order_of_keys_change_nothing() {
        let one = pin(r#"{"name":"a","inputSchema":{"type":"object","x":[1, 2]}}"#);
        let other =
            pin("{ \"inputSchema\" : {\"x\":[1,2] ,\n\"type\":\"object\"}, \"name\":\"a\" }");
        assert_eq!(one, other);
        // It is stored, so it is the same in each build.
        expect!["08e3015ff83eddc9de55d82c919f0684"].assert_eq(&one.as_str()[..32]);
    }

    #[test]
    fn everything_else_makes_another_pin() {
        let base = pin(r#"{"name":"a","description":"x","n":1,"l":["p","q"]}"#);
        for other in [
            r#"{"name":"b","description":"x","n":1,"l":["p","q"]}"#,
            r#"{"name":"a","description":"x ","n":1,"l":["p","q"]}"#,
            r#"{"name":"a","description":"x","n":1.0,"l":["p","q"]}"#,
            r#"{"name":"a","description":"x","n":1,"l":["q","p"]}"#,
            r#"{"name":"a","description":"x","n":1,"l":["p,q"]}"#,
            r#"{"name":"a","description":"x","n":1,"l":[["p"],"q"]}"#,
            r#"{"name":"a","description":"x","n":1,"l":["p","q"],"_meta":{}}"#,
            // A key that stands twice, in either order.
            r#"{"name":"a","description":"x","description":"y","n":1,"l":["p","q"]}"#,
            r#"{"name":"a","description":"y","description":"x","n":1,"l":["p","q"]}"#,
        ] {
            assert_ne!(base, pin(other), "{other}");
        }
        let first = pin(r#"{"d":"x","d":"y"}"#);
        assert_ne!(first, pin(r#"{"d":"y","d":"x"}"#));
    }

    #[test]
    fn strings_may_have_everything_in_them() {
        let one = pin(r#"{"a\"}":"{[\\","b":"\u0041"}"#);
        assert_eq!(one, pin(r#"{ "b":"\u0041" , "a\"}":"{[\\" }"#));
        assert_ne!(one, pin(r#"{"a\"}":"{[\\","b":"A"}"#));
    }

    #[test]
    fn what_is_nested_deeply_is_hashed_as_it_was_sent() {
        let deep = |space: &str| format!("{}{space}{}", "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(pin(&deep("")), pin(&deep("")));
        assert_ne!(pin(&deep("")), pin(&deep(" ")));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_ambiguous() {
        let check = |json: &str| is_ambiguous(&RawValue::from_string(json.to_owned()).unwrap());
        assert!(!check(r#"{"a":{"b":1},"b":[{"a":1},{"a":2}],"A":0}"#));
        assert!(check(r#"{"a":1,"a":1}"#));
        assert!(check(r#"{"x":[{"a":1,"\u0061":2}]}"#));
        assert!(check(&format!("{}{}", "[".repeat(500), "]".repeat(500))));
    }

    #[test]
    fn a_pin_is_64_digits() {
        assert!("abc".parse::<ToolPin>().is_err());
        assert!("A".repeat(64).parse::<ToolPin>().is_err());
        let text = pin("{}").to_string();
        assert_eq!(text.parse::<ToolPin>().unwrap().to_string(), text);
    }
}
