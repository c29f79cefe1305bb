//! The settings for people to read: what is in effect, and what there is.

#[cfg(test)]
use std::fmt::Write as _;

#[cfg(test)]
use crate::config::SETTINGS;
use crate::config::{Loaded, Source, Value, settings::Form};

/// Returns the settings in effect as a settings file, each with where it came from.
pub(crate) fn dump_toml(loaded: &Loaded) -> String {
    let mut text = String::new();
    for value in &loaded.values {
        let from = match &value.source {
            Source::Default => String::new(),
            other => format!(" # {other}"),
        };
        text.push_str(&format!(
            "{} = {}{from}\n",
            value.setting.key,
            toml_form(value)
        ));
    }
    text
}

/// Returns the same for programs.
pub(crate) fn dump_json(loaded: &Loaded) -> serde_json::Value {
    let entry = |value: &Value| {
        let source = match &value.source {
            Source::Default => serde_json::json!({ "kind": "default" }),
            Source::File { path, key } => {
                serde_json::json!({ "kind": "file", "path": path, "key": key })
            }
            Source::Variable(name) => serde_json::json!({ "kind": "variable", "name": name }),
            Source::Flag(name) => serde_json::json!({ "kind": "flag", "name": name }),
        };
        let entry = serde_json::json!({ "value": json_form(value), "source": source });
        (value.setting.key.to_owned(), entry)
    };
    serde_json::Value::Object(loaded.values.iter().map(entry).collect())
}

fn json_form(value: &Value) -> serde_json::Value {
    let shown = |it: &String| serde_json::Value::String(value.setting.shown(it));
    match value.setting.form {
        Form::List(_) => value.items.iter().map(shown).collect(),
        Form::Switch => {
            let text = value.items.first().map(String::as_str);
            serde_json::Value::Bool(text.and_then(super::parse::yes_or_no) == Some(true))
        }
        Form::One => value
            .items
            .first()
            .map_or_else(|| String::new().into(), shown),
    }
}

fn toml_form(value: &Value) -> String {
    // A JSON text is a basic string of TOML as well.
    json_form(value).to_string()
}

/// Returns `docs/settings.md`.
#[cfg(test)]
pub(super) fn reference() -> String {
    let mut text = String::from(
        "# Settings\n\
        \n\
        Flags come before variables, variables before the file, and the file before the defaults. \
        The file is `~/.config/archestra/config.toml`, or the one that `--config` or \
        `ARCHESTRA_CONFIG` names. All mistakes are told at once, and the exit code is 64. \
        `archestra config check` only looks; `archestra config dump` shows what is in effect and \
        where it came from.\n\
        \n\
        Lists have commas between their parts in a flag or a variable (`podman_args`: spaces), and \
        are lists in the file; a flag can also be given several times. Times are like `250ms`, \
        `10s`, `5m`, `2h`, `90d`; sizes like `512KiB`, `16MiB`, `2GiB`.\n\
        \n\
        `archestra connect` and the other commands that talk to a running program also read \
        `ARCHESTRA_URL` and `ARCHESTRA_TOKEN`; without them they find both in the data directory.\n\
        \n\
        This page is made from the table in `crates/cli/src/config/settings.rs` by its test.\n",
    );
    for setting in SETTINGS {
        let default = match (setting.key, setting.default) {
            ("data_dir", _) => "`~/.local/share/archestra`".to_owned(),
            ("cache_dir", _) => "`~/.cache/archestra`".to_owned(),
            (_, "") => "empty".to_owned(),
            (_, text) => format!("`{text}`"),
        };
        writeln!(
            text,
            "\n## `{}`\n\n{}\n\n- Flag: `{}`\n- Variable: `{}`\n- Expected: {}\n- Default: {default}",
            setting.key,
            setting.doc,
            setting.flag(),
            setting.variable(),
            setting.expected,
        )
        .expect("a text takes all that is written");
    }
    text
}
