//! A tool's schema as the narrowest of the providers takes it.
//!
//! Servers send any JSON Schema. Of what providers refuse, each refusal costs the whole request, not
//! only the tool: references, a union at the root, arrays of types, arrays without items, patterns
//! that a grammar cannot express, formats they do not know, repetitions by the thousand. So what a
//! model sees says a little less than the server's schema, and never more: whatever fits the
//! server's, fits this one. The arguments are checked against the server's.

use serde_json::{Map, Value, json};

/// Levels of a schema. What is deeper may be anything.
const DEPTH_MAX: usize = 16;
/// Parts of a schema, references followed. What comes later may be anything.
const NODES_MAX: usize = 2_000;
/// A schema that is longer is told without its descriptions, and then not at all.
const SCHEMA_BYTES_MAX: usize = 32 << 10;
const DESCRIPTION_CHARS_MAX: usize = 1_024;
const PATTERN_CHARS_MAX: usize = 120;
const ENUM_VALUES_MAX: usize = 500;
/// Where a grammar is made of the schema, repetitions cost by the number.
const REPETITIONS_MAX: u64 = 1_000;
const FORMATS: [&str; 9] = [
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "time",
    "uuid",
];
/// What is taken as it is.
const COPIED: [&str; 6] = [
    "default",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
];
const REPETITIONS: [&str; 4] = ["minLength", "maxLength", "minItems", "maxItems"];

/// Returns a schema of an object that every provider takes.
pub fn fit_schema(schema: &Value) -> Value {
    let mut fitter = Fitter {
        root: schema,
        nodes: 0,
        references: Vec::new(),
    };
    let mut fitted = as_root(fitter.fit(schema, 0));
    if SCHEMA_BYTES_MAX < fitted.to_string().len() {
        strip_descriptions(&mut fitted);
    }
    if SCHEMA_BYTES_MAX < fitted.to_string().len() {
        return json!({ "type": "object", "properties": {} });
    }
    fitted
}

/// Returns the beginning of a description that every provider takes.
pub fn fit_description(text: &str) -> String {
    match text.char_indices().nth(DESCRIPTION_CHARS_MAX) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(DESCRIPTION_CHARS_MAX - 1).collect();
            format!("{kept}…")
        }
    }
}

struct Fitter<'a> {
    root: &'a Value,
    nodes: usize,
    // Invariant: those that are being followed, outermost first.
    references: Vec<&'a str>,
}

impl<'a> Fitter<'a> {
    fn fit(&mut self, schema: &'a Value, depth: usize) -> Map<String, Value> {
        self.nodes += 1;
        let Value::Object(node) = schema else {
            // `true` and `false`; the server says no to what `false` means.
            return Map::new();
        };
        if DEPTH_MAX < depth || NODES_MAX < self.nodes {
            return Map::new();
        }
        let mut out = match node.get("$ref") {
            Some(Value::String(reference)) => self.follow(reference, depth),
            _ => Map::new(),
        };
        for branch in branches(node, "allOf") {
            let fitted = self.fit(branch, depth + 1);
            merge(&mut out, fitted);
        }
        let own = self.own(node, depth);
        overlay(&mut out, own);
        for key in ["anyOf", "oneOf"] {
            let fitted: Vec<_> = branches(node, key)
                .filter(|it| !is_null(it))
                .map(|it| self.fit(it, depth + 1))
                .collect();
            unite(&mut out, fitted);
        }
        guess_type(&mut out);
        out
    }

    fn follow(&mut self, reference: &'a str, depth: usize) -> Map<String, Value> {
        let target = reference
            .strip_prefix('#')
            .and_then(|it| self.root.pointer(it));
        match target {
            Some(target) if !self.references.contains(&reference) => {
                self.references.push(reference);
                let fitted = self.fit(target, depth + 1);
                self.references.pop();
                fitted
            }
            // It leads into itself: what is inside may be anything of its type.
            Some(target) => {
                let types = target.get("type").and_then(Value::as_str);
                let of_type = |it: &str| Map::from_iter([("type".to_owned(), json!(it))]);
                types.map(of_type).unwrap_or_default()
            }
            None => Map::new(),
        }
    }

    /// Returns what a node says itself, without what it refers to and its branches.
    fn own(&mut self, node: &'a Map<String, Value>, depth: usize) -> Map<String, Value> {
        let mut out = Map::new();
        if let Some(description) = description(node) {
            out.insert("description".to_owned(), json!(description));
        }
        for key in COPIED {
            // In an old draft two of these are booleans.
            if let Some(value) = node
                .get(key)
                .filter(|it| key == "default" || it.is_number())
            {
                out.insert(key.to_owned(), value.clone());
            }
        }
        for key in REPETITIONS {
            let number = node.get(key).and_then(Value::as_u64);
            if let Some(number) = number.filter(|it| *it <= REPETITIONS_MAX) {
                out.insert(key.to_owned(), json!(number));
            }
        }
        let format = node.get("format").and_then(Value::as_str);
        if let Some(format) = format.filter(|it| FORMATS.contains(it)) {
            out.insert("format".to_owned(), json!(format));
        }
        if let Some(values) = enumeration(node) {
            out.insert("enum".to_owned(), values);
        }
        self.object_keys(node, depth, &mut out);
        self.array_keys(node, depth, &mut out);
        types(node, &mut out);
        out
    }

    fn object_keys(
        &mut self,
        node: &'a Map<String, Value>,
        depth: usize,
        out: &mut Map<String, Value>,
    ) {
        if let Some(Value::Object(properties)) = node.get("properties") {
            let fitted = properties
                .iter()
                .map(|(name, it)| (name.clone(), Value::Object(self.fit(it, depth + 1))));
            let fitted: Map<String, Value> = fitted.collect();
            out.insert("properties".to_owned(), Value::Object(fitted));
        }
        if let Some(Value::Array(required)) = node.get("required") {
            let names = required.iter().filter(|it| it.is_string()).cloned();
            out.insert("required".to_owned(), names.collect());
        }
        match node.get("additionalProperties") {
            Some(Value::Bool(it)) if !node.contains_key("patternProperties") => {
                out.insert("additionalProperties".to_owned(), json!(it));
            }
            Some(it @ Value::Object(_)) => {
                let fitted = self.fit(it, depth + 1);
                out.insert("additionalProperties".to_owned(), Value::Object(fitted));
            }
            _ => {}
        }
    }

    fn array_keys(
        &mut self,
        node: &'a Map<String, Value>,
        depth: usize,
        out: &mut Map<String, Value>,
    ) {
        let is_array = match node.get("type") {
            Some(Value::String(it)) => it == "array",
            Some(Value::Array(types)) => types.iter().any(|it| it == "array"),
            _ => false,
        };
        match node.get("items") {
            Some(it @ Value::Object(_)) if !node.contains_key("prefixItems") => {
                let fitted = self.fit(it, depth + 1);
                out.insert("items".to_owned(), Value::Object(fitted));
            }
            Some(_) => {
                out.insert("items".to_owned(), json!({}));
            }
            None if is_array || node.contains_key("prefixItems") => {
                out.insert("items".to_owned(), json!({}));
            }
            None => {}
        }
    }
}

fn branches<'a>(node: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a Value> {
    node.get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn is_null(schema: &Value) -> bool {
    schema["type"] == "null" || schema.get("const") == Some(&Value::Null)
}

/// A pattern is told in words.
fn description(node: &Map<String, Value>) -> Option<String> {
    let text = node.get("description").and_then(Value::as_str);
    let pattern = node.get("pattern").and_then(Value::as_str);
    let pattern = pattern.filter(|it| it.len() <= PATTERN_CHARS_MAX);
    let whole = match (text, pattern) {
        (Some(text), Some(pattern)) => format!("{text} (pattern: {pattern})"),
        (Some(text), None) => text.to_owned(),
        (None, Some(pattern)) => format!("(pattern: {pattern})"),
        (None, None) => return None,
    };
    Some(fit_description(&whole))
}

fn enumeration(node: &Map<String, Value>) -> Option<Value> {
    let values = match (node.get("const"), node.get("enum")) {
        (Some(value), _) => vec![value.clone()],
        (None, Some(Value::Array(values))) => values.clone(),
        _ => return None,
    };
    // "Nothing" is said by leaving the argument out.
    let values: Vec<Value> = values.into_iter().filter(|it| !it.is_null()).collect();
    (!values.is_empty() && values.len() <= ENUM_VALUES_MAX).then_some(Value::Array(values))
}

/// Writes one type, or one branch for each.
fn types(node: &Map<String, Value>, out: &mut Map<String, Value>) {
    let types: Vec<&str> = match node.get("type") {
        Some(Value::String(it)) => vec![it],
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let other_than_null: Vec<&str> = types.into_iter().filter(|it| *it != "null").collect();
    match other_than_null.as_slice() {
        [] => {}
        [one] => {
            out.insert("type".to_owned(), json!(one));
        }
        several => {
            let branch = |name: &str| {
                let of_it = keys_of(name);
                let mut branch = Map::from_iter([("type".to_owned(), json!(name))]);
                let keys = out.iter().filter(|(key, _)| of_it.contains(&key.as_str()));
                branch.extend(keys.map(|(key, value)| (key.clone(), value.clone())));
                Value::Object(branch)
            };
            let branches: Vec<Value> = several.iter().map(|it| branch(it)).collect();
            let of_one = |key: &str| several.iter().any(|it| keys_of(it).contains(&key));
            out.retain(|key, _| !of_one(key));
            out.insert("anyOf".to_owned(), Value::Array(branches));
        }
    }
}

fn keys_of(type_name: &str) -> &'static [&'static str] {
    match type_name {
        "object" => &["properties", "required", "additionalProperties"],
        "array" => &["items", "minItems", "maxItems"],
        "string" => &["format", "minLength", "maxLength"],
        "number" | "integer" => &[
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
        ],
        _ => &[],
    }
}

/// Adds what must hold as well. Where both say something that cannot be joined, the first stays.
fn merge(out: &mut Map<String, Value>, other: Map<String, Value>) {
    for (key, value) in other {
        match (out.get_mut(&key), value) {
            (Some(Value::Object(ours)), Value::Object(theirs)) if key == "properties" => {
                for (name, schema) in theirs {
                    ours.entry(name).or_insert(schema);
                }
            }
            (Some(Value::Array(ours)), Value::Array(theirs)) if key == "required" => {
                for name in theirs {
                    if !ours.contains(&name) {
                        ours.push(name);
                    }
                }
            }
            (Some(_), _) => {}
            (None, value) => {
                out.insert(key, value);
            }
        }
    }
    // Each branch means the properties of the others by "additional".
    if out.get("additionalProperties") == Some(&Value::Bool(false)) {
        out.remove("additionalProperties");
    }
}

/// Puts what a node says itself over what it refers to.
fn overlay(out: &mut Map<String, Value>, own: Map<String, Value>) {
    if out.is_empty() {
        *out = own;
        return;
    }
    let mut own = own;
    for key in ["description", "default"] {
        if let Some(value) = own.remove(key) {
            out.insert(key.to_owned(), value);
        }
    }
    merge(out, own);
}

/// Adds branches of which one holds.
fn unite(out: &mut Map<String, Value>, mut branches: Vec<Map<String, Value>>) {
    branches.dedup();
    if branches.len() < 2 {
        if let Some(only) = branches.pop() {
            let mut only = only;
            if out.contains_key("description") {
                only.remove("description");
            }
            merge(out, only);
        }
        return;
    }
    if let Some((type_name, values)) = enumerations(&branches) {
        out.insert("type".to_owned(), type_name);
        out.insert("enum".to_owned(), Value::Array(values));
        return;
    }
    if branches.iter().any(Map::is_empty) {
        // One of them may be anything, so all may.
        return;
    }
    let branches = branches.into_iter().map(Value::Object).collect();
    out.entry("anyOf").or_insert(Value::Array(branches));
}

/// Returns the values of branches that each are a list of values of one type.
fn enumerations(branches: &[Map<String, Value>]) -> Option<(Value, Vec<Value>)> {
    let type_name = branches.first()?.get("type")?;
    let mut values = Vec::new();
    for branch in branches {
        if branch.get("type") != Some(type_name) {
            return None;
        }
        values.extend(branch.get("enum")?.as_array()?.iter().cloned());
    }
    Some((type_name.clone(), values))
}

fn guess_type(out: &mut Map<String, Value>) {
    if out.contains_key("type") || out.contains_key("anyOf") {
        return;
    }
    let values = out.get("enum").and_then(Value::as_array);
    let guess = if out.contains_key("properties") {
        "object"
    } else if out.contains_key("items") {
        "array"
    } else if values.is_some_and(|it| it.iter().all(Value::is_string)) {
        "string"
    } else {
        return;
    };
    out.insert("type".to_owned(), json!(guess));
}

/// The root is an object, and no union: of one, each branch's properties may be given.
fn as_root(mut root: Map<String, Value>) -> Value {
    if let Some(Value::Array(branches)) = root.remove("anyOf") {
        for branch in branches {
            if let Value::Object(mut branch) = branch {
                branch.remove("required");
                branch.remove("description");
                merge(&mut root, branch);
            }
        }
    }
    root.remove("enum");
    root.remove("default");
    root.insert("type".to_owned(), json!("object"));
    if !root.get("properties").is_some_and(Value::is_object) {
        root.insert("properties".to_owned(), json!({}));
    }
    let mut root = Value::Object(root);
    drop_unknown_required(&mut root);
    root
}

/// Providers refuse a required property that is not among the properties.
fn drop_unknown_required(schema: &mut Value) {
    match schema {
        Value::Object(node) => {
            let known: Vec<String> = match node.get("properties") {
                Some(Value::Object(properties)) => properties.keys().cloned().collect(),
                _ => Vec::new(),
            };
            if let Some(Value::Array(required)) = node.get_mut("required") {
                required.retain(|it| it.as_str().is_some_and(|it| known.iter().any(|k| k == it)));
                if required.is_empty() {
                    node.remove("required");
                }
            }
            children(node).for_each(drop_unknown_required);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_unknown_required),
        _ => {}
    }
}

fn strip_descriptions(schema: &mut Value) {
    match schema {
        Value::Object(node) => {
            node.remove("description");
            children(node).for_each(strip_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_descriptions),
        _ => {}
    }
}

/// Returns the schemas in a schema. What has any name of its own (`properties`) is stepped over.
fn children(node: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    node.iter_mut()
        .flat_map(|(key, value)| match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                properties.values_mut().collect::<Vec<_>>()
            }
            ("items" | "additionalProperties" | "anyOf", value) => vec![value],
            _ => Vec::new(),
        })
}

#[cfg(test)]
mod tests;
