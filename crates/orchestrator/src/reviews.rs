//! What a person is shown of a tool: what is not as it was, and what does not show.

use std::{collections::BTreeMap, fmt};

use domain::{HiddenCharacter, canonical_sha256, hidden_characters, show_hidden};
use serde::{
    Deserializer,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::ToolReview;

/// The most hidden characters of one tool that are listed one by one.
const HIDDEN_MAX: usize = 100;

/// A part of a tool's definition that is not as it was pinned.
#[derive(Debug, Clone)]
pub struct FieldChange {
    pub field: String,
    /// As it is pinned; `None` where it was not there.
    pub before: Option<Box<RawValue>>,
    /// As the server tells it now; `None` where it is not there any more.
    pub after: Option<Box<RawValue>>,
}

/// A character in a tool's definition that people do not see and models read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiddenInField {
    /// The way to the text, for instance `inputSchema.properties.path.description`.
    pub field: String,
    pub character: HiddenCharacter,
}

impl ToolReview {
    /// Returns what is not as it was pinned, in the order of the fields' names. There is nothing
    /// where the tool is new or gone.
    pub fn changes(&self) -> Vec<FieldChange> {
        match (&self.told, &self.pinned) {
            (Some(told), Some(pinned)) if told.pin != pinned.pin => {
                changes(&pinned.definition, &told.definition)
            }
            _ => Vec::new(),
        }
    }

    /// Returns the characters that do not show in what the server tells now, the first 100.
    pub fn hidden(&self) -> Vec<HiddenInField> {
        let told = self.told.as_ref();
        told.map_or(Vec::new(), |it| hidden(&it.definition))
    }
}

fn changes(before: &str, after: &str) -> Vec<FieldChange> {
    let (mut before, mut after) = (fields(before), fields(after));
    let mut names: Vec<String> = before.keys().chain(after.keys()).cloned().collect();
    names.sort();
    names.dedup();
    let pairs = names.into_iter().map(|field| FieldChange {
        before: before.remove(&field),
        after: after.remove(&field),
        field,
    });
    let sha256 = |it: &Option<Box<RawValue>>| it.as_deref().map(canonical_sha256);
    pairs
        .filter(|it| sha256(&it.before) != sha256(&it.after))
        .collect()
}

/// Returns the fields of a definition. No key stands twice in one that was listed.
fn fields(definition: &str) -> BTreeMap<String, Box<RawValue>> {
    serde_json::from_str(definition).unwrap_or_default()
}

/// Finds what does not show in any text of a JSON value, keys included.
fn hidden(definition: &str) -> Vec<HiddenInField> {
    let mut found = Vec::new();
    let mut reader = serde_json::Deserializer::from_str(definition);
    let walk = Walk {
        path: String::new(),
        found: &mut found,
    };
    if walk.deserialize(&mut reader).is_err() {
        // It is nested too deeply for anybody to look into.
        found.clear();
        note(&mut found, "", definition);
    }
    found
}

/// Looks at a value and all in it, and keeps nothing of it: of keys that stand twice, both.
struct Walk<'a> {
    path: String,
    found: &'a mut Vec<HiddenInField>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        note(self.found, &self.path, text);
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        for index in 0_usize.. {
            let element = Walk {
                path: format!("{}[{index}]", self.path),
                found: self.found,
            };
            if elements.next_element_seed(element)?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key::<String>()? {
            let dot = if self.path.is_empty() { "" } else { "." };
            let path = format!("{}{dot}{}", self.path, show_hidden(&key));
            note(self.found, &path, &key);
            members.next_value_seed(Walk {
                path,
                found: self.found,
            })?;
        }
        Ok(())
    }
}

fn note(found: &mut Vec<HiddenInField>, field: &str, text: &str) {
    let room = HIDDEN_MAX.saturating_sub(found.len());
    let hidden = hidden_characters(text).into_iter().take(room);
    found.extend(hidden.map(|character| HiddenInField {
        field: field.to_owned(),
        character,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_by_the_fields_that_are_not_equal() {
        let text = |it: &Option<Box<RawValue>>| it.as_ref().map(|it| it.get().to_owned());
        let check = |before: &str, after: &str| {
            let changes = changes(before, after).into_iter();
            let lines = changes
                .map(|it| format!("{}: {:?} {:?}", it.field, text(&it.before), text(&it.after)));
            lines.collect::<Vec<_>>().join("\n")
        };
        expect_test::expect![[r#"
            description: Some("\"reads\"") Some("\"writes\"")
            inputSchema: Some("{\"a\":1,\"b\":2}") Some("{\"a\":1,\"b\":3}")
            new: None Some("null")
            old: Some("1") None"#]]
        .assert_eq(&check(
            r#"{"name":"a","description":"reads","inputSchema":{"a":1,"b":2},"old":1}"#,
            r#"{"name":"a","description":"writes","inputSchema":{"a":1,"b":3},"new":null}"#,
        ));
        let (one, other) = (r#"{"a":{"x":1,"y":[2]}}"#, r#"{"a": {"y": [2], "x": 1}}"#);
        assert_eq!(check(one, other), "");
    }

    #[test]
    fn what_does_not_show_is_found_wherever_it_is() {
        let check = |json: &str| {
            let found = hidden(json).into_iter();
            let lines = found.map(|it| {
                let HiddenCharacter { at, character } = it.character;
                format!("{} {at} U+{:04X}", it.field, u32::from(character))
            });
            lines.collect::<Vec<_>>().join("\n")
        };
        // Escaped or not, in a key, in a list, and where a key stands twice.
        expect_test::expect![[r#"
            description 1 U+200B
            inputSchema.properties.pa⟨U+00AD⟩th 2 U+00AD
            inputSchema.properties.pa⟨U+00AD⟩th.enum[1] 0 U+202E
            inputSchema.twice 0 U+FEFF"#]]
        .assert_eq(&check(
            "{\"description\":\"a\\u200b\",\"inputSchema\":{\"properties\":{\"pa\u{ad}th\":\
             {\"enum\":[\"x\",\"\u{202e}txt\"],\"n\":[1,-1,0.5,null,true]}},\
             \"twice\":\"\u{feff}\",\"twice\":\"fine\"}}",
        ));
        let deep = format!("{}\"\u{200b}\"{}", "[".repeat(500), "]".repeat(500));
        assert_eq!(hidden(&deep).len(), 1);
        let many = format!("[\"{}\"]", "\u{200b}".repeat(5_000));
        assert_eq!(hidden(&many).len(), HIDDEN_MAX);
    }
}
