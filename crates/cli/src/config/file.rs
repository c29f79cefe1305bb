//! The settings file: TOML, taken apart into the texts of settings.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use crate::config::{Setting, settings::SETTINGS, unknown};

/// Reads the file's text. What is wrong with it becomes a mistake, and the rest is still read.
pub(super) fn read(
    path: &Path,
    text: &str,
    mistakes: &mut Vec<String>,
) -> BTreeMap<String, (PathBuf, Vec<String>)> {
    let mut values = BTreeMap::new();
    let place = format!(" in `{}`", path.display());
    let table = match text.parse::<Table>() {
        Ok(table) => table,
        Err(err) => {
            let at = err.span().map_or(String::new(), |span| {
                let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
                format!(" (line {line})")
            });
            mistakes.push(format!(
                "`{}`{at} is not TOML: {}",
                path.display(),
                err.message()
            ));
            return values;
        }
    };
    let mut flat = Vec::new();
    flatten("", table, &mut flat);
    for (key, value) in flat {
        if Setting::named(&key).is_none() {
            let known = SETTINGS.iter().map(|it| it.key.to_owned());
            mistakes.push(unknown(&key, &place, known));
            continue;
        }
        match items(value) {
            Some(items) => {
                values.insert(key, (path.to_owned(), items));
            }
            None => mistakes.push(format!(
                "`{key}`{place} has to be a text, a number, true, false, or a list of them"
            )),
        }
    }
    values
}

/// Takes tables apart: `[egress] hosts = …` is `egress.hosts`.
fn flatten(prefix: &str, table: Table, flat: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        match value {
            Value::Table(inner) => flatten(&format!("{key}."), inner, flat),
            value => flat.push((key, value)),
        }
    }
}

fn items(value: Value) -> Option<Vec<String>> {
    match value {
        Value::Array(items) => items.into_iter().map(scalar).collect(),
        value => Some(vec![scalar(value)?]),
    }
}

fn scalar(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(is_set) => Some(is_set.to_string()),
        Value::Float(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}
