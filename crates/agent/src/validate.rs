//! Arguments against a tool's schema.
//!
//! It is here to tell a model early and exactly where its arguments do not fit, not to keep anything
//! from a server, which checks for itself. So it knows the part of JSON Schema that tools use, is
//! silent about the rest (`pattern`, `format`, `not`, `if`), and takes no more than a bounded number
//! of steps, since schemas come from servers that nobody trusts.

use serde_json::{Map, Value};

const STEPS_MAX: usize = 20_000;
const DEPTH_MAX: usize = 64;
/// What is told at once.
const MISMATCHES_MAX: usize = 5;
const VALUE_CHARS_MAX: usize = 60;

/// Returns where `value` does not fit `schema`, in words; nothing if it fits.
pub fn mismatches(schema: &Value, value: &Value) -> Vec<String> {
    let mut checker = Checker {
        root: schema,
        steps: 0,
    };
    let mut found = Vec::new();
    checker.check(schema, value, &Place::Root, 0, &mut found);
    found
}

struct Checker<'a> {
    root: &'a Value,
    steps: usize,
}

/// Where in the arguments we are; written out only if there is something to say.
enum Place<'a> {
    Root,
    Key(&'a Self, &'a str),
    Index(&'a Self, usize),
}

impl Place<'_> {
    fn text(&self) -> String {
        match self {
            Self::Root => "the arguments".to_owned(),
            place => format!("`{}`", place.path()),
        }
    }

    fn path(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Key(Place::Root, key) => (*key).to_owned(),
            Self::Key(parent, key) => format!("{}.{key}", parent.path()),
            Self::Index(parent, index) => format!("{}[{index}]", parent.path()),
        }
    }
}

impl<'a> Checker<'a> {
    fn check(
        &mut self,
        schema: &'a Value,
        value: &Value,
        place: &Place<'_>,
        depth: usize,
        found: &mut Vec<String>,
    ) {
        self.steps += 1;
        let Value::Object(node) = schema else {
            return;
        };
        if STEPS_MAX < self.steps || DEPTH_MAX < depth || MISMATCHES_MAX <= found.len() {
            return;
        }
        if let Some(Value::String(reference)) = node.get("$ref") {
            let target = reference.strip_prefix('#');
            if let Some(target) = target.and_then(|it| self.root.pointer(it)) {
                self.check(target, value, place, depth + 1, found);
            }
        }
        let before = found.len();
        check_value(node, value, place, found);
        if found.len() == before {
            self.check_inside(node, value, place, depth, found);
        }
        for branch in branches(node, "allOf") {
            self.check(branch, value, place, depth + 1, found);
        }
        for key in ["anyOf", "oneOf"] {
            self.check_any(node, key, value, place, depth, found);
        }
    }

    fn check_any(
        &mut self,
        node: &'a Map<String, Value>,
        key: &str,
        value: &Value,
        place: &Place<'_>,
        depth: usize,
        found: &mut Vec<String>,
    ) {
        let mut nearest: Option<Vec<String>> = None;
        for branch in branches(node, key) {
            let mut of_branch = Vec::new();
            self.check(branch, value, place, depth + 1, &mut of_branch);
            if of_branch.is_empty() {
                return;
            }
            if nearest.as_ref().is_none_or(|it| of_branch.len() < it.len()) {
                nearest = Some(of_branch);
            }
        }
        if let Some(nearest) = nearest {
            let nearest = nearest.join("; ");
            found.push(format!(
                "{} fits none of the forms it may have; of one: {nearest}",
                place.text()
            ));
        }
    }

    fn check_inside(
        &mut self,
        node: &'a Map<String, Value>,
        value: &Value,
        place: &Place<'_>,
        depth: usize,
        found: &mut Vec<String>,
    ) {
        match value {
            Value::Object(object) => self.check_object(node, object, place, depth, found),
            Value::Array(items) => {
                let first = branches(node, "prefixItems").count();
                for (index, item) in items.iter().enumerate() {
                    let schema = match node.get("prefixItems").and_then(|it| it.get(index)) {
                        Some(schema) => Some(schema),
                        None if first <= index => node.get("items"),
                        None => None,
                    };
                    if let Some(schema) = schema {
                        let place = Place::Index(place, index);
                        self.check(schema, item, &place, depth + 1, found);
                    }
                }
            }
            _ => {}
        }
    }

    fn check_object(
        &mut self,
        node: &'a Map<String, Value>,
        object: &Map<String, Value>,
        place: &Place<'_>,
        depth: usize,
        found: &mut Vec<String>,
    ) {
        let required = branches(node, "required").filter_map(Value::as_str);
        for name in required.filter(|it| !object.contains_key(*it)) {
            found.push(format!("`{}` is missing", Place::Key(place, name).path()));
        }
        let properties = node.get("properties").and_then(Value::as_object);
        for (name, value) in object {
            let place = Place::Key(place, name);
            if let Some(schema) = properties.and_then(|it| it.get(name)) {
                self.check(schema, value, &place, depth + 1, found);
                continue;
            }
            if node.contains_key("patternProperties") {
                continue;
            }
            match node.get("additionalProperties") {
                Some(Value::Bool(false)) => {
                    found.push(format!("{} is not an argument", place.text()));
                }
                Some(schema) => self.check(schema, value, &place, depth + 1, found),
                None => {}
            }
        }
        found.truncate(MISMATCHES_MAX);
    }
}

fn branches<'a>(node: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a Value> {
    node.get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Checks what a node says about the value itself.
fn check_value(
    node: &Map<String, Value>,
    value: &Value,
    place: &Place<'_>,
    found: &mut Vec<String>,
) {
    let types: Vec<&str> = match node.get("type") {
        Some(Value::String(it)) => vec![it],
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|it| is_of_type(value, it)) {
        let wanted = types.join("` or `");
        let (place, shown) = (place.text(), shown(value));
        found.push(format!("{place} must be of type `{wanted}` and is {shown}"));
        return;
    }
    if let Some(wanted) = node.get("const").filter(|it| !equal(it, value)) {
        let (place, shown) = (place.text(), shown(value));
        found.push(format!("{place} must be `{wanted}` and is {shown}"));
    }
    if let Some(Value::Array(values)) = node.get("enum")
        && !values.iter().any(|it| equal(it, value))
    {
        let some: Vec<String> = values.iter().take(20).map(Value::to_string).collect();
        let (place, some, shown) = (place.text(), some.join(", "), shown(value));
        found.push(format!("{place} must be one of {some} and is {shown}"));
    }
    check_bounds(node, value, place, found);
}

fn check_bounds(
    node: &Map<String, Value>,
    value: &Value,
    place: &Place<'_>,
    found: &mut Vec<String>,
) {
    let limit = |key: &str| node.get(key).and_then(Value::as_f64);
    let (size, least, most, unit) = match value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            if limit("exclusiveMinimum").is_some_and(|it| number <= it)
                || limit("exclusiveMaximum").is_some_and(|it| it <= number)
            {
                let (place, shown) = (place.text(), shown(value));
                found.push(format!("{place} is {shown}, which is out of its range"));
            }
            (number, limit("minimum"), limit("maximum"), "")
        }
        Value::String(text) => {
            let length = text.chars().count();
            (
                size(length),
                limit("minLength"),
                limit("maxLength"),
                " characters",
            )
        }
        Value::Array(items) => (
            size(items.len()),
            limit("minItems"),
            limit("maxItems"),
            " items",
        ),
        _ => return,
    };
    if let Some(least) = least.filter(|it| size < *it) {
        let place = place.text();
        found.push(format!(
            "{place} must be at least {least}{unit} and is {size}"
        ));
    }
    if let Some(most) = most.filter(|it| *it < size) {
        let place = place.text();
        found.push(format!(
            "{place} must be at most {most}{unit} and is {size}"
        ));
    }
}

#[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^52")]
const fn size(length: usize) -> f64 {
    length as f64
}

fn is_of_type(value: &Value, type_name: &str) -> bool {
    match type_name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        // `1.0` is one (JSON Schema, "Validation", 6.1.1).
        "integer" => value.as_f64().is_some_and(|it| it.fract() == 0.0),
        // We do not know it, the server may.
        _ => true,
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    a == b || a.is_number() && b.is_number() && a.as_f64() == b.as_f64()
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((at, _)) => format!("`{}…`", &text[..at]),
        None => format!("`{text}`"),
    }
}

#[cfg(test)]
mod tests;
