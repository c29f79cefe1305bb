//! `providers`: where models are asked, and with which keys.

use std::{fs::File, io::Read as _, path::Path, process::ExitCode};

use anyhow::{Context as _, bail};
use domain::Secret;
use serde_json::{Value, json};

use crate::{
    api::{Api, part},
    args::models::{AddProviderArgs, KeyArgs, KindWord, NewKeyArgs, ProvidersCommand},
    commands::{list, servers_add, text},
    output,
    target::Finder,
};

/// What is read of a file with a key.
const KEY_FILE_BYTES_MAX: u64 = 64 << 10;
/// Ollama's port where nobody has chosen another.
const OLLAMA_PORT: &str = ":11434";

pub(crate) async fn run(
    finder: &Finder,
    command: ProvidersCommand,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut api = Api::find(finder)?;
    let api = &mut api;
    match command {
        ProvidersCommand::List => show_all(&api.get("/providers").await?, as_json),
        ProvidersCommand::Find => {
            show_all(&api.post("/providers/discover", None).await?, as_json);
        }
        ProvidersCommand::Add(args) => return add(api, args, as_json).await,
        ProvidersCommand::Test { provider } => {
            let provider = find(api, &provider).await?;
            return test(api, &provider, as_json).await;
        }
        ProvidersCommand::Remove { provider } => {
            let provider = find(api, &provider).await?;
            api.delete(&path(&provider, "")).await?;
            say(as_json, &provider, "is removed");
        }
        ProvidersCommand::Key { provider, key } => {
            let provider = find(api, &provider).await?;
            set_key(api, &provider, &key, as_json).await?;
        }
        ProvidersCommand::Enable { provider } => switch(api, &provider, true, as_json).await?,
        ProvidersCommand::Disable { provider } => switch(api, &provider, false, as_json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Finds a provider by its name or identifier.
pub(super) async fn find(api: &mut Api, wanted: &str) -> anyhow::Result<Value> {
    let answer = api.get("/providers").await?;
    chosen(list(&answer, "providers"), wanted).cloned()
}

fn chosen<'a>(providers: &'a [Value], wanted: &str) -> anyhow::Result<&'a Value> {
    if let Some(found) = providers.iter().find(|it| text(it, "id") == wanted) {
        return Ok(found);
    }
    let named = |is_it: fn(&str, &str) -> bool| -> Vec<&Value> {
        let named = providers
            .iter()
            .filter(|it| is_it(text(it, "name"), wanted));
        named.collect()
    };
    let mut found = named(|name, wanted| name == wanted);
    if found.is_empty() {
        found = named(|name, wanted| name.to_lowercase() == wanted.to_lowercase());
    }
    match found.as_slice() {
        [only] => Ok(only),
        [] => bail!("provider `{wanted}` not found; `archestra providers list` shows all of them"),
        several => {
            let ids: Vec<&str> = several.iter().map(|it| text(it, "id")).collect();
            bail!(
                "several providers are called `{wanted}`; say which by its identifier: {}",
                ids.join(", ")
            )
        }
    }
}

async fn add(api: &mut Api, args: AddProviderArgs, as_json: bool) -> anyhow::Result<ExitCode> {
    let key = key(&args.key)?;
    let kind = args.kind.unwrap_or_else(|| kind_of(&args.address));
    let mut body = json!({ "kind": kind.word(), "base_url": args.address });
    let fields = [
        ("name", args.name),
        ("default_model", args.model),
        ("key", key.map(Secret::into_exposed)),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            body[name] = value.into();
        }
    }
    let added = api.post("/providers", Some(&body)).await?;
    say(as_json, &added, "is added");
    for warning in list(&added, "warnings") {
        let warning = warning.as_str().unwrap_or_default();
        output::note(format!("warning: {}", output::harmless(warning)));
    }
    // It is added whatever comes of that, and may only be off at the moment.
    let _works = test(api, &added, as_json).await?;
    Ok(ExitCode::SUCCESS)
}

async fn test(api: &mut Api, provider: &Value, as_json: bool) -> anyhow::Result<ExitCode> {
    let tested = api.post(&path(provider, "/test"), None).await?;
    let works = text(&tested, "state") == "ok";
    if as_json {
        output::json(&tested);
    } else if works {
        let models = match tested["models"].as_u64() {
            Some(1) => "1 model".to_owned(),
            models => format!("{} models", models.unwrap_or(0)),
        };
        say(false, &tested, &format!("answers, and has {models}"));
    } else {
        output::note(output::harmless(&failure(&tested["error"])));
    }
    Ok(ExitCode::from(u8::from(!works)))
}

/// Returns what is wrong, and what to do about it.
pub(super) fn failure(error: &Value) -> String {
    format!("{}; {}", text(error, "message"), text(error, "fix"))
}

async fn set_key(
    api: &mut Api,
    provider: &Value,
    args: &NewKeyArgs,
    as_json: bool,
) -> anyhow::Result<()> {
    let path = path(provider, "/key");
    if args.remove {
        api.delete(&path).await?;
        say(as_json, provider, "has no key any more");
        return Ok(());
    }
    let key = match (&args.from_env, &args.from_file) {
        (Some(variable), _) => servers_add::of_variable("key", variable)?,
        (_, Some(file)) => of_file(file)?,
        (None, None) => servers_add::ask("key")?,
    };
    api.put_body(&path, &json!({ "key": key.expose() })).await?;
    say(as_json, provider, "has another key");
    Ok(())
}

async fn switch(api: &mut Api, provider: &str, on: bool, as_json: bool) -> anyhow::Result<()> {
    let provider = find(api, provider).await?;
    let body = json!({ "enabled": on });
    api.patch(&path(&provider, ""), &body).await?;
    say(as_json, &provider, if on { "is on" } else { "is off" });
    Ok(())
}

fn key(args: &KeyArgs) -> anyhow::Result<Option<Secret<String>>> {
    Ok(match (&args.key_from_env, &args.key_from_file) {
        (Some(variable), _) => Some(servers_add::of_variable("key", variable)?),
        (_, Some(file)) => Some(of_file(file)?),
        (None, None) if args.key => Some(servers_add::ask("key")?),
        (None, None) => None,
    })
}

fn of_file(path: &Path) -> anyhow::Result<Secret<String>> {
    let read = || -> std::io::Result<String> {
        let mut key = String::new();
        let mut file = File::open(path)?.take(KEY_FILE_BYTES_MAX);
        file.read_to_string(&mut key)?;
        Ok(key)
    };
    let key = read().with_context(|| format!("cannot read a key from `{}`", path.display()))?;
    let key = key.trim();
    if key.is_empty() {
        bail!("there is no key in `{}`", path.display());
    }
    Ok(Secret::new(key.to_owned()))
}

fn kind_of(address: &str) -> KindWord {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    match host.ends_with(OLLAMA_PORT) || path.trim_end_matches('/') == "api/chat" {
        true => KindWord::Ollama,
        false => KindWord::Openai,
    }
}

fn path(provider: &Value, rest: &str) -> String {
    format!("/providers/{}{rest}", part(text(provider, "id")))
}

fn say(as_json: bool, provider: &Value, what: &str) {
    if !as_json {
        let name = output::harmless(text(provider, "name"));
        output::line(format!("provider `{name}` {what}"));
    }
}

fn show_all(answer: &Value, as_json: bool) {
    if as_json {
        output::json(answer);
        return;
    }
    let rows: Vec<_> = list(answer, "providers").iter().map(row).collect();
    output::table(
        &["NAME", "KIND", "ADDRESS", "KEY", "STATE", "MODELS"],
        &rows,
    );
    for it in list(answer, "providers") {
        if text(it, "state") == "failed" {
            output::note(output::harmless(&failure(&it["error"])));
        }
    }
}

fn row(provider: &Value) -> Vec<String> {
    let is = |key: &str| provider[key] == true;
    let state = match text(provider, "state") {
        _ if !is("enabled") => "off",
        "unknown" => "not asked yet",
        state => state,
    };
    let kind = match (is("demo"), is("found")) {
        (true, _) => "demo".to_owned(),
        (_, true) => format!("{}, found", text(provider, "kind")),
        _ => text(provider, "kind").to_owned(),
    };
    vec![
        output::harmless(text(provider, "name")),
        kind,
        output::harmless(text(provider, "base_url")),
        if is("has_key") { "kept" } else { "-" }.to_owned(),
        state.to_owned(),
        match text(provider, "state") {
            "ok" => provider["models"].to_string(),
            _ => "-".to_owned(),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_told_from_the_address() {
        for (address, expected) in [
            ("localhost:11434", KindWord::Ollama),
            ("http://127.0.0.1:11434/v1", KindWord::Ollama),
            ("https://box.test/api/chat", KindWord::Ollama),
            ("https://openrouter.test/api/v1", KindWord::Openai),
            ("localhost:1234", KindWord::Openai),
            ("api.test", KindWord::Openai),
        ] {
            assert_eq!(kind_of(address), expected, "{address}");
        }
    }

    #[test]
    fn a_provider_is_known_by_its_name_or_identifier() {
        let providers = [
            json!({ "id": "1", "name": "Ollama" }),
            json!({ "id": "2", "name": "mine" }),
            json!({ "id": "3", "name": "mine" }),
            json!({ "id": "4", "name": "Mine" }),
        ];
        let find = |wanted: &str| match chosen(&providers, wanted) {
            Ok(it) => text(it, "id").to_owned(),
            Err(err) => err.to_string(),
        };
        assert_eq!(find("3"), "3");
        assert_eq!(find("ollama"), "1");
        assert_eq!(find("Mine"), "4");
        assert!(find("mine").ends_with("by its identifier: 2, 3"));
        assert!(find("other").starts_with("provider `other` not found; "));
    }
}
