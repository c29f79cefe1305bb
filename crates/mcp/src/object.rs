//! One level of a JSON object: its keys in order, and its values as bytes.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The most keys that an object may have that is looked at.
const KEYS_MAX: usize = 1024;

/// An object whose values are not looked into.
#[derive(Debug, Clone, Default)]
pub struct Object<'a> {
    // Invariant: no key stands twice, nor differs from another in letter case alone.
    entries: Vec<(Cow<'a, str>, Cow<'a, RawValue>)>,
}

impl<'a> Object<'a> {
    /// Takes `text` apart. An error says what is wrong with it.
    pub fn parse(text: &'a RawValue) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text.get())
    }

    /// As [`parse`](Self::parse); `None` is the empty object.
    pub fn parse_or_empty(text: Option<&'a RawValue>) -> Result<Self, serde_json::Error> {
        text.map_or_else(|| Ok(Self::default()), Self::parse)
    }

    pub fn get(&self, key: &str) -> Option<&RawValue> {
        let found = self.entries.iter().find(|(it, _)| it == key);
        found.map(|(_, value)| value.as_ref())
    }

    /// Reads the value at `key`; `None` when there is none or it is of another type.
    pub fn read<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_str(self.get(key)?.get()).ok()
    }

    /// Returns the text at `key`; `None` when there is none or it is no text.
    pub fn text(&self, key: &str) -> Option<String> {
        self.read(key)
    }

    /// Puts `value` in the place of the one at `key`, or at the end.
    pub fn set(&mut self, key: &'a str, value: Box<RawValue>) {
        let value = Cow::Owned(value);
        match self.entries.iter_mut().find(|(it, _)| it == key) {
            Some((_, place)) => *place = value,
            None => self.entries.push((Cow::Borrowed(key), value)),
        }
    }

    /// As [`set`](Self::set), with a text.
    pub fn set_text(&mut self, key: &'a str, text: &str) {
        self.set(key, raw(&text));
    }

    /// Takes the value at `key` away.
    pub fn remove(&mut self, key: &str) {
        self.entries.retain(|(it, _)| it != key);
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(key, _)| key.as_ref())
    }

    /// Returns the object as JSON, its values with the bytes that they came with.
    pub fn to_raw(&self) -> Box<RawValue> {
        let mut text = String::with_capacity(self.text_len());
        self.write(&mut text);
        RawValue::from_string(text).expect("keys and values are valid JSON")
    }

    /// Writes what [`to_raw`](Self::to_raw) returns to the end of `out`.
    pub fn write(&self, out: &mut String) {
        out.push('{');
        for (at, (key, value)) in self.entries.iter().enumerate() {
            if at != 0 {
                out.push(',');
            }
            out.push_str(raw(&key.as_ref()).get());
            out.push(':');
            out.push_str(value.get());
        }
        out.push('}');
    }

    /// Returns how long the object is as JSON, in bytes; a little less where keys have escapes.
    pub fn text_len(&self) -> usize {
        let entries = self.entries.iter();
        let len: usize = entries
            .map(|(key, value)| key.len() + value.get().len() + 4)
            .sum();
        (len + 1).max(2)
    }
}

/// Returns `value` as JSON.
///
/// # Panics
///
/// When `value` has a map with keys that are not text; ours have none.
pub fn raw<T: serde::Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("maps of ours have text for keys")
}

/// Reads the elements of an array without looking into them.
pub fn elements(text: &RawValue) -> Result<Vec<&RawValue>, serde_json::Error> {
    serde_json::from_str(text.get())
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries: Vec<(Cow<'de, str>, Cow<'de, RawValue>)> = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            // Objects that are looked at are small, so this is quicker than a set.
            if let Some((other, _)) = entries.iter().find(|(it, _)| it.eq_ignore_ascii_case(&key)) {
                return Err(de::Error::custom(if *other == key {
                    format!("key `{key}` stands twice")
                } else {
                    format!("keys `{other}` and `{key}` differ in letter case alone")
                }));
            }
            if entries.len() == KEYS_MAX {
                return Err(de::Error::custom(format!("more than {KEYS_MAX} keys")));
            }
            let value: &RawValue = map.next_value()?;
            entries.push((key, Cow::Borrowed(value)));
        }
        Ok(Object { entries })
    }
}

/// A key, borrowed where it has no escapes.
pub(crate) struct Key<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

#[cfg(test)]
mod tests;
