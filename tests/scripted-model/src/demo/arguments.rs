//! Arguments for any tool, from its JSON schema and the person's message.

use serde_json::{Map, Value, json};

use crate::{conversation::Tool, demo::facts, turn::ToolCall};

/// Objects inside of objects are filled so deep.
const DEPTH_MAX: usize = 4;

/// Returns a call with these arguments, as far as the tool takes them, and with whatever else it
/// requires.
pub(super) fn call(tool: &Tool, known: &[(&str, Value)], text: &str) -> ToolCall {
    let mut arguments = match fill(&tool.schema, text) {
        Value::Object(it) => it,
        _ => Map::new(),
    };
    let takes = |name: &str| match tool.schema["properties"].as_object() {
        Some(properties) if !properties.is_empty() => properties.contains_key(name),
        _ => tool.schema["additionalProperties"] != false,
    };
    for (name, value) in known {
        if takes(name) {
            arguments.insert((*name).to_owned(), value.clone());
        }
    }
    ToolCall::new(tool.name.as_str(), Value::Object(arguments))
}

/// Returns a value that fits a schema: all that is required, made from the message as well as it goes.
pub(crate) fn fill(schema: &Value, text: &str) -> Value {
    let mut filler = Filler {
        root: schema,
        text,
        numbers: facts::numbers(text).into_iter(),
        zones: facts::zones(text).into_iter(),
    };
    if let Some(given) = given(schema, text) {
        return given;
    }
    filler.value("", schema, DEPTH_MAX)
}

/// Returns the JSON object that stands in the message, if it has all that is required.
fn given(schema: &Value, text: &str) -> Option<Value> {
    let (from, to) = (text.find('{')?, text.rfind('}')?);
    let given: Value = serde_json::from_str(text.get(from..=to)?).ok()?;
    let required = schema["required"].as_array();
    let required = required.map(Vec::as_slice).unwrap_or_default();
    let has = |name: &Value| name.as_str().is_some_and(|it| given.get(it).is_some());
    (given.is_object() && required.iter().all(has)).then_some(given)
}

struct Filler<'a> {
    root: &'a Value,
    text: &'a str,
    /// Each is used once.
    numbers: std::vec::IntoIter<f64>,
    zones: std::vec::IntoIter<String>,
}

impl Filler<'_> {
    fn value(&mut self, name: &str, schema: &Value, depth: usize) -> Value {
        let schema = self.resolved(schema);
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(values) = schema["enum"].as_array() {
            return self.one_of(values);
        }
        for several in ["anyOf", "oneOf", "allOf"] {
            let options = schema[several].as_array();
            let first = options.and_then(|it| it.iter().find(|it| it["type"] != "null"));
            if let (Some(first), true) = (first, schema.get("type").is_none()) {
                return self.value(name, &first.clone(), depth);
            }
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find(|it| **it != "null"),
            kind => Some(kind),
        };
        match kind.and_then(Value::as_str) {
            Some("object") if depth > 0 => self.object(&schema, depth),
            Some("object") => json!({}),
            Some("array") => self.array(name, &schema, depth),
            Some("integer") => self.number(&schema, true),
            Some("number") => self.number(&schema, false),
            Some("boolean") => schema["default"].as_bool().unwrap_or_default().into(),
            Some("null") => Value::Null,
            _ if schema["properties"].is_object() && depth > 0 => self.object(&schema, depth),
            _ => self.string(name, &schema).into(),
        }
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let required = schema["required"].as_array();
        let required = required.map(Vec::as_slice).unwrap_or_default();
        let mut object = Map::new();
        for name in required.iter().filter_map(Value::as_str) {
            let value = self.value(name, &schema["properties"][name], depth - 1);
            object.insert(name.to_owned(), value);
        }
        Value::Object(object)
    }

    fn array(&mut self, name: &str, schema: &Value, depth: usize) -> Value {
        let wanted = schema["minItems"].as_u64().unwrap_or(1).clamp(1, 16);
        let items: Vec<Value> = match depth {
            0 => Vec::new(),
            _ => (0..wanted)
                .map(|_| self.value(singular(name), &schema["items"], depth - 1))
                .collect(),
        };
        items.into()
    }

    fn number(&mut self, schema: &Value, whole: bool) -> Value {
        let default = schema["default"].as_f64();
        let found = self.numbers.next().or(default).unwrap_or(1.0);
        let min = schema["minimum"].as_f64().unwrap_or(f64::MIN);
        let max = schema["maximum"].as_f64().unwrap_or(f64::MAX);
        let found = found.max(min).min(max);
        if whole || found.fract() == 0.0 && found.abs() < 1e15 {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a number of a message; the nearest that there is will do"
            )]
            return (found as i64).into();
        }
        found.into()
    }

    fn string(&mut self, name: &str, schema: &Value) -> String {
        let lower = name.to_lowercase();
        let is = |any: &[&str]| any.iter().any(|it| lower.contains(it));
        let otherwise = schema["default"].as_str().map(str::to_owned);
        let found = if is(&["timezone", "time_zone", "tz"]) {
            self.zones.next().or_else(|| Some("UTC".to_owned()))
        } else if is(&["url", "uri", "link"]) || schema["format"] == "uri" {
            facts::url(self.text).or_else(|| Some("https://example.com/".to_owned()))
        } else if is(&["path", "file", "folder", "directory"]) {
            facts::path(self.text).or_else(|| Some(".".to_owned()))
        } else if lower == "time" {
            facts::time_of_day(self.text).or_else(|| Some("12:00".to_owned()))
        } else {
            None
        };
        let said = || {
            facts::quotation(self.text)
                .or_else(|| facts::after(self.text, &[": "]).map(str::to_owned))
                .unwrap_or_else(|| self.text.trim().to_owned())
        };
        let text = found.or(otherwise).unwrap_or_else(said);
        let max = schema["maxLength"].as_u64().unwrap_or(2_000);
        text.chars()
            .take(usize::try_from(max).unwrap_or(2_000))
            .collect()
    }

    /// Returns the value that stands in the message, else the first.
    fn one_of(&self, values: &[Value]) -> Value {
        let lower = self.text.to_lowercase();
        let said = |it: &&Value| {
            it.as_str()
                .is_some_and(|it| !it.is_empty() && lower.contains(&it.to_lowercase()))
        };
        let found = values.iter().find(said).or_else(|| values.first());
        found.cloned().unwrap_or_default()
    }

    /// Follows references inside of the schema, a few times.
    fn resolved(&self, schema: &Value) -> Value {
        let mut schema = schema;
        for _ in 0..DEPTH_MAX {
            let Some(reference) = schema["$ref"].as_str() else {
                break;
            };
            let pointer = reference.trim_start_matches('#');
            match self.root.pointer(pointer) {
                Some(it) => schema = it,
                None => break,
            }
        }
        schema.clone()
    }
}

fn singular(name: &str) -> &str {
    name.strip_suffix('s').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::fill;
    use serde_json::{Value, json};

    #[test]
    fn arguments_fit_their_schema() {
        #[track_caller]
        fn check(schema: Value, text: &str, expected: Value) {
            assert_eq!(fill(&schema, text), expected, "{schema}");
        }
        let object = |properties: Value, required: Value| json!({ "type": "object", "properties": properties, "required": required });
        check(json!({ "type": "object" }), "anything", json!({}));
        check(
            object(
                json!({ "n": { "type": "integer", "minimum": 5, "maximum": 9 } }),
                json!(["n"]),
            ),
            "take 3",
            json!({ "n": 5 }),
        );
        check(
            object(json!({ "on": { "type": "boolean" } }), json!(["on"])),
            "",
            json!({ "on": false }),
        );
        check(
            object(json!({ "x": { "type": ["null", "string"] } }), json!(["x"])),
            "say \"this\"",
            json!({ "x": "this" }),
        );
        check(
            object(
                json!({ "x": { "anyOf": [{ "type": "null" }, { "type": "number" }] } }),
                json!(["x"]),
            ),
            "7.5",
            json!({ "x": 7.5 }),
        );
        check(
            object(json!({ "x": { "$ref": "#/$defs/kind" } }), json!(["x"])),
            "",
            json!({ "x": "" }),
        );
        check(
            json!({ "type": "object", "properties": { "x": { "$ref": "#/$defs/kind" } }, "required": ["x"],
                "$defs": { "kind": { "enum": ["a", "bee"] } } }),
            "the bee one",
            json!({ "x": "bee" }),
        );
        check(json!({ "$ref": "#" }), "", json!(""));
        check(
            object(
                json!({ "items": { "type": "array", "minItems": 2, "items": { "type": "number" } } }),
                json!(["items"]),
            ),
            "3 and 4",
            json!({ "items": [3, 4] }),
        );
    }
}
