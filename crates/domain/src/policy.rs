//! What people decide about tools.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{PrincipalName, RuleId, ServerId, Timestamp};

/// The longest pattern, in bytes.
const GLOB_LEN_MAX: usize = 256;

/// What is to be done with a call. A stronger one comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It is refused.
    Deny,
    /// A person is asked.
    Ask,
    /// It is made.
    Allow,
}

/// What happens when a server says something else of its tools than what is pinned.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ToolChanges {
    /// What is new or different is kept away until somebody approves it, and people are told.
    #[default]
    Ask,
    /// It is taken for what it was; settings stay.
    Follow,
    /// It is kept away, and nobody is bothered with it.
    Block,
}

/// How what a server says of a tool now stands to what is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It is what was pinned.
    Pinned {
        /// Whether a person has ever looked at it.
        looked_at: bool,
    },
    /// The tool is pinned, and is said to be something else.
    Changed,
    /// The server has a pinned list, and this was not in it.
    Added,
}

/// A person's rule about many tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRule {
    pub id: RuleId,
    /// `None` is all servers.
    pub server: Option<ServerId>,
    pub tool: ToolGlob,
    pub effect: Effect,
    pub created_by: PrincipalName,
    pub created_at: Timestamp,
}

/// A pattern for tools, by the servers' own names for them: `*` is any text, `?` any one character,
/// and everything else itself.
///
/// Nothing is folded: what looks alike and is not the same does not match.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ToolGlob {
    // Invariant: 1..=GLOB_LEN_MAX bytes, no control characters.
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "pattern `{}` must have 1 to {GLOB_LEN_MAX} bytes and no control characters",
    text.escape_debug()
)]
pub struct ToolGlobError {
    text: String,
}

impl Effect {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Ask => "ask",
            Self::Allow => "allow",
        }
    }
}

impl ToolChanges {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Follow => "follow",
            Self::Block => "block",
        }
    }
}

impl PolicyRule {
    /// Whether the rule is about this tool.
    pub fn is_about(&self, server: ServerId, tool: &str) -> bool {
        self.server.is_none_or(|it| it == server) && self.tool.matches(tool)
    }
}

impl ToolGlob {
    pub fn new(text: &str) -> Result<Self, ToolGlobError> {
        let is_well_formed =
            (1..=GLOB_LEN_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        if !is_well_formed {
            return Err(ToolGlobError {
                text: text.to_owned(),
            });
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole of `name` is what the pattern says. The time is bounded by the product of
    /// the two lengths, and nothing is allocated: a list asks each rule about each tool.
    pub fn matches(&self, name: &str) -> bool {
        let (mut pattern, mut rest) = (self.text.as_str(), name);
        // What stands after the last `*`, and what is left where that begins in the name.
        let mut star: Option<(&str, &str)> = None;
        while let Some(c) = rest.chars().next() {
            let after = &rest[c.len_utf8()..];
            match pattern.chars().next() {
                Some('*') => {
                    pattern = &pattern[1..];
                    star = Some((pattern, rest));
                }
                Some(p) if p == '?' || p == c => {
                    pattern = &pattern[p.len_utf8()..];
                    rest = after;
                }
                _ => {
                    let Some((after_star, began)) = star else {
                        return false;
                    };
                    let Some(taken) = began.chars().next() else {
                        return false;
                    };
                    let began = &began[taken.len_utf8()..];
                    star = Some((after_star, began));
                    (pattern, rest) = (after_star, began);
                }
            }
        }
        pattern.bytes().all(|it| it == b'*')
    }
}

macro_rules! text_form {
    ($name:ty, $what:literal, [$($variant:expr),*]) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let all = [$($variant),*];
                all.into_iter().find(|it: &$name| it.as_str() == text).ok_or_else(|| {
                    let all: Vec<&str> = all.iter().map(|it| it.as_str()).collect();
                    format!("{} `{text}` is none of {}", $what, all.join(", "))
                })
            }
        }
    };
}
text_form!(Effect, "effect", [Self::Deny, Self::Ask, Self::Allow]);
text_form!(
    ToolChanges,
    "handling of changes",
    [Self::Ask, Self::Follow, Self::Block]
);

impl fmt::Display for ToolGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ToolGlob {
    type Err = ToolGlobError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for ToolGlob {
    type Error = ToolGlobError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<ToolGlob> for String {
    fn from(it: ToolGlob) -> Self {
        it.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_name() {
        let matches = |pattern: &str, name: &str| ToolGlob::new(pattern).unwrap().matches(name);
        assert!(matches("*", "") && matches("*", "anything"));
        assert!(matches("read_*", "read_file") && matches("read_*", "read_"));
        assert!(!matches("read_*", "unread_x") && !matches("read", "read_file"));
        assert!(matches("*_file", "read_file") && !matches("*_file", "read_file_x"));
        assert!(matches("a*b*c", "aXbYbZc") && !matches("a*b*c", "acb"));
        assert!(matches("get_?", "get_ä") && !matches("get_?", "get_") && !matches("?", ""));
        assert!(matches("**", "x") && matches("*?", "x") && !matches("*?", ""));
        // Nothing else is special, and nothing is folded.
        assert!(matches("a.b[c]", "a.b[c]") && !matches("a.b", "aXb"));
        assert!(!matches("Read", "read"));
        // A Cyrillic "а", and a letter with a combining mark.
        assert!(!matches("rea*", "re\u{430}d") && !matches("é", "e\u{301}"));
    }

    #[test]
    fn a_pattern_that_backtracks_takes_bounded_time() {
        let pattern = ToolGlob::new(&"*a".repeat(100)).unwrap();
        assert!(!pattern.matches(&"a".repeat(99)));
        assert!(pattern.matches(&"a".repeat(20_000)));
    }

    #[test]
    fn every_short_pattern_matches_what_its_definition_says() {
        fn by_definition(pattern: &[char], name: &[char]) -> bool {
            match pattern.split_first() {
                None => name.is_empty(),
                Some(('*', rest)) => (0..=name.len()).any(|at| by_definition(rest, &name[at..])),
                Some((p, rest)) => name
                    .split_first()
                    .is_some_and(|(c, name)| (*p == '?' || p == c) && by_definition(rest, name)),
            }
        }
        fn texts(alphabet: &[char], len_max: usize) -> Vec<String> {
            let mut all = vec![String::new()];
            let mut at = 0;
            while at < all.len() {
                let text = all[at].clone();
                at += 1;
                if text.chars().count() < len_max {
                    all.extend(alphabet.iter().map(|c| format!("{text}{c}")));
                }
            }
            all
        }
        // Both have the same last byte.
        let names = texts(&['a', 'é', 'ũ'], 4);
        for pattern in texts(&['a', 'é', '*', '?'], 5).iter().skip(1) {
            let glob = ToolGlob::new(pattern).unwrap();
            let pattern: Vec<char> = pattern.chars().collect();
            for name in &names {
                let chars: Vec<char> = name.chars().collect();
                let expected = by_definition(&pattern, &chars);
                assert_eq!(glob.matches(name), expected, "{} {name}", glob.as_str());
            }
        }
    }

    #[test]
    fn patterns_that_cannot_be_typed_are_refused() {
        for bad in ["", "a\nb", "\u{0}", &"x".repeat(257)] {
            assert!(ToolGlob::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_stronger_effect_is_the_lesser() {
        assert!(Effect::Deny < Effect::Ask && Effect::Ask < Effect::Allow);
        assert_eq!("ask".parse(), Ok(Effect::Ask));
        assert!("Ask".parse::<ToolChanges>().is_err());
    }
}
